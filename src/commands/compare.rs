//! `verify --compare`: what zone-aware routing does to the latency, by the same traffic with it and without where it can be
//! switched off, which is in a local cloud; and by what the proxies have timed of requests within zones and between them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::outcome::Outcome;
use super::text::{performance, verdict};
use super::verify::{self, Options, Traffic};
use super::{Error, counters, matrix, settling};
use crate::envoy::times::{self, Pair, Summary, Times};
use crate::processes::local_cloud::{self, Conditions};
use crate::report::numbers::{grouped, milliseconds, percent};
use crate::report::page::Page;
use crate::report::style::strong;
use crate::routing::Runtime;
use crate::stages::Context;
use crate::traffic::{Verdict, Verification};

/// By how much AWS says that zone-aware routing lowers the median of the network's latency ("Zone-aware routing in Amazon ECS
/// Service Connect": about 24 %, in deployments over several zones with balanced endpoints).
const AWS_SAYS: f64 = -0.24;

/// The same traffic with zone-aware routing and without, where it can be switched off; and what the proxies timed.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Comparison {
    /// Whether each run went as predicted, and the median latency is lower with zone-aware routing; where that cannot be switched off,
    /// whether the one run with it did.
    pub verdict: Verdict,
    /// How long a request to a backend in its zone and its answer were under way between proxies, in milliseconds, beside what
    /// this machine took. Null: that is not set, but as it is.
    pub same_zone_ms: Option<f64>,
    /// The same to a backend in another zone.
    pub cross_zone_ms: Option<f64>,
    /// With zone-aware routing.
    pub on: Verification,
    /// Without. Null: it cannot be switched off there.
    pub off: Option<Verification>,
    /// By how much the median latency, by this machine's clock, is lower or higher with it: -0.24 is 24 % lower. Null: too little was
    /// answered, or there is no run without it.
    pub median_change: Option<f64>,
    /// The same of the mean time between proxies alone, from the links' times and the pairs of zones that were seen. Null: the
    /// links take no time, or nothing was answered.
    pub links_change: Option<f64>,
    /// What the proxies timed by their own clocks. Null: they do not tell.
    pub by_proxies: Option<ByProxies>,
    /// What AWS says of the median.
    pub median_change_on_aws: f64,
}

/// How long requests took since the proxies started, by the proxies' own clocks: from the end of a request to that of its answer, the
/// backend's work included, and without the load balancer and the way to it.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct ByProxies {
    /// The requests that stayed in their zone. Null: none was timed.
    pub same_zone: Option<Summary>,
    /// Those that went to another. Null: none was timed.
    pub cross_zone: Option<Summary>,
    /// By how much the mean is lower or higher with zone-aware routing, if without it each zone's requests went to all backends alike.
    /// Null: one of the two kinds was not timed, or the shares are not known.
    pub mean_change: Option<f64>,
}

impl ByProxies {
    fn of(times: &BTreeMap<Pair, Times>, on: &Verification) -> Option<Self> {
        let (same_zone, cross_zone) = times::by_kind(times);
        if same_zone.is_none() && cross_zone.is_none() {
            return None;
        }
        let without = on.transfer.as_ref().and_then(|transfer| transfer.cross_zone_share_without_zones);
        let mean_change = match (same_zone, cross_zone, without, on.same_zone_share) {
            (Some(same), Some(cross), Some(without), Some(with)) => {
                let mean = |crossing: f64| (1.0 - crossing) * same.mean_ms + crossing * cross.mean_ms;
                Some(mean(1.0 - with) / mean(without) - 1.0)
            }
            _ => None,
        };
        Some(Self { same_zone, cross_zone, mean_change })
    }

    /// What was timed, and what follows from it.
    fn text(&self) -> String {
        let kind = |times: Option<Summary>, name: &str| match times {
            Some(times) => format!("{} {name} ({} timed)", milliseconds(Some(times.mean_ms)), grouped(times.requests)),
            None => format!("none {name}"),
        };
        let change = match self.mean_change {
            Some(by) => format!("; from that, zone-aware routing makes the mean {}", change(by)),
            None => "; `zonewalk failover` sends requests across zones".to_owned(),
        };
        format!(
            "By the proxies' own clocks, since they started, a request took on average {}, {}{change}.",
            kind(self.same_zone, "in its zone"),
            kind(self.cross_zone, "to another")
        )
    }
}

/// Sends the traffic with zone-aware routing and without, and puts all back as it was; or with it alone on AWS.
pub async fn run(ctx: &Context, options: Options) -> Result<Comparison, Error> {
    let Some(endpoint_url) = ctx.clients.endpoint_url.as_deref() else { return with_it_alone(ctx, options).await };
    let before = local_cloud::conditions(endpoint_url).await.map_err(|error| {
        Error::Usage(format!(
            "on this machine zone-aware routing can only be switched off in zonewalk's own local cloud: {error}"
        ))
    })?;
    let set = async |zone_routing_enabled| {
        let runtime = Runtime { zone_routing_enabled, ..before.runtime };
        local_cloud::set_conditions(endpoint_url, Conditions { runtime, ..before }).await
    };
    let both = async {
        set(None).await?;
        let on = verify::run(ctx, options).await?;
        set(Some(0)).await?;
        let off = without_zones(ctx, options, before.runtime).await?;
        Ok::<_, Error>((on, off))
    };
    let both = both.await;
    // Whatever became of it; also if it was interrupted.
    local_cloud::set_conditions(endpoint_url, before).await?;
    let (on, off) = both?;
    let by_proxies = timed(ctx, &on).await?;
    Ok(Comparison { by_proxies, ..Comparison::new(before, on, off) })
}

/// The traffic with zone-aware routing, beside what the proxies have timed: AWS has no switch for it.
pub async fn with_it_alone(ctx: &Context, options: Options) -> Result<Comparison, Error> {
    let on = verify::run(ctx, options).await?;
    Ok(Comparison {
        verdict: on.verdict,
        same_zone_ms: None,
        cross_zone_ms: None,
        off: None,
        median_change: None,
        links_change: None,
        by_proxies: timed(ctx, &on).await?,
        median_change_on_aws: AWS_SAYS,
        on,
    })
}

/// What the proxies have timed since they started.
async fn timed(ctx: &Context, on: &Verification) -> Result<Option<ByProxies>, Error> {
    let proxies = counters::or_reason(counters::read(ctx, verify::PATIENCE).await)?;
    Ok(match proxies {
        Ok(proxies) => ByProxies::of(&counters::sum(&proxies).times, on),
        Err(reason) => {
            ctx.events.note(format!("what the proxies timed is not known: {reason}"));
            None
        }
    })
}

/// The traffic where zone-aware routing is off, held against what the algorithm does then.
async fn without_zones(ctx: &Context, options: Options, runtime: Runtime) -> Result<Verification, Error> {
    let (url, demands) = (verify::load_balancer_url(ctx).await?, options.demands(ctx));
    let runtime = Runtime { zone_routing_enabled: Some(0), ..runtime };
    let measure = async |traffic: Traffic| {
        let expectation = verify::expectation_under(ctx, runtime).await?;
        let not_read = Err("zone-aware routing is known to be off".to_owned());
        verify::whole(verify::measure(ctx, &traffic.load(&url), demands, &expectation, Some(not_read)).await?)
    };
    settling::settle(ctx, async |requests| measure(Traffic::of(requests, options.traffic.concurrency)).await).await?;
    measure(options.traffic).await
}

impl Comparison {
    fn new(conditions: Conditions, on: Verification, off: Verification) -> Self {
        let Conditions { same_zone_ms, cross_zone_ms, .. } = conditions;
        let [with, without] = [&on, &off].map(|side| side.latency_ms.all.p50);
        let median_change = with.zip(without).map(|(with, without)| with / without - 1.0);
        let under_way = |side: &Verification| {
            side.same_zone_share
                .map(|share| share * same_zone_ms + (1.0 - share) * cross_zone_ms)
                .filter(|mean| *mean > 0.0)
        };
        let links_change = under_way(&on).zip(under_way(&off)).map(|(with, without)| with / without - 1.0);
        let holds =
            on.verdict.passed() && off.errors == 0 && off.as_predicted && median_change.is_some_and(|by| by < 0.0);
        Self {
            verdict: Verdict::of(holds),
            same_zone_ms: Some(same_zone_ms),
            cross_zone_ms: Some(cross_zone_ms),
            on,
            off: Some(off),
            median_change,
            links_change,
            by_proxies: None,
            median_change_on_aws: AWS_SAYS,
        }
    }
}

fn change(by: f64) -> String {
    format!("{} {}", percent(Some(by.abs())), if by < 0.0 { "lower" } else { "higher" })
}

impl Outcome for Comparison {
    fn title(&self) -> &'static str {
        "verify"
    }

    fn text(&self, page: &Page) -> String {
        let sides = || [("with it", Some(&self.on)), ("without", self.off.as_ref())];
        let said = match (self.median_change, &self.off) {
            (Some(by), _) => format!("with zone-aware routing the median latency is {}", change(by)),
            (None, Some(_)) => "too few requests were answered".to_owned(),
            (None, None) => {
                "AWS has no switch for zone-aware routing, so that no traffic can be sent without it".to_owned()
            }
        };
        let reasons = sides().into_iter().filter_map(|(_, side)| side).flat_map(|side| side.reasons.iter());
        let reasons: Vec<&str> = if self.verdict.passed() { vec![] } else { reasons.map(String::as_str).collect() };
        let mut lines = vec![verdict(self.verdict, [said.as_str()].into_iter().chain(reasons), page)];
        for (name, side) in sides() {
            let Some(side) = side else { continue };
            let share = percent(side.same_zone_share);
            lines.push(page.wrap(&format!("{}  {share} same-zone · {}", strong(name), performance(side)), 9));
            if page.verbose {
                lines.push(matrix::of_verification(side, page));
            }
        }
        lines.extend(self.by_proxies.as_ref().map(|times| page.wrap(&times.text(), 0)));
        let aws =
            format!("AWS says about {} for the median of the network's latency.", change(self.median_change_on_aws));
        let links = self.same_zone_ms.zip(self.cross_zone_ms).map(|(same_zone_ms, cross_zone_ms)| {
            let mean = self.links_change.map(|by| format!("; the mean of that alone is {}", change(by)));
            format!(
                "The links between proxies take {same_zone_ms} ms within a zone and {cross_zone_ms} ms to another{}. ",
                mean.unwrap_or_default()
            )
        });
        let here = "The latencies by this machine's clock are from the request's start to the whole answer, the way to the load \
                    balancer and this machine's own work included.";
        lines.push(page.wrap(&format!("{}{aws} {here}", links.unwrap_or_default()), 0));
        lines.join("\n")
    }

    fn holds(&self) -> bool {
        self.verdict.passed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::{Demands, Expectation, Meter, TasksByZone, verify};

    #[test]
    fn what_the_proxies_timed_is_held_against_all_backends_alike() {
        let tasks: TasksByZone = ["a", "b", "c"].map(|zone| (zone.to_owned(), 2)).into();
        let meter = Meter::default();
        for zone in ["a", "b", "c"] {
            meter.record(Ok((zone.to_owned(), zone.to_owned())), std::time::Duration::from_millis(1), 10);
        }
        let demands = Demands { min_same_zone: 0.8, exact: true };
        let on = verify(&meter.take(), &Expectation::of(&tasks, &tasks), Err(String::new()), demands);
        let text =
            "cluster.x.zone.a.a.upstream_rq_time: 0,0:3\ncluster.x.zone.a.b.upstream_rq_time: 1,0.1:1, 2,0.1:1\n";
        let timed = ByProxies::of(&times::parse(text), &on).unwrap();
        // 0.5 ms with it; without, two of three requests take 2 ms.
        assert!((timed.mean_change.unwrap() + 2.0 / 3.0).abs() < 1e-9, "{timed:?}");
        assert!(timed.text().contains("0.5 ms in its zone (3 timed), 2.0 ms to another (2 timed)"), "{}", timed.text());
        let own_only = ByProxies::of(&times::parse(text.lines().next().unwrap()), &on).unwrap();
        assert_eq!(own_only.mean_change, None);
        assert!(own_only.text().contains("none to another; `zonewalk failover`"), "{}", own_only.text());
        assert!(ByProxies::of(&BTreeMap::new(), &on).is_none());
    }
}

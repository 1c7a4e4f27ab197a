//! `verify --compare`: what zone-aware routing does to the latency, by the same traffic with it and without. Where it can be
//! switched off: in a local cloud.

use schemars::JsonSchema;
use serde::Serialize;

use super::outcome::Outcome;
use super::text::{performance, verdict};
use super::verify::{self, Options, Traffic};
use super::{Error, matrix, settling};
use crate::processes::local_cloud::{self, Conditions};
use crate::report::numbers::percent;
use crate::report::page::Page;
use crate::report::style::strong;
use crate::routing::Runtime;
use crate::stages::Context;
use crate::traffic::{Verdict, Verification};

/// By how much AWS says that zone-aware routing lowers the median of the network's latency ("Zone-aware routing in Amazon ECS
/// Service Connect": about 24 %, in deployments over several zones with balanced endpoints).
const AWS_SAYS: f64 = -0.24;

/// The same traffic with zone-aware routing and without.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Comparison {
    /// Whether each run went as predicted, and the median latency is lower with zone-aware routing.
    pub verdict: Verdict,
    /// How long a request to a backend in its zone and its answer were under way between proxies, in milliseconds, beside what
    /// this machine took.
    pub same_zone_ms: f64,
    /// The same to a backend in another zone.
    pub cross_zone_ms: f64,
    /// With zone-aware routing.
    pub on: Verification,
    /// Without.
    pub off: Verification,
    /// By how much the median latency is lower or higher with it: -0.24 is 24 % lower. Null: too little was answered.
    pub median_change: Option<f64>,
    /// The same of the mean time between proxies alone, from the links' times and the pairs of zones that were seen. Null: the
    /// links take no time, or nothing was answered.
    pub links_change: Option<f64>,
    /// What AWS says of the median.
    pub median_change_on_aws: f64,
}

/// Sends the traffic with zone-aware routing and without, and puts all back as it was.
pub async fn run(ctx: &Context, options: Options) -> Result<Comparison, Error> {
    let endpoint_url = ctx.clients.endpoint_url.as_deref().ok_or_else(|| {
        Error::Usage(
            "AWS does not let zone-aware routing be switched off, so there is nothing to compare with: add --local, or see the \
             latency of each pair of zones with `zonewalk verify`"
                .to_owned(),
        )
    })?;
    let before = local_cloud::conditions(endpoint_url).await.map_err(|error| {
        Error::Usage(format!("zone-aware routing can only be switched off in zonewalk's own local cloud: {error}"))
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
    Ok(Comparison::new(before, on, off))
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
            same_zone_ms,
            cross_zone_ms,
            on,
            off,
            median_change,
            links_change,
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
        let Self { on, off, same_zone_ms, cross_zone_ms, .. } = self;
        let said = match self.median_change {
            Some(by) => format!("with zone-aware routing the median latency is {}", change(by)),
            None => "too few requests were answered".to_owned(),
        };
        let reasons = [on, off].into_iter().flat_map(|side| side.reasons.iter().map(String::as_str));
        let reasons: Vec<&str> = if self.verdict.passed() { vec![] } else { reasons.collect() };
        let mut lines = vec![verdict(self.verdict, [said.as_str()].into_iter().chain(reasons), page)];
        for (name, side) in [("with it", on), ("without", off)] {
            let share = percent(side.same_zone_share);
            lines.push(page.wrap(&format!("{}  {share} same-zone · {}", strong(name), performance(side)), 9));
            if page.verbose {
                lines.push(matrix::of_verification(side, page));
            }
        }
        let links = self.links_change.map(|by| format!("; the mean of that alone is {}", change(by)));
        lines.push(page.wrap(
            &format!(
                "The links between proxies take {same_zone_ms} ms within a zone and {cross_zone_ms} ms to another{}. AWS \
                 says about {} for the median of the network's latency. The latencies here are this machine's, from the request's start to the whole answer, \
                 its own work included.",
                links.unwrap_or_default(),
                change(self.median_change_on_aws)
            ),
            0,
        ));
        lines.join("\n")
    }

    fn holds(&self) -> bool {
        self.verdict.passed()
    }
}

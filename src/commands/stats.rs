//! `stats`: Envoy's own counters, from every frontend's proxy, before and after some traffic. Their growth is the proof: a
//! cross-zone counter of 0 alone may also mean that Envoy does not route by zone at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::outcome::Outcome;
use super::text::verdict;
use super::verify::{self, FIX, Traffic};
use super::{Error, counters, matrix};
use crate::envoy::stats::ZoneRequests;
use crate::envoy::times::{self, ZoneTimes};
use crate::report::numbers::{count, grouped, milliseconds};
use crate::report::page::Page;
use crate::report::style::attention;
use crate::report::table::{align_numbers, lines, table};
use crate::stages::{Context, Error as StageError};
use crate::traffic::{Counted, Verdict};

pub use super::counters::Proxy;

/// Whose proxies are read, and the traffic between the two readings: what the command line takes, its help included.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Read the proxies of this service on EC2, whoever's it is; it is sent no requests [default: the walkthrough's frontend]
    #[arg(long, value_name = "SERVICE", conflicts_with_all = ["requests", "duration", "concurrency", "rate"])]
    service: Option<String>,
    /// Cluster of the service [default: the walkthrough's]
    #[arg(long, value_name = "CLUSTER", requires = "service")]
    cluster: Option<String>,
    #[command(flatten)]
    traffic: Traffic,
    /// Only read the counters: send no requests, judge nothing
    #[arg(long, conflicts_with_all = ["requests", "duration", "concurrency", "rate"])]
    no_traffic: bool,
}

impl Options {
    /// The traffic that is asked for, none where only the counters are.
    fn traffic(&self) -> Option<Traffic> {
        (!self.no_traffic && self.service.is_none()).then_some(self.traffic)
    }

    /// The context in which the service that is named is the frontend.
    fn context(&self, ctx: &Context) -> Context {
        let mut ctx = ctx.clone();
        if let Some(service) = &self.service {
            let mut names = ctx.names.as_ref().clone();
            names.cluster = self.cluster.clone().unwrap_or(names.cluster);
            names.frontend.service.clone_from(service);
            ctx.names = Arc::new(names);
        }
        ctx
    }
}

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Stats {
    /// The counters of each frontend's proxy.
    pub proxies: Vec<Proxy>,
    /// The sums over all proxies.
    pub totals: Totals,
    /// Whether the counters show that requests are routed by zone. Null: no requests were sent, so nothing is shown.
    pub verdict: Option<Verdict>,
    /// What the verdict rests on.
    pub reasons: Vec<String>,
}

/// The sums over all proxies.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Totals {
    /// Envoy's counters since the proxies started.
    pub counters: BTreeMap<String, u64>,
    /// The requests between zones since the proxies started.
    pub zone_requests: Vec<ZoneRequests>,
    /// By how much each counter grew between two readings, with the requests that were sent meanwhile.
    pub growth: BTreeMap<String, u64>,
    /// By how much the requests of each pair of zones grew.
    pub zone_growth: Vec<ZoneRequests>,
    /// The requests that were sent between the two readings.
    pub requests_sent: u64,
    /// How long requests between each pair of zones took by the proxies' clocks: those between the two readings, or all since the
    /// proxies started if no requests were sent. Empty: the proxies do not tell, or nothing was timed.
    pub zone_times: Vec<ZoneTimes>,
}

/// Reads what is asked for.
pub async fn run_for(ctx: &Context, options: &Options) -> Result<Stats, Error> {
    run(&options.context(ctx), options.traffic()).await
}

/// Reads the counters before and after traffic, or once if there is to be none.
pub async fn run(ctx: &Context, traffic: impl Into<Option<Traffic>>) -> Result<Stats, Error> {
    let before = counters::read(ctx, ctx.settings.timeout).await?;
    let Some(traffic) = traffic.into() else { return Ok(Stats::of(before.clone(), &before, 0, None)) };
    let url = verify::load_balancer_url(ctx).await?;
    let sent = verify::send(ctx, &url, traffic).await?;
    if ctx.cancel.is_cancelled() {
        return Err(StageError::Interrupted.into());
    }
    let proxies = counters::read(ctx, ctx.settings.timeout).await?;
    Ok(Stats::of(proxies, &before, sent.requests(), Some(sent.failed())))
}

impl Stats {
    /// `failed`: how many of the requests failed, if any were to be sent.
    fn of(proxies: Vec<Proxy>, before: &[Proxy], sent: u64, failed: Option<u64>) -> Self {
        let (growth, total) = (counters::growth(before, &proxies), counters::sum(&proxies));
        let judged = failed.map(|failed| judge(&growth, sent, failed));
        let verdict = judged.as_ref().map(|(holds, _)| Verdict::of(*holds));
        let times = if failed.is_some() { counters::times_growth(before, &proxies) } else { total.times.clone() };
        Self {
            totals: Totals {
                counters: total.counters,
                zone_requests: total.zone_requests,
                growth,
                zone_growth: counters::zone_growth(before, &proxies),
                requests_sent: sent,
                zone_times: times::by_zone(&times),
            },
            proxies,
            verdict,
            reasons: judged.map(|(_, reasons)| reasons).unwrap_or_default(),
        }
    }
}

/// Whether the growth of the counters shows that requests were routed by zone.
fn judge(growth: &BTreeMap<String, u64>, sent: u64, failed: u64) -> (bool, Vec<String>) {
    let Counted { all_directly: direct, sampled, cross_zone: cross } = counters::counted(growth);
    let routed = direct + sampled + cross;
    let mut reasons = vec![];
    if failed > 0 {
        reasons.push(format!("{} of {} failed", grouped(failed), count(sent, "request")));
    }
    if routed == 0 {
        reasons.push(
            "no zone counter moved: Envoy does not route by zone (fewer than 6 healthy backends, or services that are older than \
             zone-aware routing: `zonewalk redeploy`)"
                .to_owned(),
        );
    } else if routed < sent - failed {
        reasons.push(format!("{} not routed by zone", count(sent - failed - routed, "request")));
    }
    reasons.push(format!(
        "{}: {} same-zone, {} same-zone by sampling, {} cross-zone",
        count(sent, "request"),
        grouped(direct),
        grouped(sampled),
        grouped(cross)
    ));
    (failed == 0 && sent > 0 && direct + sampled > 0 && routed >= sent, reasons)
}

/// The counters that the article goes by, the last two, and those that prove it, each with its meaning.
const MEANINGS: [(&str, &str); 4] = [
    ("lb_zone_routing_all_directly", "same-zone, with backends for all"),
    ("lb_zone_routing_sampled", "same-zone, with backends for some"),
    ("lb_zone_routing_cross_zone", "0 = all traffic stays in its zone"),
    ("lb_zone_cluster_too_small", "too few backends: fine at startup"),
];

impl Outcome for Stats {
    fn title(&self) -> &'static str {
        "stats"
    }

    fn text(&self, page: &Page) -> String {
        let proxies = count(self.proxies.len() as u64, "proxy").replace("proxys", "proxies");
        let head = match self.verdict {
            Some(judged) => verdict(judged, &self.reasons, page),
            None => attention("no requests were sent, so there is no growth to judge"),
        };
        let totals = &self.totals;
        let grows = self.verdict.is_some();
        let numbers = |name: &str| {
            let total = totals.counters.get(name).copied().unwrap_or(0);
            let growth = totals.growth.get(name).copied().unwrap_or(0);
            let mut numbers = if grows { vec![grouped(growth)] } else { vec![] };
            if page.verbose || !grows {
                numbers.push(grouped(total));
            }
            numbers
        };
        let growth_title = if grows { vec!["GROWTH"] } else { vec![] };
        let total_title = if page.verbose || !grows { vec!["TOTAL"] } else { vec![] };
        let titles = || growth_title.iter().chain(&total_title).copied();

        let mut named = table(page, ["COUNTER"].into_iter().chain(titles()).chain(["MEANING"]));
        for (name, meaning) in MEANINGS {
            named.add_row([name.to_owned()].into_iter().chain(numbers(name)).chain([meaning.to_owned()]));
        }
        align_numbers(&mut named);
        if let Some(meaning) = named.column_iter_mut().last() {
            meaning.set_cell_alignment(comfy_table::CellAlignment::Left);
        }
        let mut blocks = vec![head, format!("the counters of {proxies}:\n{}", lines(&named))];
        if page.verbose {
            let mut others = table(page, ["COUNTER"].into_iter().chain(titles()));
            let named = |name: &String| MEANINGS.iter().any(|(named, _)| named == name);
            for name in totals.counters.keys().filter(|name| !named(name)) {
                others.add_row([name.clone()].into_iter().chain(numbers(name)));
            }
            align_numbers(&mut others);
            blocks.push(format!("other counters:\n{}", lines(&others)));
        }
        if grows {
            blocks.push(format!("requests of this run:\n{}", pairs(&totals.zone_growth, page)));
        }
        if page.verbose || !grows {
            blocks.push(format!("requests since the proxies started:\n{}", pairs(&totals.zone_requests, page)));
        }
        if !totals.zone_times.is_empty() {
            blocks.push(format!("{CLOCK}\n{}", zone_times(&totals.zone_times, page)));
        }
        blocks.join("\n\n")
    }

    fn holds(&self) -> bool {
        self.verdict.is_none_or(Verdict::passed)
    }

    fn next(&self) -> Option<String> {
        Some(if self.holds() { "`zonewalk down` removes everything" } else { FIX }.to_owned())
    }
}

/// What the times of proxies are.
const CLOCK: &str = "how long requests took by the proxies' own clocks (whole ms, rounded down):";

fn zone_times(times: &[ZoneTimes], page: &Page) -> String {
    let mut shown = table(page, ["FRONTEND → BACKEND", "REQUESTS", "MEAN", "P50", "P99"]);
    for ZoneTimes { frontend, backend, summary } in times {
        let pair = format!("{frontend} → {backend}");
        let numbers = [
            grouped(summary.requests),
            milliseconds(Some(summary.mean_ms)),
            format!("{} ms", summary.p50_ms),
            format!("{} ms", summary.p99_ms),
        ];
        shown.add_row([pair].into_iter().chain(numbers));
    }
    align_numbers(&mut shown);
    lines(&shown)
}

fn pairs(requests: &[ZoneRequests], page: &Page) -> String {
    let cells = requests.iter().map(|pair| ((pair.from.as_str(), pair.to.as_str()), (pair.requests, None)));
    matrix::matrix(&cells.collect(), false, page)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn growth(counters: &[(&str, u64)]) -> BTreeMap<String, u64> {
        counters.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
    }

    #[test]
    fn a_cross_zone_counter_of_zero_is_no_proof() {
        let (holds, reasons) = judge(&growth(&[("lb_zone_routing_cross_zone", 0)]), 60, 0);
        assert!(!holds);
        assert!(reasons[0].contains("no zone counter moved"), "{reasons:?}");
    }

    #[test]
    fn growth_of_the_direct_counter_by_every_request_is() {
        assert!(judge(&growth(&[("lb_zone_routing_all_directly", 60)]), 60, 0).0);
        assert!(!judge(&growth(&[("lb_zone_routing_all_directly", 59)]), 60, 0).0);
        assert!(!judge(&growth(&[("lb_zone_routing_all_directly", 60)]), 60, 1).0);
        assert!(!judge(&growth(&[]), 0, 0).0);
    }
}

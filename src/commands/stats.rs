//! `stats`: Envoy's own counters, from every frontend's proxy, before and after some traffic. Their growth is the proof: a
//! cross-zone counter of 0 alone may also mean that Envoy does not route by zone at all.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::outcome::Outcome;
use super::text::verdict;
use super::{Error, counters, verify};
use crate::envoy::stats::ZoneRequests;
use crate::report::page::Page;
use crate::report::table::{align_numbers, table};
use crate::stages::Context;
use crate::traffic::{Counted, Verdict};

pub use super::counters::Proxy;

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Stats {
    pub proxies: Vec<Proxy>,
    pub totals: Totals,
    pub verdict: Verdict,
    pub reasons: Vec<String>,
}

/// The sums over all proxies.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Totals {
    pub counters: BTreeMap<String, u64>,
    pub zone_requests: Vec<ZoneRequests>,
    /// By how much each counter grew between two readings, with the requests that were sent meanwhile.
    pub growth: BTreeMap<String, u64>,
    pub requests_sent: u64,
}

pub async fn run(ctx: &Context, traffic: verify::Traffic) -> Result<Stats, Error> {
    let before = counters::read(ctx, ctx.settings.timeout).await?;
    let url = verify::load_balancer_url(ctx).await?;
    let sent = verify::send(ctx, &url, traffic).await?;
    let proxies = counters::read(ctx, ctx.settings.timeout).await?;
    let (growth, total) = (counters::growth(&before, &proxies), counters::sum(&proxies));
    let (holds, reasons) = judge(&growth, sent.requests(), sent.failed());
    Ok(Stats {
        proxies,
        totals: Totals {
            counters: total.counters,
            zone_requests: total.zone_requests,
            growth,
            requests_sent: sent.requests(),
        },
        verdict: Verdict::of(holds),
        reasons,
    })
}

/// Whether the growth of the counters shows that requests were routed by zone.
fn judge(growth: &BTreeMap<String, u64>, sent: u64, failed: u64) -> (bool, Vec<String>) {
    let Counted { all_directly: direct, sampled, cross_zone: cross } = counters::counted(growth);
    let routed = direct + sampled + cross;
    let mut reasons = vec![format!(
        "{sent} requests: {direct} sent directly in the own zone, {sampled} kept in it by sampling, {cross} sent to another"
    )];
    if failed > 0 {
        reasons.push(format!("{failed} of them failed"));
    }
    if routed == 0 {
        reasons.push(
            "no zone counter moved: the proxies do not route by zone (fewer than 6 healthy backends, or a service that was not redeployed)"
                .to_owned(),
        );
    } else if routed < sent - failed {
        reasons.push(format!("{} requests were not routed by zone", sent - failed - routed));
    }
    (failed == 0 && sent > 0 && direct + sampled > 0 && routed >= sent, reasons)
}

impl Outcome for Stats {
    fn title(&self) -> &'static str {
        "stats"
    }

    fn text(&self, page: &Page) -> String {
        let mut counters = table(page, ["COUNTER", "TOTAL", "GROWTH"]);
        for (name, total) in &self.totals.counters {
            let growth = self.totals.growth.get(name).copied().unwrap_or(0);
            counters.add_row([name.clone(), total.to_string(), format!("+{growth}")]);
        }
        align_numbers(&mut counters);
        let mut zones = table(page, ["PROXY IN", "BACKEND IN", "REQUESTS"]);
        for pair in &self.totals.zone_requests {
            zones.add_row([pair.from.clone(), pair.to.clone(), pair.requests.to_string()]);
        }
        align_numbers(&mut zones);
        format!("{} proxies\n{counters}\n{zones}{}", self.proxies.len(), verdict(self.verdict, &self.reasons))
    }

    fn holds(&self) -> bool {
        self.verdict.passed()
    }
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
        assert!(reasons.iter().any(|reason| reason.contains("no zone counter moved")), "{reasons:?}");
    }

    #[test]
    fn growth_of_the_direct_counter_by_every_request_is() {
        assert!(judge(&growth(&[("lb_zone_routing_all_directly", 60)]), 60, 0).0);
        assert!(!judge(&growth(&[("lb_zone_routing_all_directly", 59)]), 60, 0).0);
        assert!(!judge(&growth(&[("lb_zone_routing_all_directly", 60)]), 60, 1).0);
        assert!(!judge(&growth(&[]), 0, 0).0);
    }
}

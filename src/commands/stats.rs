//! `stats`: Envoy's own counters, from every frontend's proxy, before and after some traffic. Their growth is the proof: a
//! cross-zone counter of 0 alone may also mean that Envoy does not route by zone at all.

use std::collections::BTreeMap;

use serde::Serialize;

use super::outcome::Outcome;
use super::text::verdict;
use super::{Error, verify};
use crate::envoy::script::{self, Script};
use crate::envoy::stats::{ZoneRequests, ZoneStats};
use crate::report::table::{align_numbers, table};
use crate::stages::{Context, inventory, run_command};
use crate::traffic::Verdict;

#[derive(Clone, Debug, Serialize)]
pub struct Stats {
    pub proxies: Vec<Proxy>,
    pub totals: Totals,
    pub verdict: Verdict,
    pub reasons: Vec<String>,
}

/// The proxy of one frontend task, with its counters since it started.
#[derive(Clone, Debug, Serialize)]
pub struct Proxy {
    pub task: String,
    pub az_id: String,
    /// The ID of the EC2 instance.
    pub instance: String,
    #[serde(flatten)]
    pub stats: ZoneStats,
}

/// The sums over all proxies.
#[derive(Clone, Debug, Serialize)]
pub struct Totals {
    pub counters: BTreeMap<String, u64>,
    pub zone_requests: Vec<ZoneRequests>,
    /// By how much each counter grew between two readings, with the requests that were sent meanwhile.
    pub growth: BTreeMap<String, u64>,
    pub requests_sent: u64,
}

pub async fn run(ctx: &Context, traffic: verify::Options) -> Result<Stats, Error> {
    let before = collect(ctx).await?;
    let url = verify::load_balancer_url(ctx).await?;
    let sent = verify::send(ctx, &url, traffic).await?;
    let proxies = collect(ctx).await?;

    let (total_before, total) = (sum(&before), sum(&proxies));
    let growth: BTreeMap<String, u64> = total
        .counters
        .iter()
        .map(|(name, value)| (name.clone(), value.saturating_sub(total_before.counter(name))))
        .collect();
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

async fn collect(ctx: &Context) -> Result<Vec<Proxy>, Error> {
    let frontends = inventory::find_frontend_tasks(ctx).await?;
    if frontends.is_empty() {
        return Err(Error::Missing(format!(
            "no task of {} runs, so there is no proxy to ask: run `zonewalk up`",
            ctx.names.frontend.service
        )));
    }
    let mut instances: Vec<String> = frontends.iter().map(|task| task.ec2_instance_id.clone()).collect();
    instances.sort();
    instances.dedup();
    let script = Script { family: ctx.names.frontend.service.clone() };
    let mut answers = BTreeMap::new();
    let outputs = match ctx.events.patiently("the hosts to be ready", ctx.data_plane.stats()).await? {
        Some(output) => vec![output],
        None => run_command::run_script(ctx, &instances, &script.render()).await?,
    };
    for output in outputs {
        answers.extend(script::parse(&output)?);
    }
    frontends
        .into_iter()
        .map(|task| {
            let stats = answers.remove(&task.arn).ok_or_else(|| {
                Error::Missing(format!(
                    "instance {} did not answer for the proxy of task {}: is its Service Connect agent running?",
                    task.ec2_instance_id, task.arn
                ))
            })?;
            Ok(Proxy { task: task.arn, az_id: task.az_id.as_str().to_owned(), instance: task.ec2_instance_id, stats })
        })
        .collect()
}

fn sum(proxies: &[Proxy]) -> ZoneStats {
    proxies.iter().fold(ZoneStats::default(), |mut total, proxy| {
        total.add(&proxy.stats);
        total
    })
}

/// Whether the growth of the counters shows that requests were routed by zone.
fn judge(growth: &BTreeMap<String, u64>, sent: u64, failed: u64) -> (bool, Vec<String>) {
    let grown = |name: &str| growth.get(name).copied().unwrap_or(0);
    let (direct, sampled) = (grown("lb_zone_routing_all_directly"), grown("lb_zone_routing_sampled"));
    let cross = grown("lb_zone_routing_cross_zone");
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

    fn text(&self) -> String {
        let mut counters = table(["COUNTER", "TOTAL", "GROWTH"]);
        for (name, total) in &self.totals.counters {
            let growth = self.totals.growth.get(name).copied().unwrap_or(0);
            counters.add_row([name.clone(), total.to_string(), format!("+{growth}")]);
        }
        align_numbers(&mut counters);
        let mut zones = table(["PROXY IN", "BACKEND IN", "REQUESTS"]);
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

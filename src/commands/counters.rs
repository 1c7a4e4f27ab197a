//! The zone counters of every frontend's proxy, and by how much they grow.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use crate::envoy::script::{self, Script};
use crate::envoy::stats::{ZoneRequests, ZoneStats};
use crate::envoy::times::{Pair, Times};
use crate::stages::inventory::Placed;
use crate::stages::{Context, Error as StageError, inventory, run_command};
use crate::traffic::Counted;

/// The proxy of one frontend task, with its counters since it started.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Proxy {
    /// The task's ARN.
    pub task: String,
    /// The zone of the task, by its ID.
    pub az_id: String,
    /// The ID of the EC2 instance.
    pub instance: String,
    #[serde(flatten)]
    pub stats: ZoneStats,
}

/// Envoy's admin interface is on the host, of which AWS lets nobody see anything on Fargate; of a container of the task's no path leads
/// there either (aws/amazon-ecs-service-connect-agent#157).
const NOT_ON_FARGATE: &str = "on Fargate AWS shows no counters of Envoy (aws/amazon-ecs-service-connect-agent#157): `zonewalk verify` \
                              tells by the answers whether zone-aware routing is on, and by the access logs, too, after \
                              `zonewalk up --access-logs`";

/// Asks the proxies of all frontend tasks that run, and waits for their hosts' agents at most for `patience`. A task that
/// comes or goes meanwhile is left out.
pub(super) async fn read(ctx: &Context, patience: Duration) -> Result<Vec<Proxy>, Error> {
    let before = inventory::find_frontend_tasks(ctx).await?;
    if before.is_empty() && inventory::is_frontend_on_fargate(ctx).await? {
        return Err(Error::NotShown(NOT_ON_FARGATE.to_owned()));
    }
    if before.is_empty() {
        let (own, service, cluster) = (ctx.settings.name.resources(), &ctx.names.frontend.service, &ctx.names.cluster);
        let advice = match *cluster == own.cluster && *service == own.frontend.service {
            true => "run `zonewalk up`".to_owned(),
            false => format!("`aws ecs list-services --cluster {cluster}` tells which services there are"),
        };
        return Err(Error::Missing(format!("no task of {service} runs, so there is no proxy to ask: {advice}")));
    }
    let family = inventory::find_frontend_family(ctx).await?;
    let script = Script { family: family.unwrap_or_else(|| ctx.names.frontend.service.clone()) };
    let hosts = async || {
        let tasks = inventory::find_frontend_tasks(ctx).await?;
        let hosts: BTreeSet<String> = tasks.into_iter().map(|task| task.ec2_instance_id).collect();
        Ok(hosts.into_iter().collect())
    };
    let (mut answers, mut complaints) = (BTreeMap::new(), BTreeMap::new());
    match ctx.events.patiently("the hosts to be ready", ctx.data_plane.stats()).await? {
        Some(output) => answers.extend(script::parse(&output)),
        None => {
            for run in run_command::run_script(ctx, hosts, &script.render(), patience).await? {
                answers.extend(script::parse(&run.output));
                complaints.insert(run.instance, run.complaint);
            }
        }
    }
    let mut asked = inventory::find_frontend_tasks(ctx).await?;
    asked.retain(|task| before.contains(task));
    let proxy = |task: Placed| {
        let complaint = complaints.get(&task.ec2_instance_id).map(String::as_str).unwrap_or_default();
        match answers.remove(&task.arn) {
            Some(Ok(stats)) => Ok(Proxy {
                task: task.arn,
                az_id: task.az_id.as_str().to_owned(),
                instance: task.ec2_instance_id,
                stats,
            }),
            Some(Err(complaint)) => Err(no_answer(&task, &complaint)),
            None => Err(no_answer(&task, complaint)),
        }
    };
    asked.into_iter().map(proxy).collect()
}

fn no_answer(task: &Placed, complaint: &str) -> Error {
    let why = if complaint.is_empty() { "is its Service Connect agent running?" } else { complaint };
    Error::Missing(format!(
        "instance {} did not answer for the proxy of task {}: {why}",
        task.ec2_instance_id, task.arn
    ))
}

pub(super) fn sum(proxies: &[Proxy]) -> ZoneStats {
    proxies.iter().fold(ZoneStats::default(), |mut total, proxy| {
        total.add(&proxy.stats);
        total
    })
}

/// By how much each counter grew, proxy by proxy: one that has started in between began at 0.
pub(super) fn growth(before: &[Proxy], after: &[Proxy]) -> BTreeMap<String, u64> {
    let mut growth = BTreeMap::new();
    for proxy in after {
        let earlier = before.iter().find(|earlier| earlier.task == proxy.task);
        for (name, value) in &proxy.stats.counters {
            let from = earlier.map_or(0, |earlier| earlier.stats.counter(name));
            *growth.entry(name.clone()).or_default() += value.saturating_sub(from);
        }
    }
    growth
}

/// Whether no proxy has come or gone: then no request is missing from the growth.
pub(super) fn are_of_the_same_proxies(before: &[Proxy], after: &[Proxy]) -> bool {
    let tasks = |proxies: &[Proxy]| proxies.iter().map(|proxy| proxy.task.clone()).collect::<BTreeSet<_>>();
    tasks(before) == tasks(after)
}

/// By how much the requests between each pair of zones grew.
pub(super) fn zone_growth(before: &[Proxy], after: &[Proxy]) -> Vec<ZoneRequests> {
    let mut growth = sum(after).zone_requests;
    // A proxy that has gone counted what none of these did.
    let stays = |proxy: &&Proxy| after.iter().any(|later| later.task == proxy.task);
    let before: Vec<Proxy> = before.iter().filter(stays).cloned().collect();
    for earlier in sum(&before).zone_requests {
        if let Some(pair) = growth.iter_mut().find(|pair| pair.from == earlier.from && pair.to == earlier.to) {
            pair.requests = pair.requests.saturating_sub(earlier.requests);
        }
    }
    growth
}

/// The times of the requests between two readings, by the proxies' own clocks.
pub(super) fn times_growth(before: &[Proxy], after: &[Proxy]) -> BTreeMap<Pair, Times> {
    let mut growth = BTreeMap::<Pair, Times>::new();
    for proxy in after {
        let earlier = before.iter().find(|earlier| earlier.task == proxy.task);
        for (pair, times) in &proxy.stats.times {
            let from = earlier.and_then(|earlier| earlier.stats.times.get(pair)).cloned().unwrap_or_default();
            growth.entry(pair.clone()).or_default().add(&times.since(&from));
        }
    }
    growth
}

pub(super) fn counted(growth: &BTreeMap<String, u64>) -> Counted {
    let grown = |name: &str| growth.get(name).copied().unwrap_or(0);
    Counted {
        all_directly: grown("lb_zone_routing_all_directly"),
        sampled: grown("lb_zone_routing_sampled"),
        cross_zone: grown("lb_zone_routing_cross_zone"),
    }
}

/// The result, or the reason why there is none; an interruption stays one.
pub(super) fn or_reason<T>(result: Result<T, Error>) -> Result<Result<T, String>, Error> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(Error::Stage(StageError::Interrupted)) => Err(StageError::Interrupted.into()),
        Err(error) => Ok(Err(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::AzId;

    fn proxy(task: &str, requests: u64) -> Proxy {
        let counters = BTreeMap::from([("lb_zone_routing_all_directly".to_owned(), requests)]);
        let stats = ZoneStats { counters, ..ZoneStats::default() };
        Proxy { task: task.to_owned(), az_id: "use1-az1".to_owned(), instance: "i-1".to_owned(), stats }
    }

    #[test]
    fn a_proxy_that_has_come_or_gone_does_not_hide_the_growth_of_others() {
        let before = [proxy("stays", 100), proxy("goes", 5_000)];
        let after = [proxy("stays", 160), proxy("comes", 40)];
        assert_eq!(counted(&growth(&before, &after)).kept(), 100);
    }

    #[test]
    fn what_a_host_complains_of_is_told() {
        let (arn, ec2_instance_id) = ("arn:task/1".to_owned(), "i-1".to_owned());
        let task = Placed { az_id: AzId::new("use1-az1"), ec2_instance_id, arn };
        let told = no_answer(&task, "sh: docker: command not found").to_string();
        assert!(told.contains("i-1") && told.ends_with("sh: docker: command not found"), "{told}");
        assert!(no_answer(&task, "").to_string().contains("Service Connect agent"));
    }
}

//! The zone counters of every frontend's proxy, and by how much they grow.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::Error;
use crate::envoy::script::{self, Script};
use crate::envoy::stats::ZoneStats;
use crate::stages::{Context, Error as StageError, inventory, run_command};
use crate::traffic::Counted;

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

/// Asks the proxies of all frontend tasks that run, and waits for their hosts' agents at most for `patience`.
pub(super) async fn read(ctx: &Context, patience: Duration) -> Result<Vec<Proxy>, Error> {
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
    let outputs = match ctx.data_plane.stats().await? {
        Some(output) => vec![output],
        None => run_command::run_script(ctx, &instances, &script.render(), patience).await?,
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

//! `status`: what exists, what is healthy, where the tasks are.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Error;
use crate::aws::AzId;
use crate::plan::{Action, PlannedChange};
use crate::stages::Context;
use crate::stages::finding::Finding;
use crate::stages::inventory::{self, ServiceStatus};
use crate::walkthrough::{self, Examination};

#[derive(Clone, Debug, Serialize)]
pub struct Status {
    pub account: String,
    pub region: String,
    /// The URL that requests are to be sent to. None: there is no load balancer yet.
    pub alb_url: Option<String>,
    pub services: Vec<ServiceStatus>,
    /// The number of instances that take tasks.
    pub container_instances: u32,
    /// The number of container instances by AZ ID.
    pub zones: BTreeMap<AzId, u32>,
    pub healthy_targets: u32,
    /// What `up` would change. None: nothing stands, or a problem keeps `up` from knowing.
    pub drift: Option<Vec<PlannedChange>>,
    /// The problems for which `up` would refuse.
    pub problems: Vec<Finding>,
}

pub async fn run(ctx: &Context) -> Result<Status, Error> {
    let (account, alb_url, services, hosts, healthy_targets, examination) = tokio::try_join!(
        inventory::find_account(ctx),
        inventory::find_load_balancer_url(ctx),
        inventory::find_services(ctx),
        inventory::find_container_hosts(ctx),
        inventory::count_healthy_targets(ctx),
        walkthrough::examine(ctx),
    )?;
    let Examination { findings, plans: mut drift, .. } = examination;
    let problems = findings.into_iter().filter(Finding::blocks).collect();
    let stands = drift.iter().any(|plan| matches!(plan.action, Action::Kept | Action::Changed));
    drift.retain(|plan| plan.action != Action::Kept);
    let alb_url = match alb_url {
        Some(url) => Some(ctx.data_plane.ingress(url).await?),
        None => None,
    };
    let mut zones = BTreeMap::new();
    for host in hosts {
        *zones.entry(host.az_id).or_default() += 1;
    }
    Ok(Status {
        account,
        region: ctx.clients.region.clone(),
        alb_url,
        services,
        container_instances: zones.values().sum(),
        zones,
        healthy_targets,
        drift: stands.then_some(drift),
        problems,
    })
}

//! `status`: what exists, what is healthy, where the tasks are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use super::outcome::Outcome;
use super::text::{findings, plans};
use crate::aws::AzId;
use crate::plan::{Action, PlannedChange};
use crate::report::page::Page;
use crate::report::table::{align_numbers, table};
use crate::stages::Context;
use crate::stages::finding::Finding;
use crate::stages::inventory::{self, ServiceStatus};
use crate::walkthrough::{self, Examination};

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Status {
    /// The AWS account.
    pub account: String,
    /// The AWS region.
    pub region: String,
    /// The URL that requests are to be sent to. Null: there is no load balancer yet.
    #[serde(rename = "url")]
    pub alb_url: Option<String>,
    /// The backend and the frontend, as far as they exist.
    pub services: Vec<ServiceStatus>,
    /// The number of instances that take tasks.
    pub container_instances: u32,
    /// The number of those whose agent is not connected now: most will be again soon.
    pub disconnected_agents: u32,
    /// The number of container instances by AZ ID.
    pub zones: BTreeMap<AzId, u32>,
    /// The frontends that the load balancer sends requests to.
    pub healthy_targets: u32,
    /// What `up` would change. Null: nothing stands, or a problem keeps `up` from knowing.
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
        Some(url) => Some(ctx.events.patiently("the hosts to be ready", ctx.data_plane.ingress(url)).await?),
        None => None,
    };
    let (mut zones, mut disconnected_agents) = (BTreeMap::new(), 0);
    for host in hosts {
        *zones.entry(host.place.az_id).or_default() += 1;
        disconnected_agents += u32::from(!host.is_connected);
    }
    Ok(Status {
        account,
        region: ctx.clients.region.clone(),
        alb_url,
        services,
        container_instances: zones.values().sum(),
        disconnected_agents,
        zones,
        healthy_targets,
        drift: stands.then_some(drift),
        problems,
    })
}

impl Outcome for Status {
    fn title(&self) -> &'static str {
        "status"
    }

    fn text(&self, page: &Page) -> String {
        let mut zones: BTreeSet<&str> = self.zones.keys().map(|zone| zone.as_str()).collect();
        zones.extend(self.services.iter().flat_map(|service| service.tasks_by_zone.keys()).map(|zone| zone.as_str()));
        let mut table = table(page, ["", "TOTAL"].into_iter().chain(zones.iter().copied()));
        let row = |name: &str, total: String, by_zone: BTreeMap<&str, u32>| {
            let counts = zones.iter().map(|zone| by_zone.get(zone).copied().unwrap_or(0).to_string());
            [name.to_owned(), total].into_iter().chain(counts).collect::<Vec<_>>()
        };
        let instances = self.zones.iter().map(|(zone, count)| (zone.as_str(), *count)).collect();
        table.add_row(row("container instances", self.container_instances.to_string(), instances));
        for service in &self.services {
            let tasks = service.tasks_by_zone.iter().map(|(zone, count)| (zone.as_str(), *count)).collect();
            table.add_row(row(&service.name, format!("{} of {}", service.running, service.desired), tasks));
        }
        align_numbers(&mut table);
        let url = self.alb_url.as_deref().unwrap_or("no load balancer: run `zonewalk up`");
        let mut text = format!(
            "account {} in {}\n{table}\nhealthy targets: {}\n{url}",
            self.account, self.region, self.healthy_targets
        );
        if self.disconnected_agents > 0 {
            let _ = write!(text, "\nagents that are not connected now: {}", self.disconnected_agents);
        }
        match self.drift.as_deref() {
            Some([]) => text.push_str("\nno drift: everything matches your settings"),
            Some(drift) => {
                let _ = write!(text, "\ndrift (`zonewalk up` fixes it):\n{}", plans(drift, page));
            }
            None => {}
        }
        if !self.problems.is_empty() {
            let _ = write!(text, "\nblocked:\n{}", findings(&self.problems, page));
        }
        text
    }
}

//! `status`: whether zone-aware routing is on, what exists, what is healthy, where the tasks are.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::cost::{self, Cost};
use super::forecast::Forecast;
use super::{Error, verify};
use crate::aws::AzId;
use crate::plan::{Action, Kind, PlannedChange};
use crate::stages::Context;
use crate::stages::finding::Finding;
use crate::stages::inventory::{self, GroupStatus, LoadBalancerStatus, ServiceStatus, Targets};
use crate::walkthrough::{self, Examination, Leftover, Resource, Standing};

/// What runs, and how it does.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Now {
    /// The walkthrough's name.
    pub name: String,
    /// The AWS account.
    pub account: String,
    /// The AWS region.
    pub region: String,
    /// Where the calls go, if not to AWS.
    pub endpoint_url: Option<String>,
    /// Whose Service Connect proxies the tasks have. Null: AWS's, of which nothing is known.
    pub proxies: Option<String>,
    /// The seconds since the Auto Scaling group was made; on Fargate, the load balancer. Null: neither stands.
    pub up_s: Option<u64>,
    /// What stands costs this. Null: nothing that costs stands, or this is not AWS.
    pub cost: Option<Cost>,
    /// What it has cost since it was made, if nothing has changed since.
    pub usd_so_far: Option<f64>,
    pub zone_aware_routing: Forecast,
    /// The URL that requests are to be sent to. Null: there is no load balancer yet.
    #[serde(rename = "url")]
    pub alb_url: Option<String>,
    /// The backend and the frontend, as far as they exist.
    pub services: Vec<ServiceStatus>,
    /// The number of instances that take tasks.
    pub container_instances: u32,
    /// The number of instances that the Auto Scaling group is to have.
    pub instances_desired: u32,
    /// The number of container instances whose agent is not connected now: most will be again soon.
    pub disconnected_agents: u32,
    /// The container instances by AZ ID, for each of the walkthrough's zones.
    pub instances_by_zone: BTreeMap<AzId, u32>,
    /// The frontends that the load balancer sends requests to.
    pub healthy_targets: u32,
    /// The load balancer's targets by AZ ID.
    pub targets_by_zone: BTreeMap<AzId, Targets>,
    /// What is not ready yet.
    pub under_way: Vec<UnderWay>,
}

/// Something that is being made, changed or deleted.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct UnderWay {
    pub kind: Kind,
    /// The name that zonewalk gives it.
    pub name: String,
    /// How far it is.
    pub state: String,
}

const BEING_DELETED: &str = "being deleted";

/// What runs, and how that differs from what is wanted.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Status {
    #[serde(flatten)]
    pub now: Now,
    /// What `up` would change. Null: nothing stands, or a problem keeps `up` from knowing.
    pub drift: Option<Vec<PlannedChange>>,
    /// The problems for which `up` would refuse.
    pub problems: Vec<Finding>,
    /// Everything that `down` would remove.
    pub resources: Vec<Resource>,
    /// The kinds of resources of which AWS did not tell what there is.
    pub unknown: Vec<Leftover>,
    #[serde(skip)]
    pub(super) options: Options,
    /// The tasks that each service is to have.
    #[serde(skip)]
    pub(super) tasks_wanted: u32,
}

/// How a status is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Whether the text lists all resources.
    pub resources: bool,
    /// Whether the check holds only if zone-aware routing is on, and nothing has drifted or is blocked.
    pub exit_code: bool,
}

/// Looks at what runs.
pub(super) async fn look(ctx: &Context) -> Result<Now, Error> {
    let (account, balancer, group, services, hosts) = tokio::try_join!(
        inventory::find_account(ctx),
        inventory::find_load_balancer(ctx),
        inventory::find_group(ctx),
        inventory::find_services(ctx),
        inventory::find_container_hosts(ctx),
    )?;
    let (names, runtime) = (&ctx.names, verify::runtime(ctx).await?);
    let frontends = services.iter().filter(|service| service.name == names.frontend.service);
    let frontends: Vec<_> = frontends.flat_map(|service| service.tasks.clone()).collect();
    let targets_by_zone = inventory::find_targets(ctx, &frontends).await?;
    let alb_url = match &balancer {
        Some(balancer) => {
            let ingress = ctx.data_plane.ingress(balancer.url.clone());
            Some(ctx.events.patiently("the hosts to be ready", ingress).await?)
        }
        None => None,
    };
    let age = group.as_ref().and_then(|group| group.age);
    let age = age.or(balancer.as_ref().and_then(|balancer| balancer.age));
    let cost = cost::of_standing(group.as_ref(), &services).filter(|_| ctx.clients.is_aws());
    let usd_so_far = cost.as_ref().zip(age).and_then(|(cost, age)| cost.so_far(age));
    let mut now = Now {
        name: ctx.settings.name.to_string(),
        account,
        region: ctx.clients.region.clone(),
        endpoint_url: ctx.clients.emulator_url().map(str::to_owned),
        proxies: ctx.proxies.clone(),
        up_s: age.map(|age| age.as_secs()),
        cost,
        usd_so_far,
        zone_aware_routing: Forecast::under(runtime, &services, &names.frontend.service, &names.backend.service),
        alb_url,
        container_instances: u32::try_from(hosts.len()).unwrap_or(u32::MAX),
        instances_desired: group.as_ref().map_or(0, |group| group.desired),
        disconnected_agents: hosts.iter().map(|host| u32::from(!host.is_connected)).sum(),
        instances_by_zone: BTreeMap::new(),
        healthy_targets: targets_by_zone.values().map(|targets| targets.healthy).sum(),
        targets_by_zone,
        under_way: vec![],
        services,
    };
    for host in hosts {
        *now.instances_by_zone.entry(host.place.az_id).or_default() += 1;
    }
    now.fill_in_zones(group.as_ref(), balancer.as_ref());
    now.under_way = now.find_under_way(ctx, group.as_ref(), balancer.as_ref());
    Ok(now)
}

impl Now {
    /// The zones that the walkthrough uses, or has something in.
    pub(super) fn zones(&self) -> BTreeSet<&AzId> {
        let tasks = self.services.iter().flat_map(|service| service.tasks_by_zone.keys());
        self.instances_by_zone.keys().chain(self.targets_by_zone.keys()).chain(tasks).collect()
    }

    /// Whether there are to be instances: none are on Fargate.
    pub(super) fn has_instances(&self) -> bool {
        self.instances_desired > 0
            || self.container_instances > 0
            || !self.services.iter().any(ServiceStatus::is_on_fargate)
    }

    /// A zone that has lost everything is not to vanish: it has 0 of each.
    fn fill_in_zones(&mut self, group: Option<&GroupStatus>, balancer: Option<&LoadBalancerStatus>) {
        let used = group.iter().flat_map(|group| &group.zones);
        let used = used.chain(balancer.iter().flat_map(|balancer| &balancer.zones));
        let zones: BTreeSet<AzId> = used.chain(self.zones()).cloned().collect();
        for zone in zones {
            self.targets_by_zone.entry(zone.clone()).or_default();
            self.services.iter_mut().for_each(|service| {
                service.tasks_by_zone.entry(zone.clone()).or_default();
            });
            self.instances_by_zone.entry(zone).or_default();
        }
    }

    fn find_under_way(
        &self,
        ctx: &Context,
        group: Option<&GroupStatus>,
        balancer: Option<&LoadBalancerStatus>,
    ) -> Vec<UnderWay> {
        let of = |kind, name: &str, state: String| UnderWay { kind, name: name.to_owned(), state };
        let mut found = vec![];
        if let Some(balancer) = balancer.filter(|balancer| !balancer.is_active) {
            found.push(of(Kind::LoadBalancer, &ctx.names.load_balancer, balancer.state.clone()));
        }
        if let Some(group) = group {
            let (name, registered) = (&ctx.names.auto_scaling_group, self.container_instances);
            if group.is_leaving {
                found.push(of(Kind::AutoScalingGroup, name, BEING_DELETED.to_owned()));
            } else if registered != group.desired {
                let state = format!("{registered} of {} instances registered", group.desired);
                found.push(of(Kind::AutoScalingGroup, name, state));
            }
        }
        for service in &self.services {
            let ServiceStatus { name, running, desired, pending, deployments, .. } = service;
            let state = service.deployment.as_ref().and_then(|deployment| deployment.state.as_deref());
            let is_deploying = *deployments > 1 || state == Some("IN_PROGRESS");
            if running != desired || *pending > 0 || is_deploying {
                let what = if is_deploying { "deploying, " } else { "" };
                found.push(of(Kind::Service, name, format!("{what}{running} of {desired} tasks run")));
            }
        }
        found
    }
}

pub async fn run(ctx: &Context, options: Options) -> Result<Status, Error> {
    // What a look finds on its way to the answer is `doctor`'s to tell.
    let ctx = &ctx.with_events(ctx.events.without_findings());
    let (mut now, examination, standing) =
        tokio::try_join!(look(ctx), examine(ctx), async { Ok(walkthrough::find_standing(ctx).await?) })?;
    let Examination { findings, plans: mut drift, .. } = examination;
    let Standing { resources, unknown, .. } = standing;
    let is_planned = drift.iter().any(|plan| matches!(plan.action, Action::Kept | Action::Changed));
    drift.retain(|plan| plan.action != Action::Kept);
    // Those that were looked at already are told with how far they are.
    let leaving = resources.iter().filter(|resource| resource.being_deleted && resource.kind != Kind::AutoScalingGroup);
    now.under_way.extend(leaving.map(|resource| UnderWay {
        kind: resource.kind,
        name: resource.name.clone().unwrap_or_else(|| resource.id.clone()),
        state: BEING_DELETED.to_owned(),
    }));
    Ok(Status {
        now,
        drift: is_planned.then_some(drift),
        problems: findings.into_iter().filter(Finding::blocks).collect(),
        resources,
        unknown,
        options,
        tasks_wanted: ctx.settings.task_count.get(),
    })
}

async fn examine(ctx: &Context) -> Result<Examination, Error> {
    Ok(walkthrough::examine(ctx).await?)
}

impl Status {
    /// Whether zone-aware routing is on, and `up` would change nothing.
    pub fn is_well(&self) -> bool {
        let no_drift = self.drift.as_ref().is_some_and(Vec::is_empty);
        self.now.zone_aware_routing.is_on() && no_drift && self.problems.is_empty()
    }

    /// The tasks that the backend is set to, if they are fewer than wanted and those of the frontend are not: as a drill leaves it
    /// that does not restore.
    pub(super) fn scaled_down(&self) -> Option<u32> {
        let desired = |name: &str| self.now.services.iter().find(|service| service.name == name).map(|it| it.desired);
        let routing = &self.now.zone_aware_routing;
        let backends = desired(&routing.backend).filter(|backends| *backends < self.tasks_wanted)?;
        (desired(&routing.frontend) == Some(self.tasks_wanted)).then_some(backends)
    }

    pub(super) fn is_being_removed(&self) -> bool {
        self.now.under_way.iter().any(|it| it.state == BEING_DELETED)
    }
}

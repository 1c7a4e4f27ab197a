//! What exists and how it does, for the commands that look.
//!
//! ECS names zones by name; here all are IDs, which is what Service Connect, the demo application and Envoy speak.

use std::collections::BTreeMap;

use aws_sdk_ecs::types::{ContainerInstance, Task};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Context, Error, container_instances, identity, load_balancer, network, rollout, target_group, tasks};
use crate::aws::{AzId, AzName};

/// A service, and where its tasks run.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct ServiceStatus {
    /// The name of the service.
    pub name: String,
    /// The tasks that run.
    pub running: u32,
    /// The tasks that are to run.
    pub desired: u32,
    /// The tasks that run, by the ID of their zone.
    pub tasks_by_zone: BTreeMap<AzId, u32>,
}

/// An instance that has joined the cluster, or a running task on one, where its proxy can be asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Placed {
    pub az_id: AzId,
    pub ec2_instance_id: String,
    /// The ARN of the container instance or the task.
    pub arn: String,
}

/// Finds the account's number.
pub async fn find_account(ctx: &Context) -> Result<String, Error> {
    Ok(identity::find_identity(ctx).await?.account)
}

/// Finds the zones of the region.
pub async fn find_zones(ctx: &Context) -> Result<BTreeMap<AzName, AzId>, Error> {
    network::find_zones(ctx).await
}

/// Finds the load balancer's URL; none without a load balancer.
pub async fn find_load_balancer_url(ctx: &Context) -> Result<Option<String>, Error> {
    let found = load_balancer::find(ctx, &ctx.names.load_balancer).await?;
    if found.is_some() {
        ctx.set_stands();
    }
    Ok(found.map(|found| format!("http://{}/", found.facts.dns_name().unwrap_or_default())))
}

/// Counts the targets that the load balancer sends requests to; none without a target group.
pub async fn count_healthy_targets(ctx: &Context) -> Result<u32, Error> {
    match target_group::find(ctx, &ctx.names.target_group).await?.and_then(|group| group.target_group_arn) {
        Some(arn) => Ok(target_group::find_targets(ctx, &arn).await?.map_or(0, |targets| targets.healthy)),
        None => Ok(0),
    }
}

/// Finds the backend and the frontend, as far as they exist.
pub async fn find_services(ctx: &Context) -> Result<Vec<ServiceStatus>, Error> {
    let names = [ctx.names.backend.service.as_str(), ctx.names.frontend.service.as_str()];
    let mut found = rollout::describe(ctx, &ctx.names.cluster, &names).await?;
    found.retain(|service| service.status() == Some("ACTIVE"));
    found.sort_by_key(|service| names.iter().position(|name| Some(*name) == service.service_name()));
    let mut statuses = vec![];
    for service in found {
        let name = service.service_name().unwrap_or_default().to_owned();
        statuses.push(ServiceStatus {
            running: service.running_count().unsigned_abs(),
            desired: service.desired_count().unsigned_abs(),
            tasks_by_zone: tasks_by_zone(ctx, &name).await?,
            name,
        });
    }
    Ok(statuses)
}

/// Counts the tasks of the service that run in each zone.
pub async fn tasks_by_zone(ctx: &Context, service: &str) -> Result<BTreeMap<AzId, u32>, Error> {
    let (zones, tasks) = tokio::try_join!(find_zones(ctx), tasks::find_running(ctx, &ctx.names.cluster, service))?;
    let mut counts = BTreeMap::new();
    for task in &tasks {
        *counts.entry(zone_of(task, &zones)).or_default() += 1;
    }
    Ok(counts)
}

/// An instance that has joined the cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Host {
    pub place: Placed,
    /// Whether its agent is connected now. Agents disconnect and reconnect several times an hour as a part of their normal
    /// operation, which says nothing about the instance or its tasks (ECS Developer Guide, "Amazon ECS container instance
    /// state change events").
    pub is_connected: bool,
}

/// Finds the instances that take tasks, sorted by zone.
pub async fn find_container_hosts(ctx: &Context) -> Result<Vec<Host>, Error> {
    let (zones, instances) =
        tokio::try_join!(find_zones(ctx), container_instances::find_active(ctx, &ctx.names.cluster))?;
    let host = |instance: &ContainerInstance| {
        Some(Host {
            place: Placed {
                az_id: zone_id(container_instances::zone(instance), &zones),
                ec2_instance_id: ec2_instance_id(instance)?,
                arn: instance.container_instance_arn()?.to_owned(),
            },
            is_connected: instance.agent_connected(),
        })
    };
    let mut hosts: Vec<_> = instances.iter().filter_map(host).collect();
    hosts.sort();
    Ok(hosts)
}

/// Finds the frontend's running tasks whose hosts are still registered, in whatever state, sorted by zone: where zone-aware
/// routing is done, and to be seen.
pub async fn find_frontend_tasks(ctx: &Context) -> Result<Vec<Placed>, Error> {
    let (cluster, service) = (&ctx.names.cluster, &ctx.names.frontend.service);
    let (zones, tasks) = tokio::try_join!(find_zones(ctx), tasks::find_running(ctx, cluster, service))?;
    let mut arns: Vec<_> = tasks.iter().filter_map(|task| task.container_instance_arn().map(str::to_owned)).collect();
    arns.sort();
    arns.dedup();
    let hosts = container_instances::describe(ctx, cluster, &arns).await?;
    let placed = |task: &Task| {
        let host = hosts.iter().find(|host| host.container_instance_arn() == task.container_instance_arn())?;
        Some(Placed {
            az_id: zone_of(task, &zones),
            ec2_instance_id: ec2_instance_id(host)?,
            arn: task.task_arn()?.to_owned(),
        })
    };
    let mut placed: Vec<_> = tasks.iter().filter_map(placed).collect();
    placed.sort();
    Ok(placed)
}

/// The ID by which other services know the instance.
fn ec2_instance_id(instance: &ContainerInstance) -> Option<String> {
    instance.ec2_instance_id().filter(|id| !id.is_empty()).map(str::to_owned)
}

fn zone_of(task: &Task, zones: &BTreeMap<AzName, AzId>) -> AzId {
    zone_id(task.availability_zone().map(AzName::new), zones)
}

/// The ID of a zone, or its name if the region does not list it: it is shown rather than left out.
fn zone_id(zone: Option<AzName>, zones: &BTreeMap<AzName, AzId>) -> AzId {
    let zone = zone.unwrap_or_else(|| AzName::new("unknown"));
    zones.get(&zone).cloned().unwrap_or_else(|| AzId::new(zone.as_str()))
}

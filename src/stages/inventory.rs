//! What exists and how it does, for the commands that look.
//!
//! ECS names zones by name; here all are IDs, which is what Service Connect, the demo application and Envoy speak.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_ecs::primitives::{DateTime, DateTimeFormat};
use aws_sdk_ecs::types::{ContainerInstance, HealthStatus, Task};
use aws_sdk_elasticloadbalancingv2::types::{LoadBalancerStateEnum, TargetHealthStateEnum};
use schemars::JsonSchema;
use serde::Serialize;

use super::access_logs::AccessLogs;
use super::{
    Context, Error, auto_scaling_group, container_instances, identity, launch_type, load_balancer, network,
    network_mode, rollout, target_group, tasks,
};
use crate::aws::{AzId, AzName};
use crate::settings::LaunchType;

/// A service, and where its tasks run.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct ServiceStatus {
    /// The name of the service.
    pub name: String,
    /// What its tasks run on, as ECS names it: `EC2` or `FARGATE`. Null: the cloud does not tell.
    pub launch_type: Option<String>,
    /// How its tasks are reached, as ECS names it: `awsvpc` or `bridge`.
    pub network_mode: String,
    /// The tasks that run.
    pub running: u32,
    /// The tasks that are to run.
    pub desired: u32,
    /// The tasks that are being started.
    pub pending: u32,
    /// The running tasks by AZ ID.
    pub tasks_by_zone: BTreeMap<AzId, u32>,
    /// The running tasks.
    pub tasks: Vec<TaskStatus>,
    /// The newest deployment.
    pub deployment: Option<DeploymentStatus>,
    /// The deployments that have tasks: more than one while a new one takes over.
    pub deployments: u32,
}

/// A running task.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct TaskStatus {
    /// The task's ARN.
    pub id: String,
    /// The zone that it runs in, by its ID.
    pub az_id: AzId,
    /// Whether ECS finds it healthy: a task whose containers have no health check is taken to be.
    pub healthy: bool,
    /// Its private IPv4 address. Null: it has none of its own, as with network mode bridge.
    pub address: Option<String>,
    /// The CPU units that it has, 1024 of which are a vCPU.
    pub cpu_units: u32,
    /// The MiB of memory that it has.
    pub memory_mib: u32,
    /// The ARN of the container instance that it runs on. Null: it runs on Fargate.
    pub container_instance: Option<String>,
    /// When it was started, in UTC (RFC 3339).
    pub started_at: Option<String>,
}

/// A deployment of a service.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct DeploymentStatus {
    /// The deployment's ID.
    pub id: String,
    /// When it was begun, in UTC (RFC 3339).
    pub created_at: Option<String>,
    /// Its state as ECS names it: `COMPLETED`, `IN_PROGRESS`, `FAILED`. Null: the cloud does not tell.
    pub state: Option<String>,
    /// Whether Service Connect is on in it. Null: the cloud does not tell.
    pub service_connect: Option<bool>,
    /// Where Service Connect's proxies log accesses. Null: they do not, or elsewhere than in CloudWatch Logs.
    pub access_logs: Option<AccessLogs>,
}

/// The load balancer.
#[derive(Clone, Debug)]
pub struct LoadBalancerStatus {
    pub url: String,
    /// Its state as Elastic Load Balancing names it: `active`, `provisioning`.
    pub state: String,
    pub is_active: bool,
    pub zones: Vec<AzId>,
    pub age: Option<Duration>,
}

/// The Auto Scaling group.
#[derive(Clone, Debug)]
pub struct GroupStatus {
    pub desired: u32,
    /// The zones of its subnets.
    pub zones: Vec<AzId>,
    /// Its instances, by type.
    pub instances: BTreeMap<String, u32>,
    pub age: Option<Duration>,
    pub is_leaving: bool,
}

/// The targets of the load balancer in a zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Targets {
    /// Those that get requests.
    pub healthy: u32,
    /// All that are not about to leave.
    pub registered: u32,
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
    Ok(found.map(|found| url(&found.facts)))
}

fn url(balancer: &aws_sdk_elasticloadbalancingv2::types::LoadBalancer) -> String {
    format!("http://{}/", balancer.dns_name().unwrap_or_default())
}

/// Finds the load balancer.
pub async fn find_load_balancer(ctx: &Context) -> Result<Option<LoadBalancerStatus>, Error> {
    let (zones, found) = tokio::try_join!(find_zones(ctx), load_balancer::find(ctx, &ctx.names.load_balancer))?;
    Ok(found.map(|found| {
        let balancer = found.facts;
        let code = balancer.state().and_then(|state| state.code());
        let in_zones = balancer.availability_zones().iter().filter_map(|zone| zone.zone_name());
        LoadBalancerStatus {
            url: url(&balancer),
            state: code.map_or("in no known state", LoadBalancerStateEnum::as_str).to_owned(),
            is_active: matches!(code, Some(LoadBalancerStateEnum::Active | LoadBalancerStateEnum::ActiveImpaired)),
            zones: in_zones.map(|zone| zone_id(Some(AzName::new(zone)), &zones)).collect(),
            age: balancer.created_time().map(|time| ctx.age(time)),
        }
    }))
}

/// Finds the Auto Scaling group.
pub async fn find_group(ctx: &Context) -> Result<Option<GroupStatus>, Error> {
    let (zones, found) =
        tokio::try_join!(find_zones(ctx), auto_scaling_group::find(ctx, &ctx.names.auto_scaling_group))?;
    Ok(found.map(|found| {
        let group = found.facts;
        let mut instances = BTreeMap::new();
        for instance in group.instances() {
            *instances.entry(instance.instance_type().unwrap_or("unknown").to_owned()).or_default() += 1;
        }
        GroupStatus {
            desired: group.desired_capacity().unwrap_or_default().unsigned_abs(),
            zones: group.availability_zones().iter().map(|zone| zone_id(Some(AzName::new(zone)), &zones)).collect(),
            instances,
            age: group.created_time().map(|time| ctx.age(time)),
            is_leaving: found.leaving.is_some(),
        }
    }))
}

/// Finds the targets of the load balancer by zone; none without a target group. A target whose zone is not told is in that of
/// the task that has its address.
pub async fn find_targets(ctx: &Context, tasks: &[TaskStatus]) -> Result<BTreeMap<AzId, Targets>, Error> {
    let Some(group) = target_group::find(ctx, &ctx.names.target_group).await? else { return Ok(BTreeMap::new()) };
    let arn = group.target_group_arn().unwrap_or_default();
    let instead = "which targets are healthy is not known";
    let (zones, described) = tokio::try_join!(find_zones(ctx), target_group::describe_targets(ctx, arn, instead))?;
    let mut targets = BTreeMap::<AzId, Targets>::new();
    for described in described.unwrap_or_default() {
        let state = described.target_health().and_then(|health| health.state());
        let Some(target) = described.target().filter(|_| state != Some(&TargetHealthStateEnum::Draining)) else {
            continue;
        };
        let task = tasks.iter().find(|task| task.address.as_deref() == target.id());
        let zone = target.availability_zone().map(AzName::new).filter(|zone| zones.contains_key(zone));
        let az_id = match (zone, task) {
            (None, Some(task)) => task.az_id.clone(),
            (zone, _) => zone_id(zone, &zones),
        };
        let count = targets.entry(az_id).or_default();
        count.registered += 1;
        count.healthy += u32::from(state == Some(&TargetHealthStateEnum::Healthy));
    }
    Ok(targets)
}

/// Finds the backend and the frontend, as far as they exist.
pub async fn find_services(ctx: &Context) -> Result<Vec<ServiceStatus>, Error> {
    let names = [ctx.names.backend.service.as_str(), ctx.names.frontend.service.as_str()];
    let cluster = &ctx.names.cluster;
    let (zones, mut found) = tokio::try_join!(find_zones(ctx), rollout::describe(ctx, cluster, &names))?;
    found.retain(|service| service.status() == Some("ACTIVE"));
    found.sort_by_key(|service| names.iter().position(|name| Some(*name) == service.service_name()));
    let mut statuses = vec![];
    for service in found {
        let name = service.service_name().unwrap_or_default().to_owned();
        let tasks = tasks::find_running(ctx, cluster, &name).await?;
        let newest = rollout::newest_deployment(&service);
        statuses.push(ServiceStatus {
            launch_type: launch_type::of_service(&service).map(|it| it.to_string().to_ascii_uppercase()),
            network_mode: network_mode::of_service(ctx, &service).to_string(),
            running: service.running_count().unsigned_abs(),
            desired: service.desired_count().unsigned_abs(),
            pending: service.pending_count().unsigned_abs(),
            tasks_by_zone: count_by_zone(&tasks, &zones),
            tasks: tasks.iter().filter_map(|task| task_status(task, &zones)).collect(),
            deployment: newest.map(|newest| DeploymentStatus {
                id: newest.id().unwrap_or_default().to_owned(),
                created_at: newest.created_at().and_then(in_utc),
                state: newest.rollout_state().map(ToString::to_string),
                service_connect: newest.service_connect_configuration().map(|connect| connect.enabled()),
                access_logs: newest.service_connect_configuration().and_then(AccessLogs::of),
            }),
            deployments: u32::try_from(service.deployments().len()).unwrap_or(u32::MAX),
            name,
        });
    }
    Ok(statuses)
}

fn task_status(task: &Task, zones: &BTreeMap<AzName, AzId>) -> Option<TaskStatus> {
    let details = task.attachments().iter().flat_map(|attachment| attachment.details());
    let address = details.into_iter().find(|detail| detail.name() == Some("privateIPv4Address"));
    Some(TaskStatus {
        id: task.task_arn()?.to_owned(),
        az_id: zone_of(task, zones),
        healthy: task.health_status() != Some(&HealthStatus::Unhealthy),
        address: address.and_then(|address| address.value()).map(str::to_owned),
        cpu_units: size(task.cpu()),
        memory_mib: size(task.memory()),
        container_instance: task.container_instance_arn().map(str::to_owned),
        started_at: task.started_at().and_then(in_utc),
    })
}

/// A size as ECS tells it of a task: a number as text.
fn size(text: Option<&str>) -> u32 {
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// A time of AWS's as RFC 3339 has it.
pub(crate) fn in_utc(time: &DateTime) -> Option<String> {
    time.fmt(DateTimeFormat::DateTime).ok()
}

/// Counts the tasks of the service that run in each zone.
pub async fn tasks_by_zone(ctx: &Context, service: &str) -> Result<BTreeMap<AzId, u32>, Error> {
    let (zones, tasks) = tokio::try_join!(find_zones(ctx), tasks::find_running(ctx, &ctx.names.cluster, service))?;
    Ok(count_by_zone(&tasks, &zones))
}

fn count_by_zone(tasks: &[Task], zones: &BTreeMap<AzName, AzId>) -> BTreeMap<AzId, u32> {
    let mut counts = BTreeMap::new();
    for task in tasks {
        *counts.entry(zone_of(task, zones)).or_default() += 1;
    }
    counts
}

impl ServiceStatus {
    pub fn is_on_fargate(&self) -> bool {
        self.launch_type.as_deref() == Some("FARGATE")
    }
}

/// Whether a service of the frontend's name runs on Fargate.
pub async fn is_frontend_on_fargate(ctx: &Context) -> Result<bool, Error> {
    let service = rollout::describe(ctx, &ctx.names.cluster, &[&ctx.names.frontend.service]).await?.pop();
    Ok(service.as_ref().and_then(launch_type::of_service) == Some(LaunchType::Fargate))
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

/// Finds the family of the frontend's task definition; none without the service.
pub async fn find_frontend_family(ctx: &Context) -> Result<Option<String>, Error> {
    let found = rollout::describe(ctx, &ctx.names.cluster, &[&ctx.names.frontend.service]).await?;
    let definition = found.iter().find_map(|service| service.task_definition());
    let name = definition.map(|arn| arn.rsplit('/').next().unwrap_or(arn));
    Ok(name.map(|name| name.split(':').next().unwrap_or(name).to_owned()))
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

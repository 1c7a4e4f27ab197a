//! The emulator's state, in the SDK's own types. A walkthrough has at most 30 instances and tasks: one page of each.

use std::collections::BTreeMap;

use aws_sdk_autoscaling::types::AutoScalingGroup;
use aws_sdk_ecs::types::{ContainerInstance, DesiredStatus, Service, Task, TaskDefinition};
use aws_sdk_elasticloadbalancingv2::types::{ActionTypeEnum, LoadBalancer, TargetGroup};

use crate::aws::error::optional;
use crate::aws::{AzId, AzName, Clients, CloudError};
use crate::settings::ResourceNames;

/// The walkthrough's resources that matter to the hosts.
#[derive(Debug, Default)]
pub(super) struct View {
    /// None: there is no Auto Scaling group, or it is being deleted.
    pub(super) group: Option<AutoScalingGroup>,
    pub(super) cluster: Option<Cluster>,
    pub(super) ingress: Option<Ingress>,
}

#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) members: Vec<ContainerInstance>,
    /// The active services, which are to have tasks.
    pub(super) services: Vec<Service>,
    /// The tasks that are to run, running or not.
    pub(super) tasks: Vec<Task>,
}

/// The way in: the load balancer and what it forwards to.
#[derive(Debug)]
pub(super) struct Ingress {
    pub(super) load_balancer: LoadBalancer,
    /// None: no listener forwards to one.
    pub(super) target_group: Option<TargetGroup>,
    /// The registered targets: address and port.
    pub(super) targets: Vec<(String, i32)>,
}

impl View {
    pub(super) async fn read(clients: &Clients, names: &ResourceNames) -> Result<Self, CloudError> {
        let (group, cluster, ingress) = tokio::try_join!(
            read_group(clients, &names.auto_scaling_group),
            Cluster::read(clients, names),
            Ingress::read(clients, &names.load_balancer),
        )?;
        Ok(Self { group, cluster, ingress })
    }

    /// Whether nothing is there that hosts would matter to.
    pub(super) fn is_empty(&self) -> bool {
        let is_used = |cluster: &Cluster| {
            !(cluster.members.is_empty() && cluster.services.is_empty() && cluster.tasks.is_empty())
        };
        self.group.is_none() && self.ingress.is_none() && !self.cluster.as_ref().is_some_and(is_used)
    }
}

async fn read_group(clients: &Clients, name: &str) -> Result<Option<AutoScalingGroup>, CloudError> {
    let request = clients.autoscaling.describe_auto_scaling_groups().auto_scaling_group_names(name);
    let answer = clients.call("autoscaling:DescribeAutoScalingGroups", request.send()).await?;
    Ok(answer.auto_scaling_groups.unwrap_or_default().pop().filter(|group| group.status().is_none()))
}

impl Cluster {
    async fn read(clients: &Clients, names: &ResourceNames) -> Result<Option<Self>, CloudError> {
        let (ecs, cluster) = (&clients.ecs, &names.cluster);
        let request = ecs.describe_services().cluster(cluster);
        let request = request.services(&names.backend.service).services(&names.frontend.service);
        let Some(answer) = optional(clients.call("ecs:DescribeServices", request.send()).await)? else {
            return Ok(None);
        };
        let mut services = answer.services.unwrap_or_default();
        services.retain(|service| service.status() == Some("ACTIVE"));
        let (members, tasks) = tokio::try_join!(read_members(clients, cluster), read_tasks(clients, cluster))?;
        Ok(Some(Self { members, services, tasks }))
    }

    pub(super) fn member(&self, task: &Task) -> Option<&ContainerInstance> {
        let arn = task.container_instance_arn()?;
        self.members.iter().find(|member| member.container_instance_arn() == Some(arn))
    }

    /// The service that a task belongs to.
    pub(super) fn service(&self, task: &Task) -> Option<&Service> {
        let name = task.group()?.strip_prefix("service:")?;
        self.services.iter().find(|service| service.service_name() == Some(name))
    }
}

async fn read_members(clients: &Clients, cluster: &str) -> Result<Vec<ContainerInstance>, CloudError> {
    let request = clients.ecs.list_container_instances().cluster(cluster);
    let listed = optional(clients.call("ecs:ListContainerInstances", request.send()).await)?;
    let arns = listed.and_then(|answer| answer.container_instance_arns).unwrap_or_default();
    if arns.is_empty() {
        return Ok(vec![]);
    }
    let request = clients.ecs.describe_container_instances().cluster(cluster).set_container_instances(Some(arns));
    let answer = clients.call("ecs:DescribeContainerInstances", request.send()).await?;
    Ok(answer.container_instances.unwrap_or_default())
}

async fn read_tasks(clients: &Clients, cluster: &str) -> Result<Vec<Task>, CloudError> {
    let request = clients.ecs.list_tasks().cluster(cluster).desired_status(DesiredStatus::Running);
    let listed = optional(clients.call("ecs:ListTasks", request.send()).await)?;
    let arns = listed.and_then(|answer| answer.task_arns).unwrap_or_default();
    if arns.is_empty() {
        return Ok(vec![]);
    }
    let request = clients.ecs.describe_tasks().cluster(cluster).set_tasks(Some(arns));
    let answer = clients.call("ecs:DescribeTasks", request.send()).await?;
    Ok(answer.tasks.unwrap_or_default())
}

impl Ingress {
    async fn read(clients: &Clients, name: &str) -> Result<Option<Self>, CloudError> {
        let elbv2 = &clients.elbv2;
        let request = elbv2.describe_load_balancers().names(name);
        let found = optional(clients.call("elasticloadbalancing:DescribeLoadBalancers", request.send()).await)?;
        let Some(load_balancer) = found.and_then(|answer| answer.load_balancers.unwrap_or_default().pop()) else {
            return Ok(None);
        };
        let mut ingress = Self { load_balancer, target_group: None, targets: vec![] };
        let request = elbv2.describe_listeners().load_balancer_arn(ingress.arn());
        let listeners = optional(clients.call("elasticloadbalancing:DescribeListeners", request.send()).await)?;
        let listeners = listeners.and_then(|answer| answer.listeners).unwrap_or_default();
        let mut actions = listeners.iter().flat_map(|listener| listener.default_actions());
        let forward = actions.find(|action| action.r#type() == Some(&ActionTypeEnum::Forward));
        let Some(arn) = forward.and_then(|action| action.target_group_arn()) else { return Ok(Some(ingress)) };

        let request = elbv2.describe_target_groups().target_group_arns(arn);
        let groups = optional(clients.call("elasticloadbalancing:DescribeTargetGroups", request.send()).await)?;
        ingress.target_group = groups.and_then(|answer| answer.target_groups.unwrap_or_default().pop());
        let request = elbv2.describe_target_health().target_group_arn(arn);
        let health = optional(clients.call("elasticloadbalancing:DescribeTargetHealth", request.send()).await)?;
        let targets = health.and_then(|answer| answer.target_health_descriptions).unwrap_or_default();
        let targets = targets.iter().filter_map(|target| target.target());
        ingress.targets = targets.filter_map(|target| Some((target.id()?.to_owned(), target.port()?))).collect();
        Ok(Some(ingress))
    }

    pub(super) fn arn(&self) -> &str {
        self.load_balancer.load_balancer_arn().unwrap_or_default()
    }
}

/// The attribute in which an instance's agent tells its zone.
pub(super) const ZONE: &str = "ecs.availability-zone";

/// The zone that the instance's agent has told.
pub(super) fn zone(member: &ContainerInstance) -> Option<AzName> {
    let attribute = member.attributes().iter().find(|attribute| attribute.name() == ZONE);
    attribute.and_then(|attribute| attribute.value()).map(AzName::new)
}

pub(super) async fn zones(clients: &Clients) -> Result<BTreeMap<AzName, AzId>, CloudError> {
    let request = clients.ec2.describe_availability_zones();
    let answer = clients.call("ec2:DescribeAvailabilityZones", request.send()).await?;
    let zones = answer.availability_zones();
    Ok(zones.iter().filter_map(|zone| Some((AzName::new(zone.zone_name()?), AzId::new(zone.zone_id()?)))).collect())
}

/// The Auto Scaling group's subnets, by zone.
pub(super) async fn subnets(
    clients: &Clients,
    group: &AutoScalingGroup,
) -> Result<BTreeMap<AzName, String>, CloudError> {
    let ids = group.vpc_zone_identifier().unwrap_or_default().split(',').map(str::to_owned);
    let request = clients.ec2.describe_subnets().set_subnet_ids(Some(ids.collect()));
    let answer = clients.call("ec2:DescribeSubnets", request.send()).await?;
    let subnets = answer.subnets().iter();
    Ok(subnets
        .filter_map(|subnet| Some((AzName::new(subnet.availability_zone()?), subnet.subnet_id()?.to_owned())))
        .collect())
}

pub(super) async fn task_definition(clients: &Clients, arn: &str) -> Result<Option<TaskDefinition>, CloudError> {
    let request = clients.ecs.describe_task_definition().task_definition(arn);
    let answer = optional(clients.call("ecs:DescribeTaskDefinition", request.send()).await)?;
    Ok(answer.and_then(|answer| answer.task_definition))
}

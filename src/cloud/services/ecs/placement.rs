//! Where a task goes: on Fargate, to the zone of its subnets that has the fewest of its service; else to an ACTIVE instance, heard of, of its cluster, in a zone of its subnets, allowed by its service's placement
//! constraints, with room for it; of those, by ECS's default spread, in the zone that has the fewest of its service, then on the instance that has the fewest.

use super::capacity::Capacity;
use super::container_instances::{ContainerInstance, InstanceStatus};
use super::definition::Definition;
use super::tasks::Task;
use crate::cloud::region::Region;
use crate::cloud::services::ec2;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The ARN of the container instance. None: Fargate's.
    pub(super) container_instance: Option<String>,
    /// The capacity provider, if one decides.
    pub(super) provider: Option<String>,
    pub(super) subnet_id: String,
    pub(super) az_name: String,
}

/// Why there is no place (ECS Developer Guide, "API failure reasons").
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// No instance takes tasks.
    NoInstances,
    /// The account's quota of vCPU on Fargate is used up.
    Quota,
    /// The instance that came closest lacks something.
    Lacking { instance_arn: String, lack: Lack },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lack {
    /// None of the subnets is in its zone.
    Location,
    /// A placement constraint does not allow it.
    Constraint,
    /// Its processor is not the one that the task definition's `runtimePlatform` names.
    Attribute,
    Cpu,
    Memory,
    /// A host port that it names is taken.
    Port,
    Interface,
}

impl Lack {
    /// The failure reason of `RunTask`.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Location => "LOCATION",
            Self::Constraint => "MemberOf placement constraint unsatisfied.",
            Self::Attribute => "ATTRIBUTE",
            Self::Cpu => "RESOURCE:CPU",
            Self::Memory => "RESOURCE:MEMORY",
            Self::Port => "RESOURCE:PORTS",
            Self::Interface => "RESOURCE:ENI",
        }
    }
}

impl NoPlace {
    /// The service event, after the service's name.
    pub(super) fn event(&self) -> String {
        let why = match self {
            Self::Quota => return format!("was unable to place a task. Reason: {QUOTA_IS_USED_UP}."),
            Self::NoInstances => "Reason: No Container Instances were found in your cluster.".to_owned(),
            Self::Lacking { instance_arn, lack } => {
                let closest = format!("The closest matching (container-instance {})", super::id_of(instance_arn));
                match lack {
                    Lack::Attribute => format!("{closest} is missing an attribute required by your task."),
                    Lack::Cpu => format!("{closest} has insufficient CPU units available."),
                    Lack::Memory => format!("{closest} has insufficient memory available."),
                    Lack::Port => format!("{closest} is already using a port required by your task."),
                    Lack::Location | Lack::Constraint | Lack::Interface => {
                        format!("{closest} encountered error \"{}\".", lack.reason())
                    }
                }
            }
        };
        format!(
            "was unable to place a task because no container instance met all of its requirements. {why} For more \
             information, see the Troubleshooting section of the Amazon ECS Developer Guide."
        )
    }
}

/// ECS Developer Guide, "Amazon ECS service event messages".
pub(super) const QUOTA_IS_USED_UP: &str = "You've reached the limit on the number of vCPUs you can run concurrently";

/// What is to be placed, and among whom it is to be spread.
pub(super) struct Request<'a> {
    pub(super) cluster: &'a str,
    pub(super) definition: &'a Definition,
    pub(super) capacity: &'a Capacity,
    pub(super) subnets: &'a [String],
    pub(super) service_arn: Option<&'a str>,
    pub(super) deployment_id: Option<&'a str>,
}

pub(super) fn place(region: &Region, request: &Request<'_>) -> Result<Place, NoPlace> {
    if request.capacity.is_fargate() { place_on_fargate(region, request) } else { place_on_instance(region, request) }
}

/// In the subnet whose zone has the fewest: Fargate spreads over the zones of the subnets as well as it can (ECS Developer Guide,
/// "How Amazon ECS places tasks on container instances").
fn place_on_fargate(region: &Region, request: &Request<'_>) -> Result<Place, NoPlace> {
    let live: Vec<&Task> = region.ecs().tasks.iter().filter(|task| !task.is_stopped()).collect();
    let of_deployment = |task: &&&Task| request.is_ours(task) && request.is_newest(task);
    let has = |provider: &str| {
        let on_it = live.iter().filter(of_deployment).filter(|task| task.provider.as_deref() == Some(provider));
        u32::try_from(on_it.count()).unwrap_or(u32::MAX)
    };
    let provider = request.capacity.next_provider(has).map(str::to_owned);
    // Tasks of Spot have a quota of their own (ECS Developer Guide, "AWS Fargate service quotas").
    let on_demand = live.iter().filter(|it| it.host.is_none() && it.provider.as_deref() != Some("FARGATE_SPOT"));
    let units = on_demand.map(|task| task.definition.cpu()).fold(request.definition.cpu(), u32::saturating_add);
    if provider.as_deref() != Some("FARGATE_SPOT") && units > region.vcpu_quota.saturating_mul(1024) {
        return Err(NoPlace::Quota);
    }
    let subnets = request.subnets.iter().filter_map(|id| ec2::subnet(region, id));
    let fewest = subnets.min_by_key(|subnet| request.zone_key(&subnet.az_name, &live));
    let subnet = fewest.ok_or(NoPlace::NoInstances)?;
    Ok(Place { container_instance: None, provider, subnet_id: subnet.id.clone(), az_name: subnet.az_name.clone() })
}

fn place_on_instance(region: &Region, request: &Request<'_>) -> Result<Place, NoPlace> {
    let zones: Vec<_> = (request.subnets.iter())
        .filter_map(|id| ec2::subnet(region, id))
        .map(|subnet| (subnet.az_name.as_str(), subnet.id.as_str()))
        .collect();
    let live: Vec<&Task> = region.ecs().tasks.iter().filter(|task| !task.is_stopped()).collect();
    let takes_tasks =
        |i: &&ContainerInstance| i.cluster == request.cluster && i.status == InstanceStatus::Active && i.is_connected;
    let service = region.ecs().services.iter().find(|service| Some(service.arn.as_str()) == request.service_arn);
    let mut closest = None;
    let mut candidates = Vec::new();
    for instance in region.ecs().container_instances.iter().filter(takes_tasks) {
        // With network mode bridge any instance's network will do, and no subnet is named.
        let subnet = match request.definition.is_bridged() {
            true => Some((instance.az_name.as_str(), instance.subnet_id.as_str())),
            false => zones.iter().copied().find(|(zone, _)| *zone == instance.az_name),
        };
        let lack = match subnet {
            None => Some(Lack::Location),
            Some(_) if service.is_some_and(|service| !service.allows(instance)) => Some(Lack::Constraint),
            Some(_) if !suits(instance, request.definition) => Some(Lack::Attribute),
            Some(_) => lack(instance, &live, request.definition),
        };
        match (lack, subnet) {
            (None, Some((_, subnet_id))) => {
                candidates.push((spread_key(instance, &live, request), instance, subnet_id))
            }
            (lack, _) => closest = closest.max(lack.map(|lack| (lack, instance.arn.as_str()))),
        }
    }
    match candidates.into_iter().min_by_key(|(key, _, _)| *key) {
        Some((_, instance, subnet_id)) => Ok(Place {
            container_instance: Some(instance.arn.clone()),
            provider: None,
            subnet_id: subnet_id.to_owned(),
            az_name: instance.az_name.clone(),
        }),
        None => {
            Err(closest
                .map_or(NoPlace::NoInstances, |(lack, arn)| NoPlace::Lacking { instance_arn: arn.to_owned(), lack }))
        }
    }
}

fn suits(instance: &ContainerInstance, definition: &Definition) -> bool {
    definition.architecture().is_none_or(|wanted| instance.attribute("ecs.cpu-architecture") == Some(wanted.as_str()))
}

fn lack(instance: &ContainerInstance, live: &[&Task], definition: &Definition) -> Option<Lack> {
    let left = instance.remaining(live.iter().copied());
    let taken = instance.taken_ports(live.iter().copied());
    if left.cpu < definition.cpu() {
        Some(Lack::Cpu)
    } else if left.memory < definition.memory() {
        Some(Lack::Memory)
    } else if definition.static_ports().iter().any(|port| taken.contains(port)) {
        Some(Lack::Port)
    } else if left.interfaces == 0 && !definition.is_bridged() {
        Some(Lack::Interface)
    } else {
        None
    }
}

impl Request<'_> {
    fn is_ours(&self, task: &Task) -> bool {
        task.is_wanted()
            && match self.service_arn {
                Some(service) => task.is_of(service),
                None => task.definition.family == self.definition.family,
            }
    }

    fn is_newest(&self, task: &Task) -> bool {
        self.deployment_id.is_none_or(|id| task.is_of_deployment(id))
    }

    /// Fewest first: tasks of the deployment in the zone, so that it ends up even; of the service in the zone.
    fn zone_key(&self, az_name: &str, live: &[&Task]) -> (usize, usize) {
        let here = || live.iter().filter(|task| task.az_name == az_name && self.is_ours(task));
        (here().filter(|task| self.is_newest(task)).count(), here().count())
    }
}

/// The zone's, then fewest first: tasks of the service on the instance; of anybody on the instance.
fn spread_key(instance: &ContainerInstance, live: &[&Task], request: &Request<'_>) -> ((usize, usize), usize, usize) {
    let here = || live.iter().filter(|task| task.is_on(&instance.ec2_instance_id));
    (request.zone_key(&instance.az_name, live), here().filter(|task| request.is_ours(task)).count(), here().count())
}

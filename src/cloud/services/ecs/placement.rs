//! Where a task goes: to an ACTIVE instance, heard of, of its cluster, in a zone of its subnets, allowed by its service's placement
//! constraints, with room for it; of those, by ECS's default spread, in the zone that has the fewest of its service, then on the instance that has the fewest.

use super::container_instances::{ContainerInstance, InstanceStatus, Resources};
use super::definition::Definition;
use super::tasks::Task;
use crate::cloud::region::Region;
use crate::cloud::services::ec2;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The ARN of the container instance.
    pub(super) container_instance: String,
    pub(super) subnet_id: String,
    pub(super) az_name: String,
}

/// Why there is no place (ECS Developer Guide, "API failure reasons").
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// No instance takes tasks.
    NoInstances,
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
            Self::Interface => "RESOURCE:ENI",
        }
    }
}

impl NoPlace {
    /// The service event, after the service's name.
    pub(super) fn event(&self) -> String {
        let why = match self {
            Self::NoInstances => "Reason: No Container Instances were found in your cluster.".to_owned(),
            Self::Lacking { instance_arn, lack } => {
                let closest = format!("The closest matching (container-instance {})", super::id_of(instance_arn));
                match lack {
                    Lack::Attribute => format!("{closest} is missing an attribute required by your task."),
                    Lack::Cpu => format!("{closest} has insufficient CPU units available."),
                    Lack::Memory => format!("{closest} has insufficient memory available."),
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

/// What is to be placed, and among whom it is to be spread.
pub(super) struct Request<'a> {
    pub(super) cluster: &'a str,
    pub(super) definition: &'a Definition,
    pub(super) subnets: &'a [String],
    pub(super) service_arn: Option<&'a str>,
    pub(super) deployment_id: Option<&'a str>,
}

pub(super) fn place(region: &Region, request: &Request<'_>) -> Result<Place, NoPlace> {
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
        let subnet = zones.iter().find(|(zone, _)| *zone == instance.az_name);
        let lack = match subnet {
            None => Some(Lack::Location),
            Some(_) if service.is_some_and(|service| !service.allows(instance)) => Some(Lack::Constraint),
            Some(_) if !suits(instance, request.definition) => Some(Lack::Attribute),
            Some(_) => lack(instance.remaining(live.iter().copied()), request.definition),
        };
        match (lack, subnet) {
            (None, Some((_, subnet_id))) => {
                candidates.push((spread_key(instance, &live, request), instance, *subnet_id))
            }
            (lack, _) => closest = closest.max(lack.map(|lack| (lack, instance.arn.as_str()))),
        }
    }
    match candidates.into_iter().min_by_key(|(key, _, _)| *key) {
        Some((_, instance, subnet_id)) => Ok(Place {
            container_instance: instance.arn.clone(),
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

fn lack(left: Resources, definition: &Definition) -> Option<Lack> {
    if left.cpu < definition.cpu() {
        Some(Lack::Cpu)
    } else if left.memory < definition.memory() {
        Some(Lack::Memory)
    } else if left.interfaces == 0 {
        Some(Lack::Interface)
    } else {
        None
    }
}

/// Fewest first: tasks of the deployment in the zone, so that it ends up even; of the service in the zone; of the
/// service on the instance; of anybody on the instance.
fn spread_key(instance: &ContainerInstance, live: &[&Task], request: &Request<'_>) -> (usize, usize, usize, usize) {
    let is_ours = |task: &Task| match request.service_arn {
        Some(service) => task.is_of(service) && task.is_wanted(),
        None => task.definition.family == request.definition.family && task.is_wanted(),
    };
    let is_newest = |task: &Task| request.deployment_id.is_none_or(|id| task.is_of_deployment(id));
    let in_zone = |task: &Task| task.az_name == instance.az_name;
    let on_instance = |task: &Task| task.container_instance == instance.arn;
    let count = |wanted: &dyn Fn(&Task) -> bool| live.iter().filter(|task| wanted(task)).count();
    (
        count(&|task| is_ours(task) && is_newest(task) && in_zone(task)),
        count(&|task| is_ours(task) && in_zone(task)),
        count(&|task| is_ours(task) && on_instance(task)),
        count(&on_instance),
    )
}

//! Services as they are told of: what each is to have, its deployments, its events; listed, described, deleted. They are
//! made and changed in [`super::service_changes`] and kept by [`super::scheduler`].

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::capacity::Capacity;
use super::container_instances::ContainerInstance;
use super::definition::Definition;
use super::service_answers::wire;
use super::service_connect::{self, ServiceConnect};
use super::service_revisions::Revision;
use super::{State, check_count, describe_each, includes_tags, instance_filter, invalid, refers_to};
use crate::cloud::error::AwsError;
use crate::cloud::faults::DEPLOYMENT_IS_ACTIVE;
use crate::cloud::region::Region;
use crate::cloud::wire::Params;
use crate::cloud::wire::tags::Tags;

#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(const_into_str, serialize_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum ServiceStatus {
    Active,
    Draining,
    Inactive,
}

#[derive(Clone)]
pub(super) struct Service {
    pub(super) arn: String,
    pub(super) name: String,
    /// The cluster's name.
    pub(super) cluster: String,
    pub(super) status: ServiceStatus,
    pub(super) desired_count: u32,
    pub(super) load_balancers: Vec<LoadBalancer>,
    pub(super) rollout: Rollout,
    pub(super) rebalances_zones: bool,
    /// The PRIMARY one first, then those it replaces.
    pub(super) deployments: Vec<Deployment>,
    /// What each of its deployments was of, the oldest first.
    pub(super) revisions: Vec<Revision>,
    /// As the request gave them: what is read of them is [`Service::allows`].
    pub(super) placement_constraints: Value,
    pub(super) placement_strategy: Value,
    pub(super) grace_period: Option<i64>,
    pub(super) enable_managed_tags: bool,
    /// `SERVICE`, `TASK_DEFINITION` or `NONE`.
    pub(super) propagate_tags: String,
    pub(super) tags: Tags,
    /// The parameters it was created with: an equal request with the same `clientToken` is the same creation.
    pub(super) request: Map<String, Value>,
    pub(super) created_at: Timestamp,
    /// It has what it is to have, and has said so.
    pub(super) is_steady: bool,
    /// DRAINING, and its last task has gone.
    pub(super) is_emptied: bool,
    pub(super) throttle: Throttle,
    /// What has happened to the service, newest first.
    pub(super) events: VecDeque<Event>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LoadBalancer {
    pub(super) target_group_arn: String,
    pub(super) container_name: String,
    pub(super) container_port: u16,
}

/// How far a deployment may go below and above the desired count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rollout {
    pub(super) minimum_healthy_percent: u32,
    pub(super) maximum_percent: u32,
    /// Whether a deployment whose tasks fail again and again is given up.
    pub(super) has_circuit_breaker: bool,
}

/// The defaults for replicas (API Reference, "DeploymentConfiguration").
impl Default for Rollout {
    fn default() -> Self {
        Self { minimum_healthy_percent: 100, maximum_percent: 200, has_circuit_breaker: false }
    }
}

impl Rollout {
    /// How many tasks a deployment keeps at least, rounded up as AWS does.
    pub(super) fn fewest(self, desired: u32) -> u32 {
        (u64::from(desired) * u64::from(self.minimum_healthy_percent)).div_ceil(100).try_into().unwrap_or(u32::MAX)
    }

    /// How many tasks a deployment has at most, rounded down as AWS does.
    pub(super) fn most(self, desired: u32) -> u32 {
        (u64::from(desired) * u64::from(self.maximum_percent) / 100).try_into().unwrap_or(u32::MAX)
    }

    /// Failed tasks that open the circuit breaker: half of the desired, but from 3 to 200 (ECS Developer Guide, "How the
    /// Amazon ECS deployment circuit breaker detects failures").
    pub(super) fn breaks_at(self, desired: u32) -> Option<u32> {
        self.has_circuit_breaker.then(|| desired.div_ceil(2).clamp(3, 200))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(const_into_str, serialize_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum RolloutState {
    InProgress,
    Completed,
    /// The circuit breaker has opened: no more tasks are started.
    Failed,
}

#[derive(Clone)]
pub(super) struct Deployment {
    /// `ecs-svc/` and 19 digits.
    pub(super) id: String,
    pub(super) revision_arn: String,
    pub(super) definition: Arc<Definition>,
    pub(super) capacity: Capacity,
    pub(super) network: Network,
    /// The configuration as the request gave it.
    pub(super) service_connect_configuration: Option<Value>,
    /// The same configuration resolved, if it is enabled.
    pub(super) service_connect: Option<ServiceConnect>,
    pub(super) state: RolloutState,
    pub(super) failed_tasks: u32,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

/// Of tasks with awsvpc; that of others is their instances'.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Network {
    pub(super) subnets: Vec<String>,
    pub(super) security_groups: Vec<String>,
    /// Whether tasks get public addresses, as they can on Fargate.
    pub(super) public_ip: bool,
}

/// Tasks that fail again and again are started less and less often.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Throttle {
    pub(super) failures: u32,
    pub(super) until: Option<Instant>,
}

impl Throttle {
    pub(super) fn holds(self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

#[derive(Clone)]
pub(super) struct Event {
    pub(super) id: String,
    pub(super) at: Timestamp,
    pub(super) message: String,
}

/// The most events that a service shows (API Reference, "Service").
const MAX_EVENTS: usize = 100;

impl Service {
    pub(super) fn primary(&self) -> &Deployment {
        self.deployments.first().expect("a service has a deployment from its creation on")
    }

    /// Whether an instance is one that all of its placement constraints allow.
    pub(super) fn allows(&self, instance: &ContainerInstance) -> bool {
        let constraints = self.placement_constraints.as_array().into_iter().flatten();
        let mut expressions = constraints.filter_map(|constraint| constraint["expression"].as_str());
        // They have been read when they were taken.
        expressions.all(|expression| instance_filter::parse(expression).is_ok_and(|filter| filter.allows(instance)))
    }

    pub(super) fn runs(&self, definition_arn: &str) -> bool {
        self.status != ServiceStatus::Inactive
            && self.deployments.iter().any(|deployment| deployment.definition.arn == definition_arn)
    }
}

pub(super) fn not_found() -> AwsError {
    AwsError::new("ServiceNotFoundException", "Service not found.")
}

impl State {
    /// The service with this name or ARN, even if it is INACTIVE.
    pub(super) fn service(&self, cluster: &str, reference: &str) -> Option<&Service> {
        self.services
            .iter()
            .find(|service| service.cluster == cluster && refers_to(reference, &service.arn, &service.name))
    }

    pub(super) fn service_mut(&mut self, arn: &str) -> Option<&mut Service> {
        self.services.iter_mut().find(|service| service.arn == arn)
    }
}

/// Adds an event, in AWS's words after `(service <name>) `.
pub(super) fn note(region: &mut Region, service_arn: &str, message: &str) {
    let id = region.ids.uuid();
    if let Some(service) = region.ecs_mut().service_mut(service_arn) {
        let message = format!("(service {}) {message}", service.name);
        service.events.push_front(Event { id, at: Timestamp::now(), message });
        service.events.truncate(MAX_EVENTS);
    }
}

/// As [`note`], unless the last event says the same.
pub(super) fn note_once(region: &mut Region, service_arn: &str, message: &str) {
    let last = region.ecs_mut().service_mut(service_arn).and_then(|service| service.events.front());
    if !last.is_some_and(|event| event.message.ends_with(message)) {
        note(region, service_arn, message);
    }
}

pub(super) fn describe(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let cluster = &region.ecs().cluster(params)?.name;
    let references = params.strings("services");
    check_count("Services", &references, 10)?;
    let with_tags = includes_tags(params)?;
    Ok(describe_each(region, ("services", &format!("service/{cluster}")), &references, |reference| {
        Some(wire(region, region.ecs().service(cluster, reference)?, with_tags))
    }))
}

pub(super) fn list(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let cluster = &region.ecs().cluster(params)?.name;
    let arns = (region.ecs().services.iter())
        .filter(|service| service.cluster == *cluster && service.status != ServiceStatus::Inactive)
        .filter(|service| {
            let launch_type = service.primary().capacity.launch_type.into_str();
            params.opt_str("launchType").is_none_or(|wanted| wanted == launch_type)
        })
        .filter(|_| params.opt_str("schedulingStrategy").is_none_or(|strategy| strategy == "REPLICA"))
        .map(|service| &service.arn);
    Ok(json!({ "serviceArns": arns.collect::<Vec<_>>() }))
}

pub(super) fn list_by_namespace(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let namespace = crate::cloud::services::servicediscovery::namespace(region, params.str("namespace")?)
        .ok_or_else(service_connect::namespace_not_found)?;
    let is_in = |service: &&Service| {
        let connect = service.primary().service_connect.as_ref();
        service.status != ServiceStatus::Inactive && connect.is_some_and(|c| c.namespace_arn == namespace.arn)
    };
    let arns: Vec<_> = region.ecs().services.iter().filter(is_in).map(|service| &service.arn).collect();
    Ok(json!({ "serviceArns": arns }))
}

pub(super) fn delete(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let cluster = region.ecs().cluster(params)?.name.clone();
    let found = region.ecs().service(&cluster, params.str("service")?);
    let service = found.filter(|service| service.status != ServiceStatus::Inactive).ok_or_else(not_found)?;
    let arn = service.arn.clone();
    let is_forced = params.opt_bool("force") == Some(true);
    if service.desired_count > 0 && !is_forced {
        return Err(invalid("The service cannot be stopped while it is scaled above 0."));
    }
    // "If you have no running tasks in it and the desired task count is zero" (API Reference, "DeleteService").
    let mut tasks = region.ecs().tasks.iter().filter(|task| task.is_of(&arn));
    if tasks.any(|task| !task.is_stopped()) && !is_forced {
        return Err(invalid(DEPLOYMENT_IS_ACTIVE));
    }
    if let Some(service) = region.ecs_mut().service_mut(&arn) {
        service.status = ServiceStatus::Draining;
        service.desired_count = 0;
        service.is_steady = false;
    }
    answer(region, &arn)
}

/// The service as the answer to its creation or change.
pub(super) fn answer(region: &Region, arn: &str) -> Result<Value, AwsError> {
    let service = region.ecs().services.iter().find(|service| service.arn == arn).ok_or_else(not_found)?;
    Ok(json!({ "service": wire(region, service, true) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollouts_bounds_are_those_of_any_count() {
        let rollout = |maximum_percent| Rollout { minimum_healthy_percent: 50, maximum_percent, ..Rollout::default() };
        assert_eq!((rollout(150).fewest(3), rollout(150).most(3)), (2, 4));
        assert_eq!((rollout(200).fewest(u32::MAX), rollout(200).most(u32::MAX)), (1 << 31, u32::MAX));
        assert_eq!(rollout(u32::MAX).most(2), 85_899_345);
    }
}

//! Brings each service to what it is to have: starts what is missing, replaces what is outdated within the deployment's
//! limits, stops what is too many where there are most, and moves a task when zones have become uneven.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::blue_green::{self, Stage};
use super::container_instances::InstanceStatus;
use super::definition::Definition;
use super::lifecycle::{self, Launch};
use super::placement::{self, NoPlace, Place, Request};
use super::service_deployments::Ending;
use super::services::{self, Deployment, RolloutState, Service, ServiceStatus, Throttle};
use super::tasks::{Membership, StopCode, TargetPort, Task};
use crate::cloud::region::Region;
use crate::cloud::schedule::Transition;
use crate::cloud::services::elbv2;
use crate::cloud::wire::tags::Tags;

pub(super) fn run(region: &mut Region) {
    for (arn, status) in restless(region) {
        if status == ServiceStatus::Draining {
            drain(region, &arn);
        } else {
            stop_superfluous(region, &arn);
            start_missing(region, &arn);
            rebalance(region, &arn);
            shift_traffic(region, &arn);
            conclude(region, &arn);
        }
    }
}

/// The services that there may be something to do for. Of many most have what they are to have, and to look through all tasks for each
/// of them, after every change, would take the square of their number.
fn restless(region: &Region) -> Vec<(String, ServiceStatus)> {
    let ecs = region.ecs();
    let mut tasks = HashMap::<&str, Vec<&Task>>::new();
    for task in ecs.tasks.iter().filter(|task| !task.is_stopped()) {
        if let Some(of) = &task.membership {
            tasks.entry(&of.service_arn).or_default().push(task);
        }
    }
    let drains = ecs.container_instances.iter().any(|instance| instance.status == InstanceStatus::Draining);
    let is_content =
        |service: &Service| has_all(service, tasks.get(&*service.arn).map(Vec::as_slice).unwrap_or_default());
    let services = ecs.services.iter().filter(|service| service.status != ServiceStatus::Inactive);
    let restless = services.filter(|service| drains || !is_content(service));
    restless.map(|service| (service.arn.clone(), service.status)).collect()
}

/// Whether a service has said that it is steady, and still is: its tasks run, all of its one deployment, and their zones need no
/// rebalancing. The health of targets is asked for elsewhere.
fn has_all(service: &Service, tasks: &[&Task]) -> bool {
    let primary = service.primary();
    let is_in_order = |task: &&Task| {
        task.is_wanted() && task.is_running() && task.targets.is_empty() && task.is_of_deployment(&primary.id)
    };
    let zones = by_zone(tasks);
    let counts = || zones.values().map(Vec::len);
    // With network mode bridge a service names no subnets: its tasks may be wherever instances are.
    let subnets = primary.network.subnets.len();
    let fewest = if subnets == 0 || zones.len() < subnets { 0 } else { counts().min().unwrap_or(0) };
    service.status == ServiceStatus::Active
        && service.is_steady
        && service.deployments.len() == 1
        && tasks.len() == service.desired_count as usize
        && tasks.iter().all(is_in_order)
        && (!service.rebalances_zones || counts().max().unwrap_or(0) < fewest + 2)
}

/// A service's tasks as the scheduler sees them, at one moment.
struct View<'r> {
    service: &'r Service,
    /// Wanted tasks of the primary deployment, on instances that keep theirs.
    current: Vec<&'r Task>,
    /// Wanted tasks that are to be replaced: of earlier deployments, or on draining instances.
    outdated: Vec<&'r Task>,
    /// ARNs of the running tasks whose targets are healthy.
    healthy: Vec<&'r str>,
}

impl<'r> View<'r> {
    fn of(region: &'r Region, arn: &str) -> Option<Self> {
        let service = region.ecs().services.iter().find(|service| service.arn == arn)?;
        let is_draining = |task: &Task| {
            let mut instances = region.ecs().container_instances.iter();
            instances.any(|i| task.is_on(&i.ec2_instance_id) && i.status == InstanceStatus::Draining)
        };
        let wanted: Vec<_> = region.ecs().tasks.iter().filter(|task| task.is_of(arn) && task.is_wanted()).collect();
        let healthy = wanted.iter().filter(|task| is_healthy(region, task)).map(|task| task.arn.as_str()).collect();
        let (current, outdated) =
            wanted.into_iter().partition(|task| task.is_of_deployment(&service.primary().id) && !is_draining(task));
        Some(Self { service, current, outdated, healthy })
    }

    fn is_healthy(&self, task: &Task) -> bool {
        self.healthy.contains(&task.arn.as_str())
    }

    /// Whether a task of a deployment before has to stay until this one can do without it.
    fn keeps(&self, task: &Task) -> bool {
        let mut before = self.service.deployments.iter().skip(1);
        before.any(|deployment| task.is_of_deployment(&deployment.id) && blue_green::keeps(self.service, deployment))
    }

    /// How many healthy tasks the deployment can spare.
    fn spare(&self) -> usize {
        let fewest = self.service.rollout.fewest(self.service.desired_count) as usize;
        self.healthy.len().saturating_sub(fewest)
    }
}

/// Running, and in service wherever it is a target.
fn is_healthy(region: &Region, task: &Task) -> bool {
    let in_service = |target: &TargetPort| {
        let state = elbv2::target_state(region, &target.target_group_arn, task.interface.private_ip, target.port);
        matches!(state, Some(elbv2::TargetState::Healthy | elbv2::TargetState::Unused))
    };
    task.is_running() && task.targets.iter().all(in_service)
}

fn drain(region: &mut Region, arn: &str) {
    let tasks: Vec<_> = region.ecs().tasks.iter().filter(|task| task.is_of(arn)).collect();
    let wanted: Vec<_> = tasks.iter().filter(|task| task.is_wanted()).map(|task| task.arn.clone()).collect();
    let is_empty = tasks.iter().all(|task| task.is_stopped());
    stop(region, arn, wanted);
    let Some(service) = region.ecs_mut().service_mut(arn) else { return };
    if is_empty && !service.is_emptied {
        service.is_emptied = true;
        let arn = arn.to_owned();
        region.after(Transition::ServiceDrained, move |region| {
            if let Some(service) = region.ecs_mut().service_mut(&arn).filter(|service| service.is_emptied) {
                service.status = ServiceStatus::Inactive;
            }
        });
    }
}

fn stop_superfluous(region: &mut Region, arn: &str) {
    let Some(view) = View::of(region, arn) else { return };
    let mut spare = view.spare();
    let mut stopping = Vec::new();
    // Outdated tasks give way as the deployment allows; those that serve nobody yet, at once.
    let mut outdated = view.outdated.clone();
    outdated.retain(|task| !view.keeps(task));
    while let Some(task) = pick_from_fullest_zone(&outdated, &view) {
        outdated.retain(|other| other.arn != task.arn);
        if view.is_healthy(task) {
            if spare == 0 {
                continue;
            }
            spare -= 1;
        }
        stopping.push(task.arn.clone());
    }
    // Too many current ones: from the zone that has most, so that the rest is even.
    let mut current = view.current.clone();
    while current.len() > view.service.desired_count as usize {
        let Some(task) = pick_from_fullest_zone(&current, &view) else { break };
        if view.is_healthy(task) {
            if spare == 0 {
                break;
            }
            spare -= 1;
        }
        current.retain(|other| other.arn != task.arn);
        stopping.push(task.arn.clone());
    }
    stop(region, arn, stopping);
}

/// Of the zone with most of these tasks: one that serves nobody yet, else the youngest.
fn pick_from_fullest_zone<'r>(tasks: &[&'r Task], view: &View<'r>) -> Option<&'r Task> {
    let by_zone = by_zone(tasks);
    let fullest = by_zone.values().max_by_key(|tasks| tasks.len())?;
    fullest.iter().rev().copied().min_by_key(|task| view.is_healthy(task))
}

fn by_zone<'r>(tasks: &[&'r Task]) -> BTreeMap<&'r str, Vec<&'r Task>> {
    let mut zones: BTreeMap<&str, Vec<&Task>> = BTreeMap::new();
    for task in tasks {
        zones.entry(&task.az_name).or_default().push(task);
    }
    zones
}

fn stop(region: &mut Region, service_arn: &str, tasks: Vec<String>) {
    let Some(service) = region.ecs_mut().service_mut(service_arn).filter(|_| !tasks.is_empty()) else { return };
    let reason = format!("Scaling activity initiated by (deployment {})", service.primary().id);
    let ids: Vec<_> = tasks.iter().map(|arn| format!("(task {})", super::id_of(arn))).collect();
    for arn in &tasks {
        lifecycle::stop(region, arn, StopCode::ServiceSchedulerInitiated, &reason);
    }
    services::note(region, service_arn, &format!("has stopped {} running tasks: {}.", ids.len(), ids.join(" ")));
}

fn start_missing(region: &mut Region, arn: &str) {
    let now = region.schedule.now();
    let Some(view) = View::of(region, arn) else { return };
    let is_given_up = view.service.primary().state == RolloutState::Failed;
    if is_given_up || view.service.throttle.holds(now) {
        return;
    }
    let desired = view.service.desired_count;
    let missing = (desired as usize).saturating_sub(view.current.len());
    let room = (view.service.rollout.most(desired) as usize).saturating_sub(view.current.len() + view.outdated.len());
    let count = missing.min(room);
    let definition = Arc::clone(&view.service.primary().definition);
    if count == 0 {
        return;
    }
    if let Err(problem) = check_execution_role(region, &definition) {
        services::note_once(region, arn, &format!("failed to launch a task with (error {problem})."));
        return;
    }
    let mut started = Vec::new();
    for _ in 0..count {
        match find_place(region, arn) {
            // What keeps one from starting keeps the others, which may be many, from it too.
            Ok(place) => match launch(region, arn, place) {
                Some(id) => started.push(id),
                None => break,
            },
            Err(no_place) => {
                // Tasks that end are about to make room.
                if !region.ecs().tasks.iter().any(|task| !task.is_wanted() && !task.is_stopped()) {
                    services::note_once(region, arn, &no_place.event());
                }
                break;
            }
        }
    }
    note_started(region, arn, &started);
}

/// `Err`: what ECS says when it cannot become the role that pulls images and writes logs.
pub(super) fn check_execution_role(region: &Region, definition: &Definition) -> Result<(), String> {
    match definition.execution_role() {
        Some(role) if !region.iam().has_role(super::id_of(role)) => Err(format!(
            "ECS was unable to assume the role '{role}' that was provided for this task. Please verify that the role \
             being passed has the proper trust relationship and permissions and that your IAM user has permissions to \
             pass this role"
        )),
        _ => Ok(()),
    }
}

fn find_place(region: &Region, arn: &str) -> Result<Place, NoPlace> {
    let service = region.ecs().services.iter().find(|service| service.arn == arn).ok_or(NoPlace::NoInstances)?;
    let deployment = service.primary();
    let request = Request {
        cluster: &service.cluster,
        definition: &deployment.definition,
        capacity: &deployment.capacity,
        subnets: &deployment.network.subnets,
        service_arn: Some(arn),
        deployment_id: Some(&deployment.id),
    };
    placement::place(region, &request)
}

/// Starts a task of a service; its ID.
fn launch(region: &mut Region, arn: &str, place: Place) -> Option<String> {
    let service = region.ecs().services.iter().find(|service| service.arn == arn)?;
    let deployment = service.primary();
    let mut tags = Tags::default();
    match service.propagate_tags.as_str() {
        "SERVICE" => tags.extend(service.tags.clone()),
        "TASK_DEFINITION" => tags.extend(region.ecs().task_definitions.tags_of(&deployment.definition.arn)),
        _ => {}
    }
    if service.enable_managed_tags {
        tags.extend(Tags::one("aws:ecs:clusterName", &service.cluster));
        tags.extend(Tags::one("aws:ecs:serviceName", &service.name));
    }
    let targets = (service.load_balancers.iter())
        .map(|b| TargetPort {
            target_group_arn: b.target_group_arn.clone(),
            container: b.container_name.clone(),
            port: b.container_port,
        })
        .collect();
    let launch = Launch {
        cluster: service.cluster.clone(),
        definition: Arc::clone(&deployment.definition),
        membership: Some(Membership {
            service_arn: arn.to_owned(),
            service_name: service.name.clone(),
            deployment_id: deployment.id.clone(),
        }),
        group: format!("service:{}", service.name),
        started_by: Some(deployment.id.clone()),
        container_instance: place.container_instance,
        provider: place.provider,
        public_ip: deployment.network.public_ip,
        subnet_id: place.subnet_id,
        security_groups: deployment.network.security_groups.clone(),
        targets,
        service_connect: deployment.service_connect.clone(),
        tags,
        client_token: None,
    };
    match lifecycle::start(region, launch) {
        Ok(id) => Some(id),
        Err(error) => {
            let message = format!("failed to launch a task with (error {}).", error.message);
            services::note_once(region, arn, &message);
            None
        }
    }
}

fn note_started(region: &mut Region, arn: &str, ids: &[String]) {
    if let Some(service) = region.ecs_mut().service_mut(arn).filter(|_| !ids.is_empty()) {
        service.is_steady = false;
        let tasks: Vec<_> = ids.iter().map(|id| format!("(task {id})")).collect();
        services::note(region, arn, &format!("has started {} tasks: {}.", ids.len(), tasks.join(" ")));
    }
}

/// A steady service with two tasks more in one zone than in another that has room gets one there; the zone with most
/// then gives one up.
fn rebalance(region: &mut Region, arn: &str) {
    let Some(view) = View::of(region, arn).filter(|view| view.service.is_steady && view.service.rebalances_zones)
    else {
        return;
    };
    let has_room = view.service.rollout.most(view.service.desired_count) as usize > view.current.len();
    let zones = by_zone(&view.current);
    let fullest = zones.values().map(Vec::len).max().unwrap_or(0);
    if !has_room || fullest < 2 || view.service.throttle.holds(region.schedule.now()) {
        return;
    }
    let Ok(place) = find_place(region, arn) else { return };
    let there = zones.get(place.az_name.as_str()).map_or(0, Vec::len);
    if fullest < there + 2 {
        return;
    }
    let zone = place.az_name.clone();
    if let Some(id) = launch(region, arn, place) {
        services::note(region, arn, "is not AZ balanced. AZ Rebalancing in progress.");
        services::note(region, arn, &format!("has started 1 tasks in {zone} to AZ Rebalance: (task {id})."));
        if let Some(service) = region.ecs_mut().service_mut(arn) {
            service.is_steady = false;
        }
    }
}

/// Gives the traffic to green tasks once all of them are healthy.
fn shift_traffic(region: &mut Region, arn: &str) {
    let mut services = region.ecs().services.iter();
    if !services.any(|service| service.arn == arn && service.primary().stage == Stage::ScaleUp) {
        return;
    }
    let Some(view) = View::of(region, arn) else { return };
    let desired = view.service.desired_count as usize;
    if view.current.len() == desired && view.current.iter().all(|task| view.is_healthy(task)) {
        blue_green::shift(region, arn);
    }
}

/// Notices that a service has become steady, and its deployment with it.
fn conclude(region: &mut Region, arn: &str) {
    let Some(view) = View::of(region, arn) else { return };
    let is_ending = |task: &Task| task.is_of(arn) && !task.is_wanted() && !task.is_stopped();
    let desired = view.service.desired_count as usize;
    let is_steady = view.outdated.is_empty()
        && view.current.len() == desired
        && view.healthy.len() == desired
        && !region.ecs().tasks.iter().any(is_ending);
    let outdated: Vec<_> =
        view.outdated.iter().filter_map(|t| Some(t.membership.as_ref()?.deployment_id.clone())).collect();
    let Some(service) = region.ecs_mut().service_mut(arn) else { return };
    let primary = service.primary().id.clone();
    service.deployments.retain(|deployment| deployment.id == primary || outdated.contains(&deployment.id));
    if service.is_steady == is_steady {
        return;
    }
    service.is_steady = is_steady;
    if !is_steady {
        return;
    }
    service.throttle.failures = 0;
    let in_progress = |deployment: &&mut Deployment| deployment.state == RolloutState::InProgress;
    if let Some(deployment) = service.deployments.first_mut().filter(in_progress) {
        deployment.state = RolloutState::Completed;
        deployment.failed_tasks = 0;
        deployment.updated_at = Timestamp::now();
        service.end_deployments(Ending::Successful, |it| it.deployment_id == primary);
        let message = format!("(deployment {primary}) deployment completed.");
        services::note(region, arn, &message);
    }
    services::note(region, arn, "has reached a steady state.");
}

/// The first pause after a failure, doubled with each further one up to the longest (ECS Developer Guide, "Service throttle
/// logic"; the least is real time, so that an instant cloud does not spin).
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);
const LEAST_PAUSE: Duration = Duration::from_millis(200);

/// A task of this deployment failed.
pub(super) fn note_failure(region: &mut Region, of: &Membership) {
    let (now, pace) = (region.schedule.now(), region.schedule.pace);
    let Some(service) = region.ecs_mut().service_mut(&of.service_arn) else { return };
    let limit = service.rollout.breaks_at(service.desired_count);
    let mut deployments = service.deployments.iter_mut();
    if let Some(deployment) = deployments.find(|deployment| deployment.id == of.deployment_id) {
        deployment.failed_tasks += 1;
        let is_enough = limit.is_some_and(|limit| deployment.failed_tasks >= limit);
        if is_enough && deployment.state == RolloutState::InProgress {
            deployment.state = RolloutState::Failed;
            deployment.updated_at = Timestamp::now();
            let message = format!("(deployment {}) deployment failed: tasks failed to start.", deployment.id);
            service.end_deployments(Ending::Stopped, |it| it.deployment_id == of.deployment_id);
            services::note(region, &of.service_arn, &message);
            return;
        }
    }
    // Tasks that fail together are one failure.
    if service.throttle.holds(now) {
        return;
    }
    let failures = service.throttle.failures + 1;
    let on_aws = FIRST_PAUSE.saturating_mul(1 << (failures - 1).min(10)).min(LONGEST_PAUSE);
    let pause = pace.scale(on_aws).max(LEAST_PAUSE);
    service.throttle = Throttle { failures, until: Some(now + pause) };
    region.after_real_time(pause, |_| {});
    if failures > 1 {
        services::note_once(
            region,
            &of.service_arn,
            "is unable to consistently start tasks successfully. For more information, see the Troubleshooting section \
             of the Amazon ECS Developer Guide.",
        );
    }
}

//! How a task comes and goes: PROVISIONING while its network interface is made, PENDING while its containers start,
//! RUNNING; then DEACTIVATING (out of discovery and of its target groups), STOPPING, DEPROVISIONING, STOPPED.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::container_instances;
use super::definition::{Definition, LogGroup};
use super::host_ports::{self, HostPort};
use super::service_connect::{self, ServiceConnect};
use super::tasks::{Host, LastStatus, Membership, Stop, StopCode, TargetPort, Task, TaskContainer};
use super::{scheduler, services, tasks};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::schedule::Transition;
use crate::cloud::services::iam::Fact;
use crate::cloud::services::{ec2, elbv2, logs, servicediscovery};
use crate::cloud::wire::tags::Tags;

/// What is to be started, and where.
pub(super) struct Launch {
    pub(super) cluster: String,
    pub(super) definition: Arc<Definition>,
    pub(super) membership: Option<Membership>,
    pub(super) group: String,
    pub(super) started_by: Option<String>,
    /// The ARN of the container instance that the task is to run on. None: it is to run on Fargate.
    pub(super) container_instance: Option<String>,
    pub(super) provider: Option<String>,
    /// A subnet of the instance's zone.
    pub(super) subnet_id: String,
    /// Whether its network interface is to have a public address.
    pub(super) public_ip: bool,
    pub(super) security_groups: Vec<String>,
    pub(super) targets: Vec<TargetPort>,
    pub(super) service_connect: Option<ServiceConnect>,
    pub(super) tags: Tags,
    /// The token of the `RunTask` request that asks for the task.
    pub(super) client_token: Option<String>,
}

/// Stopped tasks are described for an hour (AWS CLI Reference, "describe-tasks"), here in real time, in which a user wants to know
/// why one stopped.
const STOPPED_TASKS_ARE_KEPT: Duration = Duration::from_secs(60 * 60);

/// …but only the last so many: at a hundred times AWS's pace, as many stop in an hour as on AWS in four days.
const MOST_STOPPED_TASKS: usize = 250;

/// Starts a task and gives its ID.
pub(super) fn start(region: &mut Region, launch: Launch) -> Result<String, AwsError> {
    let host = match &launch.container_instance {
        Some(arn) => {
            let instance = region.ecs().container_instances.iter().find(|instance| instance.arn == *arn);
            let instance = instance.ok_or_else(container_instances::not_found)?;
            Some(Host { arn: arn.clone(), ec2_instance_id: instance.ec2_instance_id.clone() })
        }
        None => None,
    };
    let id = region.ids.hex(32);
    let arn = region.arn("ecs", &format!("task/{}/{id}", launch.cluster));
    let containers = containers(region, &launch);
    let bridged = host.as_ref().filter(|_| launch.definition.is_bridged());
    let (interface, attachment_id, host_ports) = match bridged {
        Some(host) => {
            let instance = ec2::instance(region, &host.ec2_instance_id).ok_or_else(container_instances::not_found)?;
            let proxy = containers.last().map_or("", |proxy| proxy.name.as_str());
            let host_ports =
                host_ports::take(region, &launch.definition, host, launch.service_connect.as_ref(), proxy)?;
            (instance.interface.clone(), None, host_ports)
        }
        None => {
            let attachment_id = region.ids.uuid();
            let description = region.arn("ecs", &format!("attachment/{attachment_id}"));
            let interface = ec2::create_interface(region, &launch.subnet_id, &launch.security_groups, &description)?;
            if launch.public_ip {
                ec2::give_public_address(region, &interface.id);
            }
            (interface, Some(attachment_id), vec![])
        }
    };
    let (az_name, az_id) = (interface.subnet.az_name.clone(), interface.subnet.az_id.clone());
    let mut targets = launch.targets;
    for target in &mut targets {
        let is_its = |it: &&HostPort| it.container == target.container && it.container_port == target.port;
        target.port = host_ports.iter().find(is_its).map_or(target.port, |it| it.host_port);
    }
    region.ecs_mut().tasks.push(Task {
        arn: arn.clone(),
        id: id.clone(),
        cluster: launch.cluster,
        definition: launch.definition,
        membership: launch.membership,
        group: launch.group,
        started_by: launch.started_by,
        host,
        provider: launch.provider,
        az_name,
        az_id,
        subnet_id: launch.subnet_id,
        interface,
        attachment_id,
        host_ports,
        containers,
        targets,
        service_connect: launch.service_connect,
        upstreams: Vec::new(),
        tags: launch.tags,
        client_token: launch.client_token,
        last_status: LastStatus::Provisioning,
        stop: None,
        is_starting: false,
        exit: None,
        is_undiscovered: false,
        created_at: Timestamp::now(),
        started_at: None,
        stopped_at: None,
    });
    region.after(Transition::TaskProvisioning, move |region| {
        if advance(region, &arn, LastStatus::Provisioning, LastStatus::Pending) {
            region.after(Transition::TaskStarting, move |region| start_containers(region, &arn));
        }
    });
    Ok(id)
}

/// The definition's containers and, last, Service Connect's proxy.
fn containers(region: &mut Region, launch: &Launch) -> Vec<TaskContainer> {
    let mut containers: Vec<_> = (launch.definition.containers().into_iter())
        .map(|container| TaskContainer {
            id: region.ids.uuid(),
            name: container.opt_str("name").unwrap_or_default().to_owned(),
            image: container.opt_str("image").unwrap_or_default().to_owned(),
            cpu: container.opt_int("cpu").ok().flatten().unwrap_or(0),
            memory: container.opt_int("memory").ok().flatten(),
            runtime_id: region.ids.hex(64),
        })
        .collect();
    if launch.service_connect.is_some() {
        containers.push(TaskContainer {
            id: region.ids.uuid(),
            name: format!("ecs-service-connect-{}", region.ids.hex(5)),
            image: "ecs-service-connect-agent:interface-v1".to_owned(),
            cpu: 0,
            memory: None,
            runtime_id: region.ids.hex(64),
        });
    }
    containers
}

fn task<'r>(region: &'r mut Region, arn: &str) -> Option<&'r mut Task> {
    region.ecs_mut().tasks.iter_mut().find(|task| task.arn == arn)
}

/// Moves a task on, unless it went another way meanwhile.
fn advance(region: &mut Region, arn: &str, from: LastStatus, to: LastStatus) -> bool {
    match task(region, arn) {
        Some(task) if task.last_status == from => {
            task.last_status = to;
            true
        }
        _ => false,
    }
}

/// Starts what an agent has not heard of while it was disconnected.
pub(super) fn start_waiting(region: &mut Region, instance_id: &str) {
    let is_waiting =
        |task: &&Task| task.is_on(instance_id) && task.last_status == LastStatus::Pending && !task.is_starting;
    let waiting: Vec<_> = region.ecs().tasks.iter().filter(is_waiting).map(|task| task.arn.clone()).collect();
    for arn in waiting {
        start_containers(region, &arn);
    }
}

/// A proxy that is not told what to do asks on.
const PROXY_ASKS_AGAIN: Duration = Duration::from_millis(500);

/// A task's proxy asks, in the instance's role, for the task set that it is of; without an answer it never gets healthy. Such a call
/// has no `ecs:cluster` (aws/aws-cdk#28594, aws/amazon-ecs-service-connect-agent#142).
fn proxy_may_poll(region: &Region, task: &Task) -> bool {
    let instance = task.host.as_ref().and_then(|host| ec2::instance(region, &host.ec2_instance_id));
    let profile = instance.and_then(|instance| instance.instance_profile.as_deref());
    // One that did not come from EC2 has its credentials from elsewhere, and on Fargate it acts in no role of the account's.
    let Some(profile) = profile else { return true };
    let task_set = region.arn("ecs", &format!("task-set/{}/{}", task.cluster, task.group.replace(':', "/")));
    let facts = |key: &str| if key.eq_ignore_ascii_case("ecs:cluster") { Fact::Absent } else { Fact::Unknown };
    region.iam().profile_allows(profile, "ecs:Poll", &task_set, &facts)
}

/// On Fargate the image is pulled through the task's own network interface: with a public address in a subnet that leads to the
/// internet (ECS Developer Guide, "Amazon ECS task networking options for Fargate", and "CannotPullContainer task errors", whose words
/// these are). On an instance it is pulled through the instance's.
fn cannot_pull(task: &Task) -> String {
    let image = task.containers.first().map_or("", |container| container.image.as_str());
    format!(
        "CannotPullContainerError: The task cannot pull {image} from the registry. There is a connection issue between the task and \
         the registry. Check your task network configuration. : failed to copy: dial tcp: i/o timeout"
    )
}

/// Its log groups are there, and its proxy knows whom it can call.
fn start_containers(region: &mut Region, arn: &str) {
    let is_pending = |task: &&Task| task.arn == arn && task.last_status == LastStatus::Pending;
    let pending = region.ecs().tasks.iter().find(is_pending);
    let Some(task) = pending.filter(|task| !tasks::is_cut_off(region, task)) else { return };
    if task.service_connect.is_some() && !proxy_may_poll(region, task) {
        let arn = arn.to_owned();
        region.after_real_time(PROXY_ASKS_AGAIN, move |region| start_containers(region, &arn));
        return;
    }
    if task.host.is_none() && !ec2::interface_reaches_internet(region, &task.interface.id) {
        let reason = cannot_pull(task);
        fail(region, arn, StopCode::TaskFailedToStart, &reason);
        return;
    }
    let (definition, service_connect) = (Arc::clone(&task.definition), task.service_connect.clone());
    // The application's own group first: if it creates it, the proxy's equally named one is there.
    let proxy_group = service_connect.as_ref().and_then(|connect| connect.log_group.clone());
    for group in definition.log_groups().into_iter().chain(proxy_group) {
        if let Err(reason) = open_log(region, &group) {
            fail(region, arn, StopCode::TaskFailedToStart, &reason);
            return;
        }
    }
    let upstreams = service_connect.map(|connect| service_connect::upstreams(region, &connect)).unwrap_or_default();
    let Some(task) = self::task(region, arn) else { return };
    task.upstreams = upstreams;
    task.is_starting = true;
}

/// Lets the tasks run whose applications and proxies have come to take requests, as far as all proxies have heard of that.
pub(super) fn run_started(region: &mut Region) {
    let is_waiting =
        |task: &&Task| task.last_status == LastStatus::Pending && task.is_starting && !tasks::is_cut_off(region, task);
    let waiting = region.ecs().tasks.iter().filter(is_waiting);
    let started: Vec<_> = waiting.filter(|task| region.mesh.is_running(&task.arn)).map(|t| t.arn.clone()).collect();
    if started.is_empty() || !region.mesh.is_up_to_date() {
        return;
    }
    for arn in started {
        run(region, &arn);
    }
}

/// PENDING to RUNNING: it is registered in Cloud Map and with its target groups.
fn run(region: &mut Region, arn: &str) {
    service_connect::register(region, arn);
    let Some(task) = task(region, arn) else { return };
    task.last_status = LastStatus::Running;
    task.started_at = Some(Timestamp::now());
    let (ip, targets) = (task.interface.private_ip, task.targets.clone());
    let service = task.membership.as_ref().map(|membership| membership.service_arn.clone());
    for target in targets {
        elbv2::register_target(region, &target.target_group_arn, ip, target.port);
        if let Some(service) = &service {
            let message = format!("registered 1 targets in (target-group {})", target.target_group_arn);
            services::note(region, service, &message);
        }
    }
}

/// Logging is set up before a container starts, so a missing group keeps it from starting.
fn open_log(region: &mut Region, group: &LogGroup) -> Result<(), String> {
    if logs::has_group(region, &group.name) {
        return Ok(());
    }
    if !group.create {
        return Err(
            "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: \
             failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not \
             exist. : exit status 1"
                .to_owned(),
        );
    }
    logs::create_group(region, &group.name);
    Ok(())
}

/// Wants a task STOPPED. One that runs leaves discovery and its target groups first.
pub(super) fn stop(region: &mut Region, arn: &str, code: StopCode, reason: &str) {
    let Some(task) = task(region, arn).filter(|task| task.stop.is_none()) else { return };
    task.stop = Some(Stop { code, reason: reason.to_owned(), at: Timestamp::now() });
    if task.last_status != LastStatus::Running {
        terminate(region, arn);
        return;
    }
    task.last_status = LastStatus::Deactivating;
    let service = task.membership.as_ref().map(|membership| membership.service_arn.clone());
    let has_targets = !task.targets.is_empty();
    deregister(region, arn);
    if let Some(service) = service.filter(|_| has_targets) {
        services::note(region, &service, "has begun draining connections on 1 tasks.");
    }
    let arn = arn.to_owned();
    region.after(Transition::TaskDeactivating, move |region| {
        if let Some(task) = self::task(region, &arn) {
            task.is_undiscovered = true;
        }
    });
}

/// Out of Cloud Map and of its target groups.
fn deregister(region: &mut Region, arn: &str) {
    let Some(task) = task(region, arn) else { return };
    let id = task.id.clone();
    let (ip, targets) = (task.interface.private_ip, task.targets.clone());
    let service = task.membership.as_ref().map(|membership| membership.service_arn.clone());
    servicediscovery::deregister_instance(region, &id);
    for target in targets {
        elbv2::deregister_target(region, &target.target_group_arn, ip, target.port);
        if let Some(service) = &service {
            let message = format!("deregistered 1 targets in (target-group {})", target.target_group_arn);
            services::note(region, service, &message);
        }
    }
}

/// Lets the tasks on that have left discovery, as all proxies know, and whose targets have drained.
pub(super) fn end_drained(region: &mut Region) {
    let is_drained = |task: &Task| {
        let drained = |t: &TargetPort| {
            elbv2::target_state(region, &t.target_group_arn, task.interface.private_ip, t.port).is_none()
        };
        let can_go = task.is_undiscovered && task.targets.iter().all(drained);
        // An agent that is not connected stops nothing; nor does ECS hear of it.
        task.last_status == LastStatus::Deactivating && can_go && !tasks::is_cut_off(region, task)
    };
    let drained: Vec<_> = region.ecs().tasks.iter().filter(|task| is_drained(task)).map(|t| t.arn.clone()).collect();
    if drained.is_empty() || !region.mesh.is_up_to_date() {
        return;
    }
    for arn in drained {
        terminate(region, &arn);
    }
}

/// Takes a task through STOPPING and the states after it.
fn terminate(region: &mut Region, arn: &str) {
    let Some(task) = task(region, arn) else { return };
    task.last_status = LastStatus::Stopping;
    let arn = arn.to_owned();
    region.after(Transition::TaskStopping, move |region| {
        if advance(region, &arn, LastStatus::Stopping, LastStatus::Deprovisioning) {
            region.after(Transition::TaskStopping, move |region| finish(region, &arn));
        }
    });
}

fn finish(region: &mut Region, arn: &str) {
    let Some(task) = task(region, arn).filter(|task| task.last_status != LastStatus::Stopped) else { return };
    task.last_status = LastStatus::Stopped;
    task.stopped_at = Some(Timestamp::now());
    if !task.is_bridged() {
        let interface = task.interface.id.clone();
        ec2::delete_interface(region, &interface);
    }
}

/// STOPPED at once: the instance under the task is gone.
pub(super) fn lose(region: &mut Region, arn: &str, reason: &str, code: StopCode) {
    let Some(task) = task(region, arn) else { return };
    task.stop.get_or_insert_with(|| Stop { code, reason: reason.to_owned(), at: Timestamp::now() });
    deregister(region, arn);
    finish(region, arn);
}

/// A task that could not start, or whose container exited: its service is to try again, but not at once.
fn fail(region: &mut Region, arn: &str, code: StopCode, reason: &str) {
    stop(region, arn, code, reason);
    if let Some(membership) = task(region, arn).and_then(|task| task.membership.clone()) {
        scheduler::note_failure(region, &membership);
    }
}

/// Stops the tasks whose container exited, as far as their agents tell.
pub(super) fn fail_exited(region: &mut Region) {
    let live = region.ecs().tasks.iter().filter(|task| task.is_running() || task.is_starting && task.stop.is_none());
    let told = live.filter(|task| !tasks::is_cut_off(region, task));
    let exited: Vec<_> =
        told.filter_map(|task| Some((task.arn.clone(), region.mesh.task_failure(&task.arn)?))).collect();
    for (arn, exit) in exited {
        if let Some(task) = task(region, &arn) {
            task.exit = Some(exit);
        }
        fail(region, &arn, StopCode::EssentialContainerExited, "Essential container in task exited");
    }
}

pub(super) fn forget_stopped(region: &mut Region) {
    let now = Timestamp::now();
    let tasks = &mut region.ecs_mut().tasks;
    let mut ends: Vec<_> = tasks.iter().filter_map(|task| task.stopped_at).collect();
    ends.sort_unstable_by(|a, b| b.cmp(a));
    let too_many = ends.get(MOST_STOPPED_TASKS);
    let is_kept = |at: Timestamp| {
        now.duration_since(at).unsigned_abs() < STOPPED_TASKS_ARE_KEPT && too_many.is_none_or(|last| at > *last)
    };
    tasks.retain(|task| task.stopped_at.is_none_or(is_kept));
}

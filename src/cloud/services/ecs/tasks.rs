//! Tasks as they are told of: listed, described, stopped by hand. How they come and go is in [`super::lifecycle`].

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::capacity::{LATEST_PLATFORM, LaunchType, PLATFORM_FAMILY};
use super::definition::Definition;
use super::host_ports::HostPort;
use super::service_connect::ServiceConnect;
use super::{check_count, describe_each, host_ports, image_digest, includes_tags, invalid, lifecycle, refers_to};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::services::ec2::Interface;
use crate::cloud::wire::tags::{LOWER, Tags};
use crate::cloud::wire::{Params, timestamp};
use crate::mesh::TaskFailure;
use crate::mesh::topology::Upstream;

/// In the order of a task's life (ECS Developer Guide, "Task lifecycle states").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr)]
#[strum(const_into_str, serialize_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum LastStatus {
    Provisioning,
    Pending,
    Running,
    Deactivating,
    Stopping,
    Deprovisioning,
    Stopped,
}

/// The API's `TaskStopCode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(const_into_str)]
pub(super) enum StopCode {
    TaskFailedToStart,
    EssentialContainerExited,
    UserInitiated,
    ServiceSchedulerInitiated,
    TerminationNotice,
}

/// Why a task is to be STOPPED, from the moment that is wanted.
#[derive(Clone, Debug)]
pub(super) struct Stop {
    pub(super) code: StopCode,
    pub(super) reason: String,
    pub(super) at: Timestamp,
}

/// The deployment of a service that a task belongs to.
#[derive(Clone, Debug)]
pub(super) struct Membership {
    pub(super) service_arn: String,
    pub(super) service_name: String,
    pub(super) deployment_id: String,
}

/// A target group that a task is a target of, and the port it is reached at.
#[derive(Clone, Debug)]
pub(super) struct TargetPort {
    pub(super) target_group_arn: String,
    pub(super) container: String,
    /// The container's; of a task that was started with network mode bridge, its instance's.
    pub(super) port: u16,
}

/// A container of a task: the definition's, and Service Connect's proxy.
#[derive(Clone, Debug)]
pub(super) struct TaskContainer {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) image: String,
    pub(super) cpu: i64,
    pub(super) memory: Option<i64>,
    /// What Docker calls it, once it runs.
    pub(super) runtime_id: String,
}

/// A container instance as its tasks know it.
#[derive(Clone, Debug)]
pub(super) struct Host {
    /// The container instance's ARN.
    pub(super) arn: String,
    pub(super) ec2_instance_id: String,
}

#[derive(Clone)]
pub(super) struct Task {
    pub(super) arn: String,
    pub(super) id: String,
    /// The cluster's name.
    pub(super) cluster: String,
    pub(super) definition: Arc<Definition>,
    pub(super) membership: Option<Membership>,
    /// `service:<name>`, or what `RunTask` says.
    pub(super) group: String,
    pub(super) started_by: Option<String>,
    /// The container instance that the task runs on. None: it runs on Fargate.
    pub(super) host: Option<Host>,
    /// The capacity provider that it was started by, if one decided.
    pub(super) provider: Option<String>,
    pub(super) az_name: String,
    pub(super) az_id: String,
    pub(super) subnet_id: String,
    /// Its own, or with network mode bridge its instance's.
    pub(super) interface: Interface,
    /// The attachment of its own interface.
    pub(super) attachment_id: Option<String>,
    /// With network mode bridge.
    pub(super) host_ports: Vec<HostPort>,
    pub(super) containers: Vec<TaskContainer>,
    pub(super) targets: Vec<TargetPort>,
    pub(super) service_connect: Option<ServiceConnect>,
    /// What its proxy was told of when it started; it learns nothing later.
    pub(super) upstreams: Vec<Upstream>,
    pub(super) tags: Tags,
    pub(super) client_token: Option<String>,
    pub(super) last_status: LastStatus,
    pub(super) stop: Option<Stop>,
    /// Its containers are starting, which takes their proxy a while; still PENDING.
    pub(super) is_starting: bool,
    /// The container that exited by itself.
    pub(super) exit: Option<TaskFailure>,
    /// Its DEACTIVATING has taken its time; its targets may still be draining.
    pub(super) is_undiscovered: bool,
    pub(super) created_at: Timestamp,
    pub(super) started_at: Option<Timestamp>,
    pub(super) stopped_at: Option<Timestamp>,
}

impl Task {
    pub(super) fn is_stopped(&self) -> bool {
        self.last_status == LastStatus::Stopped
    }

    /// To be running, whether it is already or not.
    pub(super) fn is_wanted(&self) -> bool {
        self.stop.is_none()
    }

    pub(super) fn is_running(&self) -> bool {
        self.last_status == LastStatus::Running
    }

    pub(super) fn is_pending(&self) -> bool {
        self.last_status < LastStatus::Running
    }

    pub(super) fn is_on(&self, ec2_instance_id: &str) -> bool {
        self.host.as_ref().is_some_and(|host| host.ec2_instance_id == ec2_instance_id)
    }

    /// Whether it is on the container instance with this ARN.
    pub(super) fn is_at(&self, container_instance: &str) -> bool {
        self.host.as_ref().is_some_and(|host| host.arn == container_instance)
    }

    /// Whether it is reached at ports of its instance, and has no interface of its own.
    pub(super) fn is_bridged(&self) -> bool {
        self.attachment_id.is_none()
    }

    fn launch_type(&self) -> LaunchType {
        if self.host.is_some() { LaunchType::Ec2 } else { LaunchType::Fargate }
    }

    pub(super) fn is_of(&self, service_arn: &str) -> bool {
        self.membership.as_ref().is_some_and(|m| m.service_arn == service_arn)
    }

    pub(super) fn is_of_deployment(&self, deployment_id: &str) -> bool {
        self.membership.as_ref().is_some_and(|m| m.deployment_id == deployment_id)
    }
}

pub(super) fn list(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let cluster = &region.ecs().cluster(params)?.name;
    let service = match params.opt_str("serviceName") {
        Some(name) => Some(&region.ecs().service(cluster, name).ok_or_else(super::services::not_found)?.arn),
        None => None,
    };
    let instance = params.opt_str("containerInstance").map(super::id_of);
    let (family, started_by) = (params.opt_str("family"), params.opt_str("startedBy"));
    let is_stop_wanted = match params.opt_str("desiredStatus").unwrap_or("RUNNING") {
        "RUNNING" => Some(false),
        "STOPPED" => Some(true),
        // ECS never sets a task's desired status to PENDING (API Reference, "ListTasks").
        _ => None,
    };
    let arns = (region.ecs().tasks.iter())
        .filter(|task| task.cluster == *cluster && Some(task.stop.is_some()) == is_stop_wanted)
        .filter(|task| service.is_none_or(|service| task.is_of(service)))
        .filter(|task| {
            let of_task = task.host.as_ref().map(|host| super::id_of(&host.arn));
            instance.is_none_or(|instance| of_task == Some(instance))
        })
        .filter(|task| family.is_none_or(|family| task.definition.family == family))
        .filter(|task| started_by.is_none_or(|by| task.started_by.as_deref() == Some(by)))
        .filter(|task| params.opt_str("launchType").is_none_or(|wanted| wanted == task.launch_type().into_str()))
        .map(|task| &task.arn);
    Ok(json!({ "taskArns": arns.collect::<Vec<_>>() }))
}

pub(super) fn describe(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let cluster = &region.ecs().cluster(params)?.name;
    let references = params.strings("tasks");
    check_count("Tasks", &references, 100)?;
    let with_tags = includes_tags(params)?;
    Ok(describe_each(region, ("tasks", &format!("task/{cluster}")), &references, |reference| {
        Some(wire(region, find(region, cluster, reference)?, with_tags))
    }))
}

pub(super) fn stop(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let cluster = region.ecs().cluster(params)?.name.clone();
    let not_found = || invalid("The referenced task was not found.");
    let arn = find(region, &cluster, params.str("task")?).ok_or_else(not_found)?.arn.clone();
    let reason = params.opt_str("reason").unwrap_or("Task stopped by user");
    lifecycle::stop(region, &arn, StopCode::UserInitiated, reason);
    let task = find(region, &cluster, &arn).ok_or_else(not_found)?;
    Ok(json!({ "task": wire(region, task, true) }))
}

fn find<'r>(region: &'r Region, cluster: &str, reference: &str) -> Option<&'r Task> {
    region.ecs().tasks.iter().find(|task| task.cluster == cluster && refers_to(reference, &task.arn, &task.id))
}

/// What a task on Fargate has unless it asks for more, in GiB (ECS Developer Guide, "Fargate task ephemeral storage").
const FARGATE_STORAGE: u32 = 20;

/// Whether its instance's agent is not heard of: what is known of the task is from before.
pub(super) fn is_cut_off(region: &Region, task: &Task) -> bool {
    let mut instances = region.ecs().container_instances.iter();
    instances.any(|instance| task.is_at(&instance.arn) && !instance.is_connected)
}

pub(super) fn wire(region: &Region, task: &Task, with_tags: bool) -> Value {
    let is_attached = task.last_status >= LastStatus::Pending;
    let attachment_status = match task.last_status {
        LastStatus::Stopped => "DELETED",
        _ if is_attached => "ATTACHED",
        _ => "PRECREATED",
    };
    let details: Value = [
        ("subnetId", task.subnet_id.as_str()),
        ("networkInterfaceId", &task.interface.id),
        ("macAddress", &task.interface.mac),
        ("privateIPv4Address", &task.interface.private_ip.to_string()),
    ]
    .iter()
    .map(|(name, value)| json!({ "name": name, "value": value }))
    .collect();
    let own_interface = task.attachment_id.as_ref().map(
        |id| json!({ "id": id, "type": "ElasticNetworkInterface", "status": attachment_status, "details": details }),
    );
    let mut attachments: Vec<_> = own_interface.into_iter().collect();
    if let Some(proxy) = task.containers.last().filter(|_| task.service_connect.is_some()) {
        attachments.push(json!({
            "id": proxy.id,
            "type": "Service Connect",
            "status": attachment_status,
            "details": connect_details(task, proxy),
        }));
    }
    let (is_started, is_on_fargate) = (task.started_at.is_some(), task.host.is_none());
    let connectivity = if is_cut_off(region, task) { "DISCONNECTED" } else { "CONNECTED" };
    json!({
        "attachments": attachments,
        "attributes": [{ "name": "ecs.cpu-architecture", "value": "x86_64" }],
        "availabilityZone": task.az_name,
        "clusterArn": region.arn("ecs", &format!("cluster/{}", task.cluster)),
        "connectivity": is_attached.then_some(connectivity),
        "connectivityAt": is_attached.then(|| timestamp(task.created_at)),
        "capacityProviderName": task.provider,
        "containerInstanceArn": task.host.as_ref().map(|host| &host.arn),
        "containers": task.containers.iter().map(|c| wire_container(region, task, c)).collect::<Value>(),
        "cpu": task.definition.cpu().to_string(),
        "createdAt": timestamp(task.created_at),
        "desiredStatus": if task.stop.is_some() { "STOPPED" } else { "RUNNING" },
        "enableExecuteCommand": false,
        "executionStoppedAt": task.stopped_at.filter(|_| is_started).map(timestamp),
        "group": task.group,
        "healthStatus": "UNKNOWN",
        "inferenceAccelerators": [],
        "lastStatus": task.last_status.into_str(),
        "ephemeralStorage": is_on_fargate.then(|| json!({ "sizeInGiB": FARGATE_STORAGE })),
        "launchType": task.launch_type().into_str(),
        "memory": task.definition.memory().to_string(),
        "platformFamily": is_on_fargate.then_some(PLATFORM_FAMILY),
        "platformVersion": is_on_fargate.then_some(LATEST_PLATFORM),
        "overrides": { "containerOverrides": [], "inferenceAcceleratorOverrides": [] },
        "pullStartedAt": task.started_at.map(timestamp),
        "pullStoppedAt": task.started_at.map(timestamp),
        "startedAt": task.started_at.map(timestamp),
        "startedBy": task.started_by,
        "stopCode": task.stop.as_ref().map(|stop| stop.code.into_str()),
        "stoppedAt": task.stopped_at.map(timestamp),
        "stoppedReason": task.stop.as_ref().map(|stop| &stop.reason),
        "stoppingAt": task.stop.as_ref().map(|stop| timestamp(stop.at)),
        "tags": if with_tags { task.tags.to_list(LOWER) } else { json!([]) },
        "taskArn": task.arn,
        "taskDefinitionArn": task.definition.arn,
        "version": i64::from(task.last_status as u8) + 1,
    })
}

/// The proxy's container (ECS Developer Guide, "Tutorial: Creating a service with Service Connect"), and of each name that is offered
/// what the API Reference names ("Attachment"); how it writes aliases is not published.
fn connect_details(task: &Task, proxy: &TaskContainer) -> Value {
    let offered = task.service_connect.iter().flat_map(|connect| &connect.offered);
    let details = offered
        .flat_map(|offered| [("portName", &offered.port_name), ("discoveryName", &offered.endpoint.discovery_name)]);
    let details = [("ContainerName", &proxy.name)].into_iter().chain(details);
    details.map(|(name, value)| json!({ "name": name, "value": value })).collect()
}

fn wire_container(region: &Region, task: &Task, container: &TaskContainer) -> Value {
    let status = match task.last_status {
        LastStatus::Provisioning | LastStatus::Pending => "PENDING",
        LastStatus::Deprovisioning | LastStatus::Stopped => "STOPPED",
        _ => "RUNNING",
    };
    let app = task.definition.app();
    let exit = task.exit.as_ref().filter(|exit| match exit {
        TaskFailure::Application(_) => app.is_some_and(|app| app.opt_str("name") == Some(&container.name)),
        TaskFailure::Proxy(_) => task.containers.last().is_some_and(|proxy| proxy.id == container.id),
    });
    json!({
        "containerArn": region.arn("ecs", &format!("container/{}/{}/{}", task.cluster, task.id, container.id)),
        "taskArn": task.arn,
        "name": container.name,
        "image": container.image,
        "imageDigest": task.started_at.and_then(|_| digest(region, task, container)),
        "runtimeId": task.started_at.map(|_| &container.runtime_id),
        "lastStatus": status,
        "exitCode": exit.map(|_| 1),
        "reason": exit.map(TaskFailure::reason),
        "networkBindings": host_ports::network_bindings(task, &container.name),
        "networkInterfaces": task.attachment_id.iter().map(|id| {
            json!({ "attachmentId": id, "privateIpv4Address": task.interface.private_ip.to_string() })
        }).collect::<Value>(),
        "healthStatus": "UNKNOWN",
        "cpu": container.cpu.to_string(),
        "memory": container.memory.map(|memory| memory.to_string()),
    })
}

/// Agents tell the digest of Service Connect's proxy since 1.105.1 (aws/amazon-ecs-agent#5006). The proxy is of the AMI.
fn digest(region: &Region, task: &Task, container: &TaskContainer) -> Option<String> {
    let is_proxy = task.service_connect.is_some() && task.containers.last().is_some_and(|last| last.id == container.id);
    if !is_proxy {
        return Some(image_digest(&container.image));
    }
    let mut hosts = region.ecs().container_instances.iter();
    let image = hosts.find(|host| task.is_at(&host.arn))?.image.as_ref()?;
    let version = |version: &str| -> Vec<u32> { version.split('.').filter_map(|part| part.parse().ok()).collect() };
    (version(image.agent_version) >= version("1.105.1"))
        .then(|| image_digest(&format!("{} {}", container.image, image.version)))
}

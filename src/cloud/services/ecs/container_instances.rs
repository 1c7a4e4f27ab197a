//! Container instances: EC2 instances whose agent has joined a cluster, with what they have to give and what is left of it.

use serde_json::{Value, json};

use super::host_ports::RESERVED;
use super::tasks::{StopCode, Task};
use super::{
    State, check_count, describe_each, includes_tags, instance_filter, invalid, lifecycle, missing, refers_to,
};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::services::ec2;
use crate::cloud::services::ec2::ecs_optimized::{self, Image};
use crate::cloud::wire::tags::{LOWER, Tags};
use crate::cloud::wire::{Params, timestamp};

#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(const_into_str, serialize_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum InstanceStatus {
    Active,
    /// Takes no new tasks; services move theirs away.
    Draining,
}

/// CPU units, MiB and network interfaces, of an instance or left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resources {
    pub(super) cpu: u32,
    pub(super) memory: u32,
    /// Those that tasks can have: the first is the instance's own.
    pub(super) interfaces: u32,
}

#[derive(Clone)]
pub(super) struct ContainerInstance {
    pub(super) arn: String,
    pub(super) id: String,
    /// The cluster's name.
    pub(super) cluster: String,
    pub(super) ec2_instance_id: String,
    pub(super) status: InstanceStatus,
    /// Its agent is heard of. One that is not keeps its registration, and ECS what it knew of its tasks, until EC2 has
    /// terminated the instance (ECS Developer Guide, "Deregistering an Amazon ECS container instance").
    pub(super) is_connected: bool,
    pub(super) az_name: String,
    pub(super) az_id: String,
    pub(super) instance_type: String,
    /// `x86_64` or `arm64`.
    architecture: &'static str,
    pub(super) image: Option<Image>,
    image_id: String,
    pub(super) registered: Resources,
    pub(super) tags: Tags,
    pub(super) subnet_id: String,
    registered_at: jiff::Timestamp,
}

impl ContainerInstance {
    /// What is left beside the tasks it has.
    pub(super) fn remaining<'t>(&self, tasks: impl IntoIterator<Item = &'t Task>) -> Resources {
        let mine = tasks.into_iter().filter(|task| !task.is_stopped() && task.is_at(&self.arn));
        mine.fold(self.registered, |left, task| Resources {
            cpu: left.cpu.saturating_sub(task.definition.cpu()),
            memory: left.memory.saturating_sub(task.definition.memory()),
            interfaces: left.interfaces.saturating_sub(u32::from(!task.is_bridged())),
        })
    }

    /// The ports for TCP that its agent keeps to itself or its tasks have.
    pub(super) fn taken_ports<'t>(&self, tasks: impl IntoIterator<Item = &'t Task>) -> Vec<u16> {
        let mine = tasks.into_iter().filter(|task| !task.is_stopped() && task.is_at(&self.arn));
        let of_tasks = mine.flat_map(|task| &task.host_ports).filter(|it| !it.is_udp).map(|it| it.host_port);
        RESERVED.into_iter().chain(of_tasks).collect()
    }

    fn attributes(&self) -> Vec<(&'static str, Option<&str>)> {
        vec![
            ("ecs.availability-zone", Some(&self.az_name)),
            ("ecs.availability-zone-id", Some(&self.az_id)),
            ("ecs.instance-type", Some(&self.instance_type)),
            ("ecs.subnet-id", Some(&self.subnet_id)),
            ("ecs.ami-id", Some(&self.image_id)),
            ("ecs.os-type", Some("linux")),
            ("ecs.os-family", Some("LINUX")),
            ("ecs.cpu-architecture", Some(self.architecture)),
            ("ecs.capability.task-eni", None),
            ("ecs.capability.execution-role-awslogs", None),
            ("ecs.capability.service-connect-v1", None),
            ("com.amazonaws.ecs.capability.logging-driver.awslogs", None),
            ("com.amazonaws.ecs.capability.task-iam-role", None),
            ("com.amazonaws.ecs.capability.docker-remote-api.1.18", None),
            ("com.amazonaws.ecs.capability.docker-remote-api.1.19", None),
        ]
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes().into_iter().find(|(known, _)| *known == name).and_then(|(_, value)| value)
    }
}

impl State {
    fn instance_mut(&mut self, cluster: &str, reference: &str) -> Option<&mut ContainerInstance> {
        let is_it = |i: &&mut ContainerInstance| i.cluster == cluster && refers_to(reference, &i.arn, &i.id);
        self.container_instances.iter_mut().find(is_it)
    }

    fn instance(&self, cluster: &str, reference: &str) -> Option<&ContainerInstance> {
        let is_it = |i: &&ContainerInstance| i.cluster == cluster && refers_to(reference, &i.arn, &i.id);
        self.container_instances.iter().find(is_it)
    }
}

/// Registers an EC2 instance; one that has joined already keeps its registration.
pub(super) fn join(
    region: &mut Region,
    cluster: &str,
    instance_id: &str,
    resources: Option<(u32, u32)>,
) -> Result<String, AwsError> {
    let cluster = region.ecs().cluster_by_reference(cluster).ok_or_else(super::clusters::not_found)?.name.clone();
    let joined = |i: &&ContainerInstance| i.cluster == cluster && i.ec2_instance_id == instance_id;
    if let Some(instance) = region.ecs().container_instances.iter().find(joined) {
        return Ok(instance.arn.clone());
    }
    let id = region.ids.hex(32);
    let arn = region.arn("ecs", &format!("container-instance/{cluster}/{id}"));
    let instance = ec2::instance(region, instance_id).ok_or_else(|| {
        AwsError::new("ClientException", format!("The instance {instance_id} of the identity document does not exist."))
    })?;
    let (cpu, memory, interfaces) = ec2::instance_capacity(&instance.instance_type);
    let (cpu, memory) = resources.unwrap_or((cpu, memory));
    let instance = ContainerInstance {
        arn: arn.clone(),
        id,
        cluster,
        ec2_instance_id: instance_id.to_owned(),
        status: InstanceStatus::Active,
        is_connected: true,
        az_name: instance.interface.subnet.az_name.clone(),
        az_id: instance.interface.subnet.az_id.clone(),
        instance_type: instance.instance_type.clone(),
        architecture: ec2::architecture(&instance.instance_type),
        image: ecs_optimized::all(&region.name).into_iter().find(|image| image.id == instance.image_id),
        image_id: instance.image_id.clone(),
        registered: Resources { cpu, memory, interfaces: interfaces.saturating_sub(1) },
        tags: Tags::default(),
        subnet_id: instance.interface.subnet.id.clone(),
        registered_at: jiff::Timestamp::now(),
    };
    region.ecs_mut().container_instances.push(instance);
    Ok(arn)
}

/// The hardware under an EC2 instance has failed: its containers are gone, and its agent is not heard of any more.
pub(super) fn lose(region: &mut Region, instance_id: &str) {
    let of_it = |instance: &&mut ContainerInstance| instance.ec2_instance_id == instance_id;
    for instance in region.ecs_mut().container_instances.iter_mut().filter(of_it) {
        instance.is_connected = false;
    }
    for task in region.ecs().tasks.iter().filter(|task| task.is_on(instance_id)) {
        region.mesh.kill(&task.arn);
    }
}

/// An EC2 instance is terminated: its container instance is gone and its tasks are STOPPED, their targets and interfaces
/// with them.
pub(super) fn deregister_terminated(region: &mut Region, instance_id: &str) {
    let reason = format!("Host EC2 (instance {instance_id}) terminated.");
    let of_it = |i: &&ContainerInstance| i.ec2_instance_id == instance_id;
    let arns: Vec<_> = region.ecs().container_instances.iter().filter(of_it).map(|i| i.arn.clone()).collect();
    for arn in arns {
        remove(region, &arn, &reason, StopCode::TerminationNotice);
    }
}

fn remove(region: &mut Region, arn: &str, reason: &str, code: StopCode) {
    let tasks: Vec<_> = (region.ecs().tasks.iter())
        .filter(|task| task.is_at(arn) && !task.is_stopped())
        .map(|task| task.arn.clone())
        .collect();
    for task in tasks {
        lifecycle::lose(region, &task, reason, code);
    }
    region.ecs_mut().container_instances.retain(|instance| instance.arn != arn);
}

/// `RegisterContainerInstance`, the agent's own call: for an instance that was not told of a cluster by its user data.
pub(super) fn register(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let cluster = region.ecs().cluster(params)?.name.clone();
    let document: Value = serde_json::from_str(params.str("instanceIdentityDocument")?)
        .map_err(|_| AwsError::new("ClientException", "Instance identity document is not valid JSON."))?;
    let instance_id = document["instanceId"].as_str().unwrap_or_default();
    let resources = params.objects("totalResources");
    let total = |name: &str| -> Result<Option<u32>, AwsError> {
        let resource = resources.iter().find(|resource| resource.opt_str("name") == Some(name));
        let value = resource.map(|resource| resource.int("integerValue")).transpose()?;
        Ok(value.and_then(|value| u32::try_from(value).ok()))
    };
    let total = total("CPU")?.zip(total("MEMORY")?);
    let tags = Tags::from_list(&params.objects("tags"), LOWER)?;
    let arn = join(region, &cluster, instance_id, total)?;
    let Some(instance) = region.ecs_mut().instance_mut(&cluster, &arn) else { return Err(not_found()) };
    instance.tags.add(tags)?;
    let instance = region.ecs().instance(&cluster, &arn).ok_or_else(not_found)?;
    Ok(json!({ "containerInstance": wire(region, instance, true) }))
}

pub(super) fn deregister(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let cluster = region.ecs().cluster(params)?.name.clone();
    let instance = region.ecs().instance(&cluster, params.str("containerInstance")?).ok_or_else(not_found)?;
    let arn = instance.arn.clone();
    let has_tasks = region.ecs().tasks.iter().any(|task| task.is_at(&arn) && !task.is_stopped());
    if has_tasks && params.opt_bool("force") != Some(true) {
        return Err(invalid("Found running tasks on the instance."));
    }
    let mut answer = wire(region, instance, true);
    answer["status"] = json!("INACTIVE");
    answer["agentConnected"] = json!(false);
    remove(region, &arn, "Container instance deregistered by user.", StopCode::UserInitiated);
    Ok(json!({ "containerInstance": answer }))
}

pub(super) fn list(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let cluster = &region.ecs().cluster(params)?.name;
    let filter = params.opt_str("filter").map(instance_filter::parse).transpose()?;
    let status = params.opt_str("status");
    let arns = (region.ecs().container_instances.iter())
        .filter(|instance| instance.cluster == *cluster)
        .filter(|instance| status.is_none_or(|status| instance.status.into_str() == status))
        .filter(|instance| filter.as_ref().is_none_or(|filter| filter.allows(instance)))
        .map(|instance| &instance.arn);
    Ok(json!({ "containerInstanceArns": arns.collect::<Vec<_>>() }))
}

pub(super) fn describe(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let cluster = &region.ecs().cluster(params)?.name;
    let references = params.strings("containerInstances");
    check_count("Container instances", &references, 100)?;
    let with_tags = includes_tags(params)?;
    Ok(describe_each(region, ("containerInstances", &parent(cluster)), &references, |reference| {
        Some(wire(region, region.ecs().instance(cluster, reference)?, with_tags))
    }))
}

pub(super) fn update_state(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let cluster = region.ecs().cluster(params)?.name.clone();
    let status = match params.str("status")? {
        "ACTIVE" => InstanceStatus::Active,
        "DRAINING" => InstanceStatus::Draining,
        _ => {
            return Err(invalid("Container instance status should be one of [DRAINING,ACTIVE]"));
        }
    };
    let references = params.strings("containerInstances");
    check_count("Container instances", &references, 10)?;
    let (mut updated, mut failures) = (Vec::new(), Vec::new());
    for reference in references {
        match region.ecs_mut().instance_mut(&cluster, reference) {
            Some(instance) => {
                instance.status = status;
                updated.push(instance.arn.clone());
            }
            None => failures.push(missing(region, &parent(&cluster), reference)),
        }
    }
    let instances: Value = (updated.iter())
        .filter_map(|arn| region.ecs().instance(&cluster, arn))
        .map(|instance| wire(region, instance, true))
        .collect();
    Ok(json!({ "containerInstances": instances, "failures": failures }))
}

/// What the ARNs of a cluster's container instances have before their IDs.
fn parent(cluster: &str) -> String {
    format!("container-instance/{cluster}")
}

pub(super) fn not_found() -> AwsError {
    invalid("Referenced container instance not found.")
}

fn wire(region: &Region, instance: &ContainerInstance, with_tags: bool) -> Value {
    let tasks = || region.ecs().tasks.iter().filter(|task| task.is_at(&instance.arn));
    let attributes: Value =
        instance.attributes().iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    json!({
        "containerInstanceArn": instance.arn,
        "ec2InstanceId": instance.ec2_instance_id,
        "version": 1,
        "versionInfo": {
            "agentVersion": instance.image.as_ref().map(|image| image.agent_version),
            "dockerVersion": format!("DockerVersion: {}", ecs_optimized::DOCKER_VERSION),
        },
        "remainingResources": resources(
            instance.remaining(&region.ecs().tasks),
            &instance.taken_ports(&region.ecs().tasks),
        ),
        "registeredResources": resources(instance.registered, &RESERVED),
        "status": instance.status.into_str(),
        "agentConnected": instance.is_connected,
        "runningTasksCount": tasks().filter(|task| task.is_running()).count(),
        "pendingTasksCount": tasks().filter(|task| task.is_pending()).count(),
        "attributes": attributes,
        "registeredAt": timestamp(instance.registered_at),
        "attachments": [],
        "tags": if with_tags { instance.tags.to_list(LOWER) } else { json!([]) },
    })
}

/// Interfaces are not told of: an agent registers none, and ECS counts the attachments.
fn resources(resources: Resources, taken_ports: &[u16]) -> Value {
    let taken_ports: Vec<_> = taken_ports.iter().map(u16::to_string).collect();
    let resource = |name: &str, kind: &str, value: u32, ports: &[String]| {
        json!({
            "name": name,
            "type": kind,
            "doubleValue": 0.0,
            "longValue": 0,
            "integerValue": value,
            "stringSetValue": if kind == "STRINGSET" { json!(ports) } else { Value::Null },
        })
    };
    json!([
        resource("CPU", "INTEGER", resources.cpu, &[]),
        resource("MEMORY", "INTEGER", resources.memory, &[]),
        resource("PORTS", "STRINGSET", 0, &taken_ports),
        resource("PORTS_UDP", "STRINGSET", 0, &[]),
    ])
}

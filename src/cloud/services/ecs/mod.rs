//! Amazon ECS, on EC2 instances: clusters, container instances, task definitions, services and their tasks, with Service
//! Connect.
//!
//! Operations change what is wanted and answer; what is wanted is brought about by [`reconcile`]. Tasks and their
//! proxies are carried by the mesh, which is told of them by [`mesh_tasks`].

mod clusters;
mod container_instances;
mod definition;
mod instance_filter;
mod lifecycle;
mod mesh_tasks;
mod placement;
mod resource_tags;
mod run_task;
mod scheduler;
mod service_answers;
mod service_changes;
mod service_connect;
mod services;
mod task_definitions;
mod tasks;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::wire::Params;

pub(crate) use container_instances::{deregister_container_instances_of, disconnect, register_container_instance};
pub(crate) use mesh_tasks::{discovery_instances, mesh_tasks};

#[derive(Clone, Default)]
pub(crate) struct State {
    clusters: Vec<clusters::Cluster>,
    container_instances: Vec<container_instances::ContainerInstance>,
    /// EC2 instances whose agent waits for its cluster, which may not be there yet: instance to cluster.
    agents: BTreeMap<String, String>,
    task_definitions: task_definitions::TaskDefinitions,
    services: Vec<services::Service>,
    tasks: Vec<tasks::Task>,
}

/// Brings about what is wanted, as far as can be done now.
pub(crate) fn reconcile(region: &mut Region) {
    container_instances::join_waiting_agents(region);
    lifecycle::fail_exited(region);
    lifecycle::run_started(region);
    lifecycle::end_drained(region);
    scheduler::run(region);
    lifecycle::forget_stopped(region);
    task_definitions::purge(region);
}

/// ARN and family of the tasks that run on an EC2 instance.
pub(crate) fn running_tasks_on(region: &Region, instance_id: &str) -> Vec<(String, String)> {
    let tasks = region.ecs.tasks.iter().filter(|task| task.is_running() && task.ec2_instance_id == instance_id);
    tasks.map(|task| (task.arn.clone(), task.definition.family.clone())).collect()
}

/// The EC2 instances that have joined a cluster and whose agents are heard of.
pub(crate) fn joined_instances(region: &Region) -> Vec<String> {
    let connected = region.ecs.container_instances.iter().filter(|instance| instance.is_connected);
    connected.map(|instance| instance.ec2_instance_id.clone()).collect()
}

pub(crate) fn has_joined(region: &Region, instance_id: &str) -> bool {
    region.ecs.container_instances.iter().any(|i| i.ec2_instance_id == instance_id && i.is_connected)
}

pub(crate) fn handle(region: &mut Region, operation: &str, params: Params<'_>) -> Result<Value, AwsError> {
    let result = match operation {
        "CreateCluster" => clusters::create(region, params),
        "DescribeClusters" => clusters::describe(region, params),
        "ListClusters" => clusters::list(region, params),
        "UpdateCluster" | "UpdateClusterSettings" => clusters::update(region, params),
        "DeleteCluster" => clusters::delete(region, params),
        "RegisterContainerInstance" => container_instances::register(region, params),
        "DeregisterContainerInstance" => container_instances::deregister(region, params),
        "ListContainerInstances" => container_instances::list(region, params),
        "DescribeContainerInstances" => container_instances::describe(region, params),
        "UpdateContainerInstancesState" => container_instances::update_state(region, params),
        "RegisterTaskDefinition" => task_definitions::register(region, params),
        "DescribeTaskDefinition" => task_definitions::describe(region, params),
        "ListTaskDefinitions" => task_definitions::list(region, params),
        "ListTaskDefinitionFamilies" => task_definitions::list_families(region, params),
        "DeregisterTaskDefinition" => task_definitions::deregister(region, params),
        "DeleteTaskDefinitions" => task_definitions::delete(region, params),
        "CreateService" => service_changes::create(region, params),
        "UpdateService" => service_changes::update(region, params),
        "DescribeServices" => services::describe(region, params),
        "ListServices" => services::list(region, params),
        "ListServicesByNamespace" => services::list_by_namespace(region, params),
        "DeleteService" => services::delete(region, params),
        "RunTask" => run_task::run(region, params),
        "ListTasks" => tasks::list(region, params),
        "DescribeTasks" => tasks::describe(region, params),
        "StopTask" => tasks::stop(region, params),
        "TagResource" => resource_tags::add(region, params),
        "UntagResource" => resource_tags::remove(region, params),
        "ListTagsForResource" => resource_tags::list(region, params),
        _ => Err(AwsError::unknown_operation("ecs", operation)),
    };
    result.map_err(|error| error.with_parameter_code("InvalidParameterException"))
}

/// Whether a request's reference, an ARN or a short name, means the thing with this ARN and name.
fn refers_to(reference: &str, arn: &str, name: &str) -> bool {
    reference == arn || reference == name
}

/// The last part of an ARN; a short name is its own.
fn id_of(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or(reference)
}

/// What a thing's ARN would be, for an answer that says it is missing.
fn arn_of(region: &Region, parent: &str, reference: &str) -> String {
    if reference.starts_with("arn:") {
        reference.to_owned()
    } else {
        region.arn("ecs", &format!("{parent}/{reference}"))
    }
}

fn missing(arn: &str) -> Value {
    json!({ "arn": arn, "reason": "MISSING" })
}

/// Letters, digits, hyphens and underscores.
fn is_named(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

//! Amazon ECS, on EC2 instances and on Fargate: clusters, container instances, task definitions, services and their tasks, with Service
//! Connect.
//!
//! Operations change what is wanted and answer; what is wanted is brought about by [`reconcile`]. Tasks and their
//! proxies are carried by the mesh, which is told of them by [`mesh_tasks`].

mod age;
mod agents;
mod api;
mod capacity;
mod carried;
mod clusters;
mod container_instances;
mod container_rules;
mod definition;
mod definition_rules;
mod host_ports;
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
mod service_connect_rules;
mod service_revisions;
mod services;
mod task_definitions;
mod tasks;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::cloud::error::{AwsError, Words};
use crate::cloud::region::Region;
use crate::cloud::service::Service;
use crate::cloud::wire::Params;

#[derive(Clone, Default)]
pub(crate) struct State {
    clusters: Vec<clusters::Cluster>,
    container_instances: Vec<container_instances::ContainerInstance>,
    /// The agents by the IDs of their EC2 instances.
    agents: BTreeMap<String, agents::Agent>,
    task_definitions: task_definitions::TaskDefinitions,
    services: Vec<services::Service>,
    tasks: Vec<tasks::Task>,
}

/// Brings about what is wanted, as far as can be done now.
fn reconcile(region: &mut Region) {
    agents::follow_instances(region);
    lifecycle::fail_exited(region);
    lifecycle::run_started(region);
    lifecycle::end_drained(region);
    scheduler::run(region);
    lifecycle::forget_stopped(region);
    task_definitions::purge(region);
}

/// ARN and family of the tasks that run on an EC2 instance.
pub(crate) fn running_tasks_on(region: &Region, instance_id: &str) -> Vec<(String, String)> {
    let tasks = region.ecs().tasks.iter().filter(|task| task.is_running() && task.is_on(instance_id));
    tasks.map(|task| (task.arn.clone(), task.definition.family.clone())).collect()
}

/// The EC2 instances that have joined a cluster and whose hardware has not failed.
pub(crate) fn joined_instances(region: &Region) -> Vec<String> {
    let ecs = region.ecs();
    let joined = ecs.container_instances.iter().map(|instance| &instance.ec2_instance_id);
    joined.filter(|id| ecs.agents.get(*id) != Some(&agents::Agent::Lost)).cloned().collect()
}

pub(crate) fn has_joined(region: &Region, instance_id: &str) -> bool {
    joined_instances(region).iter().any(|id| id == instance_id)
}

pub(crate) use age::{Age, age};
pub(crate) use agents::{disconnect as disconnect_agent, reconnect_all as reconnect_agents};
pub(crate) use carried::{exchanges, live_task_counts};

impl Region {
    fn ecs(&self) -> &State {
        self.states.get()
    }

    fn ecs_mut(&mut self) -> &mut State {
        self.states.get_mut()
    }
}

pub(crate) static SERVICE: Service = Service {
    signing_name: "ecs",
    target_prefix: Some("AmazonEC2ContainerServiceV20141113"),
    words: Words {
        failure: ("ServerException", "ServerException"),
        invalid_parameter: Some("InvalidParameterException"),
        too_many_tags: Some("InvalidParameterException"),
        ..Words::JSON
    },
    operations: api::OPERATIONS,
    structures: api::STRUCTURES,
    new_state: |_| Some(Box::new(State::default())),
    reconcile,
    tagged: resource_tags::of_standing,
    add_to_mesh: |region, topology| topology.tasks = mesh_tasks::mesh_tasks(region),
    ..Service::PLAIN
};

/// Whether a request's reference, an ARN or a short name, means the thing with this ARN and name.
fn refers_to(reference: &str, arn: &str, name: &str) -> bool {
    reference == arn || reference == name
}

/// The last part of an ARN; a short name is its own.
fn id_of(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or(reference)
}

/// An answer with what `find` gives of each thing that a request refers to, as `list`, and with the failures of the others,
/// whose ARNs would be below `parent`.
fn describe_each(
    region: &Region,
    (list, parent): (&str, &str),
    references: &[&str],
    find: impl Fn(&str) -> Option<Value>,
) -> Value {
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for reference in references {
        match find(reference) {
            Some(thing) => found.push(thing),
            None => failures.push(missing(region, parent, reference)),
        }
    }
    json!({ list: found, "failures": failures })
}

/// The failure that says that a thing is missing, by what its ARN would be.
fn missing(region: &Region, parent: &str, reference: &str) -> Value {
    let arn = if reference.starts_with("arn:") {
        reference.to_owned()
    } else {
        region.arn("ecs", &format!("{parent}/{reference}"))
    };
    json!({ "arn": arn, "reason": "MISSING" })
}

/// Whether a description is to have tags, which is all that most can have `include`d.
fn includes_tags(params: Params<'_>) -> Result<bool, AwsError> {
    let include = params.strings("include");
    match include.iter().find(|what| **what != "TAGS") {
        Some(other) => Err(AwsError::unsupported(format_args!("include {other}, only TAGS"))),
        None => Ok(!include.is_empty()),
    }
}

/// Refuses a list that is empty, or longer than its operation takes (API Reference, each operation's own).
fn check_count(what: &str, references: &[&str], most: usize) -> Result<(), AwsError> {
    match references.len() {
        0 => Err(invalid(format!("{what} cannot be empty."))),
        count if count > most => Err(invalid(format!("{what} cannot have more than {most} elements."))),
        _ => Ok(()),
    }
}

/// Refuses a client token that is longer than its operation takes, or has other than visible ASCII characters (API Reference,
/// "CreateService", "RunTask").
fn check_client_token(params: Params<'_>, most: usize) -> Result<(), AwsError> {
    let fits = |token: &str| token.len() <= most && token.bytes().all(|byte| (33..=126).contains(&byte));
    match params.opt_str("clientToken") {
        Some(token) if !fits(token) => Err(invalid(format!("clientToken must have at most {most} ASCII characters."))),
        _ => Ok(()),
    }
}

/// A digest for an image, which nobody pulls here: the same for the same name.
fn image_digest(image: &str) -> String {
    let word = |seed: u64| {
        let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        image.bytes().fold(0xcbf2_9ce4_8422_2325_u64 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), fold)
    };
    format!("sha256:{:016x}{:016x}{:016x}{:016x}", word(1), word(2), word(3), word(4))
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterException", message)
}

fn client_error(message: impl Into<String>) -> AwsError {
    AwsError::new("ClientException", message)
}

/// Whether a name has letters, digits, hyphens and underscores only, and at least one.
fn is_named(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

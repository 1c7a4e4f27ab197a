//! What of each task others need: the mesh, which carries it, and Cloud Map, which knows it by name.

use serde_json::{Map, Value};

use super::tasks::{LastStatus, Task};
use crate::cloud::region::Region;
use crate::cloud::wire::Params;
use crate::mesh::topology;

/// The tasks whose containers run, or are to.
pub(crate) fn mesh_tasks(region: &Region) -> Vec<topology::Task> {
    region
        .ecs
        .tasks
        .iter()
        .filter(|task| {
            let runs = (LastStatus::Running..=LastStatus::Stopping).contains(&task.last_status);
            runs && task.started_at.is_some() || task.last_status == LastStatus::Pending && task.is_starting
        })
        .map(|task| topology_task(region, task))
        .collect()
}

fn topology_task(region: &Region, task: &Task) -> topology::Task {
    let app = task.definition.app();
    let command = |app: Params<'_>| {
        let words = app.strings("entryPoint").into_iter().chain(app.strings("command"));
        words.map(str::to_owned).collect()
    };
    topology::Task {
        arn: task.arn.clone(),
        family: task.definition.family.clone(),
        service: task.membership.as_ref().map(|membership| membership.service_arn.clone()),
        region: region.name.clone(),
        az_id: task.az_id.clone(),
        private_ip: task.interface.private_ip,
        container: topology::Container {
            name: app.and_then(|app| app.opt_str("name")).unwrap_or_default().to_owned(),
            command: app.map(command).unwrap_or_default(),
        },
        service_connect: task.service_connect.as_ref().map(|connect| topology::ServiceConnect {
            namespace: connect.namespace.clone(),
            services: connect.offered.iter().map(|offered| offered.endpoint.clone()).collect(),
            upstreams: task.upstreams.clone(),
        }),
        draining: task.last_status > LastStatus::Running,
    }
}

/// The running tasks behind a discovery name, by the ARN of its service in Cloud Map: ID and attributes of each.
pub(crate) fn discovery_instances(region: &Region, discovery_arn: &str) -> Vec<(String, Map<String, Value>)> {
    let offered = |task: &Task| {
        let mut offered = task.service_connect.iter().flat_map(|connect| &connect.offered);
        offered.find(|offered| offered.discovery_arn == discovery_arn).map(|offered| offered.endpoint.container_port)
    };
    let running = region.ecs.tasks.iter().filter(|task| task.is_running());
    running.filter_map(|task| Some((task.id.clone(), attributes(region, task, offered(task)?)))).collect()
}

/// As ECS registers them (ECS Developer Guide, "Service discovery").
fn attributes(region: &Region, task: &Task, port: u16) -> Map<String, Value> {
    let service = task.membership.as_ref().map(|membership| membership.service_name.clone());
    [
        ("AVAILABILITY_ZONE", task.az_name.clone()),
        ("AWS_INIT_HEALTH_STATUS", "HEALTHY".to_owned()),
        ("AWS_INSTANCE_IPV4", task.interface.private_ip.to_string()),
        ("AWS_INSTANCE_PORT", port.to_string()),
        ("ECS_CLUSTER_NAME", task.cluster.clone()),
        ("ECS_SERVICE_NAME", service.unwrap_or_default()),
        ("ECS_TASK_DEFINITION_FAMILY", task.definition.family.clone()),
        ("REGION", region.name.clone()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), Value::String(value)))
    .collect()
}

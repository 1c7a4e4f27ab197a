//! The tasks as the mesh carries them.

use super::tasks::{LastStatus, Task};
use crate::cloud::region::Region;
use crate::cloud::wire::Params;
use crate::mesh::{self, topology};

/// The tasks whose containers run, or are to.
pub(super) fn mesh_tasks(region: &Region) -> Vec<topology::Task> {
    region
        .ecs()
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
    let (command, plain_ports) = mesh::applications(task.definition.containers().into_iter().map(application));
    topology::Task {
        arn: task.arn.clone(),
        family: task.definition.family.clone(),
        service: task.membership.as_ref().map(|membership| membership.service_arn.clone()),
        region: region.name.clone(),
        az_id: task.az_id.clone(),
        private_ip: task.interface.private_ip,
        command,
        plain_ports,
        service_connect: task.service_connect.as_ref().map(|connect| topology::ServiceConnect {
            namespace: connect.namespace.clone(),
            services: connect.offered.iter().map(|offered| offered.endpoint.clone()).collect(),
            upstreams: task.upstreams.clone(),
        }),
        draining: task.last_status > LastStatus::Running,
    }
}

/// Entry point and command of a container, and its ports for TCP.
fn application(container: Params<'_>) -> (Vec<String>, Vec<u16>) {
    let words = container.strings("entryPoint").into_iter().chain(container.strings("command"));
    let mappings = container.objects("portMappings").into_iter();
    let ports = mappings.filter(|mapping| mapping.opt_str("protocol") != Some("udp"));
    let ports = ports.filter_map(|mapping| u16::try_from(mapping.opt_int("containerPort").ok()??).ok());
    (words.map(str::to_owned).collect(), ports.collect())
}

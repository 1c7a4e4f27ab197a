//! The tasks as the mesh carries them.

use super::tasks::{LastStatus, Task};
use crate::cloud::region::Region;
use crate::cloud::wire::Params;
use crate::mesh::topology;

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
        command: task.definition.app().map(command).unwrap_or_default(),
        service_connect: task.service_connect.as_ref().map(|connect| topology::ServiceConnect {
            namespace: connect.namespace.clone(),
            services: connect.offered.iter().map(|offered| offered.endpoint.clone()).collect(),
            upstreams: task.upstreams.clone(),
        }),
        draining: task.last_status > LastStatus::Running,
    }
}

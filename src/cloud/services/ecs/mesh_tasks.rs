//! The tasks as the mesh carries them.

use std::collections::BTreeSet;
use std::net::SocketAddrV4;

use super::age;
use super::tasks::{LastStatus, Task};
use crate::cloud::region::Region;
use crate::cloud::services::ec2::Reach;
use crate::cloud::wire::Params;
use crate::mesh::{self, topology};

/// The tasks whose containers run, or are to.
pub(super) fn mesh_tasks(region: &Region) -> Vec<topology::Task> {
    let runs = |task: &&Task| {
        let runs = (LastStatus::Running..=LastStatus::Stopping).contains(&task.last_status);
        runs && task.started_at.is_some() || task.last_status == LastStatus::Pending && task.is_starting
    };
    let running: Vec<&Task> = region.ecs().tasks.iter().filter(runs).collect();
    let reach = Reach::of(region);
    running.iter().map(|task| topology_task(region, task, blocked(region, &reach, task, &running))).collect()
}

/// What of the task's upstreams its security groups, or theirs, keep it from, or trouble between the zones.
fn blocked(region: &Region, reach: &Reach<'_>, task: &Task, running: &[&Task]) -> BTreeSet<SocketAddrV4> {
    let Some(connect) = &task.service_connect else { return BTreeSet::new() };
    let is_upstream = |name: &str| task.upstreams.iter().any(|upstream| upstream.discovery_name == name);
    let mut blocked = BTreeSet::new();
    for other in running {
        let offers = other.service_connect.iter().filter(|offers| offers.namespace == connect.namespace);
        let endpoints = offers.flat_map(|offers| &offers.offered).map(|offered| &offered.endpoint);
        for endpoint in endpoints.filter(|endpoint| is_upstream(&endpoint.discovery_name)) {
            let port = other.offered_at(endpoint.container_port);
            if region.trouble.parts(&task.az_id, &other.az_id)
                || !reach.connects(&task.interface.id, &other.interface.id, port)
            {
                blocked.insert(SocketAddrV4::new(other.interface.private_ip, port));
            }
        }
    }
    blocked
}

fn topology_task(region: &Region, task: &Task, blocked: BTreeSet<SocketAddrV4>) -> topology::Task {
    let (command, plain_ports) = mesh::applications(task.definition.containers().into_iter().map(application));
    topology::Task {
        arn: task.arn.clone(),
        family: task.definition.family.clone(),
        service: task.membership.as_ref().map(|membership| membership.service_arn.clone()),
        region: region.name.clone(),
        az_id: task.az_id.clone(),
        private_ip: task.interface.private_ip,
        host_ports: task.is_bridged().then(|| host_ports(task)),
        command,
        plain_ports,
        service_connect: task.service_connect.as_ref().map(|connect| topology::ServiceConnect {
            namespace: connect.namespace.clone(),
            services: connect.offered.iter().map(|offered| offered.endpoint.clone()).collect(),
            upstreams: task.upstreams.clone(),
            logs_accesses: connect.access_log.is_some(),
            patience: topology::PROXYS_PATIENCE.map(|on_aws| region.schedule.pace.scale(on_aws)),
        }),
        draining: task.last_status > LastStatus::Running,
        blocked,
        zone_aware: age::is_zone_aware(region, task),
        failing: task.targets.is_empty() && region.trouble.failing_zones.contains(&task.az_id),
    }
}

fn host_ports(task: &Task) -> Vec<topology::HostPort> {
    let of_tcp = task.host_ports.iter().filter(|it| !it.is_udp);
    let lead = of_tcp.map(|it| topology::HostPort {
        port: it.host_port,
        container_port: it.container_port,
        to_proxy: task.is_proxys(it),
    });
    lead.collect()
}

/// Entry point and command of a container, and its ports for TCP.
fn application(container: Params<'_>) -> (Vec<String>, Vec<u16>) {
    let words = container.strings("entryPoint").into_iter().chain(container.strings("command"));
    let mappings = container.objects("portMappings").into_iter();
    let ports = mappings.filter(|mapping| mapping.opt_str("protocol") != Some("udp"));
    let ports = ports.filter_map(|mapping| u16::try_from(mapping.opt_int("containerPort").ok()??).ok());
    (words.map(str::to_owned).collect(), ports.collect())
}

//! The ports of instances that lead to tasks with network mode bridge.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::definition::Definition;
use super::service_connect::ServiceConnect;
use super::tasks::{Host, Task};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;

/// A port of an instance that a port of one of its tasks' containers is published at.
#[derive(Clone, Debug)]
pub(super) struct HostPort {
    /// The container's name, which may be the proxy.
    pub(super) container: String,
    /// For the proxy, the port whose place it takes.
    pub(super) container_port: u16,
    pub(super) host_port: u16,
    pub(super) is_udp: bool,
}

/// Ports that the agent keeps to itself: SSH, Docker, its own (API Reference, "PortMapping", `hostPort`).
pub(super) const RESERVED: [u16; 5] = [22, 2375, 2376, 51678, 51679];

/// What Docker chooses from where that is left to it: `net.ipv4.ip_local_port_range` of the instance (the same), as Linux has it.
const EPHEMERAL: std::ops::RangeInclusive<u16> = 32_768..=60_999;

/// A port of the instance for each of a task's containers' ports and, beside them, for each that its proxy takes the place of. What
/// comes to the application's own port goes past the proxy (`dockerPortMap` of the ECS agent, aws/amazon-ecs-agent,
/// `agent/api/task/task.go`).
pub(super) fn take(
    region: &Region,
    definition: &Definition,
    host: &Host,
    connect: Option<&ServiceConnect>,
    proxy: &str,
) -> Result<Vec<HostPort>, AwsError> {
    // A port rests as long as the task that had it is remembered.
    let there = region.ecs().tasks.iter().filter(|task| task.is_at(&host.arn)).flat_map(|task| &task.host_ports);
    let there = there.map(|it| it.host_port).chain(RESERVED);
    let mut taken: HashSet<u16> = there.chain(definition.static_ports()).collect();
    let mut free = || {
        let port = EPHEMERAL.into_iter().find(|port| taken.insert(*port));
        port.ok_or_else(|| AwsError::new("ServerException", "The container instance has no free port."))
    };
    let mut host_ports = Vec::new();
    for (container, mapping) in definition.port_mappings() {
        let host_port = mapping.host_port.map_or_else(&mut free, Ok)?;
        let (container, container_port) = (container.to_owned(), mapping.container_port);
        host_ports.push(HostPort { container, container_port, host_port, is_udp: mapping.is_udp });
    }
    for offered in connect.iter().flat_map(|connect| &connect.offered) {
        let (container, container_port) = (proxy.to_owned(), offered.endpoint.container_port);
        host_ports.push(HostPort { container, container_port, host_port: free()?, is_udp: false });
    }
    Ok(host_ports)
}

impl Task {
    pub(super) fn is_proxys(&self, host_port: &HostPort) -> bool {
        self.service_connect.is_some() && self.containers.last().is_some_and(|proxy| proxy.name == host_port.container)
    }

    /// The port at which others find what it offers in a namespace at a container port.
    pub(super) fn offered_at(&self, container_port: u16) -> u16 {
        let mut proxys = self.host_ports.iter().filter(|it| self.is_proxys(it));
        proxys.find(|it| it.container_port == container_port).map_or(container_port, |it| it.host_port)
    }
}

/// Those of a container. They are seen once the task has been RUNNING (API Reference, "PortMapping").
pub(super) fn network_bindings(task: &Task, container: &str) -> Value {
    let its = task.host_ports.iter().filter(|it| it.container == container && task.started_at.is_some());
    its.map(|it| {
        json!({
            "bindIP": "0.0.0.0",
            "containerPort": it.container_port,
            "hostPort": it.host_port,
            "protocol": if it.is_udp { "udp" } else { "tcp" },
        })
    })
    .collect()
}

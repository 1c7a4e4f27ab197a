//! What the mesh is asked to be: the running tasks and the load balancers, as plain data.
//!
//! A [`Topology`] is always the whole wanted state; `Mesh::apply` finds out what changed. Of a task that runs already
//! only `draining`, `blocked`, `failing` and `zone_aware` are read again: a task's definition does not change while it runs, and a running task does not learn
//! client aliases made after it started (ECS Developer Guide, "Amazon ECS Service Connect components").

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use super::matcher::Matcher;
use super::transport::Transport;
pub use crate::http::Patience;

/// Everything that is to run, of all regions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    pub tasks: Vec<Task>,
    pub load_balancers: Vec<LoadBalancer>,
}

/// One running ECS task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The task's ARN: its identity.
    pub arn: String,
    /// The task definition's family.
    pub family: String,
    /// The ECS service that it belongs to: an ARN, or any name that is unique in its region. Tasks of one service are each
    /// other's local cluster.
    pub service: Option<String>,
    pub region: String,
    /// The Availability Zone's ID (`use1-az1`): what Service Connect, the app and Envoy call a zone.
    pub az_id: String,
    /// The address of the network interface that the task is reached at, in its region: its own, or with network mode bridge its
    /// instance's. On this machine it is only a name.
    pub private_ip: Ipv4Addr,
    /// The ports of its instance that lead to the task, with network mode bridge. None: with awsvpc, its ports are those of its
    /// interface.
    pub host_ports: Option<Vec<HostPort>>,
    /// The entry point and command of the container that runs the article's application, if one does: `server -port=8090
    /// -protocol=http -name=product -routes=[]` (the article's step 6).
    pub command: Vec<String>,
    /// The ports of its other containers, which are answered for in plain text.
    pub plain_ports: Vec<u16>,
    pub service_connect: Option<ServiceConnect>,
    /// Whether it is deregistered and about to end: it is no longer discovered, and still serves what comes.
    pub draining: bool,
    /// The addresses and ports of tasks that nothing from here gets through to: it is dropped in silence, as by a security
    /// group. They are discovered all the same.
    pub blocked: BTreeSet<SocketAddrV4>,
    /// Whether its application fails every request but those for its health, on purpose.
    pub failing: bool,
    /// Whether it is of after zone-aware routing came, with its deployment and its host: otherwise its proxy routes without zones,
    /// and others' do to the names that it offers.
    pub zone_aware: bool,
}

/// A port of an instance that leads to one of its tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostPort {
    pub port: u16,
    pub container_port: u16,
    /// Whether it leads to the task's proxy, which takes the container port's place. Otherwise it leads past it.
    pub to_proxy: bool,
}

impl Task {
    /// The port at which others find what it offers at a container port.
    pub(super) fn offered_at(&self, container_port: u16) -> u16 {
        let mut host_ports = self.host_ports.iter().flatten();
        let to_proxy = host_ports.find(|it| it.to_proxy && it.container_port == container_port);
        to_proxy.map_or(container_port, |it| it.port)
    }

    /// Whether an address of its region leads to it; others have other ports of its instance.
    pub(super) fn is_at(&self, ip: Ipv4Addr, port: u16) -> bool {
        let has_port = |ports: &Vec<HostPort>| ports.iter().any(|it| it.port == port);
        self.private_ip == ip && self.host_ports.as_ref().is_none_or(has_port)
    }
}

/// A service's `serviceConnectConfiguration`, resolved when the task started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceConnect {
    pub namespace: String,
    /// The endpoints that this task offers; a client-only service has none.
    pub services: Vec<Service>,
    /// The destinations that this task can call.
    pub upstreams: Vec<Upstream>,
    /// The proxy's, with those that are blocked.
    pub patience: Patience,
    /// Whether the proxy tells all that an access log has.
    pub logs_accesses: bool,
}

/// Envoy's defaults of `connect_timeout`, and of Service Connect's idle timeout (`ServiceConnectService.timeout`, ECS API
/// Reference).
pub const PROXYS_PATIENCE: Patience = Patience { connect: Duration::from_secs(5), idle: Duration::from_secs(5 * 60) };

/// The connection timeout ("Troubleshoot your Application Load Balancers", HTTP 504), and the default of
/// `idle_timeout.timeout_seconds`.
pub const LOAD_BALANCERS_PATIENCE: Patience =
    Patience { connect: Duration::from_secs(10), idle: Duration::from_secs(60) };

/// An endpoint that a task offers under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub discovery_name: String,
    pub container_port: u16,
    pub aliases: Vec<ClientAlias>,
    pub transport: Transport,
}

/// A destination that a task knows by an alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    pub discovery_name: String,
    pub alias: ClientAlias,
    pub transport: Transport,
}

/// The name and port that an application connects to: `sc.test.az.aware.backend:8090`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientAlias {
    pub dns_name: String,
    pub port: u16,
}

/// An Application Load Balancer with one HTTP listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadBalancer {
    /// Its ARN, which also says in which region its targets' addresses are to be looked for.
    pub arn: String,
    /// The target group that its listener forwards to. `None`: it has no listener yet.
    pub target_group: Option<TargetGroup>,
    /// Whether nothing gets through to its listener: it is dropped in silence.
    pub blocked: bool,
    /// Its own, with targets that are blocked.
    pub patience: Patience,
}

/// A target group, of target type `ip` or `instance`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetGroup {
    pub arn: String,
    pub targets: Vec<Target>,
    pub health_check: HealthCheck,
}

/// A registered target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    pub ip: Ipv4Addr,
    pub port: u16,
    /// Whether it takes new requests and is checked: not while it is deregistering.
    pub in_service: bool,
    /// Whether nothing gets through to it from the load balancer: it is dropped in silence.
    pub blocked: bool,
}

/// A target group's health check: `GET path`, answered with a status that matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    pub path: String,
    pub matcher: Matcher,
    pub interval: Duration,
    pub timeout: Duration,
    /// The passed checks in a row that make an unhealthy target healthy again. A new target needs only one.
    pub healthy_threshold: u32,
    /// The failed checks in a row that make a target unhealthy.
    pub unhealthy_threshold: u32,
}

/// The defaults of `CreateTargetGroup` for HTTP and target type `ip` (Elastic Load Balancing API Reference).
impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            matcher: Matcher::default(),
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            healthy_threshold: 5,
            unhealthy_threshold: 2,
        }
    }
}

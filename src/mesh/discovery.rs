//! From the topology to what each proxy must know: its local cluster, and the endpoints of its upstreams.
//!
//! Service Connect delivers the same over Cloud Map and Envoy's discovery services, some seconds later.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::sync::Arc;

use super::endpoints::{self, Address, LocalCluster};
use super::proxy::Proxy;
use super::topology::{ServiceConnect, Task};
use super::transport::Transport;
use crate::http;
use crate::routing::{Health, Locality};

/// All endpoints that may be picked: those of tasks that run and are not draining.
#[derive(Default)]
pub(super) struct Discovery<'a> {
    /// The tasks of each ECS service, by region and service.
    services: HashMap<(&'a str, &'a str), LocalCluster>,
    /// The endpoints by region, namespace and discovery name; those of one locality are next to each other.
    names: HashMap<(&'a str, &'a str, &'a str), Vec<Endpoint>>,
}

struct Endpoint {
    /// Its task's.
    zone_aware: bool,
    address: Address,
}

pub(super) fn locality(task: &Task) -> Locality {
    Locality::new(&task.region, &task.az_id)
}

/// The upstreams of a task's proxy. A cluster is named `<discovery name>.<namespace>` in `/stats`.
pub(super) fn upstreams(service_connect: &ServiceConnect) -> Vec<endpoints::Upstream> {
    let mut clusters = BTreeMap::<String, (Vec<String>, Transport)>::new();
    for upstream in &service_connect.upstreams {
        let cluster = clusters.entry(cluster_name(&upstream.discovery_name, service_connect));
        let (authorities, _) = cluster.or_insert_with(|| (Vec::new(), upstream.transport.clone()));
        authorities.push(format!("{}:{}", upstream.alias.dns_name, upstream.alias.port));
        if upstream.alias.port == http::PORT {
            authorities.push(upstream.alias.dns_name.clone());
        }
    }
    let clusters = clusters.into_iter();
    clusters.map(|(name, (authorities, transport))| endpoints::Upstream { name, authorities, transport }).collect()
}

fn cluster_name(discovery_name: &str, service_connect: &ServiceConnect) -> String {
    format!("{discovery_name}.{}", service_connect.namespace)
}

impl<'a> Discovery<'a> {
    /// Collects the endpoints of `tasks`; `reachable` says where a running task's container port is.
    pub(super) fn new(
        tasks: impl IntoIterator<Item = &'a Task>,
        reachable: impl Fn(&Task, u16) -> Option<SocketAddr>,
    ) -> Self {
        let mut discovery = Self::default();
        for task in tasks.into_iter().filter(|task| !task.draining) {
            if let Some(service) = &task.service {
                let zones = discovery.services.entry((&task.region, service)).or_default();
                zones.entry(locality(task)).or_default().push(task.private_ip);
            }
            let Some(service_connect) = &task.service_connect else { continue };
            let owner: Arc<str> = task.arn.as_str().into();
            for service in &service_connect.services {
                if let Some(socket) = reachable(task, service.container_port) {
                    let name = (&*task.region, &*service_connect.namespace, &*service.discovery_name);
                    let network = SocketAddrV4::new(task.private_ip, task.offered_at(service.container_port));
                    let (owner, locality) = (owner.clone(), locality(task));
                    let address = Address { owner, socket, network, locality, health: Health::Healthy, blocked: None };
                    let endpoint = Endpoint { zone_aware: task.zone_aware, address };
                    discovery.names.entry(name).or_default().push(endpoint);
                }
            }
        }
        for endpoints in discovery.names.values_mut() {
            endpoints.sort_by(|a, b| a.address.locality.cmp(&b.address.locality));
        }
        discovery
    }

    /// Tells a task's proxy where everything is now. An Envoy finds a black hole in the place of an endpoint that is blocked for
    /// it: it is another address, so that connections that stood are closed and the outlier detector starts anew.
    pub(super) fn inform(
        &self,
        task: &Task,
        proxy: &Proxy,
        black_hole: &mut impl FnMut(SocketAddr) -> io::Result<SocketAddr>,
    ) -> io::Result<()> {
        let Some(service_connect) = &task.service_connect else { return Ok(()) };
        let mut seen = |endpoint: &Endpoint, by_zone: bool| {
            let mut address = endpoint.address.clone();
            if !by_zone {
                address.locality.zone.clear();
            }
            if task.blocked.contains(&address.network) {
                match proxy {
                    Proxy::Sidecar(_) => address.blocked = Some(service_connect.patience),
                    Proxy::Envoy(_) => address.socket = black_hole(address.socket)?,
                }
            }
            Ok(address)
        };
        let mut upstreams = Vec::new();
        for upstream in &service_connect.upstreams {
            let name = (&*task.region, &*service_connect.namespace, &*upstream.discovery_name);
            let endpoints = || self.names.get(&name).into_iter().flatten();
            // Endpoints have zones, or all of a name's have none: Envoy gets them in one load assignment.
            let by_zone = task.zone_aware && endpoints().all(|endpoint| endpoint.zone_aware);
            let endpoints = endpoints().map(|endpoint| seen(endpoint, by_zone)).collect::<io::Result<Vec<_>>>()?;
            upstreams.push((cluster_name(&upstream.discovery_name, service_connect), endpoints));
        }
        proxy.update(&self.local_cluster(task), &upstreams);
        Ok(())
    }

    /// Whether an endpoint is at this address.
    pub(super) fn has(&self, socket: SocketAddr) -> bool {
        self.names.values().flatten().any(|endpoint| endpoint.address.socket == socket)
    }

    /// The tasks of the same service; a task of no service is its own local cluster.
    fn local_cluster(&self, task: &Task) -> LocalCluster {
        match &task.service {
            Some(service) => self.services.get(&(&*task.region, &**service)).cloned().unwrap_or_default(),
            None => LocalCluster::from([(locality(task), vec![task.private_ip])]),
        }
    }
}

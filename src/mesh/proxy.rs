//! The two kinds of proxy that a task can have, and what both are told.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::endpoints::{Address, LocalCluster};
use super::envoy_proxy::{Binary, EnvoyProxy};
use super::sidecar::Sidecar;
use crate::routing::{Host, HostSet, Runtime};

/// The kind of proxy that tasks have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Proxies {
    /// The mesh's own sidecars.
    #[default]
    Zonewalk,
    /// A real Envoy for each task.
    Envoy(Binary),
}

impl std::fmt::Display for Proxies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Zonewalk => f.write_str("zonewalk's own"),
            Self::Envoy(binary) => write!(f, "Envoy {}", binary.version()),
        }
    }
}

/// A running task's proxy.
#[derive(Clone)]
pub enum Proxy {
    Sidecar(Arc<Sidecar>),
    Envoy(Arc<EnvoyProxy>),
}

impl Proxy {
    /// Sets the endpoints of the own service, and of each upstream cluster by its name. Endpoints of one locality must be
    /// next to each other.
    pub fn update(&self, local: &LocalCluster, upstreams: &[(String, Vec<Address>)]) {
        match self {
            Self::Sidecar(sidecar) => {
                let hosts = |ips: &Vec<Ipv4Addr>| vec![Host::default(); ips.len()];
                let local: HostSet = local.iter().map(|(locality, ips)| (locality.clone(), hosts(ips))).collect();
                for (upstream, endpoints) in upstreams {
                    sidecar.update(upstream, &local, endpoints);
                }
            }
            Self::Envoy(envoy) => envoy.update(local, upstreams),
        }
    }

    /// Sets the runtime keys, which apply at once; that of the smallest cluster for a real Envoy with its next change of endpoints.
    pub fn set_runtime(&self, runtime: Runtime) {
        match self {
            Self::Sidecar(sidecar) => sidecar.set_runtime(runtime),
            Self::Envoy(envoy) => envoy.set_runtime(runtime),
        }
    }

    /// The histograms of request times by zone, unless the proxy does not answer.
    pub fn times(&self) -> Option<String> {
        match self {
            Self::Sidecar(sidecar) => Some(sidecar.times()),
            Self::Envoy(envoy) => envoy.times(),
        }
    }

    /// The `/stats` text, unless the proxy does not answer.
    pub fn stats(&self) -> Option<String> {
        match self {
            Self::Sidecar(sidecar) => Some(sidecar.stats()),
            Self::Envoy(envoy) => envoy.stats(),
        }
    }
}

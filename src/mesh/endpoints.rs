//! What a proxy of either kind is told: its upstreams, where their endpoints are, and its own service's tasks.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;

use super::transport::Transport;
use crate::http::Patience;
use crate::routing::{Health, Locality};

/// A destination that an application may call through its proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// The cluster's name in `/stats`.
    pub name: String,
    /// The `Host`s it is called by: `sc.test.az.aware.backend:8090`.
    pub authorities: Vec<String>,
    pub transport: Transport,
}

/// The address of an upstream's endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The task that listens there. A new owner of the same socket address is another endpoint, with a clean record.
    pub owner: Arc<str>,
    pub socket: SocketAddr,
    /// Its address in the tasks' network.
    pub network: SocketAddrV4,
    /// Without a zone, requests are not routed by zones.
    pub locality: Locality,
    /// As whoever knows of the endpoint says. The same endpoint can become another.
    pub health: Health,
    /// Set while nothing gets through to it from here. It is the same endpoint, with the same record.
    pub blocked: Option<Patience>,
}

impl Address {
    pub(super) fn is_of_the_same_endpoint(&self, other: &Self) -> bool {
        (&self.owner, self.socket, &self.locality) == (&other.owner, other.socket, &other.locality)
    }

    /// What makes it this endpoint and no other.
    pub(super) fn identity(&self) -> (Arc<str>, SocketAddr, Locality) {
        (self.owner.clone(), self.socket, self.locality.clone())
    }
}

/// A proxy's own service, which Envoy calls its local cluster: the tasks' addresses by locality.
pub type LocalCluster = BTreeMap<Locality, Vec<Ipv4Addr>>;

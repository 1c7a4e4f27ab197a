//! The sidecar proxy of a task: what Envoy is in Service Connect. It needs the routing engine and HTTP, and knows
//! nothing of tasks, clouds or topologies, so that it also runs as a program by itself ([`super::standalone`]).
//!
//! The inbound listener takes what other tasks and the load balancer send and hands it to the application; the outbound
//! listener takes what the application sends to a client alias and balances it over the destination's endpoints.
//! Discovery swaps endpoints in with [`Sidecar::update`]; picking never waits for it.

mod answers;
mod cluster;
mod clusters;
mod inbound;
mod outbound;
pub(super) mod outlier;
mod retry;
mod stats;
mod tcp;
mod time_limit;
mod times;

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::{Instant, MissedTickBehavior};

use super::endpoints::{Address, Upstream};
use super::journal::Recorder;
use super::transport::{AppProtocol, Transport};
pub use crate::http::Server;
use crate::routing::{HostSet, Locality, Runtime};
pub(super) use cluster::HOST_SELECTION_RETRIES;
use clusters::Clusters;
use inbound::Inbound;
use outbound::Outbound;
pub(super) use retry::RETRIES;

/// One task's proxy. Its servers stop when they are dropped.
pub struct Sidecar {
    clusters: Arc<Clusters>,
    /// Those whose listeners stand.
    inbounds: Mutex<Vec<Weak<Inbound>>>,
    recorder: Option<Recorder>,
}

impl Sidecar {
    /// Makes a proxy in this locality that knows these upstreams, none of which has an endpoint yet.
    pub fn new(locality: &Locality, upstreams: Vec<Upstream>) -> Self {
        let clusters = Clusters::new(locality);
        clusters.set(upstreams.into_iter().map(|upstream| (upstream, vec![])), &HostSet::default());
        Self { clusters: Arc::new(clusters), inbounds: Mutex::default(), recorder: None }
    }

    /// Knows these upstreams with their endpoints from now on, and the endpoints of the own service. One of the same name and
    /// transport stays what it was, with its counters, under the new authorities; requests to one that is gone are still answered.
    pub fn set_upstreams(&self, upstreams: Vec<(Upstream, Vec<Address>)>, local: &HostSet) {
        self.clusters.set(upstreams.into_iter(), local);
    }

    /// Notes what it carries from now on.
    pub fn recording(self, recorder: Option<Recorder>) -> Self {
        Self { recorder, ..self }
    }

    /// Serves what the application sends. Its connections that are idle for `idle_timeout`, if there is one, are closed.
    pub fn serve_outbound(
        &self,
        listener: TcpListener,
        idle_timeout: Option<Duration>,
        runtime: &Handle,
    ) -> io::Result<Server> {
        let outbound = Outbound { clusters: self.clusters.clone(), recorder: self.recorder.clone() };
        Server::spawn(listener, idle_timeout, Arc::new(outbound), runtime)
    }

    /// Carries the connections that come to an upstream's own listener, as TCP, until nothing comes or goes on them for
    /// `idle_timeout`, if there is one.
    pub fn serve_tcp(
        &self,
        upstream: &str,
        listener: TcpListener,
        idle_timeout: Option<Duration>,
        runtime: &Handle,
    ) -> io::Result<Server> {
        let (clusters, name): (_, Arc<str>) = (self.clusters.clone(), upstream.into());
        let carry = move |client| {
            let (clusters, name) = (clusters.clone(), name.clone());
            async move {
                if let Some(cluster) = clusters.named(&name) {
                    cluster.carry(client).await;
                }
            }
        };
        Server::spawn_tcp(listener, idle_timeout, carry, runtime)
    }

    /// Serves in the place of one of the application's ports, also if the application, without an address here, does not
    /// listen on it.
    pub fn serve_inbound(
        &self,
        port: u16,
        listener: TcpListener,
        application: Option<SocketAddr>,
        transport: &Transport,
        runtime: &Handle,
    ) -> io::Result<Server> {
        let idle_timeout = transport.idle_timeout;
        let inbound = Arc::new(Inbound::new(port, application, transport.clone(), self.recorder.clone()));
        self.inbounds.lock().push(Arc::downgrade(&inbound));
        match transport.app_protocol {
            AppProtocol::Tcp => {
                let carry = move |client| {
                    let inbound = inbound.clone();
                    async move { inbound.carry(client).await }
                };
                Server::spawn_tcp(listener, idle_timeout, carry, runtime)
            }
            AppProtocol::Http | AppProtocol::Http2 | AppProtocol::Grpc => {
                Server::spawn(listener, idle_timeout, inbound, runtime)
            }
        }
    }

    /// Sets the endpoints of the own service (Envoy's local cluster), and of an upstream. Nothing is rebuilt if nothing
    /// changed. Endpoints of one locality must be next to each other.
    pub fn update(&self, upstream: &str, local: &HostSet, endpoints: &[Address]) {
        if let Some(cluster) = self.clusters.named(upstream) {
            cluster.update(local, endpoints);
        }
    }

    /// Sets the runtime keys: from now on requests are balanced by them.
    pub fn set_runtime(&self, runtime: Runtime) {
        self.clusters.set_runtime(runtime);
    }

    /// The endpoints that are ejected now, by zone.
    pub fn ejected(&self) -> BTreeMap<String, u32> {
        let mut zones = BTreeMap::new();
        for zone in self.clusters.all().flat_map(|cluster| cluster.ejected_zones()) {
            *zones.entry(zone).or_default() += 1;
        }
        zones
    }

    /// The text that Envoy's `/stats` has.
    pub fn stats(&self) -> String {
        let clusters: Vec<_> = self.clusters.all().collect();
        stats::render(clusters.iter().map(|cluster| cluster.stats()))
    }

    /// What Envoy's `/clusters` says of hosts, as far as a sidecar knows it.
    pub fn hosts(&self) -> String {
        let mut text = String::new();
        for cluster in self.clusters.all() {
            cluster.describe(&mut text);
        }
        text
    }

    /// The histograms of request times by zone, as Envoy's `/stats?histogram_buckets=detailed` has them. A request's time ends here
    /// with the head of its answer.
    pub fn times(&self) -> String {
        let clusters: Vec<_> = self.clusters.all().collect();
        stats::render_times(clusters.iter().map(|cluster| (&*cluster.name, &cluster.stats)))
    }

    /// Sweeps outlier detectors and pools at each interval, for as long as it is polled.
    pub async fn maintain(self: Arc<Self>) {
        let mut sweeps = tokio::time::interval_at(Instant::now() + outlier::INTERVAL, outlier::INTERVAL);
        // After a machine has slept there is one sweep, not all that were missed: nobody watched the hosts meanwhile.
        sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            sweeps.tick().await;
            // The instant that the tick was due at may be long ago.
            let now = Instant::now();
            for cluster in self.clusters.all() {
                cluster.sweep(now);
            }
            self.inbounds.lock().retain(|inbound| match inbound.upgrade() {
                Some(inbound) => {
                    inbound.sweep();
                    true
                }
                None => false,
            });
        }
    }
}

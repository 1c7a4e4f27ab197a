//! An upstream cluster: its endpoints, which of them are ejected, and the plan that picks from them.
//!
//! Discovery and outlier detection change the members under a lock and swap a new plan in; a request only loads the
//! plan. The routing engine hands the round-robins' positions over from plan to plan.

use std::collections::HashMap;
use std::fmt::{Display, Write};
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper::StatusCode;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::outlier::{CONSECUTIVE_5XX, Ejection};
use super::stats::{ClusterStats, StatsView, ZoneStats};
use crate::http::Pool;
use crate::mesh::endpoints::Address;
use crate::mesh::transport::Transport;
use crate::routing::{Config, Health, Host, HostSet, LoadBalancer, Locality, Runtime};

/// How often a retry may pick again when it meets a host that has been tried (Envoy's
/// `host_selection_retry_max_attempts`, whose default is 1; Service Connect's value is not published). Each is a whole
/// new choice of zone and host.
pub(in crate::mesh) const HOST_SELECTION_RETRIES: usize = 5;

pub(super) struct Cluster {
    pub(super) name: Arc<str>,
    /// The own locality's name in Envoy's zone counters.
    from_zone: String,
    pub(super) transport: Transport,
    plan: ArcSwap<Plan>,
    members: Mutex<Members>,
    pub(super) stats: ClusterStats,
}

/// The state that a request picks by: the engine's indexes are those of `endpoints`.
struct Plan {
    engine: LoadBalancer,
    endpoints: Vec<Arc<Endpoint>>,
}

/// The members of a cluster, from which plans are made.
struct Members {
    config: Config,
    local: HostSet,
    endpoints: Vec<Member>,
}

struct Member {
    endpoint: Arc<Endpoint>,
    /// As it was told.
    health: Health,
    ejection: Ejection,
}

impl Member {
    fn is_at(&self, address: &Address) -> bool {
        self.endpoint.address.is_of_the_same_endpoint(address)
    }

    /// Its health as the balancer counts it.
    fn host(&self) -> Host {
        Host::from(if self.ejection.is_active() { Health::Unhealthy } else { self.health })
    }
}

/// A host of the cluster.
pub(super) struct Endpoint {
    /// As it was discovered; whether it is blocked now, its pool knows.
    address: Address,
    pub(super) pool: Arc<Pool>,
    pub(super) zone_stats: Arc<ZoneStats>,
    failures: Failures,
    /// Its answers that are no 5xx, and the failures.
    succeeded: AtomicU64,
    failed: AtomicU64,
}

impl Endpoint {
    /// Its task, and its address in the tasks' network.
    pub(super) fn told(&self) -> (Arc<str>, SocketAddrV4) {
        (self.address.owner.clone(), self.address.network)
    }
}

/// The failures of a host in a row.
#[derive(Default)]
struct Failures {
    any: AtomicU32,
    /// Those with 502, 503 and 504, which Envoy counts too and, by default, ejects no host for.
    gateway: AtomicU32,
}

impl Failures {
    fn forget(&self) {
        for count in [&self.any, &self.gateway] {
            // Read first, so that nothing is written for hosts that do well, which is nearly all.
            if count.load(Relaxed) != 0 {
                count.store(0, Relaxed);
            }
        }
    }
}

fn has_no_zone(address: &Address) -> bool {
    address.locality.zone.is_empty()
}

/// Counts a result, and returns whether it is the failure that makes too many in a row. Then, and after any success, the
/// count starts again.
fn in_a_row(count: &AtomicU32, fails: bool) -> bool {
    let is_enough = fails && count.fetch_add(1, Relaxed) + 1 == CONSECUTIVE_5XX;
    if is_enough || !fails {
        count.store(0, Relaxed);
    }
    is_enough
}

impl Cluster {
    pub(super) fn new(own: &Locality, name: &str, transport: Transport) -> Self {
        let stats = ClusterStats::default();
        let local = HostSet::default();
        let config = Config::default();
        let engine =
            LoadBalancer::new(&config, Some(own), Some(&local), &[HostSet::default()], rand::random(), &stats.balancer);
        Self {
            name: name.into(),
            from_zone: own.zone.clone(),
            transport,
            plan: ArcSwap::from_pointee(Plan { engine, endpoints: Vec::new() }),
            members: Mutex::new(Members { config, local, endpoints: Vec::new() }),
            stats,
        }
    }

    pub(super) fn update(&self, local: &HostSet, endpoints: &[Address]) {
        let mut members = self.members.lock();
        if members.local != *local {
            members.local.clone_from(local);
            self.rebuild(&members);
        }
        let is_known = |(member, address): (&Member, &Address)| member.is_at(address);
        let same = endpoints.len() == members.endpoints.len() && members.endpoints.iter().zip(endpoints).all(is_known);
        if !same {
            if endpoints.iter().any(has_no_zone)
                && !members.endpoints.iter().any(|it| has_no_zone(&it.endpoint.address))
            {
                self.stats.forget_zones();
            }
            let before = std::mem::take(&mut members.endpoints);
            let mut before: HashMap<_, _> =
                before.into_iter().map(|member| (member.endpoint.address.identity(), member)).collect();
            let mut new = 0;
            members.endpoints = endpoints
                .iter()
                .map(|address| {
                    before.remove(&address.identity()).unwrap_or_else(|| {
                        new += 1;
                        let endpoint = self.endpoint(address);
                        Member { endpoint, health: address.health, ejection: Ejection::default() }
                    })
                })
                .collect();
            if new + before.len() > 0 {
                self.stats.membership_change.fetch_add(1, Relaxed);
            }
        }
        let mut is_to_be_rebuilt = !same;
        for (member, address) in members.endpoints.iter_mut().zip(endpoints) {
            member.endpoint.pool.block(address.blocked);
            is_to_be_rebuilt |= member.health != address.health;
            member.health = address.health;
        }
        if is_to_be_rebuilt {
            self.rebuild(&members);
        }
    }

    pub(super) fn set_runtime(&self, runtime: Runtime) {
        let mut members = self.members.lock();
        if members.config.runtime != runtime {
            members.config.runtime = runtime;
            self.rebuild(&members);
        }
    }

    fn endpoint(&self, address: &Address) -> Arc<Endpoint> {
        let idle_timeout = self.transport.idle_timeout.unwrap_or(Duration::MAX);
        let pool = Pool::of(self.transport.http_version(), address.socket, idle_timeout, self.stats.pools.clone());
        pool.block(address.blocked);
        Arc::new(Endpoint {
            address: address.clone(),
            pool,
            zone_stats: match has_no_zone(address) {
                // As with Envoy, which counts by zone where both ends have one.
                true => Arc::default(),
                false => self.stats.zone(&self.from_zone, &address.locality.zone),
            },
            failures: Failures::default(),
            succeeded: AtomicU64::default(),
            failed: AtomicU64::default(),
        })
    }

    fn rebuild(&self, members: &Members) {
        let upstream: HostSet = members
            .endpoints
            .chunk_by(|a, b| a.endpoint.address.locality == b.endpoint.address.locality)
            .map(|zone| (zone[0].endpoint.address.locality.clone(), zone.iter().map(Member::host).collect()))
            .collect();
        let plan = self.plan.load();
        let engine = plan.engine.reconfigured(&members.config, Some(&members.local), &[upstream], &self.stats.balancer);
        let endpoints = members.endpoints.iter().map(|member| member.endpoint.clone()).collect();
        self.plan.store(Arc::new(Plan { engine, endpoints }));
    }

    /// Picks a host for a request, if possible another one than those `tried`.
    pub(super) fn pick<'a>(&self, tried: impl Iterator<Item = &'a Arc<Endpoint>> + Clone) -> Option<Arc<Endpoint>> {
        let plan = self.plan.load();
        let mut rng = rand::rng();
        let mut again = HOST_SELECTION_RETRIES;
        loop {
            let host = plan.engine.pick(&mut rng, &self.stats.balancer)?;
            let endpoint = plan.endpoints.get(host.index)?;
            if again == 0 || !tried.clone().any(|tried| Arc::ptr_eq(tried, endpoint)) {
                return Some(endpoint.clone());
            }
            again -= 1;
        }
    }

    /// Tells the outlier detector how a host did: a 5xx, and all that Envoy turns into one, is a failure.
    pub(super) fn observe(&self, endpoint: &Arc<Endpoint>, status: StatusCode) {
        if !status.is_server_error() {
            endpoint.succeeded.fetch_add(1, Relaxed);
            endpoint.failures.forget();
            return;
        }
        endpoint.failed.fetch_add(1, Relaxed);
        if in_a_row(&endpoint.failures.gateway, matches!(status.as_u16(), 502..=504)) {
            self.stats.gateway_failures_detected.fetch_add(1, Relaxed);
        }
        if in_a_row(&endpoint.failures.any, true) {
            self.stats.failures_detected.fetch_add(1, Relaxed);
            self.eject(endpoint);
        }
    }

    #[cold]
    fn eject(&self, endpoint: &Arc<Endpoint>) {
        let mut members = self.members.lock();
        // A host that has left the cluster meanwhile is not there to be ejected.
        let Some(member) = members.endpoints.iter_mut().find(|member| Arc::ptr_eq(&member.endpoint, endpoint)) else {
            return;
        };
        if member.ejection.begin(Instant::now()) {
            tracing::debug!(cluster = &*self.name, endpoint = %endpoint.address.owner, "ejected");
            self.stats.ejections.fetch_add(1, Relaxed);
            endpoint.pool.clear();
            self.rebuild(&members);
        }
    }

    /// Does what is due at each interval of the outlier detector, and tidies the pools up.
    pub(super) fn sweep(&self, now: Instant) {
        let mut members = self.members.lock();
        let mut came_back = false;
        for member in &mut members.endpoints {
            if member.ejection.sweep(now) {
                // It may have been called in a panic; those failures no longer count.
                member.endpoint.failures.forget();
                came_back = true;
            }
            member.endpoint.pool.sweep();
        }
        if came_back {
            self.rebuild(&members);
        }
    }

    /// The zone of each endpoint that is ejected.
    pub(super) fn ejected_zones(&self) -> Vec<String> {
        let members = self.members.lock();
        let ejected = members.endpoints.iter().filter(|member| member.ejection.is_active());
        ejected.map(|member| member.endpoint.address.locality.zone.clone()).collect()
    }

    pub(super) fn stats(&self) -> StatsView<'_> {
        let members = self.members.lock();
        let ejected = members.endpoints.iter().filter(|member| member.ejection.is_active()).count();
        let of = |health| members.endpoints.iter().filter(|member| member.host().health == health).count();
        let (healthy, degraded) = (of(Health::Healthy), of(Health::Degraded));
        StatsView {
            name: &self.name,
            app_protocol: self.transport.app_protocol,
            stats: &self.stats,
            members: members.endpoints.len(),
            healthy,
            degraded,
            ejected,
        }
    }

    /// Adds this cluster's part of the text that Envoy's `/clusters` has: what is known of each host.
    pub(super) fn describe(&self, text: &mut String) {
        let members = self.members.lock();
        let name = &self.name;
        // Writing to a String does not fail.
        let _ = writeln!(text, "{name}::observability_name::{name}\n{name}::added_via_api::true");
        for Member { endpoint, health, ejection } in &members.endpoints {
            let Locality { region, zone, sub_zone } = &endpoint.address.locality;
            let mut flags = String::new();
            if ejection.is_active() {
                flags += "/failed_outlier_check";
            }
            flags += match health {
                Health::Healthy => "",
                Health::Degraded => "/degraded_eds_health",
                Health::Unhealthy => "/failed_eds_health",
            };
            let (succeeded, failed) = (endpoint.succeeded.load(Relaxed), endpoint.failed.load(Relaxed));
            let fields: [(&str, &dyn Display); 10] = [
                ("rq_error", &failed),
                ("rq_success", &succeeded),
                ("rq_total", &(succeeded + failed)),
                ("hostname", &""),
                ("health_flags", if flags.is_empty() { &"healthy" } else { &flags }),
                ("weight", &1),
                ("region", region),
                ("zone", zone),
                ("sub_zone", sub_zone),
                ("priority", &0),
            ];
            for (field, value) in fields {
                let _ = writeln!(text, "{name}::{}::{field}::{value}", endpoint.address.socket);
            }
        }
    }
}

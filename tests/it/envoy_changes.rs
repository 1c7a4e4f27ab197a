//! The routing engine against a live Envoy whose endpoints change while requests flow: added, removed, ill and well again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::sync::RwLock;
use zonewalk::routing::{CounterSnapshot, Counters, LoadBalancer, Topology, predict};

use crate::agreement::{Judge, growth};
use crate::envoy_live::seed;
use crate::envoy_peer::{Backends, Eds, Envoy, cluster, observe};
use crate::situations::{Maker, merged, own_zones, topology};

const CHANGES: usize = 40;
const REQUESTS: u64 = 600;

/// A cluster that the proxy calls: what Envoy is told, and our own balancer, for what a rebuild counts.
struct Upstream {
    name: &'static str,
    situation: Value,
    balancer: LoadBalancer,
    /// From here on: at a start, how often Envoy rebuilds depends on which endpoints it reads first.
    counters: Counters,
    envoys: CounterSnapshot,
}

impl Upstream {
    fn new(name: &'static str, proxy: &Value, more: &Value) -> Self {
        let situation = merged(&json!({ "upstream": healthy_zones() }), more);
        let topology = topology(merged(proxy, &situation));
        let (own, local, hosts) = (topology.own(), topology.local_hosts(), topology.upstream_hosts());
        let counters = Counters::default();
        let balancer = LoadBalancer::new(&topology.config(), own.as_ref(), local.as_ref(), &hosts, 0, &counters);
        Self { name, situation, balancer, counters: Counters::default(), envoys: CounterSnapshot::default() }
    }

    fn topology(&self, proxy: &Value) -> Topology {
        topology(merged(proxy, &self.situation))
    }

    fn update(&mut self, proxy: &Value) {
        let topology = self.topology(proxy);
        let (local, hosts) = (topology.local_hosts(), topology.upstream_hosts());
        self.balancer = self.balancer.updated(local.as_ref(), &hosts, &self.counters);
    }

    /// Waits until Envoy has rebuilt as often as the engine. More often is for the test to see.
    async fn settle(&self, envoy: &Envoy) {
        let expected = [self.envoys, self.counters.snapshot()].map(|counters| counters.lb_recalculate_zone_structures);
        let expected: u64 = expected.iter().sum();
        let rebuilt = async {
            while envoy.counters_of(self.name).await.lb_recalculate_zone_structures < expected {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(30), rebuilt).await;
        assert!(in_time.is_ok(), "Envoy did not rebuild {} {expected} times: {}", self.name, self.situation);
    }
}

fn healthy_zones() -> Value {
    json!({ "a": { "healthy": 4 }, "b": { "healthy": 4 }, "c": { "healthy": 4 } })
}

/// The hosts of one zone of one cluster: of a called one, or beyond those of the local one.
fn changes(clusters: usize) -> impl Strategy<Value = (usize, &'static str, Value)> {
    let healthy = (0..12u32).prop_map(|healthy| json!({ "healthy": healthy }));
    let mixed = (0..8u32, 0..12u32, 0..3u32).prop_map(
        |(healthy, unhealthy, degraded)| json!({ "healthy": healthy, "unhealthy": unhealthy, "degraded": degraded }),
    );
    (0..=clusters, own_zones(), prop_oneof![3 => healthy, 2 => mixed])
}

/// Requests to all clusters in turn, one after the other.
#[derive(Default)]
struct Background {
    /// Held for reading by a request, for writing by a measurement.
    pause: RwLock<()>,
    stop: AtomicBool,
    sent: AtomicU64,
    without_host: AtomicU64,
}

impl Background {
    async fn flow(self: Arc<Self>, envoy: Arc<Envoy>, clusters: [&'static str; 3]) {
        let mut connection = envoy.connect().await;
        for cluster in clusters.iter().cycle() {
            if self.stop.load(Relaxed) {
                break;
            }
            let _going = self.pause.read().await;
            let answer = connection.request(cluster).await;
            self.sent.fetch_add(1, Relaxed);
            self.without_host.fetch_add(answer.is_none().into(), Relaxed);
        }
    }

    /// Until so many more have been answered.
    async fn go_on_for(&self, requests: u64) {
        let enough = self.sent.load(Relaxed) + requests;
        let answered = async {
            while self.sent.load(Relaxed) < enough {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), answered).await.expect("requests flow");
    }
}

/// No request is lost, Envoy rebuilds as often as the engine does, and after each change it does what is predicted.
#[tokio::test]
#[ignore = "needs Envoy: tests/run.sh installs it"]
async fn envoy_follows_changes_as_predicted() {
    println!("ZONEWALK_TEST_SEED={}", seed());
    let mut maker = Maker::new(seed() + 1_000_000);
    let (backends, eds) = (Backends::start().await, Eds::new());
    let mut proxy = json!({ "self_zone": "a", "local": healthy_zones() });
    let mut upstreams = [
        Upstream::new("defaults", &proxy, &json!({})),
        Upstream::new("small", &proxy, &json!({ "min_cluster_size": 2, "panic_threshold": 20 })),
        Upstream::new("partial", &proxy, &json!({ "min_cluster_size": 2, "routing_enabled": 50 })),
    ];
    eds.publish(backends.local("local", &proxy));
    let clusters = upstreams.iter().map(|Upstream { name, situation, .. }| {
        eds.publish(backends.upstream(name, situation));
        eds.cluster(cluster(name, situation))
    });
    let clusters: Vec<Value> = clusters.collect();
    let local = eds.cluster(cluster("local", &json!({})));
    let envoy = Arc::new(Envoy::start(&proxy, &local, &clusters).await);

    for upstream in &mut upstreams {
        upstream.envoys = envoy.counters_of(upstream.name).await;
    }

    let background = Arc::new(Background::default());
    let names = upstreams.each_ref().map(|upstream| upstream.name);
    let flowing = [(); 3].map(|()| tokio::spawn(background.clone().flow(envoy.clone(), names)));
    let mut judge = Judge::default();
    for number in 0..CHANGES {
        let (changed, zone, hosts) = maker.make(changes(upstreams.len()));
        let who = format!("change {number}, {}, {zone}: {hosts}", names_of(&upstreams, changed));
        let before = upstreams.each_ref().map(|upstream| upstream.topology(&proxy));
        match upstreams.get_mut(changed) {
            Some(upstream) => upstream.situation["upstream"][zone] = hosts,
            None => proxy["local"][zone] = hosts,
        }
        let after = upstreams.each_ref().map(|upstream| upstream.topology(&proxy));
        match upstreams.get(changed) {
            Some(upstream) => eds.publish(backends.upstream(upstream.name, &upstream.situation)),
            None => eds.publish(backends.local("local", &proxy)),
        }
        for (upstream, (before, after)) in upstreams.iter_mut().zip(before.iter().zip(&after)) {
            if before != after {
                upstream.update(&proxy);
                upstream.settle(&envoy).await;
            }
        }

        background.go_on_for(100).await;
        let paused = background.pause.write().await;
        let may_fail = before.iter().chain(&after).any(|topology| predict(topology).failed_share > 0.0);
        let without_host = background.without_host.swap(0, Relaxed);
        judge.same(&format!("{who}: requests lost"), 0, if may_fail { 0 } else { without_host });
        for (upstream, topology) in upstreams.iter().zip(&after) {
            let who = format!("{who}, {} {}", upstream.name, merged(&proxy, &upstream.situation));
            let before = envoy.counters_of(upstream.name).await;
            let rebuilds = upstream.counters.snapshot();
            let envoys = growth(&upstream.envoys, &before);
            for (what, ours, envoys) in [
                ("rebuilds", rebuilds.lb_recalculate_zone_structures, envoys.lb_recalculate_zone_structures),
                ("too small", rebuilds.lb_zone_cluster_too_small, envoys.lb_zone_cluster_too_small),
            ] {
                judge.same(&format!("{who}: {what}"), ours, envoys);
            }
            let answers = envoy.drive(upstream.name, REQUESTS, 4).await;
            let growth = growth(&before, &envoy.counters_of(upstream.name).await);
            judge.compare(&who, topology, &predict(topology), &observe(&answers, growth));
        }
        drop(paused);
    }
    background.stop.store(true, Relaxed);
    for flow in flowing {
        flow.await.expect("every request was answered");
    }
    println!("{} requests in the background", background.sent.load(Relaxed));
    judge.verdict();
}

fn names_of(upstreams: &[Upstream], changed: usize) -> &'static str {
    upstreams.get(changed).map_or("local", |upstream| upstream.name)
}

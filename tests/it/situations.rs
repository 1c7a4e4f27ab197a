//! Routing situations made at random, in their JSON form.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use zonewalk::routing::Topology;

pub(crate) const ZONES: [&str; 4] = ["a", "b", "c", "d"];

/// Makes values one after the other, the same for the same seed.
pub(crate) struct Maker(TestRunner);

impl Maker {
    pub(crate) fn new(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        Self(TestRunner::new_with_rng(ProptestConfig::default(), rng))
    }

    pub(crate) fn make<T: std::fmt::Debug>(&mut self, strategy: impl Strategy<Value = T>) -> T {
        strategy.new_tree(&mut self.0).expect("the strategies here reject nothing").current()
    }
}

pub(crate) fn topology(situation: Value) -> Topology {
    serde_json::from_value(situation).expect("it is made of what a topology takes")
}

/// Everything that a situation can say.
pub(crate) fn situations(most_hosts: u32) -> impl Strategy<Value = Value> {
    (proxies(most_hosts), upstreams(most_hosts)).prop_map(|(proxy, upstream)| merged(&proxy, &upstream))
}

pub(crate) fn topologies() -> impl Strategy<Value = Topology> {
    situations(200).prop_map(topology)
}

/// All healthy, any number of hosts will do, the rest is Envoy's default.
pub(crate) fn plain_topologies() -> impl Strategy<Value = Topology> {
    (own_zones(), healthy_zones(400), healthy_zones(400)).prop_map(|(own, local, upstream)| {
        topology(json!({ "self_zone": own, "local": local, "upstream": upstream, "min_cluster_size": 0 }))
    })
}

/// What is the same for all clusters that a proxy calls.
pub(crate) fn proxies(most_hosts: u32) -> impl Strategy<Value = Value> {
    let runtime = (seldom(0..130u64), seldom(0..20u64), seldom(0..4u64), seldom(0..130u64)).prop_map(|keys| {
        json!({
            "upstream.zone_routing.enabled": keys.0,
            "upstream.zone_routing.min_cluster_size": keys.1,
            "upstream.zone_routing.force_local_zone.min_size": keys.2,
            "upstream.healthy_panic_threshold": keys.3,
        })
    });
    let runtime = prop_oneof![3 => Just(Value::Null), 1 => runtime];
    let own = prop_oneof![15 => Just(None), 3 => own_zones().prop_map(|zone| Some(json!(zone))), 1 => Just(Some(Value::Null))];
    let proxy = (own, any::<prop::sample::Index>(), zones(most_hosts), prop::bool::weighted(0.95), runtime);
    proxy.prop_map(|(own, own_index, local, local_cluster_name, runtime)| {
        // Mostly one of the zones that the local cluster is in.
        let own = own.unwrap_or_else(|| {
            let zones: Vec<&String> = local.as_object().into_iter().flat_map(|zones| zones.keys()).collect();
            json!(own_index.get(&zones))
        });
        json!({ "self_zone": own, "local": local, "local_cluster_name": local_cluster_name, "runtime": runtime })
    })
}

/// What is each called cluster's own.
pub(crate) fn upstreams(most_hosts: u32) -> impl Strategy<Value = Value> {
    let policies = prop::sample::select(&["ROUND_ROBIN", "LEAST_REQUEST", "RANDOM"][..]);
    let bases = prop::sample::select(&["HEALTHY_HOSTS_NUM", "HEALTHY_HOSTS_WEIGHT"][..]);
    let hosts = (zones(most_hosts), prop_oneof![3 => Just(Value::Null), 1 => zones(most_hosts)]);
    let knobs = (
        seldom(policies),
        seldom(bases),
        seldom(prop_oneof![4 => 0..8u64, 1 => 0..40u64]),
        seldom(0.0..=100.0),
        seldom(0.0..=100.0),
        seldom(prop_oneof![Just(100u32), 1..300u32]),
        seldom((0..4u32).prop_map(|size| json!({ "min_size": size }))),
    );
    let flags = prop::array::uniform5(prop::bool::weighted(0.15));
    (hosts, knobs, flags).prop_map(|(hosts, knobs, flags)| {
        json!({
            "upstream": hosts.0,
            "upstream_p1": hosts.1,
            "lb_policy": knobs.0,
            "locality_basis": knobs.1,
            "min_cluster_size": knobs.2,
            "routing_enabled": knobs.3,
            "panic_threshold": knobs.4,
            "overprovisioning_factor": knobs.5,
            "force_local_zone": knobs.6,
            "fail_traffic_on_panic": flags[0],
            "locality_weighted": flags[1],
            "zone_aware": !flags[2],
            "force_locality_direct_routing": flags[3],
            "api": if flags[4] { "policy" } else { "legacy" },
        })
    })
}

/// A proxy and a cluster that it calls, as one situation.
pub(crate) fn merged(proxy: &Value, upstream: &Value) -> Value {
    let fields = [proxy, upstream].map(|part| part.as_object().expect("parts of a situation are objects").clone());
    fields.into_iter().flatten().collect::<serde_json::Map<_, _>>().into()
}

pub(crate) fn own_zones() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&ZONES[..])
}

/// Hosts of up to four zones; a zone may have none, or be absent.
pub(crate) fn healthy_zones(most_hosts: u32) -> impl Strategy<Value = Value> {
    let hosts = prop_oneof![6 => 1..12u32, 1 => Just(0u32), 2 => 1..most_hosts];
    by_zone(hosts)
}

/// Mostly healthy ones, so that zone-aware routing has its turn; some of whatever health and weight, some mostly ill.
pub(crate) fn zones(most_hosts: u32) -> impl Strategy<Value = Value> {
    let few = || prop_oneof![2 => Just(0u32), 1 => 0..6u32];
    let healthy = prop_oneof![4 => 0..8u32, 1 => 0..most_hosts];
    let mixed = by_zone((healthy, few(), few()).prop_flat_map(of_any_weight));
    let ill = by_zone((0..4u32, 0..8u32, few()).prop_flat_map(of_any_weight));
    prop_oneof![8 => healthy_zones(most_hosts), 3 => mixed, 1 => ill]
}

fn of_any_weight((healthy, unhealthy, degraded): (u32, u32, u32)) -> impl Strategy<Value = Value> {
    let weights = (1..5u32, 0..3u32, any::<bool>(), prop::bool::weighted(0.1));
    weights.prop_map(move |(weight, locality_weight, by_host, sub_zone)| {
        let mut zone = json!({ "healthy": healthy, "unhealthy": unhealthy, "degraded": degraded });
        if by_host && weight > 1 {
            let weights = (0..healthy + unhealthy + degraded).map(|host| 1 + host % weight);
            zone["weights"] = weights.collect();
        } else {
            zone["weight"] = weight.into();
        }
        zone["locality_weight"] = locality_weight.into();
        if sub_zone {
            zone["sub_zone"] = "s".into();
        }
        zone
    })
}

/// Mostly for three or four zones.
fn by_zone<T: Into<Value> + Clone + std::fmt::Debug>(
    hosts: impl Strategy<Value = T> + Clone + 'static,
) -> impl Strategy<Value = Value> {
    let zones = |count| prop::collection::btree_map(own_zones(), hosts.clone().prop_map(Into::into), count);
    prop_oneof![1 => zones(1..=2), 4 => zones(3..=4)].prop_map(|zones| json!(zones))
}

/// A field that is there one time in three.
fn seldom<T: Into<Value> + Clone + std::fmt::Debug>(
    value: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Value> {
    prop_oneof![2 => Just(Value::Null), 1 => value.prop_map(Into::into)]
}

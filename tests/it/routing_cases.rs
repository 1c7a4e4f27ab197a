//! Corners of the algorithm, each with what comes of it, in numbers. `envoy_live` puts the same ones to Envoy.

use serde_json::{Value, json};
use zonewalk::routing::{PredictedState, predict};

use crate::situations::{merged, topology};

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) proxy: Value,
    pub(crate) upstream: Value,
    pub(crate) state: PredictedState,
    /// Of all requests, by zone; those without any are left out.
    pub(crate) shares: Value,
    pub(crate) failed: f64,
}

pub(crate) fn cases() -> Vec<Case> {
    use PredictedState::{LocalityDirect, LocalityResidual, NoLocalityRouting, Panic};

    let mut cases = Vec::new();
    let mut case = |name, proxy: Value, upstream: Value, state, shares: Value, failed| {
        cases.push(Case { name, proxy, upstream, state, shares, failed });
    };
    let three = || json!({ "self_zone": "a", "local": { "a": 3, "b": 3, "c": 3 } });
    let two = || json!({ "self_zone": "a", "local": { "a": 3, "b": 3 } });

    case(
        "as many in each zone",
        three(),
        json!({ "upstream": { "a": 2, "b": 2, "c": 2 } }),
        LocalityDirect,
        json!({ "a": 1.0 }),
        0.0,
    );
    case(
        "a host too few for the minimum",
        three(),
        json!({ "upstream": { "a": 2, "b": 2, "c": 1 } }),
        NoLocalityRouting,
        json!({ "a": 0.4, "b": 0.4, "c": 0.2 }),
        0.0,
    );
    case(
        "degraded hosts don't count for the minimum",
        two(),
        json!({ "upstream": { "a": 3, "b": { "healthy": 2, "degraded": 1 } } }),
        NoLocalityRouting,
        json!({ "a": 0.6, "b": 0.4 }),
        0.0,
    );
    case(
        "a zone short of hosts",
        two(),
        json!({ "upstream": { "a": 2, "b": 6 } }),
        LocalityResidual,
        json!({ "a": 0.5, "b": 0.5 }),
        0.0,
    );
    case(
        "the called service in one zone",
        three(),
        json!({ "upstream": { "a": 6, "b": 0 } }),
        NoLocalityRouting,
        json!({ "a": 1.0 }),
        0.0,
    );
    case(
        "the calling service in one zone",
        json!({ "self_zone": "a", "local": { "a": 3 } }),
        json!({ "upstream": { "a": 2, "b": 6 } }),
        NoLocalityRouting,
        json!({ "a": 0.25, "b": 0.75 }),
        0.0,
    );
    case(
        "the calling service in one zone, forced to stay",
        json!({ "self_zone": "a", "local": { "a": 3 } }),
        json!({ "upstream": { "a": 2, "b": 6 }, "force_local_zone": {} }),
        LocalityDirect,
        json!({ "a": 1.0 }),
        0.0,
    );
    case(
        "the older way of forcing",
        two(),
        json!({ "upstream": { "a": 1, "b": 7 }, "force_locality_direct_routing": true }),
        LocalityDirect,
        json!({ "a": 1.0 }),
        0.0,
    );
    case(
        "too few to be forced to stay",
        two(),
        json!({ "upstream": { "a": 2, "b": 6 }, "force_local_zone": { "min_size": 3 } }),
        LocalityResidual,
        json!({ "a": 0.5, "b": 0.5 }),
        0.0,
    );
    case(
        "forced to stay where nobody is healthy",
        two(),
        json!({ "upstream": { "a": { "unhealthy": 1 }, "b": 7 }, "force_local_zone": { "min_size": 0 } }),
        LocalityDirect,
        json!({}),
        1.0,
    );
    case(
        "no host of the calling service in the own zone",
        json!({ "self_zone": "d", "local": { "a": 3, "b": 3 } }),
        json!({ "upstream": { "a": 3, "d": 3 } }),
        NoLocalityRouting,
        json!({ "a": 0.5, "d": 0.5 }),
        0.0,
    );
    case(
        "a proxy without a zone",
        json!({ "self_zone": null, "local": { "a": 3, "b": 3 } }),
        json!({ "upstream": { "a": 3, "b": 3 } }),
        NoLocalityRouting,
        json!({ "a": 0.5, "b": 0.5 }),
        0.0,
    );
    case(
        "a proxy that does not know its cluster",
        json!({ "self_zone": "a", "local": { "a": 3, "b": 3 }, "local_cluster_name": false }),
        json!({ "upstream": { "a": 3, "b": 3 } }),
        NoLocalityRouting,
        json!({ "a": 0.5, "b": 0.5 }),
        0.0,
    );
    case(
        "a sub-zone is another zone",
        two(),
        json!({ "upstream": { "a": { "healthy": 3, "sub_zone": "s" }, "b": 3 } }),
        LocalityResidual,
        json!({ "a": 1.0 }),
        0.0,
    );
    case(
        "no capacity left, and a third of the requests to an empty zone",
        json!({ "self_zone": "a", "local": { "a": { "unhealthy": 1 }, "b": 2, "c": 2 } }),
        json!({ "upstream": { "a": { "unhealthy": 1 }, "b": 2, "c": 2 }, "min_cluster_size": 0 }),
        LocalityResidual,
        json!({ "b": 1.0 / 3.0, "c": 1.0 / 3.0 }),
        1.0 / 3.0,
    );

    // Percentages are cut off: 29 is 28, 0.9 nothing, 58 is 57, and 4 of 7 are 57.14 %.
    case(
        "29 percent",
        three(),
        json!({ "upstream": { "a": 2, "b": 2, "c": 2 }, "routing_enabled": 29 }),
        LocalityDirect,
        json!({ "a": 0.52, "b": 0.24, "c": 0.24 }),
        0.0,
    );
    case(
        "less than a percent",
        two(),
        json!({ "upstream": { "a": 3, "b": 3 }, "routing_enabled": 0.9 }),
        NoLocalityRouting,
        json!({ "a": 0.5, "b": 0.5 }),
        0.0,
    );
    case(
        "a threshold of 58 percent",
        two(),
        json!({ "upstream": { "a": 4, "b": { "unhealthy": 3 } }, "panic_threshold": 58 }),
        NoLocalityRouting,
        json!({ "a": 1.0 }),
        0.0,
    );
    case(
        "a threshold of 59 percent",
        two(),
        json!({ "upstream": { "a": 4, "b": { "unhealthy": 3 } }, "panic_threshold": 59 }),
        Panic,
        json!({ "a": 4.0 / 7.0, "b": 3.0 / 7.0 }),
        0.0,
    );
    case(
        "no panic with 72 percent, whatever the threshold",
        two(),
        json!({ "upstream": { "a": 4, "b": { "healthy": 4, "unhealthy": 3 } }, "panic_threshold": 100 }),
        LocalityDirect,
        json!({ "a": 1.0 }),
        0.0,
    );
    case(
        "less overprovisioning",
        two(),
        json!({ "upstream": { "a": 4, "b": { "healthy": 4, "unhealthy": 3 } }, "panic_threshold": 100, "overprovisioning_factor": 100 }),
        Panic,
        json!({ "a": 4.0 / 11.0, "b": 7.0 / 11.0 }),
        0.0,
    );
    case(
        "failing in panic",
        two(),
        json!({ "upstream": { "a": 1, "b": { "unhealthy": 3 } }, "fail_traffic_on_panic": true }),
        Panic,
        json!({}),
        1.0,
    );
    case(
        "no panic at a threshold of 0",
        two(),
        json!({ "upstream": { "a": { "unhealthy": 1 }, "b": { "unhealthy": 3 } }, "panic_threshold": 0 }),
        NoLocalityRouting,
        json!({}),
        1.0,
    );
    case("nobody to call", two(), json!({ "upstream": {} }), Panic, json!({}), 1.0);
    let ill = || json!({ "self_zone": "a", "local": { "a": { "healthy": 1, "unhealthy": 3 }, "b": 1 } });
    case(
        "the calling service in panic",
        ill(),
        json!({ "upstream": { "a": 3, "b": 3 } }),
        NoLocalityRouting,
        json!({ "a": 0.5, "b": 0.5 }),
        0.0,
    );
    case(
        "the calling service in panic, failing",
        ill(),
        json!({ "upstream": { "a": 3, "b": 3 }, "fail_traffic_on_panic": true }),
        NoLocalityRouting,
        json!({}),
        1.0,
    );
    case(
        "degraded ones keep the calling service out of panic",
        json!({ "self_zone": "a", "local": { "a": { "healthy": 1, "degraded": 2, "unhealthy": 1 }, "b": 1 } }),
        json!({ "upstream": { "a": 3, "b": 3 } }),
        LocalityDirect,
        json!({ "a": 1.0 }),
        0.0,
    );
    case(
        "too few degraded ones to keep the calling service out of panic",
        json!({ "self_zone": "a", "local": { "a": { "healthy": 1, "degraded": 1, "unhealthy": 4 }, "b": 1 } }),
        json!({ "upstream": { "a": 3, "b": 3 } }),
        NoLocalityRouting,
        json!({ "a": 0.5, "b": 0.5 }),
        0.0,
    );
    // Half of the hosts are healthy, which is no panic, and count for 0 %: no priority has a load.
    case(
        "no load anywhere is the first priority's",
        two(),
        json!({
            "upstream": { "a": 3, "b": { "unhealthy": 3 } }, "upstream_p1": { "c": { "unhealthy": 1 } },
            "overprovisioning_factor": 1, "panic_threshold": 50, "min_cluster_size": 2,
        }),
        LocalityDirect,
        json!({ "a": 1.0 }),
        0.0,
    );

    // Two of six are healthy, four degraded: 46 % of the load is for healthy hosts, and the rest stays in the own zone too.
    case(
        "no degraded host in the own zone",
        two(),
        json!({ "upstream": { "a": 2, "b": { "degraded": 4 } }, "min_cluster_size": 2 }),
        LocalityDirect,
        json!({ "a": 0.46 }),
        0.54,
    );
    case(
        "zones don't matter in the second priority",
        two(),
        json!({ "upstream": { "a": { "unhealthy": 2 }, "b": { "unhealthy": 2 } }, "upstream_p1": { "a": 1, "c": 3 } }),
        NoLocalityRouting,
        json!({ "a": 0.25, "c": 0.75 }),
        0.0,
    );
    case(
        "both priorities in panic",
        two(),
        json!({ "upstream": { "a": { "unhealthy": 2 } }, "upstream_p1": { "b": { "unhealthy": 1 } } }),
        Panic,
        json!({ "a": 0.67, "b": 0.33 }),
        0.0,
    );
    case(
        "both priorities in panic, three times as many hosts in the first",
        two(),
        json!({ "upstream": { "a": { "unhealthy": 6 } }, "upstream_p1": { "b": { "unhealthy": 2 } } }),
        Panic,
        json!({ "a": 0.75, "b": 0.25 }),
        0.0,
    );
    // 10 of 200 are healthy, so random numbers from 0 to 4, mod 100, go to priority 0. Mod 10 they are the same: positions 0
    // to 4 of the healthy hosts, which are those of a.
    case(
        "one random number for priority and host",
        two(),
        json!({
            "upstream": {
                "a": { "healthy": 5, "unhealthy": 45 }, "b": { "healthy": 5, "unhealthy": 45 },
                "c": { "unhealthy": 50 }, "d": { "unhealthy": 50 },
            },
            "upstream_p1": { "c": 1 },
            "lb_policy": "RANDOM", "overprovisioning_factor": 100, "min_cluster_size": 40,
        }),
        NoLocalityRouting,
        json!({ "a": 0.05, "c": 0.95 }),
        0.0,
    );
    case(
        "zones by their hosts' weights",
        two(),
        json!({ "upstream": { "a": 3, "b": { "healthy": 3, "weight": 5 } }, "locality_basis": "HEALTHY_HOSTS_WEIGHT" }),
        LocalityResidual,
        json!({ "a": 0.3332, "b": 0.6668 }),
        0.0,
    );
    case(
        "weights of hosts without zones",
        two(),
        json!({ "upstream": { "a": 1, "b": { "healthy": 1, "weight": 3 } } }),
        NoLocalityRouting,
        json!({ "a": 0.25, "b": 0.75 }),
        0.0,
    );
    // Half of the hosts of a are healthy: with overprovisioning, that is 0.7 of its weight.
    case(
        "localities by weight",
        two(),
        json!({
            "upstream": {
                "a": { "healthy": 2, "unhealthy": 2, "locality_weight": 1 }, "b": { "healthy": 4, "locality_weight": 1 }, "c": 4,
            },
            "locality_weighted": true,
        }),
        NoLocalityRouting,
        json!({ "a": 0.7 / 1.7, "b": 1.0 / 1.7 }),
        0.0,
    );
    case(
        "localities by weight, and none has one",
        two(),
        json!({ "upstream": { "a": 3, "b": 3 }, "locality_weighted": true }),
        LocalityDirect,
        json!({ "a": 1.0 }),
        0.0,
    );
    case(
        "settings of zone-aware routing where none are given",
        two(),
        json!({ "upstream": { "a": 1, "b": 1 }, "min_cluster_size": 2, "zone_aware": false }),
        NoLocalityRouting,
        json!({ "a": 0.5, "b": 0.5 }),
        0.0,
    );
    case(
        "settings of zone-aware routing beside weights of localities",
        two(),
        json!({ "upstream": { "a": 1, "b": 1 }, "min_cluster_size": 2, "locality_weighted": true }),
        NoLocalityRouting,
        json!({ "a": 0.5, "b": 0.5 }),
        0.0,
    );
    let runtime =
        |key: &str, value: u64| json!({ "self_zone": "a", "local": { "a": 3, "b": 3 }, "runtime": { key: value } });
    case(
        "runtime: enabled",
        runtime("upstream.zone_routing.enabled", 50),
        json!({ "upstream": { "a": 3, "b": 3 }, "routing_enabled": 100 }),
        LocalityDirect,
        json!({ "a": 0.75, "b": 0.25 }),
        0.0,
    );
    case(
        "runtime: minimum",
        runtime("upstream.zone_routing.min_cluster_size", 7),
        json!({ "upstream": { "a": 3, "b": 3 } }),
        NoLocalityRouting,
        json!({ "a": 0.5, "b": 0.5 }),
        0.0,
    );
    case(
        "runtime: forced to stay",
        runtime("upstream.zone_routing.force_local_zone.min_size", 2),
        json!({ "upstream": { "a": 2, "b": 6 } }),
        LocalityDirect,
        json!({ "a": 1.0 }),
        0.0,
    );
    case(
        "runtime: 0 is not forced",
        runtime("upstream.zone_routing.force_local_zone.min_size", 0),
        json!({ "upstream": { "a": 2, "b": 6 } }),
        LocalityResidual,
        json!({ "a": 0.5, "b": 0.5 }),
        0.0,
    );
    case(
        "runtime: threshold",
        runtime("upstream.healthy_panic_threshold", 20),
        json!({ "upstream": { "a": 1, "b": { "unhealthy": 3 } } }),
        NoLocalityRouting,
        json!({ "a": 1.0 }),
        0.0,
    );
    cases
}

#[test]
fn corners_come_out_as_stated() {
    for Case { name, proxy, upstream, state, shares, failed } in cases() {
        let prediction = predict(&topology(merged(&proxy, &upstream)));
        assert_eq!(prediction.state, state, "{name}: {prediction:?}");
        assert!((prediction.failed_share - failed).abs() < 1e-9, "{name}: {prediction:?}");
        for (zone, share) in &prediction.zone_share {
            let expected = shares.get(zone).and_then(Value::as_f64).unwrap_or(0.0);
            assert!((share - expected).abs() < 1e-9, "{name}: {prediction:?}");
        }
        for zone in shares.as_object().into_iter().flat_map(|shares| shares.keys()) {
            assert!(prediction.zone_share.contains_key(zone), "{name}: {prediction:?}");
        }
    }
}

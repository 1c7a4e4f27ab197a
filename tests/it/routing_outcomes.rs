//! What a prediction says beside the shares: how requests spread, what is counted, and why.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use zonewalk::routing::{CounterSnapshot, Prediction, Spread, Topology, predict, simulate};

use crate::situations::{merged, topology};

/// Callers in two zones, the own one first, with what else is given.
fn two(more: Value) -> Topology {
    topology(merged(&json!({ "self_zone": "a", "local": { "a": 3, "b": 3 } }), &more))
}

fn predicted(more: Value) -> Prediction {
    predict(&two(more))
}

#[test]
fn spread_tells_turns_from_draws() {
    let in_one = json!({ "upstream": { "a": 2, "b": 1 } });
    let weights = json!({ "upstream": { "a": { "healthy": 2, "weights": [1, 2] }, "b": 1 } });
    let localities =
        json!({ "a": { "healthy": 3, "locality_weight": 1 }, "b": { "healthy": 3, "locality_weight": 2 } });
    let localities = json!({ "upstream": localities, "locality_weighted": true });
    let by = |situation: &Value, policy: &str| merged(situation, &json!({ "lb_policy": policy }));
    for (situation, spread) in [
        (json!({ "upstream": { "a": 3, "b": 3 } }), Spread::Fixed),
        (json!({ "upstream": { "a": 1, "b": { "unhealthy": 3 } }, "fail_traffic_on_panic": true }), Spread::Fixed),
        (in_one.clone(), Spread::Cyclic),
        (by(&in_one, "LEAST_REQUEST"), Spread::Random),
        (by(&in_one, "RANDOM"), Spread::Random),
        // Weights that differ are scheduled, whatever the policy; but RANDOM does not look at them.
        (by(&weights, "LEAST_REQUEST"), Spread::Cyclic),
        (by(&weights, "RANDOM"), Spread::Random),
        (localities, Spread::Cyclic),
        (json!({ "upstream": { "a": 2, "b": 6 } }), Spread::Random),
        (json!({ "upstream": { "a": 3, "b": 3 }, "routing_enabled": 50 }), Spread::Random),
    ] {
        assert_eq!(predicted(situation.clone()).spread, spread, "{situation}");
    }
}

#[test]
fn how_many_stay_is_said_where_some_must_leave() {
    assert_eq!(predicted(json!({ "upstream": { "a": 2, "b": 6 } })).local_percent_to_route, Some(5_000));
    assert_eq!(predicted(json!({ "upstream": { "a": 3, "b": 3 } })).local_percent_to_route, None);
}

/// Nothing that stands still is named.
#[test]
fn counters_are_those_that_grow() {
    let counters = |more| predicted(more).counters_per_request;
    assert_eq!(
        counters(json!({ "upstream": { "b": 3, "c": 3 } })),
        BTreeMap::from([("lb_zone_routing_cross_zone", 1.0)])
    );
    assert_eq!(
        counters(json!({ "upstream": { "a": 2, "b": 6 } })),
        BTreeMap::from([("lb_zone_routing_cross_zone", 0.5), ("lb_zone_routing_sampled", 0.5)])
    );
    assert_eq!(
        counters(json!({ "upstream": { "a": 3, "b": 3 } })),
        BTreeMap::from([("lb_zone_routing_all_directly", 1.0)])
    );
    assert_eq!(counters(json!({ "upstream": { "a": 2, "b": 1 } })), BTreeMap::new());
}

/// Workers and main thread each rebuild, and count it: but for a proxy that does not know its cluster, and before it has
/// hosts to call.
#[test]
fn a_rebuild_counts_itself_and_its_reason() {
    let counters = |topology: Topology| simulate(&topology, 0, 0).counters;
    let rebuilt = CounterSnapshot { lb_recalculate_zone_structures: 2, ..CounterSnapshot::default() };
    let upstream = json!({ "upstream": { "a": 3, "b": 3 } });
    assert_eq!(counters(two(upstream.clone())), rebuilt);
    for nothing in [
        merged(&upstream, &json!({ "local_cluster_name": false })),
        json!({ "upstream": {} }),
        json!({ "upstream": { "a": 0, "b": 0 } }),
    ] {
        assert_eq!(counters(two(nothing.clone())), CounterSnapshot::default(), "{nothing}");
    }
    let small = CounterSnapshot { lb_zone_cluster_too_small: 2, ..rebuilt };
    assert_eq!(counters(two(json!({ "upstream": { "a": 3, "b": 2 } }))), small);
    let not_ok = CounterSnapshot { lb_local_cluster_not_ok: 2, ..rebuilt };
    for own in ["c", ""].map(|own| if own.is_empty() { Value::Null } else { own.into() }) {
        assert_eq!(counters(two(merged(&upstream, &json!({ "self_zone": own })))), not_ok);
    }
}

#[test]
fn the_reason_is_given_in_numbers() {
    let even = json!({ "upstream": { "a": 3, "b": 3 } });
    let also = |more: Value| merged(&even, &more);
    let short = json!({ "upstream": { "a": 2, "b": 6 } });
    let ill = json!({ "a": { "healthy": 1, "unhealthy": 3 }, "b": { "degraded": 1 } });
    for (situation, reason) in [
        (even.clone(), "a: 50% of the backends for 50% of the frontends, so all requests stay in the zone"),
        (short.clone(), "a: 25% of the backends for 50% of the frontends, so 50% of the requests stay in the zone"),
        (
            json!({ "upstream": { "a": { "healthy": 3, "sub_zone": "s" }, "b": 3 } }),
            "a: no backends, so no request can stay in the zone",
        ),
        (
            merged(&short, &json!({ "force_local_zone": { "min_size": 2 } })),
            "a: 2 healthy backends, at least the 2 of force_local_zone, so all requests stay in the zone",
        ),
        (json!({ "upstream": { "a": 3, "b": 2 } }), "5 healthy backends, Envoy needs 6: zone-aware routing is off"),
        (json!({ "upstream": { "a": 6 } }), "the backends are in 1 zone, Envoy needs 2: zone-aware routing is off"),
        (also(json!({ "local": { "a": 1 } })), "the frontends are in 1 zone, Envoy needs 2: zone-aware routing is off"),
        (also(json!({ "self_zone": "c" })), "no frontend is in the proxy's own zone c: zone-aware routing is off"),
        (also(json!({ "self_zone": null })), "the proxy does not know its own zone: zone-aware routing is off"),
        (
            also(json!({ "local_cluster_name": false })),
            "the proxy does not know its own cluster (local_cluster_name): zone-aware routing is off",
        ),
        (
            also(json!({ "routing_enabled": 50 })),
            "a: 50% of the backends for 50% of the frontends, so all requests stay in the zone; \
             this goes for the 50% of requests that routing_enabled lets through",
        ),
        (
            json!({ "upstream": { "a": 3, "b": 2 }, "routing_enabled": 50 }),
            "5 healthy backends, Envoy needs 6: zone-aware routing is off",
        ),
        (also(json!({ "routing_enabled": 0 })), "routing_enabled comes to 0%: zone-aware routing is off"),
        (
            json!({ "upstream": ill }),
            "2 of 5 backends are available, below the panic threshold of 50%: all are used, whatever their zone and health",
        ),
        (
            json!({ "upstream": ill, "fail_traffic_on_panic": true }),
            "2 of 5 backends are available, below the panic threshold of 50%: with fail_traffic_on_panic, requests fail",
        ),
        (
            also(json!({ "local": ill })),
            "2 of 5 frontends are available, below the panic threshold of 50%: \
             zone-aware routing is off",
        ),
        (
            also(json!({ "local": ill, "fail_traffic_on_panic": true })),
            "2 of 5 frontends are available, below the panic threshold of 50%: \
             with fail_traffic_on_panic, requests fail",
        ),
        (
            json!({ "upstream": { "a": { "healthy": 3, "locality_weight": 1 }, "b": 3 }, "locality_weighted": true }),
            "zones are taken by their weights: zone-aware routing is off",
        ),
        (
            json!({
                "upstream": { "a": { "unhealthy": 2 }, "b": { "unhealthy": 2 } }, "upstream_p1": { "a": 1 },
                "min_cluster_size": 0,
            }),
            "no request goes to priority 0, and zone-aware routing is for no other",
        ),
    ] {
        assert_eq!(predicted(situation.clone()).reason, reason, "{situation}");
    }
}

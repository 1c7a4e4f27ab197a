//! Topologies that cannot be: the error names the field and says what is wrong with it.

use zonewalk::routing::Topology;

/// The path and the message of the error, or nothing.
fn error(json: &str) -> Option<String> {
    let deserializer = &mut serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize::<_, Topology>(deserializer).err().map(|error| error.to_string())
}

/// A good topology with one more field.
fn with(field: &str) -> String {
    format!(r#"{{"self_zone": "a", "local": {{"a": 1}}, "upstream": {{"a": 1}}, {field}}}"#)
}

#[test]
fn a_field_with_an_impossible_value_is_named() {
    let cases = [
        (r#""min_cluster_size": -1"#, "min_cluster_size: invalid value: integer `-1`, expected u64"),
        (r#""min_cluster_size": "6""#, "min_cluster_size: invalid type: string \"6\", expected u64"),
        (
            r#""routing_enabled": 100.5"#,
            "routing_enabled: 100.5 is no percentage that Envoy takes, give one from 0 to 100",
        ),
        (r#""panic_threshold": -1"#, "panic_threshold: -1 is no percentage that Envoy takes, give one from 0 to 100"),
        (
            r#""overprovisioning_factor": 0"#,
            "overprovisioning_factor: invalid value: integer `0`, expected a nonzero u32",
        ),
        (
            r#""lb_policy": "MAGLEV""#,
            "lb_policy: unknown variant `MAGLEV`, expected one of `ROUND_ROBIN`, `LEAST_REQUEST`, `RANDOM`",
        ),
        (r#""api": "xds""#, "api: unknown variant `xds`, expected `legacy` or `policy`"),
        (
            r#""min_clustersize": 6"#,
            "min_clustersize: unknown field `min_clustersize`, expected one of `kind`, `self_zone`",
        ),
        (r#""force_local_zone": {"size": 1}"#, "force_local_zone.size: unknown field `size`, expected `min_size`"),
        (r#""force_local_zone": 1"#, "force_local_zone: invalid type: integer `1`, expected struct ForceLocalZone"),
        (r#""runtime": {"upstream.zone_routing.enable": 1}"#, "runtime.upstream.zone_routing.enable: unknown field"),
        (r#""runtime": {"upstream.zone_routing.enabled": 0.5}"#, "runtime.upstream.zone_routing.enabled: invalid type"),
        (r#""upstream_p1": {"b": {"healthy": 1, "hosts": 2}}"#, "upstream_p1.b.hosts: unknown field `hosts`"),
        (
            r#""upstream_p1": {"b": {"healthy": -1}}"#,
            "upstream_p1.b.healthy: invalid value: integer `-1`, expected u32",
        ),
        (
            r#""upstream_p1": {"b": -1}"#,
            "upstream_p1.b: invalid type: integer `-1`, expected a number of healthy hosts",
        ),
        (
            r#""upstream_p1": {"b": 1.5}"#,
            "upstream_p1.b: invalid type: floating point `1.5`, expected a number of healthy hosts",
        ),
        (
            r#""upstream_p1": {"b": 99999999}"#,
            "upstream_p1.b: 99999999 hosts are more than the 1000000 a zone may have",
        ),
        (
            r#""upstream_p1": {"b": {"weight": 0}}"#,
            "upstream_p1.b.weight: invalid value: integer `0`, expected a nonzero u32",
        ),
        (
            r#""upstream_p1": {"b": {"healthy": 2, "weights": [1]}}"#,
            "upstream_p1.b: `weights` has 1 entries for 2 hosts, give one each",
        ),
        (
            r#""upstream_p1": {"b": {"healthy": 1, "weight": 2, "weights": [1]}}"#,
            "upstream_p1.b: give either `weight` or `weights`",
        ),
        (r#""upstream_p1": {"b": 1, "b": 2}"#, "upstream_p1: zone `b` is given twice, merge the two"),
        (r#""upstream_p1": {"": 1}"#, "upstream_p1: a zone has no name, give it one"),
        (r#""upstream_p1": [1]"#, "upstream_p1: invalid type: sequence, expected an object {zone: hosts}"),
        (r#""min_cluster_size": 1, "min_cluster_size": 2"#, "duplicate field `min_cluster_size`"),
    ];
    for (field, expected) in cases {
        let message = error(&with(field)).unwrap_or_else(|| panic!("{field} was taken"));
        assert!(message.starts_with(expected), "{field}: {message}");
    }
}

#[test]
fn a_topology_without_its_clusters_is_none() {
    for (json, expected) in [
        (r#"{"local": {"a": 1}, "upstream": {"a": 1}}"#, "missing field `self_zone`"),
        (r#"{"self_zone": "a", "upstream": {"a": 1}}"#, "missing field `local`"),
        (r#"{"self_zone": "a", "local": {"a": 1}}"#, "missing field `upstream`"),
        (r#"{"self_zone": "", "local": {}, "upstream": {}}"#, "self_zone: `self_zone` is empty, give the zone's name"),
        (r#"[]"#, "expected struct Topology"),
        (r#"{"self_zone": "a""#, "EOF"),
    ] {
        let message = error(json).unwrap_or_else(|| panic!("{json} was taken"));
        assert!(message.contains(expected), "{json}: {message}");
    }
}

#[test]
fn every_field_is_taken_in_every_form() {
    for field in [
        r#""kind": "any""#,
        r#""min_cluster_size": null"#,
        r#""api": "legacy", "lb_policy": "RANDOM""#,
        r#""zone_aware": false, "local_cluster_name": false, "locality_weighted": true"#,
        r#""force_local_zone": {}"#,
        r#""force_local_zone": {"min_size": 2}, "force_locality_direct_routing": true"#,
        r#""locality_basis": "HEALTHY_HOSTS_WEIGHT", "fail_traffic_on_panic": true"#,
        r#""overprovisioning_factor": 100, "panic_threshold": 0, "routing_enabled": 99.5"#,
        r#""upstream_p1": {"b": {"healthy": 1, "degraded": 1, "unhealthy": 1, "weights": [1, 2, 3], "locality_weight": 0}}"#,
        r#""upstream_p1": {"b": {"region": "r", "zone": "z", "sub_zone": "s"}, "c": 0}"#,
        r#""runtime": {"upstream.zone_routing.enabled": 50, "upstream.zone_routing.min_cluster_size": 1,
            "upstream.zone_routing.force_local_zone.min_size": 1, "upstream.healthy_panic_threshold": 10}"#,
    ] {
        assert_eq!(error(&with(field)), None, "{field}");
    }
    assert_eq!(error(r#"{"self_zone": null, "local": {}, "upstream": {}}"#), None);
}

#[test]
fn a_zone_may_have_a_million_hosts() {
    assert_eq!(error(&with(r#""upstream_p1": {"b": 1000000}"#)), None);
}

#[test]
fn numbers_of_healthy_hosts_are_a_topology() {
    let zones = |zones: [(&str, u32); 2]| zones.map(|(zone, hosts)| (zone.to_owned(), hosts)).into_iter().collect();
    let json = r#"{"self_zone": "a", "local": {"a": 3, "b": 1}, "upstream": {"a": 2, "c": 4}}"#;
    let expected: Topology = serde_json::from_str(json).unwrap();
    assert_eq!(Topology::healthy("a", &zones([("a", 3), ("b", 1)]), &zones([("a", 2), ("c", 4)])), expected);
}

//! Envoy's `/stats` text as it is read, and the script that asks for it.

use zonewalk::envoy::script::{self, Script, recognize};
use zonewalk::envoy::stats::parse;

const TEXT: &str = "\
cluster.backend.8090.lb_zone_routing_all_directly: 40
cluster.backend.8090.lb_zone_routing_cross_zone: 0
cluster.backend.8090.lb_subsets_active: 7
cluster.backend.8090.upstream_rq_total: 40
cluster.backend.8090.zone.use1-az1.use1-az1.upstream_rq_200: 38
cluster.backend.8090.zone.use1-az1.use1-az1.upstream_rq_2xx: 38
cluster.backend.8090.zone.use1-az1.use1-az2.upstream_rq_completed: 2
cluster.backend.8090.zone.use1-az1.use1-az2.upstream_rq_2xx: 2
cluster.backend.8090.zone.use1-az1.use1-az1.upstream_rq_time: P0(nan,0) P25(nan,0)
cluster.fe.lb_zone_routing_all_directly: 1
";

#[test]
fn both_families_are_read_and_nothing_is_counted_twice() {
    let stats = parse(TEXT);
    assert_eq!(stats.counter("lb_zone_routing_all_directly"), 41);
    assert!(!stats.counters.contains_key("lb_subsets_active"));
    let requests: Vec<_> = stats.zone_requests.iter().map(|z| (z.to.as_str(), z.requests)).collect();
    assert_eq!(requests, [("use1-az1", 38), ("use1-az2", 2)]);
}

#[test]
fn adding_sums_by_counter_and_by_pair_of_zones() {
    let mut total = parse(TEXT);
    total.add(&parse(TEXT));
    assert_eq!(total.counter("lb_zone_routing_all_directly"), 82);
    assert_eq!(total.zone_requests.iter().map(|z| z.requests).sum::<u64>(), 80);
}

#[test]
fn only_the_very_script_is_recognized() {
    let script = Script { family: "az-aware-fe-service-ec2".to_owned() };
    let text = script.render();
    assert_eq!(recognize(&[&text]), Some(script.clone()));
    assert_eq!(recognize(&text.lines().collect::<Vec<_>>()), Some(script));
    assert_eq!(recognize(&[&text, "reboot"]), None);
    assert_eq!(recognize(&["uptime"]), None);
    let smuggled = Script { family: "x$(reboot)".to_owned() }.render();
    assert_eq!(recognize(&[&smuggled]), None);
}

/// SSM takes braces for parameters of its own.
#[test]
fn the_script_has_no_braces_left() {
    let text = Script { family: "f".to_owned() }.render();
    assert!(!text.contains("{{") && !text.contains("}}"), "{text}");
}

#[test]
fn a_proxy_that_cannot_be_asked_says_why_and_hides_no_other() {
    let output = format!("proxy arn:task/1\nfailed: curl: (7) Couldn't connect to server\nproxy arn:task/2\n{TEXT}");
    let proxies = script::parse(&output);
    assert!(proxies[0].1.as_ref().unwrap_err().contains("Couldn't connect"), "{proxies:?}");
    assert_eq!(proxies[1], ("arn:task/2".to_owned(), Ok(parse(TEXT))));
}

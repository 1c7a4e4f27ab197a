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
    assert_eq!(proxies.len(), 2);
    assert!(proxies[0].1.as_ref().unwrap_err().contains("Couldn't connect"), "{proxies:?}");
    assert_eq!(proxies[1], ("arn:task/2".to_owned(), Ok(parse(TEXT))));
}

/// As Envoy 1.40 answers to `/stats?type=Histograms&usedonly&histogram_buckets=detailed&filter=zone.*upstream_rq_time`.
const TIMES: &str = "\
cluster.backend.8090.zone.use1-az1.use1-az1.upstream_rq_time:
  totals=0,0:2, 1,0.1:5
  intervals=0,0:2, 1,0.1:5
  summary=P0(0,0) P25(1.05,1.05)
";

#[test]
fn histograms_come_last_and_half_a_line_of_them_counts_for_nothing() {
    let proxy = |task: &str| script::Proxy { task: task.to_owned(), stats: TEXT.to_owned(), times: TIMES.to_owned() };
    let output = script::answer(&[proxy("arn:task/1"), proxy("arn:task/2")]);
    let timed = |output: &str| -> Vec<u64> {
        let proxies = script::parse(output);
        let stats = proxies.iter().map(|(_, stats)| stats.as_ref().unwrap());
        stats
            .map(|stats| stats.times.values().filter_map(|times| times.summary()).map(|it| it.requests).sum())
            .collect()
    };
    assert_eq!(timed(&output), [7, 7], "{output}");
    // SSM cuts it off in the middle of the last count.
    let cut = output.trim_end().strip_suffix("5\nend").unwrap();
    assert_eq!(timed(cut), [7, 0], "{cut}");
    assert_eq!(script::parse(cut)[1].1.as_ref().unwrap().counter("lb_zone_routing_all_directly"), 41);
}

/// The script's own tools, on what Envoy answers.
#[test]
fn the_scripts_sed_makes_the_lines_that_are_read() {
    let script = Script { family: "f".to_owned() }.render();
    let program = script.split_once("sed -n '/^cluster").unwrap().1.split_once('\'').unwrap().0;
    let mut sed = std::process::Command::new("sed")
        .args(["-n", &format!("/^cluster{program}")])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut sed.stdin.take().unwrap(), TIMES.as_bytes()).unwrap();
    let made = String::from_utf8(sed.wait_with_output().unwrap().stdout).unwrap();
    let ours: String = zonewalk::envoy::times::lines(TIMES).map(|line| line + "\n").collect();
    assert_eq!(made, ours);
    assert_eq!(made, "cluster.backend.8090.zone.use1-az1.use1-az1.upstream_rq_time: 0,0:2, 1,0.1:5\n");
}

//! What can be changed while a mesh runs: the time between zones, and the proxies' runtime keys.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use zonewalk::cloud::Pace;
use zonewalk::commands::outcome::Outcome;
use zonewalk::commands::{compare, verify};
use zonewalk::mesh::transport::Transport;
use zonewalk::mesh::{Conditions, Links, Proxies};
use zonewalk::report::page::Page;
use zonewalk::routing::Runtime;
use zonewalk::stages::inventory;
use zonewalk::traffic::{Load, Verdict, drive};
use zonewalk::walkthrough::up;

use crate::envoy_sidecars::envoys;
use crate::machine::Machine;
use crate::mesh_stage::{Stage, ZONES, backend, frontend};
use crate::support::{context, settings, start_cloud};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_takes_the_links_time() {
    let stage = Stage::of(Proxies::Zonewalk, [backend(1), frontend(0)].into_iter()).await;
    // What it takes at least can be held, however busy the machine is.
    for (links, least) in [
        (Links { same_zone_ms: 0.0, cross_zone_ms: 40.0 }, Duration::from_millis(40)),
        (Links { same_zone_ms: 40.0, cross_zone_ms: 0.5 }, Duration::from_micros(500)),
    ] {
        stage.mesh.set_conditions(Conditions { links, ..Conditions::default() });
        let sent = Instant::now();
        let answer = stage.browser.get("/").await;
        let took = sent.elapsed();
        assert_eq!((answer.status.as_u16(), &answer.json["upstreamAvailabilityZoneId"]), (200, &ZONES[1].into()));
        assert!(took >= least, "{took:?} with {links:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_has_the_time_that_its_service_gives_it() {
    limited(Proxies::Zonewalk).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Envoy: tests/run.sh installs it"]
async fn a_request_has_the_time_that_its_service_gives_it_with_real_envoys() {
    limited(envoys()).await;
}

async fn limited(proxies: Proxies) {
    let limit = Transport { per_request_timeout: Some(Duration::from_secs(1)), ..Transport::default() };
    let tasks = [backend(1), frontend(0)].map(|mut task| {
        let connect = task.service_connect.as_mut().unwrap();
        connect.upstreams.iter_mut().for_each(|upstream| upstream.transport = limit.clone());
        task
    });
    let stage = Stage::of(proxies, tasks.into_iter()).await;
    for (seconds, status) in [(0.0, 200), (5.0, 504)] {
        let links = Links { same_zone_ms: 0.0, cross_zone_ms: seconds * 1_000.0 };
        stage.mesh.set_conditions(Conditions { links, ..Conditions::default() });
        let answer = stage.browser.get("/").await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.json);
    }
    assert_eq!(stage.counter("fe", "upstream_rq_timeout"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_runtime_keys_of_sidecars_apply_at_once() {
    switched_off_and_on(Proxies::Zonewalk).await;

    let stage = Stage::new(3, 5).await;
    assert!(crossed(&stage.matrix(30).await) > 0, "five are too few");
    let runtime = Runtime { min_cluster_size: Some(5), ..Runtime::NONE };
    stage.mesh.set_conditions(Conditions { runtime, ..Conditions::default() });
    // Five backends for three frontends: a zone with one backend keeps a part of what it sends.
    let before = stage.counter("fe", "lb_zone_cluster_too_small");
    stage.matrix(30).await;
    assert_eq!(stage.counter("fe", "lb_zone_cluster_too_small"), before);
    assert!(stage.counter("fe", "lb_zone_routing_all_directly") + stage.counter("fe", "lb_zone_routing_sampled") > 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Envoy: tests/run.sh installs it"]
async fn the_runtime_keys_of_real_envoys_apply_at_once() {
    switched_off_and_on(envoys()).await;
}

async fn switched_off_and_on(proxies: Proxies) {
    let stage = Stage::of(proxies, (0..6).map(backend).chain((0..3).map(frontend))).await;
    assert_eq!(crossed(&stage.matrix(30).await), 0);
    let set = async |percent| {
        let runtime = Runtime { zone_routing_enabled: percent, ..Runtime::NONE };
        stage.mesh.set_conditions(Conditions { runtime, ..Conditions::default() });
        stage.up_to_date().await;
    };
    set(Some(0)).await;
    // Round robin over six backends in three zones, from each of three frontends.
    assert_eq!(crossed(&stage.matrix(36).await), 24);
    set(None).await;
    assert_eq!(crossed(&stage.matrix(30).await), 0);
}

fn crossed(matrix: &BTreeMap<(String, String), u32>) -> u32 {
    matrix.iter().filter(|((frontend, backend), _)| frontend != backend).map(|(_, requests)| requests).sum()
}

#[test]
fn the_latency_is_compared_with_zone_aware_routing_and_without() {
    let machine = Machine::new();
    machine.json(&["up", "--local", "--output", "json"]);
    // So far that what this machine takes does not matter.
    let mesh = machine.json(&["local", "mesh", "--cross-zone", "60ms", "--output", "json"]);
    let compared = machine.json(&["verify", "--local", "--compare", "--output", "json"]);
    assert_eq!(compared["verdict"], "pass", "{compared}");
    let [on, off] = ["on", "off"].map(|side| &compared[side]);
    assert_eq!((&on["same_zone_share"], &on["zone_aware_routing"]["state"]), (&1.0.into(), &"on".into()));
    assert_eq!((&off["as_predicted"], &off["errors"]), (&true.into(), &0.into()), "{off}");
    let median = |side: &serde_json::Value| side["latency_ms"]["all"]["p50"].as_f64().unwrap();
    let change = compared["median_change"].as_f64().unwrap();
    assert!((change - (median(on) / median(off) - 1.0)).abs() < 1e-9, "{compared}");
    let share = off["same_zone_share"].as_f64().unwrap();
    let links = 0.35 / (share * 0.35 + (1.0 - share) * 60.0) - 1.0;
    assert!((compared["links_change"].as_f64().unwrap() - links).abs() < 1e-9, "{compared}");
    // The proxies' own clocks say the same, without this machine's part in it.
    let timed = &compared["by_proxies"];
    let mean = |kind: &str| timed[kind]["mean_ms"].as_f64().unwrap();
    assert!(mean("same_zone") < 50.0 && mean("cross_zone") > 60.0, "{timed}");
    assert!(timed["mean_change"].as_f64().unwrap() < -0.3, "{timed}");
    // All is as it was.
    assert_eq!(machine.json(&["local", "mesh", "--output", "json"]), mesh);
    let verify = machine.json(&["verify", "--local", "--output", "json"]);
    assert_eq!(verify["same_zone_share"], 1.0, "{verify}");
    machine.json(&["down", "--local", "--output", "json"]);
}

/// AWS has no switch for it: there the traffic is sent once, and the proxies' clocks tell of both kinds of requests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_it_cannot_be_switched_off_the_proxies_clocks_are_shown() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    up(&ctx).await.unwrap();
    let options = verify::Options::default();
    let own_only = compare::with_it_alone(&ctx, options).await.unwrap();
    assert_eq!((own_only.verdict, own_only.off.is_none(), own_only.median_change), (Verdict::Pass, true, None));
    let timed = own_only.by_proxies.as_ref().unwrap();
    assert!(timed.same_zone.unwrap().requests >= 200 && timed.cross_zone.is_none(), "{timed:?}");
    let text = own_only.text(&Page::default());
    assert!(text.contains("AWS has no switch") && text.contains("none to another") && text.contains("24%"), "{text}");
    // Below the threshold requests cross zones, and are timed.
    let mut conditions = cloud.operator().conditions();
    (conditions.links.cross_zone_ms, conditions.runtime.min_cluster_size) = (60.0, Some(7));
    cloud.operator().set_conditions(conditions);
    let url = inventory::find_load_balancer_url(&ctx).await.unwrap().unwrap();
    let load = Load { url, requests: Some(60), concurrency: 8, ..Load::default() };
    drive(&load, &ctx.cancel, |_| ()).await.unwrap();
    conditions.runtime.min_cluster_size = None;
    cloud.operator().set_conditions(conditions);
    let both = compare::with_it_alone(&ctx, options).await.unwrap();
    let timed = both.by_proxies.as_ref().unwrap();
    assert!(timed.cross_zone.unwrap().mean_ms > 60.0 && timed.mean_change.unwrap() < -0.3, "{timed:?}");
    let growth = both.on.proxy_times.unwrap();
    assert_eq!(growth.iter().map(|times| times.summary.requests).sum::<u64>(), 200, "{growth:?}");
    assert!(growth.iter().all(|times| times.frontend == times.backend), "{growth:?}");
    cloud.shutdown().await;
}

#[test]
fn a_running_local_cloud_is_told_its_conditions() {
    let machine = Machine::new();
    machine.json(&["up", "--local", "--output", "json"]);
    let mesh = |options: &[&str]| machine.json(&[&["local", "mesh", "--output", "json"], options].concat());
    let new = mesh(&[]);
    let expected = serde_json::json!(
        { "same_zone_ms": 0.35, "cross_zone_ms": 1.5, "routing_enabled": 100, "min_cluster_size": 6 });
    assert_eq!(new, expected);
    let other = mesh(&["--cross-zone", "700us", "--routing-enabled", "0"]);
    assert_eq!((&other["cross_zone_ms"], &other["routing_enabled"]), (&0.7.into(), &0.into()), "{other}");
    assert_eq!(mesh(&[]), other);
    assert_eq!(mesh(&["--reset"]), expected);
    machine.json(&["down", "--local", "--output", "json"]);
}

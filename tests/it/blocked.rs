//! What a mesh does where nothing gets through, as behind a security group that lets nothing in: each hop of a request, with our
//! own proxies and with Envoys.

use std::collections::BTreeSet;
use std::net::SocketAddrV4;
use std::time::Duration;

use hyper::StatusCode;
use tokio::net::TcpStream;
use zonewalk::mesh::topology::{HealthCheck, Target, Task};
use zonewalk::mesh::{Proxies, TargetHealth, UnhealthyReason};

use crate::envoy_sidecars::envoys;
use crate::mesh_stage::{Answer, Stage, TARGET_GROUP, ZONES, backend, eventually, frontend};

/// Frequent health checks, of which two change a target's health.
fn quick() -> HealthCheck {
    let interval = Duration::from_millis(5);
    HealthCheck { path: "/ping".to_owned(), interval, healthy_threshold: 2, ..HealthCheck::default() }
}

fn targets(stage: &mut Stage) -> &mut Vec<Target> {
    &mut stage.topology.load_balancers[0].target_group.as_mut().unwrap().targets
}

async fn until_health(stage: &Stage, number: u32, health: TargetHealth) {
    let ip = frontend(number).private_ip;
    eventually(|| stage.mesh.target_health(TARGET_GROUP, ip, 8080) == Some(health)).await;
}

/// The addresses of these backends.
fn addresses(backends: impl Iterator<Item = u32>) -> BTreeSet<SocketAddrV4> {
    backends.map(|number| SocketAddrV4::new(backend(number).private_ip, 8090)).collect()
}

fn frontends(stage: &mut Stage) -> impl Iterator<Item = &mut Task> {
    stage.topology.tasks.iter_mut().filter(|task| task.family == "fe")
}

async fn apply(stage: &Stage) {
    stage.apply();
    stage.up_to_date().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_blocked_times_out_and_one_by_one_they_come_back() {
    const TIMED_OUT: TargetHealth = TargetHealth::Unhealthy { reason: UnhealthyReason::Timeout };
    let mut stage = Stage::new(3, 6).await.with_targets(quick()).settled().await;
    targets(&mut stage)[1].blocked = true;
    stage.apply();
    until_health(&stage, 1, TIMED_OUT).await;
    until_health(&stage, 0, TargetHealth::Healthy).await;
    assert!(stage.matrix(20).await.keys().all(|(from, _)| from != ZONES[1]));

    targets(&mut stage).iter_mut().for_each(|target| target.blocked = true);
    stage.apply();
    for number in [0, 2] {
        until_health(&stage, number, TIMED_OUT).await;
    }
    // It fails open, to targets that it cannot connect to.
    let Answer { status, json } = stage.browser.get("/").await;
    assert_eq!((status, json.as_str().unwrap().contains("504 Gateway Time-out")), (StatusCode::GATEWAY_TIMEOUT, true));

    targets(&mut stage).iter_mut().for_each(|target| target.blocked = false);
    stage.apply();
    for number in 0..3 {
        until_health(&stage, number, TargetHealth::Healthy).await;
    }
    assert_eq!(stage.matrix(30).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_stand_when_a_hop_is_blocked_are_used_on() {
    let mut stage = Stage::new(3, 6).await;
    stage.matrix(60).await;
    let hour = Duration::from_secs(3600);
    stage.topology.load_balancers[0].patience.idle = hour;
    targets(&mut stage).iter_mut().for_each(|target| target.blocked = true);
    frontends(&mut stage).for_each(|task| {
        task.blocked = addresses(0..6);
        task.service_connect.as_mut().unwrap().patience.idle = hour;
    });
    stage.apply();
    stage.matrix(60).await;
    assert_eq!(stage.counter("fe", "upstream_cx_connect_timeout"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_of_a_blocked_load_balancer_hear_nothing_until_it_is_open_again() {
    let mut stage = Stage::new(3, 6).await;
    let address = stage.browser.load_balancer;
    for _ in 0..2 {
        stage.matrix(3).await;
        stage.topology.load_balancers[0].blocked = true;
        stage.apply();
        // Until its queue is full, one may be let in that nobody takes, or that was in the server's queue and is reset.
        let mut early = vec![];
        while let Ok(connected) = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
            early.push(connected);
            assert!(early.len() < 1_000, "the queue has an end");
        }
        let waiting = tokio::spawn(TcpStream::connect(address));
        stage.topology.load_balancers[0].blocked = false;
        stage.apply();
        waiting.await.unwrap().expect("what is tried again gets through");
    }
    assert_eq!(stage.matrix(30).await.len(), 3);
    stage.topology.load_balancers[0].blocked = true;
    stage.apply();
    stage.topology.load_balancers.clear();
    stage.apply();
    eventually(|| std::net::TcpStream::connect(address).is_err()).await;
}

async fn a_backend_that_is_blocked_is_retried_around_and_then_left_out(proxies: Proxies) {
    let mut stage = Stage::of(proxies, (0..6).map(backend).chain((0..6).map(frontend))).await;
    frontends(&mut stage).for_each(|task| task.blocked = addresses(5..6));
    apply(&stage).await;
    stage.matrix(72).await;
    // Only the two frontends in its zone have met it, five times each.
    assert_eq!(stage.counter("fe", "upstream_cx_connect_timeout"), 10);
    assert_eq!((stage.counter("fe", "upstream_rq_retry"), stage.counter("fe", "upstream_rq_retry_success")), (10, 10));
    assert_eq!(stage.counter("fe", "outlier_detection.ejections_active"), 2);
    assert_eq!(stage.counter("fe", "upstream_rq_5xx"), 0);
}

async fn frontends_whose_backends_are_blocked_answer_503_until_they_are_not(proxies: Proxies) {
    let mut stage = Stage::of(proxies, (0..6).map(backend).chain((0..3).map(frontend))).await;
    stage.matrix(3).await;
    frontends(&mut stage).for_each(|task| task.blocked = addresses(0..6));
    apply(&stage).await;
    let Answer { status, json } = stage.browser.get("/").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let error = json["error"].as_str().unwrap();
    assert!(error.ends_with("retried and the latest reset reason: connection timeout"), "{error}");
    assert_eq!(stage.counter("fe", "upstream_cx_connect_timeout"), 3);
    assert_eq!(stage.counter("fe", "membership_total"), 18);

    frontends(&mut stage).for_each(|task| task.blocked.clear());
    apply(&stage).await;
    let matrix = stage.matrix(60).await;
    assert!(matrix.keys().all(|(from, to)| from == to), "{matrix:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocked_backend_is_left_out_by_our_proxies() {
    a_backend_that_is_blocked_is_retried_around_and_then_left_out(Proxies::Zonewalk).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Envoy: tests/run.sh installs it"]
async fn a_blocked_backend_is_left_out_by_envoys() {
    a_backend_that_is_blocked_is_retried_around_and_then_left_out(envoys()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocked_backends_are_answered_for_by_our_proxies() {
    frontends_whose_backends_are_blocked_answer_503_until_they_are_not(Proxies::Zonewalk).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Envoy: tests/run.sh installs it"]
async fn blocked_backends_are_answered_for_by_envoys() {
    frontends_whose_backends_are_blocked_answer_503_until_they_are_not(envoys()).await;
}

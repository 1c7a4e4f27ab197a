//! The local data plane as a client of its load balancer sees it: the article's two services in three zones.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hyper::StatusCode;
use zonewalk::mesh::topology::{HealthCheck, Target, Topology};
use zonewalk::mesh::{Proxies, TargetHealth, UnhealthyReason};

use crate::mesh_stage::{Answer, LOAD_BALANCER, Stage, TARGET_GROUP, ZONES, backend, eventually, frontend};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn balanced_services_stay_in_their_zones_and_the_counters_say_so() {
    let stage = Stage::new(6, 6).await;
    let matrix = stage.matrix(60).await;
    let expected = ZONES.map(|zone| ((zone.to_owned(), zone.to_owned()), 20));
    assert_eq!(matrix, BTreeMap::from(expected));
    assert_eq!(stage.counter("fe", "lb_zone_routing_all_directly"), 60);
    assert_eq!(stage.counter("fe", "lb_zone_routing_cross_zone"), 0);
    for zone in ZONES {
        assert_eq!(stage.counter("fe", &format!("zone.{zone}.{zone}.upstream_rq_200")), 20);
    }
    assert_eq!(stage.counter("fe", "membership_total"), 36);
    assert_eq!(stage.counter("fe", "membership_healthy"), 36);
    assert_eq!(stage.counter("fe", "upstream_rq_completed"), 60);
    assert_eq!(stage.counter("fe", "upstream_rq_retry"), 0);
    // A connection per endpoint in the own zone and no more: they are used again.
    assert_eq!(stage.counter("fe", "upstream_cx_total"), 12);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn below_the_threshold_requests_cross_zones_and_the_counters_stand_still() {
    let mut stage = Stage::new(6, 6).await;
    stage
        .topology
        .tasks
        .retain(|task| task.family == "fe" || ["backend0", "backend1"].iter().any(|name| task.arn.ends_with(name)));
    stage.apply();
    let matrix = stage.matrix(60).await;
    let of = |pick: &dyn Fn(&str, &str) -> bool| -> u32 {
        matrix.iter().filter(|((from, to), _)| pick(from, to)).map(|(_, requests)| requests).sum()
    };
    // Plain round-robin over two backends, whatever the frontend's zone.
    assert_eq!((of(&|_, to| to == ZONES[0]), of(&|_, to| to == ZONES[1])), (30, 30));
    assert_eq!(of(&|from, to| from == to), 20);
    assert_eq!(stage.counter("fe", "lb_zone_routing_all_directly"), 0);
    assert!(stage.counter("fe", "lb_zone_cluster_too_small") > 0);

    stage.topology.tasks.extend((2..6).map(backend));
    stage.apply();
    assert!(stage.matrix(60).await.keys().all(|(from, to)| from == to));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_backend_is_retried_around_and_then_left_out() {
    let mut stage = Stage::new(6, 6).await;
    // Its container listens on another port than the task definition says: its sidecar answers 503.
    let broken = stage.topology.tasks.iter_mut().find(|task| task.arn.ends_with("backend5")).unwrap();
    broken.command[1] = "-port=9999".to_owned();
    broken.arn.push_str("-replaced");
    stage.apply();
    stage.matrix(120).await;
    // Only the two frontends in its zone have met it, five times each.
    assert_eq!(stage.counter("fe", "outlier_detection.ejections_active"), 2);
    assert_eq!(stage.counter("fe", "outlier_detection.ejections_enforced_total"), 2);
    assert_eq!(stage.counter("fe", "upstream_rq_retry"), 10);
    assert_eq!(stage.counter("fe", "upstream_rq_retry_success"), 10);
    assert_eq!(stage.counter("fe", "membership_healthy"), 34);
    assert_eq!(stage.counter("fe", "upstream_rq_5xx"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_backend_the_frontend_answers_its_proxys_503() {
    let mut stage = Stage::new(3, 6).await;
    stage.topology.tasks.retain(|task| task.family == "fe");
    stage.apply();
    let Answer { status, json } = stage.browser.get("/").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(json["error"], "upstream answered 503 Service Unavailable: no healthy upstream");
    assert_eq!(stage.counter("fe", "upstream_cx_none_healthy"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn regions_and_namespaces_do_not_mix_and_who_drains_is_not_there() {
    let mut stage = Stage::new(6, 6).await;
    let [mut abroad, mut apart, mut draining] = [6, 7, 8].map(backend);
    let mut frontend = frontend(6);
    abroad.region = "eu-west-1".to_owned();
    frontend.region = "eu-west-1".to_owned();
    apart.service_connect.as_mut().unwrap().namespace = "other".to_owned();
    draining.draining = true;
    // The local cluster is the ECS service, whatever its tasks offer.
    for task in stage.topology.tasks.iter_mut().filter(|task| task.family == "fe") {
        task.service_connect.as_mut().unwrap().services.clear();
    }
    stage.topology.tasks.extend([abroad, frontend, apart, draining]);
    stage.apply();
    // Six times six here, and one and one abroad.
    assert_eq!(stage.counter("fe", "membership_total"), 37);
    assert!(stage.matrix(60).await.keys().all(|(from, to)| from == to));
    assert_eq!(stage.counter("fe", "lb_zone_routing_all_directly"), 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alias_on_port_80_is_called_without_its_port_too() {
    for port in ["", ":80"] {
        let mut frontend = frontend(0);
        frontend.service_connect.as_mut().unwrap().upstreams[0].alias.port = 80;
        frontend.command[4] =
            format!(r#"-routes=[{{"destination":"http://sc.test.az.aware.backend{port}","method":"Egress"}}]"#);
        let stage = Stage::of(Proxies::Zonewalk, (0..6).map(backend).chain([frontend])).await;
        stage.matrix(6).await;
    }
}

/// Scales the backend down and up again under load, each time in the way given.
async fn scales_under_load(leave: fn(&mut Topology, &str)) {
    const REQUESTS: u32 = 600;
    const WORKERS: u32 = 6;
    let mut stage = Stage::new(3, 6).await;
    let sent = Arc::new(AtomicU32::new(0));
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let (browser, sent) = (stage.browser.clone(), sent.clone());
            tokio::spawn(async move {
                while sent.fetch_add(1, Ordering::Relaxed) < REQUESTS {
                    let Answer { status, json } = browser.get("/").await;
                    assert_eq!(status, StatusCode::OK, "{json}");
                }
            })
        })
        .collect();
    for round in 1..=5 {
        eventually(|| sent.load(Ordering::Relaxed) >= round * REQUESTS / 6).await;
        let leaving = format!("backend{round}");
        leave(&mut stage.topology, &leaving);
        stage.apply();
        eventually(|| sent.load(Ordering::Relaxed) >= round * REQUESTS / 6 + 30).await;
        stage.topology.tasks.retain(|task| !task.arn.ends_with(&leaving));
        stage.topology.tasks.push(backend(round + 5 * 6));
        stage.apply();
    }
    for worker in workers {
        worker.await.unwrap();
    }
    assert_eq!(stage.counter("fe", "upstream_rq_5xx"), 0);
    stage.mesh.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_drains_and_leaves_loses_no_request() {
    scales_under_load(|topology, leaving| {
        topology.tasks.iter_mut().filter(|task| task.arn.ends_with(leaving)).for_each(|task| task.draining = true);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_just_leaves_loses_no_request() {
    scales_under_load(|topology, leaving| topology.tasks.retain(|task| !task.arn.ends_with(leaving))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unhealthy_target_is_left_and_comes_back() {
    let quick = HealthCheck {
        path: "/ping".to_owned(),
        interval: Duration::from_millis(5),
        healthy_threshold: 2,
        ..HealthCheck::default()
    };
    let mut stage = Stage::new(3, 6).await;
    stage.topology.tasks.iter_mut().find(|task| task.arn.ends_with("fe1")).unwrap().command[1] =
        "-port=9999".to_owned();
    stage.topology.tasks.iter_mut().find(|task| task.arn.ends_with("fe1")).unwrap().arn.push_str("-replaced");
    let stage = stage.with_targets(quick).settled().await;
    let unhealthy = |stage: &Stage, number| stage.mesh.target_health(TARGET_GROUP, frontend(number).private_ip, 8080);
    let reason = UnhealthyReason::ResponseCodeMismatch(503);
    assert_eq!(unhealthy(&stage, 1), Some(TargetHealth::Unhealthy { reason }));
    assert_eq!(
        (reason.code(), reason.to_string().as_str()),
        ("Target.ResponseCodeMismatch", "Health checks failed with these codes: [503]")
    );
    assert_eq!(unhealthy(&stage, 0), Some(TargetHealth::Healthy));
    let matrix = stage.matrix(20).await;
    assert!(matrix.keys().all(|(from, _)| from != ZONES[1]), "{matrix:?}");

    let mut stage = stage;
    stage.topology.tasks.retain(|task| !task.arn.ends_with("fe1-replaced"));
    stage.topology.tasks.push(frontend(1));
    stage.apply();
    eventually(|| unhealthy(&stage, 1) == Some(TargetHealth::Healthy)).await;
    assert_eq!(stage.matrix(30).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_health_check_passes_with_the_codes_of_its_matcher_only() {
    let mut stage = Stage::new(1, 6).await;
    for (matcher, expected) in [
        ("200-299,404", TargetHealth::Healthy),
        ("200-299", TargetHealth::Unhealthy { reason: UnhealthyReason::ResponseCodeMismatch(404) }),
    ] {
        let matcher = matcher.parse().unwrap();
        let interval = Duration::from_millis(5);
        let check = HealthCheck { path: "/missing".to_owned(), matcher, interval, ..HealthCheck::default() };
        stage = stage.with_targets(check).settled().await;
        assert_eq!(stage.mesh.target_health(TARGET_GROUP, frontend(0).private_ip, 8080), Some(expected));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_load_balancer_answers_for_targets_that_do_not() {
    let mut stage = Stage::new(1, 6).await;
    let nowhere = Target { ip: Ipv4Addr::new(172, 31, 9, 9), port: 8080, in_service: true, blocked: false };
    let refusing = Target { ip: frontend(0).private_ip, port: 9999, in_service: true, blocked: false };
    for (targets, expected) in [
        (vec![], StatusCode::SERVICE_UNAVAILABLE),
        (vec![Target { in_service: false, ..nowhere }], StatusCode::SERVICE_UNAVAILABLE),
        // No healthy target: it fails open to the unhealthy ones.
        (vec![nowhere], StatusCode::GATEWAY_TIMEOUT),
        (vec![refusing], StatusCode::BAD_GATEWAY),
    ] {
        stage.topology.load_balancers[0].target_group.as_mut().unwrap().targets = targets;
        stage.apply();
        let Answer { status, json } = stage.browser.get("/").await;
        assert_eq!(status, expected);
        assert!(json.as_str().unwrap().contains(expected.as_str()), "{json}");
    }
    stage.topology.load_balancers[0].target_group = None;
    stage.apply();
    assert_eq!(stage.browser.get("/").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_the_app_does_not_understand_fails_its_task_only() {
    let mut stage = Stage::new(3, 6).await;
    let mut broken = backend(6);
    broken.command = vec!["server".to_owned(), "-port=8090".to_owned(), "-unknown".to_owned()];
    let arn = broken.arn.clone();
    stage.topology.tasks.push(broken);
    stage.apply();
    assert_eq!(stage.mesh.task_failure(&arn).unwrap().reason(), "flag provided but not defined: -unknown");
    assert_eq!(stage.mesh.envoy_stats(&arn), None);
    assert_eq!(stage.mesh.task_failure(&backend(0).arn), None);
    stage.topology.tasks.retain(|task| task.arn != arn);
    assert_eq!(stage.counter("fe", "membership_total"), 18);
    stage.apply();
    assert_eq!(stage.mesh.task_failure(&arn), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_the_articles_is_answered_for_on_its_ports() {
    let mut stage = Stage::new(3, 6).await;
    let mut other = frontend(7);
    (other.command, other.plain_ports) = (vec![], vec![8080, 9090]);
    stage.topology.tasks.push(other.clone());
    // The port that it offers over Service Connect, and another.
    for port in [8080, 9090] {
        let target = Target { ip: other.private_ip, port, in_service: true, blocked: false };
        stage.topology.load_balancers[0].target_group.as_mut().unwrap().targets = vec![target];
        stage.apply();
        stage = stage.settled().await;
        let Answer { status, json } = stage.browser.get("/any/path").await;
        assert_eq!(status, StatusCode::OK, "{json}");
        assert!(json.as_str().unwrap().starts_with("fe in use1-az2: containers are not run here"), "{json}");
    }
    assert_eq!(stage.mesh.task_failure(&other.arn), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_load_balancer_and_a_stopped_mesh_refuse_connections() {
    let mut stage = Stage::new(3, 6).await;
    let refuses = |address: SocketAddr| move || std::net::TcpStream::connect(address).is_err();
    assert_eq!(stage.mesh.open_load_balancer(LOAD_BALANCER).unwrap(), stage.browser.load_balancer);
    // One that no topology has had is only just being made.
    let young =
        stage.mesh.open_load_balancer("arn:aws:elasticloadbalancing:us-east-1:0:loadbalancer/app/young/1").unwrap();
    stage.topology.load_balancers.clear();
    stage.apply();
    eventually(refuses(stage.browser.load_balancer)).await;
    assert!(!refuses(young)());
    stage.mesh.shutdown().await;
    eventually(refuses(young)).await;
}

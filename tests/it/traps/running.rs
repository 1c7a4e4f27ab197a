//! Traps of what runs: counters that prove nothing, thresholds, deployments, logs.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_ecs::types::DeploymentConfiguration;
use zonewalk::commands::{failover, stats, verify};
use zonewalk::envoy::script::{self, Script};
use zonewalk::envoy::stats::{is_zone_line, parse};
use zonewalk::events::PhaseName;
use zonewalk::routing::{PredictedState, Topology, predict};
use zonewalk::stages::{inventory, run_command};
use zonewalk::traffic::Verdict;
use zonewalk::walkthrough::up;

use super::{Walk, article};

/// Few requests: what is asked of them is all or nothing.
const TRAFFIC: verify::Traffic = verify::Traffic::of(60, 4);

#[test]
fn trap_03_both_families_of_zone_counters_are_read() {
    let text = "cluster.backend.lb_zone_routing_all_directly: 7\n\
                cluster.backend.lb_zone_routing_cross_zone: 0\n\
                cluster.backend.zone.use1-az1.use1-az2.upstream_rq_completed: 3\n\
                cluster.backend.upstream_rq_total: 10\n";
    let articles: Vec<_> = text.lines().filter(|line| line.contains("zone.")).collect();
    assert_eq!(articles.len(), 1, "grep \"zone\\.\" hides the counters that the article then explains");
    assert_eq!(text.lines().filter(|line| is_zone_line(line)).count(), 3);
    let stats = parse(text);
    assert_eq!((stats.counter("lb_zone_routing_all_directly"), stats.zone_requests[0].requests), (7, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_04_a_cross_zone_counter_of_zero_is_no_proof() {
    let walk = Walk::up(3).await;
    let stats = stats::run(&walk.ctx, TRAFFIC).await.unwrap();
    assert_eq!(stats.totals.growth.get("lb_zone_routing_cross_zone").copied().unwrap_or(0), 0);
    let crossed: u64 = stats.totals.zone_requests.iter().filter(|cell| cell.from != cell.to).map(|c| c.requests).sum();
    assert!(crossed > 0, "requests cross zones all the same");
    assert_eq!(stats.verdict, Some(Verdict::Fail), "{:?}", stats.reasons);
    walk.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_05_the_proxies_of_frontends_are_asked_not_those_of_any_instance() {
    let walk = Walk::up(6).await;
    let stats = stats::run(&walk.ctx, TRAFFIC).await.unwrap();
    let frontends = inventory::find_frontend_tasks(&walk.ctx).await.unwrap();
    let asked: Vec<_> = stats.proxies.iter().map(|proxy| proxy.task.as_str()).collect();
    assert_eq!(asked, frontends.iter().map(|task| task.arn.as_str()).collect::<Vec<_>>());

    // The article's step asks some instance, which may run a backend: nothing of what it shows moves.
    let hosts = inventory::find_container_hosts(&walk.ctx).await.unwrap();
    let without_frontend = hosts.iter().map(|host| host.place.ec2_instance_id.clone());
    let host = without_frontend.into_iter().find(|host| frontends.iter().all(|task| task.ec2_instance_id != *host));
    let script = Script { family: walk.ctx.names.backend.service.clone() }.render();
    let host = async || Ok(vec![host.clone().unwrap()]);
    let runs = run_command::run_script(&walk.ctx, host, &script, Duration::from_secs(60)).await.unwrap();
    let backends = script::parse(&runs[0].output);
    assert_eq!(backends.len(), 1);
    let stats = backends[0].1.as_ref().unwrap();
    assert_eq!((stats.zone_requests.as_slice(), stats.counter("lb_zone_routing_all_directly")), (&[][..], 0));
    walk.end().await;
}

fn zones(counts: &[(&str, u32)]) -> BTreeMap<String, u32> {
    counts.iter().map(|(zone, count)| ((*zone).to_owned(), *count)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_06_two_backends_switch_zone_routing_off_from_every_zone() {
    let walk = Walk::up(6).await;
    let verify = verify::Options { traffic: TRAFFIC, ..verify::Options::default() };
    let options = failover::Options {
        drill: failover::Drill::Scale { to: 2 },
        max_errors: failover::MAX_ERRORS,
        restore: false,
        verify,
    };
    let failover = failover::run(&walk.ctx, options).await.unwrap();
    let failed_over = failover.phases.iter().find(|phase| phase.phase == PhaseName::FailedOver).unwrap();
    assert_eq!(failed_over.result.expected.state, Some(PredictedState::NoLocalityRouting));
    assert!(failed_over.result.as_predicted, "{:?}", failed_over.result.reasons);
    let crosses = |zone: &str| {
        failed_over.result.matrix.iter().any(|cell| cell.frontend == zone && cell.backend != zone && cell.requests > 0)
    };
    let frontends = inventory::tasks_by_zone(&walk.ctx, &walk.ctx.names.frontend.service).await.unwrap();
    assert!(frontends.keys().all(|zone| crosses(zone.as_str())), "{:?}", failed_over.result.matrix);
    walk.end().await;

    // True spillover needs the threshold held by two zones: then only the empty zone's frontends leave theirs.
    let frontends = zones(&[("a", 2), ("b", 2), ("c", 2)]);
    let backends = zones(&[("a", 3), ("b", 3), ("c", 0)]);
    let states = ["a", "b", "c"].map(|zone| predict(&Topology::healthy(zone, &frontends, &backends)));
    assert_eq!(states[0].zone_share["a"], 1.0);
    assert_eq!(states[2].state, PredictedState::LocalityResidual);
    assert_eq!(states[2].zone_share["c"], 0.0);
}

#[test]
fn trap_07_six_endpoints_are_just_the_threshold() {
    let frontends = zones(&[("a", 2), ("b", 2), ("c", 2)]);
    let with = |in_c| predict(&Topology::healthy("a", &frontends, &zones(&[("a", 2), ("b", 2), ("c", in_c)])));
    assert_eq!(with(2).state, PredictedState::LocalityDirect);
    let ejected = with(1);
    assert_eq!(ejected.state, PredictedState::NoLocalityRouting);
    assert!(ejected.reason.contains('6'), "{}", ejected.reason);
}

#[tokio::test]
async fn trap_08_a_deployment_finishes_without_spare_instances() {
    let walk = Walk::up(3).await;
    let (ecs, names) = (&walk.ctx.clients.ecs, &walk.ctx.names);
    let articles = DeploymentConfiguration::builder().minimum_healthy_percent(100).maximum_percent(200).build();
    let update = ecs.update_service().cluster(&names.cluster).service(&names.backend.service);
    update.deployment_configuration(articles).force_new_deployment(true).send().await.unwrap();
    let service = async || {
        let found = ecs.describe_services().cluster(&names.cluster).services(&names.backend.service).send().await;
        found.unwrap().services.unwrap().remove(0)
    };
    let stalled = service().await;
    assert_eq!(stalled.deployments().len(), 2, "no instance is free for a first task of the new deployment");
    assert!(stalled.events()[0].message().unwrap().contains("unable to place a task"), "{:?}", stalled.events()[0]);

    up(&walk.ctx).await.unwrap();
    assert_eq!(service().await.deployments().len(), 1);
    walk.end().await;
}

#[tokio::test]
async fn trap_09_log_groups_stand_before_the_first_task() {
    let step = article("step-07-services");
    assert!(step.contains("service-connect") && !step.contains("awslogs-create-group"), "the article has learned it");
    let walk = Walk::up(1).await;
    assert!(walk.first_call("logs:CreateLogGroup") < walk.first_call("ecs:CreateService"));
    let groups = walk.ctx.clients.logs.describe_log_groups().send().await.unwrap();
    let groups: Vec<_> = groups.log_groups().iter().filter_map(|group| group.log_group_name()).collect();
    let ecs = &walk.ctx.clients.ecs;
    for service in [&walk.ctx.names.backend, &walk.ctx.names.frontend] {
        let found = ecs.describe_services().cluster(&walk.ctx.names.cluster).services(&service.service).send().await;
        let found = found.unwrap().services.unwrap().remove(0);
        let connect = found.deployments()[0].service_connect_configuration().unwrap();
        let options = connect.log_configuration().unwrap().options().unwrap();
        assert!(groups.contains(&options["awslogs-group"].as_str()), "{options:?}");
    }
    walk.end().await;
}

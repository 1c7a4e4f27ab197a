//! The walkthrough with network mode bridge: targets that are instances, host ports, several tasks on one instance, and that a
//! walkthrough stays with the mode that it was made with.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use zonewalk::cloud::Pace;
use zonewalk::commands::doctor;
use zonewalk::commands::verify::{self, Traffic};
use zonewalk::settings::{LaunchType, NetworkMode, Settings};
use zonewalk::stages::finding::{Check, Level};
use zonewalk::walkthrough::{down, up};

use crate::machine::Machine;
use crate::support::{context, settings, start_cloud};

const BRIDGED: [&str; 3] = ["--local", "--network-mode", "bridge"];

fn bridged() -> Settings {
    Settings { network_mode: Some(NetworkMode::Bridge), ..settings() }
}

fn assert_whole_walkthrough(all: &Value) {
    let steps: Vec<_> = all["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["up", "status", "verify", "failover", "stats", "down"]);
    let names = all["up"]["resources"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap());
    let rules: Vec<_> = names.filter(|name| name.ends_with("tcp 32768-65535")).collect();
    assert_eq!(rules, ["lb → client tcp 32768-65535", "client → server tcp 32768-65535"]);
    for service in all["status"]["services"].as_array().unwrap() {
        assert_eq!((&service["network_mode"], &service["running"]), (&"bridge".into(), &6.into()), "{service}");
        assert!(service["tasks"].as_array().unwrap().iter().all(|task| task["address"].is_null()), "{service}");
    }
    assert_eq!(all["status"]["zone_aware_routing"]["state"], "on");
    assert_eq!((&all["verify"]["same_zone_share"], &all["verify"]["verdict"]), (&1.0.into(), &"pass".into()));
    assert_eq!(all["verify"]["zone_aware_routing"]["counters_not_read"], Value::Null, "{}", all["verify"]);
    assert_eq!((&all["failover"]["errors"], &all["failover"]["restored"]), (&0.into(), &true.into()));
    assert_eq!(all["stats"]["proxies"].as_array().unwrap().len(), 6, "{}", all["stats"]);
    assert_eq!(all["down"]["leftovers"], serde_json::json!([]));
}

#[test]
fn the_whole_walkthrough_with_network_mode_bridge() {
    let machine = Machine::new();
    assert_whole_walkthrough(&machine.json(&[&["walkthrough", "--output", "json"][..], &BRIDGED].concat()));
}

#[test]
#[ignore = "needs Envoy: tests/run.sh installs it"]
fn the_whole_walkthrough_with_network_mode_bridge_and_real_envoys() {
    let machine = Machine::with("ENVOY_BIN", &crate::envoy_peer::binary());
    let args = [&["walkthrough", "--proxy", "envoy", "--output", "json"][..], &BRIDGED].concat();
    assert_whole_walkthrough(&machine.json(&args));
}

/// Only `up` is told of it: the others look.
#[test]
fn commands_know_the_network_mode_that_stands() {
    let machine = Machine::new();
    let json = |args: &[&str]| machine.json(&[args, &["--local", "--output", "json"]].concat());
    let said = |args: &[&str]| {
        let output = machine.zonewalk(&[args, &["--local"]].concat());
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (code, text) = said(&["up", "--network-mode", "bridge", "--launch-type", "fargate"]);
    assert!(code == Some(3) && text.contains("Fargate knows no network mode but awsvpc"), "{code:?} {text}");
    json(&["up", "--network-mode", "bridge"]);
    let again = json(&["up"]);
    assert!(again["resources"].as_array().unwrap().iter().all(|it| it["action"] == "unchanged"), "{again}");
    let status = json(&["status"]);
    assert_eq!((&status["drift"], &status["problems"]), (&serde_json::json!([]), &serde_json::json!([])), "{status}");
    for drill in ["spillover", "zone-loss"] {
        let failover = json(&["failover", drill]);
        assert_eq!(failover["verdict"], "pass", "{drill}: {failover}");
    }
    let (code, text) = said(&["up", "--network-mode", "awsvpc"]);
    assert!(code == Some(3) && text.contains("the services have network mode bridge"), "{code:?} {text}");
    let (_, text) = said(&["status"]);
    assert!(text.contains("network mode bridge"), "{text}");
    assert_eq!(json(&["down"])["leftovers"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_tasks_on_one_instance_are_told_apart() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, Settings { instance_type: "t3.large".to_owned(), ..bridged() }).await;
    up(&ctx).await.unwrap();
    let (cluster, backend) = (&ctx.names.cluster, &ctx.names.backend.service);
    let request = ctx.clients.ecs.update_service().cluster(cluster).service(backend).desired_count(12);
    request.send().await.unwrap();
    let running = async || {
        let tasks = ctx.clients.ecs.list_tasks().cluster(cluster).service_name(backend).send().await.unwrap();
        let described = ctx.clients.ecs.describe_tasks().cluster(cluster).set_tasks(tasks.task_arns);
        let tasks = described.send().await.unwrap().tasks.unwrap();
        tasks.into_iter().filter(|task| task.last_status() == Some("RUNNING")).collect::<Vec<_>>()
    };
    let mut tasks = running().await;
    for _ in 0..500 {
        if tasks.len() == 12 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        tasks = running().await;
    }
    let hosts: BTreeSet<_> = tasks.iter().filter_map(|task| task.container_instance_arn()).collect();
    let mut shared = BTreeMap::<_, u32>::new();
    let all = ctx.clients.ecs.list_tasks().cluster(cluster).send().await.unwrap().task_arns;
    let all = ctx.clients.ecs.describe_tasks().cluster(cluster).set_tasks(all).send().await.unwrap().tasks.unwrap();
    for task in &all {
        *shared.entry(task.container_instance_arn().unwrap()).or_default() += 1;
    }
    assert!(tasks.len() == 12 && hosts.len() > 6 && shared.values().any(|tasks| *tasks > 1), "{shared:?}");
    let options = verify::Options { traffic: Traffic::of(240, 8), ..verify::Options::default() };
    let verified = verify::run(&ctx, options).await.unwrap();
    assert_eq!(verified.same_zone_share, Some(1.0), "{verified:?}");
    assert_eq!(down(&ctx).await.unwrap().leftovers, []);
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_group_of_the_other_mode_is_told_of_before_anything_is_made() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, bridged()).await;
    let vpcs = ctx.clients.ec2.describe_vpcs().send().await.unwrap().vpcs.unwrap();
    let create = ctx.clients.elbv2.create_target_group().name(&ctx.names.target_group).protocol("HTTP".into()).port(80);
    create.vpc_id(vpcs[0].vpc_id().unwrap()).target_type("ip".into()).send().await.unwrap();
    let problem = async |settings: Settings| {
        let ctx = context(&cloud, settings).await;
        let findings = doctor::run(&ctx).await.unwrap().findings;
        let found = findings.into_iter().find(|it| it.check == Check::NetworkMode);
        found.map(|it| (it.level, it.what))
    };
    let (level, what) = problem(bridged()).await.unwrap();
    assert!(level == Level::Problem && what.contains("is of target type ip"), "{what}");
    assert_eq!(problem(settings()).await, None);
    let (_, what) = problem(Settings { launch_type: Some(LaunchType::Fargate), ..bridged() }).await.unwrap();
    assert!(what.contains("--launch-type ec2"), "{what}");
    cloud.shutdown().await;
}

//! The walkthrough on Fargate: what there is in the place of instances, what is not shown there, the drills, and that a walkthrough
//! stays on what it was made on.

use serde_json::Value;
use zonewalk::cloud::{LocalCloud, Options, Pace};
use zonewalk::commands::doctor;
use zonewalk::settings::{LaunchType, Settings};
use zonewalk::stages::finding::{Check, Level};

use crate::machine::{Machine, result};
use crate::support::{context, settings};

const ON_FARGATE: [&str; 3] = ["--local", "--launch-type", "fargate"];

fn kinds(resources: &Value) -> Vec<&str> {
    resources.as_array().unwrap().iter().map(|resource| resource["kind"].as_str().unwrap()).collect()
}

fn assert_whole_walkthrough(all: &Value) {
    let steps: Vec<_> = all["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["up", "status", "verify", "failover", "down"], "stats has nothing to show");
    assert!(all["stats"].is_null(), "{}", all["stats"]);
    let made = kinds(&all["up"]["resources"]);
    for kind in ["launch_template", "auto_scaling_group", "instance_profile"] {
        assert!(!made.contains(&kind), "{made:?}");
    }
    for service in all["status"]["services"].as_array().unwrap() {
        assert_eq!((&service["launch_type"], &service["running"]), (&"FARGATE".into(), &6.into()), "{service}");
        assert!(service["tasks"].as_array().unwrap().iter().all(|task| task["container_instance"].is_null()));
    }
    assert_eq!(all["status"]["zone_aware_routing"]["state"], "on");
    assert_eq!((&all["verify"]["same_zone_share"], &all["verify"]["verdict"]), (&1.0.into(), &"pass".into()));
    let why = all["verify"]["zone_aware_routing"]["counters_not_read"].as_str().unwrap();
    assert!(why.contains("on Fargate AWS shows no counters"), "{why}");
    assert_eq!((&all["failover"]["errors"], &all["failover"]["restored"]), (&0.into(), &true.into()));
    assert_eq!(all["down"]["leftovers"], serde_json::json!([]));
}

#[test]
fn the_whole_walkthrough_on_fargate() {
    let machine = Machine::new();
    assert_whole_walkthrough(&machine.json(&[&["walkthrough", "--output", "json"][..], &ON_FARGATE].concat()));
}

#[test]
#[ignore = "needs Envoy: tests/run.sh installs it"]
fn the_whole_walkthrough_on_fargate_with_real_envoys() {
    let machine = Machine::with("ENVOY_BIN", &crate::envoy_peer::binary());
    let args = [&["walkthrough", "--proxy", "envoy", "--output", "json"][..], &ON_FARGATE].concat();
    assert_whole_walkthrough(&machine.json(&args));
}

/// The logs are the second proof where Envoy's counters are not shown; without the option they stay as they are.
#[test]
fn access_logs_are_switched_on_and_off_and_verify_judges_by_them() {
    let machine = Machine::new();
    let json = |args: &[&str]| machine.json(&[args, &["--local", "--output", "json"]].concat());
    json(&["up", "--launch-type", "fargate"]);
    let logged = |verified: &Value| -> Option<u64> {
        let cells = verified["logged_matrix"].as_array()?.iter();
        let is_same = |cell: &&Value| cell["frontend"] == cell["backend"];
        Some(cells.filter(is_same).map(|cell| cell["requests"].as_u64().unwrap()).sum())
    };
    assert_eq!(logged(&json(&["verify"])), None);
    let plan = json(&["up", "--dry-run", "--access-logs"]);
    let differences = plan["resources"].to_string();
    assert!(differences.contains(r#""field":"Service Connect access logs","is":"off","wanted":"JSON""#), "{plan}");
    json(&["up", "--access-logs"]);
    let unchanged = json(&["up"]);
    let actions: Vec<_> = unchanged["resources"].as_array().unwrap().iter().map(|it| &it["action"]).collect();
    assert!(actions.iter().all(|action| *action == "unchanged"), "{unchanged}");
    let verified = json(&["verify"]);
    assert_eq!((&verified["logs_agree"], &verified["verdict"]), (&true.into(), &"pass".into()));
    assert!(logged(&verified).unwrap() >= 200, "{verified}");
    json(&["up", "--access-logs=off"]);
    assert_eq!(logged(&json(&["verify"])), None);
    json(&["down"]);
}

/// Only `up` is told of Fargate: the others look.
#[test]
fn commands_know_what_stands_on_fargate() {
    let machine = Machine::new();
    let json = |args: &[&str]| machine.json(&[args, &["--local", "--output", "json"]].concat());
    let plan = json(&["up", "--dry-run", "--launch-type", "fargate"]);
    assert_eq!(plan["cost"]["usd_per_hour"], 0.3937, "{}", plan["cost"]);
    json(&["up", "--launch-type", "fargate"]);
    let again = json(&["up"]);
    assert!(again["resources"].as_array().unwrap().iter().all(|it| it["action"] == "unchanged"), "{again}");
    let status = json(&["status"]);
    assert_eq!((&status["drift"], &status["problems"]), (&serde_json::json!([]), &serde_json::json!([])), "{status}");

    let failover = json(&["failover", "spillover"]);
    assert_eq!((&failover["verdict"], &failover["errors"]), (&"pass".into(), &0.into()), "{failover}");
    assert_eq!((&failover["from"], &failover["to"]), (&6.into(), &6.into()), "there is room elsewhere: {failover}");
    let after = json(&["up"]);
    assert!(after["resources"].as_array().unwrap().iter().all(|it| it["action"] == "unchanged"), "{after}");

    let said = |args: &[&str]| {
        let output = machine.zonewalk(&[args, &["--local"]].concat());
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, text) = said(&["failover", "zone-loss"]);
    assert!(code == Some(2) && text.contains("no outage"), "{code:?} {text}");
    let (code, text) = said(&["stats"]);
    assert!(code == Some(3) && text.contains("on Fargate AWS shows no counters of Envoy"), "{code:?} {text}");
    let (code, text) = said(&["up", "--launch-type", "ec2"]);
    assert!(
        code == Some(3) && text.contains("the services run on Fargate") && text.contains("zonewalk down"),
        "{code:?} {text}"
    );
    let text = machine.zonewalk(&["status", "--local"]).stdout;
    let text = String::from_utf8_lossy(&text);
    assert!(text.contains("on Fargate") && !text.contains("container instances"), "{text}");
    assert_eq!(json(&["down"])["leftovers"], serde_json::json!([]));
}

#[test]
fn a_drill_on_fargate_that_is_not_restored_is_mended_by_up() {
    let machine = Machine::new();
    let json = |args: &[&str]| machine.json(&[args, &["--local", "--output", "json"]].concat());
    json(&["up", "--launch-type", "fargate"]);
    json(&["failover", "spillover", "--no-restore"]);
    let refused = machine.zonewalk(&["failover", "spillover", "--local", "--output", "json"]);
    assert_eq!(refused.status.code(), Some(3), "{}", result(&refused.stdout));
    let mended = json(&["up"]);
    let services = mended["resources"].as_array().unwrap().iter().filter(|resource| resource["kind"] == "service");
    let mut actions: Vec<_> = services.map(|service| service["action"].as_str().unwrap()).collect();
    actions.sort_unstable();
    assert_eq!(actions, ["changed", "unchanged"]);
    assert_eq!(json(&["verify"])["same_zone_share"], 1.0);
    json(&["down"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn fargates_quota_is_looked_at_and_no_instances() {
    let options = Options { pace: Pace::Instant, vcpu_quota: 4, ..Options::default() };
    let cloud = LocalCloud::start(options).await.unwrap();
    let ctx = context(&cloud, Settings { launch_type: Some(LaunchType::Fargate), ..settings() }).await;
    let findings = doctor::run(&ctx).await.unwrap().findings;
    let of = |check| findings.iter().filter(|finding| finding.check == check).collect::<Vec<_>>();
    let quota = of(Check::Quota);
    assert_eq!((quota.len(), quota[0].level), (1, Level::Problem), "{quota:?}");
    assert!(quota[0].what.contains("6 vCPU needed of 4") && quota[0].what.contains("L-3032A538"), "{quota:?}");
    assert_eq!((of(Check::Image).len(), of(Check::InstanceType).len()), (0, 0), "{findings:?}");
    let roles = of(Check::Roles);
    assert_eq!(roles[0].what, "task execution role ecsTaskExecutionRole");
    cloud.shutdown().await;
}

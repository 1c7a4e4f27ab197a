//! What is asked before a command spends money on AWS or removes what stands there, and what is refused instead.

use std::path::Path;

use serde_json::Value;

use crate::machine::Machine;
use crate::standing::{Aws, ENDPOINT};
use crate::terminal::Terminal;

/// A user of AWS, signed in by a file of credentials.
fn user(aws: &Aws) -> Machine {
    let machine = Machine::with("HTTP_PROXY", Path::new(aws.proxy()));
    std::fs::create_dir(machine.path().join(".aws")).unwrap();
    let credentials = "[work]\naws_access_key_id = test\naws_secret_access_key = test\n";
    std::fs::write(machine.path().join(".aws/credentials"), credentials).unwrap();
    machine
}

/// What is on the terminal when a command has asked and got this answer.
fn asked(aws: &Aws, command: &str, answer: &str) -> (Option<i32>, String) {
    let args = [command, "--endpoint-url", ENDPOINT, "--region", "us-east-1", "--profile", "work", "--task-count", "1"];
    let args = if command == "up" { &args[..] } else { &args[..7] };
    let screen = Terminal::new(200).typing("[y/N]", answer).run(&user(aws), args);
    (screen.code, screen.to_string())
}

#[test]
fn up_and_down_ask_on_aws_and_a_no_is_no_error() {
    let aws = Aws::serve("");
    let (code, screen) = asked(&aws, "up", "n\r");
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.contains("in AWS account 000000000000, us-east-1 (profile work) that cost"), "{screen}");
    assert!(screen.contains("nothing was created"), "{screen}");
    let (code, screen) = asked(&aws, "up", "y\r");
    assert_eq!(code, Some(0), "{screen}");

    let (code, screen) = asked(&aws, "down", "n\r");
    assert_eq!(code, Some(0), "{screen}");
    for says in ["walkthrough az-aware in AWS account 000000000000, us-east-1", "3 security groups", "up for", "USD"] {
        assert!(screen.contains(says), "{says}: {screen}");
    }
    assert!(screen.contains("nothing was removed"), "{screen}");
    let (code, screen) = asked(&aws, "down", "y\r");
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.contains("removed (3 rules went with their groups), 0 left over"), "{screen}");
    assert!(screen.contains("it was up for"), "{screen}");
}

#[test]
fn where_nobody_can_be_asked_down_is_refused_and_tells_what_it_would_remove() {
    let aws = Aws::serve("");
    assert!(aws.zonewalk(&["up", "--yes", "--task-count", "1"]).status.success());
    let refused = aws.zonewalk(&["down"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("--yes") && said.contains("`zonewalk down --dry-run"), "{said}");

    let plan = aws.zonewalk(&["down", "--dry-run", "--output", "json"]);
    let plan = &serde_json::from_slice::<Value>(&plan.stdout).unwrap()["result"];
    let resources = plan["would_remove"].as_array().unwrap();
    assert!(resources.len() >= 18 && plan["rules"] == 3 && plan["usd_so_far"].is_number(), "{plan}");
    let link = |kind: &str| {
        let found = resources.iter().find(|resource| resource["kind"] == kind).unwrap();
        found["console_url"].as_str().unwrap().to_owned()
    };
    let cluster =
        "https://us-east-1.console.aws.amazon.com/ecs/v2/clusters/az-aware-cluster-ec2/services?region=us-east-1";
    assert_eq!(link("cluster"), cluster);
    assert!(link("instance").contains("#InstanceDetails:instanceId=i-"), "{}", link("instance"));
    let down = aws.zonewalk(&["down", "--yes", "--output", "json"]);
    let down: Value = serde_json::from_slice(&down.stdout).unwrap();
    assert_eq!(down["result"]["leftovers"].as_array().map(Vec::len), Some(0), "a dry run changes nothing: {down}");
    assert!(down["result"]["removed"].as_array().unwrap().len() >= 15, "{down}");
}

#[test]
fn a_walkthrough_leaves_alone_what_stood_before_and_keeps_what_it_is_to() {
    let machine = Machine::new();
    machine.json(&["up", "--local", "--output", "json"]);
    let refused = machine.zonewalk(&["walkthrough", "--local"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    for says in
        ["az-aware stands already", "`zonewalk walkthrough --keep --local`", "`zonewalk down --local`", "--name"]
    {
        assert!(said.contains(says), "{says}: {said}");
    }
    let kept = machine.json(&["walkthrough", "--local", "--keep", "--output", "json"]);
    assert_eq!(kept["down"], Value::Null);
    let status = machine.json(&["status", "--local", "--exit-code", "--output", "json"]);
    assert_eq!(status["zone_aware_routing"]["state"], "on", "{status}");
    assert_eq!(status["proxies"], "zonewalk's own");
    machine.json(&["down", "--local", "--output", "json"]);
}

#[test]
fn what_cannot_pass_is_refused_or_noted_before_anything_is_made() {
    let machine = Machine::new();
    for (args, says) in [
        (&["walkthrough", "--local", "--task-count", "3"][..], "zone-aware routing stays off"),
        (&["walkthrough", "--local", "--no-restore"], "--no-restore leaves 2 backends"),
    ] {
        let refused = machine.zonewalk(args);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains(says), "{said}");
    }
    assert!(!machine.path().join("local.json").exists(), "a local cloud was started");
    let plan = machine.json(&["up", "--local", "--dry-run", "--task-count", "5", "--output", "json"]);
    let findings = plan["findings"].as_array().unwrap();
    let note = findings.iter().find(|finding| finding["check"] == "task_count").unwrap();
    assert_eq!(note["level"], "note");
    assert!(note["message"].as_str().unwrap().contains("--task-count 6"), "{note}");
}

#[test]
fn a_watch_tells_what_changes_and_ends_in_time_or_by_ctrl_c() {
    let machine = Machine::new();
    machine.json(&["up", "--local", "--output", "json"]);
    let watched = machine.zonewalk(&["status", "--local", "--watch", "--interval", "1s", "--for", "3s"]);
    let lines = String::from_utf8(watched.stdout).unwrap();
    assert_eq!(watched.status.code(), Some(0), "{lines}");
    let dated: Vec<_> = lines.lines().filter(|line| line.contains("Z  zone-aware routing ON: ")).collect();
    assert_eq!(dated.len(), 1, "nothing has changed: {lines}");
    assert!(dated[0].contains("backend 6/6 (2+2+2)"), "{lines}");

    let screen =
        Terminal::new(80).typing("targets", crate::terminal::CTRL_C).run(&machine, &["status", "--local", "--watch"]);
    let text = screen.to_string();
    assert_eq!(screen.code, Some(0), "{text}");
    assert_eq!(text.matches("container instances").count(), 1, "what was drawn before is gone: {text}");
    machine.json(&["down", "--local", "--output", "json"]);
}

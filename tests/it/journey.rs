//! The main job, as a user runs it: the program itself, on this machine, with no AWS account.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::machine::{Machine, result};

pub(crate) fn total(matrix: &Value) -> u64 {
    matrix.as_array().unwrap().iter().map(|cell| cell["requests"].as_u64().unwrap()).sum()
}

#[test]
fn the_whole_walkthrough_on_one_machine() {
    let machine = Machine::new();
    let all = machine.json(&["walkthrough", "--local", "--output", "json"]);

    let services = all["status"]["services"].as_array().unwrap();
    assert_eq!(services.len(), 2);
    for service in services {
        let by_zone: Vec<u64> =
            service["tasks_by_zone"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).collect();
        assert_eq!(by_zone, [2, 2, 2], "{service}");
    }
    assert_eq!(all["verify"]["same_zone_share"], 1.0);
    assert_eq!(all["verify"]["verdict"], "pass");
    assert_eq!(all["verify"]["expected"]["state"], "locality_direct");
    assert_eq!(total(&all["verify"]["matrix"]), 200);
    let routing = &all["verify"]["zone_aware_routing"];
    assert_eq!((&routing["state"], &routing["counters"]["all_directly"]), (&"on".into(), &200.into()), "{routing}");

    let phases = all["failover"]["phases"].as_array().unwrap();
    let names: Vec<&str> = phases.iter().map(|phase| phase["phase"].as_str().unwrap()).collect();
    assert_eq!(names, ["before", "during", "failed_over", "restoring", "restored"]);
    let failed_over = &phases[2];
    assert_eq!(failed_over["expected"]["state"], "no_locality_routing", "{failed_over}");
    assert_eq!(failed_over["as_predicted"], true, "{failed_over}");
    assert_eq!(failed_over["zone_aware_routing"]["state"], "off_as_predicted", "{failed_over}");
    assert!(failed_over["same_zone_share"].as_f64().unwrap() < 1.0);
    assert_eq!(phases[4]["same_zone_share"], 1.0);
    assert_eq!((&all["failover"]["errors"], &all["failover"]["restored"]), (&Value::from(0), &Value::from(true)));

    assert_eq!(all["stats"]["proxies"].as_array().unwrap().len(), 6);
    assert_eq!(all["stats"]["totals"]["growth"]["lb_zone_routing_all_directly"], 200);
    assert_eq!(all["stats"]["verdict"], "pass");
    assert_eq!(all["down"]["leftovers"].as_array().unwrap().len(), 0);
    assert!(!machine.path().join("local.json").exists(), "the local cloud still runs");
}

#[test]
fn the_commands_one_by_one() {
    let machine = Machine::new();
    let json = |args: &[&str]| machine.json(&[args, &["--local", "--output", "json"]].concat());

    let plan = json(&["up", "--dry-run", "--allow-cidr", "192.0.2.0/24", "--allow-cidr", "2001:db8::/32"]);
    assert!(plan["resources"].as_array().unwrap().iter().all(|resource| resource["action"] == "created"), "{plan}");
    assert_eq!(plan["cost"]["usd_per_hour"], 0.6363, "{plan}");
    assert_eq!(plan["reachable_from"], serde_json::json!(["192.0.2.0/24", "2001:db8::/32"]));
    let doctor = json(&["doctor"]);
    assert!(doctor["findings"].as_array().unwrap().iter().all(|finding| finding["level"] == "ok"), "{doctor}");

    let up = json(&["up"]);
    assert_eq!(json(&["status", "--name", "other"])["drift"], Value::Null, "nothing of it stands");
    assert!(up["url"].as_str().unwrap().starts_with("http://127.0.0.1:"), "{up}");
    assert!(up["resources"].as_array().unwrap().iter().all(|resource| resource["action"] == "created"), "{up}");
    let again = json(&["up"]);
    assert!(again["resources"].as_array().unwrap().iter().all(|resource| resource["action"] == "unchanged"), "{again}");
    assert_eq!(up["url"], again["url"]);

    let status = json(&["status"]);
    assert_eq!((&status["container_instances"], &status["healthy_targets"]), (&Value::from(12), &Value::from(6)));
    assert_eq!(status["drift"], serde_json::json!([]));
    let drift = &json(&["status", "--image", "another:1"])["drift"];
    assert_eq!(drift.as_array().unwrap().len(), 2, "{drift}");
    assert_eq!(drift[0]["differences"][0]["field"], "containerDefinitions.0.image");
    assert_eq!(json(&["redeploy"])["deployments"].as_array().unwrap().len(), 2);
    assert_eq!(total(&json(&["verify", "--requests", "50"])["matrix"]), 50);

    let failover = json(&["failover", "--to", "3", "--requests", "60"]);
    assert_eq!((&failover["from"], &failover["to"]), (&Value::from(6), &Value::from(3)));
    assert_eq!(json(&["stats", "--requests", "30"])["totals"]["requests_sent"], 30);

    let down = json(&["down"]);
    assert!(down["removed"].as_array().unwrap().len() >= 15, "{down}");
    assert_eq!(json(&["down"])["removed"].as_array().unwrap().len(), 0);
}

/// The commands in back quotes that a text tells the user to type.
fn commands(text: &str) -> Vec<Vec<&str>> {
    let quoted = text.split('`').filter_map(|part| part.strip_prefix("zonewalk "));
    quoted.map(|command| command.split(' ').collect()).collect()
}

/// In another region and by another name than the next command would look by itself.
#[test]
fn the_commands_that_are_told_find_what_up_made() {
    let machine = Machine::new();
    std::fs::write(machine.path().join("own.toml"), "name = 'mine'\ntask-count = 3\n").unwrap();
    let given = ["--local", "--region", "eu-west-1", "--config", "own.toml"];
    let told = |command: &str, stream: fn(&std::process::Output) -> &[u8]| {
        let output = machine.zonewalk(&[&[command], &given[..]].concat());
        String::from_utf8_lossy(stream(&output)).into_owned()
    };
    for text in [
        told("verify", |output| &output.stderr), // an error: there is no local cloud yet
        told("up", |output| &output.stderr),     // what to do next
        told("doctor", |output| &output.stdout), // an outcome
        told("status", |output| &output.stderr), // what to do next
    ] {
        let commands = commands(&text);
        let of_the_walkthrough: Vec<_> = commands.iter().filter(|command| command[0] != "local").collect();
        assert!(!of_the_walkthrough.is_empty(), "{text}");
        for command in of_the_walkthrough {
            assert!(command.ends_with(&given), "{command:?}: {text}");
        }
    }
    let up = machine.zonewalk(&[&["up"], &given[..]].concat());
    let up = String::from_utf8(up.stderr).unwrap();
    let next = commands(up.lines().last().unwrap());
    let output = machine.zonewalk(&next[1]);
    let removed = String::from_utf8(output.stdout).unwrap();
    assert_eq!((next[1][0], output.status.code()), ("down", Some(0)), "{removed}");
    assert!(removed.contains("18 removed (3 rules went with their groups), 0 left over"), "{removed}");
}

/// Interrupts a command as its failover drill begins to take backends away. What it says from then on.
fn interrupt_the_drill(machine: &Machine, args: &[&str]) -> Vec<String> {
    let mut drill = machine.command(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut messages = BufReader::new(drill.stderr.take().unwrap()).lines().map(Result::unwrap);
    // The backends are being taken away once the phase before is over.
    assert!(messages.by_ref().any(|line| line.contains("before")), "the drill did not begin");
    let interrupt = std::process::Command::new("kill").args(["-INT", &drill.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    let rest: Vec<String> = messages.collect();
    assert_eq!(drill.wait().unwrap().code(), Some(130), "{rest:?}");
    rest
}

#[test]
fn an_interrupted_failover_gives_the_backends_back() {
    let machine = Machine::new();
    machine.json(&["up", "--local", "--output", "json"]);
    let rest = interrupt_the_drill(&machine, &["failover", "--local"]);
    assert!(rest.iter().any(|line| line.contains("restoring")), "{rest:?}");

    let status = machine.json(&["status", "--local", "--output", "json"]);
    for service in status["services"].as_array().unwrap() {
        assert_eq!((&service["running"], &service["desired"]), (&Value::from(6), &Value::from(6)), "{service}");
    }
    machine.json(&["down", "--local", "--output", "json"]);
}

#[test]
fn a_walkthrough_that_ends_early_says_that_all_of_it_stands() {
    let machine = Machine::new();
    let rest = interrupt_the_drill(&machine, &["walkthrough", "--local", "--name", "mine"]);
    let told = "everything that was created still stands: `zonewalk down --local --name mine` removes it";
    assert!(rest.iter().any(|line| line.contains(told)), "{rest:?}");
    let down = machine.json(&["down", "--local", "--name", "mine", "--output", "json"]);
    assert!(down["removed"].as_array().unwrap().len() >= 15, "{down}");
}

#[test]
fn a_log_tells_what_a_run_waits_for() {
    let machine = Machine::new();
    std::fs::write(machine.path().join("f.toml"), "[[fault]]\nkind = 'no-capacity'\nzone = 'us-east-1b'\n").unwrap();
    let up = machine.zonewalk(&["up", "--local", "--faults", "f.toml", "--timeout", "6", "--output", "json"]);
    let log = String::from_utf8(up.stderr).unwrap();
    assert_eq!(up.status.code(), Some(3), "{log}");
    let document: Value = serde_json::from_slice(&up.stdout).unwrap();
    assert_eq!((&document["error"]["kind"], &document["result"]), (&"failed".into(), &Value::Null), "{document}");
    let waits = |what: &str| -> Vec<&str> {
        let lines = log.lines().filter_map(|line| line.split_once("   ")).map(|(_stamp, text)| text);
        lines.filter(|text| text.starts_with(what)).map(|text| text.rsplit_once(", ").unwrap().0).collect()
    };
    assert_eq!(waits("load balancer az-aware-routing-ec2-lb: provisioning").len(), 1, "{log}");
    let instances = waits("container instances: ");
    assert!(instances.iter().any(|line| line.contains("do not have sufficient")), "AWS's reason is not told: {log}");
    assert!(instances.windows(2).all(|lines| lines[0] != lines[1]), "a state is told twice: {log}");
    let error = log.lines().find(|line| line.starts_with("error")).expect("an error");
    assert!(error.contains("container instances failed (6 in use1-az4 (us-east-1a), 0 in use1-az6"), "{error}");
    assert!(error.contains("choose another --instance-type or --region"), "{error}");
}

#[test]
fn a_down_that_finds_nothing_says_where_it_looked() {
    let machine = Machine::new();
    machine.json(&["up", "--local", "--task-count", "1", "--output", "json"]);
    let down = machine.zonewalk(&["down", "--local", "--region", "eu-west-1", "--name", "mine", "--output", "json"]);
    let said = String::from_utf8(down.stderr).unwrap();
    assert_eq!(down.status.code(), Some(0), "{said}");
    assert!(said.contains("nothing of walkthrough mine was found in account 000000000000, region eu-west-1"), "{said}");
    assert_eq!(
        result(&down.stdout),
        serde_json::json!({ "removed": [], "rules_removed": 0, "leftovers": [], "not_ours": [], "up_s": null, "usd_spent": null })
    );
}

#[test]
fn below_the_threshold_verify_fails_with_the_reason() {
    let machine = Machine::new();
    machine.json(&["up", "--local", "--task-count", "3", "--output", "json"]);
    let output = machine.zonewalk(&["verify", "--local", "--output", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let verify = result(&output.stdout);
    assert_eq!(verify["expected"]["state"], "no_locality_routing");
    assert_eq!((&verify["as_predicted"], &verify["verdict"]), (&Value::from(true), &Value::from("fail")), "{verify}");
    assert!(verify["reasons"].to_string().contains('6'), "the reason names the threshold: {verify}");
    machine.json(&["down", "--local", "--output", "json"]);
}

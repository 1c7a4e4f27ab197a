//! `failover`'s three drills as a user runs them: what they show, and that all they change is put back, whatever ends them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::envoy_peer;
use crate::machine::Machine;

/// The zone that the drills take away here.
const ZONE: &str = "use1-az4";

const PHASES: [&str; 5] = ["before", "during", "failed_over", "restoring", "restored"];

/// Runs a drill that passes: what holds of each of them.
fn drill(machine: &Machine, args: &[&str]) -> Value {
    let drill = machine.json(&[&["failover", "--local", "--output", "json"], args].concat());
    let phases = drill["phases"].as_array().unwrap();
    assert_eq!(phases.iter().map(|phase| phase["phase"].as_str().unwrap()).collect::<Vec<_>>(), PHASES);
    assert_eq!((&drill["errors"], &drill["restored"]), (&json!(0), &json!(true)), "{args:?}");
    assert_eq!((&drill["recovered_after_s"], &drill["reasons"]), (&Value::Null, &json!([])), "{args:?}");
    for steady in [0, 2, 4] {
        assert_eq!(phases[steady]["as_predicted"], true, "{}", phases[steady]);
    }
    let points = drill["timeline"].as_array().unwrap();
    for (second, point) in points.iter().enumerate() {
        assert_eq!((&point["at_s"], &point["errors"]), (&json!(second), &json!(0)), "{point}");
    }
    // Those of the phases, and what was sent to see whether traffic has settled.
    let sum = |of: &[Value]| of.iter().map(|it| it["requests"].as_u64().unwrap()).sum::<u64>();
    assert!(sum(points) >= sum(phases), "{} and {}", sum(points), sum(phases));
    let tasks = points.last().unwrap()["tasks"].as_array().unwrap();
    assert!(tasks.iter().any(|tasks| tasks["zone"] == ZONE && tasks["running"] != 0), "{tasks:?}");
    drill
}

/// The requests of a phase from a zone's frontends, by the zone of the backends.
fn row<'v>(phase: &'v Value, frontend: &str) -> BTreeMap<&'v str, u64> {
    let cells = phase["matrix"].as_array().unwrap().iter().filter(|cell| cell["frontend"] == frontend);
    let cells = cells.map(|cell| (cell["backend"].as_str().unwrap(), cell["requests"].as_u64().unwrap()));
    cells.filter(|(_, requests)| *requests > 0).collect()
}

/// A zone's share of the requests: at its frontends and its backends, before and while failed over.
fn shares(drill: &Value) -> [f64; 4] {
    let load = drill["load"].as_array().unwrap().iter().find(|load| load["zone"] == ZONE).unwrap();
    ["frontend_share_before", "frontend_share_failed_over", "backend_share_before", "backend_share_failed_over"]
        .map(|share| load[share].as_f64().unwrap())
}

/// The IDs of a service's tasks, of those that run.
fn tasks(status: &Value, service: &str) -> Vec<String> {
    let services = status["services"].as_array().unwrap();
    let service = services.iter().find(|it| it["name"].as_str().unwrap().contains(service)).unwrap();
    let mut ids: Vec<_> =
        service["tasks"].as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

/// Everything is as `up` makes it. Gives the status.
fn assert_restored(machine: &Machine, what: &str) -> Value {
    let status = machine.json(&["status", "--local", "--output", "json"]);
    assert_eq!((&status["drift"], &status["container_instances"]), (&json!([]), &json!(12)), "{what}");
    for service in status["services"].as_array().unwrap() {
        let zones: Vec<u64> =
            service["tasks_by_zone"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).collect();
        assert_eq!(zones, [2, 2, 2], "{what}: {}", service["tasks_by_zone"]);
    }
    status
}

fn all_drills(machine: &Machine, up: &[&str]) {
    machine.json(&[&["up", "--local", "--output", "json"], up].concat());
    let before = assert_restored(machine, "up");

    let scale = drill(machine, &["scale"]);
    assert_eq!((&scale["drill"], &scale["zone"]), (&json!("scale"), &Value::Null));
    assert_eq!((&scale["from"], &scale["to"]), (&json!(6), &json!(2)));
    assert_eq!(scale["phases"][2]["zone_aware_routing"]["state"], "off_as_predicted");

    let spillover = drill(machine, &["spillover", "--zone", "us-east-1a"]);
    assert_eq!((&spillover["drill"], &spillover["zone"]), (&json!("spillover"), &json!(ZONE)));
    let failed_over = &spillover["phases"][2];
    assert_eq!(
        (&failed_over["expected_state"], &failed_over["zone_aware_routing"]["state"]),
        (&json!("on"), &json!("on"))
    );
    // The zone's own frontends share what the others' backends have left, and those keep to their zone.
    assert_eq!(row(failed_over, ZONE).into_keys().collect::<Vec<_>>(), ["use1-az1", "use1-az6"]);
    for other in ["use1-az1", "use1-az6"] {
        assert_eq!(row(failed_over, other).into_keys().collect::<Vec<_>>(), [other]);
    }
    let [frontends_before, frontends, backends_before, backends] = shares(&spillover);
    assert!(frontends_before > 0.3 && frontends > 0.3 && backends_before > 0.3 && backends == 0.0);
    let after = assert_restored(machine, "spillover");
    assert_eq!(tasks(&before, "-fe-"), tasks(&after, "-fe-"), "the surplus instances were idle ones");

    let zone_loss = drill(machine, &["zone-loss", "--zone", ZONE]);
    assert_eq!((&zone_loss["drill"], &zone_loss["zone"]), (&json!("zone_loss"), &json!(ZONE)));
    assert_eq!((&zone_loss["from"], &zone_loss["to"]), (&json!(6), &json!(4)));
    let failed_over = &zone_loss["phases"][2];
    assert_eq!(failed_over["zone_aware_routing"]["state"], "off_as_predicted", "four are below Envoy's threshold");
    assert_eq!(row(failed_over, ZONE), BTreeMap::new());
    let [frontends_before, frontends, backends_before, backends] = shares(&zone_loss);
    assert!(frontends_before > 0.3 && frontends == 0.0 && backends_before > 0.3 && backends == 0.0);
    assert_restored(machine, "zone loss");
    machine.json(&["down", "--local", "--output", "json"]);
}

#[test]
fn the_three_drills_lose_no_request_and_route_as_predicted() {
    all_drills(&Machine::new(), &[]);
}

#[test]
#[ignore = "needs Envoy: tests/run.sh installs it"]
fn the_three_drills_with_envoy() {
    all_drills(&Machine::with("ENVOY_BIN", &envoy_peer::binary()), &["--proxy", "envoy"]);
}

/// Nine backends less a third are still six: zone-aware routing outlives the zone.
#[test]
fn with_enough_backends_zone_aware_routing_outlives_a_zone() {
    let machine = Machine::new();
    machine.json(&["up", "--local", "--task-count", "9", "--output", "json"]);
    let zone_loss = drill(&machine, &["zone-loss", "--zone", ZONE]);
    assert_eq!((&zone_loss["from"], &zone_loss["to"]), (&json!(9), &json!(6)));
    let failed_over = &zone_loss["phases"][2];
    assert_eq!((&failed_over["expected_state"], &failed_over["same_zone_share"]), (&json!("on"), &json!(1.0)));
    machine.json(&["down", "--local", "--output", "json"]);
}

#[test]
fn what_cannot_be_drilled_is_refused_before_anything_is_changed() {
    let machine = Machine::new();
    machine.json(&["up", "--local", "--output", "json"]);
    let refused = |args: &[&str], code: i32, says: &[&str]| {
        let output = machine.zonewalk(&[&["failover", "--local"], args].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(says.iter().all(|words| said.contains(words)), "{args:?}: {said}");
    };
    refused(&["zone-loss", "--zone", "use1-az9"], 2, &["use1-az9", "use1-az1 (us-east-1c)"]);
    refused(&["--zone", ZONE], 2, &["--zone", "failover spillover"]);
    refused(&["spillover", "--to", "3"], 2, &["--to"]);
    refused(&["--max-errors", "101"], 2, &["--max-errors", "0 to 100"]);
    assert_restored(&machine, "refusals");

    // What an earlier drill has left is not to be taken for what there was before.
    let left = machine.json(&["failover", "zone-loss", "--local", "--no-restore", "--output", "json"]);
    assert_eq!((&left["restored"], &left["verdict"]), (&json!(false), &json!("pass")));
    refused(&["spillover"], 3, &["az-aware-backend-service-ec2 and az-aware-fe-service-ec2", "`zonewalk up --local`"]);
    let drift = machine.json(&["status", "--local", "--output", "json"])["drift"].take();
    let fields = drift.as_array().unwrap().iter().flat_map(|change| change["differences"].as_array().unwrap());
    let mut fields: Vec<_> = fields.map(|difference| difference["field"].as_str().unwrap()).collect();
    fields.sort();
    assert_eq!(fields, ["placement constraints", "placement constraints", "subnets"], "{drift}");
    machine.json(&["up", "--local", "--output", "json"]);
    assert_restored(&machine, "up after a drill that was not to restore");

    machine.json(&["up", "--local", "--task-count", "5", "--output", "json"]);
    refused(&["spillover"], 2, &["5 tasks", "from 6 on", "--task-count 6"]);
    machine.json(&["down", "--local", "--output", "json"]);
}

/// Starts a drill and ends it with a signal as soon as a line of what it says has these words; with a second signal at a line that
/// has further words. What it said after the first on stderr.
fn end_at(machine: &Machine, args: &[&str], signals: &[(&str, &str)]) -> Vec<String> {
    let args = [&["failover", "--local", "--requests", "60"], args].concat();
    let mut drill = machine.command(&args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(drill.stderr.take().unwrap()).lines().map(Result::unwrap);
    for (words, signal) in signals {
        assert!(lines.by_ref().any(|line| line.contains(words)), "{args:?} never said {words:?}");
        let sent = std::process::Command::new("kill").args([signal, drill.id().to_string().as_str()]).status();
        assert!(sent.unwrap().success());
    }
    let rest = lines.collect();
    assert_ne!(drill.wait().unwrap().code(), Some(0), "{args:?} was over before");
    rest
}

/// With `-v` each call is a line.
#[test]
fn whatever_a_killed_drill_has_changed_the_next_up_puts_back() {
    let machine = Machine::new();
    machine.json(&["up", "--local", "--output", "json"]);
    let kills: [(&str, &[&str]); 3] = [
        ("scale", &["✓ during"]),
        (
            "spillover",
            &[
                "autoscaling:UpdateAutoScalingGroup",
                "ecs:StopTask",
                "✓ during",
                "restoring use1",
                "autoscaling:TerminateInstanceInAutoScalingGroup",
            ],
        ),
        ("zone-loss", &["elasticloadbalancing:SetSubnets", "ecs:StopTask", "✓ during", "restoring use1"]),
    ];
    for (drill, moments) in kills {
        for moment in moments {
            end_at(&machine, &[drill, "-v"], &[(moment, "-KILL")]);
            machine.json(&["up", "--local", "--output", "json"]);
            assert_restored(&machine, &format!("{drill} killed at {moment}"));
        }
    }
    end_at(&machine, &["spillover", "-v"], &[("✓ during", "-KILL")]);
    let down = machine.json(&["down", "--local", "--output", "json"]);
    assert_eq!(down["leftovers"], json!([]));
}

#[test]
fn an_interrupted_drill_restores_the_zone_and_says_what_does_if_it_is_not_let() {
    let machine = Machine::new();
    machine.json(&["up", "--local", "--output", "json"]);
    for drill in ["spillover", "zone-loss"] {
        let said = end_at(&machine, &[drill, "-v"], &[("ecs:StopTask", "-INT")]);
        assert!(said.iter().any(|line| line.contains("interrupted: restoring everything first")), "{said:?}");
        assert!(said.iter().any(|line| line.contains("restoring use1-az1 (us-east-1c)")), "{said:?}");
        assert_restored(&machine, drill);
    }
    let said = end_at(&machine, &["spillover"], &[("✓ during", "-INT"), ("restoring use1", "-INT")]);
    assert!(said.iter().any(|line| line.contains("`zonewalk up --local` does that")), "{said:?}");
    machine.json(&["up", "--local", "--output", "json"]);
    assert_restored(&machine, "a drill ended at once");
    machine.json(&["down", "--local", "--output", "json"]);
}

//! What the program prints as JSON, held against the schema that it prints.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::machine::Machine;
use crate::peers;

/// What has been printed, and by which command: a record a line, as the check reads them.
#[derive(Default)]
struct Printed(String);

impl Printed {
    fn note(&mut self, from: &str, printed: &Value) {
        writeln!(self.0, "{}", json!({ "from": from, "printed": printed })).unwrap();
    }

    /// Runs a command as `--output json`, and again `--output jsonl` if it is one that may be repeated, and notes what it prints.
    #[track_caller]
    fn run(&mut self, machine: &Machine, command: &str, code: i32) -> Value {
        let args: Vec<&str> = command.split(' ').collect();
        let output = machine.zonewalk(&[&args[..], &["--output", "json"]].concat());
        let document = document(command, &output, code);
        self.note(command, &document);
        document
    }

    #[track_caller]
    fn run_in_lines(&mut self, machine: &Machine, command: &str, code: i32) -> Vec<Value> {
        let args: Vec<&str> = command.split(' ').collect();
        let output = machine.zonewalk(&[&args[..], &["--output", "jsonl"]].concat());
        assert_eq!(output.status.code(), Some(code), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        let lines =
            std::str::from_utf8(&output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap());
        let lines: Vec<Value> = lines.collect();
        lines.iter().for_each(|line| self.note(command, line));
        lines
    }

    /// Runs a command and interrupts it as soon as its messages name something.
    #[track_caller]
    fn interrupt(&mut self, machine: &Machine, command: &str, at: &str) -> Value {
        let args: Vec<&str> = command.split(' ').collect();
        let mut run = machine.command(&[&args[..], &["--output", "json"]].concat());
        let mut run = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut messages = BufReader::new(run.stderr.take().unwrap()).lines().map(Result::unwrap);
        assert!(messages.by_ref().any(|line| line.contains(at)), "{command} never said {at:?}");
        let interrupted = Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap();
        assert!(interrupted.success());
        messages.for_each(drop);
        let output = run.wait_with_output().unwrap();
        let document = document(command, &output, 130);
        assert_eq!(document["error"]["kind"], "interrupted", "{command}: {document}");
        self.note(command, &document);
        document
    }
}

#[track_caller]
fn document(command: &str, output: &Output, code: i32) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{command}: {said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{command}: {error}: {said}"))
}

/// Of every command, and of every way in which it can end.
#[test]
#[ignore = "needs jsonschema: tests/run.sh installs it"]
fn all_that_is_printed_is_as_the_schema_says() {
    let (machine, mut printed) = (Machine::new(), Printed::default());
    let write = |name: &str, text: &str| std::fs::write(machine.path().join(name), text).unwrap();

    // Nothing is there.
    printed.run(&machine, "status --local", 3);
    for (command, code) in [("status", 1), ("stop", 0), ("env", 3), ("logs", 3), ("faults", 3)] {
        printed.run(&machine, &format!("local {command}"), code);
    }
    printed.run(&machine, "down --local", 0);
    printed.run(&machine, "verify --local --requests none", 2);
    printed.run(&machine, "status --region mars", 2);
    printed.run(&machine, "nonsense", 2);

    // Blocked, and by its name alone.
    printed.run(&machine, "up --local --dry-run --instance-type t9.enormous", 1);
    assert_eq!(printed.run(&machine, "up --local --instance-type t9.enormous", 3)["error"]["kind"], "blocked");
    printed.run(&machine, "doctor --local --instance-type t9.enormous", 1);
    printed.run(&machine, "status --local", 0);
    assert_eq!(printed.run(&machine, "verify --local", 3)["error"]["kind"], "not_found");

    // All is well.
    printed.run(&machine, "up --local --dry-run", 0);
    let events = printed.run_in_lines(&machine, "up --local", 0);
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names.iter().filter(|name| **name == "resource_done").count(), 19, "{names:?}");
    assert_eq!((names.iter().filter(|name| **name == "result").count(), names.last()), (1, Some(&"result")));
    printed.run(&machine, "up --local", 0);
    printed.run(&machine, "doctor --local", 0);
    printed.run(&machine, "status --local", 0);
    printed.run(&machine, "status --local --image another:1", 0);
    printed.run(&machine, "status --local --image another:1 --exit-code", 1);
    printed.run(&machine, "status --local --watch --for 1s", 0);
    printed.run(&machine, "down --local --dry-run", 0);
    assert_eq!(printed.run(&machine, "walkthrough --local", 2)["error"]["kind"], "conflict");
    printed.run(&machine, "verify --local --requests 50", 0);
    printed.run(&machine, "local mesh --cross-zone 60ms", 0);
    printed.run(&machine, "verify --local --compare --requests 60", 0);
    printed.run(&machine, "local mesh --reset", 0);
    printed.run(&machine, "local age --service az-aware-backend-service-ec2 --days 200", 0);
    printed.run(&machine, "local age --service nobody --days 200", 2);
    printed.run(&machine, "redeploy --local", 0);
    printed.run_in_lines(&machine, "failover --local --requests 60", 0);
    printed.run(&machine, "stats --local --requests 30", 0);
    printed.run(&machine, "stats --local --no-traffic", 0);
    printed.run(&machine, "redeploy --local", 0);
    printed.run(&machine, "redeploy --local --all-stale --dry-run", 0);
    printed.run(&machine, "audit --local", 0);
    printed.run(&machine, "audit --local --measure proxies --traffic 500GB/month --min-same-zone 80", 0);
    for (command, code) in
        [("runs", 0), ("report", 0), ("report nonsense", 2), ("explain panic threshold", 0), ("explain", 0)]
    {
        printed.run(&machine, command, code);
    }
    for (command, code) in [("operations", 0), ("status", 0), ("env", 0), ("logs", 0), ("stop", 2)] {
        printed.run(&machine, &format!("local {command}"), code);
    }

    // Interrupted.
    printed.interrupt(&machine, "failover --local", "before");

    // A check fails.
    printed.run(&machine, "up --local --task-count 3", 0);
    printed.run(&machine, "verify --local --requests 50", 1);
    printed.run(&machine, "stats --local --requests 30", 1);
    printed.run(&machine, "failover --local --to 2 --requests 60", 1);

    // The cloud refuses.
    write(
        "f.toml",
        "[[fault]]\nkind = 'refuse'\noperation = 'ec2:DeleteSecurityGroup'\ncode = 'UnauthorizedOperation'\nmessage = 'No.'\n",
    );
    printed.run(&machine, "local faults f.toml", 0);
    printed.run_in_lines(&machine, "down --local", 1);
    printed.run(&machine, "local faults", 0);
    write(
        "f.toml",
        "[[fault]]\nkind = 'refuse'\noperation = 'ecs:*'\ncode = 'AccessDeniedException'\nmessage = 'No.'\n",
    );
    printed.run(&machine, "local faults f.toml", 0);
    let refused = printed.run(&machine, "status --local", 3);
    assert_eq!(
        (&refused["error"]["kind"], &refused["error"]["code"]),
        (&"refused".into(), &"AccessDeniedException".into())
    );
    printed.run(&machine, "local faults --clear", 0);
    printed.run(&machine, "down --local", 0);

    printed.run(&machine, "walkthrough --local", 0);
    printed.run_in_lines(&machine, "walkthrough --local", 0);
    printed.run(&machine, "up --local --task-count 1", 0);
    printed.run(&machine, "local stop --yes", 0);

    serve(&machine, &mut printed, "local serve", &["--listen", "127.0.0.1:0"]);
    let sidecar = "zone = \"a\"\ninbound = [{ listen = \"127.0.0.1:0\", application = \"127.0.0.1:1\" }]";
    std::fs::write(machine.path().join("sidecar.toml"), sidecar).unwrap();
    serve(&machine, &mut printed, "local sidecar", &["sidecar.toml"]);
    let truth = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/envoy-truth.jsonl");
    for args in [&["predict", truth][..], &["predict", truth, "--simulate", "10"]] {
        let lines = machine.zonewalk(args).stdout;
        lines.lines().for_each(|line| printed.note("predict", &serde_json::from_str(&line.unwrap()).unwrap()));
    }
    check(&machine, &printed);
}

/// What serves in the foreground prints its document as it begins.
fn serve(machine: &Machine, printed: &mut Printed, command: &str, args: &[&str]) {
    let command_line: Vec<&str> = command.split(' ').chain(args.iter().copied()).collect();
    let mut serve = machine.command(&[&command_line[..], &["--output", "jsonl"]].concat());
    let mut serve = serve.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(serve.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(Command::new("kill").args(["-INT", &serve.id().to_string()]).status().unwrap().success());
    serve.wait().unwrap();
    let document: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(document["exit_code"], Value::Null, "it goes on: {document}");
    printed.note(command, &document);
}

fn check(machine: &Machine, printed: &Printed) {
    let (schema, lines) = (machine.path().join("schema.json"), machine.path().join("printed.jsonl"));
    std::fs::write(&schema, machine.zonewalk(&["schema"]).stdout).unwrap();
    std::fs::write(&lines, &printed.0).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/check_schema.py");
    let checked =
        Command::new(peers::bin("schema").join("python3")).arg(script).args([&schema, &lines]).output().unwrap();
    let said = [checked.stdout.as_slice(), &checked.stderr].concat();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&said));
}

/// All objects of a schema that have properties, with where they are.
fn objects<'s>(part: &'s Value, path: &str, found: &mut Vec<(String, &'s Value)>) {
    match part {
        Value::Object(members) => {
            if members.contains_key("properties") {
                found.push((path.to_owned(), part));
            }
            members.iter().for_each(|(name, inner)| objects(inner, &format!("{path}/{name}"), found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, inner)| objects(inner, &format!("{path}/{i}"), found))
        }
        _ => {}
    }
}

#[test]
fn every_field_is_described() {
    let schema: Value = serde_json::from_slice(&Machine::new().zonewalk(&["schema"]).stdout).unwrap();
    let mut found = vec![];
    objects(&schema, "", &mut found);
    assert!(found.len() > 40, "{}", found.len());
    let mut wrong = vec![];
    for (path, object) in found {
        for (name, field) in object["properties"].as_object().unwrap() {
            let of_type = field["$ref"].as_str().map(|path| &schema["$defs"][path.rsplit('/').next().unwrap()]);
            let description =
                [Some(field), of_type].into_iter().flatten().find_map(|part| part["description"].as_str());
            let description = description.unwrap_or_default();
            let constant = field.get("const").is_some();
            if !constant && (description.is_empty() || description.contains("None") || !description.ends_with('.')) {
                wrong.push(format!("{path} {name}: {description:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_schema_of_one_command_is_a_part_of_the_whole() {
    let machine = Machine::new();
    let schema = |args: &[&str]| -> Value { serde_json::from_slice(&machine.zonewalk(args).stdout).unwrap() };
    let (whole, of_faults) = (schema(&["schema"]), schema(&["schema", "local", "faults"]));
    assert_eq!(of_faults["$defs"]["Document_local_faults"], whole["$defs"]["Document_local_faults"]);
    assert_eq!(of_faults["$defs"].get("Verification"), None);
    let refused = machine.zonewalk(&["schema", "nonsense"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("local faults"));
}

//! Runs are kept, and found again.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::machine::Machine;

fn document(machine: &Machine, args: &[&str]) -> Value {
    serde_json::from_slice(&machine.zonewalk(args).stdout).unwrap()
}

/// The commands of the runs that are listed, the newest first.
fn listed(machine: &Machine, args: &[&str]) -> Vec<String> {
    let runs = machine.json(&[&["runs", "--output", "json"], args].concat());
    let runs = runs["runs"].as_array().unwrap().clone();
    runs.iter().map(|run| run["command"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn runs_are_kept_and_shown_as_they_were() {
    let machine = Machine::new();
    let report = |args: &[&str]| document(&machine, &[&["report", "--output", "json"], args].concat());
    assert_eq!(report(&[])["error"]["kind"], "not_found");
    assert!(listed(&machine, &[]).is_empty());

    machine.json(&["up", "--local", "--name", "mine", "--output", "json"]);
    let printed = document(&machine, &["verify", "--local", "--name", "mine", "--requests", "60", "--output", "json"]);
    machine.zonewalk(&["verify", "--local", "--name", "mine", "--requests", "60", "--no-record"]);
    machine.zonewalk(&["status", "--local", "--name", "mine"]);
    assert_eq!(listed(&machine, &[]), ["verify", "up"], "a look is not kept, nor what is not to be");
    assert_eq!(listed(&machine, &["up"]), ["up"]);
    assert!(listed(&machine, &["--name", "other"]).is_empty());

    let record = &report(&[])["result"]["runs"][0];
    assert_eq!((&record["format"], &record["asked"]["options"]["requests"]), (&1.into(), &"60".into()), "{record}");
    let id = record["id"].as_str().unwrap();
    let file = machine.path().join("runs").join(format!("{id}.json"));
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(kept["document"], printed, "the record has what was printed");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(report(&[id])["result"]["runs"][0]["document"]["started_at"], printed["started_at"]);
    assert_eq!(report(&["nonsense"])["error"]["kind"], "not_found");

    // What fails is kept with its error, and what cannot be kept is done all the same.
    let failed = machine.zonewalk(&["verify", "--local", "--name", "none", "--output", "junit"]);
    let xml = String::from_utf8(failed.stdout).unwrap();
    assert!(failed.status.code() == Some(3) && xml.contains("errors=\"1\""), "{xml}");
    let last = report(&["last"]);
    assert_eq!(last["result"]["runs"][0]["document"]["error"]["kind"], "not_found", "{last}");
    assert_eq!(machine.zonewalk(&["status", "--local", "--output", "markdown"]).status.code(), Some(2));
    std::fs::rename(machine.path().join("runs"), machine.path().join("kept")).unwrap();
    std::fs::write(machine.path().join("runs"), "").unwrap();
    let down = machine.zonewalk(&["down", "--local", "--name", "mine"]);
    let said = String::from_utf8(down.stderr).unwrap();
    assert!(down.status.success() && said.contains("this run is not kept"), "{said}");
}

#[test]
fn the_page_is_written_where_it_is_to_be() {
    let machine = Machine::new();
    let runs = machine.path().join("runs");
    std::fs::create_dir(&runs).unwrap();
    for name in ["verify", "failover", "newer"] {
        let from = format!("{}/tests/data/runs/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let record: Value = serde_json::from_str(&std::fs::read_to_string(&from).unwrap()).unwrap();
        std::fs::copy(&from, runs.join(format!("{}.json", record["id"].as_str().unwrap()))).unwrap();
    }
    std::fs::write(runs.join("20260101T000000Z-up.json"), "{").unwrap();
    let written = machine.zonewalk(&["report", "last", "20261126T090325", "--html", "both.html"]);
    let said = String::from_utf8(written.stdout).unwrap();
    assert!(written.status.success() && said.contains("written to both.html") && said.contains("format 7"), "{said}");
    let page = std::fs::read_to_string(machine.path().join("both.html")).unwrap();
    assert_eq!(page.matches("<article").count(), 2);
    let listed = machine.json(&["runs", "--output", "json"]);
    let problems: Vec<&Value> = listed["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| &run["problem"])
        .filter(|problem| problem.is_string())
        .collect();
    assert_eq!(problems.len(), 1, "one cannot be read: {listed}");
    for (args, says) in [
        (&["report", "20261126"][..], "the beginning of 2 runs"),
        (&["report", "20260101"], "is no record of a run"),
        (&["report", "--html", "none/there.html"], "none/there.html cannot be written"),
    ] {
        let refused = machine.zonewalk(args);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(refused.status.code() == Some(2) && said.contains(says), "{args:?}: {said}");
    }
    let markdown = machine.zonewalk(&["report", "20261126T090301", "--output", "markdown"]);
    assert!(String::from_utf8(markdown.stdout).unwrap().starts_with("### ✅ zonewalk verify: pass"));
}

//! What the local cloud's operations take, against botocore's models of the services.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::peers;

#[test]
#[ignore = "needs boto3: tests/run.sh installs it"]
fn each_parameter_and_member_that_is_taken_exists_and_each_required_one_is_taken() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/check_operations.py");
    let mut python = Command::new(peers::bin("aws").join("python3"))
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = python.stdin.take().unwrap();
    let operations = zonewalk::cloud::operations().map(|operation| serde_json::to_string(&operation));
    let structures = zonewalk::cloud::structures().map(|structure| serde_json::to_string(&structure));
    for record in operations.chain(structures) {
        writeln!(input, "{}", record.unwrap()).unwrap();
    }
    drop(input);
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// A change that was declared as a look would answer from the past under a fault, and would not be hidden.
#[test]
fn operations_that_only_look_are_named_so() {
    for operation in zonewalk::cloud::operations() {
        let name = operation.operation;
        let looks =
            ["Describe", "Discover", "Filter", "Get", "List", "Simulate"].iter().any(|start| name.starts_with(start));
        assert_eq!(operation.read, looks, "{}:{name}", operation.service);
    }
}

//! The document of `--output json`, whatever comes of a command.

use serde_json::Value;

use crate::machine::Machine;

/// The document that a command prints and its exit code, which is that of the document, too.
fn document(machine: &Machine, args: &[&str]) -> (Value, i32) {
    let output = machine.zonewalk(args);
    let said = String::from_utf8_lossy(&output.stderr);
    let document: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {said}"));
    let code = output.status.code().unwrap();
    assert_eq!(document["exit_code"], code, "{document}");
    assert_eq!((&document["schema_version"], &document["version"]), (&1.into(), &env!("CARGO_PKG_VERSION").into()));
    let started: jiff::Timestamp = document["started_at"].as_str().unwrap().parse().unwrap();
    assert!(started <= jiff::Timestamp::now() && document["duration_s"].as_f64().unwrap() >= 0.0, "{document}");
    if let Some(message) = document["error"]["message"].as_str() {
        let first = message.split('`').next().unwrap();
        assert!(said.split_whitespace().collect::<Vec<_>>().join(" ").contains(first), "{message}: {said}");
    }
    (document, code)
}

#[test]
fn a_document_says_whose_walkthrough_it_is_of() {
    let machine = Machine::new();
    let (up, _) = document(&machine, &["up", "--local", "--name", "mine", "--output", "json"]);
    assert_eq!((&up["command"], &up["name"]), (&"up".into(), &"mine".into()), "{up}");
    assert_eq!((&up["account"], &up["region"]), (&"000000000000".into(), &"us-east-1".into()), "{up}");
    assert!(up["endpoint_url"].as_str().unwrap().starts_with("http://127.0.0.1:"), "{up}");
    assert!(up["next"].as_str().unwrap().contains("`zonewalk verify --local --name mine`"), "{up}");
    assert_eq!(up["zones"][0], serde_json::json!({ "id": "use1-az4", "name": "us-east-1a" }));
    assert!(up.get("error").is_none() && up["result"].is_object(), "{up}");
    document(&machine, &["down", "--local", "--name", "mine", "--output", "json"]);
}

#[test]
fn a_failure_is_a_document_too() {
    let machine = Machine::new();
    let failure = |args: &[&str]| {
        let (document, code) = document(&machine, args);
        assert!(document.get("result").is_none(), "{document}");
        (document["error"].clone(), document["command"].clone(), code)
    };
    let (error, command, code) = failure(&["verify", "--local", "--output", "json"]);
    assert_eq!((&error["kind"], &command, code), (&"not_found".into(), &"verify".into(), 3), "{error}");
    let (error, command, code) = failure(&["local", "faults", "--output=json"]);
    assert_eq!((&error["kind"], &command, code), (&"not_found".into(), &"local faults".into(), 3), "{error}");
    let (error, command, code) = failure(&["status", "--local", "--region", "mars", "--output", "json"]);
    assert_eq!((&error["kind"], &command, code), (&"usage".into(), &"status".into(), 2), "{error}");
    let (error, command, code) = failure(&["up", "--output", "json", "--task-cuont", "3"]);
    assert_eq!((&error["kind"], &command, code), (&"usage".into(), &"up".into(), 2), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("--task-count"), "{error}");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let at = format!("http://{free}");
    let machine = Machine::with("AWS_ACCESS_KEY_ID", "test".as_ref());
    let status = ["status", "--region", "us-east-1", "--endpoint-url", &at, "--output", "json"];
    let output = machine.command(&status).env("AWS_SECRET_ACCESS_KEY", "test").output().unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&document["endpoint_url"], &document["region"]), (&at.as_str().into(), &"us-east-1".into()));
    let error = &document["error"];
    assert_eq!((&error["kind"], &error["code"]), (&"unreachable".into(), &Value::Null), "{error}");
    assert!(error["action"].as_str().unwrap().contains(':') && error["hint"].is_string(), "{error}");
}

//! Bad input: a clear error with the next step, the right exit code, nothing half-made.

use std::net::TcpListener;

use assert_cmd::Command;

use crate::machine::Machine;

struct Refusal {
    code: i32,
    message: String,
    /// Files the program left in its empty directory.
    left: usize,
}

fn refuse(args: &[&str], stdin: &str) -> Refusal {
    let directory = tempfile::tempdir().unwrap();
    let output = Command::cargo_bin("zonewalk")
        .unwrap()
        .args(args)
        .current_dir(directory.path())
        .env_clear()
        .env("HOME", directory.path())
        .env("ZONEWALK_STATE_DIR", directory.path())
        .write_stdin(stdin)
        .timeout(std::time::Duration::from_secs(60))
        .output()
        .unwrap();
    Refusal {
        code: output.status.code().unwrap(),
        message: String::from_utf8(output.stderr).unwrap(),
        left: std::fs::read_dir(directory.path()).unwrap().count(),
    }
}

#[track_caller]
fn assert_refused(args: &[&str], code: i32, says: &[&str]) {
    let refusal = refuse(args, "");
    assert_eq!(refusal.code, code, "{args:?}: {}", refusal.message);
    for words in says {
        assert!(refusal.message.contains(words), "{args:?} says nothing of {words:?}: {}", refusal.message);
    }
    assert_eq!(refusal.left, 0, "{args:?} left files behind");
}

#[test]
fn envoys_are_refused_where_there_can_be_none() {
    assert_refused(&["up", "--region", "us-east-1", "--proxy", "envoy"], 2, &["--local", "local serve"]);
    assert_refused(&["up", "--local", "--proxy", "haproxy"], 2, &["zonewalk", "envoy"]);
    for args in [&["walkthrough", "--local"][..], &["local", "serve", "--listen", "127.0.0.1:0"]] {
        for (binary, says) in [("no-such-envoy", "there is no program no-such-envoy"), ("false", "cannot be run")] {
            let machine = Machine::with("ENVOY_BIN", binary.as_ref());
            let output = machine.zonewalk(&[args, &["--proxy", "envoy"]].concat());
            let message = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{message}");
            assert!(message.contains(says) && message.contains("ENVOY_BIN"), "{message}");
            assert_eq!(std::fs::read_dir(machine.path()).unwrap().count(), 0, "something was made");
        }
    }
}

#[test]
fn settings_that_cannot_be_are_refused_before_anything_starts() {
    assert_refused(&["up", "--local", "--task-count", "0"], 2, &["1 to 15"]);
    assert_refused(&["up", "--local", "--task-count", "1000"], 2, &["1 to 15"]);
    assert_refused(&["up", "--local", "--task-count", "six"], 2, &["whole number"]);
    assert_refused(&["up", "--local", "--region", "nowhere"], 2, &["not an AWS region", "us-east-1"]);
    assert_refused(&["up", "--local", "--region", "us-east-9"], 2, &["us-east-9", "eu-west-1"]);
    assert_refused(&["up", "--local", "--name", "a-name-that-is-too-long-for-a-load-balancer"], 2, &["32 characters"]);
    assert_refused(&["up", "--local", "--name", "Bad_Name"], 2, &["lower-case"]);
    for args in [&["up", "--local"][..], &["up", "--local", "--dry-run"], &["doctor", "--local"]] {
        assert_refused(&[args, &["--name", "internal"]].concat(), 2, &["begins with internal-"]);
        assert_refused(&[args, &["--name", "sg-x"]].concat(), 2, &["begins with sg-"]);
    }
    // A drill that cannot be is told before what it would be on is made.
    assert_refused(&["walkthrough", "--local", "--task-count", "2"], 2, &["--to 2 takes nothing away", "--task-count"]);
    assert_refused(&["walkthrough", "--local", "--to", "6"], 2, &["--to 6 takes nothing away", "6 tasks"]);
    assert_refused(&["up", "--local", "--config", "missing.toml"], 2, &["missing.toml"]);
    assert_refused(
        &["up", "--local", "--allow-cidr", "192.0.2.1/24"],
        2,
        &["192.0.2.1/24", "did you mean 192.0.2.0/24?"],
    );
    assert_refused(&["up", "--local", "--frontend", "server"], 2, &["client-only"]);
    assert_refused(&["redeploy", "--local", "--cluster", "theirs"], 2, &["--service"]);
    assert_refused(&["verify", "--local", "--requests", "0"], 2, &["--requests"]);
    assert_refused(&["up", "--local", "--endpoint-url", "http://127.0.0.1:1"], 2, &["--local", "--endpoint-url"]);
    assert_refused(&["up", "--region", "us-east-1"], 2, &["--yes", "USD an hour", "in us-east-1 that"]);
    assert_refused(&["up", "--local", "--faults", "missing.toml"], 2, &["missing.toml"]);
    assert_refused(&["up", "--yes", "--region", "us-east-1", "--faults", "missing.toml"], 2, &["--local"]);
    assert_refused(&["local", "serve", "--listen", "0.0.0.0:0"], 2, &["loopback", "127.0.0.1"]);
}

#[test]
fn without_a_local_cloud_the_error_says_how_to_start_one() {
    for command in ["status", "redeploy", "verify", "failover", "stats"] {
        assert_refused(&[command, "--local"], 3, &["no local cloud is running", "zonewalk up --local"]);
    }
    let refusal = refuse(&["down", "--local"], "");
    assert_eq!(refusal.code, 0, "nothing to remove is success: {}", refusal.message);
    assert!(refusal.message.contains("no local cloud is running"), "{}", refusal.message);
}

#[test]
fn a_settings_file_says_what_flags_do() {
    let directory = tempfile::tempdir().unwrap();
    let policy = |text: &str| {
        std::fs::write(directory.path().join("zonewalk.toml"), text).unwrap();
        let mut command = Command::cargo_bin("zonewalk").unwrap();
        command.arg("policy").current_dir(directory.path()).env_clear().output().unwrap()
    };
    let all = "name = 'mine'\nallow-cidr = ['192.0.2.0/24', '::/0']\nfrontend = 'client-only'\ntemplates = 't'\n\
               create-roles = false\ncheck-permissions = false\nbackend-command = ['server']\n";
    let printed = policy(all);
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    let printed: serde_json::Value = serde_json::from_slice(&printed.stdout).unwrap();
    let statements = printed["Statement"].as_array().unwrap();
    let own_roles = statements.iter().find(|statement| statement["Sid"] == "OwnRoles").unwrap();
    assert_eq!(own_roles["Resource"][0], "arn:*:iam::*:role/mine-*");

    for (text, says) in
        [("allow-cidr = []", "empty"), ("allow-cidr = 'x'", "\"x\""), ("allow_cidr = 'x'", "allow_cidr")]
    {
        let refused = policy(text);
        assert_eq!(refused.status.code(), Some(2), "{text}");
        let message = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(message.contains(says), "{text}: {message}");
    }
}

/// The exit code of `status` at an endpoint, and what it says on stderr.
fn status_at(endpoint_url: &str, variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().unwrap();
    let output = Command::cargo_bin("zonewalk")
        .unwrap()
        .args(["status", "--region", "us-east-1", "--endpoint-url", endpoint_url])
        .current_dir(directory.path())
        .env_clear()
        .env("HOME", directory.path())
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn an_endpoint_where_nothing_listens_is_named() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (code, message) = status_at(&format!("http://{free}"), &[]);
    assert_eq!(code, Some(3), "{message}");
    assert!(message.contains(&free.to_string()) && message.contains("zonewalk local serve"), "{message}");
}

#[test]
fn a_machine_without_ca_certificates_is_told_to_install_them() {
    let none = [("SSL_CERT_FILE", "/dev/null"), ("SSL_CERT_DIR", "/dev/null")];
    let (code, message) = status_at("https://127.0.0.1:1", &none);
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("ca-certificates") && message.contains("SSL_CERT_FILE"), "{message}");
    // Without TLS they are not needed.
    let (code, message) = status_at("http://127.0.0.1:1", &none);
    assert!(code == Some(3) && !message.contains("ca-certificates"), "{message}");
}

#[test]
fn the_endpoint_is_the_flags_then_the_environments_then_the_files() {
    let free = || format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let (of_flag, of_environment, of_file) = (free(), free(), free());
    let says = |args: &[&str], variables: &[(&str, &str)], code: i32, words: &str| {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("zonewalk.toml"), format!("endpoint-url = \"{of_file}\"")).unwrap();
        let mut command = Command::cargo_bin("zonewalk").unwrap();
        command.args(args).current_dir(directory.path()).env_clear();
        command.env("HOME", directory.path()).env("ZONEWALK_STATE_DIR", directory.path());
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        let output = command.envs(variables.iter().copied()).output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{message}");
        assert!(message.contains(words), "{words}: {message}");
    };
    // At none of these anything costs, so `up` does not ask.
    let up = ["up", "--region", "us-east-1"];
    let environment = ("AWS_ENDPOINT_URL", of_environment.as_str());
    says(&[&up[..], &["--endpoint-url", &of_flag]].concat(), &[environment], 3, &of_flag);
    says(&up, &[environment], 3, &of_environment);
    says(&up, &[], 3, &of_file);
    says(&up, &[("AWS_ENDPOINT_URL", "")], 3, &of_file);
    says(&up, &[environment, ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")], 3, &of_file);
    // At an endpoint of AWS's own it does.
    says(&up, &[("AWS_ENDPOINT_URL", "https://vpce-1.ecs.us-east-1.vpce.amazonaws.com")], 2, "USD an hour");
    // A variable for other programs keeps nobody from the local cloud.
    says(&["status", "--local"], &[environment], 3, "no local cloud is running");
}

/// `/dev/full` is a disk without room.
#[test]
#[cfg(target_os = "linux")]
fn output_that_cannot_be_written_is_told() {
    let machine = Machine::new();
    let mut command = machine.command(&["explain"]);
    let output = command.stdout(std::fs::File::create("/dev/full").unwrap()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(said.contains("cannot be written to stdout: no space left on device; send it elsewhere"), "{said}");
}

#[test]
fn a_port_in_use_is_said_and_another_proposed() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    assert_refused(&["local", "serve", "--listen", &address], 2, &["in use", "--listen 127.0.0.1:0"]);
}

#[test]
fn a_malformed_topology_line_is_named_by_its_number() {
    let good =
        r#"{"id": "x", "topology": {"self_zone": "a", "local": {"a": 2, "b": 2}, "upstream": {"a": 3, "b": 3}}}"#;
    for (line, says) in [
        ("{", "line 2"),
        (r#"{"id": "x"}"#, "topology"),
        (
            r#"{"id": "x", "topology": {"self_zone": "a", "local": {"a": -1}, "upstream": {"a": 1}}}"#,
            "topology.local.a",
        ),
        (r#"{"id": "x", "topology": {"self_zone": "a", "local": {}, "upstream": {}, "zones": 3}}"#, "zones"),
        (
            r#"{"id": "x", "topology": {"self_zone": "a", "local": {}, "upstream": {}}, "min_cluster_size": 3}"#,
            "min_cluster_size",
        ),
    ] {
        let refusal = refuse(&["predict", "-"], &format!("{good}\n{line}\n"));
        assert_eq!(refusal.code, 2, "{line}: {}", refusal.message);
        assert!(refusal.message.contains(says), "{line}: {}", refusal.message);
    }
    assert_refused(&["predict", "missing.jsonl"], 2, &["missing.jsonl"]);
}

#[test]
fn predict_gives_a_line_for_a_line() {
    let directory = tempfile::tempdir().unwrap();
    let truth = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/envoy-truth.jsonl");
    let output = Command::cargo_bin("zonewalk")
        .unwrap()
        .args(["predict", truth])
        .current_dir(directory.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<serde_json::Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), std::fs::read_to_string(truth).unwrap().lines().count());
    for line in lines {
        let zones: f64 = line["zone_share"].as_object().unwrap().values().map(|share| share.as_f64().unwrap()).sum();
        let sum = zones + line["failed_share"].as_f64().unwrap();
        assert!((sum - 1.0).abs() < 1e-9, "{line}");
    }
}

#[test]
fn the_operations_of_the_local_cloud_are_listed_with_their_parameters() {
    let list = |args: &[&str]| {
        let output = Command::cargo_bin("zonewalk").unwrap().args(args).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let lines = list(&["local", "operations"]);
    assert!(lines.lines().any(|line| line == "ecs:DeleteService  cluster service force"), "{lines}");
    let document: serde_json::Value =
        serde_json::from_str(&list(&["local", "operations", "--output", "json"])).unwrap();
    let operations = document["result"]["operations"].as_array().unwrap();
    assert_eq!(operations.len(), lines.lines().count());
    let cluster = operations.iter().find(|listed| listed["operation"] == "DescribeClusters").unwrap();
    assert_eq!((&cluster["service"], &cluster["read"]), (&"ecs".into(), &true.into()));
}

//! The commands about the local cloud as a process: it is found, pointed at, read and ended; and those that can do without one.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::machine::{Machine, result};
use crate::peers;
use crate::processes::{assert_nothing_runs, at_once, processes, record, said, signal, start, succeed};
use crate::terminal::Terminal;

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn without_a_local_cloud_that_is_what_they_say() {
    let machine = Machine::new();
    let status = machine.zonewalk(&["local", "status"]);
    assert_eq!((status.status.code(), printed(&status).trim()), (Some(1), "no local cloud is running"));
    let status = machine.zonewalk(&["local", "status", "--output", "json"]);
    assert_eq!(status.status.code(), Some(1));
    assert_eq!(result(&status.stdout)["running"], false);
    assert_eq!(machine.json(&["local", "stop", "--output", "json"])["state"], "not_running");
    for command in ["env", "logs", "faults"] {
        let output = machine.zonewalk(&["local", command]);
        assert_eq!(output.status.code(), Some(3), "{command}");
        assert!(said(&output).contains("no local cloud is running: start one with `zonewalk up --local`"), "{command}");
    }
    assert_eq!(std::fs::read_dir(machine.path()).unwrap().count(), 0);
}

#[test]
fn the_local_cloud_is_found_pointed_at_read_and_stopped() {
    let machine = Machine::new();
    let up = machine.zonewalk(&["up", "--local", "--pace", "instant", "--task-count", "1"]);
    assert!(up.status.success(), "{}", said(&up));
    let record = record(&machine);
    let (url, process) = (record["endpoint_url"].as_str().unwrap(), record["process"].as_u64().unwrap());
    let log = machine.path().join("local.log");
    let started = format!("local cloud started: {url} (process {process}, log {})", log.display());
    assert!(said(&up).contains(&started), "{}", said(&up));
    assert!(!said(&machine.zonewalk(&["status", "--local"])).contains("local cloud started"));

    let status = machine.json(&["local", "status", "--output", "json"]);
    assert_eq!((&status["running"], &status["endpoint_url"]), (&Value::from(true), &record["endpoint_url"]));
    assert_eq!((&status["process"], &status["pace"]), (&record["process"], &Value::from("instant")));
    assert_eq!(
        (&status["users"], &status["walkthroughs"][0]["name"]),
        (&Value::from([""; 0].to_vec()), &Value::from("az-aware"))
    );
    let resources = status["walkthroughs"][0]["resources"].as_u64().unwrap();
    assert!(resources > 10 && status["age_s"].is_u64(), "{status}");
    let text = printed(&machine.zonewalk(&["local", "status"]));
    for words in [format!("running at {url}"), format!("{process} in the background"), log.display().to_string()] {
        assert!(text.contains(&words), "{words}: {text}");
    }
    let row = ["az-aware", "us-east-1", &resources.to_string()];
    assert!(text.lines().any(|line| line.split_whitespace().eq(row)), "{text}");

    let env = machine.zonewalk(&["local", "env", "--region", "eu-west-1"]);
    let expected = format!(
        "export AWS_ENDPOINT_URL={url}\nexport AWS_ACCESS_KEY_ID=local\nexport AWS_SECRET_ACCESS_KEY=local\n\
         export AWS_REGION=eu-west-1\nexport AWS_DEFAULT_REGION=eu-west-1\n"
    );
    assert_eq!(printed(&env), expected);
    let variables = machine.json(&["local", "env", "--output", "json"]);
    assert_eq!(variables["variables"]["AWS_DEFAULT_REGION"], "us-east-1");
    let nowhere = machine.zonewalk(&["local", "env", "--region", "us-east-9"]);
    assert_eq!(nowhere.status.code(), Some(2), "{}", said(&nowhere));

    let logs = printed(&machine.zonewalk(&["local", "logs"]));
    assert!(logs.lines().next().unwrap().ends_with(&format!("local cloud started: {url}")), "{logs}");
    for words in ["Z  200  ecs:CreateService  us-east-1  ", "  404  iam:GetRole  us-east-1  ", "  NoSuchEntity\n"] {
        assert!(logs.contains(words), "{words}: {logs}");
    }

    let refused = machine.zonewalk(&["local", "stop"]);
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    assert!(said(&refused).contains("ends walkthrough az-aware in us-east-1") && said(&refused).contains("--yes"));
    let stop = machine.zonewalk(&["local", "stop", "--yes"]);
    let ended =
        format!("local cloud stopped (process {process}), and with it walkthrough az-aware in us-east-1 ({resources} ");
    assert!(stop.status.success() && printed(&stop).starts_with(&ended), "{}", printed(&stop));
    assert_nothing_runs(&machine);
    let last = machine.zonewalk(&["local", "logs"]);
    assert!(printed(&last).starts_with(&logs) && said(&last).contains("this is the log of the last one"));
}

#[test]
fn on_a_terminal_it_is_asked_before_a_walkthrough_ends_with_the_cloud() {
    let machine = Machine::new();
    start(&machine);
    for columns in [80, 120] {
        Terminal::new(columns).run(&machine, &["local", "status"]).assert_tidy_end(0);
        let spared = Terminal::new(columns).typing("Go on? [y/N]", "n\r").run(&machine, &["local", "stop"]);
        spared.assert_tidy_end(1);
        assert!(spared.contains("This ends walkthrough az-aware in us-east-1 with the local cloud"), "{spared}");
        assert!(spared.contains("the local cloud runs on"), "{spared}");
    }
    let env = Terminal::new(80).run(&machine, &["local", "env", "--shell", "fish"]);
    env.assert_tidy_end(0);
    assert_eq!(env.last_line(), "# to set them: zonewalk local env --shell fish | source");
    Terminal::new(80).typing("Go on? [y/N]", "y\r").run(&machine, &["local", "stop"]).assert_tidy_end(0);
    assert_nothing_runs(&machine);
    Terminal::new(80).run(&machine, &["local", "status"]).assert_tidy_end(1);
}

#[test]
fn an_empty_cloud_is_stopped_without_a_question() {
    let machine = Machine::new();
    let mut serve = machine.command(&["local", "serve", "--listen", "0"]);
    let mut serve = serve.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut text = String::new();
    let mut reader = BufReader::new(serve.stdout.take().unwrap());
    reader.read_line(&mut text).unwrap();
    let logs = machine.zonewalk(&["local", "logs"]);
    assert!(said(&logs).contains("its log is in the terminal where it was started"), "{}", said(&logs));
    assert_eq!(machine.json(&["local", "status", "--output", "json"])["background"], false);
    assert_eq!(machine.json(&["local", "stop", "--output", "json"])["state"], "stopped");
    assert!(serve.wait().unwrap().success());
    reader.read_to_string(&mut text).unwrap();
    assert!(text.contains("export AWS_DEFAULT_REGION=us-east-1"), "{text}");
    assert_nothing_runs(&machine);
}

#[test]
fn a_cloud_that_a_command_uses_is_not_stopped() {
    let machine = Machine::new();
    start(&machine);
    let mut verify = machine.command(&["verify", "--local", "--requests", "1000000"]);
    let mut verify = verify.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let user = format!("zonewalk verify --local --requests 1000000 (process {})", verify.id());
    while !printed(&machine.zonewalk(&["local", "status"])).contains(&format!("used by       {user}")) {
        assert!(verify.try_wait().unwrap().is_none(), "it has ended");
    }
    let stop = machine.zonewalk(&["local", "stop", "--yes"]);
    assert_eq!(stop.status.code(), Some(3), "{}", said(&stop));
    assert!(said(&stop).contains(&format!("the local cloud is in use by {user}")), "{}", said(&stop));
    signal("-INT", verify.id());
    verify.wait().unwrap();
    machine.json(&["local", "stop", "--yes", "--output", "json"]);
    assert_nothing_runs(&machine);
}

#[test]
fn what_only_looks_needs_no_local_cloud_and_leaves_none() {
    let machine = Machine::new();
    let doctor = machine.json(&["doctor", "--local", "--output", "json"]);
    assert!(doctor.to_string().contains("000000000000"), "{doctor}");
    let bare = machine.zonewalk(&["doctor", "--local", "--bare-account"]);
    assert!(said(&bare).contains("no local cloud is running: this looks at a new one"), "{}", said(&bare));
    assert!(doctor.to_string().contains("ecsInstanceRole") && !printed(&bare).contains("ecsInstanceRole"));
    std::fs::write(
        machine.path().join("f.toml"),
        "[[fault]]\nkind = 'refuse'\noperation = 'ec2:DescribeVpcs'\ncode = 'No'",
    )
    .unwrap();
    let faulty = machine.zonewalk(&["doctor", "--local", "--faults", "f.toml"]);
    assert!(
        !faulty.status.success() && (said(&faulty) + &printed(&faulty)).contains("DescribeVpcs"),
        "{}",
        said(&faulty)
    );
    std::fs::remove_file(machine.path().join("f.toml")).unwrap();
    succeed(&at_once(&machine, (0..5).map(|_| vec!["up", "--local", "--dry-run"])));
    assert_eq!(std::fs::read_dir(machine.path()).unwrap().count(), 0);
    assert_nothing_runs(&machine);
}

/// Whether a process has said what is to happen at an interrupt.
fn catches_interrupts(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(caught.trim(), 16).unwrap() & (1 << (2 - 1)) != 0
}

#[test]
fn an_interrupt_is_heeded_while_another_command_starts_the_cloud() {
    let machine = Machine::new();
    // As a command holds it that starts one.
    let lock = std::fs::File::create(machine.path().join("local.lock")).unwrap();
    lock.lock().unwrap();
    let mut up = machine.command(&["up", "--local"]);
    let mut up = up.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    while !catches_interrupts(up.id()) {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    signal("-INT", up.id());
    // Else it waits until it gives up by itself, minutes later, with another code.
    assert_eq!(up.wait().unwrap().code(), Some(130));
    drop(lock);
    std::fs::remove_file(machine.path().join("local.lock")).unwrap();
    assert_nothing_runs(&machine);
}

#[test]
fn an_interrupt_is_heeded_while_the_cloud_starts() {
    let machine = Machine::with("ENVOY_BIN", Path::new("./envoy"));
    // The command looks first. The process that it starts looks, too, and has to wait.
    let envoy = "#!/bin/sh\nwhile [ -e seen ]; do sleep 0.02; done\ntouch seen\necho 'envoy  version: 0/1.40.0/Clean/RELEASE/x'\n";
    let path = machine.path().join("envoy");
    std::fs::write(&path, envoy).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut up = machine.command(&["up", "--local", "--proxy", "envoy"]);
    let mut up = up.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let starts = || {
        let command_line = |process| std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        let processes = processes(&machine).into_iter().map(command_line);
        processes.map(|line| String::from_utf8_lossy(&line).into_owned()).any(|line| line.contains("--background"))
    };
    while !starts() {
        assert!(up.try_wait().unwrap().is_none(), "it has ended");
    }
    signal("-INT", up.id());
    assert_eq!(up.wait().unwrap().code(), Some(130));
    assert!(!starts(), "nobody would find it");
    // Then the script ends, too.
    std::fs::remove_file(machine.path().join("seen")).unwrap();
    while !processes(&machine).is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(!machine.path().join("local.json").exists() && !machine.path().join("local.lock").exists());
}

#[test]
fn the_record_is_under_the_users_state_and_an_older_versions_is_found() {
    let machine = Machine::new();
    let run = |args: &[&str], variables: &[(&str, &Path)]| {
        let mut command = machine.command(args);
        command.env_remove("ZONEWALK_STATE_DIR").envs(variables.iter().copied()).output().unwrap()
    };
    let own = machine.path().join(".local/state/zonewalk/local.json");
    let other = machine.path().join("elsewhere");
    for (variables, record) in
        [(vec![], own.clone()), (vec![("XDG_STATE_HOME", other.as_path())], other.join("zonewalk/local.json"))]
    {
        let up = run(&["up", "--local", "--task-count", "1"], &variables);
        assert!(up.status.success() && record.exists(), "{}", said(&up));
        let stop = run(&["local", "stop", "--yes"], &variables);
        assert!(stop.status.success() && !record.exists(), "{}", said(&stop));
    }

    let cache = machine.path().join(".cache/zonewalk");
    std::fs::create_dir_all(&cache).unwrap();
    let up = run(&["up", "--local", "--task-count", "1"], &[("ZONEWALK_STATE_DIR", &cache)]);
    assert!(up.status.success(), "{}", said(&up));
    let found = run(&["local", "status"], &[]);
    assert!(
        printed(&found).contains(&format!("state file    {}", cache.join("local.json").display())),
        "{}",
        said(&found)
    );
    let again = run(&["up", "--local", "--task-count", "1"], &[]);
    assert!(again.status.success() && !said(&again).contains("local cloud started"), "{}", said(&again));
    assert!(!own.exists());
    // Named, it is the only place.
    assert_eq!(run(&["local", "status"], &[("ZONEWALK_STATE_DIR", &other)]).status.code(), Some(1));
    let down = run(&["down", "--local"], &[]);
    assert!(down.status.success() && !cache.join("local.json").exists(), "{}", said(&down));
    assert_eq!(processes(&machine), [""; 0]);
}

#[test]
fn a_followed_log_goes_on_until_the_cloud_ends() {
    let machine = Machine::new();
    start(&machine);
    let mut logs = machine.command(&["local", "logs", "--follow"]);
    let mut logs = logs.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(logs.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("ecs:CreateService")), "what was there before");
    machine.json(&["down", "--local", "--output", "json"]);
    assert!(lines.any(|line| line.contains("ecs:DeleteCluster")), "what came later");
    assert_eq!(lines.count(), lines_after_delete(&machine));
    assert!(logs.wait().unwrap().success());
}

/// How many requests were told after the last one that deletes a cluster.
fn lines_after_delete(machine: &Machine) -> usize {
    let log = std::fs::read_to_string(machine.path().join("local.log")).unwrap();
    let first = log.lines().position(|line| line.contains("ecs:DeleteCluster")).unwrap();
    log.lines().count() - first - 1
}

/// Runs a script that the variables of `local env` have been taken into, with nothing else of AWS in its environment.
fn script(machine: &Machine, peer: &str, script: &str) -> String {
    let path = [peers::bin(peer).display().to_string(), "/usr/bin".to_owned(), "/bin".to_owned()].join(":");
    let mut command = Command::new("sh");
    command.args(["-ec", &format!("eval \"$(\"$ZONEWALK\" local env)\"\n{script}")]).env_clear().env("PATH", path);
    command.env("ZONEWALK", env!("CARGO_BIN_EXE_zonewalk")).env("AWS_EC2_METADATA_DISABLED", "true");
    let output = command.env("HOME", machine.path()).env("ZONEWALK_STATE_DIR", machine.path()).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    printed(&output)
}

#[test]
#[ignore = "needs the AWS CLI: tests/run.sh installs it"]
fn the_aws_cli_takes_what_local_env_prints() {
    let machine = Machine::new();
    start(&machine);
    let clusters = script(&machine, "aws", "aws ecs list-clusters --output text");
    assert!(clusters.contains("arn:aws:ecs:us-east-1:000000000000:cluster/az-aware-cluster-ec2"), "{clusters}");
}

#[test]
#[ignore = "needs boto3: tests/run.sh installs it"]
fn boto3_takes_what_local_env_prints() {
    let machine = Machine::new();
    start(&machine);
    let clusters = script(&machine, "moto", "python -c \"import boto3; print(boto3.client('ecs').list_clusters())\"");
    assert!(clusters.contains("arn:aws:ecs:us-east-1:000000000000:cluster/az-aware-cluster-ec2"), "{clusters}");
}

//! The life of what runs in the background: shared by all commands, ended by the last one, found by every one.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::machine::Machine;

/// What the commands said and how they ended, all started at once.
pub(crate) fn at_once<'a>(machine: &Machine, commands: impl IntoIterator<Item = Vec<&'a str>>) -> Vec<Output> {
    let children: Vec<Child> = commands
        .into_iter()
        .map(|args| {
            let mut command = machine.command(&args);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    // None writes more than a pipe holds.
    children.into_iter().map(|child| child.wait_with_output().unwrap()).collect()
}

pub(crate) fn succeed(outputs: &[Output]) {
    for output in outputs {
        assert!(output.status.success(), "{}", said(output));
    }
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The files of the processes' records, which logs and the records of runs are not.
pub(crate) fn records(directory: &Path) -> Vec<String> {
    let names = std::fs::read_dir(directory).unwrap().flatten();
    let mut names: Vec<String> = names.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.ends_with(".log") && name != "runs");
    names.sort();
    names
}

/// Starts a local cloud in the background, with a little in it: its process.
pub(crate) fn start(machine: &Machine) -> String {
    machine.json(&["up", "--local", "--task-count", "1", "--output", "json"]);
    record(machine)["process"].to_string()
}

pub(crate) fn record(machine: &Machine) -> Value {
    serde_json::from_slice(&std::fs::read(machine.path().join("local.json")).unwrap()).unwrap()
}

/// The processes of zonewalk that were started in this machine's directory.
pub(crate) fn processes(machine: &Machine) -> Vec<String> {
    let ours = |process: &String| {
        let directory = std::fs::read_link(format!("/proc/{process}/cwd"));
        let command = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        // A process that has ended and that nobody has waited for has no command line any more.
        directory.is_ok_and(|directory| directory == machine.path()) && !command.is_empty()
    };
    let all = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
    all.filter(|name| name.chars().all(|c| c.is_ascii_digit())).filter(ours).collect()
}

pub(crate) fn assert_nothing_runs(machine: &Machine) {
    assert_eq!(records(machine.path()), Vec::<String>::new());
    assert_eq!(processes(machine), Vec::<String>::new());
}

/// A local cloud in the foreground.
struct Serve {
    process: Child,
    endpoint_url: String,
    /// What it says.
    log: PathBuf,
}

impl Serve {
    fn start(machine: &Machine) -> Self {
        let log = machine.path().join("served.log");
        let mut command = machine.command(&["local", "serve", "--listen", "127.0.0.1:0"]);
        // It tells each request: more than a pipe holds.
        let mut process = command.stdout(Stdio::piped()).stderr(File::create(&log).unwrap()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
        Self { endpoint_url: url.to_owned(), log, process }
    }

    /// Ends it as Ctrl-C does; gives what it said.
    fn end(mut self) -> String {
        signal("-INT", self.process.id());
        assert!(self.process.wait().unwrap().success());
        std::fs::read_to_string(&self.log).unwrap()
    }
}

/// A test that fails midway leaves no server behind.
impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.process.kill();
    }
}

pub(crate) fn signal(signal: &str, process: impl ToString) {
    assert!(Command::new("kill").args([signal, &process.to_string()]).status().unwrap().success());
}

#[test]
fn twenty_ups_at_once_share_a_cloud_that_ends_with_the_last_down() {
    let machine = Machine::new();
    let names = ["one", "two", "three", "four", "five"];
    let ups =
        (0..20).map(|up| vec!["up", "--local", "--pace", "instant", "--task-count", "3", "--name", names[up % 5]]);
    succeed(&at_once(&machine, ups));
    assert_eq!(processes(&machine), [record(&machine)["process"].to_string()]);

    for name in ["four", "one"] {
        let down = machine.zonewalk(&["down", "--local", "--name", name]);
        assert!(down.status.success(), "{}", said(&down));
        assert!(said(&down).contains("runs on for"), "{}", said(&down));
        assert!(said(&down).contains("walkthrough two in us-east-1"), "{}", said(&down));
        assert!(!said(&down).contains(&format!("walkthrough {name} in")), "{}", said(&down));
    }
    succeed(&at_once(&machine, ["five", "two", "three"].map(|name| vec!["down", "--local", "--name", name])));
    assert_nothing_runs(&machine);
}

#[test]
fn a_cloud_ends_with_its_last_walkthrough_in_any_region() {
    let machine = Machine::new();
    let regions = ["us-east-1", "eu-west-1"];
    for region in regions {
        machine.json(&["up", "--local", "--bare-account", "--region", region, "--output", "json"]);
    }
    let down = machine.zonewalk(&["down", "--local", "--region", "us-east-1"]);
    assert!(said(&down).contains("the local cloud runs on for walkthrough az-aware in eu-west-1"), "{}", said(&down));
    assert_eq!(machine.json(&["status", "--local", "--region", "eu-west-1", "--output", "json"])["healthy_targets"], 6);
    let down = machine.zonewalk(&["down", "--local", "--region", "eu-west-1"]);
    assert!(down.status.success() && !said(&down).contains("runs on"), "{}", said(&down));
    assert_nothing_runs(&machine);
}

#[test]
fn two_walkthroughs_at_once_do_not_take_each_others_cloud() {
    let machine = Machine::new();
    let walkthroughs = ["one", "two"].map(|name| vec!["walkthrough", "--local", "--name", name]);
    succeed(&at_once(&machine, walkthroughs));
    assert_nothing_runs(&machine);
}

#[test]
fn a_command_that_uses_the_cloud_keeps_it_and_ends_it_for_the_one_that_removed() {
    let machine = Machine::new();
    machine.json(&["up", "--local", "--task-count", "3", "--output", "json"]);
    // Half a minute of traffic.
    let verify = machine.command(&["verify", "--local", "--requests", "1000000", "--name", "az-aware"]);
    let mut verify = { verify }.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let users = machine.path().join("local.users");
    while File::open(&users).is_ok_and(|users| users.try_lock().is_ok()) || !users.exists() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    // It would end by itself once the load balancer is gone.
    signal("-STOP", verify.id());
    let down = machine.zonewalk(&["down", "--local"]);
    assert!(said(&down).contains("the local cloud runs on for another command"), "{}", said(&down));
    assert_eq!(processes(&machine).len(), 2);
    signal("-CONT", verify.id());
    signal("-INT", verify.id());
    verify.wait().unwrap();
    assert_nothing_runs(&machine);
}

#[test]
fn a_cloud_that_the_user_serves_is_left_alone() {
    let machine = Machine::new();
    machine.json(&["up", "--local", "--task-count", "3", "--output", "json"]);
    let background = record(&machine);
    // Beside one that runs, it takes no command away from it.
    let serve = Serve::start(&machine);
    assert_eq!(record(&machine), background);
    machine.json(&["down", "--local", "--output", "json"]);
    assert_eq!(processes(&machine), [serve.process.id().to_string()]);
    let url = serve.endpoint_url.clone();
    let said = serve.end();
    assert!(said.contains(&format!("use --endpoint-url {url} for this one")), "{said}");
    assert_nothing_runs(&machine);

    // Alone, commands use it, and none ends it.
    let serve = Serve::start(&machine);
    machine.json(&["up", "--local", "--task-count", "3", "--output", "json"]);
    assert_eq!(processes(&machine), [serve.process.id().to_string()]);
    machine.json(&["down", "--local", "--output", "json"]);
    assert_eq!(record(&machine)["endpoint_url"], *serve.endpoint_url);
    // Requests are told without being asked for.
    let said = serve.end();
    assert!(said.contains("Z  200  ecs:CreateService  us-east-1  "), "{said}");
    assert_nothing_runs(&machine);
}

#[test]
fn a_cloud_that_was_killed_is_known_to_be_gone() {
    let machine = Machine::new();
    for command in ["status", "down", "up"] {
        let process = start(&machine);
        signal("-KILL", &process);
        let output = machine.zonewalk(&[command, "--local"]);
        match command {
            "up" => assert!(output.status.success(), "{}", said(&output)),
            _ => {
                let told = format!("no local cloud is running (process {process} was killed, and everything");
                assert!(said(&output).contains(&told), "{}", said(&output));
                assert_eq!(records(machine.path()), [""; 0]);
            }
        }
    }
    machine.json(&["down", "--local", "--output", "json"]);
    assert_nothing_runs(&machine);
}

#[test]
fn a_cloud_of_another_version_is_not_used_and_can_be_left() {
    let machine = Machine::new();
    let serve = Serve::start(&machine);
    let mut older = record(&machine);
    for member in ["version", "pace", "bare_account"] {
        older.as_object_mut().unwrap().remove(member);
    }
    std::fs::write(machine.path().join("local.json"), older.to_string()).unwrap();
    let up = machine.zonewalk(&["up", "--local"]);
    assert_eq!(up.status.code(), Some(3));
    for words in ["another version of zonewalk", "`zonewalk down --local`", "`zonewalk local stop`"] {
        assert!(said(&up).contains(words), "{words}: {}", said(&up));
    }
    machine.json(&["down", "--local", "--output", "json"]);
    // What such a version leaves behind is known to be stale all the same.
    signal("-KILL", serve.process.id());
    let status = machine.zonewalk(&["status", "--local"]);
    assert!(said(&status).contains("no local cloud is running"), "{}", said(&status));
}

#[test]
fn a_cloud_that_hangs_is_named_with_what_ends_it() {
    let machine = Machine::new();
    let process = start(&machine);
    signal("-STOP", &process);
    let status = machine.zonewalk(&["status", "--local"]);
    signal("-KILL", &process);
    assert_eq!(status.status.code(), Some(3));
    assert!(said(&status).contains(&format!("`kill -9 {process}`")), "{}", said(&status));
}

#[test]
fn without_a_directory_for_records_the_user_is_told_to_name_one() {
    let machine = Machine::with("ZONEWALK_STATE_DIR", Path::new("/dev/null/records"));
    for command in [&["up", "--local"][..], &["local", "serve", "--listen", "127.0.0.1:0"]] {
        let mut command = machine.command(command);
        let output = command.env("ZONEWALK_STATE_DIR", "/dev/null/records").output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{}", said(&output));
        assert!(
            said(&output).contains("set ZONEWALK_STATE_DIR to a directory that can be written"),
            "{}",
            said(&output)
        );
    }
    assert_nothing_runs(&machine);
}

#[test]
fn what_a_running_cloud_is_not_is_refused() {
    let machine = Machine::new();
    start(&machine);
    for (asked, words) in [
        (&["--pace", "aws"][..], "was started with --pace fast; for --pace aws, stop it first"),
        (&["--bare-account"], "has an account with the article's roles; for --bare-account, stop it first"),
        (&["--proxy", "envoy"], "uses zonewalk's own proxies; for --proxy envoy, stop it first"),
    ] {
        for command in [&["up", "--local"][..], &["up", "--local", "--dry-run"], &["doctor", "--local"]] {
            let output = machine.zonewalk(&[command, asked].concat());
            assert_eq!(output.status.code(), Some(2), "{}", said(&output));
            assert!(said(&output).contains(words), "{}", said(&output));
            assert!(said(&output).contains("`zonewalk local stop`"), "{}", said(&output));
        }
    }
    // What it is may be asked for.
    machine.json(&["up", "--local", "--dry-run", "--pace", "fast", "--proxy", "zonewalk", "--output", "json"]);
    machine.json(&["down", "--local", "--output", "json"]);
    assert_nothing_runs(&machine);
    for asked in [&["--pace", "aws"][..], &["--bare-account"]] {
        let output = machine.zonewalk(&[&["up"], asked].concat());
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains("add --local"), "{}", said(&output));
    }
}

#[test]
fn the_hosts_of_an_emulator_are_one_process_that_ends_with_the_walkthrough() {
    let machine = Machine::new();
    let serve = Serve::start(&machine);
    let with = |command| vec![command, "--endpoint-url", &serve.endpoint_url, "--local-traffic"];
    let run = |commands: &[&'static str]| {
        let children = commands.iter().map(|command| {
            let mut command = machine.command(&with(command));
            command
                .env("AWS_ACCESS_KEY_ID", "test")
                .env("AWS_SECRET_ACCESS_KEY", "test")
                .env("AWS_REGION", "us-east-1");
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        });
        let outputs = children.collect::<Vec<_>>().into_iter().map(|child| child.wait_with_output().unwrap());
        outputs.collect::<Vec<_>>()
    };
    run(&["status"; 10]);
    assert_eq!(processes(&machine).len(), 2, "the cloud and the hosts");
    succeed(&run(&["down"; 3]));
    assert_eq!(processes(&machine), [serve.process.id().to_string()]);
    serve.end();
    assert_nothing_runs(&machine);
}

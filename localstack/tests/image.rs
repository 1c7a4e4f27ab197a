//! The image that `.ci/release` builds, as docs/install.md has it run.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test, in helpers too")]

use std::process::{Command, Output};

use serde_json::Value;

/// What `tests/run.sh` tells: the image, the program, and the AWS CLI's directory.
fn told(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: run tests/run.sh, which sets it"))
}

fn output(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn docker(args: &[&str]) -> String {
    let output = output(Command::new("docker").args(args));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A container, which goes with the test.
struct Container(String);

impl Container {
    fn run(args: &[&str]) -> Self {
        let image = told("ZONEWALK_IMAGE");
        Self(docker(&[&["run", "--detach"], args, &[&image]].concat()))
    }

    /// Where the host reaches a port of it.
    fn published(&self, port: &str) -> String {
        docker(&["port", &self.0, port])
    }

    fn until_it_listens(&self) {
        let listens =
            || Command::new("docker").args(["exec", &self.0, "zonewalk", "local", "status"]).output().unwrap();
        while !listens().status.success() {
            let running = docker(&["inspect", "--format", "{{.State.Running}}", &self.0]);
            assert_eq!(running, "true", "{}", docker(&["logs", &self.0]));
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rm", "--force", &self.0]).output();
    }
}

/// A user beside the container, who knows where the endpoint is and nothing else.
struct User {
    endpoint_url: String,
    home: tempfile::TempDir,
}

impl User {
    fn run(&self, program: &str, args: &[&str]) -> Value {
        let mut command = Command::new(program);
        command.args(args).args(["--output", "json"]).current_dir(self.home.path()).env_clear();
        command.env("HOME", self.home.path()).env("AWS_ENDPOINT_URL", &self.endpoint_url);
        command.env("AWS_ACCESS_KEY_ID", "local").env("AWS_SECRET_ACCESS_KEY", "local");
        serde_json::from_slice(&output(&mut command).stdout).unwrap()
    }

    fn zonewalk(&self, region: &str, args: &[&str]) -> Value {
        self.run(&told("ZONEWALK_BIN"), &[args, &["--region", region]].concat())["result"].take()
    }
}

#[test]
#[ignore = "needs Docker and the image: tests/run.sh builds it"]
fn published_ports_are_all_that_the_host_needs() {
    let ports = ["--publish", "127.0.0.1::4566", "--publish", "127.0.0.1:4510-4511:4510-4511"];
    let container = Container::run(&ports);
    container.until_it_listens();
    let endpoint_url = format!("http://{}", container.published("4566"));
    let user = User { endpoint_url, home: tempfile::tempdir().unwrap() };
    // Regions share the ports of load balancers.
    for (region, url) in [("us-east-1", "http://127.0.0.1:4510/"), ("eu-west-1", "http://127.0.0.1:4511/")] {
        assert_eq!(user.zonewalk(region, &["up"])["url"], url);
        let verify = user.zonewalk(region, &["verify"]);
        assert_eq!((&verify["verdict"], &verify["same_zone_share"]), (&"pass".into(), &1.0.into()), "{verify}");
    }
    let aws = format!("{}/aws/bin/aws", told("ZONEWALK_PEERS"));
    let names = ["elbv2", "describe-load-balancers", "--query", "LoadBalancers[].DNSName", "--region", "eu-west-1"];
    assert_eq!(user.run(&aws, &names), serde_json::json!(["127.0.0.1:4511"]));
    assert_eq!(user.zonewalk("us-east-1", &["down"])["leftovers"], serde_json::json!([]));
}

#[test]
#[ignore = "needs Docker and the image: tests/run.sh builds it"]
fn it_ends_when_it_is_told_to_whoever_runs_it() {
    for (user, signal) in [("65534:65534", "TERM"), ("1234:1234", "INT")] {
        let container = Container::run(&["--user", user]);
        container.until_it_listens();
        docker(&["exec", &container.0, "zonewalk", "up", "--local"]);
        docker(&["kill", "--signal", signal, &container.0]);
        assert_eq!(docker(&["wait", &container.0]), "0", "{}", docker(&["logs", &container.0]));
    }
}

#[test]
#[ignore = "needs Docker and the image: tests/run.sh builds it"]
fn it_walks_through_by_itself() {
    let image = told("ZONEWALK_IMAGE");
    let walkthrough = docker(&["run", "--rm", &image, "walkthrough", "--local", "--output", "json"]);
    let walkthrough: Value = serde_json::from_str(&walkthrough).unwrap();
    assert_eq!(walkthrough["result"]["verify"]["verdict"], "pass", "{walkthrough}");
    assert_eq!(walkthrough["result"]["down"]["leftovers"], serde_json::json!([]), "{walkthrough}");
    assert_eq!(docker(&["inspect", "--format", "{{.Config.User}}", &image]), "65534:65534");
}

//! The walkthrough with `--local-traffic` on an emulator that others wrote, as a user runs it. The tests of the LocalStack
//! image (`localstack/tests`) are made of this file, too.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

pub(crate) const REGION: &str = "us-east-1";

/// A command that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(300);

fn output(mut command: Command) -> Output {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let process = child.id().to_string();
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || done.send(child.wait_with_output()));
    let output = ended.recv_timeout(LIMIT).unwrap_or_else(|_| {
        let _ = Command::new("kill").arg(&process).status();
        panic!("{command:?} hangs");
    });
    output.unwrap()
}

/// A user with the program, the AWS CLI and an emulator.
pub(crate) struct User {
    pub(crate) zonewalk: PathBuf,
    pub(crate) aws: PathBuf,
    pub(crate) endpoint_url: String,
    /// Where everything is that the program writes.
    pub(crate) home: tempfile::TempDir,
}

impl User {
    /// With made-up keys and nothing else of this machine's configuration.
    fn command(&self, program: &PathBuf) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.home.path())
            .env_clear()
            .env("HOME", self.home.path())
            .env("ZONEWALK_STATE_DIR", self.home.path())
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_DEFAULT_REGION", REGION)
            .env("AWS_REGION", REGION)
            .env("AWS_ENDPOINT_URL", &self.endpoint_url)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_PAGER", "");
        command
    }

    pub(crate) fn zonewalk(&self, args: &[&str]) -> Output {
        // The endpoint is the variable's.
        let mut command = self.command(&self.zonewalk);
        command.args(args).args(["--local-traffic", "--output", "json"]).env("ZONEWALK_TIMEOUT", "120");
        output(command)
    }

    /// The outcome of a command that succeeds, and what it said meanwhile.
    pub(crate) fn outcome(&self, args: &[&str]) -> (Value, String) {
        let output = self.zonewalk(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {said}");
        let document: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}"));
        (document["result"].clone(), said)
    }

    pub(crate) fn aws(&self, command: &str) -> Value {
        let mut aws = self.command(&self.aws);
        aws.args(command.split(' ')).args(["--output", "json"]);
        let output = output(aws);
        assert!(output.status.success(), "aws {command}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    /// What stands in the account, whoever made it, as the AWS CLI lists it.
    pub(crate) fn inventory(&self) -> Vec<String> {
        [
            "ecs describe-clusters --clusters az-aware-cluster-ec2 --query clusters[?status!=`INACTIVE`].clusterName",
            "ecs list-task-definitions --query taskDefinitionArns",
            "ecs list-task-definitions --status INACTIVE --query taskDefinitionArns",
            "elbv2 describe-load-balancers --query LoadBalancers[].LoadBalancerName",
            "elbv2 describe-target-groups --query TargetGroups[].TargetGroupName",
            "autoscaling describe-auto-scaling-groups --query AutoScalingGroups[].AutoScalingGroupName",
            "ec2 describe-launch-templates --query LaunchTemplates[].LaunchTemplateName",
            "ec2 describe-instances --filters Name=instance-state-name,Values=pending,running,stopping,stopped --query Reservations[].Instances[].InstanceId",
            // Emulators leave those of terminated instances attached to them.
            "ec2 describe-network-interfaces --query NetworkInterfaces[?Attachment==null].Description",
            "ec2 describe-security-groups --query SecurityGroups[?GroupName!=`default`].GroupName",
            "iam list-roles --query Roles[].RoleName",
            "iam list-instance-profiles --query InstanceProfiles[].InstanceProfileName",
            "logs describe-log-groups --query logGroups[].logGroupName",
            "servicediscovery list-namespaces --query Namespaces[].Name",
        ]
        .into_iter()
        .flat_map(|command| {
            let found = self.aws(command);
            let found: Vec<String> = found.as_array().into_iter().flatten().map(Value::to_string).collect();
            let service = command.split(" --").next().unwrap_or_default().to_owned();
            found.into_iter().map(move |name| format!("{service}: {name}"))
        })
        .collect()
    }
}

/// A test that fails midway leaves no process behind.
impl Drop for User {
    fn drop(&mut self) {
        for entry in std::fs::read_dir(self.home.path()).into_iter().flatten().flatten() {
            let record = std::fs::read(entry.path()).ok().filter(|_| entry.path().extension() == Some("json".as_ref()));
            let record = record.and_then(|text| serde_json::from_slice::<Value>(&text).ok());
            if let Some(process) = record.and_then(|record| record["process"].as_u64()) {
                let _ = Command::new("kill").arg(process.to_string()).status();
            }
        }
    }
}

fn actions(up: &Value) -> Vec<&str> {
    let mut actions: Vec<&str> =
        up["resources"].as_array().unwrap().iter().map(|resource| resource["action"].as_str().unwrap()).collect();
    actions.sort_unstable();
    actions.dedup();
    actions
}

/// `up`, `up` again, `status`, `verify`, `failover`, `redeploy`, `stats`, `down`, each a command of its own.
pub(crate) fn walk(user: &User) {
    let before = user.inventory();

    let (up, said) = user.outcome(&["up"]);
    assert_eq!(actions(&up), ["created"], "{up}");
    assert!(up["url"].as_str().unwrap().starts_with("http://127.0.0.1:"), "{up}");
    for gap in ["join no cluster", "does not spread", "no task runs", "does not count", "carries no request"] {
        assert!(said.contains(gap), "{gap:?} is not told: {said}");
    }
    let (again, _) = user.outcome(&["up"]);
    assert_eq!(actions(&again), ["unchanged"], "{again}");
    assert_eq!(up["url"], again["url"]);

    let (status, _) = user.outcome(&["status"]);
    assert_eq!((&status["container_instances"], &status["healthy_targets"]), (&Value::from(12), &Value::from(6)));
    for service in status["services"].as_array().unwrap() {
        let by_zone: Vec<u64> =
            service["tasks_by_zone"].as_object().unwrap().values().map(|tasks| tasks.as_u64().unwrap()).collect();
        assert_eq!((&service["running"], by_zone), (&Value::from(6), vec![2, 2, 2]), "{service}");
    }

    let (verify, _) = user.outcome(&["verify"]);
    assert_eq!((&verify["verdict"], &verify["same_zone_share"]), (&Value::from("pass"), &Value::from(1.0)), "{verify}");

    let (failover, _) = user.outcome(&["failover"]);
    assert_eq!((&failover["from"], &failover["to"]), (&Value::from(6), &Value::from(2)));
    assert_eq!((&failover["errors"], &failover["restored"]), (&Value::from(0), &Value::from(true)), "{failover}");
    let failed_over = &failover["phases"][2];
    assert_eq!(failed_over["expected"]["state"], "no_locality_routing", "{failed_over}");
    assert_eq!(failed_over["as_predicted"], true, "{failed_over}");
    assert_eq!(failover["phases"][4]["same_zone_share"], 1.0, "{failover}");

    let (redeployed, _) = user.outcome(&["redeploy"]);
    for deployment in redeployed["deployments"].as_array().unwrap() {
        assert_eq!(deployment["tasks"], 6, "{deployment}");
    }

    let (stats, _) = user.outcome(&["stats"]);
    assert_eq!(stats["proxies"].as_array().unwrap().len(), 6);
    assert_eq!(stats["totals"]["growth"]["lb_zone_routing_all_directly"], 200, "{stats}");

    let (down, _) = user.outcome(&["down"]);
    assert_eq!(down["leftovers"].as_array().unwrap().len(), 0, "{down}");
    assert_eq!(user.inventory(), before);
    let (again, _) = user.outcome(&["down"]);
    assert_eq!(again["removed"].as_array().unwrap().len(), 0, "{again}");
    let left = std::fs::read_dir(user.home.path())
        .unwrap()
        .flatten()
        .filter(|entry| entry.path().extension() == Some("json".as_ref()));
    assert_eq!(left.count(), 0, "the process that plays the hosts still runs");
}

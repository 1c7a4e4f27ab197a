//! Clients that others wrote, as they are, against the local cloud: Ansible, the JavaScript SDK, Cloud Custodian, boto3.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use zonewalk::cloud::{LocalCloud, Pace};
use zonewalk::commands::audit;
use zonewalk::walkthrough;

use crate::inventory::inventory;
use crate::peers;
use crate::support;

/// A client that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(600);

pub(crate) fn script(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(path)
}

/// Runs a client to its end with nothing of the machine's in its environment but the PATH; it must succeed. What it said.
pub(crate) async fn run(cloud: &LocalCloud, command: &mut Command) -> String {
    let home = tempfile::tempdir().unwrap();
    let command = command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", home.path())
        .env("ANSIBLE_REMOTE_TEMP", home.path())
        .env("LC_ALL", "C.UTF-8")
        .env("AWS_ENDPOINT_URL", cloud.endpoint_url())
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_REGION", support::REGION)
        .env("AWS_DEFAULT_REGION", support::REGION)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED", "true")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let ended = tokio::time::timeout(LIMIT, command.output()).await;
    let output = ended.unwrap_or_else(|_| panic!("{command:?} hangs")).unwrap();
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap()).join("\n");
    assert!(output.status.success(), "{said}");
    said
}

/// How many of a playbook's tasks changed something.
async fn play(cloud: &LocalCloud, playbook: &str) -> u32 {
    let mut command = Command::new(peers::bin("ansible").join("ansible-playbook"));
    let said = run(cloud, command.arg(script("ansible").join(playbook)).stdin(Stdio::null())).await;
    assert!(!said.contains("zonewalk's local cloud"), "a module goes on after a refusal: {said}");
    let changed = said.split_whitespace().find_map(|word| word.strip_prefix("changed="));
    changed.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("it counts nothing: {said}"))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Ansible: tests/run.sh installs it"]
async fn ansible_makes_the_walkthrough_once_and_takes_it_away_once() {
    let cloud = support::start_cloud(Pace::Fast).await;
    let clients = support::clients(&cloud).await;
    let before = inventory(&clients).await;
    assert!(play(&cloud, "up.yml").await > 0);
    assert_eq!(play(&cloud, "up.yml").await, 0, "nothing is left to do");
    let ctx = support::context(&cloud, support::settings()).await;
    let found = audit::run(&ctx, &audit::Options::default()).await.unwrap();
    let counts = (found.services.len(), found.services_without_service_connect, found.pairs.len());
    assert_eq!(counts, (0, 2, 0), "the modules know no Service Connect");
    assert!(play(&cloud, "changes.yml").await > 0);
    assert_eq!(play(&cloud, "changes.yml").await, 0, "nothing is left to change");
    assert!(play(&cloud, "down.yml").await > 0);
    assert_eq!(play(&cloud, "down.yml").await, 0, "nothing is left to take away");
    let mut after = inventory(&clients).await;
    // The module deregisters task definitions, and cannot delete them.
    after.retain(|line| !(line.starts_with("task definition ") && line.contains(": INACTIVE")));
    assert_eq!(after, before);
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the AWS SDK for JavaScript: tests/run.sh installs it"]
async fn the_javascript_sdks_waiters_paginators_and_exceptions_are_served() {
    let cloud = support::start_cloud(Pace::Fast).await;
    let clients = support::clients(&cloud).await;
    let before = inventory(&clients).await;
    // A module from standard input finds its packages where Node runs.
    let mut node = Command::new("node");
    node.arg("--input-type=module").current_dir(peers::directory("js"));
    run(&cloud, node.stdin(std::fs::File::open(script("js/walkthrough.mjs")).unwrap())).await;
    assert_eq!(inventory(&clients).await, before);
    cloud.shutdown().await;
}

/// How many resources Cloud Custodian finds by each policy of custodian.yml when the walkthrough is up.
const FOUND: &[(&str, usize)] = &[
    ("account", 1),
    ("ami", 10),
    ("app-elb", 1),
    ("app-elb-healthy", 1),
    ("app-elb-listener", 1),
    ("app-elb-of-group", 1),
    ("app-elb-target-group", 1),
    ("asg", 1),
    ("asg-in-subnet", 1),
    ("asg-of-group", 1),
    ("asg-of-template", 1),
    ("ec2", 12),
    ("ec2-in-subnet", 12),
    ("ec2-in-vpc", 12),
    ("ec2-of-group", 12),
    ("ec2-running", 12),
    ("ecs", 1),
    ("ecs-container-instance", 12),
    ("ecs-service", 2),
    ("ecs-service-in-subnet", 2),
    ("ecs-service-of-definition", 2),
    ("ecs-task", 12),
    ("ecs-task-definition", 2),
    // Of 12 instances, 12 tasks, and the load balancer in three zones.
    ("eni", 27),
    ("eni-of-group", 3),
    ("iam-profile", 1),
    ("iam-profile-used", 1),
    ("iam-role", 2),
    ("internet-gateway", 1),
    ("launch-template-version", 1),
    ("route-table", 1),
    // The walkthrough's three and the VPC's own.
    ("security-group", 4),
    ("security-group-open", 1),
    ("subnet", 7),
    ("vpc", 1),
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Cloud Custodian: tests/run.sh installs it"]
async fn custodians_policies_find_what_is_there() {
    let cloud = support::start_cloud(Pace::Fast).await;
    let ctx = support::context(&cloud, support::settings()).await;
    walkthrough::up(&ctx).await.unwrap();
    let found = tempfile::tempdir().unwrap();
    let mut custodian = Command::new(peers::bin("custodian").join("custodian"));
    custodian.args(["run", "--dryrun", "--cache-period", "0", "--region", support::REGION, "--output-dir"]);
    run(&cloud, custodian.arg(found.path()).arg(script("custodian.yml")).stdin(Stdio::null())).await;
    let count = |policy: &str| {
        let resources = std::fs::read(found.path().join(policy).join("resources.json")).unwrap();
        serde_json::from_slice::<Vec<serde_json::Value>>(&resources).unwrap().len()
    };
    let policies =
        std::fs::read_dir(found.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let counts: BTreeMap<String, usize> = policies.map(|policy| (policy.clone(), count(&policy))).collect();
    assert_eq!(counts, FOUND.iter().map(|(policy, count)| ((*policy).to_owned(), *count)).collect());
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs boto3: tests/run.sh installs it"]
async fn what_is_not_there_is_refused_in_words_that_clients_of_every_protocol_read() {
    let cloud = support::start_cloud(Pace::Instant).await;
    let mut python = Command::new(peers::bin("aws").join("python3"));
    run(&cloud, python.arg(script("check_refusals.py")).stdin(Stdio::null())).await;
    cloud.shutdown().await;
}

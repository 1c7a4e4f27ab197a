//! The article's own commands, unchanged, through the real AWS CLI against the local cloud.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Deserializer, Value};
use tokio::process::Command;
use zonewalk::audit::verdict::{Code, State};
use zonewalk::cloud::Pace;
use zonewalk::commands;
use zonewalk::settings::Settings;

use crate::audit;
use crate::inventory::inventory;
use crate::peers;
use crate::support;

/// Notes every command that fails, and shortens the article's sleeps, which are for AWS's pace.
const PRELUDE: &str = r#"
set -u
aws() { command aws "$@" 2>>"$ERRORS" || { echo "aws $*" >>"$FAILED"; return 1; }; }
curl() { command curl --max-time 20 "$@" 2>>"$ERRORS" || { echo "curl $*" >>"$FAILED"; return 1; }; }
sleep() { command sleep 2; }
"#;

/// What the article leaves to its reader's patience between steps 7 and 8.
const WAIT: &str = r#"
tries=0
until [ "$(aws elbv2 --region $REGION describe-target-health --target-group-arn $TG_ARN \
  --query 'length(TargetHealthDescriptions[?TargetHealth.State==`healthy`])')" = "$TASK_COUNT" ] \
  && [ "$(aws ecs --region $REGION describe-services --cluster $CLUSTER_NAME --services az-aware-backend-service-ec2 \
  --query 'services[0].runningCount')" = "$TASK_COUNT" ]; do
  tries=$((tries + 1))
  [ $tries -lt 60 ] || { echo "the services did not become ready" >>"$FAILED"; break; }
done
"#;

/// A script that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(600);

struct Script<'a> {
    directory: &'a Path,
    text: String,
}

impl<'a> Script<'a> {
    fn new(directory: &'a Path) -> Self {
        Self { directory, text: PRELUDE.to_owned() }
    }

    /// Appends a step of the article; what it prints goes to a file of its own.
    fn step(mut self, name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/article").join(format!("{name}.sh"));
        let commands = std::fs::read_to_string(path).unwrap();
        self.text.push_str(&format!("\n{{\n{commands}\n}} >{}\n", self.directory.join(name).display()));
        self
    }

    fn then(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    async fn run(self, endpoint_url: &str) -> Run {
        let at = |name: &str| self.directory.join(name);
        std::fs::write(at("errors"), "").unwrap();
        std::fs::write(at("failed"), "").unwrap();
        let path = std::env::join_paths(
            [peers::bin("aws")].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
        )
        .unwrap();
        let bash = Command::new("bash")
            .arg("-c")
            .arg(&self.text)
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.directory)
            .env("AWS_ENDPOINT_URL", endpoint_url)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_DEFAULT_REGION", support::REGION)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_PAGER", "")
            .env("ERRORS", at("errors"))
            .env("FAILED", at("failed"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .status();
        let read = |name: &str| std::fs::read_to_string(at(name)).unwrap();
        let ended = tokio::time::timeout(LIMIT, bash).await;
        let status = ended.unwrap_or_else(|_| panic!("the script hangs; it said {}", read("errors"))).unwrap();
        assert!(status.code().is_some(), "bash was killed");
        Run { failed: read("failed").lines().map(str::to_owned).collect(), errors: read("errors") }
    }
}

struct Run {
    /// The commands that failed.
    failed: Vec<String>,
    /// What all commands wrote to standard error.
    errors: String,
}

/// The JSON documents a step printed; what its `echo`s said is passed over.
fn answers(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    let text: String = text.lines().filter(|line| !line.starts_with("Waiting")).collect();
    Deserializer::from_str(&text).into_iter().collect::<Result<_, _>>().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the AWS CLI: tests/run.sh installs it"]
async fn the_articles_commands_run_unchanged_and_down_cleans_up_what_its_clean_up_cannot() {
    let cloud = support::start_cloud(Pace::Fast).await;
    let before = inventory(&support::clients(&cloud).await).await;
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);

    let run = Script::new(directory.path())
        .step("step-01-environment")
        .step("step-02-security-groups")
        .step("step-03-cluster")
        .step("step-04-instances")
        .step("step-05-load-balancer")
        .step("step-06-task-definitions")
        .step("step-07-services")
        .then(WAIT)
        .step("step-08-deployment")
        .step("step-09-verify")
        .step("step-10-failover")
        .then(r#"printf '%s\n' "REGION=$REGION CLUSTER_NAME=$CLUSTER_NAME ASG_NAME=$ASG_NAME ALB_ARN=$ALB_ARN TG_ARN=$TG_ARN LB_SG=$LB_SG CLIENT_SG=$CLIENT_SG SERVER_SG=$SERVER_SG" >"$HOME/variables""#)
        .run(&cloud.endpoint_url())
        .await;
    assert_eq!(run.failed, Vec::<String>::new(), "{}", run.errors);

    let matched = answers(&at("step-09-verify"));
    assert_eq!(matched.len(), 20);
    for answer in &matched {
        assert!(answer["availabilityZoneId"].as_str().is_some_and(|zone| zone.starts_with("use1-az")), "{answer}");
        assert_eq!(answer["availabilityZoneId"], answer["upstreamAvailabilityZoneId"], "{answer}");
    }
    // The step prints the answers of two commands around them: only the loop's have both fields.
    let failed_over: Vec<Value> =
        answers(&at("step-10-failover")).into_iter().filter(|answer| answer.get("frontend").is_some()).collect();
    assert_eq!(failed_over.len(), 20);
    assert!(failed_over.iter().all(|answer| answer["backend"].is_string()), "{failed_over:?}");
    assert!(failed_over.iter().any(|answer| answer["frontend"] != answer["backend"]), "no request crossed zones");

    // Step 10 ends as it began, with six backends.
    let ctx = support::context(&cloud, Settings { adopt: true, ..support::settings() }).await;
    let on = audit::becomes(&ctx, State::On, 6).await;
    assert_eq!((on.same_zone.share, on.endpoints.needed), (Some(1.0), 6), "{on:#?}");
    let fewer = ctx.clients.ecs.update_service().cluster(&ctx.names.cluster).service(&ctx.names.backend.service);
    fewer.desired_count(2).send().await.unwrap();
    let off = audit::becomes(&ctx, State::Off, 2).await;
    assert_eq!(off.reasons[0].code, Code::TooFewEndpoints, "{off:#?}");

    let variables = std::fs::read_to_string(at("variables")).unwrap();
    let clean_up = Script::new(directory.path()).then(&variables).step("clean-up").run(&cloud.endpoint_url()).await;
    assert!(clean_up.errors.contains("ClusterContainsContainerInstancesException"), "{}", clean_up.errors);
    assert!(clean_up.errors.contains("DependencyViolation"), "{}", clean_up.errors);
    assert!(clean_up.failed.iter().any(|command| command.contains("delete-cluster")), "{:?}", clean_up.failed);

    let down = commands::down::run(&ctx).await.unwrap();
    assert!(down.leftovers.is_empty(), "{:?}", down.leftovers);
    assert_eq!(inventory(&ctx.clients).await, before);
    cloud.shutdown().await;
}

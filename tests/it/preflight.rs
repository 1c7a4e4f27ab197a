//! `doctor` and `up`'s preflight: what would stop a run half-way is told before it starts.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio_util::sync::CancellationToken;
use zonewalk::aws::Target;
use zonewalk::cloud::{LocalCloud, Options, Pace};
use zonewalk::commands::outcome::Outcome;
use zonewalk::commands::{doctor, status};
use zonewalk::events::{Event, Events};
use zonewalk::report::page::Page;
use zonewalk::settings::Settings;
use zonewalk::stages::Context;
use zonewalk::stages::finding::{Check, Level};
use zonewalk::stages::permissions::policy;
use zonewalk::walkthrough::{down, up};

use crate::inventory::inventory;
use crate::machine::doctor_code;
use crate::support::{clients, cloud_under, context, settings, start_cloud};

/// The only problem there is, which `up` refuses for, before it makes anything.
pub(crate) async fn problem(ctx: &Context) -> (Check, String) {
    let before = inventory(&ctx.clients).await;
    let doctor = doctor::run(ctx).await.unwrap();
    let problems: Vec<_> = doctor.findings.iter().filter(|finding| finding.level == Level::Problem).collect();
    assert_eq!(problems.len(), 1, "{:#?}", doctor.findings);
    let error = up(ctx).await.unwrap_err().to_string();
    assert!(error.contains(&problems[0].what), "{error}");
    assert_eq!(inventory(&ctx.clients).await, before);
    (problems[0].check, problems[0].what.clone())
}

#[tokio::test]
async fn a_sound_account_has_no_problems() {
    let cloud = start_cloud(Pace::Instant).await;
    let doctor = doctor::run(&context(&cloud, settings()).await).await.unwrap();
    assert!(doctor.findings.iter().all(|finding| finding.level == Level::Fine), "{:#?}", doctor.findings);
    let checks: Vec<_> = doctor.findings.iter().map(|finding| finding.check).collect();
    use Check::{Credentials, Image, Names, Network, Permissions, Quota, Roles};
    assert_eq!(checks, [Credentials, Permissions, Network, Image, Roles, Quota, Names]);
    cloud.shutdown().await;
}

#[tokio::test]
async fn a_quota_that_is_too_low_is_told_with_the_command_that_raises_it() {
    let options = Options { pace: Pace::Instant, vcpu_quota: 16, ..Options::default() };
    let cloud = LocalCloud::start(options).await.unwrap();
    let (check, what) = problem(&context(&cloud, settings()).await).await;
    assert_eq!(check, Check::Quota);
    assert!(what.starts_with("24 more vCPU needed, 0 of 16") && what.contains("--desired-value 24"), "{what}");

    // Four tasks need 16; once they run, no more is needed.
    let fewer = context(&cloud, Settings { task_count: "4".parse().unwrap(), ..settings() }).await;
    up(&fewer).await.unwrap();
    up(&fewer).await.unwrap();
    let (check, what) = problem(&context(&cloud, settings()).await).await;
    assert_eq!(check, Check::Quota);
    assert!(what.starts_with("8 more vCPU needed, 16 of 16"), "{what}");
    cloud.shutdown().await;
}

#[tokio::test]
async fn missing_permissions_are_named() {
    let without = policy(&settings().name).replace("\"ecs:CreateCluster\",", "").replace("iam:PassRole", "iam:GetUser");
    let cloud = cloud_under(without).await;
    // The inventory is not allowed to look at all it would.
    let doctor = doctor::run(&context(&cloud, settings()).await).await.unwrap();
    let problems: Vec<_> = doctor.findings.iter().filter(|finding| finding.level == Level::Problem).collect();
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert_eq!(problems[0].check, Check::Permissions);
    assert!(problems[0].what.starts_with("not allowed: ecs:CreateCluster, iam:PassRole;"), "{problems:#?}");
    cloud.shutdown().await;
}

/// That all is allowed, on one condition.
fn everything_if(condition: serde_json::Value) -> String {
    let statement = json!({ "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition });
    json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

/// What `doctor` says of the permissions.
async fn permissions(ctx: &Context) -> Vec<(Level, String)> {
    let findings = doctor::run(ctx).await.unwrap().findings;
    let permissions = findings.into_iter().filter(|finding| finding.check == Check::Permissions);
    permissions.map(|finding| (finding.level, finding.what)).collect()
}

#[tokio::test]
async fn the_policy_suffices_and_what_it_asks_of_tags_is_never_a_problem() {
    let least = policy(&settings().name);
    for (policy, level) in
        [(least.clone(), Level::Fine), (least.replace("ec2:TerminateInstances", "ec2:StopInstances"), Level::Unknown)]
    {
        let cloud = cloud_under(policy).await;
        let found = permissions(&context(&cloud, settings()).await).await;
        assert_eq!((found.len(), found[0].0), (1, level), "{found:?}");
        let names_it = found[0].1.contains("depends on aws:ResourceTag/zonewalk:walkthrough")
            && found[0].1.ends_with(": ec2:TerminateInstances");
        assert_eq!(names_it, level == Level::Unknown, "{found:?}");
        cloud.shutdown().await;
    }
}

#[tokio::test]
async fn a_policy_for_the_region_suffices_in_it() {
    // IAM's own calls count as made in the first region.
    let cloud = cloud_under(everything_if(json!({
        "StringEquals": { "aws:RequestedRegion": ["us-east-1", "eu-west-1"] }
    })))
    .await;
    let in_region = async |region| {
        let clients = Target::local(&cloud.endpoint_url(), region).connect().await.unwrap();
        Context::new(clients, settings(), Events::silent(), CancellationToken::new())
    };
    let ctx = in_region("eu-west-1").await;
    assert_eq!(permissions(&ctx).await[0].0, Level::Fine);
    up(&ctx).await.unwrap();
    assert_eq!(down(&ctx).await.unwrap().leftovers, []);

    let found = permissions(&in_region("eu-central-1").await).await;
    assert_eq!(found[0].0, Level::Problem, "{found:?}");
    assert!(found[0].1.contains("ecs:CreateCluster") && !found[0].1.contains("iam:CreateRole"), "{found:?}");
    cloud.shutdown().await;
}

#[tokio::test]
async fn what_the_simulation_cannot_know_is_told_and_stops_nothing() {
    let cloud = cloud_under(everything_if(json!({ "Bool": { "aws:MultiFactorAuthPresent": "true" } }))).await;
    let told = Arc::new(Mutex::new(vec![]));
    let events = Arc::clone(&told);
    let events = Events::new(move |event| {
        if let Event::Note { message } = event {
            events.lock().unwrap().push(message);
        }
    });
    let ctx = Context::new(clients(&cloud).await, settings(), events, CancellationToken::new());
    let found = permissions(&ctx).await;
    assert_eq!((found.len(), found[0].0), (1, Level::Unknown), "{found:?}");
    let says =
        |text: &str| text.contains("ecs:CreateCluster") && text.contains("depends on aws:MultiFactorAuthPresent,");
    assert!(says(&found[0].1), "{found:?}");
    up(&ctx).await.unwrap();
    assert!(told.lock().unwrap().iter().any(|note| says(note)), "{told:?}");
    assert_eq!(down(&ctx).await.unwrap().leftovers, []);
    cloud.shutdown().await;
}

/// The least policy, with what makes and removes allowed in one account and region only.
fn scoped() -> String {
    let mut policy: serde_json::Value = serde_json::from_str(&policy(&settings().name)).unwrap();
    let statements = policy["Statement"].as_array_mut().unwrap();
    let makes = statements.iter_mut().find(|statement| statement["Sid"] == "MakeAndRemove").unwrap();
    makes["Resource"] = json!("arn:aws:*:us-east-1:000000000000:*");
    policy.to_string()
}

#[tokio::test]
async fn a_policy_for_resources_is_a_problem_that_names_the_flag() {
    let cloud = cloud_under(scoped()).await;
    let ctx = context(&cloud, settings()).await;
    let found = permissions(&ctx).await;
    assert_eq!((found.len(), found[0].0), (1, Level::Problem), "{found:?}");
    assert!(found[0].1.contains("ecs:CreateCluster") && found[0].1.contains("--no-check-permissions"), "{found:?}");
    let error = up(&ctx).await.unwrap_err().to_string();
    assert!(error.contains("--no-check-permissions"), "{error}");

    let ctx = context(&cloud, Settings { check_permissions: false, ..settings() }).await;
    let found = permissions(&ctx).await;
    assert_eq!((found.len(), found[0].0), (1, Level::Unknown), "{found:?}");
    assert!(found[0].1.contains("ecs:CreateCluster"), "{found:?}");
    up(&ctx).await.unwrap();
    assert_eq!(down(&ctx).await.unwrap().leftovers, []);
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn permissions_are_passed_over_by_flag_by_variable_and_by_file() {
    let cloud = cloud_under(scoped()).await;
    let url = cloud.endpoint_url();
    let doctor = move |args: &[&str], variable: &[(&str, &str)], file: &str| doctor_code(&url, args, variable, file);
    let codes = tokio::task::spawn_blocking(move || {
        let variable = "ZONEWALK_NO_CHECK_PERMISSIONS";
        [
            doctor(&[], &[], ""),
            doctor(&[], &[(variable, "0")], ""),
            doctor(&["--no-check-permissions"], &[], ""),
            doctor(&[], &[(variable, "1")], ""),
            doctor(&[], &[], "check-permissions = false"),
            doctor(&["--no-check-permissions"], &[], "check-permissions = true"),
        ]
    });
    assert_eq!(codes.await.unwrap(), [1, 1, 0, 0, 0, 0]);
    cloud.shutdown().await;
}

#[tokio::test]
async fn an_image_without_a_parameter_and_an_old_one_are_told() {
    let cloud = start_cloud(Pace::Instant).await;
    let missing = Settings { ami_parameter: "/aws/service/ecs/nothing".to_owned(), ..settings() };
    let (check, what) = problem(&context(&cloud, missing).await).await;
    assert_eq!(check, Check::Image);
    assert!(what.contains("amazon-linux-2023/recommended"), "{what}");
    cloud.shutdown().await;
}

#[tokio::test]
async fn a_type_that_the_image_is_not_for_is_told() {
    let cloud = start_cloud(Pace::Instant).await;
    let (check, what) =
        problem(&context(&cloud, Settings { instance_type: "t4g.medium".to_owned(), ..settings() }).await).await;
    assert_eq!(check, Check::Image);
    assert!(what.contains("t4g.medium is arm64") && what.ends_with("--instance-type t3.medium"), "{what}");
    cloud.shutdown().await;
}

#[tokio::test]
async fn a_type_that_too_few_zones_offer_is_told() {
    let cloud = start_cloud(Pace::Instant).await;
    let none = Settings { instance_type: "t9.enormous".to_owned(), ..settings() };
    let doctor = doctor::run(&context(&cloud, none).await).await.unwrap();
    let network = doctor.findings.iter().find(|finding| finding.check == Check::Network).unwrap();
    assert_eq!(network.level, Level::Problem);
    assert!(network.what.contains("no Availability Zone of us-east-1 offers t9.enormous"), "{network:#?}");
    let instance_type = doctor.findings.iter().find(|finding| finding.check == Check::InstanceType).unwrap();
    assert_eq!(instance_type.level, Level::Problem);
    assert!(instance_type.what.starts_with("us-east-1 has no instance type t9.enormous: "), "{instance_type:#?}");
    cloud.shutdown().await;
}

/// What stands is shown, and that nothing could be said of its drift is not taken for "nothing stands".
#[tokio::test]
async fn status_tells_why_up_would_refuse() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    up(&ctx).await.unwrap();
    let sound = status::run(&ctx, Default::default()).await.unwrap();
    assert!(sound.problems.is_empty() && sound.drift.is_some_and(|drift| drift.is_empty()), "{:?}", sound.problems);

    let none = Settings { instance_type: "t9.enormous".to_owned(), ..settings() };
    let status = status::run(&context(&cloud, none).await, Default::default()).await.unwrap();
    let problems: Vec<_> = status.problems.iter().map(|finding| (finding.check, finding.level)).collect();
    assert_eq!(problems[0], (Check::Network, Level::Problem));
    assert!(problems.iter().all(|(_, level)| *level == Level::Problem), "{problems:?}");
    assert!(status.drift.is_none() && status.now.services.len() == 2 && status.now.alb_url.is_some(), "{status:?}");

    let json = serde_json::to_value(&status).unwrap();
    assert!(json["problems"][0]["message"].as_str().unwrap().contains("t9.enormous"), "{json}");
    let text = status.text(&Page::default());
    assert!(text.contains("`zonewalk up` is blocked:") && text.contains("PROBLEM"), "{text}");
    assert!(text.contains("6/6") && text.contains("http://"), "the rest is gone: {text}");
    cloud.shutdown().await;
}

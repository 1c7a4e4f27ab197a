//! `doctor` and `up`'s preflight: what would stop a run half-way is told before it starts.

use zonewalk::cloud::{LocalCloud, Options, Pace};
use zonewalk::commands::{doctor, status};
use zonewalk::report::outcome::Outcome;
use zonewalk::settings::Settings;
use zonewalk::stages::Context;
use zonewalk::stages::permissions::policy;
use zonewalk::stages::preflight::{Check, Level};
use zonewalk::walkthrough::up;

use crate::support::{context, inventory, settings, start_cloud};

/// The only problem there is, which `up` refuses for, before it makes anything.
async fn problem(ctx: &Context) -> (Check, String) {
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
    assert!(what.starts_with("24 vCPU more, 0 of 16") && what.contains("--desired-value 24"), "{what}");

    // Four tasks need 16; once they run, no more is needed.
    let fewer = context(&cloud, Settings { task_count: "4".parse().unwrap(), ..settings() }).await;
    up(&fewer).await.unwrap();
    up(&fewer).await.unwrap();
    let (check, what) = problem(&context(&cloud, settings()).await).await;
    assert_eq!(check, Check::Quota);
    assert!(what.starts_with("8 vCPU more, 16 of 16"), "{what}");
    cloud.shutdown().await;
}

#[tokio::test]
async fn missing_permissions_are_named() {
    let without = policy(&settings().name).replace("\"ecs:CreateCluster\",", "").replace("iam:PassRole", "iam:GetUser");
    let options = Options { pace: Pace::Instant, policy: Some(without), ..Options::default() };
    let cloud = LocalCloud::start(options).await.unwrap();
    // The inventory is not allowed to look at all it would.
    let doctor = doctor::run(&context(&cloud, settings()).await).await.unwrap();
    let problems: Vec<_> = doctor.findings.iter().filter(|finding| finding.level == Level::Problem).collect();
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert_eq!(problems[0].check, Check::Permissions);
    assert!(problems[0].what.starts_with("not allowed: ecs:CreateCluster, iam:PassRole;"), "{problems:#?}");
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
async fn a_type_that_too_few_zones_offer_is_told() {
    let cloud = start_cloud(Pace::Instant).await;
    let none = Settings { instance_type: "t9.enormous".to_owned(), ..settings() };
    let doctor = doctor::run(&context(&cloud, none).await).await.unwrap();
    let network = doctor.findings.iter().find(|finding| finding.check == Check::Network).unwrap();
    assert_eq!(network.level, Level::Problem);
    assert!(network.what.contains("t9.enormous") && network.what.contains("3 are needed"), "{network:#?}");
    cloud.shutdown().await;
}

/// What stands is shown, and that nothing could be said of its drift is not taken for "nothing stands".
#[tokio::test]
async fn status_tells_why_up_would_refuse() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    up(&ctx).await.unwrap();
    let sound = status::run(&ctx).await.unwrap();
    assert!(sound.problems.is_empty() && sound.drift.is_some_and(|drift| drift.is_empty()), "{:?}", sound.problems);

    let none = Settings { instance_type: "t9.enormous".to_owned(), ..settings() };
    let status = status::run(&context(&cloud, none).await).await.unwrap();
    let problems: Vec<_> = status.problems.iter().map(|finding| (finding.check, finding.level)).collect();
    assert_eq!(problems[0], (Check::Network, Level::Problem));
    assert!(problems.iter().all(|(_, level)| *level == Level::Problem), "{problems:?}");
    assert!(status.drift.is_none() && status.services.len() == 2 && status.alb_url.is_some(), "{status:?}");

    let json = serde_json::to_value(&status).unwrap();
    assert!(json["problems"][0]["what"].as_str().unwrap().contains("t9.enormous"), "{json}");
    let text = Outcome::Status(status).to_text();
    assert!(text.contains("`zonewalk up` would refuse:\nPROBLEM network"), "{text}");
    assert!(text.contains("6 of 6") && text.contains("http://"), "the rest is gone: {text}");
    cloud.shutdown().await;
}

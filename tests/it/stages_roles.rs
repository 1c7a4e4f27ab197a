//! Roles: the account's if they serve, else the tool's own, which go with the rest.

use zonewalk::cloud::{LocalCloud, Options, Pace};
use zonewalk::plan::{Action, Kind};
use zonewalk::settings::Settings;
use zonewalk::walkthrough::{down, up};

use crate::inventory::inventory;
use crate::support::{context, plan, settings, start_cloud};

async fn bare_account() -> LocalCloud {
    let options = Options { pace: Pace::Instant, bare_account: true, ..Options::default() };
    LocalCloud::start(options).await.unwrap()
}

const OWN: [Kind; 3] = [Kind::Role, Kind::Role, Kind::InstanceProfile];

#[tokio::test]
async fn a_bare_account_gets_roles_that_go_with_the_rest() {
    let cloud = bare_account().await;
    let ctx = context(&cloud, settings()).await;
    let before = inventory(&ctx.clients).await;
    let foreseen: Vec<_> = plan(&ctx).await.unwrap().iter().map(|plan| (plan.kind, plan.action)).collect();
    let done = up(&ctx).await.unwrap();
    assert_eq!(done.resources.iter().map(|done| (done.kind, done.action)).collect::<Vec<_>>(), foreseen);
    let kinds: Vec<_> = done.resources.iter().map(|done| done.kind).filter(|kind| OWN.contains(kind)).collect();
    assert_eq!(kinds, OWN);
    assert!(plan(&ctx).await.unwrap().iter().all(|plan| plan.action == Action::Kept));

    // What was taken from a role is given back.
    let role = "az-aware-instance-role-us-east-1";
    let ssm = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";
    ctx.clients.iam.detach_role_policy().role_name(role).policy_arn(ssm).send().await.unwrap();
    let mended = up(&ctx).await.unwrap();
    let changed: Vec<_> = mended.resources.iter().filter(|r| r.action == Action::Changed).map(|r| r.kind).collect();
    assert_eq!(changed, [Kind::Role]);

    assert_eq!(down(&ctx).await.unwrap().leftovers, []);
    assert_eq!(inventory(&ctx.clients).await, before);
    cloud.shutdown().await;
}

#[tokio::test]
async fn without_permission_to_make_roles_nothing_is_made() {
    let cloud = bare_account().await;
    let ctx = context(&cloud, Settings { create_roles: false, ..settings() }).await;
    let before = inventory(&ctx.clients).await;
    let error = up(&ctx).await.unwrap_err().to_string();
    for part in ["ecsInstanceRole", "https://docs.aws.amazon.com/", "--no-create-roles"] {
        assert!(error.contains(part), "{part} in {error}");
    }
    assert_eq!(inventory(&ctx.clients).await, before);
    cloud.shutdown().await;
}

#[tokio::test]
async fn a_role_that_is_asked_for_and_does_not_serve_is_an_error() {
    let cloud = bare_account().await;
    let ctx = context(&cloud, Settings { instance_profile: Some("mine".to_owned()), ..settings() }).await;
    let error = up(&ctx).await.unwrap_err().to_string();
    assert!(error.contains("mine"), "{error}");

    let iam = &ctx.clients.iam;
    let trust = r#"{"Version": "2012-10-17", "Statement": []}"#;
    iam.create_role().role_name("mine").assume_role_policy_document(trust).send().await.unwrap();
    iam.create_instance_profile().instance_profile_name("mine").send().await.unwrap();
    iam.add_role_to_instance_profile().instance_profile_name("mine").role_name("mine").send().await.unwrap();
    let error = up(&ctx).await.unwrap_err().to_string();
    assert!(error.contains("mine does not allow") && error.contains("ecs:RegisterContainerInstance"), "{error}");

    let policy = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["ecs:*", "ssm*:*"], "Resource": "*"}]}"#;
    iam.put_role_policy().role_name("mine").policy_name("own").policy_document(policy).send().await.unwrap();
    up(&ctx).await.unwrap();
    assert_eq!(down(&ctx).await.unwrap().leftovers, []);
    iam.get_role().role_name("mine").send().await.expect("it is not ours to remove");
    cloud.shutdown().await;
}

#[tokio::test]
async fn an_instance_role_without_ssm_does_not_serve() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    let ssm = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";
    ctx.clients.iam.detach_role_policy().role_name("ecsInstanceRole").policy_arn(ssm).send().await.unwrap();
    let before = inventory(&ctx.clients).await;
    let done = up(&ctx).await.unwrap();
    let made: Vec<_> = done.resources.iter().map(|done| done.kind).filter(|kind| OWN.contains(kind)).collect();
    assert_eq!(made, [Kind::Role, Kind::InstanceProfile]);
    assert_eq!(down(&ctx).await.unwrap().leftovers, []);
    assert_eq!(inventory(&ctx.clients).await, before);

    // Where none may be made, it has to do: only `stats` needs it.
    let ctx = context(&cloud, Settings { create_roles: false, ..settings() }).await;
    let done = up(&ctx).await.unwrap();
    assert!(done.resources.iter().all(|done| !OWN.contains(&done.kind)));
    cloud.shutdown().await;
}

#[tokio::test]
async fn a_role_that_may_write_some_logs_only_serves_where_the_simulation_is_not_believed() {
    let cloud = bare_account().await;
    let mine = Settings { execution_role: Some("mine".to_owned()), ..settings() };
    let ctx = context(&cloud, mine.clone()).await;
    let iam = &ctx.clients.iam;
    let trust = r#"{"Version": "2012-10-17", "Statement": []}"#;
    iam.create_role().role_name("mine").assume_role_policy_document(trust).send().await.unwrap();
    let policy = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "logs:*", "Resource": "arn:aws:logs:*:*:log-group:/ecs/az-aware-*"}]}"#;
    iam.put_role_policy().role_name("mine").policy_name("own").policy_document(policy).send().await.unwrap();
    let error = up(&ctx).await.unwrap_err().to_string();
    for part in ["mine does not allow logs:CreateLogStream", "--no-check-permissions"] {
        assert!(error.contains(part), "{part} in {error}");
    }

    let ctx = context(&cloud, Settings { check_permissions: false, ..mine }).await;
    up(&ctx).await.unwrap();
    assert_eq!(down(&ctx).await.unwrap().leftovers, []);
    cloud.shutdown().await;
}

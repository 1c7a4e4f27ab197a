//! Callers who may not do or see everything: what the walkthrough can go on without does not stop it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use zonewalk::cloud::{LocalCloud, Pace};
use zonewalk::commands::doctor;
use zonewalk::events::{Event, Events};
use zonewalk::settings::{Settings, TaskCount};
use zonewalk::stages::Context;
use zonewalk::stages::finding::{Check, Finding, Level};
use zonewalk::stages::permissions::policy;
use zonewalk::walkthrough::{down, up};

use crate::support::{clients, cloud_under, context, settings, start_cloud};

fn statements(statements: &[Value]) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn everything_but(actions: &[&str]) -> Value {
    let allow = json!({ "Effect": "Allow", "Action": "*", "Resource": "*" });
    statements(&[allow, json!({ "Effect": "Deny", "Action": actions, "Resource": "*" })])
}

fn small() -> Settings {
    Settings { task_count: TaskCount::new(1).unwrap(), ..settings() }
}

/// A context, and what is noted while it works.
async fn noting(cloud: &LocalCloud) -> (Context, Arc<Mutex<Vec<String>>>) {
    let notes = Arc::<Mutex<Vec<String>>>::default();
    let sink = Arc::clone(&notes);
    let events = Events::new(move |event| {
        if let Event::Note { message } = event {
            sink.lock().unwrap().push(message);
        }
    });
    (Context::new(clients(cloud).await, small(), events, CancellationToken::new()), notes)
}

async fn permissions(ctx: &Context) -> Vec<Finding> {
    let findings = doctor::run(ctx).await.unwrap().findings;
    findings.into_iter().filter(|finding| finding.check == Check::Permissions).collect()
}

/// Looks, and whether a run that nothing disturbs makes them.
const DISPENSABLE: [(&str, bool); 14] = [
    ("autoscaling:DescribeInstanceRefreshes", false),
    ("autoscaling:DescribeScalingActivities", false),
    ("ec2:DescribeInstanceTypeOfferings", true),
    ("ec2:DescribeInstanceTypes", true),
    ("elasticloadbalancing:DescribeTargetGroupAttributes", true),
    ("elasticloadbalancing:DescribeTargetHealth", true),
    ("iam:GetInstanceProfile", true),
    ("iam:GetRole", true),
    ("iam:ListAttachedRolePolicies", false),
    ("iam:ListRolePolicies", false),
    ("iam:SimulatePrincipalPolicy", true),
    ("servicediscovery:ListInstances", true),
    ("servicequotas:GetServiceQuota", true),
    ("sts:GetCallerIdentity", false),
];

#[tokio::test]
async fn a_look_that_is_denied_stops_nothing_that_can_go_on_without() {
    for (action, is_made) in DISPENSABLE {
        let cloud = cloud_under(everything_but(&[action])).await;
        let (ctx, notes) = noting(&cloud).await;
        up(&ctx).await.unwrap_or_else(|error| panic!("{action}: {error}"));
        assert_eq!(down(&ctx).await.unwrap().leftovers, [], "{action}");
        let named = notes.lock().unwrap().iter().filter(|note| note.contains(action)).count();
        assert!(named > 0 || !is_made, "{action} is not told of: {:?}", notes.lock().unwrap());
        cloud.shutdown().await;
    }
}

/// As AWS's PowerUserAccess, with the permission to hand the account's roles on.
#[tokio::test]
async fn a_caller_who_may_not_see_roles_uses_the_accounts_own() {
    let roles =
        ["arn:aws:iam::000000000000:role/ecsInstanceRole", "arn:aws:iam::000000000000:role/ecsTaskExecutionRole"];
    let power_user = statements(&[
        json!({ "Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*"], "Resource": "*" }),
        json!({ "Effect": "Allow", "Action": ["iam:CreateServiceLinkedRole", "iam:ListRoles"], "Resource": "*" }),
        json!({ "Effect": "Allow", "Action": "iam:PassRole", "Resource": roles }),
    ]);
    let cloud = cloud_under(power_user).await;
    let ctx = context(&cloud, small()).await;
    let findings = doctor::run(&ctx).await.unwrap().findings;
    assert!(!findings.iter().any(Finding::blocks), "{findings:#?}");
    up(&ctx).await.unwrap();
    assert_eq!(down(&ctx).await.unwrap().leftovers, []);
    cloud.shutdown().await;
}

#[tokio::test]
async fn what_only_other_commands_need_is_a_note() {
    let least = policy(&settings().name);
    let without = ["ssm:SendCommand", "autoscaling:StartInstanceRefresh", "ecs:DeleteCluster", "sts:GetCallerIdentity"];
    let without = without.iter().fold(least, |policy, action| policy.replace(action, "ec2:DescribeHosts"));
    let cloud = cloud_under(without).await;
    let ctx = context(&cloud, small()).await;
    let found = permissions(&ctx).await;
    assert_eq!((found.len(), found[0].level), (1, Level::Note), "{found:#?}");
    for part in
        ["for `zonewalk stats`: ssm:SendCommand", "StartInstanceRefresh", "for `zonewalk down`: ecs:DeleteCluster"]
    {
        assert!(found[0].what.contains(part), "{part}: {found:#?}");
    }
    assert!(!found[0].what.contains("sts:"), "{found:#?}");
    up(&ctx).await.unwrap();
    cloud.shutdown().await;
}

#[tokio::test]
async fn the_roles_that_are_used_are_those_that_have_to_be_passed() {
    let passing = |roles: &str| {
        let resource = format!("arn:aws:iam::000000000000:role/{roles}");
        statements(&[
            json!({ "Effect": "Allow", "NotAction": "iam:PassRole", "Resource": "*" }),
            json!({ "Effect": "Allow", "Action": "iam:PassRole", "Resource": resource }),
        ])
    };
    // The account's own, by their names alone.
    let cloud = cloud_under(passing("ecs*")).await;
    let ctx = context(&cloud, small()).await;
    let found = permissions(&ctx).await;
    assert!(found.iter().all(|finding| finding.level == Level::Fine), "{found:#?}");
    up(&ctx).await.unwrap();
    cloud.shutdown().await;

    // Those that the tool would make, which are not used.
    let cloud = cloud_under(passing("az-aware-*")).await;
    let found = permissions(&context(&cloud, small()).await).await;
    assert_eq!(found[0].level, Level::Problem, "{found:#?}");
    assert!(found[0].what.starts_with("not allowed: iam:PassRole;"), "{found:#?}");
    let unchecked = Settings { check_permissions: false, ..small() };
    let error = up(&context(&cloud, unchecked).await).await.unwrap_err().to_string();
    assert!(error.contains("iam:PassRole"), "{error}");
    cloud.shutdown().await;
}

#[tokio::test]
async fn what_may_not_be_seen_of_whose_it_is_is_a_problem_and_no_error() {
    let cloud = cloud_under(everything_but(&["servicediscovery:ListNamespaces"])).await;
    let unchecked = Settings { check_permissions: false, ..small() };
    let findings = doctor::run(&context(&cloud, unchecked).await).await.unwrap().findings;
    let names = findings.iter().find(|finding| finding.check == Check::Names).unwrap();
    assert!(names.blocks() && names.what.contains("servicediscovery:ListNamespaces"), "{findings:#?}");
    cloud.shutdown().await;
}

/// The agent's calls are of a cluster, the proxies' are not.
#[tokio::test]
async fn an_instance_role_that_may_poll_for_one_cluster_only_does_not_serve() {
    let cloud = start_cloud(Pace::Instant).await;
    let mine = Settings { instance_profile: Some("mine".to_owned()), ..small() };
    let ctx = context(&cloud, mine.clone()).await;
    let iam = &ctx.clients.iam;
    let trust = statements(&[]).to_string();
    iam.create_role().role_name("mine").assume_role_policy_document(trust).send().await.unwrap();
    iam.create_instance_profile().instance_profile_name("mine").send().await.unwrap();
    iam.add_role_to_instance_profile().instance_profile_name("mine").role_name("mine").send().await.unwrap();
    let of_cluster =
        json!({ "ArnEquals": { "ecs:cluster": "arn:aws:ecs:us-east-1:000000000000:cluster/az-aware-cluster-ec2" } });
    let limited = statements(&[
        json!({ "Effect": "Allow", "Action": "ecs:Poll", "Resource": "*", "Condition": of_cluster }),
        json!({ "Effect": "Allow", "NotAction": "ecs:Poll", "Resource": "*" }),
    ]);
    let put = |document: Value| {
        iam.put_role_policy().role_name("mine").policy_name("own").policy_document(document.to_string())
    };
    put(limited).send().await.unwrap();
    let error = up(&ctx).await.unwrap_err().to_string();
    assert!(error.contains("mine does not allow ecs:Poll of task sets") && error.contains("ecs:cluster"), "{error}");

    // On its own the cloud does as AWS does: the proxies never get healthy.
    let unchecked = Settings { check_permissions: false, timeout: Duration::from_secs(2), ..mine };
    let error = up(&context(&cloud, unchecked.clone()).await).await.unwrap_err().to_string();
    assert!(error.contains("timed out") && error.contains("0 of 1 running"), "{error}");
    put(statements(&[json!({ "Effect": "Allow", "Action": "*", "Resource": "*" })])).send().await.unwrap();
    let patient = Settings { timeout: Duration::from_secs(60), ..unchecked };
    up(&context(&cloud, patient).await).await.unwrap();
    cloud.shutdown().await;
}

#[tokio::test]
async fn a_walkthrough_that_somebody_else_made_is_told() {
    let cloud = start_cloud(Pace::Instant).await;
    let (ctx, notes) = noting(&cloud).await;
    up(&ctx).await.unwrap();
    up(&ctx).await.unwrap();
    assert!(notes.lock().unwrap().iter().all(|note| !note.contains("was created by")), "{notes:?}");

    let ecs = &ctx.clients.ecs;
    let cluster =
        ecs.describe_clusters().clusters(&ctx.names.cluster).send().await.unwrap().clusters.unwrap().remove(0);
    let other = "arn:aws:iam::000000000000:user/ann";
    let tag = aws_sdk_ecs::types::Tag::builder().key("zonewalk:creator").value(other).build();
    ecs.tag_resource().resource_arn(cluster.cluster_arn().unwrap()).tags(tag).send().await.unwrap();
    let findings = doctor::run(&ctx).await.unwrap().findings;
    let told = findings.iter().find(|finding| finding.check == Check::Names && finding.level == Level::Note).unwrap();
    assert!(told.what.contains(&format!("created by {other}")) && told.what.contains("--name"), "{told:?}");
    assert_eq!(down(&ctx).await.unwrap().leftovers, []);
    assert!(notes.lock().unwrap().iter().any(|note| note.contains(&format!("created by {other}"))), "{notes:?}");
    cloud.shutdown().await;
}

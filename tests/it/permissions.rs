//! The IAM policy in docs/aws.md: least, since it allows what the source calls and no more, and sufficient, since a whole
//! walkthrough passes under it.

use std::collections::BTreeSet;
use std::path::Path;

use aws_sdk_ec2::types::InstanceStateName::Running;
use aws_sdk_ec2::types::Tag;
use serde_json::Value;
use zonewalk::cloud::{LocalCloud, Options, Pace};
use zonewalk::commands::{failover, verify, walkthrough};
use zonewalk::settings::{Settings, TaskCount};
use zonewalk::stages::Context;
use zonewalk::stages::permissions::{AUDIT_POLICY, policy};
use zonewalk::walkthrough::{down, up};

use crate::support::{cloud_under, context, settings};

/// AWS asks for these on behalf of others: EC2 for Auto Scaling when it is given a launch template, Cloud Map for ECS when it
/// is given a namespace, IAM when a role is handed on, or when a service is used for the first time; Elastic Load Balancing then
/// asks for two more of EC2's.
pub(crate) const NOT_CALLED: [&str; 8] = [
    "ec2:DescribeAccountAttributes",
    "ec2:DescribeAddresses",
    "ec2:RunInstances",
    "iam:CreateServiceLinkedRole",
    "iam:PassRole",
    "servicediscovery:CreateService",
    "servicediscovery:GetNamespace",
    "servicediscovery:GetService",
];

pub(crate) fn allowed() -> BTreeSet<String> {
    let policy: Value = serde_json::from_str(&policy(&settings().name)).unwrap();
    let statements = policy["Statement"].as_array().unwrap();
    let actions = statements.iter().flat_map(|statement| match &statement["Action"] {
        Value::Array(actions) => actions.iter().map(|action| action.as_str().unwrap().to_owned()).collect(),
        action => vec![action.as_str().unwrap().to_owned()],
    });
    actions.collect()
}

/// What the audit's policy allows.
pub(crate) fn allowed_to_audit() -> BTreeSet<String> {
    let policy: Value = serde_json::from_str(AUDIT_POLICY).unwrap();
    let statements = policy["Statement"].as_array().unwrap();
    let actions = statements.iter().flat_map(|statement| statement["Action"].as_array().unwrap());
    actions.map(|action| action.as_str().unwrap().to_owned()).collect()
}

/// How the source sends a request; the first argument is the action.
const SENDING: [&str; 5] = [".call(", ".look(", ".change(", ".change_with_answer(", ".pages("];

/// Every action that the source names where it sends a request.
fn called(directory: &Path, actions: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // What plays the hosts' part on emulators has nothing to do on AWS; an audit has a policy of its own.
            if !path.ends_with("src/local_traffic") && !path.ends_with("src/audit") {
                called(&path, actions);
            }
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        for call in SENDING.iter().flat_map(|sending| source.split(sending).skip(1)) {
            let argument = call.trim_start();
            let name = argument.strip_prefix('"').and_then(|rest| rest.split('"').next());
            if let Some(name) = name.filter(|name| name.contains(':')) {
                actions.insert(name.to_owned());
            }
        }
    }
}

#[test]
fn the_policy_allows_what_is_called_and_no_more() {
    let mut actions = BTreeSet::new();
    called(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut actions);
    actions.extend(NOT_CALLED.map(str::to_owned));
    let allowed = allowed();
    assert!(allowed.len() > 80, "{allowed:?}");
    assert_eq!(allowed, actions);
}

/// What an audit calls elsewhere: for the caller and the zones, to ask about logs, and to read the proxies' counters.
const CALLED_FOR_AUDIT: [&str; 9] = [
    "ec2:DescribeAvailabilityZones",
    "logs:DescribeLogGroups",
    "logs:GetQueryResults",
    "logs:StartQuery",
    "logs:StopQuery",
    "ssm:DescribeInstanceInformation",
    "ssm:GetCommandInvocation",
    "ssm:SendCommand",
    "sts:GetCallerIdentity",
];

#[test]
fn the_policy_for_an_audit_allows_what_it_calls_and_no_more() {
    let mut actions = BTreeSet::new();
    for folder in ["src/audit/readers", "src/audit/judge"] {
        called(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut actions);
    }
    actions.extend(CALLED_FOR_AUDIT.map(str::to_owned));
    assert_eq!(allowed_to_audit(), actions);
    let looks = |action: &str| ["Describe", "Get", "List"].iter().any(|verb| action.contains(&format!(":{verb}")));
    let others: Vec<_> = actions.iter().filter(|action| !looks(action)).collect();
    assert_eq!(others, ["logs:StartQuery", "logs:StopQuery", "ssm:SendCommand"], "queries and the script only read");
}

#[test]
fn the_document_shows_the_policy() {
    let document = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/aws.md")).unwrap();
    let block = document.split("```json\n").find(|block| block.contains("\"Statement\"")).unwrap();
    let shown: Value = serde_json::from_str(block.split("```").next().unwrap()).unwrap();
    assert_eq!(shown, serde_json::from_str::<Value>(&policy(&settings().name)).unwrap());
}

#[test]
fn another_name_has_other_roles() {
    let other = policy(&"other".parse().unwrap());
    assert!(other.contains(":role/other-*") && !other.contains("az-aware"), "{other}");
    assert!(other.contains(r#""aws:ResourceTag/zonewalk:walkthrough": "other""#), "{other}");
}

/// AWS's policies that the walkthrough's own roles have.
async fn attached(ctx: &Context) -> BTreeSet<String> {
    let mut attached = BTreeSet::new();
    for role in ["az-aware-instance-role-us-east-1", "az-aware-task-execution-role-us-east-1"] {
        let policies = ctx.clients.iam.list_attached_role_policies().role_name(role).send().await.unwrap();
        attached.extend(policies.attached_policies().iter().map(|policy| policy.policy_arn().unwrap().to_owned()));
    }
    attached
}

/// AWS's policies that may be attached.
fn attachable() -> BTreeSet<String> {
    let policy: Value = serde_json::from_str(&policy(&settings().name)).unwrap();
    let statements = policy["Statement"].as_array().unwrap();
    let statement = statements.iter().find(|statement| statement["Sid"] == "PoliciesOfOwnRoles").unwrap();
    let arns = statement["Condition"]["ArnLike"]["iam:PolicyARN"].as_array().unwrap();
    arns.iter().map(|arn| arn.as_str().unwrap().replace("arn:*", "arn:aws")).collect()
}

/// No other policy may be attached, and no instance of others terminated.
async fn assert_is_bound_to_its_own(ctx: &Context) {
    let (ec2, iam) = (&ctx.clients.ec2, &ctx.clients.iam);
    let attach = iam.attach_role_policy().role_name("az-aware-instance-role-us-east-1");
    let attach = attach.policy_arn("arn:aws:iam::aws:policy/AdministratorAccess").send().await;
    assert!(format!("{:?}", attach.unwrap_err()).contains("iam:AttachRolePolicy"));

    let running = ec2.describe_instances().send().await.unwrap();
    let running = running.reservations().iter().flat_map(|reservation| reservation.instances());
    let running = running.filter(|instance| instance.state().and_then(|state| state.name()) == Some(&Running));
    let ids: Vec<_> = running.take(2).map(|instance| instance.instance_id().unwrap().to_owned()).collect();
    let owned_by = |owner: &str| Tag::builder().key("zonewalk:walkthrough").value(owner).build();
    ec2.create_tags().resources(&ids[0]).tags(owned_by("other")).send().await.unwrap();
    let terminate = ec2.terminate_instances().set_instance_ids(Some(ids.clone())).send().await;
    assert!(format!("{:?}", terminate.unwrap_err()).contains("ec2:TerminateInstances"));
    ec2.terminate_instances().instance_ids(&ids[1]).send().await.unwrap();
    ec2.create_tags().resources(&ids[0]).tags(owned_by("az-aware")).send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walkthrough_passes_under_the_policy_alone() {
    let rehearsed = Some(policy(&settings().name));
    let options = Options { pace: Pace::Fast, bare_account: true, policy: rehearsed, ..Options::default() };
    let cloud = LocalCloud::start(options).await.unwrap();
    let ctx = context(&cloud, settings()).await;
    let traffic = verify::Traffic::of(60, 4);
    let traffic = verify::Options { traffic, ..verify::Options::default() };
    let drill = failover::Options {
        drill: failover::Drill::Scale { to: 2 },
        max_errors: failover::MAX_ERRORS,
        restore: true,
        verify: traffic,
    };
    let options = walkthrough::Options { failover: drill, keep: false };
    let removal = walkthrough::run(&ctx, options, |_| ()).await.unwrap().down.unwrap();
    assert!(removal.leftovers.is_empty(), "{removal:#?}");

    // What changes call, too.
    up(&ctx).await.unwrap();
    assert_eq!(attached(&ctx).await, attachable());
    assert_is_bound_to_its_own(&ctx).await;
    let other = Settings {
        task_count: TaskCount::new(7).unwrap(),
        instance_type: "t3.large".to_owned(),
        allow_cidrs: vec!["10.0.0.0/8".parse().unwrap()],
        ..settings()
    };
    up(&context(&cloud, other).await).await.unwrap();
    assert_eq!(down(&ctx).await.unwrap().leftovers, []);
    cloud.shutdown().await;
}

#[tokio::test]
async fn a_new_account_asks_for_more_when_it_first_gets_a_load_balancer() {
    for action in ["ec2:DescribeAddresses", "ec2:DescribeInternetGateways", "iam:CreateServiceLinkedRole"] {
        for bare_account in [true, false] {
            let without = policy(&settings().name).replace(action, "ec2:DescribeHosts");
            let options = Options { pace: Pace::Instant, bare_account, policy: Some(without), ..Options::default() };
            let cloud = LocalCloud::start(options).await.unwrap();
            let ctx = context(&cloud, settings()).await;
            let subnets = ctx.clients.ec2.describe_subnets().send().await.unwrap();
            let request = ctx.clients.elbv2.create_load_balancer().name("first");
            let request = subnets.subnets().iter().take(2).fold(request, |r, s| r.subnets(s.subnet_id().unwrap()));
            match request.send().await {
                Ok(_) => assert!(!bare_account, "{action}"),
                Err(error) => assert!(bare_account && format!("{error:?}").contains(action), "{error:?}"),
            }
            cloud.shutdown().await;
        }
    }
}

/// Without an action that a service takes in the caller's name, `up` stops and names it.
#[tokio::test]
async fn what_is_done_in_the_callers_name_is_needed_and_named() {
    for (action, named) in [
        ("servicediscovery:CreateService", "allow the action servicediscovery:CreateService"),
        ("servicediscovery:GetNamespace", "allow the action servicediscovery:GetNamespace"),
        ("servicediscovery:GetService", "allow the action servicediscovery:GetService"),
        ("iam:PassRole", "iam:PassRole"),
        ("ec2:RunInstances", "allow the action ec2:RunInstances, ec2:CreateTags and iam:PassRole"),
        ("ec2:CreateTags", "allow the action ec2:CreateTags"),
        ("ecs:TagResource", "allow the action ecs:TagResource"),
        ("elasticloadbalancing:AddTags", "allow the action elasticloadbalancing:AddTags"),
        ("logs:TagResource", "allow the action logs:TagResource"),
        ("servicediscovery:TagResource", "allow the action servicediscovery:TagResource"),
        ("iam:TagRole", "allow the action iam:TagRole"),
        ("iam:CreateServiceLinkedRole", "allow the action iam:CreateServiceLinkedRole"),
    ] {
        let without = policy(&settings().name).replace(action, "ec2:DescribeHosts");
        let options = Options { pace: Pace::Instant, bare_account: true, policy: Some(without), ..Options::default() };
        let cloud = LocalCloud::start(options).await.unwrap();
        let unchecked = Settings { check_permissions: false, task_count: TaskCount::new(1).unwrap(), ..settings() };
        let error = up(&context(&cloud, unchecked).await).await.unwrap_err().to_string();
        assert!(error.contains(named), "{action}: {error}");
        cloud.shutdown().await;
    }
}

#[tokio::test]
async fn ecs_refuses_in_its_own_words_what_it_may_not_do_in_the_callers_name() {
    let without = policy(&settings().name).replace("servicediscovery:GetNamespace", "ec2:DescribeHosts");
    let cloud = cloud_under(without).await;
    let ecs = context(&cloud, settings()).await.clients.ecs;
    ecs.create_cluster().cluster_name("plain").send().await.expect("it has no namespace");
    let defaults = aws_sdk_ecs::types::ClusterServiceConnectDefaultsRequest::builder().namespace("n").build().unwrap();
    let refused = ecs.create_cluster().cluster_name("c").service_connect_defaults(defaults).send().await;
    let refused = format!("{:?}", refused.unwrap_err());
    let words = "assumed-role/rehearsed/zonewalk is not authorized to perform: servicediscovery:GetNamespace";
    assert!(refused.contains("ClientException") && refused.contains(words), "{refused}");
    cloud.shutdown().await;
}

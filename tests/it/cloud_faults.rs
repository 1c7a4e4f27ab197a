//! The local cloud's faults, as an AWS client meets them.

use std::time::Duration;

use aws_sdk_ecs::error::{ProvideErrorMetadata, SdkError};
use serde_json::{Value, json};
use zonewalk::aws::{Clients, CloudError, Retries, Target};
use zonewalk::cloud::{Fault, FaultKind, Faults, LocalCloud, Options, Pace};
use zonewalk::settings::Settings;
use zonewalk::walkthrough::{down, up};

use crate::inventory::inventory;
use crate::support::{REGION, context, settings};

async fn cloud_with(faults: Vec<Fault>) -> LocalCloud {
    let faults = Faults { seed: 1, faults };
    LocalCloud::start(Options { pace: Pace::Instant, faults, ..Options::default() }).await.unwrap()
}

/// Clients that ask once.
async fn once(cloud: &LocalCloud) -> Clients {
    let retries = Retries { attempts: 1, first_pause: Duration::ZERO };
    Target { retries, ..Target::local(&cloud.endpoint_url(), REGION) }.connect().await.unwrap()
}

async fn refusals(cloud: &LocalCloud) -> Vec<String> {
    async fn code<T, E, R>(request: impl Future<Output = Result<T, SdkError<E, R>>>) -> String
    where
        E: ProvideErrorMetadata,
        R: std::fmt::Debug,
    {
        let error = request.await.err().expect("it is refused");
        error.as_service_error().and_then(|error| error.code()).unwrap_or("no answer").to_owned()
    }
    let clients = once(cloud).await;
    vec![
        code(clients.autoscaling.describe_auto_scaling_groups().send()).await,
        code(clients.ec2.describe_vpcs().send()).await,
        code(clients.ecs.list_clusters().send()).await,
        code(clients.elbv2.describe_load_balancers().send()).await,
        code(clients.iam.get_role().role_name("x").send()).await,
        code(clients.logs.describe_log_groups().send()).await,
        code(clients.servicediscovery.list_namespaces().send()).await,
        code(clients.ssm.get_parameter().name("x").send()).await,
        code(clients.sts.get_caller_identity().send()).await,
    ]
}

#[tokio::test]
async fn each_service_refuses_in_its_own_words() {
    let with = async |fault| {
        let cloud = cloud_with(vec![fault]).await;
        let refusals = refusals(&cloud).await;
        cloud.shutdown().await;
        refusals
    };
    let (query, json) = ("Throttling", "ThrottlingException");
    assert_eq!(
        with(Fault::new(FaultKind::Throttle)).await,
        [query, "RequestLimitExceeded", json, query, query, json, json, json, query]
    );
    assert_eq!(
        with(Fault::new(FaultKind::ServerError)).await,
        [
            "InternalFailure",
            "InternalError",
            "ServerException",
            "InternalFailure",
            "ServiceFailure",
            "ServiceUnavailableException",
            "InternalFailure",
            "InternalServerError",
            "InternalFailure"
        ]
    );
    assert!(with(Fault::new(FaultKind::DropAnswer)).await.iter().all(|code| code == "no answer"));
    assert!(with(Fault::new(FaultKind::DropRequest)).await.iter().all(|code| code == "no answer"));
}

#[tokio::test]
async fn a_dropped_answer_is_of_a_change_that_was_made_and_a_dropped_request_of_none() {
    for (kind, made) in [(FaultKind::DropAnswer, 1), (FaultKind::DropRequest, 0)] {
        let cloud = cloud_with(vec![Fault::at(kind, "ecs:CreateCluster", 1, 1)]).await;
        let clients = once(&cloud).await;
        let error = clients.call("ecs:CreateCluster", clients.ecs.create_cluster().cluster_name("x").send()).await;
        assert!(matches!(error, Err(CloudError { code: None, .. })), "{error:?}");
        assert_eq!(clients.ecs.list_clusters().send().await.unwrap().cluster_arns().len(), made, "{kind:?}");
        cloud.shutdown().await;
    }
}

#[tokio::test]
async fn what_is_hidden_is_neither_described_nor_listed_nor_can_it_be_made_again() {
    let fault = Fault { calls: Some(3), ..Fault::at(FaultKind::Hide, "ecs:CreateCluster", 2, 1) };
    let cloud = cloud_with(vec![fault]).await;
    let ecs = once(&cloud).await.ecs;
    for name in ["seen", "hidden"] {
        ecs.create_cluster().cluster_name(name).send().await.unwrap();
    }
    let listed = async || ecs.list_clusters().send().await.unwrap().cluster_arns().len();
    let described = async || ecs.describe_clusters().clusters("hidden").send().await.unwrap().clusters().len();
    assert_eq!((listed().await, described().await), (1, 0));
    // It is there for changes: CreateCluster of one that exists answers with it.
    ecs.create_cluster().cluster_name("hidden").send().await.unwrap();
    assert_eq!((listed().await, described().await, listed().await), (1, 1, 2));
    cloud.shutdown().await;
}

/// A request to one of the cloud's own paths.
async fn ask(cloud: &LocalCloud, method: &str, faults: Option<Value>) -> Value {
    use http_body_util::{BodyExt, Full};
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    let body = Full::new(bytes::Bytes::from(faults.map(|faults| faults.to_string()).unwrap_or_default()));
    let url = format!("{}/_zonewalk/faults", cloud.endpoint_url());
    let answer = client.request(hyper::Request::builder().method(method).uri(url).body(body).unwrap()).await.unwrap();
    serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

#[tokio::test]
async fn faults_are_set_looked_at_and_cleared_while_it_runs() {
    let cloud = cloud_with(vec![]).await;
    let ecs = once(&cloud).await.ecs;
    let wrong = json!({ "fault": [{ "kind": "throttle", "frist": 1 }] });
    assert!(ask(&cloud, "PUT", Some(wrong)).await["message"].as_str().unwrap().contains("frist"));

    ask(&cloud, "PUT", Some(json!({ "fault": [{ "kind": "throttle", "operation": "ecs:List*", "first": 1 }] }))).await;
    assert!(ecs.list_clusters().send().await.is_err());
    assert!(ecs.list_clusters().send().await.is_ok());
    let report = ask(&cloud, "GET", None).await;
    assert_eq!((&report["fault"][0]["struck"], &report["fault"][0]["matched"]), (&json!(1), &json!(2)));

    assert_eq!(ask(&cloud, "DELETE", None).await["fault"], json!([]));
    cloud.shutdown().await;
}

/// `up` with a fault, then without; `down` leaves nothing. The error of the first run, if it came to one.
async fn walk(fault: Fault) -> Option<String> {
    let cloud = cloud_with(vec![fault]).await;
    let error = up(&context(&cloud, settings()).await).await.err().map(|error| error.to_string());
    ask(&cloud, "DELETE", None).await;
    let ctx = context(&cloud, settings()).await;
    up(&ctx).await.unwrap();
    let instances = inventory(&ctx.clients).await.into_iter().filter(|line| line.starts_with("instance "));
    let mut by_zone = [0; 3];
    instances.for_each(|line| by_zone[usize::from(line.as_bytes()[line.len() - 1] - b'a')] += 1);
    assert_eq!(by_zone, [4, 4, 4]);
    assert_eq!(down(&ctx).await.unwrap().leftovers, []);
    cloud.shutdown().await;
    error
}

#[tokio::test]
async fn a_fault_that_nothing_came_of_is_not_counted() {
    let lost = Fault { first: Some(1), ..Fault::new(FaultKind::LoseInstance) };
    let hidden = Fault { calls: Some(1), first: Some(1), ..Fault::new(FaultKind::Hide) };
    let cloud = cloud_with(vec![lost, hidden]).await;
    let ecs = once(&cloud).await.ecs;
    let struck = || {
        let report = cloud.faults();
        [0, 1].map(|n| report["fault"][n]["struck"].as_u64().unwrap())
    };
    // No instance runs; a read changes nothing, and neither does what is refused.
    ecs.list_clusters().send().await.unwrap();
    assert!(ecs.delete_cluster().cluster("none").send().await.is_err());
    assert_eq!(struck(), [0, 0]);
    ecs.create_cluster().cluster_name("x").send().await.unwrap();
    assert_eq!(struck(), [0, 1]);
    assert!(ecs.list_clusters().send().await.unwrap().cluster_arns().is_empty(), "it is hidden");
    cloud.shutdown().await;
}

#[tokio::test]
async fn a_cloud_that_is_to_end_waits_for_neither_a_late_answer_nor_half_a_request() {
    use tokio::io::AsyncWriteExt;
    let late = Fault { milliseconds: Some(3_600_000), ..Fault::new(FaultKind::Delay) };
    let cloud = cloud_with(vec![late]).await;
    let ecs = once(&cloud).await.ecs;
    let asking = tokio::spawn(async move { ecs.list_clusters().send().await.is_err() });
    let mut half = tokio::net::TcpStream::connect(cloud.address()).await.unwrap();
    half.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nAct").await.unwrap();
    while cloud.faults()["fault"][0]["struck"] == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::timeout(Duration::from_secs(60), cloud.shutdown()).await.expect("it waits for ever");
    assert!(asking.await.unwrap(), "it was not answered");
}

#[tokio::test]
async fn a_zone_without_machines_for_a_while_gets_its_instances_later() {
    let zone = Some("us-east-1b".to_owned());
    assert_eq!(walk(Fault { zone, first: Some(2), ..Fault::new(FaultKind::NoCapacity) }).await, None);
}

#[tokio::test]
async fn a_zone_without_machines_for_good_is_told_apart_from_one_that_fills_up() {
    let none = Fault { zone: Some("us-east-1b".to_owned()), ..Fault::new(FaultKind::NoCapacity) };
    let cloud = cloud_with(vec![none]).await;
    let hurried = Settings { timeout: Duration::from_secs(8), ..settings() };
    let error = up(&context(&cloud, hurried).await).await.unwrap_err().to_string();
    for words in [
        "6 in use1-az4 (us-east-1a)",
        "no capacity for t3.medium in use1-az6 (us-east-1b)",
        "--instance-type",
        "zonewalk down",
    ] {
        assert!(error.contains(words), "{error}");
    }
    ask(&cloud, "DELETE", None).await;
    let ctx = context(&cloud, settings()).await;
    up(&ctx).await.unwrap();
    assert_eq!(down(&ctx).await.unwrap().leftovers, []);
    cloud.shutdown().await;
}

#[tokio::test]
async fn instances_that_cannot_reach_ecs_are_told_from_those_that_do_not_run() {
    let cloud = cloud_with(vec![Fault::new(FaultKind::NoCapacity)]).await;
    let with =
        |seconds| Settings { task_count: "1".parse().unwrap(), timeout: Duration::from_secs(seconds), ..settings() };
    let error = up(&context(&cloud, with(2)).await).await.unwrap_err().to_string();
    assert!(error.contains("0 running") && !error.contains("cannot reach ECS"), "{error}");

    // Their security groups let out what is of no use: that is the user's own doing, which `up` leaves.
    let ec2 = once(&cloud).await.ec2;
    let named = aws_sdk_ec2::types::Filter::builder().name("group-name").values("az-aware-*").build();
    let groups = ec2.describe_security_groups().filters(named).send().await.unwrap();
    for group in groups.security_groups() {
        let one = aws_sdk_ec2::types::IpPermission::builder().ip_protocol("tcp").from_port(1).to_port(1);
        let one = one.ip_ranges(aws_sdk_ec2::types::IpRange::builder().cidr_ip("192.0.2.0/24").build()).build();
        let authorize = ec2.authorize_security_group_egress().group_id(group.group_id().unwrap());
        authorize.ip_permissions(one).send().await.unwrap();
        let revoke = ec2.revoke_security_group_egress().group_id(group.group_id().unwrap());
        revoke.set_ip_permissions(group.ip_permissions_egress.clone()).send().await.unwrap();
    }
    ask(&cloud, "DELETE", None).await;
    let error = up(&context(&cloud, with(6)).await).await.unwrap_err().to_string();
    for words in ["2 running", "cannot reach ECS", "internet gateway", "HTTPS out", "role"] {
        assert!(error.contains(words), "{error}");
    }
    for group in groups.security_groups() {
        let authorize = ec2.authorize_security_group_egress().group_id(group.group_id().unwrap());
        authorize.set_ip_permissions(group.ip_permissions_egress.clone()).send().await.unwrap();
    }
    let ctx = context(&cloud, with(60)).await;
    up(&ctx).await.unwrap();
    assert_eq!(down(&ctx).await.unwrap().leftovers, []);
    cloud.shutdown().await;
}

#[tokio::test]
async fn a_quota_that_is_too_small_is_named_and_can_be_raised() {
    let error = walk(Fault { vcpus: Some(16), ..Fault::new(FaultKind::VcpuLimit) }).await.unwrap();
    assert!(error.contains("vCPU limit of 16"), "{error}");
}

#[tokio::test]
async fn an_instance_that_is_lost_while_the_services_start_is_replaced() {
    assert_eq!(walk(Fault::at(FaultKind::LoseInstance, "ecs:CreateService", 2, 1)).await, None);
}

#[tokio::test]
async fn a_role_that_has_not_spread_is_waited_for() {
    for operation in
        ["autoscaling:CreateAutoScalingGroup", "ec2:RunInstances", "ecs:RegisterTaskDefinition", "ecs:CreateService"]
    {
        assert_eq!(walk(Fault::at(FaultKind::RefuseRole, operation, 1, 2)).await, None, "{operation}");
    }
}

#[tokio::test]
async fn a_role_not_yet_in_its_profile_is_waited_for() {
    for operation in ["autoscaling:CreateAutoScalingGroup", "ec2:RunInstances"] {
        assert_eq!(walk(Fault::at(FaultKind::EmptyProfile, operation, 1, 2)).await, None, "{operation}");
    }
}

#[tokio::test]
async fn a_service_linked_role_not_yet_assumable_is_waited_for() {
    for operation in ["ecs:CreateCluster", "ec2:RunInstances", "ecs:CreateService"] {
        assert_eq!(walk(Fault::at(FaultKind::ServiceLinkedRole, operation, 1, 2)).await, None, "{operation}");
    }
}

/// What a group's launches failed of, the newest first.
async fn failures(clients: &Clients) -> Vec<String> {
    let activities = clients.autoscaling.describe_scaling_activities().send().await.unwrap().activities.unwrap();
    activities.into_iter().filter_map(|activity| activity.status_message).collect()
}

#[tokio::test]
async fn a_group_tells_what_it_cannot_launch_for_and_tries_again_in_the_same_zone() {
    for (kind, reason) in [
        (FaultKind::RefuseRole, "Invalid IAM Instance Profile name. Launching EC2 instance failed."),
        (FaultKind::EmptyProfile, "has no associated IAM Roles. Launching EC2 instance failed."),
        (FaultKind::ServiceLinkedRole, "AWSServiceRoleForAutoScaling. Launching EC2 instance failed."),
    ] {
        let cloud = cloud_with(vec![Fault::at(kind, "ec2:RunInstances", 1, 2)]).await;
        let ctx = context(&cloud, settings()).await;
        up(&ctx).await.unwrap();
        let failures = failures(&ctx.clients).await;
        assert!(failures.len() == 2 && failures.iter().all(|told| told.ends_with(reason)), "{failures:?}");
        assert_eq!(down(&ctx).await.unwrap().leftovers, []);
        cloud.shutdown().await;
    }
}

#[tokio::test]
async fn a_service_linked_role_that_stays_out_of_reach_ends_up_with_aws_reason() {
    let fault = Fault { operation: Some("ec2:RunInstances".to_owned()), ..Fault::new(FaultKind::ServiceLinkedRole) };
    let cloud = cloud_with(vec![fault]).await;
    let ctx = context(&cloud, Settings { timeout: Duration::from_secs(900), ..settings() }).await;
    let refused = async {
        while failures(&ctx.clients).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // Seen by `up`, and then, after over two minutes, once more.
        tokio::time::sleep(Duration::from_secs(2)).await;
        for _ in 0..7 {
            // By less than a request may take, of those that are under way.
            crate::support::skip(20).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let (error, ()) = tokio::join!(up(&ctx), refused);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("Access denied when attempting to assume role") && error.contains(" failed ("), "{error}");
    cloud.shutdown().await;
}

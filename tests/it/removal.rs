//! What keeps `down` from removing things, and what it makes of that.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_ecs::error::ProvideErrorMetadata;
use aws_sdk_ecs::types::{ContainerDefinition, TaskDefinitionStatus};
use aws_sdk_elasticloadbalancingv2::types::LoadBalancerAttribute;
use zonewalk::cloud::{Exchange, Fault, FaultKind, Faults, LocalCloud, Options, Pace};
use zonewalk::plan::Kind;
use zonewalk::settings::{Settings, TaskCount};
use zonewalk::walkthrough::{down, up};

use crate::inventory::inventory;
use crate::support::{context, settings, start_cloud};

fn small() -> Settings {
    Settings { task_count: TaskCount::new(1).unwrap(), ..settings() }
}

fn faults(fault: Fault) -> Faults {
    Faults { seed: 1, faults: vec![fault] }
}

#[tokio::test]
async fn a_deployment_that_cannot_be_stopped_yet_is_waited_for() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, small()).await;
    up(&ctx).await.unwrap();
    cloud.set_faults(faults(Fault { first: Some(3), ..Fault::new(FaultKind::HoldDeployment) }));
    assert_eq!(down(&ctx).await.unwrap().leftovers, []);
    assert_eq!(cloud.faults()["fault"][0]["struck"], 3);
    cloud.shutdown().await;
}

#[tokio::test]
async fn what_is_used_by_a_service_that_cannot_be_stopped_is_not_waited_for_as_long() {
    let cloud = start_cloud(Pace::Instant).await;
    let timeout = Duration::from_secs(5);
    let ctx = context(&cloud, small()).await;
    up(&ctx).await.unwrap();
    cloud.set_faults(faults(Fault::new(FaultKind::HoldDeployment)));
    let left = down(&context(&cloud, Settings { timeout, ..small() }).await).await.unwrap().leftovers;
    let reasons: BTreeMap<Kind, &str> = left.iter().map(|left| (left.kind, left.reason.as_str())).collect();
    let service = reasons[&Kind::Service];
    assert!(service.contains("after 5 s") && service.contains("while deployments are active"), "{service}");
    assert!(!reasons[&Kind::Cluster].contains("after 5 s"), "{}", reasons[&Kind::Cluster]);
    assert!(!reasons.contains_key(&Kind::Instance) && !reasons.contains_key(&Kind::LoadBalancer), "{reasons:?}");

    cloud.set_faults(Faults::default());
    assert_eq!(down(&ctx).await.unwrap().leftovers, []);
    cloud.shutdown().await;
}

#[tokio::test]
async fn a_service_with_running_tasks_is_deleted_by_force_only() {
    let cloud = start_cloud(Pace::Fast).await;
    let ctx = context(&cloud, small()).await;
    up(&ctx).await.unwrap();
    let (ecs, names) = (&ctx.clients.ecs, &ctx.names);
    let update = ecs.update_service().cluster(&names.cluster).service(&names.backend.service).desired_count(0);
    update.send().await.unwrap();
    let delete = ecs.delete_service().cluster(&names.cluster).service(&names.backend.service);
    let error = delete.clone().send().await.unwrap_err();
    let said = error.as_service_error().and_then(|error| error.message()).unwrap();
    assert_eq!(said, "The service cannot be stopped while deployments are active.");
    delete.force(true).send().await.unwrap();
    cloud.shutdown().await;
}

#[tokio::test]
async fn a_load_balancer_under_deletion_protection_is_told_from_one_in_use_and_how_to_lift_it() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, small()).await;
    up(&ctx).await.unwrap();
    let elbv2 = &ctx.clients.elbv2;
    let balancers = elbv2.describe_load_balancers().send().await.unwrap();
    let arn = balancers.load_balancers()[0].load_balancer_arn().unwrap();
    let protect = async |value: &str| {
        let attribute = LoadBalancerAttribute::builder().key("deletion_protection.enabled").value(value).build();
        elbv2.modify_load_balancer_attributes().load_balancer_arn(arn).attributes(attribute).send().await.unwrap();
    };
    protect("true").await;
    let left = down(&ctx).await.unwrap().leftovers;
    let balancer = left.iter().find(|left| left.kind == Kind::LoadBalancer).unwrap();
    let advice = format!("modify-load-balancer-attributes --load-balancer-arn {arn}");
    assert!(balancer.reason.contains(&advice), "{}", balancer.reason);
    assert!(!balancer.reason.contains("timed out"), "{}", balancer.reason);
    protect("false").await;
    assert_eq!(down(&ctx).await.unwrap().leftovers, []);
    cloud.shutdown().await;
}

/// The article's readers deregister, and delete nothing.
#[tokio::test]
async fn inactive_task_definitions_of_others_are_looked_at_once_and_not_told() {
    let seen: Arc<Mutex<usize>> = Arc::default();
    let counted = Arc::clone(&seen);
    let observer = move |exchange: &Exchange| {
        *counted.lock().unwrap() += usize::from(exchange.operation == "DescribeTaskDefinition");
    };
    let options = Options { pace: Pace::Instant, observer: Some(Arc::new(observer)), ..Options::default() };
    let cloud = LocalCloud::start(options).await.unwrap();
    let ctx = context(&cloud, small()).await;
    let (ecs, family) = (&ctx.clients.ecs, &ctx.names.backend.service);
    for _ in 0..3 {
        let container = ContainerDefinition::builder().name("app").image("app").memory(128).build();
        let made = ecs.register_task_definition().family(family).container_definitions(container).send().await.unwrap();
        let arn = made.task_definition.unwrap().task_definition_arn.unwrap();
        ecs.deregister_task_definition().task_definition(arn).send().await.unwrap();
    }
    *seen.lock().unwrap() = 0;
    let done = down(&ctx).await.unwrap();
    assert!(done.removed.is_empty() && done.leftovers.is_empty() && done.not_ours.is_empty(), "{done:?}");
    assert_eq!(*seen.lock().unwrap(), 3);
    let inactive = ecs.list_task_definitions().status(TaskDefinitionStatus::Inactive).send().await.unwrap();
    assert_eq!(inactive.task_definition_arns().len(), 3);
    cloud.shutdown().await;
}

#[tokio::test]
async fn a_name_that_cloud_map_keeps_for_a_service_deleted_by_hand_is_taken_out() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, small()).await;
    up(&ctx).await.unwrap();
    let stands = inventory(&ctx.clients).await;
    let (ecs, names) = (&ctx.clients.ecs, &ctx.names);
    let delete = ecs.delete_service().cluster(&names.cluster).service(&names.backend.service);
    delete.force(true).send().await.unwrap();
    let discovery_service = async || {
        let listed = ctx.clients.servicediscovery.list_services().send().await.unwrap();
        let of_backend = listed.services().iter().find(|it| it.name() == Some(&names.backend.discovery_name)).unwrap();
        of_backend.id().unwrap().to_owned()
    };
    let left = discovery_service().await;
    cloud.set_faults(faults(Fault {
        code: Some("InvalidParameterException".to_owned()),
        message: Some("SC service is already used by arn:aws:servicediscovery:us-east-1:0:namespace/ns-1".to_owned()),
        ..Fault::at(FaultKind::Refuse, "ecs:CreateService", 1, 1)
    }));
    up(&ctx).await.unwrap();
    assert_ne!(discovery_service().await, left, "ECS has made a new one");
    assert_eq!(inventory(&ctx.clients).await, stands);
    cloud.shutdown().await;
}

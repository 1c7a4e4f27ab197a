//! How services keep their tasks: placement over zones, deployments, scaling, draining, failures.

use std::time::Duration;

use aws_sdk_ecs::types::{DeploymentConfiguration, DesiredStatus};
use zonewalk::cloud::Pace;

use super::{CLUSTER, LOG_GROUP, Stand, assert_refused, zones};

#[tokio::test(flavor = "multi_thread")]
async fn two_services_of_six_have_two_tasks_in_each_zone() {
    let stand = Stand::with_instances(Pace::Instant, 12).await;
    for name in ["backend", "frontend"] {
        stand.define(name, LOG_GROUP, false).await;
        stand.create_service(name, 6).send().await.unwrap();
        stand.until_steady(name).await;
    }
    assert_eq!(stand.zones("backend").await, zones([2, 2, 2]));
    assert_eq!(stand.zones("frontend").await, zones([2, 2, 2]));

    let tasks = stand.tasks("backend").await;
    let mut hosts: Vec<_> = tasks.iter().map(|task| task.container_instance_arn.clone().unwrap()).collect();
    hosts.sort();
    hosts.dedup();
    assert_eq!(hosts.len(), 6, "memory allows one task an instance");
    let task = &tasks[0];
    assert_eq!((task.last_status(), task.group()), (Some("RUNNING"), Some("service:backend")));
    assert!(task.containers().iter().any(|c| c.name().is_some_and(|name| name.starts_with("ecs-service-connect-"))));
    let details = task.attachments()[0].details();
    let address = details.iter().find(|detail| detail.name() == Some("privateIPv4Address")).unwrap();
    assert!(address.value().unwrap().starts_with("172.31."));

    let describe = stand.clients.ecs.describe_container_instances().cluster(CLUSTER).container_instances(&hosts[0]);
    let instance = describe.send().await.unwrap().container_instances.unwrap().pop().unwrap();
    let left = |name: &str| {
        let resource = instance.remaining_resources().iter().find(|resource| resource.name() == Some(name));
        resource.unwrap().integer_value()
    };
    assert_eq!(left("CPU"), 1024);
    assert!(left("MEMORY") < 2048);
    assert_eq!(instance.running_tasks_count(), 1);

    assert_refused(
        stand.clients.ecs.delete_cluster().cluster(CLUSTER).send().await,
        "ClusterContainsContainerInstancesException",
        "The Cluster cannot be deleted while Container Instances are active or draining.",
    );
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scaling_in_and_out_keeps_zones_even() {
    let stand = Stand::with_instances(Pace::Instant, 12).await;
    stand.define("backend", LOG_GROUP, false).await;
    stand.create_service("backend", 7).send().await.unwrap();
    stand.until_steady("backend").await;
    for count in [5, 2, 6, 3, 0, 6] {
        stand.scale("backend", count).await;
        let zones = stand.zones("backend").await;
        let (most, fewest) =
            (zones.values().max().unwrap_or(&0), if zones.len() == 3 { zones.values().min() } else { None });
        assert!(most - fewest.unwrap_or(&0) <= 1, "{count} tasks are spread as {zones:?}");
    }
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_move_to_a_zone_that_gets_instances_later() {
    let stand = Stand::new(Pace::Instant).await;
    stand.clients.logs.create_log_group().log_group_name(LOG_GROUP).send().await.unwrap();
    stand.add_instances("first", 6, &stand.subnets[..2]).await;
    stand.define("backend", LOG_GROUP, false).await;
    stand.create_service("backend", 6).send().await.unwrap();
    stand.until_steady("backend").await;
    assert_eq!(stand.zones("backend").await.len(), 2);
    stand.add_instances("second", 4, &stand.subnets[2..]).await;
    stand.until("tasks are even", async || stand.zones("backend").await == zones([2, 2, 2])).await;
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_goes_through_its_states_in_order() {
    const STATES: [&str; 7] =
        ["PROVISIONING", "PENDING", "RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED"];
    let stand = Stand::with_instances(Pace::Fast, 1).await;
    stand.define("backend", LOG_GROUP, false).await;
    stand.create_service("backend", 1).send().await.unwrap();
    stand.until("there is a task", async || !stand.tasks("backend").await.is_empty()).await;
    let arn = stand.tasks("backend").await[0].task_arn.clone().unwrap();
    let mut seen: Vec<String> = vec![];
    while seen.last().is_none_or(|last| last != "STOPPED") {
        let describe = stand.clients.ecs.describe_tasks().cluster(CLUSTER).tasks(&arn).send().await.unwrap();
        let status = describe.tasks()[0].last_status().unwrap().to_owned();
        if status == "RUNNING" && !seen.contains(&status) {
            let delete = stand.clients.ecs.delete_service().cluster(CLUSTER).service("backend").force(true);
            let service = delete.send().await.unwrap().service.unwrap();
            assert_eq!(service.status(), Some("DRAINING"));
        }
        if !seen.contains(&status) {
            seen.push(status);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let order: Vec<_> = seen.iter().map(|status| STATES.iter().position(|s| s == status).unwrap()).collect();
    assert!(order.is_sorted(), "{seen:?}");
    stand.until("the service is gone", async || stand.service("backend").await.status() == Some("INACTIVE")).await;
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_without_spare_instances_finishes_within_its_percentages() {
    let stand = Stand::with_instances(Pace::Instant, 6).await;
    stand.define("backend", LOG_GROUP, false).await;
    let within = DeploymentConfiguration::builder().minimum_healthy_percent(50).maximum_percent(100).build();
    stand.create_service("backend", 6).deployment_configuration(within).send().await.unwrap();
    let before = stand.until_steady("backend").await;
    let arn = stand.define("backend", LOG_GROUP, false).await;
    let update = stand.clients.ecs.update_service().cluster(CLUSTER).service("backend").task_definition("backend");
    let updated = update.send().await.unwrap().service.unwrap();
    assert_eq!(updated.deployments().len(), 2);
    let after = stand.until_steady("backend").await;
    assert_ne!(before.deployments()[0].id(), after.deployments()[0].id());
    assert!(stand.tasks("backend").await.iter().all(|task| task.task_definition_arn() == Some(arn.as_str())));
    assert_eq!(stand.zones("backend").await, zones([2, 2, 2]));
    let said: Vec<_> = after.events().iter().filter_map(|event| event.message()).collect();
    assert!(said[0].contains("(service backend) has reached a steady state."), "{said:?}");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_behind_a_load_balancer_are_targets_until_they_have_drained() {
    use aws_sdk_elasticloadbalancingv2::types::{Action, ActionTypeEnum, TargetGroupAttribute, TargetTypeEnum};
    let stand = Stand::with_instances(Pace::Fast, 3).await;
    let balancers = &stand.clients.elbv2;
    let subnet = stand.clients.ec2.describe_subnets().subnet_ids(&stand.subnets[0]).send().await.unwrap();
    let group = balancers
        .create_target_group()
        .name("app")
        .protocol("HTTP".into())
        .port(80)
        .vpc_id(subnet.subnets()[0].vpc_id().unwrap())
        .target_type(TargetTypeEnum::Ip)
        .health_check_path("/ping")
        .health_check_interval_seconds(10);
    let group = group.send().await.unwrap().target_groups.unwrap().remove(0).target_group_arn.unwrap();
    stand.define("frontend", LOG_GROUP, false).await;
    let target = aws_sdk_ecs::types::LoadBalancer::builder().target_group_arn(&group).container_name("app");
    let create = || stand.create_service("frontend", 3).load_balancers(target.clone().container_port(8080).build());
    assert_refused(
        create().send().await,
        "InvalidParameterException",
        &format!("The target group with targetGroupArn {group} does not have an associated load balancer."),
    );
    let wrong_port = target.clone().container_port(1).build();
    assert_refused(
        stand.create_service("frontend", 3).load_balancers(wrong_port).send().await,
        "InvalidParameterException",
        "The container app did not have a container port 1 defined.",
    );

    let open = stand.clients.ec2.authorize_security_group_ingress().group_id(&stand.group).ip_protocol("tcp");
    open.from_port(8080).to_port(8080).cidr_ip("0.0.0.0/0").send().await.unwrap();
    let balancer = balancers.create_load_balancer().name("app").set_subnets(Some(stand.subnets.clone()));
    let balancer = balancer.send().await.unwrap().load_balancers.unwrap().remove(0).load_balancer_arn.unwrap();
    let forward = Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(&group).build();
    let listen = balancers.create_listener().load_balancer_arn(balancer).protocol("HTTP".into()).port(80);
    listen.default_actions(forward).send().await.unwrap();
    let delay = TargetGroupAttribute::builder().key("deregistration_delay.timeout_seconds").value("200").build();
    balancers.modify_target_group_attributes().target_group_arn(&group).attributes(delay).send().await.unwrap();
    create().send().await.unwrap();
    stand.until_steady("frontend").await;
    let states = async || {
        let health = balancers.describe_target_health().target_group_arn(&group).send().await.unwrap();
        let states = health.target_health_descriptions().iter();
        let mut states: Vec<_> =
            states.map(|d| d.target_health().unwrap().state().unwrap().as_str().to_owned()).collect();
        states.sort();
        states
    };
    assert_eq!(states().await, ["healthy"; 3], "a deployment is complete when its targets are healthy");

    stand.clients.ecs.update_service().cluster(CLUSTER).service("frontend").desired_count(2).send().await.unwrap();
    let ending = stand.clients.ecs.list_tasks().cluster(CLUSTER).desired_status("STOPPED".into());
    let ending = ending.send().await.unwrap().task_arns.unwrap();
    let describe = stand.clients.ecs.describe_tasks().cluster(CLUSTER).set_tasks(Some(ending)).send().await.unwrap();
    assert_eq!(describe.tasks()[0].last_status(), Some("DEACTIVATING"));
    assert_eq!(states().await, ["draining", "healthy", "healthy"]);
    stand.until("the target has drained", async || states().await == ["healthy", "healthy"]).await;
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_leave_instances_that_drain_or_go() {
    let stand = Stand::with_instances(Pace::Instant, 6).await;
    stand.define("backend", LOG_GROUP, false).await;
    stand.create_service("backend", 3).send().await.unwrap();
    stand.until_steady("backend").await;
    let ecs = &stand.clients.ecs;
    let host = stand.tasks("backend").await[0].container_instance_arn.clone().unwrap();
    let update = ecs.update_container_instances_state().cluster(CLUSTER).container_instances(&host);
    update.status("DRAINING".into()).send().await.unwrap();
    let has_left = async |host: &str| {
        let tasks = stand.tasks("backend").await;
        tasks.len() == 3 && tasks.iter().all(|task| task.container_instance_arn() != Some(host))
    };
    stand.until("the draining instance is empty", async || has_left(&host).await).await;
    stand.until_steady("backend").await;

    let lost = stand.tasks("backend").await.pop().unwrap();
    let host = lost.container_instance_arn().unwrap().to_owned();
    assert_refused(
        ecs.deregister_container_instance().cluster(CLUSTER).container_instance(&host).send().await,
        "InvalidParameterException",
        "Found running tasks on the instance.",
    );
    let describe = ecs.describe_container_instances().cluster(CLUSTER).container_instances(&host);
    let instance = describe.send().await.unwrap().container_instances.unwrap().pop().unwrap();
    let terminate = stand.clients.ec2.terminate_instances().instance_ids(instance.ec2_instance_id.unwrap());
    terminate.send().await.unwrap();
    stand.until("the lost task is replaced", async || has_left(&host).await).await;
    let describe = ecs.describe_tasks().cluster(CLUSTER).tasks(lost.task_arn.unwrap()).send().await.unwrap();
    assert!(describe.tasks()[0].stopped_reason().unwrap().contains("terminated"));
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_tasks_and_deployments_leave_behind_is_bounded() {
    let stand = Stand::with_instances(Pace::Instant, 6).await;
    let ecs = &stand.clients.ecs;
    stand.define("backend", LOG_GROUP, false).await;
    stand.create_service("backend", 3).send().await.unwrap();
    stand.until_steady("backend").await;
    for _ in 0..101 {
        let update = ecs.update_service().cluster(CLUSTER).service("backend").force_new_deployment(true);
        update.send().await.unwrap();
        stand.until_steady("backend").await;
    }
    let list = ecs.list_tasks().cluster(CLUSTER).desired_status(DesiredStatus::Stopped);
    let stopped = list.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.unwrap();
    assert_eq!(stopped.len(), 250, "of 303, the last");
    assert_eq!(stand.tasks("backend").await.len(), 3);

    let list =
        ecs.list_service_deployments().cluster(CLUSTER).service("backend").max_results(100).send().await.unwrap();
    assert_eq!(list.next_token(), None);
    let deployments = list.service_deployments();
    assert_eq!(deployments.len(), 100, "of 102, the last");
    let oldest = deployments.last().unwrap();
    let describe = ecs.describe_service_deployments().service_deployment_arns(oldest.service_deployment_arn().unwrap());
    let [oldest] = &describe.send().await.unwrap().service_deployments.unwrap()[..] else { panic!("it is not there") };
    let revisions = [&oldest.source_service_revisions()[0], oldest.target_service_revision().unwrap()];
    let arns = revisions.map(|revision| revision.arn().unwrap().to_owned());
    let describe =
        ecs.describe_service_revisions().set_service_revision_arns(Some(arns.to_vec())).send().await.unwrap();
    assert_eq!(describe.service_revisions().len(), 2, "{:?}", describe.failures());
    stand.end().await;
}

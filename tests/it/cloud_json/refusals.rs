//! What ECS refuses or cannot do, and in which words it says so.

use aws_sdk_ecs::types::{
    AwsVpcConfiguration, DeploymentCircuitBreaker, DeploymentConfiguration, DeploymentRolloutState,
    NetworkConfiguration, NetworkMode, Service, ServiceConnectConfiguration,
};
use zonewalk::cloud::Pace;

use super::{CLUSTER, LOG_GROUP, Stand, assert_refused, connect};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_new_service_is_said_in_aws_words() {
    let stand = Stand::with_instances(Pace::Instant, 3).await;
    stand.define("backend", LOG_GROUP, false).await;
    stand.define("other", LOG_GROUP, false).await;
    let ecs = &stand.clients.ecs;
    let create = || stand.create_service("backend", 1).client_token("one");
    const INVALID: &str = "InvalidParameterException";
    assert_refused(create().cluster("other").send().await, "ClusterNotFoundException", "Cluster not found.");
    assert_refused(create().task_definition("none").send().await, "ClientException", "TaskDefinition not found.");
    let bad_port = connect("grpc", "backend", LOG_GROUP);
    assert_refused(
        create().service_connect_configuration(bad_port).send().await,
        INVALID,
        "does not refer to any named PortMapping",
    );
    let long = connect("http", &"n".repeat(65), LOG_GROUP);
    assert_refused(create().service_connect_configuration(long).send().await, INVALID, "64");
    let elsewhere = ServiceConnectConfiguration::builder().enabled(true).namespace("elsewhere").build();
    assert_refused(
        create().service_connect_configuration(elsewhere).send().await,
        "NamespaceNotFoundException",
        "namespace",
    );
    let vpc = AwsVpcConfiguration::builder().subnets("subnet-0123456789abcdef0").build().unwrap();
    let network = NetworkConfiguration::builder().awsvpc_configuration(vpc).build();
    assert_refused(create().network_configuration(network).send().await, INVALID, "does not exist");
    assert_refused(
        create().launch_type(aws_sdk_ecs::types::LaunchType::External).send().await,
        "UnsupportedFeatureException",
        "only EC2 and FARGATE",
    );

    let first = create().send().await.unwrap().service.unwrap();
    let second = create().send().await.unwrap().service.unwrap();
    assert_eq!(first.service_arn, second.service_arn);
    assert_refused(
        stand.create_service("backend", 2).client_token("one").send().await,
        INVALID,
        "Creation of service was not idempotent.",
    );
    assert_refused(
        stand
            .create_service("other", 1)
            .service_connect_configuration(connect("http", "backend", LOG_GROUP))
            .send()
            .await,
        INVALID,
        "already in use",
    );
    stand.until_steady("backend").await;
    assert_refused(
        ecs.delete_service().cluster(CLUSTER).service("backend").send().await,
        INVALID,
        "The service cannot be stopped while it is scaled above 0.",
    );
    let missing = ecs.describe_services().cluster(CLUSTER).services("none").send().await.unwrap();
    assert_eq!(missing.failures()[0].reason(), Some("MISSING"));
    assert_refused(
        ecs.update_service().cluster(CLUSTER).service("none").send().await,
        "ServiceNotFoundException",
        "Service not found.",
    );
    stand.end().await;
}

/// At AWS's own pace, so that draining takes longer than to ask.
#[tokio::test]
async fn a_name_can_be_taken_again_only_when_its_service_has_drained() {
    let stand = Stand::without_cluster(Pace::Aws).await;
    let ecs = &stand.clients.ecs;
    ecs.create_cluster().cluster_name(CLUSTER).send().await.unwrap();
    stand.define("backend", LOG_GROUP, false).await;
    let create = || stand.create_service("backend", 0).set_service_connect_configuration(None);
    create().send().await.unwrap();
    ecs.delete_service().cluster(CLUSTER).service("backend").send().await.unwrap();
    assert_refused(
        create().send().await,
        "InvalidParameterException",
        "Unable to Start a service that is still Draining.",
    );
    assert_refused(
        ecs.update_service().cluster(CLUSTER).service("backend").desired_count(1).send().await,
        "ServiceNotActiveException",
        "Service was not ACTIVE.",
    );
    stand.until("the service is gone", async || stand.service("backend").await.status() == Some("INACTIVE")).await;
    create().send().await.unwrap();
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_log_group_is_missing_does_not_start_and_its_deployment_fails() {
    let stand = Stand::with_instances(Pace::Instant, 3).await;
    stand.define("backend", LOG_GROUP, false).await;
    let breaker = DeploymentCircuitBreaker::builder().enable(true).rollback(false).build();
    let configuration = DeploymentConfiguration::builder().deployment_circuit_breaker(breaker).build();
    let proxy_logs_elsewhere = connect("http", "backend", "/ecs/missing");
    let create = stand.create_service("backend", 2).deployment_configuration(configuration);
    create.service_connect_configuration(proxy_logs_elsewhere).send().await.unwrap();
    stand
        .until("the deployment fails", async || {
            stand.service("backend").await.deployments()[0].rollout_state() == Some(&DeploymentRolloutState::Failed)
        })
        .await;
    let stopped = stand.clients.ecs.list_tasks().cluster(CLUSTER).desired_status("STOPPED".into());
    let stopped = stopped.send().await.unwrap().task_arns.unwrap();
    let describe = stand.clients.ecs.describe_tasks().cluster(CLUSTER).tasks(&stopped[0]).send().await.unwrap();
    let reason = describe.tasks()[0].stopped_reason().unwrap();
    assert!(reason.starts_with("ResourceInitializationError: "), "{reason}");

    // The article's own way: the application's container creates the group, and the proxy finds it.
    stand.define("other", "/ecs/other", true).await;
    let create = stand.create_service("other", 1).service_connect_configuration(connect("http", "other", "/ecs/other"));
    create.send().await.unwrap();
    stand.until_steady("other").await;
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_exits_takes_its_task_along() {
    let stand = Stand::with_instances(Pace::Instant, 1).await;
    stand.define("backend", LOG_GROUP, false).await;
    let described = stand.clients.ecs.describe_task_definition().task_definition("backend").send().await.unwrap();
    let mut container = described.task_definition.unwrap().container_definitions.unwrap().remove(0);
    container.command = Some(["server", "-port=8080", "-unknown"].map(str::to_owned).to_vec());
    let register = stand.clients.ecs.register_task_definition().family("backend").network_mode(NetworkMode::Awsvpc);
    register.cpu("1024").memory("2048").container_definitions(container).send().await.unwrap();
    stand.create_service("backend", 1).send().await.unwrap();
    let stopped = async || {
        let list = stand.clients.ecs.list_tasks().cluster(CLUSTER).desired_status("STOPPED".into());
        list.send().await.unwrap().task_arns.unwrap()
    };
    stand.until("a task has stopped", async || !stopped().await.is_empty()).await;
    let arn = stopped().await.remove(0);
    let describe = stand.clients.ecs.describe_tasks().cluster(CLUSTER).tasks(arn).send().await.unwrap();
    let task = &describe.tasks()[0];
    assert_eq!(task.stop_code().unwrap().as_str(), "EssentialContainerExited");
    assert_eq!(task.stopped_reason(), Some("Essential container in task exited"));
    assert_eq!(task.containers()[0].exit_code(), Some(1));
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_says_why_it_cannot_place_tasks() {
    let stand = Stand::new(Pace::Instant).await;
    stand.clients.logs.create_log_group().log_group_name(LOG_GROUP).send().await.unwrap();
    stand.define("backend", LOG_GROUP, false).await;
    stand.create_service("backend", 2).send().await.unwrap();
    let said = |service: Service| service.events()[0].message().unwrap().to_owned();
    let first = said(stand.service("backend").await);
    assert!(first.contains("No Container Instances were found in your cluster."), "{first}");
    stand.add_instances("one", 1, &stand.subnets[..1]).await;
    stand.until("one runs", async || stand.service("backend").await.running_count() == 1).await;
    let then = said(stand.service("backend").await);
    assert!(then.contains("has insufficient memory available."), "{then}");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_wants_more_tasks_than_there_can_be_stops_at_the_first_that_cannot_start() {
    let stand = Stand::with_instances(Pace::Instant, 1).await;
    stand.define("backend", LOG_GROUP, false).await;
    let vpc = stand.clients.ec2.describe_vpcs().send().await.unwrap().vpcs()[0].vpc_id().unwrap().to_owned();
    let group = stand.clients.ec2.create_security_group().group_name("gone").description("gone").vpc_id(vpc);
    let group = group.send().await.unwrap().group_id.unwrap();
    let vpc = AwsVpcConfiguration::builder().set_subnets(Some(stand.subnets.clone())).security_groups(&group);
    let network = NetworkConfiguration::builder().awsvpc_configuration(vpc.build().unwrap()).build();
    let rollout = DeploymentConfiguration::builder().maximum_percent(i32::MAX).minimum_healthy_percent(0).build();
    let create = stand.create_service("backend", 0).network_configuration(network);
    create.deployment_configuration(rollout).send().await.unwrap();
    stand.clients.ec2.delete_security_group().group_id(group).send().await.unwrap();
    let update = stand.clients.ecs.update_service().cluster(CLUSTER).service("backend").desired_count(i32::MAX);
    update.send().await.unwrap();
    let events = stand.service("backend").await.events.unwrap();
    assert!(events[0].message().unwrap().contains("failed to launch a task"), "{events:?}");
    stand.end().await;
}

//! Services and tasks on Fargate: what is told of them, where they go, what they need, what is refused.

use std::collections::BTreeMap;

use aws_sdk_ecs::types::{
    AssignPublicIp, AwsVpcConfiguration, CapacityProviderStrategyItem, ClusterField, Compatibility,
    ContainerDefinition, LaunchType, NetworkConfiguration, NetworkMode, PlacementStrategy, PlacementStrategyType,
    PortMapping,
};
use zonewalk::cloud::Pace;

use super::{CLUSTER, LOG_GROUP, Stand, assert_refused, zones};

const INVALID: &str = "InvalidParameterException";

impl Stand {
    /// A stand with a task definition that Fargate runs.
    async fn for_fargate(pace: Pace) -> Self {
        let stand = Self::new(pace).await;
        stand.clients.logs.create_log_group().log_group_name(LOG_GROUP).send().await.unwrap();
        let port = PortMapping::builder().name("http").container_port(8080).build();
        let command = ["server", "-port=8080", "-protocol=http", "-name=x", "-routes=[]"].map(Into::into).into();
        let container = ContainerDefinition::builder().name("app").image("registry.example/app:1");
        let container = container.port_mappings(port).set_command(Some(command)).build();
        let register = stand.clients.ecs.register_task_definition().family("web").cpu("256").memory("512");
        let register = register.network_mode(NetworkMode::Awsvpc).requires_compatibilities(Compatibility::Fargate);
        register.container_definitions(container).send().await.unwrap();
        stand
    }

    fn public_network(&self, public_ip: AssignPublicIp) -> NetworkConfiguration {
        let vpc = AwsVpcConfiguration::builder().set_subnets(Some(self.subnets.clone())).security_groups(&self.group);
        NetworkConfiguration::builder().awsvpc_configuration(vpc.assign_public_ip(public_ip).build().unwrap()).build()
    }

    fn on_fargate(&self, count: i32) -> aws_sdk_ecs::operation::create_service::builders::CreateServiceFluentBuilder {
        let network = self.public_network(AssignPublicIp::Enabled);
        self.create_service("web", count).launch_type(LaunchType::Fargate).network_configuration(network)
    }
}

fn share(provider: &str, base: i32, weight: i32) -> CapacityProviderStrategyItem {
    CapacityProviderStrategyItem::builder().capacity_provider(provider).base(base).weight(weight).build().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_on_fargate_spread_over_their_subnets_without_an_instance() {
    let stand = Stand::for_fargate(Pace::Instant).await;
    stand.on_fargate(6).send().await.unwrap();
    let service = stand.until_steady("web").await;
    assert_eq!(stand.zones("web").await, zones([2, 2, 2]));
    assert_eq!(service.launch_type(), Some(&LaunchType::Fargate));
    assert_eq!((service.platform_version(), service.platform_family()), (Some("LATEST"), Some("Linux")));
    let deployment = &service.deployments()[0];
    assert_eq!((deployment.launch_type(), deployment.platform_version()), (Some(&LaunchType::Fargate), Some("1.4.0")));
    let network = service.network_configuration().unwrap().awsvpc_configuration().unwrap();
    assert_eq!(network.assign_public_ip(), Some(&AssignPublicIp::Enabled));

    let tasks = stand.tasks("web").await;
    let task = &tasks[0];
    assert_eq!((task.launch_type(), task.container_instance_arn()), (Some(&LaunchType::Fargate), None));
    assert_eq!((task.platform_version(), task.platform_family()), (Some("1.4.0"), Some("Linux")));
    assert_eq!(
        (task.cpu(), task.memory(), task.ephemeral_storage().unwrap().size_in_gib()),
        (Some("256"), Some("512"), 20)
    );
    let interface = task.attachments().iter().find(|it| it.r#type() == Some("ElasticNetworkInterface")).unwrap();
    let id = interface.details().iter().find(|it| it.name() == Some("networkInterfaceId")).unwrap().value().unwrap();
    let described = stand.clients.ec2.describe_network_interfaces().network_interface_ids(id).send().await.unwrap();
    assert!(described.network_interfaces()[0].association().unwrap().public_ip().is_some());

    let list = |launch_type| stand.clients.ecs.list_tasks().cluster(CLUSTER).launch_type(launch_type).send();
    assert_eq!(list(LaunchType::Fargate).await.unwrap().task_arns().len(), 6);
    assert_eq!(list(LaunchType::Ec2).await.unwrap().task_arns().len(), 0);
    let describe = stand.clients.ecs.describe_clusters().clusters(CLUSTER).include(ClusterField::Statistics);
    let statistics = describe.send().await.unwrap().clusters()[0].statistics().to_vec();
    let of = |name: &str| statistics.iter().find(|it| it.name() == Some(name)).unwrap().value().unwrap().to_owned();
    assert_eq!((of("runningFargateTasksCount"), of("runningEC2TasksCount")), ("6".to_owned(), "0".to_owned()));
    assert_eq!(of("activeFargateServiceCount"), "1");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn capacity_providers_share_the_tasks_by_base_and_weight() {
    let stand = Stand::for_fargate(Pace::Instant).await;
    let create = |strategy: Vec<CapacityProviderStrategyItem>| {
        let create = stand.on_fargate(6).set_launch_type(None);
        create.set_capacity_provider_strategy(Some(strategy)).send()
    };
    let strategy = || vec![share("FARGATE", 2, 0), share("FARGATE_SPOT", 0, 1)];
    assert_refused(create(strategy()).await, INVALID, "not associated with the cluster");
    let put = stand.clients.ecs.put_cluster_capacity_providers().cluster(CLUSTER);
    let put = put.set_capacity_providers(Some(vec!["FARGATE".to_owned(), "FARGATE_SPOT".to_owned()]));
    let cluster = put.set_default_capacity_provider_strategy(Some(vec![])).send().await.unwrap().cluster.unwrap();
    assert_eq!(cluster.capacity_providers(), ["FARGATE", "FARGATE_SPOT"]);
    let two_bases = vec![share("FARGATE", 1, 1), share("FARGATE_SPOT", 1, 1)];
    assert_refused(create(two_bases).await, INVALID, "Only one capacity provider");
    assert_refused(create(vec![share("FARGATE", 0, 0)]).await, INVALID, "weight greater than 0");
    let both = stand.on_fargate(6).set_capacity_provider_strategy(Some(strategy()));
    assert_refused(both.send().await, INVALID, "both a launch type and capacity provider strategy");

    create(strategy()).await.unwrap();
    let service = stand.until_steady("web").await;
    assert_eq!((service.launch_type(), service.capacity_provider_strategy()), (None, strategy().as_slice()));
    let mut providers = BTreeMap::<String, u32>::new();
    for task in stand.tasks("web").await {
        assert_eq!(task.launch_type(), Some(&LaunchType::Fargate));
        *providers.entry(task.capacity_provider_name.unwrap()).or_default() += 1;
    }
    assert_eq!(providers, BTreeMap::from([("FARGATE".to_owned(), 2), ("FARGATE_SPOT".to_owned(), 4)]));
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fargate_does_not_do_is_refused() {
    let stand = Stand::for_fargate(Pace::Instant).await;
    let create = || stand.on_fargate(1);
    let spread = PlacementStrategy::builder().r#type(PlacementStrategyType::Spread).field("instanceId").build();
    let words = "Placement strategies are not supported with FARGATE launch type.";
    assert_refused(create().placement_strategy(spread).send().await, INVALID, words);
    let outside = super::placement::member_of("attribute:ecs.availability-zone != us-east-1a");
    let words = "Placement constraints are not supported with FARGATE launch type.";
    assert_refused(create().placement_constraints(outside).send().await, INVALID, words);
    let none = create().set_network_configuration(None);
    assert_refused(none.send().await, INVALID, "Network Configuration must be provided");
    let unknown = create().platform_version("9.9.9");
    assert_refused(unknown.send().await, "PlatformUnknownException", "platform version does not exist");
    let on_instances = create().launch_type(LaunchType::Ec2).network_configuration(stand.network());
    assert_refused(
        on_instances.platform_version("LATEST").send().await,
        INVALID,
        "must be null when specifying an EC2",
    );
    let container = ContainerDefinition::builder().name("app").image("app").memory(64).build();
    let register = stand.clients.ecs.register_task_definition().family("bridged").container_definitions(container);
    register.network_mode(NetworkMode::Bridge).send().await.unwrap();
    let bridged = create().task_definition("bridged").set_service_connect_configuration(None);
    assert_refused(bridged.send().await, INVALID, "Task definition does not support launch_type FARGATE.");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_on_fargate_pulls_its_image_through_its_own_address() {
    let stand = Stand::for_fargate(Pace::Instant).await;
    let private = stand.on_fargate(1).network_configuration(stand.public_network(AssignPublicIp::Disabled));
    private.send().await.unwrap();
    let stopped = async || {
        let list = stand.clients.ecs.list_tasks().cluster(CLUSTER).desired_status("STOPPED".into());
        let arns = list.send().await.unwrap().task_arns.unwrap();
        let describe = stand.clients.ecs.describe_tasks().cluster(CLUSTER);
        if arns.is_empty() { None } else { describe.set_tasks(Some(arns)).send().await.unwrap().tasks }
    };
    stand.until("a task fails", async || stopped().await.is_some()).await;
    let reason = stopped().await.unwrap()[0].stopped_reason().unwrap().to_owned();
    assert!(reason.starts_with("CannotPullContainerError: The task cannot pull registry.example/app:1"), "{reason}");
    let update = stand.clients.ecs.update_service().cluster(CLUSTER).service("web");
    update.network_configuration(stand.public_network(AssignPublicIp::Enabled)).send().await.unwrap();
    stand.until_steady("web").await;
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_task_runs_on_fargate_too() {
    let stand = Stand::for_fargate(Pace::Instant).await;
    let run = stand.clients.ecs.run_task().cluster(CLUSTER).task_definition("web").launch_type(LaunchType::Fargate);
    let run = run.network_configuration(stand.public_network(AssignPublicIp::Enabled)).count(2);
    let started = run.send().await.unwrap();
    assert_eq!((started.tasks().len(), started.failures().len()), (2, 0));
    assert_eq!(started.tasks()[0].launch_type(), Some(&LaunchType::Fargate));
    stand.end().await;
}

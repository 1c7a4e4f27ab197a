//! Tasks with network mode bridge: the ports of their instances that lead to them, how many an instance holds, what is refused.

use std::collections::BTreeSet;

use aws_sdk_ecs::operation::create_service::builders::CreateServiceFluentBuilder;
use aws_sdk_ecs::types::{ContainerDefinition, LoadBalancer, NetworkMode, PortMapping, Task};
use aws_sdk_elasticloadbalancingv2::types::TargetDescription;
use zonewalk::cloud::Pace;

use super::{CLUSTER, LOG_GROUP, NAMESPACE, Stand, assert_refused};

const INVALID: &str = "InvalidParameterException";

impl Stand {
    /// A task definition of which an instance holds many.
    async fn define_bridged(&self, family: &str, host_port: Option<i32>) {
        let port = PortMapping::builder().name("http").container_port(8080).set_host_port(host_port).build();
        let command = ["server", "-port=8080", "-protocol=http", "-name=x", "-routes=[]"].map(Into::into).into();
        let container = ContainerDefinition::builder().name("app").image("app").cpu(64).memory(128);
        let container = container.port_mappings(port).set_command(Some(command)).build();
        let register = self.clients.ecs.register_task_definition().family(family).network_mode(NetworkMode::Bridge);
        register.container_definitions(container).send().await.unwrap();
    }

    fn create_bridged(&self, name: &str, count: i32) -> CreateServiceFluentBuilder {
        self.create_service(name, count).set_network_configuration(None)
    }
}

/// The host ports of a task's container, by the beginning of its name.
fn host_ports(task: &Task, container: &str) -> Vec<i32> {
    let its = task.containers().iter().filter(|it| it.name().is_some_and(|name| name.starts_with(container)));
    its.flat_map(|it| it.network_bindings()).filter_map(|binding| binding.host_port()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tasks_share_an_instance_at_ports_of_their_own() {
    let stand = Stand::with_instances(Pace::Instant, 1).await;
    stand.define_bridged("web", None).await;
    // Its interfaces are three, of which awsvpc would leave two to tasks.
    stand.create_bridged("web", 5).send().await.unwrap();
    let service = stand.until_steady("web").await;
    assert!(service.network_configuration().is_none(), "{service:?}");
    let tasks = stand.tasks("web").await;
    let applications: BTreeSet<i32> = tasks.iter().flat_map(|task| host_ports(task, "app")).collect();
    let proxies: BTreeSet<i32> = tasks.iter().flat_map(|task| host_ports(task, "ecs-service-connect-")).collect();
    assert_eq!((applications.len(), proxies.len(), applications.intersection(&proxies).count()), (5, 5, 0));
    let first = applications.first().unwrap().min(proxies.first().unwrap());
    let last = applications.last().unwrap().max(proxies.last().unwrap());
    assert!(*first >= 32_768 && *last <= 60_999, "{applications:?} {proxies:?}");
    for task in &tasks {
        assert!(task.containers().iter().all(|container| container.network_interfaces().is_empty()), "{task:?}");
        assert!(task.attachments().iter().all(|it| it.r#type() == Some("Service Connect")), "{task:?}");
    }

    let namespaces = stand.clients.servicediscovery.list_namespaces().send().await.unwrap().namespaces.unwrap();
    assert_eq!(namespaces[0].name(), Some(NAMESPACE));
    let named = stand.clients.servicediscovery.list_services().send().await.unwrap().services.unwrap();
    let list = stand.clients.servicediscovery.list_instances().service_id(named[0].id().unwrap());
    let instances = list.send().await.unwrap().instances.unwrap();
    let attribute = |name: &str| -> BTreeSet<String> {
        instances.iter().map(|instance| instance.attributes().unwrap()[name].clone()).collect()
    };
    let found: BTreeSet<i32> = attribute("AWS_INSTANCE_PORT").iter().map(|port| port.parse().unwrap()).collect();
    assert_eq!(found, proxies, "others find the proxies");
    let described = stand.clients.ec2.describe_instances().send().await.unwrap().reservations.unwrap();
    let address = described[0].instances()[0].private_ip_address().unwrap().to_owned();
    assert_eq!(attribute("AWS_INSTANCE_IPV4"), BTreeSet::from([address]));
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_port_of_ones_choice_is_there_once_an_instance() {
    let stand = Stand::with_instances(Pace::Instant, 1).await;
    stand.define_bridged("web", Some(8080)).await;
    stand.create_bridged("web", 2).set_service_connect_configuration(None).send().await.unwrap();
    let words = "is already using a port required by your task.";
    stand
        .until("one finds no place", async || {
            let service = stand.service("web").await;
            let is_told = service.events().iter().any(|event| event.message().is_some_and(|it| it.contains(words)));
            service.running_count() == 1 && is_told
        })
        .await;
    assert_eq!(host_ports(&stand.tasks("web").await[0], "app"), [8080]);
    let run = stand.clients.ecs.run_task().cluster(CLUSTER).task_definition("web").send().await.unwrap();
    assert_eq!(run.failures()[0].reason(), Some("RESOURCE:PORTS"));
    let words = "host ports to be 0 or left out";
    assert_refused(stand.create_bridged("other", 1).task_definition("web").send().await, INVALID, words);
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_go_with_bridge_is_refused() {
    let stand = Stand::with_instances(Pace::Instant, 1).await;
    stand.define_bridged("web", None).await;
    let create = || stand.create_bridged("web", 1);
    let words = "Network Configuration is not valid for the given networkMode of this task definition.";
    assert_refused(create().network_configuration(stand.network()).send().await, INVALID, words);
    let vpcs = stand.clients.ec2.describe_vpcs().send().await.unwrap().vpcs.unwrap();
    let group = async |name: &str, target_type: &str| {
        let create = stand.clients.elbv2.create_target_group().name(name).protocol("HTTP".into()).port(80);
        let create = create.vpc_id(vpcs[0].vpc_id().unwrap()).target_type(target_type.into()).send().await.unwrap();
        create.target_groups()[0].target_group_arn().unwrap().to_owned()
    };
    let addresses = group("addresses", "ip").await;
    let balancer = LoadBalancer::builder().target_group_arn(addresses).container_name("app").container_port(8080);
    let words = "has target type ip, which is incompatible with the bridge network mode";
    assert_refused(create().load_balancers(balancer.build()).send().await, INVALID, words);

    create().send().await.unwrap();
    stand.until_steady("web").await;
    stand.define("awsvpc", LOG_GROUP, true).await;
    let update = stand.clients.ecs.update_service().cluster(CLUSTER).service("web").task_definition("awsvpc");
    assert_refused(update.send().await, INVALID, "Network Configuration must be provided");

    let instances = group("instances", "instance").await;
    let register = |id: &str| {
        let target = TargetDescription::builder().id(id).port(32_768).build();
        stand.clients.elbv2.register_targets().target_group_arn(&instances).targets(target).send()
    };
    assert_refused(register("10.0.0.1").await, "ValidationError", "Instance ID '10.0.0.1' is not valid");
    assert_refused(register("i-0123456789abcdef0").await, "InvalidTarget", "not in a running state");
    let described = stand.clients.ec2.describe_instances().send().await.unwrap().reservations.unwrap();
    let id = described[0].instances()[0].instance_id().unwrap();
    register(id).await.unwrap();
    let health = stand.clients.elbv2.describe_target_health().target_group_arn(&instances).send().await.unwrap();
    let target = health.target_health_descriptions()[0].target().unwrap();
    assert_eq!((target.id(), target.port(), target.availability_zone()), (Some(id), Some(32_768), None));
    stand.end().await;
}

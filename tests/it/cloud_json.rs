//! The local cloud's ECS, Cloud Map, Logs and Systems Manager, through the SDK: lifecycles, placement, what is refused.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_ecs::error::ProvideErrorMetadata;
use aws_sdk_ecs::types::{
    AwsVpcConfiguration, ClusterField, ClusterServiceConnectDefaultsRequest, Compatibility, ContainerDefinition,
    DeploymentCircuitBreaker, DeploymentConfiguration, DeploymentRolloutState, LogConfiguration, LogDriver,
    NetworkConfiguration, NetworkMode, PortMapping, Service, ServiceConnectClientAlias, ServiceConnectConfiguration,
    ServiceConnectService, Task, TaskDefinitionStatus,
};
use zonewalk::aws::Clients;
use zonewalk::cloud::{LocalCloud, Pace};

use crate::support;

const CLUSTER: &str = "cluster";
const NAMESPACE: &str = "namespace";
const LOG_GROUP: &str = "/ecs/app";

/// A cloud with a cluster and its namespace, three subnets in three zones and a security group.
struct Stand {
    cloud: LocalCloud,
    clients: Clients,
    subnets: Vec<String>,
    group: String,
}

impl Stand {
    async fn new(pace: Pace) -> Self {
        let cloud = support::start_cloud(pace).await;
        let clients = support::clients(&cloud).await;
        let subnets = clients.ec2.describe_subnets().send().await.unwrap().subnets.unwrap();
        let vpc = subnets[0].vpc_id.clone().unwrap();
        let group = clients.ec2.create_security_group().group_name("app").description("app").vpc_id(vpc);
        let group = group.send().await.unwrap().group_id.unwrap();
        let in_zone = |zone: &str| {
            let subnet = subnets.iter().find(|subnet| subnet.availability_zone() == Some(zone)).unwrap();
            subnet.subnet_id.clone().unwrap()
        };
        let subnets = ["us-east-1a", "us-east-1b", "us-east-1c"].map(in_zone).to_vec();
        let defaults = ClusterServiceConnectDefaultsRequest::builder().namespace(NAMESPACE).build().unwrap();
        let create = clients.ecs.create_cluster().cluster_name(CLUSTER).service_connect_defaults(defaults);
        create.send().await.unwrap();
        let stand = Self { cloud, clients, subnets, group };
        stand.until("the cluster is active", async || stand.cluster_status().await == "ACTIVE").await;
        stand
    }

    async fn with_instances(pace: Pace, count: i32) -> Self {
        let stand = Self::new(pace).await;
        stand.add_instances("all", count, &stand.subnets).await;
        let create = stand.clients.logs.create_log_group().log_group_name(LOG_GROUP);
        create.send().await.unwrap();
        stand
    }

    /// An Auto Scaling group of t3.medium, whose instances join the cluster.
    async fn add_instances(&self, name: &str, count: i32, subnets: &[String]) {
        use aws_sdk_ec2::types::{
            InstanceType, LaunchTemplateIamInstanceProfileSpecificationRequest, RequestLaunchTemplateData,
        };
        let before = self.instances().await.len();
        let image = self.parameter("/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id").await;
        // `echo ECS_CLUSTER=cluster >> /etc/ecs/ecs.config`
        let user_data = "ZWNobyBFQ1NfQ0xVU1RFUj1jbHVzdGVyID4+IC9ldGMvZWNzL2Vjcy5jb25maWc=";
        let profile = LaunchTemplateIamInstanceProfileSpecificationRequest::builder().name("ecsInstanceRole").build();
        let data = RequestLaunchTemplateData::builder()
            .image_id(image)
            .instance_type(InstanceType::T3Medium)
            .iam_instance_profile(profile)
            .security_group_ids(&self.group)
            .user_data(user_data)
            .build();
        let template = self.clients.ec2.create_launch_template().launch_template_name(name).launch_template_data(data);
        template.send().await.unwrap();
        let specification = aws_sdk_autoscaling::types::LaunchTemplateSpecification::builder();
        let create = self
            .clients
            .autoscaling
            .create_auto_scaling_group()
            .auto_scaling_group_name(name)
            .launch_template(specification.launch_template_name(name).build())
            .min_size(0)
            .max_size(30)
            .desired_capacity(count)
            .vpc_zone_identifier(subnets.join(","));
        create.send().await.unwrap();
        let wanted = before + usize::try_from(count).unwrap();
        self.until("the instances have joined", async || self.instances().await.len() == wanted).await;
    }

    async fn instances(&self) -> Vec<String> {
        let list = self.clients.ecs.list_container_instances().cluster(CLUSTER).send().await.unwrap();
        list.container_instance_arns.unwrap()
    }

    async fn cluster_status(&self) -> String {
        let describe = self.clients.ecs.describe_clusters().clusters(CLUSTER).send().await.unwrap();
        describe.clusters()[0].status().unwrap().to_owned()
    }

    async fn parameter(&self, name: &str) -> String {
        let parameter = self.clients.ssm.get_parameter().name(name).send().await.unwrap().parameter.unwrap();
        parameter.value.unwrap()
    }

    /// A task definition of the article's kind: half an instance's CPU, more than half of its memory.
    async fn define(&self, family: &str, log_group: &str, create_group: bool) -> String {
        let port = PortMapping::builder().name("http").container_port(8080).build();
        let container = ContainerDefinition::builder()
            .name("app")
            .image("app")
            .port_mappings(port)
            .set_command(Some(
                ["server", "-port=8080", "-protocol=http", "-name=x", "-routes=[]"].map(Into::into).into(),
            ))
            .log_configuration(log_to(log_group, create_group))
            .build();
        let register = self
            .clients
            .ecs
            .register_task_definition()
            .family(family)
            .network_mode(NetworkMode::Awsvpc)
            .requires_compatibilities(Compatibility::Ec2)
            .cpu("1024")
            .memory("2048")
            .container_definitions(container);
        register.send().await.unwrap().task_definition.unwrap().task_definition_arn.unwrap()
    }

    fn network(&self) -> NetworkConfiguration {
        let vpc = AwsVpcConfiguration::builder().set_subnets(Some(self.subnets.clone())).security_groups(&self.group);
        NetworkConfiguration::builder().awsvpc_configuration(vpc.build().unwrap()).build()
    }

    fn create_service(
        &self,
        name: &str,
        count: i32,
    ) -> aws_sdk_ecs::operation::create_service::builders::CreateServiceFluentBuilder {
        self.clients
            .ecs
            .create_service()
            .cluster(CLUSTER)
            .service_name(name)
            .task_definition(name)
            .desired_count(count)
            .network_configuration(self.network())
            .service_connect_configuration(connect("http", name, LOG_GROUP))
    }

    async fn service(&self, name: &str) -> Service {
        let describe = self.clients.ecs.describe_services().cluster(CLUSTER).services(name).send().await.unwrap();
        describe.services.unwrap().pop().expect("the service is there")
    }

    async fn until_steady(&self, name: &str) -> Service {
        self.until("the service is steady", async || {
            let service = self.service(name).await;
            let deployments = service.deployments();
            service.running_count() == service.desired_count()
                && deployments.len() == 1
                && deployments[0].rollout_state() == Some(&DeploymentRolloutState::Completed)
        })
        .await;
        self.service(name).await
    }

    async fn tasks(&self, service: &str) -> Vec<Task> {
        let list = self.clients.ecs.list_tasks().cluster(CLUSTER).service_name(service).send().await.unwrap();
        let arns = list.task_arns.unwrap();
        if arns.is_empty() {
            return vec![];
        }
        let describe = self.clients.ecs.describe_tasks().cluster(CLUSTER).set_tasks(Some(arns)).send().await.unwrap();
        describe.tasks.unwrap()
    }

    async fn zones(&self, service: &str) -> BTreeMap<String, usize> {
        let mut zones = BTreeMap::new();
        for task in self.tasks(service).await {
            *zones.entry(task.availability_zone.unwrap()).or_default() += 1;
        }
        zones
    }

    async fn scale(&self, service: &str, count: i32) {
        let update = self.clients.ecs.update_service().cluster(CLUSTER).service(service).desired_count(count);
        update.send().await.unwrap();
        self.until("the service has scaled", async || {
            let service = self.service(service).await;
            service.running_count() == count && service.pending_count() == 0
        })
        .await;
    }

    /// What is awaited comes by itself; the limit is for a cloud that is broken.
    async fn until(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        for _ in 0..2000 {
            if is_so().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let events = match self.clients.ecs.list_services().cluster(CLUSTER).send().await {
            Ok(list) if !list.service_arns().is_empty() => {
                let describe = self.clients.ecs.describe_services().cluster(CLUSTER);
                let describe = describe.set_services(list.service_arns).send().await.unwrap();
                format!("{:?}", describe.services().iter().map(|service| service.events()).collect::<Vec<_>>())
            }
            _ => String::new(),
        };
        panic!("never happened: {what}; {events}");
    }

    async fn end(self) {
        self.cloud.shutdown().await;
    }
}

fn log_to(group: &str, create: bool) -> LogConfiguration {
    let log = LogConfiguration::builder().log_driver(LogDriver::Awslogs).options("awslogs-group", group);
    let log = if create { log.options("awslogs-create-group", "true") } else { log };
    log.build().unwrap()
}

/// Offers a port by a discovery name, and by the same as a client alias.
fn connect(port_name: &str, discovery_name: &str, log_group: &str) -> ServiceConnectConfiguration {
    let alias = ServiceConnectClientAlias::builder().port(8080).dns_name(discovery_name).build().unwrap();
    let service = ServiceConnectService::builder().port_name(port_name).discovery_name(discovery_name);
    ServiceConnectConfiguration::builder()
        .enabled(true)
        .services(service.client_aliases(alias).build().unwrap())
        .log_configuration(log_to(log_group, false))
        .build()
}

fn zones(counts: [usize; 3]) -> BTreeMap<String, usize> {
    ["us-east-1a", "us-east-1b", "us-east-1c"].map(str::to_owned).into_iter().zip(counts).collect()
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(
    result: Result<T, E>,
    code: &str,
    words: &str,
) {
    let error = result.expect_err("it is to be refused");
    assert_eq!(error.code(), Some(code), "{error:?}");
    assert!(error.message().unwrap_or_default().contains(words), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_has_its_namespace_made_and_leaves_it_behind() {
    let stand = Stand::new(Pace::Instant).await;
    let (ecs, names) = (&stand.clients.ecs, &stand.clients.servicediscovery);
    let found = names.list_namespaces().send().await.unwrap().namespaces.unwrap();
    let arn = found[0].arn.clone().unwrap();
    assert_eq!(found[0].name(), Some(NAMESPACE));
    let tags = names.list_tags_for_resource().resource_arn(&arn).send().await.unwrap().tags.unwrap();
    assert_eq!((tags[0].key(), tags[0].value()), ("AmazonECSManaged", "true"));

    let describe = ecs.describe_clusters().clusters(CLUSTER).clusters("other").include(ClusterField::Attachments);
    let described = describe.send().await.unwrap();
    let cluster = &described.clusters()[0];
    assert_eq!(cluster.service_connect_defaults().unwrap().namespace(), Some(arn.as_str()));
    assert_eq!(cluster.attachments()[0].status(), Some("ATTACHED"));
    assert_eq!(described.failures()[0].reason(), Some("MISSING"));

    let again = ecs.create_cluster().cluster_name(CLUSTER).send().await.unwrap().cluster.unwrap();
    assert_eq!(again.cluster_arn, cluster.cluster_arn);

    ecs.delete_cluster().cluster(CLUSTER).send().await.unwrap();
    assert_eq!(stand.cluster_status().await, "INACTIVE");
    assert_refused(ecs.list_tasks().cluster(CLUSTER).send().await, "ClusterNotFoundException", "Cluster not found.");
    assert_eq!(names.list_namespaces().send().await.unwrap().namespaces().len(), 1);
    stand.end().await;
}

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
    assert!(order.is_sorted() && order.len() >= 5, "{seen:?}");
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
        create().launch_type(aws_sdk_ecs::types::LaunchType::Fargate).send().await,
        "UnsupportedFeatureException",
        "only EC2",
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

#[tokio::test(flavor = "multi_thread")]
async fn a_name_can_be_taken_again_only_when_its_service_has_drained() {
    let stand = Stand::with_instances(Pace::Fast, 1).await;
    stand.define("backend", LOG_GROUP, false).await;
    stand.create_service("backend", 1).send().await.unwrap();
    stand.until_steady("backend").await;
    stand.clients.ecs.delete_service().cluster(CLUSTER).service("backend").force(true).send().await.unwrap();
    assert_refused(
        stand.create_service("backend", 1).send().await,
        "InvalidParameterException",
        "Unable to Start a service that is still Draining.",
    );
    assert_refused(
        stand.clients.ecs.update_service().cluster(CLUSTER).service("backend").desired_count(1).send().await,
        "ServiceNotActiveException",
        "Service was not ACTIVE.",
    );
    stand.until("the service is gone", async || stand.service("backend").await.status() == Some("INACTIVE")).await;
    stand.create_service("backend", 1).send().await.unwrap();
    stand.until_steady("backend").await;
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cloud_map_knows_the_running_tasks_and_outlives_their_service() {
    let stand = Stand::with_instances(Pace::Instant, 3).await;
    stand.define("backend", LOG_GROUP, false).await;
    stand.create_service("backend", 3).send().await.unwrap();
    let service = stand.until_steady("backend").await;
    let resource = &service.deployments()[0].service_connect_resources()[0];
    let given_back = service.deployments()[0].service_connect_configuration().unwrap();
    assert_eq!(given_back.namespace(), Some(NAMESPACE));
    assert_eq!(given_back.services()[0].client_aliases()[0].dns_name(), Some("backend"));

    let names = &stand.clients.servicediscovery;
    let found = names.list_services().send().await.unwrap().services.unwrap().pop().unwrap();
    assert_eq!((found.name(), found.arn()), (Some("backend"), resource.discovery_arn()));
    assert_eq!(found.instance_count(), Some(3));
    let id = found.id().unwrap();
    let instances = names.list_instances().service_id(id).send().await.unwrap().instances.unwrap();
    assert_eq!(instances[0].attributes().unwrap()["AWS_INSTANCE_PORT"], "8080");
    assert_refused(names.delete_service().id(id).send().await, "ResourceInUse", "registered instances");

    stand.clients.ecs.delete_service().cluster(CLUSTER).service("backend").force(true).send().await.unwrap();
    stand.until("the service is gone", async || stand.service("backend").await.status() == Some("INACTIVE")).await;
    let namespace = names.list_namespaces().send().await.unwrap().namespaces.unwrap().pop().unwrap();
    let namespace = namespace.id().unwrap();
    assert_refused(names.delete_namespace().id(namespace).send().await, "ResourceInUse", "associated services");
    names.delete_service().id(id).send().await.unwrap();
    let operation = names.delete_namespace().id(namespace).send().await.unwrap().operation_id.unwrap();
    let operation = names.get_operation().operation_id(operation).send().await.unwrap().operation.unwrap();
    assert_eq!(operation.status().unwrap().as_str(), "SUCCESS");
    assert_refused(names.get_namespace().id(namespace).send().await, "NamespaceNotFound", namespace);
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_is_made_once() {
    let cloud = support::start_cloud(Pace::Fast).await;
    let names = support::clients(&cloud).await.servicediscovery;
    let create = |token: &str| names.create_http_namespace().name("names").creator_request_id(token);
    let first = create("one").send().await.unwrap().operation_id;
    assert_eq!(create("one").send().await.unwrap().operation_id, first);
    assert_refused(create("two").send().await, "DuplicateRequest", "is being created");
    assert_refused(create("one").name("others").send().await, "DuplicateRequest", "names");
    assert!(names.list_namespaces().send().await.unwrap().namespaces().is_empty());
    let get = || names.get_operation().operation_id(first.clone().unwrap());
    while get().send().await.unwrap().operation.unwrap().status().unwrap().as_str() != "SUCCESS" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_refused(create("two").send().await, "NamespaceAlreadyExists", "names");
    cloud.shutdown().await;
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
    container.command = Some(vec!["nonsense".to_owned()]);
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
async fn revisions_are_never_used_again() {
    let stand = Stand::new(Pace::Instant).await;
    let ecs = &stand.clients.ecs;
    let first = stand.define("backend", LOG_GROUP, false).await;
    assert!(first.ends_with(":1"));
    assert_refused(
        ecs.deregister_task_definition().task_definition("backend").send().await,
        "ClientException",
        "revision",
    );
    let delete = || ecs.delete_task_definitions().task_definitions(&first);
    assert_eq!(delete().send().await.unwrap().failures().len(), 1, "it is still ACTIVE");
    ecs.deregister_task_definition().task_definition("backend:1").send().await.unwrap();
    assert_refused(
        ecs.describe_task_definition().task_definition("backend").send().await,
        "ClientException",
        "Unable to describe task definition.",
    );
    let by_number = ecs.describe_task_definition().task_definition("backend:1").send().await.unwrap();
    assert_eq!(by_number.task_definition().unwrap().status(), Some(&TaskDefinitionStatus::Inactive));
    let deleted = delete().send().await.unwrap().task_definitions.unwrap().pop().unwrap();
    assert_eq!(deleted.status(), Some(&TaskDefinitionStatus::DeleteInProgress));
    for status in [TaskDefinitionStatus::Active, TaskDefinitionStatus::Inactive, TaskDefinitionStatus::DeleteInProgress]
    {
        let list = ecs.list_task_definitions().status(status).send().await.unwrap();
        assert!(list.task_definition_arns().is_empty());
    }
    assert!(stand.define("backend", LOG_GROUP, false).await.ends_with(":2"));
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_amis_are_told_as_json_and_known_to_ec2() {
    let stand = Stand::new(Pace::Instant).await;
    for image in ["amazon-linux-2", "amazon-linux-2023"] {
        let name = format!("/aws/service/ecs/optimized-ami/{image}/recommended");
        let told: serde_json::Value = serde_json::from_str(&stand.parameter(&name).await).unwrap();
        let id = told["image_id"].as_str().unwrap();
        assert_eq!(stand.parameter(&format!("{name}/image_id")).await, id);
        assert_eq!(told["schema_version"], 1);
        let known = stand.clients.ec2.describe_images().image_ids(id).send().await.unwrap();
        assert_eq!(known.images()[0].name(), told["image_name"].as_str());
    }
    assert_refused(stand.clients.ssm.get_parameter().name("/mine").send().await, "ParameterNotFound", "/mine");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_is_run_but_the_one_that_is_known() {
    let stand = Stand::with_instances(Pace::Instant, 1).await;
    stand.define("backend", LOG_GROUP, false).await;
    stand.create_service("backend", 1).send().await.unwrap();
    stand.until_steady("backend").await;
    let ssm = &stand.clients.ssm;
    let online = ssm.describe_instance_information().send().await.unwrap().instance_information_list.unwrap();
    let instance = online[0].instance_id().unwrap();
    let send = |command: &str| {
        let commands = command.lines().map(str::to_owned).collect();
        ssm.send_command().document_name("AWS-RunShellScript").parameters("commands", commands)
    };
    let script = zonewalk::envoy::script::Script { family: "backend".to_owned() }.render();
    for other in ["touch /tmp/x", &format!("{script}\ntouch /tmp/x")] {
        assert_refused(send(other).instance_ids(instance).send().await, "UnsupportedFeatureException", "it runs none");
    }
    assert_refused(
        send(&script).instance_ids("i-0123456789abcdef0").send().await,
        "InvalidInstanceId",
        "Instances [[i-0123456789abcdef0]] not in a valid state for account 000000000000",
    );
    let sent = send(&script).instance_ids(instance).send().await.unwrap().command.unwrap();
    assert_eq!(sent.status().unwrap().as_str(), "Pending");
    let id = sent.command_id().unwrap();
    let answer = ssm.get_command_invocation().command_id(id).instance_id(instance).send().await.unwrap();
    assert_eq!(answer.status().unwrap().as_str(), "Success");
    let task = stand.tasks("backend").await.pop().unwrap().task_arn.unwrap();
    assert!(answer.standard_output_content().unwrap().contains(&task));
    assert_refused(
        ssm.get_command_invocation().command_id(id).instance_id("i-0123456789abcdef0").send().await,
        "InvocationDoesNotExist",
        "",
    );
    assert_refused(
        ssm.start_session().target(instance).send().await,
        "UnsupportedFeatureException",
        "no command of a client is ever run",
    );
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn log_groups_are_kept_with_their_tags() {
    let cloud = support::start_cloud(Pace::Instant).await;
    let logs = support::clients(&cloud).await.logs;
    logs.create_log_group().log_group_name("/ecs/a").tags("owner", "me").send().await.unwrap();
    assert_refused(
        logs.create_log_group().log_group_name("/ecs/a").send().await,
        "ResourceAlreadyExistsException",
        "The specified log group already exists",
    );
    logs.put_retention_policy().log_group_name("/ecs/a").retention_in_days(7).send().await.unwrap();
    let found = logs.describe_log_groups().log_group_name_prefix("/ecs/").send().await.unwrap().log_groups.unwrap();
    assert_eq!(found[0].retention_in_days(), Some(7));
    let arn = found[0].log_group_arn().unwrap();
    logs.tag_resource().resource_arn(arn).tags("more", "tags").send().await.unwrap();
    logs.untag_resource().resource_arn(arn).tag_keys("owner").send().await.unwrap();
    let tags = logs.list_tags_for_resource().resource_arn(arn).send().await.unwrap().tags.unwrap();
    assert_eq!(tags.into_iter().collect::<Vec<_>>(), [("more".to_owned(), "tags".to_owned())]);
    logs.delete_log_group().log_group_name("/ecs/a").send().await.unwrap();
    assert_refused(
        logs.delete_log_group().log_group_name("/ecs/a").send().await,
        "ResourceNotFoundException",
        "The specified log group does not exist.",
    );
    cloud.shutdown().await;
}

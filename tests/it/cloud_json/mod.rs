//! The local cloud's ECS, Cloud Map, Logs and Systems Manager, through the SDK: lifecycles, placement, what is refused.

mod agents;
mod bridge;
mod definitions;
mod fargate;
mod limits;
mod neighbours;
mod passing;
mod placement;
mod refusals;
mod service_rules;
mod services;
mod tables;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_ecs::error::ProvideErrorMetadata;
use aws_sdk_ecs::types::{
    AwsVpcConfiguration, ClusterServiceConnectDefaultsRequest, Compatibility, ContainerDefinition,
    DeploymentRolloutState, LogConfiguration, LogDriver, NetworkConfiguration, NetworkMode, PortMapping, Service,
    ServiceConnectClientAlias, ServiceConnectConfiguration, ServiceConnectService, Task,
};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use zonewalk::aws::Clients;
use zonewalk::cloud::{LocalCloud, Pace};

use crate::support;

const CLUSTER: &str = "cluster";
const NAMESPACE: &str = "namespace";
const LOG_GROUP: &str = "/ecs/app";

/// A cloud with a cluster and its namespace, three subnets in three zones and a security group.
struct Stand {
    cloud: LocalCloud,
    pace: Pace,
    clients: Clients,
    subnets: Vec<String>,
    group: String,
}

impl Stand {
    async fn new(pace: Pace) -> Self {
        let stand = Self::without_cluster(pace).await;
        let defaults = ClusterServiceConnectDefaultsRequest::builder().namespace(NAMESPACE).build().unwrap();
        let create = stand.clients.ecs.create_cluster().cluster_name(CLUSTER).service_connect_defaults(defaults);
        create.send().await.unwrap();
        stand.until("the cluster is active", async || stand.cluster_status().await == "ACTIVE").await;
        stand
    }

    async fn without_cluster(pace: Pace) -> Self {
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
        Self { cloud, pace, clients, subnets, group }
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
        let before = self.instances(CLUSTER).await.len();
        self.launch(name, count, subnets, "#!/bin/sh\necho ECS_CLUSTER=cluster >> /etc/ecs/ecs.config\n").await;
        let wanted = before + usize::try_from(count).unwrap();
        self.until("the instances have joined", async || self.instances(CLUSTER).await.len() == wanted).await;
    }

    /// An Auto Scaling group of t3.medium.
    async fn launch(&self, name: &str, count: i32, subnets: &[String], user_data: &str) {
        use aws_sdk_ec2::types::{
            InstanceType, LaunchTemplateIamInstanceProfileSpecificationRequest, RequestLaunchTemplateData,
        };
        let image = self.parameter("/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id").await;
        let profile = LaunchTemplateIamInstanceProfileSpecificationRequest::builder().name("ecsInstanceRole").build();
        let data = RequestLaunchTemplateData::builder()
            .image_id(image)
            .instance_type(InstanceType::T3Medium)
            .iam_instance_profile(profile)
            .security_group_ids(&self.group)
            .user_data(BASE64_STANDARD.encode(user_data))
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
    }

    async fn instances(&self, cluster: &str) -> Vec<String> {
        let list = self.clients.ecs.list_container_instances().cluster(cluster).send().await.unwrap();
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

    /// What is awaited comes by itself; the limit is for a cloud that is broken. AWS's times are skipped.
    async fn until(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        for _ in 0..2000 {
            if is_so().await {
                return;
            }
            match self.pace {
                Pace::Aws => support::skip(1).await,
                Pace::Fast | Pace::Instant => tokio::time::sleep(Duration::from_millis(10)).await,
            }
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
    let log = log.options("awslogs-region", "us-east-1");
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

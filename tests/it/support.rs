//! What tests share: a local cloud, a context on it, and the account's inventory.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_ecs::types::TaskDefinitionStatus;
use tokio_util::sync::CancellationToken;
use zonewalk::aws::{Clients, Target};
use zonewalk::cloud::{LocalCloud, Options, Pace};
use zonewalk::report::events::Events;
use zonewalk::settings::Settings;
use zonewalk::stages::Context;

pub(crate) const REGION: &str = "us-east-1";

pub(crate) async fn start_cloud(pace: Pace) -> LocalCloud {
    LocalCloud::start(Options { pace, ..Options::default() }).await.expect("a free port on loopback")
}

pub(crate) async fn clients(cloud: &LocalCloud) -> Clients {
    Target::local(&cloud.endpoint_url(), REGION).connect().await.expect("endpoint and region are given")
}

/// The article's settings, with a limit that a hanging test runs into.
pub(crate) fn settings() -> Settings {
    Settings { timeout: Duration::from_secs(120), ..Settings::default() }
}

pub(crate) async fn context(cloud: &LocalCloud, settings: Settings) -> Context {
    Context::new(clients(cloud).await, settings, Events::silent(), CancellationToken::new())
}

/// Everything in the account that a walkthrough makes, whoever made it: a line each, sorted, without IDs, so that two runs
/// can be compared.
pub(crate) async fn inventory(clients: &Clients) -> Vec<String> {
    let mut lines = vec![];
    lines.extend(security_groups(clients).await);
    lines.extend(load_balancers(clients).await);
    lines.extend(instances(clients).await);
    lines.extend(roles(clients).await);
    lines.extend(ecs(clients).await);
    let groups = clients.logs.describe_log_groups().send().await.unwrap();
    lines.extend(groups.log_groups().iter().map(|group| format!("log group {}", group.log_group_name().unwrap())));
    let namespaces = clients.servicediscovery.list_namespaces().send().await.unwrap();
    lines.extend(namespaces.namespaces().iter().map(|namespace| format!("namespace {}", namespace.name().unwrap())));
    let services = clients.servicediscovery.list_services().send().await.unwrap();
    lines.extend(services.services().iter().map(|service| format!("Cloud Map service {}", service.name().unwrap())));
    lines.sort();
    lines
}

async fn security_groups(clients: &Clients) -> Vec<String> {
    let answer = clients.ec2.describe_security_groups().send().await.unwrap();
    let groups: Vec<_> =
        answer.security_groups().iter().filter(|group| group.group_name() != Some("default")).collect();
    let names: HashMap<_, _> =
        groups.iter().map(|group| (group.group_id().unwrap(), group.group_name().unwrap())).collect();
    let mut lines = vec![];
    for group in &groups {
        let mut rules = vec![];
        for rule in group.ip_permissions() {
            let port = rule.from_port().unwrap_or_default();
            rules.extend(rule.ip_ranges().iter().map(|range| format!("{port} from {}", range.cidr_ip().unwrap())));
            rules.extend(
                rule.user_id_group_pairs()
                    .iter()
                    .map(|pair| format!("{port} from {}", names[pair.group_id().unwrap()])),
            );
        }
        lines.push(format!("security group {}: {}", group.group_name().unwrap(), rules.join(", ")));
    }
    lines
}

async fn load_balancers(clients: &Clients) -> Vec<String> {
    let mut lines = vec![];
    for balancer in clients.elbv2.describe_load_balancers().send().await.unwrap().load_balancers() {
        let arn = balancer.load_balancer_arn().unwrap();
        let listeners = clients.elbv2.describe_listeners().load_balancer_arn(arn).send().await.unwrap();
        let ports: Vec<_> = listeners.listeners().iter().map(|listener| listener.port().unwrap()).collect();
        lines.push(format!("load balancer {}: {ports:?}", balancer.load_balancer_name().unwrap()));
    }
    for group in clients.elbv2.describe_target_groups().send().await.unwrap().target_groups() {
        let arn = group.target_group_arn().unwrap();
        let attributes = clients.elbv2.describe_target_group_attributes().target_group_arn(arn).send().await.unwrap();
        let delay = attributes.attributes().iter().find(|a| a.key() == Some("deregistration_delay.timeout_seconds"));
        let delay = delay.and_then(|attribute| attribute.value()).unwrap_or("none");
        let health = clients.elbv2.describe_target_health().target_group_arn(arn).send().await.unwrap();
        let targets = health.target_health_descriptions().len();
        lines.push(format!("target group {}: delay {delay}, {targets} targets", group.target_group_name().unwrap()));
    }
    lines
}

async fn instances(clients: &Clients) -> Vec<String> {
    let mut lines = vec![];
    for template in clients.ec2.describe_launch_templates().send().await.unwrap().launch_templates() {
        let version = template.latest_version_number().unwrap();
        lines.push(format!("launch template {}: version {version}", template.launch_template_name().unwrap()));
    }
    for group in clients.autoscaling.describe_auto_scaling_groups().send().await.unwrap().auto_scaling_groups() {
        let instances = group.instances().len();
        lines.push(format!("Auto Scaling group {}: {instances} instances", group.auto_scaling_group_name().unwrap()));
    }
    for reservation in clients.ec2.describe_instances().send().await.unwrap().reservations() {
        for instance in reservation.instances() {
            let state = instance.state().unwrap().name().unwrap().as_str();
            if state != "terminated" {
                let zone = instance.placement().and_then(|placement| placement.availability_zone());
                lines.push(format!("instance {state} in {}", zone.unwrap_or_default()));
            }
        }
    }
    lines
}

/// Those that the article takes for granted are left out.
async fn roles(clients: &Clients) -> Vec<String> {
    let is_own = |name: &&str| !["ecsInstanceRole", "ecsTaskExecutionRole"].contains(name);
    let roles = clients.iam.list_roles().send().await.unwrap();
    let roles = roles.roles().iter().map(|role| role.role_name()).filter(is_own).map(|name| format!("role {name}"));
    let profiles = clients.iam.list_instance_profiles().send().await.unwrap();
    let profiles = profiles.instance_profiles().iter().map(|profile| profile.instance_profile_name()).filter(is_own);
    roles.chain(profiles.map(|name| format!("profile {name}"))).collect()
}

async fn ecs(clients: &Clients) -> Vec<String> {
    let ecs = &clients.ecs;
    let mut lines = vec![];
    for cluster in ecs.list_clusters().send().await.unwrap().cluster_arns() {
        let found = ecs.describe_clusters().clusters(cluster).send().await.unwrap();
        let found = &found.clusters()[0];
        let name = found.cluster_name().unwrap();
        lines.push(format!("cluster {name}: {} instances", found.registered_container_instances_count()));
        let services = ecs.list_services().cluster(name).send().await.unwrap();
        for service in services.service_arns() {
            let found = ecs.describe_services().cluster(name).services(service).send().await.unwrap();
            let found = &found.services()[0];
            let (running, desired) = (found.running_count(), found.desired_count());
            lines.push(format!("service {}: {running} of {desired}", found.service_name().unwrap()));
        }
    }
    for status in [TaskDefinitionStatus::Active, TaskDefinitionStatus::Inactive] {
        for arn in ecs.list_task_definitions().status(status.clone()).send().await.unwrap().task_definition_arns() {
            let family = arn.rsplit('/').next().unwrap().split(':').next().unwrap();
            lines.push(format!("task definition {family}: {status}"));
        }
    }
    lines
}

//! What is in the account, as the SDK's calls tell it: whether a run made, kept or removed what it was to.

use std::collections::HashMap;

use aws_sdk_ecs::types::{ClusterField, ServiceField, TaskDefinitionField, TaskDefinitionStatus};
use zonewalk::aws::Clients;
use zonewalk::settings::OWNER_TAG;

/// A resource of the account.
pub(crate) struct Resource {
    /// Its kind, name, owner and what else matters, without IDs, so that two runs can be compared.
    pub(crate) description: String,
    /// What tells it from another one made in its place: its ARN if it has one.
    pub(crate) id: String,
}

impl Resource {
    fn new(description: String, id: Option<&str>) -> Self {
        Self { description, id: id.unwrap_or_default().to_owned() }
    }
}

/// Everything in the account that a walkthrough makes, whoever made it: a line each, sorted.
pub(crate) async fn inventory(clients: &Clients) -> Vec<String> {
    resources(clients).await.into_iter().map(|resource| resource.description).collect()
}

/// The same with the IDs.
pub(crate) async fn resources(clients: &Clients) -> Vec<Resource> {
    let mut all = security_groups(clients).await;
    all.extend(load_balancing(clients, &all).await);
    all.extend(launch_templates(clients).await);
    all.extend(auto_scaling_groups(clients).await);
    all.extend(instances(clients).await);
    all.extend(roles(clients).await);
    all.extend(instance_profiles(clients).await);
    all.extend(ecs(clients).await);
    all.extend(log_groups(clients).await);
    all.extend(namespaces_and_their_services(clients).await);
    all.sort_by(|a, b| (&a.description, &a.id).cmp(&(&b.description, &b.id)));
    all
}

/// Whose the tags say it is.
fn owner<'a>(tags: impl IntoIterator<Item = (Option<&'a str>, Option<&'a str>)>) -> &'a str {
    let owner = tags.into_iter().find(|(key, _)| *key == Some(OWNER_TAG));
    owner.and_then(|(_, value)| value).unwrap_or("nobody")
}

fn ec2_owner(tags: &[aws_sdk_ec2::types::Tag]) -> &str {
    owner(tags.iter().map(|tag| (tag.key(), tag.value())))
}

fn ecs_owner(tags: &[aws_sdk_ecs::types::Tag]) -> &str {
    owner(tags.iter().map(|tag| (tag.key(), tag.value())))
}

fn iam_owner(tags: &[aws_sdk_iam::types::Tag]) -> &str {
    owner(tags.iter().map(|tag| (Some(tag.key()), Some(tag.value()))))
}

/// By ARN.
async fn elbv2_owners(clients: &Clients, arns: &[&str]) -> HashMap<String, String> {
    let mut owners = HashMap::new();
    // So many at a time (ELB API Reference, `DescribeTags`).
    for arns in arns.chunks(20) {
        let arns = arns.iter().map(|&arn| arn.to_owned()).collect();
        let answer = clients.elbv2.describe_tags().set_resource_arns(Some(arns)).send().await.unwrap();
        owners.extend(answer.tag_descriptions().iter().map(|found| {
            let owner = owner(found.tags().iter().map(|tag| (tag.key(), tag.value())));
            (found.resource_arn().unwrap().to_owned(), owner.to_owned())
        }));
    }
    owners
}

async fn security_groups(clients: &Clients) -> Vec<Resource> {
    let answer = clients.ec2.describe_security_groups().send().await.unwrap();
    let groups: Vec<_> =
        answer.security_groups().iter().filter(|group| group.group_name() != Some("default")).collect();
    let names: HashMap<_, _> =
        groups.iter().map(|group| (group.group_id().unwrap(), group.group_name().unwrap())).collect();
    let mut all = vec![];
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
        let (name, owner) = (group.group_name().unwrap(), ec2_owner(group.tags()));
        all.push(Resource::new(format!("security group {name} of {owner}: {}", rules.join(", ")), group.group_id()));
    }
    all
}

/// Load balancers, listeners and target groups.
async fn load_balancing(clients: &Clients, security_groups: &[Resource]) -> Vec<Resource> {
    let elbv2 = &clients.elbv2;
    let balancers = elbv2.describe_load_balancers().send().await.unwrap().load_balancers.unwrap_or_default();
    let groups = elbv2.describe_target_groups().send().await.unwrap().target_groups.unwrap_or_default();
    let mut listeners = vec![];
    for balancer in &balancers {
        let request = elbv2.describe_listeners().load_balancer_arn(balancer.load_balancer_arn().unwrap());
        listeners.extend(request.send().await.unwrap().listeners.unwrap_or_default());
    }
    let arns: Vec<_> = (balancers.iter().filter_map(|balancer| balancer.load_balancer_arn()))
        .chain(listeners.iter().filter_map(|listener| listener.listener_arn()))
        .chain(groups.iter().filter_map(|group| group.target_group_arn()))
        .collect();
    let owners = elbv2_owners(clients, &arns).await;

    let mut all = vec![];
    for balancer in &balancers {
        let (name, arn) = (balancer.load_balancer_name().unwrap(), balancer.load_balancer_arn().unwrap());
        let named = |id: &String| {
            let group = security_groups.iter().find(|group| group.id == *id);
            group.map_or("none", |group| group.description.split(' ').nth(2).unwrap())
        };
        let (zones, groups) = (balancer.availability_zones().len(), balancer.security_groups());
        let admits: Vec<_> = groups.iter().map(named).collect();
        let description = format!("load balancer {name} of {}: in {zones} zones, {}", owners[arn], admits.join(", "));
        all.push(Resource::new(description, Some(arn)));
    }
    for listener in &listeners {
        let (port, arn) = (listener.port().unwrap(), listener.listener_arn().unwrap());
        // arn:aws:elasticloadbalancing:us-east-1:000000000000:listener/app/name/0123456789abcdef/0123456789abcdef
        let on = arn.split('/').nth(2).unwrap();
        // arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/name/0123456789abcdef
        let to = listener.default_actions()[0].target_group_arn().and_then(|arn| arn.split('/').nth(1));
        let description = format!("listener {port} on {on} of {}: to {}", owners[arn], to.unwrap_or("none"));
        all.push(Resource::new(description, Some(arn)));
    }
    for group in &groups {
        let (name, arn) = (group.target_group_name().unwrap(), group.target_group_arn().unwrap());
        let attributes = elbv2.describe_target_group_attributes().target_group_arn(arn).send().await.unwrap();
        let delay = attributes.attributes().iter().find(|a| a.key() == Some("deregistration_delay.timeout_seconds"));
        let delay = delay.and_then(|attribute| attribute.value()).unwrap_or("none");
        let health = elbv2.describe_target_health().target_group_arn(arn).send().await.unwrap();
        let (check, targets) = (group.health_check_path().unwrap_or("none"), health.target_health_descriptions().len());
        let description =
            format!("target group {name} of {}: check {check}, delay {delay}, {targets} targets", owners[arn]);
        all.push(Resource::new(description, Some(arn)));
    }
    all
}

async fn launch_templates(clients: &Clients) -> Vec<Resource> {
    let mut all = vec![];
    let templates = clients.ec2.describe_launch_templates().send().await.unwrap();
    let latest = clients.ec2.describe_launch_template_versions().versions("$Latest").send().await.unwrap();
    for template in templates.launch_templates() {
        let (name, owner) = (template.launch_template_name().unwrap(), ec2_owner(template.tags()));
        let id = template.launch_template_id();
        let latest = latest.launch_template_versions().iter().find(|latest| latest.launch_template_id() == id).unwrap();
        let (version, data) = (latest.version_number().unwrap(), latest.launch_template_data().unwrap());
        let image = data.image_id().unwrap_or("none");
        let instance_type = data.instance_type().map_or("none", |instance_type| instance_type.as_str());
        all.push(Resource::new(
            format!("launch template {name} of {owner}: version {version}, {instance_type} with {image}"),
            id,
        ));
    }
    all
}

async fn auto_scaling_groups(clients: &Clients) -> Vec<Resource> {
    let mut all = vec![];
    for group in clients.autoscaling.describe_auto_scaling_groups().send().await.unwrap().auto_scaling_groups() {
        let (name, instances) = (group.auto_scaling_group_name().unwrap(), group.instances().len());
        let owner = owner(group.tags().iter().map(|tag| (tag.key(), tag.value())));
        all.push(Resource::new(
            format!("Auto Scaling group {name} of {owner}: {instances} instances"),
            group.auto_scaling_group_arn(),
        ));
    }
    all
}

async fn instances(clients: &Clients) -> Vec<Resource> {
    let mut all = vec![];
    for reservation in clients.ec2.describe_instances().send().await.unwrap().reservations() {
        for instance in reservation.instances() {
            let state = instance.state().unwrap().name().unwrap().as_str();
            if state != "terminated" {
                let instance_type = instance.instance_type().unwrap().as_str();
                let (image, owner) = (instance.image_id().unwrap(), ec2_owner(instance.tags()));
                let zone = instance.placement().and_then(|placement| placement.availability_zone());
                all.push(Resource::new(
                    format!(
                        "instance {state}, {instance_type} with {image}, of {owner} in {}",
                        zone.unwrap_or_default()
                    ),
                    instance.instance_id(),
                ));
            }
        }
    }
    all
}

/// Whether the article does not take it for granted.
fn is_own(name: &str) -> bool {
    !["ecsInstanceRole", "ecsTaskExecutionRole"].contains(&name)
}

async fn roles(clients: &Clients) -> Vec<Resource> {
    let iam = &clients.iam;
    let mut all = vec![];
    for role in iam.list_roles().send().await.unwrap().roles().iter().filter(|role| is_own(role.role_name())) {
        let name = role.role_name();
        let found = iam.get_role().role_name(name).send().await.unwrap().role.unwrap();
        let attached = iam.list_attached_role_policies().role_name(name).send().await.unwrap();
        let own = iam.list_role_policies().role_name(name).send().await.unwrap();
        let attached = attached.attached_policies().iter().filter_map(|policy| policy.policy_name());
        let policies: Vec<_> = attached.chain(own.policy_names().iter().map(String::as_str)).collect();
        all.push(Resource::new(
            format!("role {name} of {}: {}", iam_owner(found.tags()), policies.join(", ")),
            Some(role.arn()),
        ));
    }
    all
}

async fn instance_profiles(clients: &Clients) -> Vec<Resource> {
    let iam = &clients.iam;
    let mut all = vec![];
    let profiles = iam.list_instance_profiles().send().await.unwrap();
    for profile in profiles.instance_profiles().iter().filter(|profile| is_own(profile.instance_profile_name())) {
        let name = profile.instance_profile_name();
        let tags = iam.list_instance_profile_tags().instance_profile_name(name).send().await.unwrap();
        let role = profile.roles().first().map_or("none", |role| role.role_name());
        all.push(Resource::new(
            format!("instance profile {name} of {}: role {role}", iam_owner(tags.tags())),
            Some(profile.arn()),
        ));
    }
    all
}

/// Task definitions, clusters and services.
async fn ecs(clients: &Clients) -> Vec<Resource> {
    let ecs = &clients.ecs;
    let mut all = vec![];
    // By ARN.
    let mut images = HashMap::new();
    for status in [TaskDefinitionStatus::Active, TaskDefinitionStatus::Inactive] {
        let listed = ecs.list_task_definitions().status(status.clone()).send().await.unwrap();
        for arn in listed.task_definition_arns() {
            let request = ecs.describe_task_definition().task_definition(arn).include(TaskDefinitionField::Tags);
            let found = request.send().await.unwrap();
            let (owner, definition) = (ecs_owner(found.tags()), found.task_definition().unwrap());
            let containers = definition.container_definitions().iter();
            let of = containers.map(|it| it.image().unwrap_or_default()).collect::<Vec<_>>().join(", ");
            let family = definition.family().unwrap();
            all.push(Resource::new(format!("task definition {family} of {owner}: {status}, {of}"), Some(arn)));
            images.insert(arn.clone(), of);
        }
    }
    let clusters = ecs.list_clusters().send().await.unwrap().cluster_arns;
    let request = ecs.describe_clusters().set_clusters(clusters).include(ClusterField::Tags);
    for cluster in request.send().await.unwrap().clusters() {
        let (name, owner) = (cluster.cluster_name().unwrap(), ecs_owner(cluster.tags()));
        let instances = cluster.registered_container_instances_count();
        let namespace = if cluster.service_connect_defaults().is_some() { "a" } else { "no" };
        let description = format!("cluster {name} of {owner}: {instances} instances, {namespace} namespace");
        all.push(Resource::new(description, cluster.cluster_arn()));
        let services = ecs.list_services().cluster(name).send().await.unwrap().service_arns.unwrap_or_default();
        if services.is_empty() {
            continue;
        }
        let request = ecs.describe_services().cluster(name).set_services(Some(services)).include(ServiceField::Tags);
        for service in request.send().await.unwrap().services() {
            let (name, owner) = (service.service_name().unwrap(), ecs_owner(service.tags()));
            let (running, desired) = (service.running_count(), service.desired_count());
            let image = images.get(service.task_definition().unwrap()).map_or("none", String::as_str);
            // Another deployment is another state of it.
            let id = format!("{} {}", service.service_arn().unwrap(), service.deployments()[0].id().unwrap());
            all.push(Resource::new(format!("service {name} of {owner}: {running} of {desired} of {image}"), Some(&id)));
        }
    }
    all
}

async fn log_groups(clients: &Clients) -> Vec<Resource> {
    let mut all = vec![];
    for group in clients.logs.describe_log_groups().send().await.unwrap().log_groups() {
        let arn = group.log_group_arn().unwrap();
        let tags =
            clients.logs.list_tags_for_resource().resource_arn(arn).send().await.unwrap().tags.unwrap_or_default();
        let owner = owner(tags.iter().map(|(key, value)| (Some(key.as_str()), Some(value.as_str()))));
        all.push(Resource::new(format!("log group {} of {owner}", group.log_group_name().unwrap()), Some(arn)));
    }
    all
}

/// What Cloud Map has.
async fn namespaces_and_their_services(clients: &Clients) -> Vec<Resource> {
    let client = &clients.servicediscovery;
    let namespaces = client.list_namespaces().send().await.unwrap();
    let namespaces = namespaces.namespaces().iter().map(|it| ("namespace", it.name(), it.arn()));
    let services = client.list_services().send().await.unwrap();
    let services = services.services().iter().map(|it| ("Cloud Map service", it.name(), it.arn()));
    let mut all = vec![];
    for (kind, name, arn) in namespaces.chain(services) {
        let tags = client.list_tags_for_resource().resource_arn(arn.unwrap()).send().await.unwrap();
        let owner = owner(tags.tags().iter().map(|tag| (Some(tag.key()), Some(tag.value()))));
        all.push(Resource::new(format!("{kind} {} of {owner}", name.unwrap()), arn));
    }
    all
}

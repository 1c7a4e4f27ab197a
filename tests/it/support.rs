//! What tests share: a local cloud, a context on it, and the account's inventory.

use std::time::Duration;

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

/// Everything in the account that a walkthrough makes, whoever made it, as `kind name` lines in order.
pub(crate) async fn inventory(clients: &Clients) -> Vec<String> {
    let mut found = vec![];
    let mut add = |kind: &str, names: Vec<Option<String>>| {
        found.extend(names.into_iter().flatten().map(|name| format!("{kind} {name}")));
    };

    let groups = clients.ec2.describe_security_groups().send().await.unwrap().security_groups.unwrap_or_default();
    add(
        "security group",
        groups.into_iter().map(|group| group.group_name).filter(|n| n.as_deref() != Some("default")).collect(),
    );
    let templates = clients.ec2.describe_launch_templates().send().await.unwrap().launch_templates.unwrap_or_default();
    add("launch template", templates.into_iter().map(|template| template.launch_template_name).collect());
    let reservations = clients.ec2.describe_instances().send().await.unwrap().reservations.unwrap_or_default();
    let instances = reservations.into_iter().flat_map(|reservation| reservation.instances.unwrap_or_default());
    let live =
        instances.filter(|i| i.state().and_then(|s| s.name()).is_some_and(|state| state.as_str() != "terminated"));
    add("instance in", live.map(|i| i.placement.and_then(|p| p.availability_zone)).collect());

    let scaling = clients.autoscaling.describe_auto_scaling_groups().send().await.unwrap();
    add(
        "Auto Scaling group",
        scaling.auto_scaling_groups.unwrap_or_default().into_iter().map(|g| g.auto_scaling_group_name).collect(),
    );

    let balancers = clients.elbv2.describe_load_balancers().send().await.unwrap().load_balancers.unwrap_or_default();
    add("load balancer", balancers.into_iter().map(|balancer| balancer.load_balancer_name).collect());
    let targets = clients.elbv2.describe_target_groups().send().await.unwrap().target_groups.unwrap_or_default();
    add("target group", targets.into_iter().map(|group| group.target_group_name).collect());

    let clusters = clients.ecs.list_clusters().send().await.unwrap().cluster_arns.unwrap_or_default();
    for cluster in &clusters {
        let services =
            clients.ecs.list_services().cluster(cluster).send().await.unwrap().service_arns.unwrap_or_default();
        add("service", services.into_iter().map(Some).collect());
    }
    add("cluster", clusters.into_iter().map(Some).collect());
    for status in ["ACTIVE", "INACTIVE"] {
        let definitions = clients.ecs.list_task_definitions().status(status.into()).send().await.unwrap();
        let definitions = definitions.task_definition_arns.unwrap_or_default();
        add(&format!("{status} task definition"), definitions.into_iter().map(Some).collect());
    }

    let namespaces = clients.servicediscovery.list_namespaces().send().await.unwrap().namespaces.unwrap_or_default();
    add("namespace", namespaces.into_iter().map(|namespace| namespace.name).collect());
    let services = clients.servicediscovery.list_services().send().await.unwrap().services.unwrap_or_default();
    add("Cloud Map service", services.into_iter().map(|service| service.name).collect());
    let logs = clients.logs.describe_log_groups().send().await.unwrap().log_groups.unwrap_or_default();
    add("log group", logs.into_iter().map(|group| group.log_group_name).collect());

    found.sort();
    found
}

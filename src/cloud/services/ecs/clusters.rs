//! Clusters: what the other parts of ECS live in. A cluster with a new default namespace is PROVISIONING while Cloud Map
//! makes it; a deleted cluster stays describable as INACTIVE.

use serde_json::{Value, json};

use super::capacity::Providers;
use super::services::ServiceStatus;
use super::{State, invalid, is_named, refers_to};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::schedule::Transition;
use crate::cloud::services::servicediscovery;
use crate::cloud::wire::Params;
use crate::cloud::wire::tags::{LOWER, Tags};

#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(const_into_str, serialize_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum ClusterStatus {
    Provisioning,
    Active,
    Inactive,
}

#[derive(Clone)]
pub(super) struct Cluster {
    pub(super) arn: String,
    pub(super) name: String,
    pub(super) status: ClusterStatus,
    pub(super) tags: Tags,
    /// ARN of the namespace of services that name none.
    pub(super) namespace: Option<String>,
    pub(super) providers: Providers,
    settings: Value,
    configuration: Option<Value>,
    /// The attachment by which ECS made or took the namespace.
    attachment_id: Option<String>,
}

const CONTAINER_INSIGHTS: &str = "containerInsights";

pub(super) fn not_found() -> AwsError {
    AwsError::new("ClusterNotFoundException", "Cluster not found.")
}

impl State {
    /// The cluster of a request, which may leave it at `default`; INACTIVE ones are not found.
    pub(super) fn cluster(&self, params: Params<'_>) -> Result<&Cluster, AwsError> {
        let reference = params.opt_str("cluster").unwrap_or("default");
        self.cluster_by_reference(reference).ok_or_else(not_found)
    }

    pub(super) fn cluster_by_reference(&self, reference: &str) -> Option<&Cluster> {
        self.clusters.iter().find(|cluster| {
            cluster.status != ClusterStatus::Inactive && refers_to(reference, &cluster.arn, &cluster.name)
        })
    }

    /// Drops an INACTIVE cluster and what is still shown of it: its name is taken again.
    fn forget_cluster(&mut self, name: &str) {
        self.clusters.retain(|cluster| cluster.name != name);
        self.services.retain(|service| service.cluster != name);
        self.tasks.retain(|task| task.cluster != name);
    }

    fn cluster_mut(&mut self, name: &str) -> Option<&mut Cluster> {
        self.clusters.iter_mut().find(|cluster| cluster.name == name)
    }
}

pub(super) fn create(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let name = params.opt_str("clusterName").unwrap_or("default");
    if name.len() > 255 || !is_named(name) {
        return Err(invalid("Cluster name contains invalid characters."));
    }
    if let Some(cluster) = region.ecs().cluster_by_reference(name) {
        return Ok(json!({ "cluster": wire(region, cluster, &EVERYTHING) }));
    }
    let tags = Tags::from_list(&params.objects("tags"), LOWER)?;
    let cluster = Cluster {
        arn: region.arn("ecs", &format!("cluster/{name}")),
        name: name.to_owned(),
        status: ClusterStatus::Active,
        tags,
        namespace: None,
        providers: Providers::read(params)?,
        settings: settings(params)?,
        configuration: params.get("configuration").cloned(),
        attachment_id: None,
    };
    let namespace = default_namespace(params)?;
    region.ecs_mut().forget_cluster(name);
    region.ecs_mut().clusters.push(cluster);
    if let Some(namespace) = namespace
        && let Err(error) = set_namespace(region, name, namespace)
    {
        region.ecs_mut().clusters.pop();
        return Err(error);
    }
    let cluster = region.ecs().cluster_by_reference(name).ok_or_else(not_found)?;
    Ok(json!({ "cluster": wire(region, cluster, &EVERYTHING) }))
}

/// `PutClusterCapacityProviders`, which replaces what the cluster has.
pub(super) fn put_capacity_providers(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let name = region.ecs().cluster(params)?.name.clone();
    let providers = Providers::read(params)?;
    let Some(cluster) = region.ecs_mut().cluster_mut(&name) else { return Err(not_found()) };
    cluster.providers = providers;
    let cluster = region.ecs().cluster(params)?;
    Ok(json!({ "cluster": wire(region, cluster, &EVERYTHING) }))
}

/// Container Insights, the only setting that there is, is off unless asked for.
fn settings(params: Params<'_>) -> Result<Value, AwsError> {
    let given = params.objects("settings");
    if let Some(other) = given.iter().find(|setting| setting.opt_str("name") != Some(CONTAINER_INSIGHTS)) {
        return Err(invalid(format!("Setting {} is not supported.", other.opt_str("name").unwrap_or_default())));
    }
    Ok(match params.get("settings").filter(|_| !given.is_empty()) {
        Some(given) => given.clone(),
        None => json!([{ "name": CONTAINER_INSIGHTS, "value": "disabled" }]),
    })
}

fn default_namespace(params: Params<'_>) -> Result<Option<&str>, AwsError> {
    params.object("serviceConnectDefaults").map(|defaults| defaults.str("namespace")).transpose()
}

/// Takes the namespace with this name or ARN as the default, or has Cloud Map make it.
fn set_namespace(region: &mut Region, cluster: &str, namespace: &str) -> Result<(), AwsError> {
    let existing = servicediscovery::namespace(region, namespace).map(|namespace| namespace.arn.clone());
    let is_new = existing.is_none();
    let arn = match existing {
        Some(arn) => arn,
        None if namespace.starts_with("arn:") => return Err(super::service_connect::namespace_not_found()),
        None => {
            let managed = Tags::one("AmazonECSManaged", "true");
            servicediscovery::begin_namespace(region, namespace, managed)?
        }
    };
    let attachment_id = region.ids.uuid();
    let Some(cluster) = region.ecs_mut().cluster_mut(cluster) else { return Err(not_found()) };
    cluster.namespace = Some(arn);
    cluster.attachment_id = Some(attachment_id);
    if is_new {
        cluster.status = ClusterStatus::Provisioning;
        let name = cluster.name.clone();
        region.after(Transition::NamespaceOperation, move |region| {
            if let Some(cluster) = region.ecs_mut().cluster_mut(&name)
                && cluster.status == ClusterStatus::Provisioning
            {
                cluster.status = ClusterStatus::Active;
            }
        });
    }
    Ok(())
}

pub(super) fn describe(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let include = params.strings("include");
    let mut references = params.strings("clusters");
    if references.is_empty() {
        references.push("default");
    }
    super::check_count("Clusters", &references, 100)?;
    Ok(super::describe_each(region, ("clusters", "cluster"), &references, |reference| {
        let mut clusters = region.ecs().clusters.iter();
        let cluster = clusters.find(|cluster| refers_to(reference, &cluster.arn, &cluster.name))?;
        Some(wire(region, cluster, &include))
    }))
}

pub(super) fn list(region: &Region, _: Params<'_>) -> Result<Value, AwsError> {
    let live = region.ecs().clusters.iter().filter(|cluster| cluster.status != ClusterStatus::Inactive);
    Ok(json!({ "clusterArns": live.map(|cluster| &cluster.arn).collect::<Vec<_>>() }))
}

/// `UpdateCluster` and `UpdateClusterSettings`.
pub(super) fn update(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let name = region.ecs().cluster(params)?.name.clone();
    let settings = params.get("settings").map(|_| settings(params)).transpose()?;
    if let Some(namespace) = default_namespace(params)? {
        set_namespace(region, &name, namespace)?;
    }
    let Some(cluster) = region.ecs_mut().cluster_mut(&name) else { return Err(not_found()) };
    if let Some(settings) = settings {
        cluster.settings = settings;
    }
    if let Some(configuration) = params.get("configuration") {
        cluster.configuration = Some(configuration.clone());
    }
    let cluster = region.ecs().cluster(params)?;
    Ok(json!({ "cluster": wire(region, cluster, &EVERYTHING) }))
}

pub(super) fn delete(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let ecs = region.ecs_mut();
    let name = ecs.cluster(params)?.name.clone();
    let contains = |what: &str, state: &str| {
        AwsError::new(
            &format!("ClusterContains{}Exception", what.replace(' ', "")),
            format!("The Cluster cannot be deleted while {what} are {state}."),
        )
    };
    if ecs.container_instances.iter().any(|instance| instance.cluster == name) {
        return Err(contains("Container Instances", "active or draining"));
    }
    if ecs.services.iter().any(|service| service.cluster == name && service.status != ServiceStatus::Inactive) {
        return Err(contains("Services", "active"));
    }
    if ecs.tasks.iter().any(|task| task.cluster == name && !task.is_stopped()) {
        return Err(contains("Tasks", "active"));
    }
    let Some(cluster) = ecs.cluster_mut(&name) else { return Err(not_found()) };
    cluster.status = ClusterStatus::Inactive;
    let cluster = region.ecs().clusters.iter().find(|cluster| cluster.name == name).ok_or_else(not_found)?;
    Ok(json!({ "cluster": wire(region, cluster, &EVERYTHING) }))
}

const EVERYTHING: [&str; 5] = ["ATTACHMENTS", "CONFIGURATIONS", "SETTINGS", "STATISTICS", "TAGS"];

fn wire(region: &Region, cluster: &Cluster, include: &[&str]) -> Value {
    let ecs = region.ecs();
    let with = |what: &str| include.contains(&what);
    let services = |status: ServiceStatus, on_fargate: bool| {
        let mut services = ecs.services.iter().filter(|service| service.cluster == cluster.name).collect::<Vec<_>>();
        services.retain(|it| it.status == status && it.primary().capacity.is_fargate() == on_fargate);
        services.len()
    };
    let tasks: Vec<_> = ecs.tasks.iter().filter(|task| task.cluster == cluster.name).collect();
    let running = |on_fargate| tasks.iter().filter(|it| it.is_running() && it.host.is_none() == on_fargate).count();
    let pending = |on_fargate| tasks.iter().filter(|it| it.is_pending() && it.host.is_none() == on_fargate).count();
    let instances = ecs.container_instances.iter().filter(|instance| instance.cluster == cluster.name).count();
    let statistics = [
        ("runningEC2TasksCount", running(false)),
        ("runningFargateTasksCount", running(true)),
        ("pendingEC2TasksCount", pending(false)),
        ("pendingFargateTasksCount", pending(true)),
        ("activeEC2ServiceCount", services(ServiceStatus::Active, false)),
        ("activeFargateServiceCount", services(ServiceStatus::Active, true)),
        ("drainingEC2ServiceCount", services(ServiceStatus::Draining, false)),
        ("drainingFargateServiceCount", services(ServiceStatus::Draining, true)),
    ];
    let (capacity_providers, default_strategy) = cluster.providers.wire();
    let is_provisioning = cluster.status == ClusterStatus::Provisioning;
    let attachments = cluster.attachment_id.as_ref().map(|id| {
        // "sc" is Service Connect's attachment (ECS Developer Guide, "Tutorial: creating a service with Service Connect").
        let status = if is_provisioning { "ATTACHING" } else { "ATTACHED" };
        json!([{ "id": id, "type": "sc", "status": status, "details": [] }])
    });
    let attachments_status = if is_provisioning { "UPDATE_IN_PROGRESS" } else { "UPDATE_COMPLETE" };
    json!({
        "clusterArn": cluster.arn,
        "clusterName": cluster.name,
        "configuration": cluster.configuration.as_ref().filter(|_| with("CONFIGURATIONS")),
        "status": cluster.status.into_str(),
        "registeredContainerInstancesCount": instances,
        "runningTasksCount": running(false) + running(true),
        "pendingTasksCount": pending(false) + pending(true),
        "activeServicesCount": services(ServiceStatus::Active, false) + services(ServiceStatus::Active, true),
        "statistics": if with("STATISTICS") {
            statistics.iter().map(|(name, n)| json!({ "name": name, "value": n.to_string() })).collect()
        } else {
            json!([])
        },
        "tags": if with("TAGS") { cluster.tags.to_list(LOWER) } else { json!([]) },
        "settings": if with("SETTINGS") { cluster.settings.clone() } else { json!([]) },
        "capacityProviders": capacity_providers,
        "defaultCapacityProviderStrategy": default_strategy,
        "attachmentsStatus": attachments.as_ref().filter(|_| with("ATTACHMENTS")).map(|_| attachments_status),
        "attachments": attachments.filter(|_| with("ATTACHMENTS")),
        "serviceConnectDefaults": cluster.namespace.as_ref().map(|arn| json!({ "namespace": arn })),
    })
}

//! What is of before zone-aware routing: deployments, which can be made old here, and hosts, by their AMIs.

use std::collections::HashMap;
use std::sync::LazyLock;

use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::container_instances::ContainerInstance;
use super::refers_to;
use super::services::{Deployment, Service, ServiceStatus};
use super::tasks::Task;
use crate::cloud::carried::ServiceKey;
use crate::cloud::region::Region;

/// When Service Connect began to route by zone. Tasks of earlier deployments go on as before, also those that replace others
/// (ECS Developer Guide, "Zone-aware routing in Amazon ECS Service Connect", "Deployment lifecycle").
static LAUNCH: LazyLock<Timestamp> =
    LazyLock::new(|| TimeZone::UTC.to_timestamp(date(2026, 7, 1).at(0, 0, 0, 0)).unwrap_or(Timestamp::MIN));

/// What tells how old tasks are: services and hosts by their ARNs.
pub(super) struct Ages<'r> {
    services: HashMap<&'r str, &'r Service>,
    hosts: HashMap<&'r str, &'r ContainerInstance>,
}

impl<'r> Ages<'r> {
    pub(super) fn of(region: &'r Region) -> Self {
        let ecs = region.ecs();
        Self {
            services: ecs.services.iter().map(|service| (&*service.arn, service)).collect(),
            hosts: ecs.container_instances.iter().map(|host| (&*host.arn, host)).collect(),
        }
    }

    pub(super) fn deployment(&self, task: &Task) -> Option<&'r Deployment> {
        let of = task.membership.as_ref()?;
        let service = self.services.get(&*of.service_arn)?;
        service.deployments.iter().find(|deployment| deployment.id == of.deployment_id)
    }

    /// Whether a task's proxy routes by zone, and others' to it: its deployment has been made since that began, and its host
    /// has a proxy that can.
    pub(super) fn is_zone_aware(&self, task: &Task) -> bool {
        let deployment = self.deployment(task);
        let host = task.host.as_ref().and_then(|host| self.hosts.get(&*host.arn));
        let image = host.and_then(|host| host.image.as_ref());
        deployment.is_none_or(|deployment| deployment.created_at >= *LAUNCH)
            && image.is_none_or(|image| image.has_zone_aware_proxy())
    }
}

/// Asks for a service's current deployment to be old.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Age {
    pub(crate) region: String,
    /// The cluster's name or ARN. None: whichever has a service of the name.
    cluster: Option<String>,
    /// The service's name or ARN.
    service: String,
    days: u32,
}

/// The deployment that has become old.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AgedDeployment {
    /// The cluster's name.
    cluster: String,
    /// The service's name.
    service: String,
    /// Its ID.
    deployment: String,
    /// ISO 8601.
    created_at: String,
    zone_aware: bool,
}

impl AgedDeployment {
    pub(crate) fn service(&self) -> ServiceKey {
        ServiceKey { cluster: self.cluster.clone(), service: self.service.clone() }
    }
}

/// Makes a service's current deployment so many days old, and the service at least as old. Its proxies become what those of
/// that time were.
pub(crate) fn age(region: &mut Region, asked: &Age) -> Result<AgedDeployment, String> {
    let Age { cluster, service, days, .. } = asked;
    let ecs = region.ecs_mut();
    let cluster = match cluster {
        Some(reference) => {
            let found = ecs.cluster_by_reference(reference);
            Some(found.ok_or_else(|| format!("there is no cluster {reference}"))?.name.clone())
        }
        None => None,
    };
    let mut found = ecs.services.iter_mut().filter(|it| {
        it.status != ServiceStatus::Inactive
            && refers_to(service, &it.arn, &it.name)
            && cluster.as_ref().is_none_or(|cluster| it.cluster == *cluster)
    });
    let known = found.next().ok_or_else(|| format!("there is no service {service}"))?;
    if found.next().is_some() {
        return Err(format!("several clusters have a service {service}: name one with --cluster"));
    }
    let age = SignedDuration::from_hours(24 * i64::from(*days));
    let created_at = Timestamp::now().checked_sub(age).map_err(|_| format!("nothing is {days} days old"))?;
    known.created_at = known.created_at.min(created_at);
    let deployment = known.deployments.first_mut().ok_or_else(|| format!("{service} has no deployment"))?;
    (deployment.created_at, deployment.updated_at) = (created_at, created_at);
    let of_it = known.revisions.iter_mut().find(|revision| revision.arn == deployment.revision_arn);
    of_it.into_iter().for_each(|revision| revision.created_at = created_at);
    Ok(AgedDeployment {
        cluster: known.cluster.clone(),
        service: known.name.clone(),
        deployment: deployment.id.clone(),
        created_at: format!("{created_at:.0}"),
        zone_aware: created_at >= *LAUNCH,
    })
}

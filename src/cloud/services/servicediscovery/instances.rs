//! Instances of Cloud Map services: the running tasks behind a discovery name, which ECS registers and deregisters.

use serde_json::{Map, Value, json};

use super::services;
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::wire::Params;

#[derive(Clone)]
pub(super) struct Instance {
    pub(super) id: String,
    pub(super) attributes: Map<String, Value>,
    /// The account that has registered it.
    pub(super) created_by: &'static str,
}

/// Registers an instance with the service that has this ARN, if it is there.
pub(crate) fn register_instance(region: &mut Region, service_arn: &str, id: &str, attributes: Map<String, Value>) {
    let mut services = region.cloud_map_mut().services.iter_mut();
    if let Some(service) = services.find(|service| service.arn == service_arn) {
        service.instances.retain(|instance| instance.id != id);
        service.instances.push(Instance { id: id.to_owned(), attributes, created_by: crate::cloud::ACCOUNT_ID });
    }
}

/// Deregisters an instance from every service.
pub(crate) fn deregister_instance(region: &mut Region, id: &str) {
    for service in &mut region.cloud_map_mut().services {
        service.instances.retain(|instance| instance.id != id);
    }
}

pub(super) fn list(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let service = services::referred(region, params.str("ServiceId")?)?;
    let instances = service.instances.iter().map(|Instance { id, attributes, created_by }| {
        json!({ "Id": id, "Attributes": attributes, "CreatedByAccount": created_by })
    });
    Ok(json!({ "Instances": instances.collect::<Value>(), "ResourceOwner": service.owner }))
}

/// How many instances are discovered unless the request says (API Reference, "DiscoverInstances").
const DISCOVERED: i64 = 100;
const MOST_DISCOVERED: i64 = 1_000;

/// By names, and where another account shares the namespace, with `OwnerAccount`.
pub(super) fn discover(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let (namespace, service) = (params.str("NamespaceName")?, params.str("ServiceName")?);
    let owner = params.opt_str("OwnerAccount").unwrap_or(crate::cloud::ACCOUNT_ID);
    let mut namespaces = region.cloud_map().namespaces.iter();
    let found = namespaces.find(|known| known.name == namespace && known.owner == owner);
    let namespace_id =
        &found.ok_or_else(|| AwsError::new("NamespaceNotFound", format!("Namespace {namespace} was not found.")))?;
    let mut services = region.cloud_map().services.iter();
    let found = services.find(|known| known.namespace_id == namespace_id.id && known.name == service);
    let service = found.ok_or_else(|| AwsError::new("ServiceNotFound", format!("Service {service} was not found.")))?;
    let most = params.opt_int("MaxResults")?.unwrap_or(DISCOVERED);
    if !(1..=MOST_DISCOVERED).contains(&most) {
        return Err(AwsError::new("InvalidInput", format!("MaxResults must be from 1 to {MOST_DISCOVERED}.")));
    }
    let is_wanted = params.opt_str("HealthStatus") != Some("UNHEALTHY");
    let instances = service.instances.iter().filter(|_| is_wanted).take(most as usize).map(|instance| {
        json!({
            "InstanceId": instance.id,
            "NamespaceName": namespace,
            "ServiceName": service.name,
            "HealthStatus": "HEALTHY",
            "Attributes": instance.attributes,
        })
    });
    Ok(json!({ "Instances": instances.collect::<Value>(), "InstancesRevision": 1 }))
}

/// The instances here are ECS's: it takes them out when their tasks stop.
pub(super) fn deregister(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let (service, instance) = (services::referred(region, params.str("ServiceId")?)?, params.str("InstanceId")?);
    if service.instances.iter().any(|known| known.id == instance) {
        return Err(AwsError::unsupported("taking out an instance that ECS has registered: stop its task"));
    }
    Err(AwsError::new("InstanceNotFound", format!("Instance {instance} was not found.")))
}

//! Instances of Cloud Map services: the running tasks behind a discovery name, which ECS registers and deregisters.

use serde_json::{Map, Value, json};

use super::services;
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::wire::Params;

#[derive(Clone)]
pub(super) struct Instance {
    id: String,
    attributes: Map<String, Value>,
}

/// Registers an instance with the service that has this ARN, if it is there.
pub(crate) fn register_instance(region: &mut Region, service_arn: &str, id: &str, attributes: Map<String, Value>) {
    let mut services = region.cloud_map_mut().services.iter_mut();
    if let Some(service) = services.find(|service| service.arn == service_arn) {
        service.instances.retain(|instance| instance.id != id);
        service.instances.push(Instance { id: id.to_owned(), attributes });
    }
}

/// Deregisters an instance from every service.
pub(crate) fn deregister_instance(region: &mut Region, id: &str) {
    for service in &mut region.cloud_map_mut().services {
        service.instances.retain(|instance| instance.id != id);
    }
}

pub(super) fn list(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let service = services::by_id(region, params.str("ServiceId")?)?;
    let account = crate::cloud::ACCOUNT_ID;
    let instances = (service.instances.iter())
        .map(|Instance { id, attributes }| json!({ "Id": id, "Attributes": attributes, "CreatedByAccount": account }));
    Ok(json!({ "Instances": instances.collect::<Value>(), "ResourceOwner": account }))
}

/// The instances here are ECS's: it takes them out when their tasks stop.
pub(super) fn deregister(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let (service, instance) = (services::by_id(region, params.str("ServiceId")?)?, params.str("InstanceId")?);
    if service.instances.iter().any(|known| known.id == instance) {
        return Err(AwsError::unsupported("taking out an instance that ECS has registered: stop its task"));
    }
    Err(AwsError::new("InstanceNotFound", format!("Instance {instance} was not found.")))
}

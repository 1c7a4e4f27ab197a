//! Instances of Cloud Map services: the running tasks behind a discovery name, straight from ECS.

use serde_json::{Map, Value, json};

use super::{answer_page, namespace, services};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::services::ecs;
use crate::cloud::wire::Params;

/// ID and attributes of each instance of the service with this ARN.
pub(super) fn of(region: &Region, service_arn: &str) -> Vec<(String, Map<String, Value>)> {
    ecs::discovery_instances(region, service_arn)
}

pub(super) fn list(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let arn = services::arn_by_id(region, params.str("ServiceId")?)?;
    let account = crate::cloud::ACCOUNT_ID;
    let instances = of(region, arn)
        .into_iter()
        .map(|(id, attributes)| Some(json!({ "Id": id, "Attributes": attributes, "CreatedByAccount": account })))
        .collect();
    let mut answer = answer_page(params, "Instances", instances)?;
    answer["ResourceOwner"] = json!(account);
    Ok(answer)
}

pub(super) fn discover(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    params.only(&["NamespaceName", "ServiceName", "MaxResults", "HealthStatus"])?;
    let (namespace_name, name) = (params.str("NamespaceName")?, params.str("ServiceName")?);
    let namespace = namespace(region, namespace_name)
        .ok_or_else(|| AwsError::new("NamespaceNotFound", format!("Namespace {namespace_name} was not found.")))?;
    let service = (region.servicediscovery.services.iter())
        .find(|service| service.namespace_id == namespace.id && service.name == name)
        .ok_or_else(|| AwsError::new("ServiceNotFound", format!("Service {name} was not found.")))?;
    let most = params.opt_int("MaxResults")?.and_then(|most| usize::try_from(most).ok()).unwrap_or(100);
    let is_asked_for = params.opt_str("HealthStatus") != Some("UNHEALTHY");
    let instances: Value = of(region, &service.arn)
        .into_iter()
        .filter(|_| is_asked_for)
        .take(most)
        .map(|(id, attributes)| {
            json!({
                "InstanceId": id,
                "NamespaceName": namespace.name,
                "ServiceName": service.name,
                "HealthStatus": "HEALTHY",
                "Attributes": attributes,
            })
        })
        .collect();
    Ok(json!({ "Instances": instances }))
}

/// The instances here are ECS's: it takes them out when their tasks stop.
pub(super) fn deregister(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let (service, instance) = (params.str("ServiceId")?, params.str("InstanceId")?);
    let arn = services::arn_by_id(region, service)?;
    if of(region, arn).iter().any(|(id, _)| id == instance) {
        return Err(AwsError::unsupported("taking out an instance that ECS has registered: stop its task"));
    }
    Err(AwsError::new("InstanceNotFound", format!("Instance {instance} was not found.")))
}

//! Cloud Map services: names in a namespace. ECS makes one for each discovery name of Service Connect, and leaves them when
//! its own services go.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::instances::Instance;
use super::namespaces::{self, Namespace, namespace};
use super::{allows, answer_page};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::wire::tags::{Tags, UPPER};
use crate::cloud::wire::{Params, timestamp};

#[derive(Clone)]
pub(super) struct Service {
    pub(super) arn: String,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) namespace_id: String,
    /// The account whose namespace it is in, and the one that has made it there.
    pub(super) owner: &'static str,
    pub(super) created_by: &'static str,
    pub(super) tags: Tags,
    pub(super) instances: Vec<Instance>,
    description: Option<String>,
    creator_request_id: Option<String>,
    created_at: Timestamp,
}

/// The service that a request refers to by its ID or ARN.
pub(super) fn referred<'r>(region: &'r Region, reference: &str) -> Result<&'r Service, AwsError> {
    let mut services = region.cloud_map().services.iter();
    services
        .find(|service| super::references(service.owner, &service.id, &service.arn).contains(&reference))
        .ok_or_else(|| AwsError::new("ServiceNotFound", format!("Service {reference} was not found.")))
}

/// Makes a service with this name in a namespace, unless it is there, and gives its ARN.
pub(crate) fn ensure_service(region: &mut Region, namespace_arn: &str, name: &str) -> String {
    let namespace_id = namespace(region, namespace_arn).map(|namespace| namespace.id.clone()).unwrap_or_default();
    let is_it = |service: &&Service| service.namespace_id == namespace_id && service.name == name;
    if let Some(service) = region.cloud_map().services.iter().find(is_it) {
        return service.arn.clone();
    }
    let service = Service {
        description: None,
        creator_request_id: None,
        tags: Tags::one("AmazonECSManaged", "true"),
        ..new(region, namespace_id, name)
    };
    let arn = service.arn.clone();
    region.cloud_map_mut().services.push(service);
    arn
}

/// A service of another account, which has made it in its namespace.
pub(super) fn add_shared(region: &mut Region, namespace_id: &str, name: &str, instances: Vec<Instance>) {
    let created_by = namespaces::OTHER_ACCOUNT;
    let service = Service { created_by, instances, ..new(region, namespace_id.to_owned(), name) };
    region.cloud_map_mut().services.push(service);
}

fn new(region: &mut Region, namespace_id: String, name: &str) -> Service {
    let id = region.ids.cloud_map("srv");
    let mut namespaces = region.cloud_map().namespaces.iter();
    let namespace = namespaces.find(|namespace| namespace.id == namespace_id);
    let owner = namespace.map_or(crate::cloud::ACCOUNT_ID, |namespace| namespace.owner);
    Service {
        arn: format!("arn:aws:servicediscovery:{}:{owner}:service/{id}", region.name),
        owner,
        created_by: crate::cloud::ACCOUNT_ID,
        id,
        name: name.to_owned(),
        namespace_id,
        tags: Tags::default(),
        instances: Vec::new(),
        description: None,
        creator_request_id: None,
        created_at: Timestamp::now(),
    }
}

pub(super) fn create(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let name = params.str("Name")?;
    if let Some(other) = params.opt_str("Type").filter(|given| *given != "HTTP") {
        return Err(AwsError::invalid_parameter(format!("The service type {other} is not valid.")));
    }
    let namespace_id = namespaces::referred(region, params.str("NamespaceId")?)?.id.clone();
    let is_it = |service: &&Service| service.namespace_id == namespace_id && service.name == name;
    if let Some(service) = region.cloud_map().services.iter().find(is_it) {
        let creator = params.opt_str("CreatorRequestId");
        if creator.is_some() && service.creator_request_id.as_deref() == creator {
            return Ok(json!({ "Service": wire(service) }));
        }
        return Err(AwsError::new("ServiceAlreadyExists", format!("Service {name} already exists in the namespace.")));
    }
    let service = Service {
        description: params.opt_str("Description").map(str::to_owned),
        creator_request_id: params.opt_str("CreatorRequestId").map(str::to_owned),
        tags: Tags::from_list(&params.objects("Tags"), UPPER)?,
        ..new(region, namespace_id, name)
    };
    let answer = json!({ "Service": wire(&service) });
    region.cloud_map_mut().services.push(service);
    Ok(answer)
}

pub(super) fn get(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let service = referred(region, params.str("Id")?)?;
    Ok(json!({ "Service": wire(service) }))
}

pub(super) fn list(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let mut services = Vec::new();
    for service in &region.cloud_map().services {
        let mut namespaces = region.cloud_map().namespaces.iter();
        let namespace = namespaces.find(|namespace| namespace.id == service.namespace_id);
        let member = |name: &str| match name {
            "NAMESPACE_ID" => Some(namespace.map(Namespace::references).unwrap_or_default()),
            "RESOURCE_OWNER" => Some(vec![super::resource_owner(service.owner)]),
            _ => None,
        };
        let mut summary = wire(service);
        // What the whole service has and its summary has not.
        for member in ["NamespaceId", "CreatorRequestId"] {
            summary[member] = Value::Null;
        }
        services.push(allows(params, member)?.then_some(summary));
    }
    answer_page(params, "Services", services)
}

pub(super) fn delete(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let service = referred(region, params.str("Id")?)?;
    if service.created_by != crate::cloud::ACCOUNT_ID {
        return Err(super::not_ours(&service.arn));
    }
    if !service.instances.is_empty() {
        return Err(AwsError::new(
            "ResourceInUse",
            "Service contains registered instances; delete the instances before deleting the service",
        ));
    }
    let id = service.id.clone();
    region.cloud_map_mut().services.retain(|service| service.id != id);
    Ok(json!({}))
}

fn wire(service: &Service) -> Value {
    json!({
        "Id": service.id,
        "Arn": service.arn,
        "ResourceOwner": service.owner,
        "Name": service.name,
        "NamespaceId": service.namespace_id,
        "Description": service.description,
        "InstanceCount": service.instances.len(),
        "Type": "HTTP",
        "CreateDate": timestamp(service.created_at),
        "CreatorRequestId": service.creator_request_id,
        "CreatedByAccount": service.created_by,
    })
}

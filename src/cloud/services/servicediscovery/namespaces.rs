//! HTTP namespaces: what Service Connect keeps its names in.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::operations::{self, OperationType};
use super::{allows, answer_page};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::wire::tags::{Tags, UPPER};
use crate::cloud::wire::{Params, timestamp};

#[derive(Clone)]
pub(crate) struct Namespace {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(super) id: String,
    /// The account that has it, and may share it with this one.
    pub(super) owner: &'static str,
    pub(super) tags: Tags,
    description: Option<String>,
    creator_request_id: Option<String>,
    /// The operation that makes the namespace, which is seen only when it `is_made`.
    operation_id: String,
    is_made: bool,
    is_being_deleted: bool,
    created_at: Timestamp,
}

impl Namespace {
    fn is_ours(&self) -> bool {
        self.owner == crate::cloud::ACCOUNT_ID
    }

    pub(super) fn references(&self) -> Vec<&str> {
        super::references(self.owner, &self.id, &self.arn)
    }

    fn is_called(&self, reference: &str) -> bool {
        self.is_made && self.references().contains(&reference)
    }
}

/// The namespace with this name, ID or ARN. A shared one is found by the latter alone (ECS Developer Guide, "Amazon ECS Service
/// Connect with shared AWS Cloud Map namespaces").
pub(crate) fn namespace<'r>(region: &'r Region, reference: &str) -> Option<&'r Namespace> {
    let mut namespaces = region.cloud_map().namespaces.iter();
    let is_named = |namespace: &Namespace| namespace.is_made && namespace.is_ours() && namespace.name == reference;
    namespaces.find(|namespace| namespace.is_called(reference) || is_named(namespace))
}

/// A new namespace of another account, which shares it.
pub(super) fn add_shared<'r>(region: &'r mut Region, name: &str) -> Result<&'r Namespace, String> {
    let known = &region.cloud_map().namespaces;
    if known.iter().any(|namespace| !namespace.is_ours() && namespace.name == name) {
        return Err(format!("account {OTHER_ACCOUNT} has a namespace {name} already"));
    }
    let id = region.ids.cloud_map("ns");
    let arn = format!("arn:aws:servicediscovery:{}:{OTHER_ACCOUNT}:namespace/{id}", region.name);
    let namespaces = &mut region.cloud_map_mut().namespaces;
    namespaces.push(Namespace {
        arn,
        name: name.to_owned(),
        id,
        owner: OTHER_ACCOUNT,
        tags: Tags::default(),
        description: None,
        creator_request_id: None,
        operation_id: String::new(),
        is_made: true,
        is_being_deleted: false,
        created_at: Timestamp::now(),
    });
    Ok(&namespaces[namespaces.len() - 1])
}

fn not_found(id: &str) -> AwsError {
    AwsError::new("NamespaceNotFound", format!("Namespace {id} was not found."))
}

/// The namespace that a request refers to by its ID or ARN.
pub(super) fn referred<'r>(region: &'r Region, reference: &str) -> Result<&'r Namespace, AwsError> {
    region.cloud_map().namespaces.iter().find(|n| n.is_called(reference)).ok_or_else(|| not_found(reference))
}

/// Has a namespace made, as ECS does for a cluster, and gives its ARN, which is known at once.
pub(crate) fn begin_namespace(region: &mut Region, name: &str, tags: Tags) -> Result<String, AwsError> {
    let namespace = begin(region, name, tags, None, None)?;
    Ok(namespace.arn.clone())
}

fn begin<'r>(
    region: &'r mut Region,
    name: &str,
    tags: Tags,
    description: Option<&str>,
    creator_request_id: Option<&str>,
) -> Result<&'r Namespace, AwsError> {
    if name.is_empty() || name.len() > 1024 || !name.chars().all(|c| c.is_ascii_graphic()) || name.starts_with("arn:") {
        return Err(AwsError::new("InvalidInput", format!("The namespace name {name:?} is not valid.")));
    }
    if let Some(same) =
        region.cloud_map().namespaces.iter().find(|namespace| namespace.is_ours() && namespace.name == name)
    {
        return Err(if same.is_made {
            AwsError::new("NamespaceAlreadyExists", format!("Namespace {name} already exists in the account."))
        } else {
            AwsError::new(
                "DuplicateRequest",
                format!("Namespace {name} is being created by operation {}.", same.operation_id),
            )
        });
    }
    let id = region.ids.cloud_map("ns");
    let arn = region.arn("servicediscovery", &format!("namespace/{id}"));
    let operation_id = operations::begin(region, OperationType::CreateNamespace, &id, |region, id| {
        if let Some(namespace) = region.cloud_map_mut().namespaces.iter_mut().find(|namespace| namespace.id == id) {
            namespace.is_made = true;
        }
    });
    let namespaces = &mut region.cloud_map_mut().namespaces;
    namespaces.push(Namespace {
        arn,
        name: name.to_owned(),
        id,
        owner: crate::cloud::ACCOUNT_ID,
        tags,
        description: description.map(str::to_owned),
        creator_request_id: creator_request_id.map(str::to_owned),
        operation_id,
        is_made: false,
        is_being_deleted: false,
        created_at: Timestamp::now(),
    });
    Ok(namespaces.last().expect("one was pushed"))
}

pub(super) fn create(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let (name, creator) = (params.str("Name")?, params.opt_str("CreatorRequestId"));
    let is_repeated = |n: &&super::Namespace| creator.is_some() && n.creator_request_id.as_deref() == creator;
    if let Some(namespace) = region.cloud_map().namespaces.iter().find(is_repeated) {
        if namespace.name == name {
            return Ok(json!({ "OperationId": namespace.operation_id }));
        }
        return Err(AwsError::new(
            "DuplicateRequest",
            format!("The request was made before, for namespace {}.", namespace.name),
        ));
    }
    let tags = Tags::from_list(&params.objects("Tags"), UPPER)?;
    let namespace = begin(region, name, tags, params.opt_str("Description"), creator)?;
    Ok(json!({ "OperationId": namespace.operation_id }))
}

pub(super) fn get(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let namespace = referred(region, params.str("Id")?)?;
    let mut answer = wire(region, namespace);
    if let Some(creator) = &namespace.creator_request_id {
        answer["CreatorRequestId"] = json!(creator);
    }
    Ok(json!({ "Namespace": answer }))
}

pub(super) fn list(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let mut namespaces = Vec::new();
    for namespace in region.cloud_map().namespaces.iter().filter(|namespace| namespace.is_made) {
        let member = |name: &str| match name {
            "TYPE" => Some(vec!["HTTP"]),
            "NAME" | "HTTP_NAME" => Some(vec![namespace.name.as_str()]),
            "RESOURCE_OWNER" => Some(vec![super::resource_owner(namespace.owner)]),
            _ => None,
        };
        namespaces.push(allows(params, member)?.then(|| wire(region, namespace)));
    }
    for name in region.faults.lock().shared_namespaces() {
        let member = |member: &str| match member {
            "TYPE" => Some(vec!["HTTP"]),
            "NAME" | "HTTP_NAME" => Some(vec![name.as_str()]),
            "RESOURCE_OWNER" => Some(vec!["OTHER_ACCOUNTS"]),
            _ => None,
        };
        namespaces.push(allows(params, member)?.then(|| shared(region, &name)));
    }
    answer_page(params, "Namespaces", namespaces)
}

/// The account that shares namespaces with this one, if any does.
pub(super) const OTHER_ACCOUNT: &str = "111122223333";

/// A namespace of another account, which shares it by AWS RAM (Cloud Map Developer Guide, "Shared AWS Cloud Map namespaces").
fn shared(region: &Region, name: &str) -> Value {
    let id = "ns-sharedbyanother1";
    json!({
        "Id": id,
        "Arn": format!("arn:aws:servicediscovery:{}:{OTHER_ACCOUNT}:namespace/{id}", region.name),
        "ResourceOwner": OTHER_ACCOUNT,
        "Name": name,
        "Type": "HTTP",
        "ServiceCount": 0,
        "Properties": { "HttpProperties": { "HttpName": name } },
    })
}

pub(super) fn delete(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let namespace = referred(region, params.str("Id")?)?;
    if !namespace.is_ours() {
        return Err(super::not_ours(&namespace.arn));
    }
    if namespace.is_being_deleted {
        return Err(AwsError::new("DuplicateRequest", format!("Namespace {} is being deleted.", namespace.id)));
    }
    if service_count(region, namespace) > 0 {
        return Err(AwsError::new(
            "ResourceInUse",
            "Namespace has associated services; delete the services before deleting the namespace",
        ));
    }
    let id = namespace.id.clone();
    if let Some(namespace) = region.cloud_map_mut().namespaces.iter_mut().find(|namespace| namespace.id == id) {
        namespace.is_being_deleted = true;
    }
    let operation_id = operations::begin(region, OperationType::DeleteNamespace, &id, |region, id| {
        region.cloud_map_mut().namespaces.retain(|namespace| namespace.id != id);
    });
    Ok(json!({ "OperationId": operation_id }))
}

fn service_count(region: &Region, namespace: &Namespace) -> usize {
    region.cloud_map().services.iter().filter(|service| service.namespace_id == namespace.id).count()
}

fn wire(region: &Region, namespace: &Namespace) -> Value {
    json!({
        "Id": namespace.id,
        "Arn": namespace.arn,
        "ResourceOwner": namespace.owner,
        "Name": namespace.name,
        "Type": "HTTP",
        "Description": namespace.description,
        "ServiceCount": service_count(region, namespace),
        "Properties": { "HttpProperties": { "HttpName": namespace.name } },
        "CreateDate": timestamp(namespace.created_at),
    })
}

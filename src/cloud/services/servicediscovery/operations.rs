//! Operations: namespaces are made and deleted in the background, and this is where one asks how far that is.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{allows, answer_page};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::schedule::Transition;
use crate::cloud::wire::{Params, timestamp};

#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(const_into_str, serialize_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum OperationType {
    CreateNamespace,
    DeleteNamespace,
}

#[derive(Clone)]
pub(super) struct Operation {
    pub(super) id: String,
    operation_type: OperationType,
    is_done: bool,
    namespace_id: String,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl Operation {
    fn status(&self) -> &'static str {
        if self.is_done { "SUCCESS" } else { "PENDING" }
    }
}

/// Begins an operation on a namespace, at the end of which `done` is run, and gives its ID.
pub(super) fn begin(
    region: &mut Region,
    operation_type: OperationType,
    namespace_id: &str,
    done: impl FnOnce(&mut Region, &str) + Send + 'static,
) -> String {
    // `<32 letters and digits>-<8 of them>`, as Cloud Map's are.
    let id = format!("{}-{}", region.ids.hex(32), region.ids.hex(8));
    region.cloud_map_mut().operations.push(Operation {
        id: id.clone(),
        operation_type,
        is_done: false,
        namespace_id: namespace_id.to_owned(),
        created_at: Timestamp::now(),
        updated_at: Timestamp::now(),
    });
    let (operation_id, namespace_id) = (id.clone(), namespace_id.to_owned());
    region.after(Transition::NamespaceOperation, move |region| {
        done(region, &namespace_id);
        let mut operations = region.cloud_map_mut().operations.iter_mut();
        if let Some(operation) = operations.find(|operation| operation.id == operation_id) {
            operation.is_done = true;
            operation.updated_at = Timestamp::now();
        }
    });
    id
}

pub(super) fn get(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let id = params.str("OperationId")?;
    let operation = (region.cloud_map().operations.iter())
        .find(|operation| operation.id == id)
        .ok_or_else(|| AwsError::new("OperationNotFound", format!("Operation {id} was not found.")))?;
    Ok(json!({ "Operation": {
        "Id": operation.id,
        "OwnerAccount": crate::cloud::ACCOUNT_ID,
        "Type": operation.operation_type.into_str(),
        "Status": operation.status(),
        "CreateDate": timestamp(operation.created_at),
        "UpdateDate": timestamp(operation.updated_at),
        "Targets": { "NAMESPACE": operation.namespace_id },
    } }))
}

pub(super) fn list(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let mut operations = Vec::new();
    for operation in &region.cloud_map().operations {
        let member = |name: &str| match name {
            "NAMESPACE_ID" => Some(vec![operation.namespace_id.as_str()]),
            "STATUS" => Some(vec![operation.status()]),
            "TYPE" => Some(vec![operation.operation_type.into_str()]),
            _ => None,
        };
        let summary = json!({ "Id": operation.id, "Status": operation.status() });
        operations.push(allows(params, member)?.then_some(summary));
    }
    answer_page(params, "Operations", operations)
}

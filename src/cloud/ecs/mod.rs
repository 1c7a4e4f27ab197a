use serde_json::Value;

use super::error::AwsError;
use super::protocol::Params;
use super::region::Region;

#[derive(Default)]
pub(crate) struct State {}

pub(crate) fn reconcile(_region: &mut Region) {}

pub(crate) fn mesh_tasks(_region: &Region) -> Vec<crate::mesh::topology::Task> {
    Vec::new()
}

pub(crate) fn handle(_region: &mut Region, operation: &str, _params: Params<'_>) -> Result<Value, AwsError> {
    Err(AwsError::unknown_operation("ecs", operation))
}

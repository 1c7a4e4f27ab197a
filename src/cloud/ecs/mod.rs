//! Amazon ECS.

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

/// The ECS agent of a running EC2 instance joins `cluster`: at once if the cluster is there, else as soon as it is,
/// as agents keep trying.
pub(crate) fn register_container_instance(_region: &mut Region, _cluster: &str, _instance_id: &str) {}

/// An EC2 instance is being terminated: its container instance is gone and its tasks are STOPPED, their targets and
/// interfaces with them.
pub(crate) fn deregister_container_instances_of(_region: &mut Region, _instance_id: &str) {}

/// ARN and family of the tasks that run on an EC2 instance.
pub(crate) fn running_tasks_on(_region: &Region, _instance_id: &str) -> Vec<(String, String)> {
    Vec::new()
}

pub(crate) fn handle(_region: &mut Region, operation: &str, _params: Params<'_>) -> Result<Value, AwsError> {
    Err(AwsError::unknown_operation("ecs", operation))
}

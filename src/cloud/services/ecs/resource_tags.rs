//! Tags of whatever in ECS has them, by ARN.

use serde_json::{Value, json};

use super::clusters::ClusterStatus;
use super::services::ServiceStatus;
use super::{State, invalid};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::wire::Params;
use crate::cloud::wire::tags::{LOWER, Tags};

pub(super) fn add(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let added = Tags::from_list(&params.objects("tags"), LOWER)?;
    tags(region.ecs_mut(), params.str("resourceArn")?)?.add(added)?;
    Ok(json!({}))
}

pub(super) fn remove(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    tags(region.ecs_mut(), params.str("resourceArn")?)?.remove(&params.strings("tagKeys"));
    Ok(json!({}))
}

pub(super) fn list(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let mut copy = region.ecs().clone();
    Ok(json!({ "tags": tags(&mut copy, params.str("resourceArn")?)?.to_list(LOWER) }))
}

/// The values that a tag has on clusters, services and task definitions, but for those that are deleted.
pub(super) fn of_standing(region: &Region, key: &str) -> Vec<String> {
    let ecs = region.ecs();
    let clusters = ecs.clusters.iter().filter(|cluster| cluster.status != ClusterStatus::Inactive);
    let services = ecs.services.iter().filter(|service| service.status != ServiceStatus::Inactive);
    let revisions = ecs.task_definitions.revisions.iter().filter(|revision| !revision.is_being_deleted());
    let tags = clusters.map(|cluster| &cluster.tags).chain(services.map(|service| &service.tags));
    tags.chain(revisions.map(|revision| &revision.tags)).filter_map(|tags| tags.get(key)).collect()
}

fn tags<'s>(ecs: &'s mut State, arn: &str) -> Result<&'s mut Tags, AwsError> {
    let kind = arn.split(':').nth(5).and_then(|resource| resource.split('/').next()).unwrap_or_default();
    let (found, message) = match kind {
        "cluster" => (
            (ecs.clusters.iter_mut())
                .find(|cluster| cluster.arn == arn && cluster.status != ClusterStatus::Inactive)
                .map(|cluster| &mut cluster.tags),
            "The specified cluster is inactive. Specify an active cluster and try again.",
        ),
        "container-instance" => (
            ecs.container_instances.iter_mut().find(|instance| instance.arn == arn).map(|instance| &mut instance.tags),
            "The specified container instance is inactive or has been deleted. Specify a valid container instance and try again.",
        ),
        "service" => (
            (ecs.services.iter_mut())
                .find(|service| service.arn == arn && service.status != ServiceStatus::Inactive)
                .map(|service| &mut service.tags),
            "The specified service is inactive. Specify an active service and try again.",
        ),
        "task" => (
            ecs.tasks.iter_mut().find(|task| task.arn == arn).map(|task| &mut task.tags),
            "The specified task is stopped. Specify a running task and try again.",
        ),
        "task-definition" => (
            (ecs.task_definitions.revisions.iter_mut())
                .find(|revision| revision.definition.arn == arn)
                .map(|revision| &mut revision.tags),
            "The specified task definition does not exist. Specify a valid account, family, revision and try again.",
        ),
        _ => (None, "Invalid resource ARN."),
    };
    found.ok_or_else(|| invalid(message))
}

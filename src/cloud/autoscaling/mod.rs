//! EC2 Auto Scaling: groups that keep a number of instances, evenly over the zones of their subnets.

mod activities;
mod capacity;
mod groups;
mod tags;

use serde_json::Value;

use self::groups::Group;
use super::error::AwsError;
use super::protocol::Params;
use super::region::Region;

pub(crate) use self::capacity::reconcile;

#[derive(Default)]
pub(crate) struct State {
    groups: Vec<Group>,
}

impl State {
    fn find(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    fn find_mut(&mut self, name: &str) -> Option<&mut Group> {
        self.groups.iter_mut().find(|group| group.name == name)
    }
}

pub(crate) fn handle(region: &mut Region, operation: &str, params: Params<'_>) -> Result<Value, AwsError> {
    match operation {
        "CreateAutoScalingGroup" => groups::create(region, params),
        "CreateOrUpdateTags" => tags::create_or_update(region, params),
        "DeleteAutoScalingGroup" => groups::delete(region, params),
        "DeleteTags" => tags::delete(region, params),
        "DescribeAutoScalingGroups" => groups::describe(region, params),
        "DescribeAutoScalingInstances" => groups::describe_instances(region, params),
        "DescribeScalingActivities" => activities::describe(region, params),
        "DescribeTags" => tags::describe(region, params),
        "SetDesiredCapacity" => groups::set_desired_capacity(region, params),
        "UpdateAutoScalingGroup" => groups::update(region, params),
        _ => Err(AwsError::unknown_operation("autoscaling", operation)),
    }
}

fn validation_error(message: impl Into<String>) -> AwsError {
    AwsError::new("ValidationError", message)
}

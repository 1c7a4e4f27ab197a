//! Amazon EC2 Auto Scaling: groups that keep as many instances as they are to have, spread evenly over their zones.
//!
//! Requests change what a group is to be; [`reconcile`] brings it about, in scaling activities that can be looked up.

mod activities;
mod groups;
mod members;
mod refreshes;
mod scaling;
mod settings;
mod tags;

use serde_json::Value;

use self::activities::Activity;
use self::groups::Group;
use self::refreshes::Refresh;
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::wire::Params;

pub(crate) use self::scaling::reconcile;

#[derive(Clone, Default)]
pub(crate) struct State {
    groups: Vec<Group>,
    /// Oldest first; those of groups that are gone too.
    activities: Vec<Activity>,
    refreshes: Vec<Refresh>,
}

impl State {
    fn group_mut(&mut self, name: &str) -> Option<&mut Group> {
        self.groups.iter_mut().find(|group| group.name == name)
    }
}

fn validation_error(message: impl Into<String>) -> AwsError {
    AwsError::new("ValidationError", message)
}

/// What AWS has and the local cloud does not carry out.
fn not_carried(what: &str) -> AwsError {
    validation_error(format!("zonewalk's local cloud has no {what}"))
}

/// The group that a request names.
fn find<'s>(state: &'s State, params: Params<'_>) -> Result<&'s Group, AwsError> {
    let name = params.str("AutoScalingGroupName")?;
    state.groups.iter().find(|group| group.name == name).ok_or_else(|| not_found(name))
}

fn find_mut<'s>(state: &'s mut State, name: &str) -> Result<&'s mut Group, AwsError> {
    state.group_mut(name).ok_or_else(|| not_found(name))
}

fn not_found(name: &str) -> AwsError {
    validation_error(format!("AutoScalingGroup name not found - AutoScalingGroup '{name}' not found"))
}

pub(crate) fn handle(region: &mut Region, operation: &str, params: Params<'_>) -> Result<Value, AwsError> {
    match operation {
        "CancelInstanceRefresh" => refreshes::cancel(region, params),
        "CreateAutoScalingGroup" => groups::create(region, params),
        "CreateOrUpdateTags" => tags::create_or_update(region, params),
        "DeleteAutoScalingGroup" => groups::delete(region, params),
        "DeleteTags" => tags::delete(region, params),
        "DescribeAutoScalingGroups" => groups::describe(region, params),
        "DescribeAutoScalingInstances" => members::describe(region, params),
        "DescribeInstanceRefreshes" => refreshes::describe(region, params),
        "DescribeScalingActivities" => activities::describe(region, params),
        "DescribeTags" => tags::describe(region, params),
        "ResumeProcesses" => groups::resume_processes(region, params),
        "SetDesiredCapacity" => groups::set_desired_capacity(region, params),
        "StartInstanceRefresh" => refreshes::start(region, params),
        "SuspendProcesses" => groups::suspend_processes(region, params),
        "TerminateInstanceInAutoScalingGroup" => members::terminate(region, params),
        "UpdateAutoScalingGroup" => groups::update(region, params),
        _ => Err(AwsError::unknown_operation("autoscaling", operation)),
    }
}

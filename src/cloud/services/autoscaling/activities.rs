//! Scaling activities: the launches and terminations of a group, and why they failed if they did.

use serde_json::{Value, json};

use super::State;
use super::groups::Group;
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::service::Answer;
use crate::cloud::wire::{Params, timestamp};

/// How many are kept of one group; AWS keeps six weeks of them.
const KEPT: usize = 200;

#[derive(Clone, Debug, PartialEq, Eq, strum::IntoStaticStr)]
pub(super) enum Status {
    InProgress,
    Successful,
    Cancelled,
    Failed { message: String },
}

#[derive(Clone, Debug)]
pub(super) struct Activity {
    id: String,
    group_name: String,
    group_arn: String,
    description: String,
    cause: String,
    details: String,
    started: jiff::Timestamp,
    ended: Option<jiff::Timestamp>,
    status: Status,
}

/// A moment as AWS writes it into causes: to the second.
pub(super) fn moment() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Records a beginning, or if it is over already a failure. Answers with the activity's ID.
pub(super) fn record(
    region: &mut Region,
    group: &Group,
    status: Status,
    description: String,
    cause: String,
    details: &Value,
) -> String {
    let now = jiff::Timestamp::now();
    let id = region.ids.uuid();
    let activities = &mut region.autoscaling_mut().activities;
    activities.push(Activity {
        id: id.clone(),
        group_name: group.name.clone(),
        group_arn: group.arn.clone(),
        description,
        cause,
        details: details.to_string(),
        started: now,
        ended: (status != Status::InProgress).then_some(now),
        status,
    });
    let mut of_group = (0..activities.len()).filter(|index| activities[*index].group_arn == group.arn);
    let oldest = of_group.next();
    if let Some(oldest) = oldest.filter(|_| of_group.count() >= KEPT) {
        activities.remove(oldest);
    }
    id
}

impl State {
    pub(super) fn end(&mut self, activity_id: &str, status: &Status) {
        for activity in self.activities.iter_mut().filter(|activity| activity.id == activity_id) {
            activity.status = status.clone();
            activity.ended = Some(jiff::Timestamp::now());
        }
    }

    pub(super) fn activity(&self, id: &str) -> Value {
        self.activities.iter().find(|activity| activity.id == id).map_or(Value::Null, |activity| self.wire(activity))
    }

    fn group_is_there(&self, activity: &Activity) -> bool {
        self.groups.iter().any(|group| group.arn == activity.group_arn)
    }

    fn wire(&self, activity: &Activity) -> Value {
        let message = match &activity.status {
            Status::Failed { message } => Some(message),
            _ => None,
        };
        json!({
            "ActivityId": activity.id,
            "AutoScalingGroupName": activity.group_name,
            "Description": activity.description,
            "Cause": activity.cause,
            "StartTime": timestamp(activity.started),
            "EndTime": activity.ended.map(timestamp),
            "StatusCode": <&str>::from(&activity.status),
            "StatusMessage": message,
            "Progress": if activity.ended.is_some() { 100 } else { 50 },
            "Details": activity.details,
            "AutoScalingGroupState": (!self.group_is_there(activity)).then_some("Deleted"),
            "AutoScalingGroupARN": activity.group_arn,
        })
    }
}

/// The values of the one filter that is supported.
fn requested_statuses(params: Params<'_>) -> Result<Option<Vec<&str>>, AwsError> {
    let mut statuses = None;
    for filter in params.objects("Filters") {
        match filter.str("Name")? {
            "Status" => statuses = Some(filter.strings("Values")),
            other => return Err(AwsError::unsupported(format_args!("the filter {other} of scaling activities"))),
        }
    }
    Ok(statuses)
}

/// The latest first. Those of groups that are gone only if they are asked for.
pub(super) fn describe(region: &Region, params: Params<'_>) -> Answer {
    let state = region.autoscaling();
    let deleted_too = params.opt_bool("IncludeDeletedGroups") == Some(true);
    if !deleted_too && params.get("AutoScalingGroupName").is_some() {
        super::find(state, params)?;
    }
    let name = params.opt_str("AutoScalingGroupName");
    let ids = params.strings("ActivityIds");
    let statuses = requested_statuses(params)?;
    let activities: Value = state
        .activities
        .iter()
        .rev()
        .filter(|activity| name.is_none_or(|name| activity.group_name == name))
        .filter(|activity| ids.is_empty() || ids.contains(&activity.id.as_str()))
        .filter(|activity| deleted_too || state.group_is_there(activity))
        .filter(|activity| statuses.as_ref().is_none_or(|wanted| wanted.contains(&<&str>::from(&activity.status))))
        .map(|activity| state.wire(activity))
        .collect();
    Ok(json!({ "Activities": activities }))
}

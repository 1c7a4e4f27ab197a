//! Scaling activities: what a group did to its instances, and why it could not.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cloud::error::AwsError;
use crate::cloud::protocol::{Params, timestamp};
use crate::cloud::region::Region;

/// AWS keeps six weeks of them; here a long `up` and `down` fit.
const KEPT: usize = 200;

#[derive(Clone, Debug)]
pub(super) struct Activity {
    id: String,
    description: String,
    cause: String,
    start: Timestamp,
    /// AWS's words for why it failed; none if it did not.
    failure: Option<String>,
}

pub(super) fn record(region: &mut Region, group: &str, description: String, cause: String, failure: Option<String>) {
    let id = region.ids.uuid();
    if let Some(group) = region.autoscaling.find_mut(group) {
        group.activities.insert(0, Activity { id, description, cause, start: Timestamp::now(), failure });
        group.activities.truncate(KEPT);
    }
}

pub(super) fn describe(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let name = params.opt_str("AutoScalingGroupName");
    let most = params.opt_int("MaxRecords")?.and_then(|most| usize::try_from(most).ok()).unwrap_or(100);
    let activities: Vec<Value> = region
        .autoscaling
        .groups
        .iter()
        .filter(|group| name.is_none_or(|name| group.name == name))
        .flat_map(|group| group.activities.iter().map(move |activity| (group, activity)))
        .take(most)
        .map(|(group, activity)| {
            json!({
                "ActivityId": activity.id,
                "AutoScalingGroupName": group.name,
                "Description": activity.description,
                "Cause": activity.cause,
                "StartTime": timestamp(activity.start),
                "EndTime": timestamp(activity.start),
                "StatusCode": if activity.failure.is_some() { "Failed" } else { "Successful" },
                "StatusMessage": activity.failure,
                "Progress": 100,
                "AutoScalingGroupARN": group.arn,
            })
        })
        .collect();
    Ok(json!({ "Activities": activities }))
}

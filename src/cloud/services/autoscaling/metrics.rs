//! The metrics that are collected of a group. There is no CloudWatch here to send them to: which they are is remembered.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::groups::Group;
use super::{find_mut, validation_error};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::service::Answer;
use crate::cloud::wire::Params;

/// What `Metrics` may name (API Reference, "EnableMetricsCollection").
const METRICS: [&str; 20] = [
    "GroupAndWarmPoolDesiredCapacity",
    "GroupAndWarmPoolTotalCapacity",
    "GroupDesiredCapacity",
    "GroupInServiceCapacity",
    "GroupInServiceInstances",
    "GroupMaxSize",
    "GroupMinSize",
    "GroupPendingCapacity",
    "GroupPendingInstances",
    "GroupStandbyCapacity",
    "GroupStandbyInstances",
    "GroupTerminatingCapacity",
    "GroupTerminatingInstances",
    "GroupTotalCapacity",
    "GroupTotalInstances",
    "WarmPoolDesiredCapacity",
    "WarmPoolPendingCapacity",
    "WarmPoolTerminatingCapacity",
    "WarmPoolTotalCapacity",
    "WarmPoolWarmedCapacity",
];

/// The only one there is.
const GRANULARITY: &str = "1Minute";

pub(super) fn wire(group: &Group) -> Value {
    group.metrics.iter().map(|metric| json!({ "Metric": metric, "Granularity": GRANULARITY })).collect()
}

/// The metrics that a request names; all if it names none.
fn requested(params: Params<'_>) -> Result<BTreeSet<&'static str>, AwsError> {
    let named = params.strings("Metrics");
    if named.is_empty() {
        return Ok(METRICS.into());
    }
    let known = |name| METRICS.into_iter().find(|metric| *metric == name);
    let unknown =
        |name| validation_error(format!("Metric '{name}' is not valid. Valid metrics are {}", METRICS.join(", ")));
    named.into_iter().map(|name| known(name).ok_or_else(|| unknown(name))).collect()
}

pub(super) fn enable(region: &mut Region, params: Params<'_>) -> Answer {
    let granularity = params.str("Granularity")?;
    if granularity != GRANULARITY {
        return Err(validation_error(format!(
            "Granularity {granularity} is not valid. The only valid value is {GRANULARITY}"
        )));
    }
    let metrics = requested(params)?;
    find_mut(region.autoscaling_mut(), params.str("AutoScalingGroupName")?)?.metrics.extend(metrics);
    Ok(Value::Null)
}

pub(super) fn disable(region: &mut Region, params: Params<'_>) -> Answer {
    let metrics = requested(params)?;
    let group = find_mut(region.autoscaling_mut(), params.str("AutoScalingGroupName")?)?;
    group.metrics.retain(|metric| !metrics.contains(metric));
    Ok(Value::Null)
}

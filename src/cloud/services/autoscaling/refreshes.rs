//! Instance refreshes: all instances of a group replaced, a few at a time.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::activities::moment;
use super::members::LifecycleState;
use super::{find, scaling, validation_error};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::service::Answer;
use crate::cloud::wire::{Params, timestamp};

#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
enum Status {
    InProgress,
    Successful,
    Cancelled,
}

#[derive(Clone, Debug)]
pub(super) struct Refresh {
    id: String,
    pub(super) group_name: String,
    status: Status,
    started: jiff::Timestamp,
    ended: Option<jiff::Timestamp>,
    /// The instances to be replaced.
    old: BTreeSet<String>,
    /// Of these, how many still are in the group.
    remaining: usize,
    min_healthy_percentage: i64,
    skip_matching: bool,
}

impl Refresh {
    fn percentage_complete(&self) -> usize {
        ((self.old.len() - self.remaining) * 100).checked_div(self.old.len()).unwrap_or(100)
    }

    fn end(&mut self, status: Status) {
        self.status = status;
        self.ended = Some(jiff::Timestamp::now());
    }

    fn wire(&self) -> Value {
        json!({
            "InstanceRefreshId": self.id,
            "AutoScalingGroupName": self.group_name,
            "Status": <&str>::from(self.status),
            "StartTime": timestamp(self.started),
            "EndTime": self.ended.map(timestamp),
            "PercentageComplete": self.percentage_complete(),
            "InstancesToUpdate": self.remaining,
            "Preferences": {
                "MinHealthyPercentage": self.min_healthy_percentage,
                "SkipMatching": self.skip_matching,
            },
            "Strategy": "Rolling",
        })
    }
}

pub(super) fn start(region: &mut Region, params: Params<'_>) -> Answer {
    let group = find(region.autoscaling(), params)?;
    let (name, members) = (group.name.clone(), group.members.clone());
    let present = group.settings.template.resolve(region).map_err(|error| validation_error(error.message))?.version;
    if let Some(other) = params.opt_str("Strategy").filter(|strategy| *strategy != "Rolling") {
        return Err(AwsError::unsupported(format_args!("instance refreshes of the strategy {other}")));
    }
    if running(region, &name).is_some() {
        let message = "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh.";
        return Err(AwsError::new("InstanceRefreshInProgress", message));
    }
    let none = Map::new();
    let preferences = params.object("Preferences").unwrap_or(Params::new(&none));
    let min_healthy_percentage = preferences.opt_int("MinHealthyPercentage")?.unwrap_or(90);
    if !(0..=100).contains(&min_healthy_percentage) {
        return Err(validation_error(format!(
            "1 validation error detected: Value '{min_healthy_percentage}' at 'preferences.minHealthyPercentage' failed to satisfy constraint: Member must have value between 0 and 100"
        )));
    }
    let skip_matching = preferences.opt_bool("SkipMatching") == Some(true);
    let old: BTreeSet<String> = members
        .into_iter()
        .filter(|member| member.counts() && !(skip_matching && member.template_version == present))
        .map(|member| member.instance_id)
        .collect();
    let refresh = Refresh {
        id: region.ids.uuid(),
        group_name: name,
        status: Status::InProgress,
        started: jiff::Timestamp::now(),
        ended: None,
        remaining: old.len(),
        old,
        min_healthy_percentage,
        skip_matching,
    };
    let id = refresh.id.clone();
    region.autoscaling_mut().refreshes.push(refresh);
    Ok(json!({ "InstanceRefreshId": id }))
}

pub(super) fn running<'r>(region: &'r mut Region, name: &str) -> Option<&'r mut Refresh> {
    let mut of_group = region.autoscaling_mut().refreshes.iter_mut().filter(|refresh| refresh.group_name == name);
    of_group.find(|refresh| refresh.status == Status::InProgress)
}

/// Takes old instances out of a group at full strength, as many as may be missing, but at least one; once none is
/// left and their replacements are in service, the refresh is over.
pub(super) fn advance(region: &mut Region, name: &str) {
    let Some(refresh) = running(region, name).map(|refresh| refresh.clone()) else { return };
    let Some(group) = region.autoscaling_mut().group_mut(name) else { return };
    let desired = group.settings.desired_capacity;
    let remaining: Vec<String> = group
        .members
        .iter()
        .filter(|member| member.counts() && refresh.old.contains(&member.instance_id))
        .map(|member| member.instance_id.clone())
        .collect();
    let in_service = group.members.iter().filter(|member| member.state == LifecycleState::InService).count() as i64;
    if let Some(refresh) = running(region, name) {
        refresh.remaining = remaining.len();
        if remaining.is_empty() && in_service >= desired {
            refresh.end(Status::Successful);
            return;
        }
    }
    if in_service < desired {
        return;
    }
    let must_stay = (i128::from(desired) * i128::from(refresh.min_healthy_percentage) + 99) / 100;
    let batch = usize::try_from(i128::from(in_service) - must_stay).unwrap_or(0).max(1);
    for id in remaining.into_iter().take(batch) {
        let cause = format!("At {} an instance was taken out of service in response to an instance refresh.", moment());
        scaling::terminate_member(region, name, &id, cause);
    }
}

pub(super) fn cancel(region: &mut Region, params: Params<'_>) -> Answer {
    let name = find(region.autoscaling(), params)?.name.clone();
    let Some(refresh) = running(region, &name) else {
        let message = format!("No in progress or pending Instance Refresh found for Auto Scaling group {name}");
        return Err(AwsError::new("ActiveInstanceRefreshNotFound", message));
    };
    refresh.end(Status::Cancelled);
    Ok(json!({ "InstanceRefreshId": refresh.id }))
}

/// The latest first.
pub(super) fn describe(region: &Region, params: Params<'_>) -> Answer {
    let name = &find(region.autoscaling(), params)?.name;
    let ids = params.strings("InstanceRefreshIds");
    let refreshes = region.autoscaling().refreshes.iter().rev().filter(|refresh| refresh.group_name == *name);
    let described: Value =
        refreshes.filter(|refresh| ids.is_empty() || ids.contains(&refresh.id.as_str())).map(Refresh::wire).collect();
    Ok(json!({ "InstanceRefreshes": described }))
}

//! Auto Scaling groups: creation, changes, deletion. How they get their instances is in [`super::scaling`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::activities::moment;
use super::members::Member;
use super::settings::{Settings, template_wire};
use super::tags::{self, Tag};
use super::{find, find_mut, validation_error};
use crate::cloud::ACCOUNT_ID;
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::service::Answer;
use crate::cloud::services::ec2;
use crate::cloud::wire::{Params, timestamp};

#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) arn: String,
    created: jiff::Timestamp,
    pub(super) settings: Settings,
    pub(super) tags: BTreeMap<String, Tag>,
    pub(super) members: Vec<Member>,
    suspended: BTreeSet<String>,
    /// The metrics that are collected of it, of those in [`super::metrics`].
    pub(super) metrics: BTreeSet<&'static str>,
    /// Force-deleted: it goes when its last instance has.
    pub(super) deleting: bool,
    /// A scaling activity will look at the group soon.
    pub(super) awaits_activity: bool,
    /// It is uneven, and will soon be evened out.
    pub(super) awaits_rebalancing: bool,
    /// The request that last changed the capacity, as the causes of activities begin.
    pub(super) last_change: String,
}

/// A group's processes (EC2 Auto Scaling User Guide, "Types of processes").
const PROCESSES: &[&str] = &[
    "AddToLoadBalancer",
    "AlarmNotification",
    "AZRebalance",
    "HealthCheck",
    "InstanceRefresh",
    "Launch",
    "ReplaceUnhealthy",
    "ScheduledActions",
    "Terminate",
];

impl Group {
    /// Instances that are there or coming.
    pub(super) fn capacity(&self) -> i64 {
        self.members.iter().filter(|member| member.counts()).count() as i64
    }

    pub(super) fn members_in(&self, az_name: &str) -> usize {
        self.members.iter().filter(|member| member.counts() && member.az_name == az_name).count()
    }

    pub(super) fn is_suspended(&self, process: &str) -> bool {
        self.suspended.contains(process)
    }

    /// Only a group that is not going may be changed.
    fn check_modifiable(&self) -> Result<(), AwsError> {
        if self.deleting {
            Err(validation_error("The AutoScaling group may not be modified while it is pending delete"))
        } else {
            Ok(())
        }
    }

    fn wire(&self, region: &Region, with_instances: bool) -> Value {
        let settings = &self.settings;
        let subnets = settings.subnets.iter().filter_map(|id| ec2::subnet(region, id));
        let zones: BTreeSet<_> = subnets.map(|subnet| &subnet.az_name).collect();
        let members: Value = self.members.iter().filter(|_| with_instances).map(|m| m.wire(region, None)).collect();
        let suspended = self
            .suspended
            .iter()
            .map(|process| json!({ "ProcessName": process, "SuspensionReason": "User suspended" }));
        json!({
            "AutoScalingGroupName": self.name,
            "AutoScalingGroupARN": self.arn,
            "LaunchTemplate":
                template_wire(&settings.template.id, &settings.template.name, settings.template.version.as_deref()),
            "MinSize": settings.min_size,
            "MaxSize": settings.max_size,
            "DesiredCapacity": settings.desired_capacity,
            "DefaultCooldown": settings.default_cooldown,
            "AvailabilityZones": zones,
            "LoadBalancerNames": [],
            "TargetGroupARNs": [],
            "HealthCheckType": settings.health_check_type,
            "HealthCheckGracePeriod": settings.health_check_grace_period,
            "Instances": members,
            "CreatedTime": timestamp(self.created),
            "SuspendedProcesses": suspended.collect::<Value>(),
            "VPCZoneIdentifier": settings.subnets.join(","),
            "EnabledMetrics": super::metrics::wire(self),
            "Status": self.deleting.then_some("Delete in progress"),
            "Tags": tags::wire(self),
            "TerminationPolicies": ["Default"],
            "NewInstancesProtectedFromScaleIn": settings.new_instances_protected,
            "ServiceLinkedRoleARN": format!(
                "arn:aws:iam::{ACCOUNT_ID}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
            ),
            "CapacityRebalance": settings.capacity_rebalance,
            "TrafficSources": [],
        })
    }
}

pub(super) fn create(region: &mut Region, params: Params<'_>) -> Answer {
    let name = params.str("AutoScalingGroupName")?;
    if name.len() > 255 || name.contains(':') {
        return Err(validation_error("AutoScalingGroup name must be 1 to 255 characters long, without colons"));
    }
    if let Some(there) = region.autoscaling().groups.iter().find(|group| group.name == name) {
        let pending = if there.deleting {
            " and is pending delete.  Please wait until Autoscaling completes the deletion process before creating another group with the same name."
        } else {
            ""
        };
        let message = format!(
            "AutoScalingGroup by this name already exists - A group with the name {name} already exists{pending}"
        );
        return Err(AwsError::new("AlreadyExists", message));
    }
    let settings = Settings::of_request(region, params)?;
    let desired = settings.desired_capacity;
    let id = region.ids.uuid();
    let group = Group {
        name: name.to_owned(),
        arn: region.arn("autoscaling", &format!("autoScalingGroup:{id}:autoScalingGroupName/{name}")),
        created: jiff::Timestamp::now(),
        settings,
        tags: tags::listed(params)?,
        members: Vec::new(),
        suspended: BTreeSet::new(),
        metrics: BTreeSet::new(),
        deleting: false,
        awaits_activity: false,
        awaits_rebalancing: false,
        last_change: format!(
            "At {} a user request created an AutoScalingGroup changing the desired capacity from 0 to {desired}.",
            moment()
        ),
    };
    region.autoscaling_mut().groups.push(group);
    Ok(Value::Null)
}

pub(super) fn update(region: &mut Region, params: Params<'_>) -> Answer {
    let name = params.str("AutoScalingGroupName")?;
    let found = region.autoscaling().groups.iter().find(|group| group.name == name);
    // In words of its own.
    let group = found.ok_or_else(|| validation_error("AutoScalingGroup name not found - null"))?;
    group.check_modifiable()?;
    let before = group.settings.desired_capacity;
    let settings = group.settings.clone().changed(region, params)?;
    let group = find_mut(region.autoscaling_mut(), params.str("AutoScalingGroupName")?)?;
    if settings.desired_capacity != before {
        group.last_change = format!(
            "At {} a user request update of AutoScalingGroup constraints to min: {}, max: {}, desired: {} changing the desired capacity from {before} to {}.",
            moment(),
            settings.min_size,
            settings.max_size,
            settings.desired_capacity,
            settings.desired_capacity
        );
    }
    group.settings = settings;
    Ok(Value::Null)
}

pub(super) fn set_desired_capacity(region: &mut Region, params: Params<'_>) -> Answer {
    find(region.autoscaling(), params)?.check_modifiable()?;
    let group = find_mut(region.autoscaling_mut(), params.str("AutoScalingGroupName")?)?;
    let desired = params.int("DesiredCapacity")?;
    let settings = &mut group.settings;
    let bound = if desired > settings.max_size {
        Some(("above max", settings.max_size))
    } else if desired < settings.min_size {
        Some(("below min", settings.min_size))
    } else {
        None
    };
    if let Some((words, value)) = bound {
        return Err(validation_error(format!(
            "New SetDesiredCapacity value {desired} is {words} value {value} for the AutoScalingGroup."
        )));
    }
    let before = std::mem::replace(&mut settings.desired_capacity, desired);
    group.last_change = format!(
        "At {} a user request explicitly set group desired capacity changing the desired capacity from {before} to {desired}.",
        moment()
    );
    Ok(Value::Null)
}

pub(super) fn describe(region: &Region, params: Params<'_>) -> Answer {
    let names = params.strings("AutoScalingGroupNames");
    let allowed = tags::group_filter(params)?;
    let with_instances = params.opt_bool("IncludeInstances") != Some(false);
    let groups: Value = region
        .autoscaling()
        .groups
        .iter()
        .filter(|group| names.is_empty() || names.contains(&group.name.as_str()))
        .filter(|group| allowed(group))
        .map(|group| group.wire(region, with_instances))
        .collect();
    Ok(json!({ "AutoScalingGroups": groups }))
}

/// No group has one: the local cloud has no operation that makes them.
pub(super) fn describe_hooks(region: &Region, params: Params<'_>) -> Answer {
    find(region.autoscaling(), params)?;
    Ok(json!({ "LifecycleHooks": [] }))
}

/// Without `ForceDelete` only an empty group can go.
pub(super) fn delete(region: &mut Region, params: Params<'_>) -> Answer {
    let name = find(region.autoscaling(), params)?.name.clone();
    let group = find_mut(region.autoscaling_mut(), &name)?;
    if params.opt_bool("ForceDelete") != Some(true) {
        if group.members.iter().any(Member::counts) {
            let message = "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group.";
            return Err(AwsError::new("ResourceInUse", message));
        }
        if !group.members.is_empty() {
            let message =
                "You cannot delete an AutoScalingGroup while there are scaling activities in progress for that group.";
            return Err(AwsError::new("ScalingActivityInProgress", message));
        }
    }
    group.deleting = true;
    group.settings.min_size = 0;
    group.settings.desired_capacity = 0;
    group.last_change = format!("At {} a user request force deleted the AutoScalingGroup.", moment());
    Ok(Value::Null)
}

/// The processes that a request names; all if it names none.
fn requested_processes(params: Params<'_>) -> Result<Vec<&str>, AwsError> {
    let named = params.strings("ScalingProcesses");
    match named.iter().find(|process| !PROCESSES.contains(process)) {
        Some(unknown) => Err(validation_error(format!(
            "The process type '{unknown}' is invalid. Allowed values are: {}",
            PROCESSES.join(", ")
        ))),
        None if named.is_empty() => Ok(PROCESSES.to_vec()),
        None => Ok(named),
    }
}

pub(super) fn suspend_processes(region: &mut Region, params: Params<'_>) -> Answer {
    let group = find_mut(region.autoscaling_mut(), params.str("AutoScalingGroupName")?)?;
    group.suspended.extend(requested_processes(params)?.into_iter().map(str::to_owned));
    Ok(Value::Null)
}

pub(super) fn resume_processes(region: &mut Region, params: Params<'_>) -> Answer {
    let group = find_mut(region.autoscaling_mut(), params.str("AutoScalingGroupName")?)?;
    for process in requested_processes(params)? {
        group.suspended.remove(process);
    }
    Ok(Value::Null)
}

//! Auto Scaling groups: what they are told to be.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::activities::Activity;
use super::tags::{self, Tag};
use super::{capacity, validation_error};
use crate::cloud::ec2::{self, InstanceState};
use crate::cloud::error::AwsError;
use crate::cloud::protocol::{Params, timestamp};
use crate::cloud::region::Region;

#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) arn: String,
    /// Which launch template, and which of its versions, as the request said: `$Latest` is looked up at each launch.
    pub(super) launch_template: Map<String, Value>,
    pub(super) size: Size,
    /// `VPCZoneIdentifier`'s subnets.
    pub(super) subnets: Vec<String>,
    health_check_type: String,
    health_check_grace_period: i64,
    created: Timestamp,
    pub(super) tags: Vec<Tag>,
    pub(super) members: Vec<Member>,
    pub(super) deleting: bool,
    /// A change of its instances is under way or about to be.
    pub(super) scaling: bool,
    /// Newest first.
    pub(super) activities: Vec<Activity>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    min: i64,
    max: i64,
    pub(super) desired: i64,
}

impl Size {
    fn checked(min: i64, max: i64, desired: i64) -> Result<Self, AwsError> {
        if min < 0 || min > max {
            return Err(validation_error(format!(
                "Max bound, {max}, must be greater than or equal to min bound, {min}"
            )));
        }
        if !(min..=max).contains(&desired) {
            return Err(validation_error(format!(
                "Desired capacity:{desired} must be between the specified min size:{min} and max size:{max}"
            )));
        }
        Ok(Self { min, max, desired })
    }
}

/// An instance of a group, and the launch template version it came from.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) instance_id: String,
    pub(super) template_id: String,
    pub(super) template_name: String,
    pub(super) template_version: u64,
}

impl Group {
    fn not_found(name: &str) -> AwsError {
        validation_error(format!("AutoScalingGroup name not found - AutoScalingGroup '{name}' not found"))
    }
}

pub(super) fn create(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let name = params.str("AutoScalingGroupName")?;
    if region.autoscaling.find(name).is_some() {
        return Err(AwsError::new(
            "AlreadyExists",
            "AutoScalingGroup by this name already exists - A group with the name provided already exists",
        ));
    }
    let min = params.int("MinSize")?;
    let size = Size::checked(min, params.int("MaxSize")?, params.opt_int("DesiredCapacity")?.unwrap_or(min))?;
    let launch_template = launch_template(region, params)?.ok_or_else(|| {
        validation_error(
            "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.",
        )
    })?;
    let subnets = subnets(region, params)?
        .ok_or_else(|| validation_error("At least one Availability Zone or VPC Subnet is required."))?;
    let id = region.ids.uuid();
    let arn = region.arn("autoscaling", &format!("autoScalingGroup:{id}:autoScalingGroupName/{name}"));
    let group = Group {
        name: name.to_owned(),
        arn,
        launch_template,
        size,
        subnets,
        health_check_type: params.opt_str("HealthCheckType").unwrap_or("EC2").to_owned(),
        health_check_grace_period: params.opt_int("HealthCheckGracePeriod")?.unwrap_or(0),
        created: Timestamp::now(),
        tags: tags::listed(params, Some(name))?.into_iter().map(|(_, tag)| tag).collect(),
        members: vec![],
        deleting: false,
        scaling: false,
        activities: vec![],
    };
    region.autoscaling.groups.push(group);
    Ok(json!({}))
}

pub(super) fn update(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let name = params.str("AutoScalingGroupName")?;
    let launch_template = launch_template(region, params)?;
    let subnets = subnets(region, params)?;
    let grace_period = params.opt_int("HealthCheckGracePeriod")?;
    let (min, max) = (params.opt_int("MinSize")?, params.opt_int("MaxSize")?);
    let desired = params.opt_int("DesiredCapacity")?;
    let group = standing(region, name)?;
    let (min, max) = (min.unwrap_or(group.size.min), max.unwrap_or(group.size.max));
    group.size = Size::checked(min, max, desired.unwrap_or(group.size.desired.clamp(min, max.max(min))))?;
    if let Some(launch_template) = launch_template {
        group.launch_template = launch_template;
    }
    if let Some(subnets) = subnets {
        group.subnets = subnets;
    }
    if let Some(grace_period) = grace_period {
        group.health_check_grace_period = grace_period;
    }
    if let Some(health_check_type) = params.opt_str("HealthCheckType") {
        group.health_check_type = health_check_type.to_owned();
    }
    Ok(json!({}))
}

pub(super) fn set_desired_capacity(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let desired = params.int("DesiredCapacity")?;
    let group = standing(region, params.str("AutoScalingGroupName")?)?;
    if desired > group.size.max {
        return Err(validation_error(format!(
            "New SetDesiredCapacity value {desired} is above max value {} for the AutoScalingGroup.",
            group.size.max
        )));
    }
    if desired < group.size.min {
        return Err(validation_error(format!(
            "New SetDesiredCapacity value {desired} is below min value {} for the AutoScalingGroup.",
            group.size.min
        )));
    }
    group.size.desired = desired;
    Ok(json!({}))
}

pub(super) fn delete(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let name = params.str("AutoScalingGroupName")?;
    let force = params.opt_bool("ForceDelete").unwrap_or(false);
    let group = region.autoscaling.find_mut(name).ok_or_else(|| Group::not_found(name))?;
    if group.deleting {
        return Ok(json!({}));
    }
    if !force && !group.members.is_empty() {
        return Err(AwsError::new(
            "ResourceInUse",
            "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group.",
        ));
    }
    if !force && group.scaling {
        return Err(AwsError::new(
            "ScalingActivityInProgress",
            "You cannot delete an AutoScalingGroup while there are scaling activities in progress for that group.",
        ));
    }
    group.deleting = true;
    group.size = Size { min: 0, max: 0, desired: 0 };
    Ok(json!({}))
}

pub(super) fn describe(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let names = params.strings("AutoScalingGroupNames");
    let filters = params.objects("Filters");
    let mut groups = vec![];
    for group in &region.autoscaling.groups {
        if (names.is_empty() || names.contains(&group.name.as_str())) && tags::match_filters(&group.tags, &filters)? {
            groups.push(wire(region, group));
        }
    }
    Ok(json!({ "AutoScalingGroups": groups }))
}

pub(super) fn describe_instances(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let ids = params.strings("InstanceIds");
    let mut instances = vec![];
    for group in &region.autoscaling.groups {
        for member in group.members.iter().filter(|member| ids.is_empty() || ids.contains(&member.instance_id.as_str()))
        {
            let mut instance = member_wire(region, member);
            instance["AutoScalingGroupName"] = json!(group.name);
            // Here AWS writes it in capitals, in DescribeAutoScalingGroups in title case.
            instance["HealthStatus"] = json!("HEALTHY");
            instances.push(instance);
        }
    }
    Ok(json!({ "AutoScalingInstances": instances }))
}

/// A group that can still be changed.
fn standing<'r>(region: &'r mut Region, name: &str) -> Result<&'r mut Group, AwsError> {
    let group = region.autoscaling.find_mut(name).ok_or_else(|| Group::not_found(name))?;
    if group.deleting {
        return Err(AwsError::new(
            "ScalingActivityInProgress",
            format!("AutoScalingGroup {name} is pending delete and cannot be changed."),
        ));
    }
    Ok(group)
}

/// The template that the request names, if it can be launched from.
fn launch_template(region: &Region, params: Params<'_>) -> Result<Option<Map<String, Value>>, AwsError> {
    let Some(specification) = params.object("LaunchTemplate") else { return Ok(None) };
    let usable = ec2::resolve(&region.ec2, specification).and_then(|template| ec2::check(region, &template));
    match usable {
        Ok(()) => Ok(Some(specification.map().clone())),
        Err(error) => {
            Err(validation_error(format!("You must use a valid fully-formed launch template. {}", error.message)))
        }
    }
}

fn subnets(region: &Region, params: Params<'_>) -> Result<Option<Vec<String>>, AwsError> {
    let Some(list) = params.opt_str("VPCZoneIdentifier") else { return Ok(None) };
    let ids: Vec<String> = list.split(',').map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()).collect();
    for id in &ids {
        if ec2::subnet(region, id).is_none() {
            return Err(validation_error(format!("The subnet ID '{id}' does not exist")));
        }
    }
    Ok(Some(ids))
}

fn wire(region: &Region, group: &Group) -> Value {
    let mut zones: Vec<&str> =
        group.subnets.iter().filter_map(|id| ec2::subnet(region, id)).map(|subnet| subnet.az_name.as_str()).collect();
    zones.sort_unstable();
    zones.dedup();
    json!({
        "AutoScalingGroupName": group.name,
        "AutoScalingGroupARN": group.arn,
        "LaunchTemplate": template_wire(region, group),
        "MinSize": group.size.min,
        "MaxSize": group.size.max,
        "DesiredCapacity": group.size.desired,
        // Auto Scaling's default, in seconds.
        "DefaultCooldown": 300,
        "AvailabilityZones": zones,
        "LoadBalancerNames": [],
        "TargetGroupARNs": [],
        "HealthCheckType": group.health_check_type,
        "HealthCheckGracePeriod": group.health_check_grace_period,
        "Instances": group.members.iter().map(|member| member_wire(region, member)).collect::<Vec<_>>(),
        "CreatedTime": timestamp(group.created),
        "SuspendedProcesses": [],
        "VPCZoneIdentifier": group.subnets.join(","),
        "EnabledMetrics": [],
        "Status": group.deleting.then_some("Delete in progress"),
        "Tags": group.tags.iter().map(|tag| tag.wire(&group.name)).collect::<Vec<_>>(),
        "TerminationPolicies": ["Default"],
        "NewInstancesProtectedFromScaleIn": false,
        "ServiceLinkedRoleARN": format!(
            "arn:aws:iam::{}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling",
            crate::cloud::ACCOUNT_ID
        ),
        "TrafficSources": [],
    })
}

/// The template with ID and name, and the version as it was asked for.
fn template_wire(region: &Region, group: &Group) -> Value {
    let specification = Params::new(&group.launch_template);
    let resolved = ec2::resolve(&region.ec2, specification).ok();
    json!({
        "LaunchTemplateId": resolved.as_ref().map(|template| template.id.as_str()).or(specification.opt_str("LaunchTemplateId")),
        "LaunchTemplateName": resolved.as_ref().map(|template| template.name.as_str()).or(specification.opt_str("LaunchTemplateName")),
        "Version": specification.opt_str("Version"),
    })
}

fn member_wire(region: &Region, member: &Member) -> Value {
    let instance = ec2::instance(region, &member.instance_id);
    let lifecycle = match instance.map(|instance| instance.state) {
        Some(InstanceState::Pending) => "Pending",
        Some(InstanceState::Running) => "InService",
        _ => "Terminating",
    };
    json!({
        "InstanceId": member.instance_id,
        "InstanceType": instance.map(|instance| instance.instance_type.as_str()),
        "AvailabilityZone": instance.map(|instance| instance.az_name.as_str()),
        "LifecycleState": lifecycle,
        "HealthStatus": if capacity::is_live(region, member) { "Healthy" } else { "Unhealthy" },
        "LaunchTemplate": {
            "LaunchTemplateId": member.template_id,
            "LaunchTemplateName": member.template_name,
            "Version": member.template_version.to_string(),
        },
        "ProtectedFromScaleIn": false,
    })
}

//! The instances of a group.

use serde_json::{Value, json};

use super::activities::moment;
use super::scaling;
use super::settings::template_wire;
use super::{find_mut, validation_error};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::service::Answer;
use crate::cloud::services::ec2;
use crate::cloud::wire::Params;

#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
pub(super) enum LifecycleState {
    Pending,
    InService,
    Terminating,
}

#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) instance_id: String,
    pub(super) az_name: String,
    pub(super) state: LifecycleState,
    /// The scaling activity that the present state ends with.
    pub(super) activity_id: String,
    pub(super) template_id: String,
    pub(super) template_name: String,
    pub(super) template_version: u64,
    pub(super) protected: bool,
}

impl Member {
    /// Whether it makes part of the group's capacity.
    pub(super) fn counts(&self) -> bool {
        self.state != LifecycleState::Terminating
    }

    /// As a group lists it, or with the group's name as instances are listed by themselves.
    pub(super) fn wire(&self, region: &Region, group_name: Option<&str>) -> Value {
        let instance = ec2::instance(region, &self.instance_id);
        let running = instance.is_some_and(|instance| {
            matches!(instance.state, ec2::InstanceState::Pending | ec2::InstanceState::Running)
        });
        // The two lists spell it differently.
        let health = match (running, group_name) {
            (true, None) => "Healthy",
            (true, Some(_)) => "HEALTHY",
            (false, None) => "Unhealthy",
            (false, Some(_)) => "UNHEALTHY",
        };
        json!({
            "InstanceId": self.instance_id,
            "InstanceType": instance.map(|instance| &instance.instance_type),
            "AutoScalingGroupName": group_name,
            "AvailabilityZone": self.az_name,
            "LifecycleState": <&str>::from(self.state),
            "HealthStatus": health,
            "LaunchTemplate":
                template_wire(&self.template_id, &self.template_name, Some(&self.template_version.to_string())),
            "ProtectedFromScaleIn": self.protected,
        })
    }
}

pub(super) fn describe(region: &Region, params: Params<'_>) -> Answer {
    let ids = params.strings("InstanceIds");
    let groups = region.autoscaling().groups.iter();
    let members = groups.flat_map(|group| group.members.iter().map(move |member| (group, member)));
    let described: Value = members
        .filter(|(_, member)| ids.is_empty() || ids.contains(&member.instance_id.as_str()))
        .map(|(group, member)| member.wire(region, Some(&group.name)))
        .collect();
    Ok(json!({ "AutoScalingInstances": described }))
}

/// "You can specify up to 50 instances" (API Reference, "SetInstanceProtection").
const MOST_PROTECTED_AT_ONCE: usize = 50;

/// All of the instances that a request names, or none. An instance that is starting or going cannot be protected yet, or any
/// more (guardian/riff-raff#510, infrahouse/infrahouse-toolkit#223).
pub(super) fn set_protection(region: &mut Region, params: Params<'_>) -> Answer {
    let ids = params.strings("InstanceIds");
    let protected =
        params.opt_bool("ProtectedFromScaleIn").ok_or_else(|| AwsError::missing_parameter("ProtectedFromScaleIn"))?;
    if ids.is_empty() || ids.len() > MOST_PROTECTED_AT_ONCE {
        let message = format!("InstanceIds must have 1 to {MOST_PROTECTED_AT_ONCE} members");
        return Err(validation_error(message));
    }
    let group = find_mut(region.autoscaling_mut(), params.str("AutoScalingGroupName")?)?;
    for id in &ids {
        let member = group.members.iter().find(|member| member.instance_id == *id);
        let Some(member) = member else {
            return Err(validation_error(format!(
                "The instance {id} is not part of Auto Scaling group {}.",
                group.name
            )));
        };
        if member.state != LifecycleState::InService {
            let message = format!("The instance {id} is not in InService or EnteringStandby or Standby.");
            return Err(validation_error(message));
        }
    }
    for member in group.members.iter_mut().filter(|member| ids.contains(&member.instance_id.as_str())) {
        member.protected = protected;
    }
    Ok(json!({}))
}

pub(super) fn terminate(region: &mut Region, params: Params<'_>) -> Answer {
    let id = params.str("InstanceId")?;
    let decrement = params.opt_bool("ShouldDecrementDesiredCapacity") == Some(true);
    let holds = |member: &Member| member.instance_id == id && member.counts();
    let group =
        region.autoscaling_mut().groups.iter_mut().find(|group| group.members.iter().any(holds)).ok_or_else(|| {
            validation_error(format!("Instance Id not found - No managed instance found for instance ID: {id}"))
        })?;
    if decrement {
        if group.settings.desired_capacity <= group.settings.min_size {
            return Err(validation_error(format!(
                "Currently, desiredSize equals minSize ({}). Terminating instance without replacement will violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's min size.",
                group.settings.min_size
            )));
        }
        group.settings.desired_capacity -= 1;
    }
    let name = group.name.clone();
    let cause = format!("At {} an instance was taken out of service in response to a user request.", moment());
    let activity_id = scaling::terminate_member(region, &name, id, cause).unwrap_or_default();
    Ok(json!({ "Activity": region.autoscaling().activity(&activity_id) }))
}

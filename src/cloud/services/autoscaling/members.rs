//! The instances of a group.

use serde_json::{Value, json};

use super::activities::moment;
use super::scaling;
use super::settings::template_wire;
use super::validation_error;
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

//! Bringing groups to their capacity: instances launched where a group has fewest, terminated where it has most.

use std::time::Duration;

use serde_json::json;

use super::activities::{Status, moment, record};
use super::groups::Group;
use super::members::{LifecycleState, Member};
use super::{refreshes, tags};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::schedule::Transition;
use crate::cloud::services::ec2::{self, InstanceState, Subnet};

/// A group whose launches fail tries again after about a minute (and then ever less often, on AWS).
const RETRY_ON_AWS: Duration = Duration::from_secs(60);

/// However fast times pass, a failing launch is no busy loop.
const SHORTEST_RETRY: Duration = Duration::from_millis(500);

/// Follows what became of the groups' instances, and sees to it that a scaling activity takes up every difference
/// between wanted and actual capacity.
pub(crate) fn reconcile(region: &mut Region) {
    let names: Vec<String> = region.autoscaling().groups.iter().map(|group| group.name.clone()).collect();
    for name in names {
        follow_instances(region, &name);
        refreshes::advance(region, &name);
        let Some(group) = region.autoscaling_mut().group_mut(&name) else { continue };
        if group.deleting {
            empty_out(region, &name);
        } else if !group.awaits_activity && difference(group) != 0 {
            group.awaits_activity = true;
            region.after(Transition::ScalingActivity, move |region| act(region, &name));
        } else if !group.awaits_rebalancing
            && is_uneven(region, &name)
            && refreshes::running(region, &name).is_none()
            && let Some(group) = region.autoscaling_mut().group_mut(&name)
        {
            group.awaits_rebalancing = true;
            later(region, name, rebalance);
        }
    }
}

/// Whether a settled group has two instances more in one of its zones than in another.
fn is_uneven(region: &Region, name: &str) -> bool {
    let Some(group) = region.autoscaling().groups.iter().find(|group| group.name == name) else { return false };
    let zones = group.settings.subnets.iter().filter_map(|id| ec2::subnet(region, id));
    let counts: Vec<_> = zones.map(|subnet| group.members_in(&subnet.az_name)).collect();
    let uneven = counts.iter().max().zip(counts.iter().min()).is_some_and(|(most, least)| most - least > 1);
    uneven && difference(group) == 0 && !group.deleting && !group.is_suspended("AZRebalance")
}

/// Looks at a group again after a while.
fn later(region: &mut Region, name: String, look: fn(&mut Region, &str)) {
    let delay = region.schedule.pace.scale(RETRY_ON_AWS).max(SHORTEST_RETRY);
    region.after_real_time(delay, move |region| look(region, &name));
}

/// Launches where there is least, before the group, then one too large, terminates where it has most (EC2 Auto Scaling
/// User Guide, "Availability Zone rebalancing").
fn rebalance(region: &mut Region, name: &str) {
    let Some(group) = region.autoscaling_mut().group_mut(name) else { return };
    group.awaits_rebalancing = false;
    let group = group.clone();
    if is_uneven(region, name)
        && let Some(subnet) = emptiest_subnet(region, &group, &[])
        && let Err(error) = launch_into(region, &group, &subnet)
    {
        record_failure(region, &group, &subnet, &error);
    }
}

/// Moves members on as their instances do; one that ends without the group's doing is to be replaced.
fn follow_instances(region: &mut Region, name: &str) {
    let Some(group) = region.autoscaling_mut().group_mut(name) else { return };
    let mut members = std::mem::take(&mut group.members);
    let (mut over, mut lost) = (Vec::new(), Vec::new());
    members.retain_mut(|member| {
        let state = ec2::instance(region, &member.instance_id).map(|instance| instance.state);
        let ended = matches!(state, None | Some(InstanceState::Terminated));
        match member.state {
            LifecycleState::Pending if state == Some(InstanceState::Running) => {
                member.state = LifecycleState::InService;
                over.push(member.activity_id.clone());
            }
            LifecycleState::Pending | LifecycleState::InService
                if ended || state == Some(InstanceState::ShuttingDown) =>
            {
                lost.push(member.instance_id.clone());
            }
            LifecycleState::Terminating if ended => {
                over.push(member.activity_id.clone());
                return false;
            }
            _ => {}
        }
        true
    });
    if let Some(group) = region.autoscaling_mut().group_mut(name) {
        group.members = members;
    }
    for activity_id in over {
        region.autoscaling_mut().end(&activity_id, &Status::Successful);
    }
    for id in lost {
        let cause = format!(
            "At {} an instance was taken out of service in response to an EC2 health check indicating it has been terminated or stopped.",
            moment()
        );
        terminate_member(region, name, &id, cause);
    }
}

/// A force-deleted group terminates all its instances, and goes when the last one has.
fn empty_out(region: &mut Region, name: &str) {
    let Some(group) = region.autoscaling_mut().group_mut(name) else { return };
    if group.members.is_empty() {
        let state = region.autoscaling_mut();
        state.groups.retain(|group| group.name != name);
        state.refreshes.retain(|refresh| refresh.group_name != name);
        return;
    }
    let cause = group.last_change.clone();
    let counting = group.members.iter().filter(|member| member.counts());
    for id in counting.map(|member| member.instance_id.clone()).collect::<Vec<_>>() {
        terminate_member(region, name, &id, cause.clone());
    }
}

/// Instances that a group lacks; negative: has too many. What is suspended does not count.
fn difference(group: &Group) -> i64 {
    match group.settings.desired_capacity - group.capacity() {
        lacking if lacking > 0 && group.is_suspended("Launch") => 0,
        surplus if surplus < 0 && group.is_suspended("Terminate") => 0,
        difference => difference,
    }
}

/// One scaling activity of a group: launches what it lacks, or terminates what it has too many.
fn act(region: &mut Region, name: &str) {
    let Some(group) = region.autoscaling_mut().group_mut(name) else { return };
    group.awaits_activity = false;
    if group.deleting {
        return;
    }
    match difference(group) {
        0 => {}
        lacking if lacking > 0 => launch(region, name, lacking),
        surplus => scale_in(region, name, -surplus),
    }
}

/// Launches as many as it can. A zone in which a launch fails is passed over, unless it would fail in any; if that leaves
/// some to be launched, or the launch template is invalid, it tries again later.
fn launch(region: &mut Region, name: &str, count: i64) {
    let mut missing = count;
    let mut passed_over: Vec<String> = Vec::new();
    while missing > 0 {
        let Some(group) = region.autoscaling_mut().group_mut(name).map(|group| group.clone()) else { return };
        let Some(subnet) = emptiest_subnet(region, &group, &passed_over) else { break };
        match launch_into(region, &group, &subnet) {
            Ok(()) => missing -= 1,
            Err(error) => {
                record_failure(region, &group, &subnet, &error);
                if matches!(error.code.as_str(), "AccessDenied" | "InvalidParameterValue") {
                    break;
                }
                passed_over.push(subnet.az_name);
            }
        }
    }
    if missing > 0
        && let Some(group) = region.autoscaling_mut().group_mut(name)
    {
        group.awaits_activity = true;
        later(region, name.to_owned(), act);
    }
}

/// A subnet of the zone where the group has fewest instances; of equals the first one that the group names.
fn emptiest_subnet(region: &Region, group: &Group, passed_over: &[String]) -> Option<Subnet> {
    let subnets = group.settings.subnets.iter().filter_map(|id| ec2::subnet(region, id));
    subnets
        .filter(|subnet| !passed_over.contains(&subnet.az_name))
        .min_by_key(|subnet| group.members_in(&subnet.az_name))
        .cloned()
}

fn launch_into(region: &mut Region, group: &Group, subnet: &Subnet) -> Result<(), AwsError> {
    let template = group.settings.template.resolve(region)?;
    let instance_id = ec2::launch(region, &template, (&subnet.id, group.settings.location), tags::at_launch(group))?;
    let before = group.capacity();
    let cause = format!(
        "{}  At {} an instance was started in response to a difference between desired and actual capacity, increasing the capacity from {before} to {}.",
        group.last_change,
        moment(),
        before + 1
    );
    let description = format!("Launching a new EC2 instance: {instance_id}");
    let activity_id = record(region, group, Status::InProgress, description, cause, &details(subnet));
    if let Some(group) = region.autoscaling_mut().group_mut(&group.name) {
        group.members.push(Member {
            instance_id,
            az_name: subnet.az_name.clone(),
            state: LifecycleState::Pending,
            activity_id,
            template_id: template.id,
            template_name: template.name,
            template_version: template.version,
            protected: group.settings.new_instances_protected,
        });
    }
    Ok(())
}

fn record_failure(region: &mut Region, group: &Group, subnet: &Subnet, error: &AwsError) {
    let message = format!("{}. Launching EC2 instance failed.", error.message.trim_end_matches('.'));
    let cause = format!(
        "{}  At {} an instance was started in response to a difference between desired and actual capacity.",
        group.last_change,
        moment()
    );
    let description = format!("Launching a new EC2 instance.  Status Reason: {message}");
    record(region, group, Status::Failed { message }, description, cause, &details(subnet));
}

fn details(subnet: &Subnet) -> serde_json::Value {
    json!({ "Subnet ID": subnet.id, "Availability Zone": subnet.az_name })
}

/// Terminates where the group has most; there, an instance of another launch template version than the present one
/// before others, an older one before a newer.
fn scale_in(region: &mut Region, name: &str, count: i64) {
    for _ in 0..count {
        let Some(group) = region.autoscaling_mut().group_mut(name).map(|group| group.clone()) else { return };
        let present = group.settings.template.resolve(region).ok().map(|template| template.version);
        let candidates = group.members.iter().filter(|member| member.counts() && !member.protected);
        let victim = candidates.min_by_key(|member| {
            (std::cmp::Reverse(group.members_in(&member.az_name)), Some(member.template_version) == present)
        });
        let Some(victim) = victim else { return };
        let cause = format!(
            "{}  At {} an instance was taken out of service in response to a difference between desired and actual capacity, shrinking the capacity from {} to {}.  At {} instance {} was selected for termination.",
            group.last_change,
            moment(),
            group.capacity(),
            group.capacity() - 1,
            moment(),
            victim.instance_id
        );
        terminate_member(region, name, &victim.instance_id, cause);
    }
}

/// Begins the end of one of a group's instances. Answers with the ID of the scaling activity.
pub(super) fn terminate_member(region: &mut Region, name: &str, instance_id: &str, cause: String) -> Option<String> {
    let group = region.autoscaling_mut().group_mut(name)?.clone();
    let member = group.members.iter().find(|member| member.instance_id == instance_id && member.counts())?;
    if member.state == LifecycleState::Pending {
        region.autoscaling_mut().end(&member.activity_id, &Status::Cancelled);
    }
    let details = json!({ "Availability Zone": member.az_name });
    let description = format!("Terminating EC2 instance: {instance_id}");
    let activity_id = record(region, &group, Status::InProgress, description, cause, &details);
    let mut members = region.autoscaling_mut().group_mut(name)?.members.iter_mut();
    let member = members.find(|member| member.instance_id == instance_id)?;
    member.state = LifecycleState::Terminating;
    member.activity_id.clone_from(&activity_id);
    ec2::terminate(region, instance_id, "User initiated");
    Some(activity_id)
}

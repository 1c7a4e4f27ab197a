//! Brings groups to their desired capacity: launches where a zone has the fewest instances, terminates where it has the
//! most, replaces what has gone.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::Duration;

use super::activities;
use super::groups::{Group, Member};
use crate::cloud::ec2::{self, InstanceState, TagMap};
use crate::cloud::protocol::Params;
use crate::cloud::region::Region;
use crate::cloud::schedule::Step;

/// Starts a scaling activity for every group whose instances are not as many as wanted, and lets deleted groups go.
pub(crate) fn reconcile(region: &mut Region) {
    let names: Vec<String> = region.autoscaling.groups.iter().map(|group| group.name.clone()).collect();
    for name in names {
        drop_terminated(region, &name);
        let Some(group) = region.autoscaling.find(&name) else { continue };
        if group.deleting && group.members.is_empty() {
            region.autoscaling.groups.retain(|group| group.name != name);
        } else if !group.scaling && live(region, group).count() as i64 != group.size.desired {
            if let Some(group) = region.autoscaling.find_mut(&name) {
                group.scaling = true;
            }
            region.after(Step::ScalingActivity, move |region| scale(region, &name));
        }
    }
}

/// Whether an instance counts towards the capacity.
pub(super) fn is_live(region: &Region, member: &Member) -> bool {
    ec2::instance(region, &member.instance_id)
        .is_some_and(|instance| matches!(instance.state, InstanceState::Pending | InstanceState::Running))
}

fn live<'r>(region: &'r Region, group: &'r Group) -> impl Iterator<Item = &'r Member> {
    group.members.iter().filter(|member| is_live(region, member))
}

fn drop_terminated(region: &mut Region, name: &str) {
    let Some(group) = region.autoscaling.find(name) else { return };
    let gone: Vec<String> = group
        .members
        .iter()
        .filter(|member| {
            ec2::instance(region, &member.instance_id)
                .is_none_or(|instance| instance.state == InstanceState::Terminated)
        })
        .map(|member| member.instance_id.clone())
        .collect();
    if let Some(group) = region.autoscaling.find_mut(name)
        && !gone.is_empty()
    {
        group.members.retain(|member| !gone.contains(&member.instance_id));
    }
}

/// How long a group waits after a failed launch. In real time, since at an instant pace it would try without end.
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// One scaling activity: as many launches or terminations as it takes. A launch that fails is tried again later, as AWS
/// does.
fn scale(region: &mut Region, name: &str) {
    while let Some(group) = region.autoscaling.find(name) {
        let (count, desired) = (live(region, group).count() as i64, group.size.desired);
        match count.cmp(&desired) {
            Ordering::Less if launch_one(region, name, count, desired) => {}
            Ordering::Less => {
                let name = name.to_owned();
                region.after_real_time(RETRY_DELAY, move |region| scale(region, &name));
                return;
            }
            Ordering::Greater => terminate_one(region, name, count, desired),
            Ordering::Equal => break,
        }
    }
    if let Some(group) = region.autoscaling.find_mut(name) {
        group.scaling = false;
    }
}

/// Live instances in each of the group's subnets; the subnets without any are there, too.
fn by_subnet(region: &Region, group: &Group) -> BTreeMap<String, usize> {
    let mut counts: BTreeMap<String, usize> = group.subnets.iter().map(|subnet| (subnet.clone(), 0)).collect();
    for member in live(region, group) {
        if let Some(instance) = ec2::instance(region, &member.instance_id) {
            *counts.entry(instance.subnet_id.clone()).or_default() += 1;
        }
    }
    counts
}

fn launch_one(region: &mut Region, name: &str, count: i64, desired: i64) -> bool {
    let Some(group) = region.autoscaling.find(name) else { return false };
    let counts = by_subnet(region, group);
    let order = |subnet: &&String| counts.get(subnet.as_str()).copied().unwrap_or(0);
    let Some(subnet) = group.subnets.iter().min_by_key(order).cloned() else { return false };
    let mut tags: TagMap = group
        .tags
        .iter()
        .filter(|tag| tag.propagate_at_launch)
        .map(|tag| (tag.key.clone(), tag.value.clone()))
        .collect();
    tags.insert("aws:autoscaling:groupName".to_owned(), name.to_owned());
    let specification = group.launch_template.clone();
    let launched = ec2::resolve(&region.ec2, Params::new(&specification)).and_then(|template| {
        let id = ec2::launch(region, &template, &subnet, tags)?;
        Ok(Member {
            instance_id: id,
            template_id: template.id,
            template_name: template.name,
            template_version: template.version,
        })
    });
    let cause = format!(
        "At {} an instance was started in response to a difference between desired and actual capacity, increasing the capacity from {count} to {desired}.",
        jiff::Timestamp::now()
    );
    match launched {
        Ok(member) => {
            let description = format!("Launching a new EC2 instance: {}", member.instance_id);
            if let Some(group) = region.autoscaling.find_mut(name) {
                group.members.push(member);
            }
            activities::record(region, name, description, cause, None);
            true
        }
        Err(error) => {
            let failure = format!("{} Launching EC2 instance failed.", error.message);
            activities::record(region, name, "Launching a new EC2 instance.".to_owned(), cause, Some(failure));
            false
        }
    }
}

fn terminate_one(region: &mut Region, name: &str, count: i64, desired: i64) {
    let Some(group) = region.autoscaling.find(name) else { return };
    let counts = by_subnet(region, group);
    let crowding = |member: &&Member| {
        ec2::instance(region, &member.instance_id).and_then(|instance| counts.get(&instance.subnet_id)).copied()
    };
    let Some(victim) = live(region, group).max_by_key(crowding).map(|member| member.instance_id.clone()) else {
        return;
    };
    let cause = format!(
        "At {} an instance was taken out of service in response to a difference between desired and actual capacity, shrinking the capacity from {count} to {desired}.",
        jiff::Timestamp::now()
    );
    ec2::terminate(region, &victim, "Service initiated");
    activities::record(region, name, format!("Terminating EC2 instance: {victim}"), cause, None);
}

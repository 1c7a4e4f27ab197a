//! Step 4, the end: the instances have joined the cluster, evenly over the zones. This is what services need: an Auto
//! Scaling group counts as in service with its minimum of one, and an instance runs a while before its agent registers.

use std::collections::BTreeMap;

use aws_sdk_autoscaling::types::{Activity, ScalingActivityStatusCode};
use aws_sdk_ec2::types::InstanceStateName;
use aws_sdk_ecs::types::{ContainerInstance, ContainerInstanceStatus};
use tokio::time::Instant;

use super::auto_scaling_group::Fleet;
use super::ecs_cluster::{EcsCluster, find_remaining};
use super::network::Network;
use super::removal::{Remaining, Removal};
use super::wait::{Poll, wait};
use super::{Context, Error};
use crate::aws::AzName;
use crate::aws::error::optional;
use crate::aws::tags::{self, Tagged};
use crate::events::Event;
use crate::plan::Kind;

/// Proof that there are instances for the tasks: as many as wanted, registered, in all zones.
pub(crate) struct Capacity(());

impl Capacity {
    pub(crate) fn foreseen() -> Self {
        Self(())
    }
}

pub(crate) async fn wait_for_instances(
    ctx: &Context,
    cluster: &EcsCluster,
    fleet: &Fleet,
    network: &Network,
) -> Result<Capacity, Error> {
    let step = Kind::ContainerInstance.step();
    let what = format!("{} instances in cluster {}", fleet.instances, cluster.name);
    let started = Instant::now();
    wait(ctx, step, &what, async || {
        let mut active = find_active(ctx, &cluster.name).await?;
        // ECS places no task where it hears of no agent.
        active.retain(ContainerInstance::agent_connected);
        let mut by_zone: BTreeMap<AzName, u32> =
            network.subnets.iter().map(|subnet| (subnet.zone.clone(), 0)).collect();
        for zone in active.iter().filter_map(zone) {
            *by_zone.entry(zone).or_default() += 1;
        }
        if is_enough(&by_zone, fleet.instances) {
            return Ok(Poll::Done(()));
        }
        let mut state = by_zone.iter().map(|(zone, n)| format!("{n} in {zone}")).collect::<Vec<_>>().join(", ");
        match find_failed_launch(ctx, &fleet.group).await? {
            Some(Attempt { reason, is_newest: true }) if !is_passing(&reason) => {
                let reason = format!("{reason}{}", advice(&reason));
                return Ok(Poll::Failed { state, reason });
            }
            Some(Attempt { reason, .. }) => state.push_str(&format!("; {reason}")),
            None => {}
        }
        Ok(Poll::pending(state))
    })
    .await?;
    ctx.events.send(Event::Found { step, what: format!("{what}, after {} s", started.elapsed().as_secs()) });
    Ok(Capacity(()))
}

/// Whether there are as many as wanted, and no zone has two more than another: an uneven cluster cannot hold an even service.
fn is_enough(by_zone: &BTreeMap<AzName, u32>, wanted: u32) -> bool {
    let (least, most) = (by_zone.values().min(), by_zone.values().max());
    by_zone.values().sum::<u32>() >= wanted && least.zip(most).is_some_and(|(least, most)| most - least <= 1)
}

/// Finds the registered instances that take tasks, whether their agents are connected now or not.
pub(super) async fn find_active(ctx: &Context, cluster: &str) -> Result<Vec<ContainerInstance>, Error> {
    let arns = list(ctx, cluster, Some(ContainerInstanceStatus::Active)).await?;
    let mut instances = describe(ctx, cluster, &arns).await?;
    instances.retain(|instance| instance.status() == Some("ACTIVE"));
    Ok(instances)
}

pub(super) async fn describe(ctx: &Context, cluster: &str, arns: &[String]) -> Result<Vec<ContainerInstance>, Error> {
    let mut instances = vec![];
    for arns in arns.chunks(100) {
        let request = ctx.clients.ecs.describe_container_instances().cluster(cluster);
        let request = request.set_container_instances(Some(arns.to_vec()));
        let answer = ctx.look("ecs:DescribeContainerInstances", request.send()).await?;
        instances.extend(answer.container_instances.unwrap_or_default());
    }
    Ok(instances)
}

async fn list(ctx: &Context, cluster: &str, status: Option<ContainerInstanceStatus>) -> Result<Vec<String>, Error> {
    let request = ctx.clients.ecs.list_container_instances().cluster(cluster).set_status(status);
    let mut pages = request.into_paginator().send();
    // No cluster, no instances.
    let pages = optional(ctx.pages("ecs:ListContainerInstances", async || pages.next().await).await)?;
    let arns = pages.into_iter().flatten().flat_map(|page| page.container_instance_arns.unwrap_or_default());
    Ok(arns.collect())
}

pub(super) fn zone(instance: &ContainerInstance) -> Option<AzName> {
    let attribute = instance.attributes().iter().find(|attribute| attribute.name() == "ecs.availability-zone");
    attribute.and_then(|attribute| attribute.value()).map(AzName::new)
}

/// A failed attempt of the group to change its instances.
struct Attempt {
    /// The reason, in AWS's words.
    reason: String,
    /// Whether nothing has been tried since.
    is_newest: bool,
}

/// How many attempts are looked at: each zone's instances are one of their own, so the newest may hide another's failure.
const ATTEMPTS_LOOKED_AT: i32 = 10;

/// Finds the newest attempt in this run that failed.
async fn find_failed_launch(ctx: &Context, group: &str) -> Result<Option<Attempt>, Error> {
    let request = ctx.clients.autoscaling.describe_scaling_activities().auto_scaling_group_name(group);
    let request = request.max_records(ATTEMPTS_LOOKED_AT);
    let answer = ctx.look("autoscaling:DescribeScalingActivities", request.send()).await?;
    // One that failed before this run may be fixed by now, and the group has not tried again yet.
    let failed = |(_, activity): &(usize, &Activity)| {
        activity.status_code() == Some(&ScalingActivityStatusCode::Failed)
            && activity.start_time().is_some_and(|time| ctx.is_of_this_run(time))
    };
    Ok(answer.activities().iter().enumerate().find(failed).map(|(place, activity)| Attempt {
        reason: activity.status_message().unwrap_or("AWS gives no reason").to_owned(),
        is_newest: place == 0,
    }))
}

/// Whether the reason may pass: the group tries again, elsewhere or later.
fn is_passing(reason: &str) -> bool {
    ["do not have sufficient", "InsufficientInstanceCapacity", "RequestLimitExceeded", "Invalid IAM Instance Profile"]
        .iter()
        .any(|passing| reason.contains(passing))
}

/// What to do about a failed launch, where AWS's words do not say it.
fn advice(reason: &str) -> &'static str {
    if reason.contains("not eligible for Free Tier") {
        " The account is on AWS's Free plan: upgrade it to the paid plan, or use --instance-type c7i-flex.large"
    } else {
        ""
    }
}

/// The records that terminated instances leave if their agents did not sign off.
pub(crate) struct Registration;

impl Removal for Registration {
    const KIND: Kind = Kind::ContainerInstance;

    async fn list(ctx: &Context) -> Result<Vec<Remaining>, Error> {
        let Some(cluster) = find_remaining(ctx).await? else { return Ok(vec![]) };
        let arns = list(ctx, &ctx.names.cluster, None).await?;
        Ok(arns.into_iter().map(|arn| Remaining { id: arn, ours: cluster.ours, leaving: false }).collect())
    }

    async fn delete(ctx: &Context, id: &str) -> Result<(), Error> {
        let request = ctx.clients.ecs.deregister_container_instance().cluster(&ctx.names.cluster);
        ctx.change("ecs:DeregisterContainerInstance", request.container_instance(id).force(true).send()).await
    }
}

/// Instances that carry our tag: the group takes its own along, so any that are left have outlived it.
pub(crate) struct Instance;

impl Removal for Instance {
    const KIND: Kind = Kind::Instance;

    async fn list(ctx: &Context) -> Result<Vec<Remaining>, Error> {
        let request = ctx.clients.ec2.describe_instances().filters(tags::ec2_filter(ctx.owner()));
        let mut pages = request.into_paginator().send();
        let pages = ctx.pages("ec2:DescribeInstances", async || pages.next().await).await?;
        let mut remaining = vec![];
        for instance in pages.iter().flat_map(|page| page.reservations()).flat_map(|it| it.instances()) {
            let state = instance.state().and_then(|state| state.name());
            if state != Some(&InstanceStateName::Terminated) {
                let leaving = state == Some(&InstanceStateName::ShuttingDown);
                remaining.push(
                    Remaining::new(ctx, instance.instance_id().unwrap_or_default(), instance.owner()).leaving(leaving),
                );
            }
        }
        Ok(remaining)
    }

    async fn delete(ctx: &Context, id: &str) -> Result<(), Error> {
        ctx.change("ec2:TerminateInstances", ctx.clients.ec2.terminate_instances().instance_ids(id).send()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_means_as_many_and_even() {
        let zones =
            |counts: [u32; 3]| counts.iter().enumerate().map(|(i, n)| (AzName::new(format!("z{i}")), *n)).collect();
        assert!(is_enough(&zones([4, 4, 4]), 12));
        assert!(is_enough(&zones([2, 2, 1]), 5));
        assert!(!is_enough(&zones([4, 4, 3]), 12));
        assert!(!is_enough(&zones([6, 6, 0]), 12));
    }
}

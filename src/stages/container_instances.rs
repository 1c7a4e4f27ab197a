//! Step 4, the end: the instances have joined the cluster, evenly over the zones. This is what services need: an Auto
//! Scaling group counts as in service with its minimum of one, and an instance runs a while before its agent registers.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_ec2::types::InstanceStateName;
use aws_sdk_ecs::types::{ContainerInstance, ContainerInstanceStatus};
use tokio::time::Instant;

use super::auto_scaling_group::Fleet;
use super::ecs_cluster::{EcsCluster, find_remaining};
use super::launch_failures::{Failure, LaunchFailures};
use super::network::Network;
use super::removal::{Details, Remaining, Removal};
use super::wait::{Poll, Subject, quoted, wait};
use super::{Context, Error};
use crate::aws::error::optional;
use crate::aws::tags::{self, Tagged};
use crate::aws::{AzName, ec2_filter};
use crate::events::Event;
use crate::plan::Kind;

/// Proof that there is room for the tasks: as many instances as wanted, registered, in all zones; or Fargate.
pub(crate) struct Capacity(());

impl Capacity {
    /// Fargate's.
    pub(crate) fn unlimited() -> Self {
        Self(())
    }

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
    let wanted = fleet.instances;
    let (started, mut failures) = (Instant::now(), LaunchFailures::default());
    let (patience, mut uneven_since) = (PATIENCE.min(ctx.settings.timeout / 4), None);
    wait(ctx, Subject::from("container instances").usually(Some("1–2 min")), async || {
        let mut active = find_active(ctx, &cluster.name).await?;
        // ECS places no task where it hears of no agent.
        active.retain(ContainerInstance::agent_connected);
        let mut by_zone: BTreeMap<AzName, u32> =
            network.subnets.iter().map(|subnet| (subnet.zone.clone(), 0)).collect();
        for zone in active.iter().filter_map(zone) {
            *by_zone.entry(zone).or_default() += 1;
        }
        if is_enough(&by_zone, wanted) {
            return Ok(Poll::Done(()));
        }
        let joined = by_zone.values().sum::<u32>();
        let mut state = format!("{joined} of {wanted} registered");
        let failure = match failures.look(ctx, &fleet.group).await? {
            Some(Failure::Final(reason)) => return Ok(Poll::Failed { state, reason }),
            Some(Failure::MayPass(reason)) => Some(reason),
            None => None,
        };
        let mut not_joining = "";
        if joined < wanted {
            uneven_since = None;
            let running = count_running(ctx, &fleet.group).await?;
            if let Some(running) = running {
                state.push_str(&format!(", {running} running"));
            }
            if running.is_some_and(|running| running > joined) && started.elapsed() >= patience {
                not_joining = NOT_JOINING;
            }
        } else if failure.as_deref().is_some_and(lacks_capacity)
            && uneven_since.get_or_insert_with(Instant::now).elapsed() >= patience
        {
            return Ok(Poll::Failed { state: counted(&by_zone, ctx), reason: uneven(&by_zone, ctx) });
        }
        if joined > 0 {
            state.push_str(&format!(": {}", counted(&by_zone, ctx)));
        }
        state.push_str(not_joining);
        if let Some(reason) = &failure {
            state.push_str(&format!(". {}", failed_launch(reason)));
        }
        let detail = if failure.is_some() { ELSEWHERE.to_owned() } else { String::new() };
        Ok(Poll::Pending { state, detail })
    })
    .await?;
    ctx.events
        .send(Event::Ready { what: format!("{wanted} container instances registered"), elapsed: started.elapsed() });
    Ok(Capacity(()))
}

/// How many there are in which zone: `4 in use1-az1 (us-east-1a), 0 in use1-az4 (us-east-1b)`.
fn counted(by_zone: &BTreeMap<AzName, u32>, ctx: &Context) -> String {
    let zones = ctx.zones();
    let counts = by_zone.iter().map(|(zone, n)| format!("{n} in {}", zones.label(zone.as_str())));
    counts.collect::<Vec<_>>().join(", ")
}

/// How long instances may run before they have joined, and a group be uneven for lack of capacity, before more is said than that.
const PATIENCE: Duration = Duration::from_secs(240);

const NOT_JOINING: &str = ". Instances that run and have not registered cannot reach ECS, or are not allowed to: check their subnets' \
                           route to an internet gateway and public addresses, their security groups' rules for HTTPS out, and \
                           their role, which needs AmazonEC2ContainerServiceforEC2Role";

/// What helps where launches fail.
const ELSEWHERE: &str = "Another --instance-type or --region may help.";

/// The instances of the group that run, joined or not; none if the caller may not look.
async fn count_running(ctx: &Context, group: &str) -> Result<Option<u32>, Error> {
    let request = ctx.clients.ec2.describe_instances();
    let request = request.filters(ec2_filter("tag:aws:autoscaling:groupName", [group]));
    let request = request.filters(ec2_filter("instance-state-name", [InstanceStateName::Running.as_str()]));
    let mut pages = request.into_paginator().send();
    let pages = ctx.pages("ec2:DescribeInstances", async || pages.next().await).await;
    let pages = ctx.unless_refused(pages, "how many instances run is not known")?;
    Ok(pages.map(|pages| {
        let instances = pages.iter().flat_map(|page| page.reservations()).map(|it| it.instances().len());
        u32::try_from(instances.sum::<usize>()).unwrap_or(u32::MAX)
    }))
}

/// What to do where a zone has no machines left, and the group has put all its instances elsewhere: AWS balances as well as
/// it can (EC2 Auto Scaling User Guide, "Availability Zone distribution").
fn uneven(by_zone: &BTreeMap<AzName, u32>, ctx: &Context) -> String {
    let (least, zones) = (by_zone.values().min(), ctx.zones());
    let lacking = by_zone.iter().filter(|(_, n)| Some(*n) == least).map(|(zone, _)| zones.label(zone.as_str()));
    format!(
        "EC2 has no capacity for {} in {}, and the instances are all elsewhere, where services cannot be even; they cost until \
         `zonewalk down`: choose another --instance-type or --region, or repeat the command later",
        ctx.settings.instance_type,
        lacking.collect::<Vec<_>>().join(", ")
    )
}

/// Why a launch has failed, in AWS's words.
fn failed_launch(reason: &str) -> String {
    format!("A launch has failed, and the group tries again. {}", quoted(reason).trim_end_matches('.'))
}

fn lacks_capacity(reason: &str) -> bool {
    ["do not have sufficient", "InsufficientInstanceCapacity"].iter().any(|words| reason.contains(words))
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

/// The private IPv4 addresses of instances, by the ARNs of their registrations. Empty: the caller may not know.
pub(super) async fn addresses(
    ctx: &Context,
    cluster: &str,
    arns: &[String],
) -> Result<BTreeMap<String, String>, Error> {
    let registered = describe(ctx, cluster, arns).await?;
    let ids = registered.iter().filter_map(|instance| instance.ec2_instance_id());
    // By a filter, since one that has gone meanwhile is no error there.
    let request = ctx.clients.ec2.describe_instances().filters(ec2_filter("instance-id", ids));
    let mut pages = request.into_paginator().send();
    let pages = ctx.pages("ec2:DescribeInstances", async || pages.next().await).await;
    let pages = ctx.unless_refused(pages, "the addresses of the instances are not known")?.unwrap_or_default();
    let instances = pages.iter().flat_map(|page| page.reservations()).flat_map(|it| it.instances());
    let by_id: BTreeMap<&str, &str> =
        instances.filter_map(|instance| Some((instance.instance_id()?, instance.private_ip_address()?))).collect();
    let address = |instance: &ContainerInstance| {
        let address = *by_id.get(instance.ec2_instance_id()?)?;
        Some((instance.container_instance_arn()?.to_owned(), address.to_owned()))
    };
    Ok(registered.iter().filter_map(address).collect())
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

/// The records that terminated instances leave if their agents did not sign off.
pub(crate) struct Registration;

impl Removal for Registration {
    const KIND: Kind = Kind::ContainerInstance;

    async fn list(ctx: &Context) -> Result<Vec<Remaining>, Error> {
        let Some(cluster) = find_remaining(ctx).await? else { return Ok(vec![]) };
        let arns = list(ctx, &ctx.names.cluster, None).await?;
        let remaining = |arn| Remaining { id: arn, ours: cluster.ours, leaving: false, details: Details::default() };
        Ok(arns.into_iter().map(remaining).collect())
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
                let found = Remaining::new(ctx, instance.instance_id().unwrap_or_default(), instance.owner());
                let details = Details::named(&ctx.names.instance).created(instance.launch_time());
                remaining.push(found.leaving(leaving).with(details));
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

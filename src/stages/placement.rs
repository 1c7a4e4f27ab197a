//! Where the tasks of a walkthrough may run, as drills change it and put it back: a zone is closed to a service by a placement
//! constraint and by stopping its tasks there. All that is changed is seen in the resources themselves, and `up` puts it back.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_autoscaling::types::{AutoScalingGroup, LifecycleState};
use aws_sdk_ecs::types::{
    AvailabilityZoneRebalancing, ContainerInstance, DesiredStatus, PlacementConstraint, PlacementConstraintType,
    Service, Task,
};

use super::launch_failures::{Failure, LaunchFailures};
use super::rollout::{describe, find_rollout, last_events, wait_for_tasks};
use super::wait::{Poll, Subject, wait};
use super::{Context, Error, auto_scaling_group, container_instances, fargate_placement, load_balancer, tasks};
use crate::aws::AzName;
use crate::plan::in_order;

/// The placement constraints of a service as text; `none` is what `up` makes.
pub(super) fn constraints(service: &Service) -> String {
    match service.placement_constraints() {
        [] => NO_CONSTRAINTS.to_owned(),
        some => in_order(some.iter().filter_map(|constraint| constraint.expression())),
    }
}

pub(super) const NO_CONSTRAINTS: &str = "none";

/// Finds the services of ours that are under placement constraints, as a drill leaves them that did not put them back.
pub async fn find_constrained(ctx: &Context) -> Result<Vec<String>, Error> {
    let names = [ctx.names.backend.service.as_str(), ctx.names.frontend.service.as_str()];
    let mut services = describe(ctx, &ctx.names.cluster, &names).await?;
    let subnets: Vec<String> = find_subnets(ctx).await?.into_values().collect();
    services.retain(|service| {
        let of_fargate = fargate_placement::subnets(service).is_some_and(|it| in_order(it) != in_order(&subnets));
        !service.placement_constraints().is_empty() || of_fargate
    });
    Ok(services.into_iter().filter_map(|service| service.service_name).collect())
}

/// Lets ECS place no task of a service in a zone from now on.
pub async fn close_zone(ctx: &Context, service: &str, zone: &AzName) -> Result<(), Error> {
    if ctx.is_on_fargate() {
        return fargate_placement::close_zone(ctx, service, zone).await;
    }
    constrain(ctx, service, Some(format!("{ZONE} != {zone}"))).await
}

/// Lets ECS place tasks of a service in all zones again, and moves those that are too many where they are: running tasks stay by
/// themselves, and a new deployment spreads them only as well as it can. The last constraint goes when they are in place, so that
/// whoever comes upon it knows that they are not yet.
pub async fn open_zones(ctx: &Context, service: &str) -> Result<(), Error> {
    let cluster = &ctx.names.cluster;
    let found = describe(ctx, cluster, &[service]).await?.pop();
    if ctx.is_on_fargate() {
        let subnets = find_subnets(ctx).await?.into_values().collect();
        return fargate_placement::set_subnets(ctx, service, subnets).await;
    }
    let Some(found) = found.filter(|found| !found.placement_constraints().is_empty()) else { return Ok(()) };
    let group = auto_scaling_group::find(ctx, &ctx.names.auto_scaling_group).await?.map(|found| found.facts);
    let zones = group.and_then(|group| group.availability_zones).unwrap_or_default();
    if !zones.is_empty() {
        constrain(ctx, service, Some(format!("{ZONE} in [{}]", zones.join(", ")))).await?;
        let tasks = tasks::find(ctx, cluster, service, DesiredStatus::Running).await?;
        let here = |zone: &String| -> Vec<&Task> {
            tasks.iter().filter(|task| task.availability_zone() == Some(zone.as_str())).collect()
        };
        let mut by_zone: Vec<Vec<&Task>> = zones.iter().map(here).collect();
        by_zone.sort_by_key(|tasks| Reverse(tasks.len()));
        let desired = usize::try_from(found.desired_count()).unwrap_or(0);
        for (index, tasks) in by_zone.iter().enumerate() {
            let keeps = desired / zones.len() + usize::from(index < desired % zones.len());
            for task in tasks.iter().skip(keeps) {
                stop(ctx, task, "zonewalk spreads tasks over all zones again").await?;
            }
        }
        // A task that is being stopped counts as running for a while, and its successor is not placed yet.
        wait(ctx, Subject::from("stopped tasks to be gone").usually(Some("about 1 min")), async || {
            let stopping = find_stopping(ctx, service).await?;
            Ok(if stopping == 0 { Poll::Done(()) } else { Poll::pending(format!("{stopping} still there")) })
        })
        .await?;
        wait_for_tasks(ctx, service, found.desired_count().unsigned_abs()).await?;
    }
    constrain(ctx, service, None).await
}

const ZONE: &str = "attribute:ecs.availability-zone";

/// Gives a service one placement constraint, in the cluster query language, or none. It starts no deployment.
async fn constrain(ctx: &Context, service: &str, expression: Option<String>) -> Result<(), Error> {
    let constraint = |expression| {
        PlacementConstraint::builder().r#type(PlacementConstraintType::MemberOf).expression(expression).build()
    };
    let request = ctx.clients.ecs.update_service().cluster(&ctx.names.cluster).service(service);
    let request = request
        .set_placement_constraints(Some(expression.into_iter().map(constraint).collect()))
        // ECS rebalances no service whose constraints name zones (ECS Developer Guide, "Balancing an Amazon ECS service across
        // Availability Zones").
        .availability_zone_rebalancing(AvailabilityZoneRebalancing::Disabled);
    ctx.change("ecs:UpdateService", request.send()).await
}

async fn stop(ctx: &Context, task: &Task, reason: &str) -> Result<(), Error> {
    let request = ctx.clients.ecs.stop_task().cluster(&ctx.names.cluster).task(task.task_arn().unwrap_or_default());
    ctx.change("ecs:StopTask", request.reason(reason).send()).await
}

/// Stops the tasks of a service in a zone that is closed to it, and waits until they are gone and ECS has placed their successors
/// elsewhere, or found that there is no room.
pub async fn empty_zone(ctx: &Context, service: &str, zone: &AzName) -> Result<(), Error> {
    let cluster = &ctx.names.cluster;
    if ctx.is_on_fargate() {
        let found = describe(ctx, cluster, &[service]).await?.pop();
        return wait_for_tasks(ctx, service, found.map_or(0, |it| it.desired_count().unsigned_abs())).await;
    }
    let is_here = |task: &&Task| task.availability_zone() == Some(zone.as_str());
    let told_before: BTreeSet<String> = event_ids(describe(ctx, cluster, &[service]).await?.pop().as_ref()).collect();
    for task in tasks::find(ctx, cluster, service, DesiredStatus::Running).await?.iter().filter(is_here) {
        stop(ctx, task, &format!("zonewalk empties {zone}")).await?;
    }
    let what = format!("service {service} out of {}", ctx.zones().label(zone.as_str()));
    wait(ctx, Subject::from(what).usually(Some("about 1 min")), async || {
        let Some(found) = describe(ctx, cluster, &[service]).await?.pop() else {
            return Ok(Poll::pending("not visible yet"));
        };
        let stopping = find_stopping(ctx, service).await?;
        let here = tasks::find(ctx, cluster, service, DesiredStatus::Running).await?.iter().filter(is_here).count();
        let (running, desired) = (found.running_count(), found.desired_count());
        if here + stopping > 0 {
            return Ok(Poll::pending(format!("{} still there", here + stopping)));
        }
        let new_event = event_ids(Some(&found)).any(|id| !told_before.contains(&id));
        let newest = found.events().first().and_then(|event| event.message()).unwrap_or_default();
        let is_full = new_event && found.pending_count() == 0 && newest.contains(NO_PLACE);
        match find_rollout(ctx, cluster, &found, desired).await? {
            Poll::Pending { .. } if is_full => Ok(Poll::Done(())),
            Poll::Pending { .. } if running == desired => {
                Ok(Poll::Pending { state: format!("{running} of {desired} running"), detail: last_events(&found) })
            }
            rollout => Ok(rollout),
        }
    })
    .await
}

/// How many tasks of a service are to stop and have not yet.
async fn find_stopping(ctx: &Context, service: &str) -> Result<usize, Error> {
    let stopped = tasks::find(ctx, &ctx.names.cluster, service, DesiredStatus::Stopped).await?;
    Ok(stopped.iter().filter(|task| task.last_status() != Some("STOPPED")).count())
}

/// What a service's event says when ECS finds no instance for a task (ECS Developer Guide, "Amazon ECS service event messages").
const NO_PLACE: &str = "was unable to place a task";

fn event_ids(service: Option<&Service>) -> impl Iterator<Item = String> {
    service.into_iter().flat_map(|service| service.events()).filter_map(|event| event.id().map(str::to_owned))
}

/// The instances that take tasks and have none, by their zone.
async fn find_idle(ctx: &Context) -> Result<BTreeMap<AzName, Vec<ContainerInstance>>, Error> {
    let mut idle = BTreeMap::<AzName, Vec<ContainerInstance>>::new();
    for instance in container_instances::find_active(ctx, &ctx.names.cluster).await? {
        let is_idle =
            instance.agent_connected() && instance.running_tasks_count() + instance.pending_tasks_count() == 0;
        if let Some(zone) = container_instances::zone(&instance).filter(|_| is_idle) {
            idle.entry(zone).or_default().push(instance);
        }
    }
    Ok(idle)
}

/// The instances that are to be added so that so many in each of these zones are idle, one for each task: Auto Scaling keeps its
/// zones even, so as many in each of them.
pub async fn find_lacking(ctx: &Context, needed: &BTreeMap<AzName, u32>) -> Result<u32, Error> {
    let name = &ctx.names.auto_scaling_group;
    let Some(group) = auto_scaling_group::find(ctx, name).await?.map(|found| found.facts) else {
        return Err(Error::Prerequisite(format!("there is no Auto Scaling group {name}: run `zonewalk up` first")));
    };
    let in_a_zone = lacking(&find_idle(ctx).await?, needed).into_values().max().unwrap_or(0);
    let more = in_a_zone * u32::try_from(group.availability_zones().len()).unwrap_or(1);
    let [there, most] = [group.desired_capacity(), group.max_size()].map(|it| it.unwrap_or_default().unsigned_abs());
    if there + more > most {
        return Err(Error::Prerequisite(format!(
            "the drill needs {more} more instances for the tasks that move, and {name} holds {most} at most: use a lower \
             --task-count"
        )));
    }
    Ok(more)
}

/// Grows the group to so many instances, and waits until so many in each of these zones are idle.
pub async fn make_room(ctx: &Context, instances: u32, needed: &BTreeMap<AzName, u32>) -> Result<(), Error> {
    let name = &ctx.names.auto_scaling_group;
    let request = ctx.clients.autoscaling.update_auto_scaling_group().auto_scaling_group_name(name);
    let request = request.desired_capacity(i32::try_from(instances).unwrap_or(i32::MAX));
    ctx.change("autoscaling:UpdateAutoScalingGroup", request.send()).await?;
    let mut failures = LaunchFailures::default();
    wait(ctx, Subject::from("more instances").usually(Some("1–2 min")), async || {
        let lacking: u32 = self::lacking(&find_idle(ctx).await?, needed).values().sum();
        if lacking == 0 {
            return Ok(Poll::Done(()));
        }
        let state = format!("{lacking} lacking where tasks move to");
        Ok(match failures.look(ctx, name).await? {
            Some(Failure::Final(reason)) => Poll::Failed { state, reason },
            Some(Failure::MayPass(reason)) => Poll::pending_since(state, &reason),
            None => Poll::pending(state),
        })
    })
    .await
}

fn lacking(idle: &BTreeMap<AzName, Vec<ContainerInstance>>, needed: &BTreeMap<AzName, u32>) -> BTreeMap<AzName, u32> {
    let in_zone = |zone: &AzName| u32::try_from(idle.get(zone).map_or(0, Vec::len)).unwrap_or(u32::MAX);
    needed.iter().map(|(zone, count)| (zone.clone(), count.saturating_sub(in_zone(zone)))).collect()
}

/// Takes the group back to `wanted` instances, of those without a task: Auto Scaling alone would take any. Gives whether more were
/// desired.
pub async fn remove_surplus(ctx: &Context, wanted: u32) -> Result<bool, Error> {
    if ctx.is_on_fargate() {
        return Ok(false);
    }
    let (name, wanted) = (&ctx.names.auto_scaling_group, i32::try_from(wanted).unwrap_or(i32::MAX));
    let Some(group) = auto_scaling_group::find(ctx, name).await?.map(|found| found.facts) else { return Ok(false) };
    let surplus = usize::try_from(group.desired_capacity().unwrap_or_default() - wanted).unwrap_or(0);
    // What was ended before may not be over yet: until then, the cluster counts its instances.
    if surplus == 0 && count_members(&group) <= wanted {
        return Ok(false);
    }
    let (registered, idle_ones) =
        (container_instances::find_active(ctx, &ctx.names.cluster).await?, find_idle(ctx).await?);
    let registered: BTreeSet<&str> = registered.iter().filter_map(ContainerInstance::ec2_instance_id).collect();
    let idle_ones: BTreeSet<&str> =
        idle_ones.values().flatten().filter_map(ContainerInstance::ec2_instance_id).collect();
    let mut idle = BTreeMap::<AzName, Vec<String>>::new();
    for member in group.instances() {
        let (Some(zone), Some(id)) = (member.availability_zone(), member.instance_id()) else { continue };
        let is_leaving = member.lifecycle_state().is_none_or(|state| state.as_str().starts_with("Terminat"));
        // One that has not joined the cluster yet has no task, either, and is in nobody's way.
        let is_idle = idle_ones.contains(id) || !registered.contains(id);
        if is_idle && !is_leaving {
            idle.entry(AzName::new(zone)).or_default().push(id.to_owned());
        }
    }
    let in_zone = |zone: &AzName| {
        group.instances().iter().filter(|instance| instance.availability_zone() == Some(zone.as_str())).count()
    };
    let mut left: BTreeMap<AzName, usize> = idle.keys().map(|zone| (zone.clone(), in_zone(zone))).collect();
    for _ in 0..surplus {
        // Where there are most, so that the group stays even and Auto Scaling moves none.
        let fullest = idle.iter().filter(|(_, idle)| !idle.is_empty()).map(|(zone, _)| zone.clone());
        let Some(zone) = fullest.max_by_key(|zone| left.get(zone).copied()) else { break };
        let Some(instance) = idle.get_mut(&zone).and_then(Vec::pop) else { break };
        left.entry(zone).and_modify(|left| *left -= 1);
        let request = ctx.clients.autoscaling.terminate_instance_in_auto_scaling_group();
        let request = request.instance_id(instance);
        let request = request.should_decrement_desired_capacity(true);
        ctx.change("autoscaling:TerminateInstanceInAutoScalingGroup", request.send()).await?;
    }
    let mut is_set = false;
    wait(ctx, Subject::from("the surplus instances to go").usually(Some("1–2 min")), async || {
        let Some(group) = auto_scaling_group::find(ctx, name).await?.map(|found| found.facts) else {
            return Ok(Poll::Done(()));
        };
        // All that is left has a task: it is for Auto Scaling to choose.
        if group.desired_capacity().is_some_and(|desired| desired > wanted) && !is_set {
            let request = ctx.clients.autoscaling.update_auto_scaling_group().auto_scaling_group_name(name);
            ctx.change("autoscaling:UpdateAutoScalingGroup", request.desired_capacity(wanted).send()).await?;
            is_set = true;
        }
        let there = count_members(&group);
        let state = format!("{there} there, {wanted} stay");
        Ok(if there <= wanted { Poll::Done(()) } else { Poll::pending(state) })
    })
    .await?;
    Ok(surplus > 0)
}

/// The instances of a group, those that are being terminated too, but for those that somebody has put on standby: these are no
/// part of the desired capacity (EC2 Auto Scaling User Guide, "Temporarily remove instances from your Auto Scaling group").
fn count_members(group: &AutoScalingGroup) -> i32 {
    let is_aside = |state: &LifecycleState| matches!(state, LifecycleState::EnteringStandby | LifecycleState::Standby);
    let members = group.instances().iter().filter(|member| !member.lifecycle_state().is_some_and(is_aside));
    i32::try_from(members.count()).unwrap_or(i32::MAX)
}

/// The subnets that the load balancer is in, by their zones.
pub async fn find_subnets(ctx: &Context) -> Result<BTreeMap<AzName, String>, Error> {
    let found = load_balancer::find(ctx, &ctx.names.load_balancer).await?;
    let zones = found.iter().flat_map(|found| found.facts.availability_zones());
    Ok(zones.filter_map(|zone| Some((AzName::new(zone.zone_name()?), zone.subnet_id()?.to_owned()))).collect())
}

/// Puts the load balancer into these subnets.
pub async fn set_subnets(ctx: &Context, subnets: impl IntoIterator<Item = String>) -> Result<(), Error> {
    let Some(balancer) = load_balancer::find(ctx, &ctx.names.load_balancer).await? else { return Ok(()) };
    let subnets = subnets.into_iter().collect();
    let request = ctx.clients.elbv2.set_subnets().load_balancer_arn(balancer.id).set_subnets(Some(subnets));
    ctx.change("elasticloadbalancing:SetSubnets", request.send()).await
}

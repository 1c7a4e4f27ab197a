//! How far a service's newest deployment has come, and what waits for it: step 8, in which a service is deployed again,
//! and a change of its task count.

use aws_sdk_ecs::types::{DeploymentRolloutState, DesiredStatus, ServiceField};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use super::wait::{Poll, Subject, wait};
use super::{Context, Error, target_group, tasks};
use crate::aws::error::optional;
use crate::events::Event;
use crate::plan::Kind;

/// How many of a service's last events a time-out tells.
const EVENTS_TOLD: usize = 3;

/// Describes services, also INACTIVE ones, which AWS goes on showing for a while.
pub(super) async fn describe(
    ctx: &Context,
    cluster: &str,
    names: &[&str],
) -> Result<Vec<aws_sdk_ecs::types::Service>, Error> {
    let request = ctx
        .clients
        .ecs
        .describe_services()
        .cluster(cluster)
        .set_services(Some(names.iter().map(|&name| name.to_owned()).collect()))
        .include(ServiceField::Tags);
    let answer = optional(ctx.look("ecs:DescribeServices", request.send()).await)?;
    let mut services = answer.and_then(|answer| answer.services).unwrap_or_default();
    for service in &mut services {
        if !keeps_deployments(service) {
            // What such a cloud counts for the service is what was asked for, too.
            let mut running = tasks::find_running(ctx, cluster, service.service_name().unwrap_or_default()).await?;
            let newest = newest_deployment(service).and_then(|deployment| deployment.id());
            running
                .retain(|task| task.task_definition_arn() == service.task_definition() && task.started_by() == newest);
            service.running_count = i32::try_from(running.len()).unwrap_or(i32::MAX);
            service.deployments.iter_mut().flatten().for_each(|deployment| deployment.rollout_state = None);
        }
    }
    Ok(services)
}

/// Whether the running tasks are in the deployments' counts, too, as on AWS. Emulators write a deployment once, at the
/// service's creation: what it says of its progress then means nothing, and the tasks are to be asked.
fn keeps_deployments(service: &aws_sdk_ecs::types::Service) -> bool {
    let mut deployments = service.deployments().iter();
    service.deployments().is_empty()
        || service.running_count() == 0
        || deployments.any(|deployment| deployment.running_count() > 0)
}

pub(super) fn newest_deployment(service: &aws_sdk_ecs::types::Service) -> Option<&aws_sdk_ecs::types::Deployment> {
    service.deployments().iter().find(|deployment| deployment.status() == Some("PRIMARY"))
}

/// Finds how far a service has come, and why its tasks fail if they do.
pub(super) async fn find_rollout(
    ctx: &Context,
    cluster: &str,
    service: &aws_sdk_ecs::types::Service,
    desired: i32,
) -> Result<Poll<()>, Error> {
    let failure = find_failure_of(ctx, cluster, service).await?;
    Ok(rollout(service, desired, failure.as_deref()))
}

/// Finds why a task failed, while not all run.
pub(super) async fn find_failure_of(
    ctx: &Context,
    cluster: &str,
    service: &aws_sdk_ecs::types::Service,
) -> Result<Option<String>, Error> {
    if service.running_count() >= service.desired_count() {
        return Ok(None);
    }
    tasks::find_failure(ctx, cluster, service.service_name().unwrap_or_default()).await
}

/// Whether all tasks run, and all of the newest deployment.
pub(super) fn rollout(service: &aws_sdk_ecs::types::Service, desired: i32, failure: Option<&str>) -> Poll<()> {
    let failure = failure.map(|failure| format!("; a task failed: {failure}")).unwrap_or_default();
    let deployments = service.deployments();
    let newest = newest_deployment(service);
    let state = newest.and_then(|deployment| deployment.rollout_state());
    if state == Some(&DeploymentRolloutState::Failed) {
        let reason = newest.and_then(|deployment| deployment.rollout_state_reason()).unwrap_or("ECS gives no reason");
        let reason = format!("{}{failure}. {}", reason.trim_end_matches('.'), last_events(service));
        return Poll::failed(DeploymentRolloutState::Failed, reason.trim_end());
    }
    let (running, pending) = (service.running_count(), service.pending_count());
    let rolled_out = state.is_none_or(|state| *state == DeploymentRolloutState::Completed);
    if running == desired && service.desired_count() == desired && pending == 0 && deployments.len() <= 1 && rolled_out
    {
        return Poll::Done(());
    }
    let mut text = format!("{running} of {desired} running");
    if let Some(trouble) =
        service.events().first().and_then(|event| event.message()).filter(|m| m.contains("unable to"))
    {
        text.push_str(&format!("; ECS says: “{}”", trouble.trim_end_matches('.')));
    }
    text.push_str(&failure);
    Poll::Pending { state: text, detail: last_events(service) }
}

pub(super) fn last_events(service: &aws_sdk_ecs::types::Service) -> String {
    let messages: Vec<_> = service.events().iter().filter_map(|event| event.message()).take(EVENTS_TOLD).collect();
    if messages.is_empty() { String::new() } else { format!("Its last events: “{}”.", messages.join("” “")) }
}

/// A deployment that is completed.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Deployment {
    /// The name of the service.
    pub service: String,
    /// The deployment's ID.
    pub id: String,
    /// The tasks that run in it.
    pub tasks: u32,
    /// Whether Service Connect is on in it; without it no routing is zone-aware.
    pub service_connect: bool,
}

/// A deployment that is under way and no older than the time-out is as good as a new one: an earlier command that was not
/// waited for has started it.
fn under_way<'s>(ctx: &Context, service: &'s aws_sdk_ecs::types::Service) -> Option<&'s str> {
    let newest = newest_deployment(service)?;
    let age = ctx.age(newest.created_at()?);
    let is_under_way =
        newest.rollout_state() == Some(&DeploymentRolloutState::InProgress) && age < ctx.settings.timeout;
    newest.id().filter(|_| is_under_way)
}

/// Starts a new deployment of a service, whoever's, unless a young one is under way, and waits until its tasks alone run.
pub async fn redeploy(ctx: &Context, cluster: &str, service: &str) -> Result<Deployment, Error> {
    let (kind, started) = (Kind::Service, Instant::now());
    ctx.events.send(Event::StageStarted { kind, name: service.to_owned() });
    let found = describe(ctx, cluster, &[service]).await?.pop();
    let Some(found) = found.filter(|found| found.status() == Some("ACTIVE")) else {
        return Err(Error::Prerequisite(format!(
            "there is no service {service} in cluster {cluster}; `aws ecs list-services --cluster {cluster}` lists them"
        )));
    };
    let id = match under_way(ctx, &found) {
        Some(id) => {
            ctx.events
                .note(format!("deployment {id} of {service} is under way: it is waited for, and no other started"));
            id.to_owned()
        }
        None => {
            let request = ctx.clients.ecs.update_service().cluster(cluster).service(service).force_new_deployment(true);
            let updated = ctx.change_with_answer("ecs:UpdateService", request.send()).await?.service;
            let newest = updated.as_ref().and_then(newest_deployment);
            newest.and_then(|newest| newest.id()).unwrap_or_default().to_owned()
        }
    };
    let id = id.as_str();
    let mut was_seen = false;
    let subject = Subject::from(format!("{kind} {service}")).usually(Some("1–3 min"));
    let done = wait(ctx, subject, async || {
        let Some(found) = describe(ctx, cluster, &[service]).await?.pop() else {
            return Ok(Poll::pending("not visible yet"));
        };
        let Some(newest) = newest_deployment(&found) else { return Ok(Poll::pending("no deployment yet")) };
        let ours = found.deployments().iter().find(|deployment| deployment.id() == Some(id));
        was_seen |= ours.is_some();
        if newest.id() != Some(id) {
            let given_up = |reason: &str| Poll::failed(DeploymentRolloutState::Failed, reason);
            return Ok(match ours {
                Some(ours) if ours.rollout_state() == Some(&DeploymentRolloutState::Failed) => {
                    given_up(ours.rollout_state_reason().unwrap_or("ECS gives no reason"))
                }
                None if was_seen => given_up("ECS has rolled it back, or somebody has started another one"),
                _ => Poll::pending("the new deployment is not visible yet"),
            });
        }
        let rollout = find_rollout(ctx, cluster, &found, found.desired_count()).await?;
        Ok(rollout.map(|()| Deployment {
            service: service.to_owned(),
            id: id.to_owned(),
            tasks: found.running_count().unsigned_abs(),
            service_connect: newest.service_connect_configuration().is_some_and(|connect| connect.enabled()),
        }))
    })
    .await
    .map_err(|error| match error {
        Error::TimedOut { limit, state, detail, .. } => {
            let (cluster, service) = (cluster.to_owned(), service.to_owned());
            Error::DeploymentGoesOn { cluster, service, limit, state, detail }
        }
        error => error,
    })?;
    ctx.events.send(Event::Ready { what: format!("{kind} {service} deployed again"), elapsed: started.elapsed() });
    Ok(done)
}

/// Sets the service's task count and waits until as many run.
pub async fn scale_service(ctx: &Context, service: &str, tasks: u32) -> Result<(), Error> {
    let desired = i32::try_from(tasks).unwrap_or(i32::MAX);
    let cluster = &ctx.names.cluster;
    let request = ctx.clients.ecs.update_service().cluster(cluster).service(service).desired_count(desired);
    ctx.change("ecs:UpdateService", request.send()).await?;
    wait_for_tasks(ctx, service, tasks).await
}

/// Waits until a service has so many tasks, the others have stopped, and the load balancer, if the service is behind one, finds
/// them healthy.
pub async fn wait_for_tasks(ctx: &Context, service: &str, tasks: u32) -> Result<(), Error> {
    let desired = i32::try_from(tasks).unwrap_or(i32::MAX);
    let cluster = &ctx.names.cluster;
    wait(ctx, format!("service {service} with {tasks} tasks"), async || {
        let Some(found) = describe(ctx, cluster, &[service]).await?.pop() else {
            return Ok(Poll::pending("not visible yet"));
        };
        match find_rollout(ctx, cluster, &found, desired).await? {
            Poll::Done(()) => {}
            pending => return Ok(pending),
        }
        let stopping = tasks::find(ctx, cluster, service, DesiredStatus::Stopped).await?;
        let stopping = stopping.iter().filter(|task| task.last_status() != Some("STOPPED")).count();
        if stopping > 0 {
            return Ok(Poll::pending(format!("{tasks} of {tasks} running, {stopping} stopping")));
        }
        for arn in found.load_balancers().iter().filter_map(|balancer| balancer.target_group_arn()) {
            if let Some(targets) = target_group::find_targets(ctx, arn).await?
                && targets.healthy < tasks
            {
                return Ok(Poll::pending(targets.state(tasks)));
            }
        }
        Ok(Poll::Done(()))
    })
    .await
}

#[cfg(test)]
mod tests {
    use aws_sdk_ecs::types::{Deployment, Service};

    use super::*;

    #[test]
    fn a_task_that_failed_is_told_while_ecs_tries_another_and_when_it_gives_up() {
        let look = |state: DeploymentRolloutState| {
            let deployment = Deployment::builder().status("PRIMARY").rollout_state(state).build();
            let service = Service::builder().desired_count(6).running_count(5).deployments(deployment).build();
            rollout(&service, 6, Some("Essential container in task exited"))
        };
        let told = "a task failed: Essential container in task exited";
        let Poll::Pending { state, .. } = look(DeploymentRolloutState::InProgress) else { panic!("it goes on") };
        assert_eq!(state, format!("5 of 6 running; {told}"));
        let Poll::Failed { reason, .. } = look(DeploymentRolloutState::Failed) else { panic!("it is over") };
        assert!(reason.contains(told), "{reason}");
    }
}

//! Step 8: a service deployed again, with all its tasks replaced.

use aws_sdk_ecs::types::DeploymentRolloutState;
use serde::Serialize;
use tokio::time::Instant;

use super::wait::{Look, wait};
use super::{Context, Error, services};
use crate::events::Event;
use crate::plan::{Action, Kind};

/// A deployment that is through.
#[derive(Clone, Debug, Serialize)]
pub struct Deployment {
    pub service: String,
    pub id: String,
    pub tasks: u32,
    /// Whether Service Connect is on in it; without it no routing is zone-aware.
    pub service_connect: bool,
}

/// Starts a new deployment of a service, whoever's, and waits until its tasks alone run.
pub async fn redeploy(ctx: &Context, cluster: &str, service: &str) -> Result<Deployment, Error> {
    let (step, kind, started) = (Kind::Service.step(), Kind::Service, Instant::now());
    ctx.events.send(Event::StageStarted { step, kind, name: service.to_owned() });
    let found = services::describe(ctx, cluster, &[service]).await?.pop();
    if found.is_none_or(|found| found.status() != Some("ACTIVE")) {
        return Err(Error::Prerequisite(format!(
            "there is no service {service} in cluster {cluster}; `aws ecs list-services --cluster {cluster}` lists them"
        )));
    }
    let request = ctx.clients.ecs.update_service().cluster(cluster).service(service).force_new_deployment(true);
    let updated = ctx.change_with_answer("ecs:UpdateService", request.send()).await?.service;
    let id = updated.as_ref().and_then(services::newest_deployment).and_then(|newest| newest.id()).unwrap_or_default();
    let mut was_seen = false;
    let done = wait(ctx, step, &format!("new deployment of service {service}"), async || {
        let Some(found) = services::describe(ctx, cluster, &[service]).await?.pop() else {
            return Ok(Look::pending("not visible"));
        };
        let Some(newest) = services::newest_deployment(&found) else { return Ok(Look::pending("no deployment yet")) };
        let ours = found.deployments().iter().find(|deployment| deployment.id() == Some(id));
        was_seen |= ours.is_some();
        if newest.id() != Some(id) {
            let given_up = |reason: &str| Look::Failed {
                state: DeploymentRolloutState::Failed.to_string(),
                reason: reason.to_owned(),
            };
            return Ok(match ours {
                Some(ours) if ours.rollout_state() == Some(&DeploymentRolloutState::Failed) => {
                    given_up(ours.rollout_state_reason().unwrap_or("ECS gives no reason"))
                }
                None if was_seen => given_up("ECS has rolled it back, or somebody has started another one"),
                _ => Look::pending("the new deployment is not visible yet"),
            });
        }
        let rollout = services::find_rollout(ctx, cluster, &found, found.desired_count()).await?;
        Ok(rollout.map(|()| Deployment {
            service: service.to_owned(),
            id: id.to_owned(),
            tasks: found.running_count().unsigned_abs(),
            service_connect: newest.service_connect_configuration().is_some_and(|connect| connect.enabled()),
        }))
    })
    .await?;
    let elapsed = started.elapsed();
    ctx.events.send(Event::StageDone { step, kind, id: service.to_owned(), action: Action::Changed, elapsed });
    Ok(done)
}

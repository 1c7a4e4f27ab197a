//! Service deployments: what each of a service's deployments replaces, and what became of it (ECS Developer Guide, "View service
//! history using Amazon ECS service deployments").

use jiff::Timestamp;
use serde_json::{Value, json};

use super::blue_green::{Stage, Strategy};
use super::service_answers::with_members_of;
use super::service_revisions::Revision;
use super::services::{Service, not_found};
use super::{check_count, describe_each};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::wire::{Params, timestamp};

#[derive(Clone)]
pub(super) struct ServiceDeployment {
    /// `arn:aws:ecs:<region>:<account>:service-deployment/<cluster>/<service>/<id>`
    pub(super) arn: String,
    /// The ID of the deployment: `ecs-svc/…`
    pub(super) deployment_id: String,
    /// The ARNs of revisions: of the one that it brings, and of those that it replaces.
    pub(super) target: String,
    pub(super) sources: Vec<String>,
    pub(super) created_at: Timestamp,
    pub(super) ended: Option<(Timestamp, Ending)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(const_into_str, serialize_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Ending {
    Successful,
    /// Another one came before it was done, or it was given up without being rolled back.
    Stopped,
}

impl ServiceDeployment {
    fn status(&self) -> &'static str {
        self.ended.map_or("IN_PROGRESS", |(_, ending)| ending.into_str())
    }
}

/// AWS shows the deployments of the last 90 days (ECS Developer Guide, "View service history using Amazon ECS service
/// deployments"), and here there are a hundred times as many in that time.
const KEPT: usize = 100;

impl Service {
    /// Adds to the service's history, and forgets what is too old for it.
    pub(super) fn note_deployment(&mut self, deployment: ServiceDeployment, revision: Revision) {
        self.service_deployments.push(deployment);
        self.revisions.push(revision);
        let Self { service_deployments, revisions, deployments, .. } = self;
        service_deployments.drain(..service_deployments.len().saturating_sub(KEPT));
        let is_of_history = |arn: &String| {
            service_deployments.iter().any(|kept| kept.target == *arn || kept.sources.contains(arn))
                || deployments.iter().any(|live| live.revision_arn == *arn)
        };
        revisions.retain(|revision| is_of_history(&revision.arn));
    }

    /// Notes the end of those of these deployments that had none.
    pub(super) fn end_deployments(&mut self, ending: Ending, is_it: impl Fn(&ServiceDeployment) -> bool) {
        for deployment in self.service_deployments.iter_mut().filter(|it| it.ended.is_none() && is_it(it)) {
            deployment.ended = Some((Timestamp::now(), ending));
        }
    }
}

/// The newest first.
pub(super) fn list(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let cluster = &region.ecs().cluster(params)?.name;
    let service = region.ecs().service(cluster, params.str("service")?).ok_or_else(not_found)?;
    let statuses = params.strings("status");
    let is_asked_for = |it: &&ServiceDeployment| statuses.is_empty() || statuses.contains(&it.status());
    let deployments = service.service_deployments.iter().rev().filter(is_asked_for).map(|deployment| {
        let mut brief = brief(region, service, deployment);
        brief["targetServiceRevisionArn"] = json!(deployment.target);
        brief
    });
    Ok(json!({ "serviceDeployments": deployments.collect::<Value>() }))
}

/// The most that a request may name (API Reference, "DescribeServiceDeployments").
const MOST: usize = 20;

pub(super) fn describe(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let references = params.strings("serviceDeploymentArns");
    check_count("serviceDeploymentArns", &references, MOST)?;
    Ok(describe_each(region, ("serviceDeployments", "service-deployment"), &references, |reference| {
        let mut services = region.ecs().services.iter();
        services.find_map(|service| {
            let deployment = service.service_deployments.iter().find(|deployment| deployment.arn == reference)?;
            Some(wire(region, service, deployment))
        })
    }))
}

/// What both answers have.
fn brief(region: &Region, service: &Service, deployment: &ServiceDeployment) -> Value {
    json!({
        "serviceDeploymentArn": deployment.arn,
        "serviceArn": service.arn,
        "clusterArn": region.arn("ecs", &format!("cluster/{}", service.cluster)),
        "createdAt": timestamp(deployment.created_at),
        "startedAt": timestamp(deployment.created_at),
        "finishedAt": deployment.ended.map(|(at, _)| timestamp(at)),
        "status": deployment.status(),
    })
}

fn wire(region: &Region, service: &Service, deployment: &ServiceDeployment) -> Value {
    let (strategy, bake_minutes) = service.rollout.strategy.wire();
    let live = service.deployments.iter().find(|live| live.id == deployment.deployment_id);
    let stage = live.map(|live| live.stage).filter(|_| deployment.ended.is_none());
    let is_rolling = service.rollout.strategy == Strategy::Rolling;
    let more = json!({
        "updatedAt": timestamp(deployment.ended.map_or(deployment.created_at, |(at, _)| at)),
        "sourceServiceRevisions": deployment.sources.iter().map(|arn| revision(region, service, arn)).collect::<Value>(),
        "targetServiceRevision": revision(region, service, &deployment.target),
        "lifecycleStage": stage.filter(|_| !is_rolling).map(|stage| match stage {
            Stage::ScaleUp => "SCALE_UP",
            Stage::BakeTime => "BAKE_TIME",
            Stage::Live | Stage::Left => "CLEAN_UP",
        }),
        "deploymentConfiguration": { "strategy": strategy, "bakeTimeInMinutes": bake_minutes },
    });
    with_members_of(brief(region, service, deployment), more)
}

fn revision(region: &Region, service: &Service, arn: &str) -> Value {
    let live = service.deployments.iter().find(|deployment| deployment.revision_arn == arn);
    let is_of_it = |id: Option<&str>| id.is_some() && id == live.map(|deployment| &*deployment.id);
    let tasks = region.ecs().tasks.iter();
    let tasks = tasks.filter(|task| is_of_it(task.membership.as_ref().map(|of| &*of.deployment_id)));
    let running = tasks.clone().filter(|task| task.is_running()).count();
    let pending = tasks.filter(|task| task.is_pending() && task.is_wanted()).count();
    let weight = match service.rollout.strategy {
        Strategy::Rolling => None,
        Strategy::BlueGreen { .. } => live.map(|live| if live.stage.has_traffic() { 100.0 } else { 0.0 }),
    };
    json!({
        "arn": arn,
        "requestedTaskCount": running + pending,
        "runningTaskCount": running,
        "pendingTaskCount": pending,
        "requestedProductionTrafficWeight": weight,
    })
}

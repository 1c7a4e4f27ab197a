//! The running tasks of services, by zone and deployment.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ecs::types::{DesiredStatus, HealthStatus, Task as Described};

use super::services::{Draft, launch};
use super::{Reader, batches, last};
use crate::audit::facts::{Host, Launch, Task};
use crate::aws::{AzId, AzName};
use crate::stages::Error;

/// `DescribeTasks` takes as many (API Reference).
pub(super) const TASKS_A_CALL: usize = 100;

/// A task whose health is checked is left out until that is known, at most for so many seconds (ECS Developer Guide, "Service
/// Connect": "8 minutes").
const LONGEST_CHECK: f64 = 8.0 * 60.0;

/// Adds the tasks to their services. They are listed by cluster or by service, whichever takes fewer calls.
pub(super) async fn read(
    reader: &Reader<'_>,
    drafts: &mut [Draft],
    zones: &BTreeMap<AzName, AzId>,
) -> Result<(), Error> {
    let mut clusters: BTreeMap<&str, (usize, u32)> = BTreeMap::new();
    for draft in drafts.iter() {
        let (services, running) = clusters.entry(&draft.service.id.cluster).or_default();
        *services += 1;
        *running += draft.running;
    }
    let lists: Vec<(String, Option<String>)> = drafts
        .iter()
        .map(|draft| {
            let id = &draft.service.id;
            let (services, running) = clusters.get(&*id.cluster).copied().unwrap_or_default();
            let is_cheaper_by_service = services <= 1 + running as usize / TASKS_A_CALL;
            (id.cluster.clone(), is_cheaper_by_service.then(|| id.service.clone()))
        })
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let listed = reader.each(lists, |(cluster, service)| list(reader, cluster, service)).await?;
    let mut arns: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut missing: BTreeSet<String> = BTreeSet::new();
    for (cluster, found) in listed {
        match found {
            Some(found) => arns.entry(cluster).or_default().extend(found),
            None => drop(missing.insert(cluster)),
        }
    }
    let of_cluster = |(cluster, arns): (String, Vec<String>)| {
        let batches = batches(arns, TASKS_A_CALL);
        batches.into_iter().map(move |batch| (cluster.clone(), batch)).collect::<Vec<_>>()
    };
    let described =
        reader.each(arns.into_iter().flat_map(of_cluster), |(cluster, arns)| describe(reader, cluster, arns));
    let mut tasks: BTreeMap<(String, String), Vec<Described>> = BTreeMap::new();
    for (cluster, found) in described.await? {
        let Some(found) = found else {
            missing.insert(cluster);
            continue;
        };
        for task in found.into_iter().filter(|task| task.last_status() == Some("RUNNING")) {
            if let Some(service) = task.group().and_then(|group| group.strip_prefix("service:")) {
                tasks.entry((cluster.clone(), service.to_owned())).or_default().push(task);
            }
        }
    }
    for draft in drafts.iter_mut().filter(|draft| !missing.contains(&draft.service.id.cluster)) {
        let id = &draft.service.id;
        let found = tasks.remove(&(id.cluster.clone(), id.service.clone())).unwrap_or_default();
        if let (Launch::Unknown, Some(first)) = (draft.service.launch, found.first()) {
            draft.service.launch = launch(first.launch_type());
        }
        let deployment = draft.with_traffic().filter(|id| found.iter().any(|task| task.started_by() == Some(id)));
        let has_traffic = |task: &&Described| deployment.is_none_or(|id| task.started_by() == Some(id));
        let tasks = found.iter().filter(has_traffic).map(|found| task(reader, draft, found, zones)).collect();
        draft.service.tasks = Some(tasks);
    }
    Ok(())
}

async fn list(
    reader: &Reader<'_>,
    cluster: String,
    service: Option<String>,
) -> Result<(String, Option<Vec<String>>), Error> {
    let request = reader.ctx.clients.ecs.list_tasks().cluster(&cluster).set_service_name(service);
    let mut pages = request.desired_status(DesiredStatus::Running).into_paginator().send();
    let pages = reader.ctx.pages("ecs:ListTasks", async || pages.next().await).await;
    let pages = reader.gaps.unless_refused(pages, &format!("the tasks of cluster {cluster}"))?;
    let arns = pages.map(|pages| pages.into_iter().flat_map(|page| page.task_arns.unwrap_or_default()).collect());
    Ok((cluster, arns))
}

pub(super) async fn describe(
    reader: &Reader<'_>,
    cluster: String,
    arns: Vec<String>,
) -> Result<(String, Option<Vec<Described>>), Error> {
    let request = reader.ctx.clients.ecs.describe_tasks().cluster(&cluster).set_tasks(Some(arns));
    let answer = reader.ctx.look("ecs:DescribeTasks", request.send()).await;
    let answer = reader.gaps.unless_refused(answer, &format!("the tasks of cluster {cluster}"))?;
    Ok((cluster, answer.map(|answer| answer.tasks.unwrap_or_default())))
}

fn task(reader: &Reader<'_>, draft: &Draft, found: &Described, zones: &BTreeMap<AzName, AzId>) -> Task {
    let details = found.attachments().iter().flat_map(|attachment| attachment.details());
    let address = details.into_iter().find(|detail| detail.name() == Some("privateIPv4Address"));
    let is_young = || {
        let started = found.started_at().or(found.created_at());
        started.is_some_and(|time| reader.ctx.age(time).as_secs_f64() < LONGEST_CHECK)
    };
    let is_healthy = match found.health_status() {
        Some(HealthStatus::Unhealthy) => false,
        Some(HealthStatus::Healthy) => true,
        _ => !(draft.checks_health == Some(true) && is_young()),
    };
    let deployment = found.started_by().and_then(|id| draft.deployments.get(id));
    let newest = draft.service.deployment.as_ref().and_then(|deployment| deployment.created_at);
    // A revision's time is more to the point than its deployment's.
    let is_rolling = draft.service.strategy == "ROLLING";
    Task {
        id: last(found.task_arn().unwrap_or_default()).to_owned(),
        zone: zone(found, zones),
        address: address.and_then(|address| address.value()).map(str::to_owned),
        deployed_at: deployment.filter(|_| is_rolling).copied().or(newest),
        is_healthy,
        host: found.container_instance_arn().map(|arn| Host { instance: arn.to_owned(), ..Host::default() }),
    }
}

/// The zone of a task, by its ID if zones could be looked up.
pub(super) fn zone(task: &Described, zones: &BTreeMap<AzName, AzId>) -> AzId {
    let name = task.availability_zone().unwrap_or("unknown");
    zones.get(&AzName::new(name)).cloned().unwrap_or_else(|| AzId::new(name))
}

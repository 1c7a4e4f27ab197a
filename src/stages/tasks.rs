//! The tasks of a service: which there are, and why they fail.

use aws_sdk_ecs::primitives::DateTime;
use aws_sdk_ecs::types::{DesiredStatus, Task, TaskStopCode};

use super::{Context, Error, container_instances};
use crate::aws::error::optional;

pub(super) async fn find_running(ctx: &Context, cluster: &str, service: &str) -> Result<Vec<Task>, Error> {
    let mut tasks = find(ctx, cluster, service, DesiredStatus::Running).await?;
    tasks.retain(|task| task.last_status() == Some("RUNNING"));
    fill_in_zones(ctx, cluster, &mut tasks).await?;
    Ok(tasks)
}

/// Emulators tell no task's zone: it is that of its instance.
async fn fill_in_zones(ctx: &Context, cluster: &str, tasks: &mut [Task]) -> Result<(), Error> {
    let mut hosts: Vec<String> = tasks
        .iter()
        .filter(|task| task.availability_zone().is_none())
        .filter_map(|task| task.container_instance_arn().map(str::to_owned))
        .collect();
    hosts.sort();
    hosts.dedup();
    if hosts.is_empty() {
        return Ok(());
    }
    let hosts = container_instances::describe(ctx, cluster, &hosts).await?;
    for task in tasks.iter_mut().filter(|task| task.availability_zone.is_none()) {
        let host = hosts.iter().find(|host| host.container_instance_arn() == task.container_instance_arn());
        task.availability_zone = host.and_then(container_instances::zone).map(|zone| zone.as_str().to_owned());
    }
    Ok(())
}

pub(super) async fn find(
    ctx: &Context,
    cluster: &str,
    service: &str,
    desired: DesiredStatus,
) -> Result<Vec<Task>, Error> {
    let request = ctx.clients.ecs.list_tasks().cluster(cluster).service_name(service).desired_status(desired);
    let mut pages = request.into_paginator().send();
    // No cluster or no service, no tasks.
    let pages = optional(ctx.pages("ecs:ListTasks", async || pages.next().await).await)?.unwrap_or_default();
    let arns: Vec<_> = pages.into_iter().flat_map(|page| page.task_arns.unwrap_or_default()).collect();
    let mut tasks = vec![];
    for arns in arns.chunks(100) {
        let request = ctx.clients.ecs.describe_tasks().cluster(cluster).set_tasks(Some(arns.to_vec()));
        let answer = ctx.look("ecs:DescribeTasks", request.send()).await?;
        tasks.extend(answer.tasks.unwrap_or_default());
    }
    // Emulators list the tasks of all services, whichever is asked for.
    let group = format!("service:{service}");
    tasks.retain(|task| task.group() == Some(group.as_str()));
    Ok(tasks)
}

/// Finds why the task that failed last did, in AWS's words, if it did in this run. ECS starts another, and gives up after some.
pub(super) async fn find_failure(ctx: &Context, cluster: &str, service: &str) -> Result<Option<String>, Error> {
    /// When the task began to stop: ECS gives the reason from then on.
    fn end(task: &Task) -> Option<&DateTime> {
        task.stopping_at().or(task.stopped_at())
    }
    let stopped = find(ctx, cluster, service, DesiredStatus::Stopped).await;
    let stopped = ctx.unless_refused(stopped, "why tasks fail, if they do, is not known")?.unwrap_or_default();
    let by_itself = |task: &&Task| {
        let code = task.stop_code();
        let failed =
            code == Some(&TaskStopCode::TaskFailedToStart) || code == Some(&TaskStopCode::EssentialContainerExited);
        failed && end(task).is_some_and(|time| ctx.is_of_this_run(time))
    };
    let last = stopped.iter().filter(by_itself).max_by_key(|task| end(task).map(DateTime::secs));
    Ok(last.map(|task| {
        let container = task.containers().iter().find_map(|container| container.reason());
        let reason = task.stopped_reason().unwrap_or("ECS gives no reason");
        container.map_or_else(|| reason.to_owned(), |container| format!("{reason}: {container}"))
    }))
}

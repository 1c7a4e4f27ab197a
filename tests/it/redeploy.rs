//! `redeploy`: any services, in the order that is given, each waited for.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::sync::Notify;
use zonewalk::cloud::{Fault, FaultKind, Faults, LocalCloud, Pace};
use zonewalk::commands::redeploy::{self, Options};
use zonewalk::events::{Event, Events};
use zonewalk::settings::Settings;
use zonewalk::stages::Context;
use zonewalk::walkthrough::up;

use crate::support::{REGION, context, settings, start_cloud};

async fn tasks(ctx: &Context, service: &str) -> Vec<String> {
    let request = ctx.clients.ecs.list_tasks().cluster(&ctx.names.cluster).service_name(service);
    let mut arns = request.send().await.unwrap().task_arns().to_vec();
    arns.sort();
    arns
}

#[tokio::test]
async fn both_services_get_new_tasks_the_backend_first() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    up(&ctx).await.unwrap();
    let services = [ctx.names.backend.service.as_str(), ctx.names.frontend.service.as_str()];
    let before = [tasks(&ctx, services[0]).await, tasks(&ctx, services[1]).await];

    let done = redeploy::run(&ctx, Options::default()).await.unwrap();
    let names: Vec<_> = done.deployments.iter().map(|deployment| deployment.service.as_str()).collect();
    assert_eq!(names, services);
    for (deployment, before) in done.deployments.iter().zip(&before) {
        assert!(deployment.tasks == 6 && deployment.service_connect, "{deployment:?}");
        let after = tasks(&ctx, &deployment.service).await;
        assert_eq!(after.len(), 6);
        assert!(after.iter().all(|task| !before.contains(task)), "{after:?}");
    }
    cloud.shutdown().await;
}

#[tokio::test]
async fn services_of_others_are_named() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    up(&ctx).await.unwrap();
    let other = context(&cloud, Settings { name: "other".parse().unwrap(), ..settings() }).await;
    let options = Options {
        cluster: Some(ctx.names.cluster.clone()),
        services: vec![ctx.names.backend.service.clone()],
        ..Options::default()
    };
    assert_eq!(redeploy::run(&other, options).await.unwrap().deployments.len(), 1);

    let error = redeploy::run(&other, Options::default()).await.unwrap_err().to_string();
    assert!(error.contains("aws ecs list-services --cluster other-cluster-ec2"), "{error}");
    cloud.shutdown().await;
}

#[tokio::test]
async fn a_redeploy_that_timed_out_is_waited_for_and_not_started_again() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    up(&ctx).await.unwrap();
    disconnect(&cloud, &ctx).await;
    let options = Options { services: vec![ctx.names.backend.service.clone()], ..Options::default() };
    let hasty = context(&cloud, Settings { timeout: Duration::from_secs(1), ..settings() }).await;
    let error = redeploy::run(&hasty, options.clone()).await.unwrap_err().to_string();
    let wait = format!("aws ecs wait services-stable --cluster {}", ctx.names.cluster);
    assert!(error.contains("which goes on") && error.contains(&wait), "{error}");

    let deployments = async || {
        let request = ctx.clients.ecs.describe_services().cluster(&ctx.names.cluster);
        let found = request.services(&ctx.names.backend.service).send().await.unwrap();
        let deployments = found.services()[0].deployments().iter();
        deployments.map(|deployment| deployment.id().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let under_way = deployments().await;
    let told = Arc::new(Notify::new());
    let tell = Arc::clone(&told);
    let listening = ctx.with_events(Events::new(move |event| {
        if matches!(&event, Event::Note { message } if message.contains("is under way")) {
            tell.notify_one();
        }
    }));
    let reconnect = async {
        told.notified().await;
        cloud.set_faults(Faults::default());
    };
    let (done, ()) = tokio::join!(redeploy::run(&listening, options), reconnect);
    let done = done.unwrap();
    assert_eq!((&done.deployments[0].id, deployments().await), (&under_way[0], under_way[..1].to_vec()));
    cloud.shutdown().await;
}

/// ECS says why a task failed as soon as it has; neither the wait nor its end keeps that to itself.
#[tokio::test]
async fn a_failing_task_is_told_in_ecss_words() {
    let cloud = start_cloud(Pace::Fast).await;
    let command = ["server", "-port=8090", "-unknown"].map(String::from).to_vec();
    let ctx = context(&cloud, Settings { backend_command: Some(command), ..settings() }).await;
    let error = up(&ctx).await.unwrap_err().to_string();
    assert!(error.contains("tasks failed to start"), "{error}");
    assert!(error.contains("a task failed: Essential container in task exited"), "{error}");
    cloud.shutdown().await;
}

/// What calls a service that does not become healthy would meet that, too.
#[tokio::test]
async fn of_all_that_is_stale_none_is_deployed_after_a_failure_and_what_is_left_is_named() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    up(&ctx).await.unwrap();
    let [backend, frontend] = [&ctx.names.backend.service, &ctx.names.frontend.service];
    for service in [backend, frontend] {
        cloud.control("age", &json!({ "region": REGION, "service": service, "days": 3_000 })).unwrap();
    }
    // Without traffic nobody is known to call anybody, and names decide.
    let mut order = [backend, frontend];
    order.sort();
    let [first, second] = order;
    let before = tasks(&ctx, second).await;
    disconnect(&cloud, &ctx).await;
    let (events, notes) = collecting();
    let hasty = context(&cloud, Settings { timeout: Duration::from_secs(1), ..settings() }).await.with_events(events);
    let stale = Options { all_stale: true, ..Options::default() };
    let error = redeploy::run(&hasty, stale.clone()).await.unwrap_err().to_string();
    assert!(error.contains(&**first) && error.contains("which goes on"), "{error}");
    let left = format!("not deployed again, since {first} failed: {}/{second}", ctx.names.cluster);
    assert!(notes.lock().unwrap().contains(&left), "{:?}", notes.lock().unwrap());
    assert_eq!(tasks(&ctx, second).await, before);

    // What was begun is waited for, and the rest follows.
    cloud.set_faults(Faults::default());
    let done = redeploy::run(&ctx, stale).await.unwrap();
    let done: Vec<_> = done.deployments.iter().map(|deployment| &deployment.service).collect();
    assert!(done.ends_with(&[second]), "{done:?}");
    cloud.shutdown().await;
}

/// The notes of what is done with the events.
fn collecting() -> (Events, Arc<Mutex<Vec<String>>>) {
    let notes: Arc<Mutex<Vec<String>>> = Arc::default();
    let collected = Arc::clone(&notes);
    let events = Events::new(move |event| {
        if let Event::Note { message } = event {
            collected.lock().unwrap().push(message);
        }
    });
    (events, notes)
}

/// No agent in a zone is heard of, so that no task stops there.
async fn disconnect(cloud: &LocalCloud, ctx: &Context) {
    let disconnected = Fault {
        zone: Some("us-east-1a".to_owned()),
        milliseconds: Some(3_600_000),
        ..Fault::at(FaultKind::DisconnectAgent, "sts:GetCallerIdentity", 1, 4)
    };
    cloud.set_faults(Faults { seed: 1, faults: vec![disconnected] });
    for _ in 0..4 {
        ctx.clients.sts.get_caller_identity().send().await.unwrap();
    }
}

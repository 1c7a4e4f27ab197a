//! `redeploy`: any services, in the order that is given, each waited for.

use zonewalk::cloud::Pace;
use zonewalk::commands::redeploy::{self, Options};
use zonewalk::settings::Settings;
use zonewalk::stages::Context;
use zonewalk::walkthrough::up;

use crate::support::{context, settings, start_cloud};

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
    let options =
        Options { cluster: Some(ctx.names.cluster.clone()), services: vec![ctx.names.backend.service.clone()] };
    assert_eq!(redeploy::run(&other, options).await.unwrap().deployments.len(), 1);

    let error = redeploy::run(&other, Options::default()).await.unwrap_err().to_string();
    assert!(error.contains("aws ecs list-services --cluster other-cluster-ec2"), "{error}");
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

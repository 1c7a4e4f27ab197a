//! Agents that disconnect and reconnect, as they do several times an hour: their instances and tasks are what they were.

use aws_sdk_ecs::types::Task;
use zonewalk::cloud::{Fault, FaultKind, Faults, LocalCloud, Pace};
use zonewalk::commands::{stats, status, verify};
use zonewalk::stages::Context;
use zonewalk::traffic::Verdict;
use zonewalk::walkthrough::{down, up};

use crate::support::{context, settings, start_cloud};

/// Disconnects agents of a zone with the next calls by this operation.
fn disconnect(cloud: &LocalCloud, operation: &str, times: u64, milliseconds: u64) {
    let fault = Fault {
        milliseconds: Some(milliseconds),
        zone: Some("us-east-1a".to_owned()),
        ..Fault::at(FaultKind::DisconnectAgent, operation, 1, times)
    };
    cloud.set_faults(Faults { seed: 1, faults: vec![fault] });
}

const AN_HOUR: u64 = 3_600_000;

async fn tasks(ctx: &Context, service: &str) -> Vec<Task> {
    let (ecs, cluster) = (&ctx.clients.ecs, &ctx.names.cluster);
    let arns = ecs.list_tasks().cluster(cluster).service_name(service).send().await.unwrap().task_arns;
    ecs.describe_tasks().cluster(cluster).set_tasks(arns).send().await.unwrap().tasks.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_and_stats_find_hosts_whose_agents_are_not_connected() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    up(&ctx).await.unwrap();
    disconnect(&cloud, "sts:GetCallerIdentity", 4, AN_HOUR);
    for _ in 0..4 {
        ctx.clients.sts.get_caller_identity().send().await.unwrap();
    }
    let frontends = tasks(&ctx, &ctx.names.frontend.service).await;
    let cut_off = frontends.iter().filter(|task| task.connectivity().is_some_and(|it| it.as_str() == "DISCONNECTED"));
    assert_eq!(cut_off.count(), 2);

    let status = status::run(&ctx, Default::default()).await.unwrap().now;
    assert_eq!((status.container_instances, status.disconnected_agents), (12, 4));
    let stats = stats::run(&ctx, verify::Traffic::default()).await.unwrap();
    assert_eq!((stats.proxies.len(), stats.verdict), (6, Some(Verdict::Pass)), "{:?}", stats.reasons);
    assert!(stats.proxies.iter().all(|proxy| proxy.instance.starts_with("i-")), "{:?}", stats.proxies);
    cloud.shutdown().await;
}

#[tokio::test]
async fn what_an_agent_is_to_start_or_stop_waits_until_it_reconnects() {
    for operation in ["ecs:CreateService", "ecs:DeleteService"] {
        let cloud = start_cloud(Pace::Instant).await;
        let ctx = context(&cloud, settings()).await;
        disconnect(&cloud, operation, 1, 300);
        up(&ctx).await.unwrap();
        assert_eq!(down(&ctx).await.unwrap().leftovers, []);
        assert_eq!(cloud.faults()["fault"][0]["struck"], 1);
        cloud.shutdown().await;
    }
}

#[tokio::test]
async fn up_waits_for_an_agent_that_is_to_be_given_tasks() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    disconnect(&cloud, "ecs:ListContainerInstances", 1, 300);
    up(&ctx).await.unwrap();
    assert_eq!(status::run(&ctx, Default::default()).await.unwrap().now.disconnected_agents, 0, "it was waited for");
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ssm_agent_that_signs_off_just_before_the_command_is_waited_for() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    up(&ctx).await.unwrap();
    let (code, message) = (Some("InvalidInstanceId".to_owned()), Some("Instances not in a valid state".to_owned()));
    let refuse = Fault { code, message, ..Fault::at(FaultKind::Refuse, "ssm:SendCommand", 1, 1) };
    cloud.set_faults(Faults { seed: 1, faults: vec![refuse] });
    let stats = stats::run(&ctx, verify::Traffic::default()).await.unwrap();
    assert_eq!((stats.proxies.len(), stats.verdict), (6, Some(Verdict::Pass)), "{:?}", stats.reasons);
    assert_eq!(cloud.faults()["fault"][0]["struck"], 1);
    cloud.shutdown().await;
}

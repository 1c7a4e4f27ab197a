//! The hosts themselves, on the local cloud in an emulator's place or on nothing: what they do when they begin and end.

use std::time::Duration;

use aws_sdk_ecs::types::ContainerInstanceStatus;
use zonewalk::aws::{Clients, Retries, Target};
use zonewalk::cloud::Pace;
use zonewalk::local_traffic::LocalTraffic;
use zonewalk::local_traffic::client::Client;
use zonewalk::settings::{ServiceConnectMode, Settings};
use zonewalk::walkthrough::up;

use crate::support::{self, REGION};

/// How long what comes by itself may take; the limit is for hosts that are broken.
const LIMIT: Duration = Duration::from_secs(40);

async fn members(clients: &Clients, cluster: &str) -> Vec<(String, String)> {
    let listed = clients.ecs.list_container_instances().cluster(cluster).send().await.unwrap();
    let describe = clients.ecs.describe_container_instances().cluster(cluster);
    let found = describe.set_container_instances(listed.container_instance_arns).send().await.unwrap();
    let members = found.container_instances.unwrap().into_iter();
    members.map(|member| (member.container_instance_arn.unwrap(), member.status.unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_earlier_hosts_left_draining_take_tasks_again() {
    let cloud = support::start_cloud(Pace::Instant).await;
    let ctx = support::context(&cloud, support::settings()).await;
    up(&ctx).await.unwrap();
    let (clients, cluster) = (&ctx.clients, &ctx.settings.name.resources().cluster);
    let (left, _) = members(clients, cluster).await.pop().unwrap();
    let update = clients.ecs.update_container_instances_state().cluster(cluster).container_instances(left);
    update.status(ContainerInstanceStatus::Draining).send().await.unwrap();

    let hosts = LocalTraffic::start(clients.clone(), &ctx.settings.name).await.unwrap();
    let active = async {
        while members(clients, cluster).await.iter().any(|(_, status)| status != "ACTIVE") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, active).await.expect("one drains for ever");
    hosts.shutdown().await;
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frontend_that_is_a_client_only_has_no_name_on_an_emulator_either() {
    for mode in [ServiceConnectMode::ClientServer, ServiceConnectMode::ClientOnly] {
        let cloud = support::start_cloud(Pace::Instant).await;
        let ctx = support::context(&cloud, Settings { frontend_mode: mode, ..support::settings() }).await;
        up(&ctx).await.unwrap();
        let names = ctx.settings.name.resources();
        let hosts = LocalTraffic::start(ctx.clients.clone(), &ctx.settings.name).await.unwrap();
        let url = hosts.control_url();
        let stats = Client::new(&url).stats().await.unwrap();
        let knows = |name: &str| stats.contains(&format!("cluster.{name}.{}.", names.namespace));
        assert!(knows(&names.backend.discovery_name), "{stats}");
        assert_eq!(knows(&names.frontend.discovery_name), mode == ServiceConnectMode::ClientServer, "{stats}");
        hosts.shutdown().await;
        cloud.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_wait_for_what_does_not_come_end_when_they_are_told_to() {
    // Nothing listens there.
    let retries = Retries { attempts: 1, first_pause: Duration::ZERO };
    let nowhere = Target { retries, ..Target::local("http://127.0.0.1:1", REGION) };
    let hosts = LocalTraffic::start(nowhere.connect().await.unwrap(), &support::settings().name).await.unwrap();
    let url = hosts.control_url();
    let asking = tokio::spawn(async move { Client::new(&url).ingress("none").await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    tokio::time::timeout(LIMIT, hosts.shutdown()).await.expect("they go on settling");
    assert!(asking.await.unwrap().is_err());
}

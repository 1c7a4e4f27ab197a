//! Which cluster the agents of instances join.

use zonewalk::cloud::Pace;

use super::Stand;

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_told_of_no_cluster_makes_and_joins_the_default_one() {
    let stand = Stand::without_cluster(Pace::Instant).await;
    stand.launch("silent", 1, &stand.subnets, "#!/bin/sh\n# echo ECS_CLUSTER=other >> /etc/ecs/ecs.config\n").await;
    let clusters = async || stand.clients.ecs.list_clusters().send().await.unwrap().cluster_arns.unwrap();
    stand.until("a cluster is made", async || !clusters().await.is_empty()).await;
    assert!(clusters().await[0].ends_with(":cluster/default"));
    stand.until("the instance has joined", async || stand.instances("default").await.len() == 1).await;
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_reads_a_cloud_config() {
    let stand = Stand::new(Pace::Instant).await;
    let config = "#cloud-config\nwrite_files:\n- path: /etc/ecs/ecs.config\n  content: |\n    ECS_CLUSTER='cluster'\n";
    stand.launch("configured", 2, &stand.subnets, config).await;
    stand.until("the instances have joined", async || stand.instances(super::CLUSTER).await.len() == 2).await;
    stand.end().await;
}

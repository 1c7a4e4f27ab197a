//! How much ECS's operations take at once, and what goes with what, by the API Reference.

use aws_sdk_ecs::types::{
    AwsVpcConfiguration, Compatibility, ContainerDefinition, ContainerInstanceStatus, IpcMode, NetworkConfiguration,
    NetworkMode, PidMode,
};
use zonewalk::cloud::Pace;

use super::{CLUSTER, LOG_GROUP, Stand, assert_refused};

const INVALID: &str = "InvalidParameterException";

fn names(count: usize) -> Option<Vec<String>> {
    Some((0..count).map(|n| format!("{n:032x}")).collect())
}

#[tokio::test]
async fn lists_are_as_long_as_their_operations_take() {
    let stand = Stand::new(Pace::Instant).await;
    let ecs = &stand.clients.ecs;
    let tasks = |count| ecs.describe_tasks().cluster(CLUSTER).set_tasks(names(count)).send();
    assert_eq!(tasks(100).await.unwrap().failures().len(), 100);
    assert_refused(tasks(101).await, INVALID, "more than 100");
    let clusters = |count| ecs.describe_clusters().set_clusters(names(count)).send();
    assert_eq!(clusters(100).await.unwrap().failures().len(), 100);
    assert_refused(clusters(101).await, INVALID, "more than 100");
    let instances = |count| {
        let describe = ecs.describe_container_instances().cluster(CLUSTER);
        describe.set_container_instances(names(count)).send()
    };
    assert_eq!(instances(100).await.unwrap().failures().len(), 100);
    assert_refused(instances(101).await, INVALID, "more than 100");
    let drain = |count| {
        let update = ecs.update_container_instances_state().cluster(CLUSTER).set_container_instances(names(count));
        update.status(ContainerInstanceStatus::Draining).send()
    };
    assert_eq!(drain(10).await.unwrap().failures().len(), 10);
    assert_refused(drain(11).await, INVALID, "more than 10");
    assert_refused(drain(0).await, INVALID, "empty");
    let services = |count| ecs.describe_services().cluster(CLUSTER).set_services(names(count)).send();
    assert_eq!(services(10).await.unwrap().failures().len(), 10);
    assert_refused(services(11).await, INVALID, "more than 10");
    stand.end().await;
}

#[tokio::test]
async fn tokens_and_starters_are_as_long_as_their_operations_take() {
    let stand = Stand::with_instances(Pace::Instant, 2).await;
    stand.define("app", LOG_GROUP, true).await;
    let create = |token: &str| stand.create_service("app", 0).client_token(token).send();
    assert_refused(create(&"x".repeat(37)).await, INVALID, "clientToken");
    assert_refused(create("with a space").await, INVALID, "clientToken");
    create(&"x".repeat(36)).await.unwrap();
    let run = |by: String, token: String| {
        let run = stand.clients.ecs.run_task().cluster(CLUSTER).task_definition("app").started_by(by);
        run.client_token(token).network_configuration(stand.network()).send()
    };
    assert_refused(run("me".to_owned(), "x".repeat(65)).await, INVALID, "clientToken");
    assert_refused(run("x".repeat(129), "a".to_owned()).await, INVALID, "startedBy");
    assert_refused(run("me & you".to_owned(), "b".to_owned()).await, INVALID, "startedBy");
    assert_eq!(run("x".repeat(128), "x".repeat(64)).await.unwrap().tasks().len(), 1);
    stand.end().await;
}

#[tokio::test]
async fn tasks_are_run_in_security_groups_that_are_there() {
    let stand = Stand::with_instances(Pace::Instant, 2).await;
    stand.define("app", LOG_GROUP, true).await;
    let network = |groups: &[&str], subnets: usize| {
        let vpc = AwsVpcConfiguration::builder()
            .set_subnets(Some(stand.subnets.iter().cycle().take(subnets).cloned().collect()))
            .set_security_groups(Some(groups.iter().map(|group| (*group).to_owned()).collect()));
        NetworkConfiguration::builder().awsvpc_configuration(vpc.build().unwrap()).build()
    };
    for (groups, subnets, words) in [
        (&["sg-0aaaaaaaaaaaaaaaa"][..], 3, "The security group 'sg-0aaaaaaaaaaaaaaaa' does not exist"),
        (&["nonsense"], 3, "The security group 'nonsense' does not exist"),
        (&["sg-0"; 6], 3, "at most 5"),
        (&[], 17, "at most 16"),
    ] {
        let run = stand.clients.ecs.run_task().cluster(CLUSTER).task_definition("app");
        assert_refused(run.network_configuration(network(groups, subnets)).send().await, INVALID, words);
        let create = stand.create_service("app", 1).network_configuration(network(groups, subnets));
        assert_refused(create.send().await, INVALID, words);
    }
    stand.create_service("app", 0).send().await.unwrap();
    let update = stand.clients.ecs.update_service().cluster(CLUSTER).service("app");
    let update = update.network_configuration(network(&["sg-0"], 3)).send().await;
    assert_refused(update, INVALID, "The security group 'sg-0' does not exist");
    stand.end().await;
}

#[tokio::test]
async fn a_health_check_grace_period_needs_a_load_balancer() {
    let stand = Stand::new(Pace::Instant).await;
    stand.define("app", LOG_GROUP, true).await;
    let create = |seconds| stand.create_service("app", 0).health_check_grace_period_seconds(seconds).send();
    let words = "Health check grace period is only valid for services configured to use load balancers";
    assert_refused(create(30).await, INVALID, words);
    assert_refused(create(-1).await, INVALID, "from 0");
    create(0).await.unwrap();
    let update = stand.clients.ecs.update_service().cluster(CLUSTER).service("app");
    assert_refused(update.health_check_grace_period_seconds(30).send().await, INVALID, words);
    stand.end().await;
}

#[tokio::test]
async fn fargate_shares_no_namespaces_with_its_host() {
    let stand = Stand::new(Pace::Instant).await;
    let register = |pid: Option<PidMode>, ipc: Option<IpcMode>, on: Compatibility| {
        let container = ContainerDefinition::builder().name("app").image("app").build();
        let register = stand.clients.ecs.register_task_definition().family("app").container_definitions(container);
        let register = register.network_mode(NetworkMode::Awsvpc).cpu("256").memory("512").set_pid_mode(pid);
        register.set_ipc_mode(ipc).requires_compatibilities(on).send()
    };
    let refused = register(Some(PidMode::Host), None, Compatibility::Fargate).await;
    assert_refused(refused, "ClientException", "pidMode");
    let refused = register(None, Some(IpcMode::Task), Compatibility::Fargate).await;
    assert_refused(refused, "ClientException", "ipcMode");
    register(Some(PidMode::Task), None, Compatibility::Fargate).await.unwrap();
    let made = register(Some(PidMode::Host), None, Compatibility::Ec2).await.unwrap().task_definition.unwrap();
    assert!(!made.compatibilities().contains(&Compatibility::Fargate), "{made:?}");
    stand.end().await;
}

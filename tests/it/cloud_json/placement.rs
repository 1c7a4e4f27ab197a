//! Placement constraints: which they are, what they hold for, and with what they cannot be.

use aws_sdk_ecs::types::{
    AvailabilityZoneRebalancing, DeploymentConfiguration, PlacementConstraint, PlacementConstraintType,
};
use zonewalk::cloud::Pace;

use super::{CLUSTER, LOG_GROUP, Stand, assert_refused, zones};

const INVALID: &str = "InvalidParameterException";
const UNSUPPORTED: &str = "UnsupportedFeatureException";

/// A placement constraint that compares by the cluster query language.
pub(super) fn member_of(expression: &str) -> PlacementConstraint {
    PlacementConstraint::builder().r#type(PlacementConstraintType::MemberOf).expression(expression).build()
}

#[tokio::test(flavor = "multi_thread")]
async fn placement_constraints_hold_for_tasks_that_are_placed_from_then_on() {
    let stand = Stand::with_instances(Pace::Instant, 12).await;
    stand.define("backend", LOG_GROUP, false).await;
    let rollout = DeploymentConfiguration::builder().minimum_healthy_percent(50).maximum_percent(100).build();
    stand.create_service("backend", 6).deployment_configuration(rollout).send().await.unwrap();
    let before = stand.until_steady("backend").await;
    let update = || stand.clients.ecs.update_service().cluster(CLUSTER).service("backend");
    let outside = member_of("attribute:ecs.availability-zone != us-east-1a");
    update().placement_constraints(outside.clone()).send().await.unwrap();
    let service = stand.until_steady("backend").await;
    assert_eq!(service.placement_constraints(), [outside]);
    assert_eq!(service.deployments()[0].id(), before.deployments()[0].id(), "it starts no deployment");
    assert_eq!(stand.zones("backend").await, zones([2, 2, 2]), "nor does it move a task");

    let stop_in = async |zone: &str, count: usize| {
        let tasks = stand.tasks("backend").await;
        for task in tasks.iter().filter(|task| task.availability_zone() == Some(zone)).take(count) {
            let stop = stand.clients.ecs.stop_task().cluster(CLUSTER).task(task.task_arn().unwrap());
            stop.send().await.unwrap();
        }
    };
    stop_in("us-east-1a", 2).await;
    let moved = zones([0, 3, 3]).into_iter().filter(|(_, tasks)| *tasks > 0).collect();
    stand.until("they are placed elsewhere", async || stand.zones("backend").await == moved).await;
    stand.until_steady("backend").await;
    update().set_placement_constraints(Some(vec![])).send().await.unwrap();
    assert_eq!(stand.until_steady("backend").await.placement_constraints(), []);
    assert_eq!(stand.zones("backend").await, moved);
    stop_in("us-east-1b", 1).await;
    stop_in("us-east-1c", 1).await;
    stand.until("they are even again", async || stand.zones("backend").await == zones([2, 2, 2])).await;

    let nowhere = member_of("attribute:ecs.availability-zone in [us-east-1d]");
    update().placement_constraints(nowhere).desired_count(9).send().await.unwrap();
    let unplaced = "encountered error \"MemberOf placement constraint unsatisfied.\"";
    stand
        .until("the constraint is told", async || {
            let service = stand.service("backend").await;
            service.events().iter().any(|event| event.message().is_some_and(|message| message.contains(unplaced)))
        })
        .await;
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn placement_constraints_that_cannot_be_are_refused() {
    let stand = Stand::new(Pace::Instant).await;
    stand.define("web", LOG_GROUP, true).await;
    let outside = || member_of("attribute:ecs.availability-zone not_in [us-east-1a, us-east-1b]");
    let create = |constraints: Vec<PlacementConstraint>| {
        stand.create_service("web", 0).set_placement_constraints(Some(constraints))
    };
    assert_refused(create(vec![outside(); 11]).send().await, INVALID, "placementConstraints can have at most 10");
    let distinct = PlacementConstraint::builder().r#type(PlacementConstraintType::DistinctInstance).build();
    assert_refused(create(vec![distinct]).send().await, UNSUPPORTED, "the placement constraint distinctInstance");
    assert_refused(create(vec![member_of("runningTasksCount == 0")]).send().await, UNSUPPORTED, "runningTasksCount");
    let rebalanced = "does not support placement constraints on the attribute ecs.availability-zone";
    let enabled = create(vec![outside()]).availability_zone_rebalancing(AvailabilityZoneRebalancing::Enabled);
    assert_refused(enabled.send().await, INVALID, rebalanced);
    let made = create(vec![outside()]).send().await.unwrap().service.unwrap();
    assert_eq!(made.availability_zone_rebalancing(), Some(&AvailabilityZoneRebalancing::Disabled));
    let update = stand.clients.ecs.update_service().cluster(CLUSTER).service("web");
    let enable = update.clone().availability_zone_rebalancing(AvailabilityZoneRebalancing::Enabled);
    assert_refused(enable.clone().send().await, INVALID, rebalanced);
    enable.set_placement_constraints(Some(vec![])).send().await.unwrap();
    assert_refused(update.placement_constraints(outside()).send().await, INVALID, rebalanced);
    stand.end().await;
}

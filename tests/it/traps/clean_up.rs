//! Traps of the article's clean-up.

use aws_sdk_ec2::types::{IpPermission, UserIdGroupPair};
use zonewalk::cloud::Pace;
use zonewalk::plan::Kind;
use zonewalk::settings::Settings;
use zonewalk::walkthrough::{down, up};

use super::{Walk, article, code, of_tasks};

#[tokio::test]
async fn trap_01_the_cluster_is_deleted_after_its_instances_are_gone() {
    let walk = Walk::up(1).await;
    let (ecs, names) = (&walk.ctx.clients.ecs, &walk.ctx.names);
    for service in [&names.frontend.service, &names.backend.service] {
        ecs.delete_service().cluster(&names.cluster).service(service).force(true).send().await.unwrap();
    }
    let refused = ecs.delete_cluster().cluster(&names.cluster).send().await;
    assert_eq!(code(refused), "ClusterContainsContainerInstancesException");
    walk.end().await;
}

#[tokio::test]
async fn trap_02_security_groups_go_before_those_their_rules_name() {
    let walk = Walk::with(Settings { adopt: true, ..of_tasks(1) }, Pace::Instant).await;
    let (ec2, names) = (&walk.ctx.clients.ec2, &walk.ctx.names);
    let vpc = ec2.describe_vpcs().send().await.unwrap().vpcs()[0].vpc_id().unwrap().to_owned();
    let mut groups: Vec<String> = vec![];
    for name in [&names.lb_security_group, &names.client_security_group, &names.server_security_group] {
        let group = ec2.create_security_group().group_name(name).description("-").vpc_id(&vpc).send().await.unwrap();
        let id = group.group_id().unwrap().to_owned();
        if let Some(admitted) = groups.last() {
            let members = UserIdGroupPair::builder().group_id(admitted).build();
            let rule =
                IpPermission::builder().ip_protocol("tcp").from_port(80).to_port(80).user_id_group_pairs(members);
            ec2.authorize_security_group_ingress().group_id(&id).ip_permissions(rule.build()).send().await.unwrap();
        }
        groups.push(id);
    }
    // The article's order: load balancer, client, server.
    for group in &groups[..2] {
        assert_eq!(code(ec2.delete_security_group().group_id(group).send().await), "DependencyViolation");
    }
    let removed = down(&walk.ctx).await.unwrap().removed;
    let order: Vec<_> = removed.iter().map(|removed| &removed.id).collect();
    assert_eq!(order.len(), 3);
    assert!(groups.iter().all(|group| order.contains(&group)), "{order:?}");
    walk.end().await;
}

#[tokio::test]
async fn trap_12_log_groups_namespace_and_task_definitions_are_removed_too() {
    let text = article("clean-up");
    for left in ["delete-log-group", "delete-namespace", "deregister-task-definition"] {
        assert!(!text.contains(left), "the article has learned {left}");
    }
    let walk = Walk::up(1).await;
    let removed = down(&walk.ctx).await.unwrap().removed;
    for kind in [Kind::LogGroup, Kind::Namespace, Kind::DiscoveryService, Kind::TaskDefinition] {
        assert!(removed.iter().any(|removed| removed.kind == kind), "{kind}");
    }
    walk.end().await;
}

/// At a pace at which things take their time, as shares of AWS's: draining, the group's emptying, interfaces.
#[tokio::test]
async fn trap_13_removal_waits_for_what_takes_long_and_not_for_a_minute() {
    assert_eq!(article("clean-up").matches("sleep").count(), 2, "the article waits by the clock");
    let walk = Walk::with(of_tasks(1), Pace::Fast).await;
    up(&walk.ctx).await.unwrap();
    let (elbv2, names) = (&walk.ctx.clients.elbv2, &walk.ctx.names);
    let groups = elbv2.describe_target_groups().names(&names.target_group).send().await.unwrap();
    let arn = groups.target_groups()[0].target_group_arn().unwrap();
    let attributes = elbv2.describe_target_group_attributes().target_group_arn(arn).send().await.unwrap();
    let delay = attributes.attributes().iter().find(|a| a.key() == Some("deregistration_delay.timeout_seconds"));
    assert_eq!(delay.unwrap().value(), Some("10"), "AWS's own is 300");

    // What the article deletes after its sleeps, while it is still in use.
    let group = walk.ctx.clients.ec2.describe_security_groups().send().await.unwrap();
    let group = group.security_groups().iter().find(|group| group.group_name() == Some(&names.lb_security_group));
    let balancers = elbv2.describe_load_balancers().send().await.unwrap();
    let balancer = balancers.load_balancers()[0].load_balancer_arn().unwrap();
    elbv2.delete_load_balancer().load_balancer_arn(balancer).send().await.unwrap();
    let delete = walk.ctx.clients.ec2.delete_security_group().group_id(group.unwrap().group_id().unwrap());
    assert_eq!(code(delete.send().await), "DependencyViolation");
    walk.end().await;
}

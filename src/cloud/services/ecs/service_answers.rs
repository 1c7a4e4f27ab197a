//! A service as `DescribeServices` tells of it.

use serde_json::{Value, json};

use super::service_connect;
use super::services::{Deployment, LoadBalancer, Network, RolloutState, Service, ServiceStatus};
use super::tasks::Task;
use crate::cloud::region::Region;
use crate::cloud::wire::tags::LOWER;
use crate::cloud::wire::timestamp;

impl RolloutState {
    fn reason(self, deployment: &str) -> String {
        match self {
            Self::InProgress => format!("ECS deployment {deployment} in progress."),
            Self::Completed => format!("ECS deployment {deployment} completed."),
            Self::Failed => "ECS deployment circuit breaker: tasks failed to start.".to_owned(),
        }
    }
}

pub(super) fn wire(region: &Region, service: &Service, with_tags: bool) -> Value {
    let tasks: Vec<_> = region.ecs().tasks.iter().filter(|task| task.is_of(&service.arn)).collect();
    let primary = service.primary();
    let is_live = service.status != ServiceStatus::Inactive;
    let deployments = service.deployments.iter().enumerate().filter(|_| is_live);
    let deployments: Value =
        deployments.map(|(index, deployment)| wire_deployment(service, deployment, index == 0, &tasks)).collect();
    let load_balancers = service.load_balancers.iter().map(LoadBalancer::wire);
    let events = (service.events.iter())
        .map(|event| json!({ "id": event.id, "createdAt": timestamp(event.at), "message": event.message }));
    let account = crate::cloud::ACCOUNT_ID;
    let (strategy, bake_minutes) = service.rollout.strategy.wire();
    let answer = json!({
        "serviceArn": service.arn,
        "serviceName": service.name,
        "clusterArn": region.arn("ecs", &format!("cluster/{}", service.cluster)),
        "loadBalancers": load_balancers.collect::<Value>(),
        "serviceRegistries": [],
        "status": service.status.into_str(),
        "desiredCount": service.desired_count,
        "runningCount": tasks.iter().filter(|task| task.is_running()).count(),
        "pendingCount": tasks.iter().filter(|task| task.is_pending() && task.is_wanted()).count(),
        "taskDefinition": primary.definition.arn,
        "deploymentConfiguration": {
            "deploymentCircuitBreaker": { "enable": service.rollout.has_circuit_breaker, "rollback": false },
            "maximumPercent": service.rollout.maximum_percent,
            "minimumHealthyPercent": service.rollout.minimum_healthy_percent,
            "strategy": strategy,
            "bakeTimeInMinutes": bake_minutes,
        },
        "deployments": deployments,
        "currentServiceRevisions": is_live.then(|| current_revisions(service, &tasks)),
        "roleArn": format!("arn:aws:iam::{account}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"),
        "events": events.collect::<Value>(),
        "createdAt": timestamp(service.created_at),
        "placementConstraints": service.placement_constraints,
        "placementStrategy": service.placement_strategy,
        "networkConfiguration": wire_network(&primary.network),
        "healthCheckGracePeriodSeconds": service.grace_period,
        "schedulingStrategy": "REPLICA",
        "deploymentController": { "type": "ECS" },
        "tags": with_tags.then(|| service.tags.to_list(LOWER)),
        "createdBy": format!("arn:aws:iam::{account}:root"),
        "enableECSManagedTags": service.enable_managed_tags,
        "propagateTags": service.propagate_tags,
        "enableExecuteCommand": false,
        "availabilityZoneRebalancing": if service.rebalances_zones { "ENABLED" } else { "DISABLED" },
    });
    with_members_of(answer, primary.capacity.wire(false))
}

pub(super) fn with_members_of(mut answer: Value, other: Value) -> Value {
    if let (Value::Object(members), Value::Object(more)) = (&mut answer, other) {
        members.extend(more);
    }
    answer
}

/// The revisions of the deployments that there are, the newest first.
fn current_revisions(service: &Service, tasks: &[&Task]) -> Value {
    let revisions = service.deployments.iter().enumerate().map(|(index, deployment)| {
        let mine = || tasks.iter().filter(|task| task.is_of_deployment(&deployment.id));
        let running = mine().filter(|task| task.is_running()).count();
        let pending = mine().filter(|task| task.is_pending() && task.is_wanted()).count();
        json!({
            "arn": deployment.revision_arn,
            "requestedTaskCount": if index == 0 { service.desired_count as usize } else { running + pending },
            "runningTaskCount": running,
            "pendingTaskCount": pending,
        })
    });
    revisions.collect()
}

impl LoadBalancer {
    pub(super) fn wire(&self) -> Value {
        json!({
            "targetGroupArn": self.target_group_arn,
            "containerName": self.container_name,
            "containerPort": self.container_port,
        })
    }
}

fn wire_deployment(service: &Service, deployment: &Deployment, is_primary: bool, tasks: &[&Task]) -> Value {
    let mine = || tasks.iter().filter(|task| task.is_of_deployment(&deployment.id));
    let running = mine().filter(|task| task.is_running()).count();
    let pending = mine().filter(|task| task.is_pending() && task.is_wanted()).count();
    let connect = deployment.service_connect.as_ref();
    let resources = connect.map(|connect| {
        let resource = |o: &service_connect::Offered| {
            json!({ "discoveryName": o.endpoint.discovery_name, "discoveryArn": o.discovery_arn })
        };
        connect.offered.iter().map(resource).collect::<Value>()
    });
    let answer = json!({
        "id": deployment.id,
        "status": if is_primary { "PRIMARY" } else { "ACTIVE" },
        "taskDefinition": deployment.definition.arn,
        "desiredCount": if is_primary { service.desired_count as usize } else { running + pending },
        "pendingCount": pending,
        "runningCount": running,
        "failedTasks": deployment.failed_tasks,
        "createdAt": timestamp(deployment.created_at),
        "updatedAt": timestamp(deployment.updated_at),
        "networkConfiguration": wire_network(&deployment.network),
        "rolloutState": deployment.state.into_str(),
        "rolloutStateReason": deployment.state.reason(&deployment.id),
        "serviceConnectConfiguration": deployment
            .service_connect_configuration
            .as_ref()
            .map(|configuration| service_connect::wire(configuration, connect)),
        "serviceConnectResources": resources,
    });
    with_members_of(answer, deployment.capacity.wire(true))
}

pub(super) fn wire_network(network: &Network) -> Value {
    if network.subnets.is_empty() {
        return Value::Null;
    }
    json!({ "awsvpcConfiguration": {
            "subnets": network.subnets,
            "securityGroups": network.security_groups,
            "assignPublicIp": if network.public_ip { "ENABLED" } else { "DISABLED" },
        } })
}

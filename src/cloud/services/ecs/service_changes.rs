//! `CreateService` and `UpdateService`: everything AWS would refuse is refused before anything is changed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::blue_green::Strategy;
use super::capacity::Capacity;
use super::clusters::{self, ClusterStatus};
use super::definition::Definition;
use super::service_deployments::{Ending, ServiceDeployment};
use super::service_revisions::Revision;
use super::services::{
    self, Deployment, LoadBalancer, Network, Rollout, RolloutState, Service, ServiceStatus, Throttle, not_found,
};
use super::{check_client_token, client_error, instance_filter, invalid, is_named, service_connect};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::services::{ec2, elbv2};
use crate::cloud::wire::Params;
use crate::cloud::wire::tags::{LOWER, Tags};

pub(super) fn create(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let name = params.str("serviceName")?;
    if name.len() > 255 || !is_named(name) {
        return Err(invalid("Service name contains invalid characters."));
    }
    check_client_token(params, 36)?;
    let cluster = region.ecs().cluster(params)?;
    if cluster.status == ClusterStatus::Provisioning {
        return Err(client_error("Cluster was not ACTIVE."));
    }
    let cluster = cluster.name.clone();
    if let Some(existing) = region.ecs().service(&cluster, name) {
        let is_same_request = params.opt_str("clientToken").is_some() && existing.request == *params.map();
        match existing.status {
            ServiceStatus::Active if is_same_request => return services::answer(region, &existing.arn),
            ServiceStatus::Active => return Err(invalid("Creation of service was not idempotent.")),
            ServiceStatus::Draining => return Err(invalid("Unable to Start a service that is still Draining.")),
            ServiceStatus::Inactive => {}
        }
    }
    if let Some(other) = params.opt_str("schedulingStrategy").filter(|given| *given != "REPLICA") {
        return Err(AwsError::unsupported(format_args!("schedulingStrategy {other}, only REPLICA")));
    }
    if let Some(controller) = params.object("deploymentController").and_then(|c| c.opt_str("type"))
        && controller != "ECS"
    {
        return Err(AwsError::unsupported(format_args!("the deployment controller {controller}, only ECS")));
    }
    let arn = region.arn("ecs", &format!("service/{cluster}/{name}"));
    let wanted = Wanted::read(region, &cluster, &arn, params, None)?;
    let desired_count = count(params)?.ok_or_else(|| invalid("desiredCount is required for REPLICA services."))?;
    let tags = Tags::from_list(&params.objects("tags"), LOWER)?;
    let (rollout, load_balancers) = (wanted.rollout, wanted.load_balancers.clone());
    let grace_period = grace_period(params, &load_balancers)?;
    let placement_constraints = placement_constraints(params)?.unwrap_or_else(|| json!([]));
    let rebalances_zones = rebalances_zones(params, rollout)?;
    if rebalances_zones == Some(true) && names_zones(&placement_constraints) {
        return Err(invalid(REBALANCED_ELSEWHERE));
    }
    let (deployment, revision) = wanted.into_deployment(region, &cluster, name);
    let service_deployment = service_deployment(region, &cluster, name, &deployment, vec![]);
    let service = Service {
        arn: arn.clone(),
        name: name.to_owned(),
        deployments: vec![deployment],
        revisions: vec![revision],
        service_deployments: vec![service_deployment],
        cluster,
        status: ServiceStatus::Active,
        desired_count,
        rollout,
        grace_period: grace_period.or((!load_balancers.is_empty()).then_some(0)),
        load_balancers,
        // ENABLED unless said otherwise, or the service is none of those that can be rebalanced.
        rebalances_zones: rebalances_zones
            .unwrap_or(rollout.maximum_percent > 100 && !names_zones(&placement_constraints)),
        placement_constraints,
        placement_strategy: params.get("placementStrategy").cloned().unwrap_or_else(|| json!([])),
        enable_managed_tags: params.opt_bool("enableECSManagedTags") == Some(true),
        propagate_tags: params.opt_str("propagateTags").unwrap_or("NONE").to_owned(),
        tags,
        request: params.map().clone(),
        created_at: Timestamp::now(),
        is_steady: false,
        is_emptied: false,
        throttle: Throttle::default(),
        events: VecDeque::new(),
    };
    region.ecs_mut().services.retain(|service| service.arn != arn);
    region.ecs_mut().services.push(service);
    services::answer(region, &arn)
}

pub(super) fn update(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let cluster = region.ecs().cluster(params)?.name.clone();
    let service = region.ecs().service(&cluster, params.str("service")?).ok_or_else(not_found)?;
    if service.status != ServiceStatus::Active {
        return Err(AwsError::new("ServiceNotActiveException", "Service was not ACTIVE."));
    }
    let (arn, name) = (service.arn.clone(), service.name.clone());
    let wanted = Wanted::read(region, &cluster, &arn, params, Some(service))?;
    let desired_count = count(params)?;
    let grace_period = grace_period(params, &wanted.load_balancers)?;
    let rebalances_zones = rebalances_zones(params, wanted.rollout)?.unwrap_or(service.rebalances_zones);
    let placement_constraints = placement_constraints(params)?.unwrap_or_else(|| service.placement_constraints.clone());
    if rebalances_zones && names_zones(&placement_constraints) {
        return Err(invalid(REBALANCED_ELSEWHERE));
    }
    // A change of placement starts no deployment: it holds for tasks placed from then on (API Reference, "UpdateService").
    let is_redeployed = params.opt_bool("forceNewDeployment") == Some(true) || wanted.differs_from(service);
    let (rollout, load_balancers, capacity) = (wanted.rollout, wanted.load_balancers.clone(), wanted.capacity.clone());
    let sources = service.deployments.iter().map(|deployment| deployment.revision_arn.clone()).collect();
    let deployment = is_redeployed.then(|| {
        let (deployment, revision) = wanted.into_deployment(region, &cluster, &name);
        (service_deployment(region, &cluster, &name, &deployment, sources), deployment, revision)
    });
    let Some(service) = region.ecs_mut().service_mut(&arn) else { return Err(not_found()) };
    service.rollout = rollout;
    service.load_balancers = load_balancers;
    service.is_steady = false;
    service.throttle = Throttle::default();
    service.desired_count = desired_count.unwrap_or(service.desired_count);
    service.rebalances_zones = rebalances_zones;
    service.placement_constraints = placement_constraints;
    if let Some(strategy) = params.get("placementStrategy") {
        service.placement_strategy = strategy.clone();
    }
    service.enable_managed_tags = params.opt_bool("enableECSManagedTags").unwrap_or(service.enable_managed_tags);
    if let Some(propagate) = params.opt_str("propagateTags") {
        propagate.clone_into(&mut service.propagate_tags);
    }
    service.grace_period = grace_period.or(service.grace_period);
    if let Some((service_deployment, deployment, revision)) = deployment {
        service.end_deployments(Ending::Stopped, |_| true);
        service.deployments.insert(0, deployment);
        service.note_deployment(service_deployment, revision);
    } else if let Some(primary) = service.deployments.first_mut() {
        // Another strategy starts no deployment, and holds for the tasks that are started from now on.
        primary.capacity = capacity;
        primary.updated_at = Timestamp::now();
    }
    services::answer(region, &arn)
}

/// What a service's next deployment would be.
struct Wanted {
    definition: Arc<Definition>,
    capacity: Capacity,
    network: Network,
    load_balancers: Vec<LoadBalancer>,
    service_connect_configuration: Option<Value>,
    service_connect: Option<service_connect::ServiceConnect>,
    rollout: Rollout,
}

impl Wanted {
    /// From the request, and from the service as it is for what the request leaves out.
    fn read(
        region: &Region,
        cluster: &str,
        arn: &str,
        params: Params<'_>,
        current: Option<&Service>,
    ) -> Result<Self, AwsError> {
        let definition = match (params.opt_str("taskDefinition"), current) {
            (Some(reference), _) => region.ecs().task_definitions.runnable(reference)?,
            (None, Some(service)) => Arc::clone(&service.primary().definition),
            (None, None) => return Err(invalid("TaskDefinition can not be blank.")),
        };
        let named = |service: &Service| service.request.get("launchType").and_then(Value::as_str).map(str::to_owned);
        let named = current.and_then(named);
        let of_cluster = region.ecs().cluster_by_reference(cluster).ok_or_else(clusters::not_found)?;
        let before = current.map(|service| (&service.primary().capacity, named.as_deref()));
        let capacity = Capacity::read(&of_cluster.providers, &definition, params, before)?;
        check_placement(params)?;
        let before = current.map(|service| &service.primary().network);
        let network = network(region, &definition, &capacity, params.object("networkConfiguration"), before)?;
        let load_balancers = match (params.get("loadBalancers"), current) {
            (None, Some(service)) => {
                let kept = &service.load_balancers;
                kept.iter().try_for_each(|it| check_target_type(region, &definition, &it.target_group_arn))?;
                kept.clone()
            }
            _ => load_balancers(region, &definition, params)?,
        };
        let service_connect_configuration = params
            .get("serviceConnectConfiguration")
            .or_else(|| current?.primary().service_connect_configuration.as_ref())
            .cloned();
        let configuration = service_connect_configuration.as_ref().and_then(Value::as_object).map(Params::new);
        let service_connect = match configuration {
            Some(configuration) => service_connect::resolve(region, cluster, arn, &definition, configuration)?,
            None => None,
        };
        let before = current.map_or_else(Rollout::default, |service| service.rollout);
        let rollout = rollout(params.object("deploymentConfiguration"), before)?;
        if rollout.strategy != Strategy::Rolling && !load_balancers.is_empty() {
            return Err(AwsError::unsupported("a blue/green deployment behind a load balancer"));
        }
        Ok(Self {
            definition,
            capacity,
            network,
            load_balancers,
            service_connect_configuration,
            service_connect,
            rollout,
        })
    }

    fn differs_from(&self, service: &Service) -> bool {
        let primary = service.primary();
        primary.definition.arn != self.definition.arn
            || primary.network != self.network
            || primary.capacity.platform_version() != self.capacity.platform_version()
            || primary.service_connect_configuration != self.service_connect_configuration
            || service.load_balancers != self.load_balancers
    }

    fn into_deployment(mut self, region: &mut Region, cluster: &str, name: &str) -> (Deployment, Revision) {
        if let Some(connect) = &mut self.service_connect {
            service_connect::publish(region, connect);
        }
        let number = region.ids.digits(19);
        let revision = Revision {
            arn: region.arn("ecs", &format!("service-revision/{cluster}/{name}/{number}")),
            definition: Arc::clone(&self.definition),
            network: self.network.clone(),
            load_balancers: self.load_balancers,
            service_connect_configuration: self.service_connect_configuration.clone(),
            service_connect: self.service_connect.clone(),
            created_at: Timestamp::now(),
        };
        let deployment = Deployment {
            id: format!("ecs-svc/{}", region.ids.digits(19)),
            revision_arn: revision.arn.clone(),
            definition: self.definition,
            capacity: self.capacity,
            network: self.network,
            service_connect_configuration: self.service_connect_configuration,
            service_connect: self.service_connect,
            state: RolloutState::InProgress,
            stage: self.rollout.strategy.first_stage(),
            failed_tasks: 0,
            created_at: revision.created_at,
            updated_at: revision.created_at,
        };
        (deployment, revision)
    }
}

fn service_deployment(
    region: &mut Region,
    cluster: &str,
    name: &str,
    deployment: &Deployment,
    sources: Vec<String>,
) -> ServiceDeployment {
    let id = region.ids.hex(21);
    ServiceDeployment {
        arn: region.arn("ecs", &format!("service-deployment/{cluster}/{name}/{id}")),
        deployment_id: deployment.id.clone(),
        target: deployment.revision_arn.clone(),
        sources,
        created_at: deployment.created_at,
        ended: None,
    }
}

fn count(params: Params<'_>) -> Result<Option<u32>, AwsError> {
    let count = params.opt_int("desiredCount")?;
    count.map(|n| u32::try_from(n).map_err(|_| invalid("desiredCount must not be negative."))).transpose()
}

/// API Reference, "AwsVpcConfiguration".
const MAX_SUBNETS: usize = 16;
const MAX_SECURITY_GROUPS: usize = 5;
/// ECS Developer Guide, "Registering multiple target groups with an Amazon ECS service".
const MAX_TARGET_GROUPS: usize = 5;
/// API Reference, "CreateService", "placementStrategy".
const MAX_STRATEGIES: usize = 5;
/// Only a service behind a load balancer can have one (hashicorp/terraform-provider-aws#31104); 0 is none
/// (kayac/ecspresso#805).
fn grace_period(params: Params<'_>, load_balancers: &[LoadBalancer]) -> Result<Option<i64>, AwsError> {
    let given = params.opt_int("healthCheckGracePeriodSeconds")?;
    match given {
        Some(seconds) if !(0..=i64::from(i32::MAX)).contains(&seconds) => {
            Err(invalid("healthCheckGracePeriodSeconds must be from 0 to 2147483647."))
        }
        Some(seconds) if seconds > 0 && load_balancers.is_empty() => {
            Err(invalid("Health check grace period is only valid for services configured to use load balancers"))
        }
        given => Ok(given),
    }
}

/// Zones first, then instances: what ECS does by itself. Nothing else is done here, so nothing else may be asked for.
fn check_placement(params: Params<'_>) -> Result<(), AwsError> {
    if params.objects("placementStrategy").len() > MAX_STRATEGIES {
        return Err(invalid(format!("placementStrategy can have at most {MAX_STRATEGIES} items.")));
    }
    for (index, strategy) in params.objects("placementStrategy").into_iter().enumerate() {
        let (kind, field) = (strategy.opt_str("type"), strategy.opt_str("field").unwrap_or_default());
        let is_default_order = match index {
            0 => field == "attribute:ecs.availability-zone",
            _ => matches!(field, "instanceId" | "host"),
        };
        if kind != Some("spread") || !is_default_order {
            return Err(AwsError::unsupported(
                "a placement strategy other than spread over zones, then over instances",
            ));
        }
    }
    Ok(())
}

/// The network of a service's or `RunTask`'s tasks: of those with interfaces of their own (ECS Developer Guide, "Amazon ECS task
/// networking options for EC2"; the words are reported in cloudposse/terraform-aws-ecs-alb-service-task#22). `before` is the service's,
/// which stays if none is given.
pub(super) fn network(
    region: &Region,
    definition: &Definition,
    capacity: &Capacity,
    given: Option<Params<'_>>,
    before: Option<&Network>,
) -> Result<Network, AwsError> {
    let before = before.filter(|network| !network.subnets.is_empty());
    match definition.network_mode() {
        "awsvpc" => {}
        "bridge" if given.is_none() && before.is_none() => return Ok(Network::default()),
        "bridge" => {
            return Err(invalid(
                "Network Configuration is not valid for the given networkMode of this task definition.",
            ));
        }
        other => {
            return Err(AwsError::unsupported(format_args!("tasks with network mode {other}, only awsvpc and bridge")));
        }
    }
    if let (None, Some(before)) = (given, before) {
        return Ok(before.clone());
    }
    let given = given
        .and_then(|network| network.object("awsvpcConfiguration"))
        .ok_or_else(|| invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified."))?;
    let public_ip = given.opt_str("assignPublicIp") == Some("ENABLED");
    if public_ip && !capacity.is_fargate() {
        return Err(invalid("Assign public IP is not supported for this launch type."));
    }
    let owned = |name: &str| given.strings(name).into_iter().map(str::to_owned).collect::<Vec<_>>();
    let network = Network { subnets: owned("subnets"), security_groups: owned("securityGroups"), public_ip };
    check_network(region, &network)?;
    Ok(network)
}

/// ECS asks EC2, and gives its answer (API Reference, "AwsVpcConfiguration").
fn check_network(region: &Region, network: &Network) -> Result<(), AwsError> {
    let Network { subnets, security_groups, .. } = network;
    if subnets.is_empty() {
        return Err(invalid("subnets can not be empty."));
    }
    for (list, name, most) in
        [(subnets, "subnets", MAX_SUBNETS), (security_groups, "securityGroups", MAX_SECURITY_GROUPS)]
    {
        if list.len() > most {
            return Err(invalid(format!("{name} can have at most {most} items.")));
        }
        if let Some(twice) = (1..list.len()).find(|index| list[..*index].contains(&list[*index])) {
            return Err(invalid(format!("{name} can not have duplicates: {}.", list[twice])));
        }
    }
    let mut vpcs = Vec::new();
    for id in subnets {
        let subnet = ec2::subnet(region, id).ok_or_else(|| {
            invalid(format!(
                "Error retrieving subnet information for [{}]: The subnet ID '{id}' does not exist (ErrorCode: InvalidSubnetID.NotFound)",
                subnets.join(", ")
            ))
        })?;
        vpcs.push(subnet.vpc_id.as_str());
    }
    for id in security_groups {
        let vpc = ec2::vpc_of_security_group(region, id).ok_or_else(|| {
            invalid(format!(
                "Error retrieving security group information for [{}]: The security group '{id}' does not exist (ErrorCode: InvalidGroup.NotFound)",
                security_groups.join(", ")
            ))
        })?;
        vpcs.push(vpc);
    }
    if vpcs.iter().any(|vpc| *vpc != vpcs[0]) {
        return Err(invalid("All subnets and security groups must be in the same VPC."));
    }
    Ok(())
}

fn load_balancers(region: &Region, definition: &Definition, params: Params<'_>) -> Result<Vec<LoadBalancer>, AwsError> {
    let all = params.objects("loadBalancers");
    if all.len() > MAX_TARGET_GROUPS {
        return Err(invalid(format!("loadBalancers can have at most {MAX_TARGET_GROUPS} items.")));
    }
    let mut balancers = Vec::new();
    for given in all {
        let target_group_arn = given.str("targetGroupArn")?;
        let (name, port) = (given.str("containerName")?, given.int("containerPort")?);
        let container = definition
            .container(name)
            .ok_or_else(|| invalid(format!("The container {name} does not exist in the task definition.")))?;
        let mut mappings = container.objects("portMappings").into_iter();
        let has_port = mappings.any(|mapping| mapping.opt_int("containerPort").ok().flatten() == Some(port));
        let container_port = u16::try_from(port)
            .ok()
            .filter(|_| has_port)
            .ok_or_else(|| invalid(format!("The container {name} did not have a container port {port} defined.")))?;
        let group = elbv2::target_group(region, target_group_arn)
            .ok_or_else(|| invalid(format!("The specified target group does not exist: {target_group_arn}")))?;
        check_target_type(region, definition, target_group_arn)?;
        if !group.has_load_balancer {
            return Err(invalid(format!(
                "The target group with targetGroupArn {target_group_arn} does not have an associated load balancer."
            )));
        }
        balancers.push(LoadBalancer {
            target_group_arn: target_group_arn.to_owned(),
            container_name: name.to_owned(),
            container_port,
        });
    }
    Ok(balancers)
}

/// Tasks with interfaces of their own are targets by their addresses, and others by their instances
/// (hashicorp/terraform-provider-aws#11723 and #12252).
fn check_target_type(region: &Region, definition: &Definition, target_group_arn: &str) -> Result<(), AwsError> {
    let wanted = if definition.is_bridged() { "instance" } else { "ip" };
    match elbv2::target_group(region, target_group_arn) {
        Some(group) if group.target_type != wanted => Err(invalid(format!(
            "The provided target group {target_group_arn} has target type {}, which is incompatible with the {} network mode specified in the task definition.",
            group.target_type,
            definition.network_mode()
        ))),
        _ => Ok(()),
    }
}

fn rollout(given: Option<Params<'_>>, before: Rollout) -> Result<Rollout, AwsError> {
    let Some(given) = given else { return Ok(before) };
    if given.object("alarms").is_some_and(|alarms| alarms.opt_bool("enable") == Some(true)) {
        return Err(AwsError::unsupported("a deployment's alarms"));
    }
    let breaker = given.object("deploymentCircuitBreaker");
    let is_on = |member: &str| breaker.is_some_and(|breaker| breaker.opt_bool(member) == Some(true));
    if is_on("enable") && is_on("rollback") {
        return Err(AwsError::unsupported("a circuit breaker that rolls back"));
    }
    let strategy = strategy(given, before.strategy)?;
    if strategy != Strategy::Rolling && is_on("enable") {
        return Err(AwsError::unsupported("a circuit breaker of a blue/green deployment"));
    }
    let percent = |name: &str, before: u32| -> Result<u32, AwsError> {
        match given.opt_int(name)? {
            Some(n) => u32::try_from(n).map_err(|_| invalid(format!("{name} must not be negative."))),
            None => Ok(before),
        }
    };
    let rollout = Rollout {
        minimum_healthy_percent: percent("minimumHealthyPercent", before.minimum_healthy_percent)?,
        maximum_percent: percent("maximumPercent", before.maximum_percent)?,
        has_circuit_breaker: breaker.map_or(before.has_circuit_breaker, |b| b.opt_bool("enable") == Some(true)),
        strategy,
    };
    if rollout.maximum_percent < 100 || rollout.minimum_healthy_percent > 100 {
        return Err(invalid("maximumPercent must be at least 100, minimumHealthyPercent at most 100."));
    }
    if rollout.minimum_healthy_percent == 100 && rollout.maximum_percent == 100 {
        return Err(invalid(
            "Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.",
        ));
    }
    Ok(rollout)
}

/// The time is in minutes, and has to be given with blue/green (API Reference, "DeploymentConfiguration").
fn strategy(given: Params<'_>, before: Strategy) -> Result<Strategy, AwsError> {
    let bake = given.opt_int("bakeTimeInMinutes")?;
    let bake =
        bake.map(|minutes| u64::try_from(minutes).map_err(|_| invalid("bakeTimeInMinutes must not be negative.")));
    let bake = bake.transpose()?.map(|minutes| Duration::from_secs(60 * minutes));
    match (given.opt_str("strategy"), before, bake) {
        (Some("BLUE_GREEN"), _, Some(bake)) | (None, Strategy::BlueGreen { .. }, Some(bake)) => {
            Ok(Strategy::BlueGreen { bake })
        }
        (None | Some("BLUE_GREEN"), Strategy::BlueGreen { .. }, None) => Ok(before),
        (Some("BLUE_GREEN"), Strategy::Rolling, None) => {
            Err(invalid("bakeTimeInMinutes is required with the deployment strategy BLUE_GREEN."))
        }
        (None | Some("ROLLING"), _, None | Some(Duration::ZERO)) => Ok(Strategy::Rolling),
        (None | Some("ROLLING"), ..) => Err(AwsError::unsupported("the bake time of a rolling update")),
        (Some(other), ..) => Err(AwsError::unsupported(format_args!("the deployment strategy {other}"))),
    }
}

/// API Reference, "UpdateService", "placementConstraints".
const MAX_CONSTRAINTS: usize = 10;

/// The placement constraints of a request: comparisons in the cluster query language.
fn placement_constraints(params: Params<'_>) -> Result<Option<Value>, AwsError> {
    let given = params.objects("placementConstraints");
    if given.len() > MAX_CONSTRAINTS {
        return Err(invalid(format!("placementConstraints can have at most {MAX_CONSTRAINTS} items.")));
    }
    for constraint in given {
        match constraint.str("type")? {
            "memberOf" => drop(instance_filter::parse(constraint.str("expression")?)?),
            other => {
                return Err(AwsError::unsupported(format_args!("the placement constraint {other}, only memberOf")));
            }
        }
    }
    Ok(params.get("placementConstraints").cloned())
}

/// Services whose placement goes by zones are not rebalanced over them (ECS Developer Guide, "Balancing an Amazon ECS service
/// across Availability Zones").
const REBALANCED_ELSEWHERE: &str =
    "Availability Zone rebalancing does not support placement constraints on the attribute ecs.availability-zone.";

fn names_zones(placement_constraints: &Value) -> bool {
    let mut constraints = placement_constraints.as_array().into_iter().flatten();
    constraints.any(|it| it["expression"].as_str().is_some_and(|text| text.contains("attribute:ecs.availability-zone")))
}

/// Services at 100 % at most have no room to move a task (ECS Developer Guide, "Balancing an Amazon ECS service across
/// Availability Zones").
fn rebalances_zones(params: Params<'_>, rollout: Rollout) -> Result<Option<bool>, AwsError> {
    let wanted = params.opt_str("availabilityZoneRebalancing").map(|given| given == "ENABLED");
    if wanted == Some(true) && rollout.maximum_percent <= 100 {
        return Err(invalid("Availability Zone rebalancing needs a maximumPercent of more than 100."));
    }
    Ok(wanted)
}

//! Targets: registered, found healthy by the mesh's probes, draining.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::{Value, json};

use super::load_balancers::{self, LoadBalancer};
use super::target_groups::{self, Settings, TargetGroup, TargetType};
use super::{checked_port, listeners, validation_error};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::service::Answer;
use crate::cloud::services::ec2;
use crate::cloud::wire::Params;
use crate::mesh;
use crate::mesh::topology;

/// Probes are real HTTP: however fast the clouds' times pass, they come no closer than this.
const SHORTEST_PROBE_INTERVAL: Duration = Duration::from_millis(50);

/// …and a busy machine gets this long to answer one.
const SHORTEST_PROBE_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub(super) struct Target {
    /// The instance's, of a group of instances.
    ip: Ipv4Addr,
    port: u16,
    /// The instance that it is, of a group of instances.
    instance_id: Option<String>,
    /// Set while it drains; tells one deregistration from a later one.
    draining: Option<u64>,
}

/// How a target stands with its load balancer: `DescribeTargetHealth`'s `State`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum TargetState {
    /// Registered, and not yet found healthy.
    Initial,
    Healthy,
    Unhealthy,
    /// No load balancer uses its target group, or not in its zone.
    Unused,
    /// Deregistered; requests in flight may finish.
    Draining,
}

/// A state and why: AWS's `Reason` and `Description`, of which a healthy target has none.
struct Health {
    state: TargetState,
    why: Option<(&'static str, String)>,
}

impl Health {
    fn because(state: TargetState, reason: &'static str, description: impl Into<String>) -> Self {
        Self { state, why: Some((reason, description.into())) }
    }

    fn wire(&self) -> Value {
        json!({
            "State": <&str>::from(self.state),
            "Reason": self.why.as_ref().map(|(reason, _)| reason),
            "Description": self.why.as_ref().map(|(_, description)| description),
        })
    }
}

/// The zone of a target: that of the subnet its address is in.
fn zone_of<'r>(region: &'r Region, group: &TargetGroup, ip: Ipv4Addr) -> Option<&'r str> {
    ec2::subnet_with_address(region, &group.settings.vpc_id, ip).map(|subnet| subnet.az_name.as_str())
}

fn health(region: &Region, group: &TargetGroup, target: &Target) -> Health {
    if target.draining.is_some() {
        let description = "Target deregistration is in progress";
        return Health::because(TargetState::Draining, "Target.DeregistrationInProgress", description);
    }
    let instance = target.instance_id.as_deref().map(|id| ec2::instance(region, id));
    if instance.is_some_and(|instance| instance.is_none_or(|it| it.state != ec2::InstanceState::Running)) {
        let description = "Target is in the terminated state";
        return Health::because(TargetState::Unused, "Target.InvalidState", description);
    }
    let state = region.elbv2();
    let load_balancer = listeners::load_balancer_of(state, &group.arn);
    let Some(load_balancer) = load_balancer.and_then(|arn| load_balancers::find(state, arn).ok()) else {
        let description = "Target group is not configured to receive traffic from the load balancer";
        return Health::because(TargetState::Unused, "Target.NotInUse", description);
    };
    if !zone_of(region, group, target.ip).is_none_or(|zone| load_balancer.serves_zone(zone)) {
        let description = "Target is in an Availability Zone that is not enabled for the load balancer";
        return Health::because(TargetState::Unused, "Target.NotInUse", description);
    }
    if !load_balancer.active {
        let description = "Target registration is in progress";
        return Health::because(TargetState::Initial, "Elb.RegistrationInProgress", description);
    }
    match region.mesh.target_health(&group.arn, target.ip, target.port) {
        None => {
            let description = "Initial health checks in progress";
            Health::because(TargetState::Initial, "Elb.InitialHealthChecking", description)
        }
        Some(mesh::TargetHealth::Healthy) => Health { state: TargetState::Healthy, why: None },
        Some(mesh::TargetHealth::Unhealthy { reason }) => {
            Health::because(TargetState::Unhealthy, reason.code(), reason.to_string())
        }
    }
}

/// `None`: no such target, or it is drained.
pub(crate) fn target_state(region: &Region, target_group_arn: &str, ip: Ipv4Addr, port: u16) -> Option<TargetState> {
    let group = target_groups::find(region.elbv2(), target_group_arn).ok()?;
    let target = group.targets.iter().find(|target| (target.ip, target.port) == (ip, port))?;
    Some(health(region, group, target).state)
}

/// Registers an address, or the instance that has it, with a target group. One that drains is in service again; a deleted group is
/// ignored.
pub(crate) fn register_target(region: &mut Region, target_group_arn: &str, ip: Ipv4Addr, port: u16) {
    let Ok(group) = target_groups::find(region.elbv2(), target_group_arn) else { return };
    let Settings { target_type, vpc_id, .. } = &group.settings;
    let of_instances = (*target_type == TargetType::Instance).then_some(vpc_id);
    let instance_id = of_instances.and_then(|vpc_id| ec2::instance_at(region, vpc_id, ip)).map(str::to_owned);
    let Ok(group) = target_groups::find_mut(region.elbv2_mut(), target_group_arn) else { return };
    match group.targets.iter_mut().find(|target| (target.ip, target.port) == (ip, port)) {
        Some(target) => target.draining = None,
        None => group.targets.push(Target { ip, port, instance_id, draining: None }),
    }
}

/// Begins to drain a target; after the group's deregistration delay, or at once if no load balancer uses the group,
/// it is gone.
pub(crate) fn deregister_target(region: &mut Region, target_group_arn: &str, ip: Ipv4Addr, port: u16) {
    let in_use = listeners::load_balancer_of(region.elbv2(), target_group_arn).is_some();
    region.elbv2_mut().deregistrations += 1;
    let ticket = region.elbv2().deregistrations;
    let Ok(group) = target_groups::find_mut(region.elbv2_mut(), target_group_arn) else { return };
    let Some(index) = group.targets.iter().position(|target| (target.ip, target.port) == (ip, port)) else { return };
    if !in_use {
        group.targets.remove(index);
        return;
    }
    if group.targets[index].draining.is_some() {
        return;
    }
    group.targets[index].draining = Some(ticket);
    let delay = Duration::from_secs(group.attributes.deregistration_delay());
    let arn = group.arn.clone();
    region.after_aws_time(delay, move |region| {
        if let Ok(group) = target_groups::find_mut(region.elbv2_mut(), &arn) {
            group.targets.retain(|target| target.draining != Some(ticket));
        }
    });
}

/// A load balancer's target group as the mesh is to serve and probe it.
pub(super) fn mesh_target_group(
    region: &Region,
    reach: &ec2::Reach<'_>,
    load_balancer: &LoadBalancer,
    group: &TargetGroup,
) -> topology::TargetGroup {
    let pace = region.schedule.pace;
    let check = &group.health_check;
    let in_zone =
        |target: &Target| zone_of(region, group, target.ip).is_none_or(|zone| load_balancer.serves_zone(zone));
    // The mesh has one server for all nodes of the load balancer: what one of them cannot reach, it does not.
    let is_blocked = |target: &Target| {
        let subnet = ec2::subnet_with_address(region, &group.settings.vpc_id, target.ip);
        if subnet.is_some_and(|subnet| region.trouble.cut_zones.contains(&subnet.az_id)) {
            return true;
        }
        let target_interface = reach.interface_at(&group.settings.vpc_id, target.ip);
        target_interface.is_some_and(|to| !load_balancer.interfaces().all(|from| reach.connects(from, to, target.port)))
    };
    topology::TargetGroup {
        arn: group.arn.clone(),
        targets: group
            .targets
            .iter()
            .filter(|target| in_zone(target))
            .map(|target| topology::Target {
                ip: target.ip,
                port: target.port,
                in_service: target.draining.is_none(),
                blocked: is_blocked(target),
            })
            .collect(),
        health_check: topology::HealthCheck {
            path: check.path.clone(),
            matcher: check.matcher.clone(),
            interval: pace.scale(Duration::from_secs(check.interval.into())).max(SHORTEST_PROBE_INTERVAL),
            timeout: pace.scale(Duration::from_secs(check.timeout.into())).max(SHORTEST_PROBE_TIMEOUT),
            healthy_threshold: check.healthy_threshold,
            unhealthy_threshold: check.unhealthy_threshold,
        },
    }
}

/// Address and port of each target that a request names; the port is the group's if none is given.
fn requested(region: &Region, group: &TargetGroup, params: Params<'_>) -> Result<Vec<(Ipv4Addr, u16)>, AwsError> {
    let mut requested = Vec::new();
    for target in params.objects("Targets") {
        let id = target.str("Id")?;
        let ip = match group.settings.target_type {
            TargetType::Ip => id
                .parse()
                .map_err(|_| validation_error(format!("The IP address '{id}' is not a valid IPv4 address")))?,
            TargetType::Instance => address_of_instance(region, id)?,
        };
        let port = target.opt_int("Port")?.unwrap_or(group.settings.port.into());
        let port = checked_port("Target", port)?;
        // Answers name the zone that the address is in; so may requests.
        let zone = target.opt_str("AvailabilityZone");
        if zone.is_some() && zone != zone_of(region, group, ip) {
            return Err(AwsError::unsupported("targets outside of their address's Availability Zone"));
        }
        requested.push((ip, port));
    }
    Ok(requested)
}

/// The words for what is no instance are reported in hashicorp/terraform-provider-aws#11723.
fn address_of_instance(region: &Region, id: &str) -> Result<Ipv4Addr, AwsError> {
    if !id.starts_with("i-") {
        return Err(validation_error(format!("Instance ID '{id}' is not valid")));
    }
    let instance = ec2::instance(region, id).filter(|instance| instance.state == ec2::InstanceState::Running);
    instance.map(|instance| instance.interface.private_ip).ok_or_else(|| {
        let message = format!("The following targets are not in a running state and cannot be registered: '{id}'");
        AwsError::new("InvalidTarget", message)
    })
}

/// Registers or deregisters each target that a request names.
pub(super) fn change(
    region: &mut Region,
    params: Params<'_>,
    change_one: fn(&mut Region, &str, Ipv4Addr, u16),
) -> Answer {
    if params.objects("Targets").is_empty() {
        return Err(validation_error("A target must be specified"));
    }
    let arn = params.str("TargetGroupArn")?;
    for (ip, port) in requested(region, target_groups::find(region.elbv2(), arn)?, params)? {
        change_one(region, arn, ip, port);
    }
    Ok(json!({}))
}

pub(super) fn describe_health(region: &Region, params: Params<'_>) -> Answer {
    let group = target_groups::find(region.elbv2(), params.str("TargetGroupArn")?)?;
    let addresses = if params.objects("Targets").is_empty() {
        group.targets.iter().map(|target| (target.ip, target.port)).collect()
    } else {
        requested(region, group, params)?
    };
    let is_of_instances = group.settings.target_type == TargetType::Instance;
    let descriptions = addresses.into_iter().map(|(ip, port)| {
        let target = group.targets.iter().find(|target| (target.ip, target.port) == (ip, port));
        let registered = target.and_then(|target| target.instance_id.clone());
        let now = || ec2::instance_at(region, &group.settings.vpc_id, ip).filter(|_| is_of_instances);
        let id = registered.or_else(|| now().map(str::to_owned)).unwrap_or_else(|| ip.to_string());
        let zone = zone_of(region, group, ip).filter(|_| !is_of_instances);
        let health = target.map_or_else(
            || {
                let description = "Target is not registered to the target group";
                Health::because(TargetState::Unused, "Target.NotRegistered", description)
            },
            |target| health(region, group, target),
        );
        json!({
            "Target": { "Id": id, "Port": port, "AvailabilityZone": zone },
            "HealthCheckPort": port.to_string(),
            "TargetHealth": health.wire(),
        })
    });
    Ok(json!({ "TargetHealthDescriptions": descriptions.collect::<Value>() }))
}

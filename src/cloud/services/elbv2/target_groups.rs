//! Target groups and their health checks.

use serde_json::{Value, json};

use super::attributes::{self, Attributes};
use super::targets::Target;
use super::{State, check_address_type, check_name, checked_port, listeners, tags, validation_error};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::service::Answer;
use crate::cloud::services::ec2;
use crate::cloud::wire::Params;
use crate::mesh::{InvalidMatcher, Matcher};

/// A target is probed on the port it serves on.
const TRAFFIC_PORT: &str = "traffic-port";

#[derive(Clone, Debug)]
pub(super) struct TargetGroup {
    pub(super) arn: String,
    name: String,
    pub(super) settings: Settings,
    pub(super) health_check: HealthCheck,
    pub(super) targets: Vec<Target>,
    pub(super) attributes: Attributes,
}

/// What is given at creation and never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) port: u16,
    pub(super) vpc_id: String,
    pub(super) target_type: TargetType,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub(super) enum TargetType {
    Instance,
    Ip,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HealthCheck {
    pub(super) path: String,
    /// Seconds, as the timeout.
    pub(super) interval: u32,
    pub(super) timeout: u32,
    pub(super) healthy_threshold: u32,
    pub(super) unhealthy_threshold: u32,
    pub(super) matcher: Matcher,
}

/// The defaults of `CreateTargetGroup` for HTTP.
impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            interval: 30,
            timeout: 5,
            healthy_threshold: 5,
            unhealthy_threshold: 2,
            matcher: Matcher::default(),
        }
    }
}

impl HealthCheck {
    /// This one with what a request changes of it.
    fn changed(mut self, params: Params<'_>) -> Result<Self, AwsError> {
        if params.opt_str("HealthCheckProtocol").is_some_and(|protocol| protocol != "HTTP") {
            return Err(AwsError::unsupported("health checks other than by HTTP"));
        }
        if params.opt_bool("HealthCheckEnabled") == Some(false) {
            let message = "Health check enabled must be true for target groups with target type 'ip' or 'instance'";
            return Err(validation_error(message));
        }
        if let Some(path) = params.opt_str("HealthCheckPath") {
            if !path.starts_with('/') {
                return Err(validation_error(format!("Health check path '{path}' must begin with a '/' character")));
            }
            path.clone_into(&mut self.path);
        }
        if params.opt_str("HealthCheckPort").is_some_and(|port| port != TRAFFIC_PORT) {
            return Err(AwsError::unsupported("health checks on another port than the targets'"));
        }
        if let Some(code) = params.object("Matcher").and_then(|matcher| matcher.opt_str("HttpCode")) {
            self.matcher = code.parse().map_err(|invalid: InvalidMatcher| validation_error(invalid.to_string()))?;
        }
        let change = |value: &mut u32, name: &str, words: &str, min: u32, max: u32| {
            let Some(given) = params.opt_int(name)? else { return Ok(()) };
            *value = u32::try_from(given)
                .ok()
                .filter(|n| (min..=max).contains(n))
                .ok_or_else(|| validation_error(format!("{words} '{given}' must be between {min} and {max}")))?;
            Ok(())
        };
        change(&mut self.interval, "HealthCheckIntervalSeconds", "Health check interval", 5, 300)?;
        change(&mut self.timeout, "HealthCheckTimeoutSeconds", "Health check timeout", 2, 120)?;
        change(&mut self.healthy_threshold, "HealthyThresholdCount", "Healthy threshold count", 2, 10)?;
        change(&mut self.unhealthy_threshold, "UnhealthyThresholdCount", "Unhealthy threshold count", 2, 10)?;
        let (timeout, interval) = (self.timeout, self.interval);
        if timeout >= interval {
            let message = format!("Health check timeout '{timeout}' must be smaller than the interval '{interval}'");
            return Err(validation_error(message));
        }
        Ok(self)
    }
}

pub(super) fn find<'s>(state: &'s State, arn: &str) -> Result<&'s TargetGroup, AwsError> {
    state.target_groups.iter().find(|group| group.arn == arn).ok_or_else(not_found)
}

pub(super) fn find_mut<'s>(state: &'s mut State, arn: &str) -> Result<&'s mut TargetGroup, AwsError> {
    state.target_groups.iter_mut().find(|group| group.arn == arn).ok_or_else(not_found)
}

fn not_found() -> AwsError {
    AwsError::new("TargetGroupNotFound", "One or more target groups not found")
}

fn wire(state: &State, group: &TargetGroup) -> Value {
    let check = &group.health_check;
    let load_balancers: Vec<_> = listeners::load_balancer_of(state, &group.arn).into_iter().collect();
    json!({
        "TargetGroupArn": group.arn,
        "TargetGroupName": group.name,
        "Protocol": "HTTP",
        "Port": group.settings.port,
        "VpcId": group.settings.vpc_id,
        "HealthCheckProtocol": "HTTP",
        "HealthCheckPort": TRAFFIC_PORT,
        "HealthCheckEnabled": true,
        "HealthCheckIntervalSeconds": check.interval,
        "HealthCheckTimeoutSeconds": check.timeout,
        "HealthyThresholdCount": check.healthy_threshold,
        "UnhealthyThresholdCount": check.unhealthy_threshold,
        "HealthCheckPath": check.path,
        "Matcher": { "HttpCode": check.matcher.to_string() },
        "LoadBalancerArns": load_balancers,
        "TargetType": <&str>::from(group.settings.target_type),
        "ProtocolVersion": "HTTP1",
        "IpAddressType": "ipv4",
    })
}

fn requested_settings(region: &Region, params: Params<'_>) -> Result<Settings, AwsError> {
    check_address_type(params)?;
    let target_type = match params.opt_str("TargetType").unwrap_or("instance") {
        "instance" => TargetType::Instance,
        "ip" => TargetType::Ip,
        other => return Err(AwsError::unsupported(format_args!("target groups of target type {other}"))),
    };
    match params.opt_str("Protocol") {
        Some("HTTP") => {}
        Some(other) => return Err(AwsError::unsupported(format_args!("target groups with protocol {other}"))),
        None => return Err(validation_error("A protocol must be specified")),
    }
    if params.opt_str("ProtocolVersion").is_some_and(|version| version != "HTTP1") {
        return Err(AwsError::unsupported("target groups with protocol version HTTP2 or GRPC"));
    }
    let port = params.opt_int("Port")?.ok_or_else(|| validation_error("A port must be specified"))?;
    let vpc_id = params.opt_str("VpcId").ok_or_else(|| validation_error("A VPC ID must be specified"))?;
    if !ec2::has_vpc(region, vpc_id) {
        return Err(validation_error(format!("The VPC ID '{vpc_id}' is not found")));
    }
    Ok(Settings { port: checked_port("Target group", port)?, vpc_id: vpc_id.to_owned(), target_type })
}

pub(super) fn create(region: &mut Region, params: Params<'_>) -> Answer {
    let tags = tags::listed(params)?;
    let name = params.str("Name")?;
    check_name("Target group", name)?;
    let settings = requested_settings(region, params)?;
    let health_check = HealthCheck::default().changed(params)?;
    if let Some(there) = region.elbv2().target_groups.iter().find(|group| group.name == name) {
        if there.settings == settings && there.health_check == health_check {
            return Ok(json!({ "TargetGroups": [wire(region.elbv2(), there)] }));
        }
        let message = format!("A target group with the same name '{name}' exists, but with different settings");
        return Err(AwsError::new("DuplicateTargetGroupName", message));
    }
    let resource = format!("targetgroup/{name}/{}", region.ids.hex(16));
    let group = TargetGroup {
        arn: region.arn("elasticloadbalancing", &resource),
        name: name.to_owned(),
        settings,
        health_check,
        targets: Vec::new(),
        attributes: Attributes::new(attributes::TARGET_GROUP),
    };
    region.elbv2_mut().tags.add(&group.arn, tags);
    let answer = wire(region.elbv2(), &group);
    region.elbv2_mut().target_groups.push(group);
    Ok(json!({ "TargetGroups": [answer] }))
}

pub(super) fn describe(region: &Region, params: Params<'_>) -> Answer {
    let state = region.elbv2();
    let (arns, names) = (params.strings("TargetGroupArns"), params.strings("Names"));
    let all = arns.is_empty() && names.is_empty();
    let found: Vec<_> = state
        .target_groups
        .iter()
        .filter(|group| all || arns.contains(&group.arn.as_str()) || names.contains(&group.name.as_str()))
        .collect();
    if found.len() < arns.len().max(names.len()) {
        return Err(not_found());
    }
    let load_balancer = params.opt_str("LoadBalancerArn");
    if let Some(arn) = load_balancer {
        super::load_balancers::find(state, arn)?;
    }
    let described: Value = found
        .into_iter()
        .filter(|group| load_balancer.is_none() || listeners::load_balancer_of(state, &group.arn) == load_balancer)
        .map(|group| wire(state, group))
        .collect();
    Ok(json!({ "TargetGroups": described }))
}

pub(super) fn modify(region: &mut Region, params: Params<'_>) -> Answer {
    let group = find_mut(region.elbv2_mut(), params.str("TargetGroupArn")?)?;
    group.health_check = group.health_check.clone().changed(params)?;
    let group = group.clone();
    Ok(json!({ "TargetGroups": [wire(region.elbv2(), &group)] }))
}

/// Deleting what is not there succeeds; what a listener forwards to stays.
pub(super) fn delete(region: &mut Region, params: Params<'_>) -> Answer {
    let arn = params.str("TargetGroupArn")?;
    if !arn.contains(":targetgroup/") {
        return Err(validation_error(format!("'{arn}' is not a valid target group ARN")));
    }
    let state = region.elbv2_mut();
    if listeners::load_balancer_of(state, arn).is_some() {
        let message = format!("Target group '{arn}' is currently in use by a listener or a rule");
        return Err(AwsError::new("ResourceInUse", message));
    }
    state.target_groups.retain(|group| group.arn != arn);
    state.tags.forget(arn);
    Ok(json!({}))
}

pub(super) fn describe_attributes(region: &Region, params: Params<'_>) -> Answer {
    Ok(find(region.elbv2(), params.str("TargetGroupArn")?)?.attributes.wire())
}

pub(super) fn modify_attributes(region: &mut Region, params: Params<'_>) -> Answer {
    let attributes = &mut find_mut(region.elbv2_mut(), params.str("TargetGroupArn")?)?.attributes;
    attributes.modify("Target group", params)?;
    Ok(attributes.wire())
}

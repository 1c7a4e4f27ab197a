//! Listeners: where a load balancer forwards to. The mesh carries one a load balancer, plain HTTP, with its default rule.

use serde_json::{Value, json};

use super::target_groups::{self, TargetGroup};
use super::{State, checked_port, load_balancers, tags, validation_error};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::service::Answer;
use crate::cloud::wire::Params;

#[derive(Clone, Debug)]
pub(super) struct Listener {
    pub(super) arn: String,
    pub(super) load_balancer_arn: String,
    port: u16,
    target_group_arn: String,
}

/// The load balancer whose listener forwards to a target group.
pub(super) fn load_balancer_of<'s>(state: &'s State, target_group_arn: &str) -> Option<&'s str> {
    let listener = state.listeners.iter().find(|listener| listener.target_group_arn == target_group_arn)?;
    Some(&listener.load_balancer_arn)
}

/// The target group that a load balancer's listener forwards to.
pub(super) fn target_group_of<'s>(state: &'s State, load_balancer_arn: &str) -> Option<&'s TargetGroup> {
    let listener = state.listeners.iter().find(|listener| listener.load_balancer_arn == load_balancer_arn)?;
    state.target_groups.iter().find(|group| group.arn == listener.target_group_arn)
}

/// The port of a load balancer's listener.
pub(super) fn port_of(state: &State, load_balancer_arn: &str) -> Option<u16> {
    let listener = state.listeners.iter().find(|listener| listener.load_balancer_arn == load_balancer_arn)?;
    Some(listener.port)
}

pub(super) fn find<'s>(state: &'s State, arn: &str) -> Result<&'s Listener, AwsError> {
    state.listeners.iter().find(|listener| listener.arn == arn).ok_or_else(not_found)
}

fn not_found() -> AwsError {
    AwsError::new("ListenerNotFound", "One or more listeners not found")
}

fn wire(listener: &Listener) -> Value {
    json!({
        "ListenerArn": listener.arn,
        "LoadBalancerArn": listener.load_balancer_arn,
        "Port": listener.port,
        "Protocol": "HTTP",
        "DefaultActions": [action_wire(listener)],
    })
}

fn action_wire(listener: &Listener) -> Value {
    json!({
        "Type": "forward",
        "TargetGroupArn": listener.target_group_arn,
        "ForwardConfig": {
            "TargetGroups": [{ "TargetGroupArn": listener.target_group_arn, "Weight": 1 }],
            "TargetGroupStickinessConfig": { "Enabled": false },
        },
    })
}

/// The target group of a request's default action, which is not another load balancer's already.
fn requested_target_group(state: &State, load_balancer: &str, params: Params<'_>) -> Result<String, AwsError> {
    let actions = params.objects("DefaultActions");
    let [action] = actions.as_slice() else {
        return Err(match actions.len() {
            0 => validation_error("A listener must have at least one default action"),
            _ => AwsError::unsupported("listeners with several default actions"),
        });
    };
    match action.str("Type")? {
        "forward" => {}
        other => return Err(AwsError::unsupported(format_args!("listener actions of type {other}"))),
    }
    let config = action.object("ForwardConfig");
    let weighted = config.map(|config| config.objects("TargetGroups")).unwrap_or_default();
    let stickiness = config.and_then(|config| config.object("TargetGroupStickinessConfig"));
    if stickiness.is_some_and(|stickiness| stickiness.opt_bool("Enabled") == Some(true)) {
        return Err(AwsError::unsupported("stickiness of target groups"));
    }
    if weighted.len() > 1 {
        return Err(AwsError::unsupported("forwarding to several target groups"));
    }
    let arn = action
        .opt_str("TargetGroupArn")
        .or_else(|| weighted.first().and_then(|group| group.opt_str("TargetGroupArn")))
        .ok_or_else(|| validation_error("A target group ARN must be specified"))?;
    target_groups::find(state, arn)?;
    if load_balancer_of(state, arn).is_some_and(|other| other != load_balancer) {
        let message =
            format!("The following target groups cannot be associated with more than one load balancer: {arn}");
        return Err(AwsError::new("TargetGroupAssociationLimit", message));
    }
    Ok(arn.to_owned())
}

fn check_protocol(protocol: &str) -> Result<(), AwsError> {
    match protocol {
        "HTTP" => Ok(()),
        "HTTPS" => Err(AwsError::unsupported("HTTPS listeners")),
        other => Err(validation_error(format!("Listener protocol '{other}' must be one of 'HTTP, HTTPS'"))),
    }
}

pub(super) fn create(region: &mut Region, params: Params<'_>) -> Answer {
    let tags = tags::listed(params)?;
    let load_balancer = load_balancers::find(region.elbv2(), params.str("LoadBalancerArn")?)?;
    let load_balancer_arn = load_balancer.arn.clone();
    let path = load_balancer.path().to_owned();
    let specified = |what: &str| validation_error(format!("A listener {what} must be specified"));
    check_protocol(params.opt_str("Protocol").ok_or_else(|| specified("protocol"))?)?;
    let port = checked_port("Listener", params.opt_int("Port")?.ok_or_else(|| specified("port"))?)?;
    let target_group_arn = requested_target_group(region.elbv2(), &load_balancer_arn, params)?;
    if let Some(there) = region.elbv2().listeners.iter().find(|other| other.load_balancer_arn == load_balancer_arn) {
        if there.port != port {
            return Err(AwsError::unsupported("load balancers with more than one listener"));
        }
        if there.target_group_arn == target_group_arn {
            return Ok(json!({ "Listeners": [wire(there)] }));
        }
        let message = format!("A listener already exists on this port for this load balancer '{load_balancer_arn}'");
        return Err(AwsError::new("DuplicateListener", message));
    }
    let resource = format!("listener/{path}/{}", region.ids.hex(16));
    let listener =
        Listener { arn: region.arn("elasticloadbalancing", &resource), load_balancer_arn, port, target_group_arn };
    region.elbv2_mut().tags.add(&listener.arn, tags);
    let answer = wire(&listener);
    region.elbv2_mut().listeners.push(listener);
    Ok(json!({ "Listeners": [answer] }))
}

pub(super) fn describe(region: &Region, params: Params<'_>) -> Answer {
    let state = region.elbv2();
    let arns = params.strings("ListenerArns");
    let listeners: Vec<_> = match params.opt_str("LoadBalancerArn") {
        Some(arn) => {
            load_balancers::find(state, arn)?;
            state.listeners.iter().filter(|listener| listener.load_balancer_arn == arn).collect()
        }
        None if arns.is_empty() => {
            return Err(validation_error("You must specify either listener ARNs or a load balancer ARN"));
        }
        None => arns.into_iter().map(|arn| find(state, arn)).collect::<Result<_, _>>()?,
    };
    Ok(json!({ "Listeners": listeners.into_iter().map(wire).collect::<Value>() }))
}

pub(super) fn modify(region: &mut Region, params: Params<'_>) -> Answer {
    let mut changed = find(region.elbv2(), params.str("ListenerArn")?)?.clone();
    if let Some(protocol) = params.opt_str("Protocol") {
        check_protocol(protocol)?;
    }
    if let Some(port) = params.opt_int("Port")? {
        changed.port = checked_port("Listener", port)?;
    }
    if params.get("DefaultActions").is_some() {
        changed.target_group_arn = requested_target_group(region.elbv2(), &changed.load_balancer_arn, params)?;
    }
    let answer = wire(&changed);
    for listener in region.elbv2_mut().listeners.iter_mut().filter(|listener| listener.arn == changed.arn) {
        listener.clone_from(&changed);
    }
    Ok(json!({ "Listeners": [answer] }))
}

pub(super) fn delete(region: &mut Region, params: Params<'_>) -> Answer {
    let state = region.elbv2_mut();
    let arn = find(state, params.str("ListenerArn")?)?.arn.clone();
    state.listeners.retain(|listener| listener.arn != arn);
    state.tags.forget(&arn);
    Ok(json!({}))
}

/// A listener has its default rule and no other.
pub(super) fn describe_rules(region: &Region, params: Params<'_>) -> Answer {
    let state = region.elbv2();
    let rule_arn = |listener: &Listener| {
        let id = listener.arn.rsplit('/').next().unwrap_or_default();
        format!("{}/{id}", listener.arn.replacen(":listener/", ":listener-rule/", 1))
    };
    let arns = params.strings("RuleArns");
    let listeners: Vec<_> = match params.opt_str("ListenerArn") {
        Some(arn) => vec![find(state, arn)?],
        None if arns.is_empty() => {
            return Err(validation_error("You must specify either listener rule ARNs or a listener ARN"));
        }
        None => state.listeners.iter().filter(|listener| arns.contains(&rule_arn(listener).as_str())).collect(),
    };
    if listeners.len() < arns.len() {
        return Err(AwsError::new("RuleNotFound", "One or more rules not found"));
    }
    let rules: Value = listeners
        .into_iter()
        .map(|listener| {
            json!({
                "RuleArn": rule_arn(listener),
                "Priority": "default",
                "Conditions": [],
                "Actions": [action_wire(listener)],
                "IsDefault": true,
            })
        })
        .collect();
    Ok(json!({ "Rules": rules }))
}

//! Elastic Load Balancing, version 2: Application Load Balancers, their listeners and target groups.
//!
//! A load balancer is carried by [`crate::mesh`], which listens for it and probes its targets; here is what AWS says of
//! it. What the mesh does not carry (HTTPS, rules, target types other than `ip` and `instance`) is refused in words that say so.

mod api;
mod attributes;
mod listeners;
mod load_balancers;
mod tags;
mod target_groups;
mod targets;

use self::listeners::Listener;
use self::load_balancers::LoadBalancer;
use self::target_groups::TargetGroup;
use crate::cloud::error::{AwsError, Words};
use crate::cloud::region::Region;
use crate::cloud::service::Service;
use crate::cloud::services::ec2::Reach;
use crate::cloud::wire::tags::TagStore;
use crate::cloud::wire::{Encoding, Params};
use crate::mesh::topology;

pub(crate) use self::targets::{TargetState, deregister_target, register_target, target_state};

#[derive(Clone, Default)]
pub(crate) struct State {
    load_balancers: Vec<LoadBalancer>,
    target_groups: Vec<TargetGroup>,
    listeners: Vec<Listener>,
    tags: TagStore,
    /// Counts deregistrations, to tell them apart.
    deregistrations: u64,
}

/// What a service must know of a target group.
pub(crate) struct TargetGroupFacts {
    /// `ip`, `instance`
    pub(crate) target_type: &'static str,
    /// Whether a listener forwards to it.
    pub(crate) has_load_balancer: bool,
}

pub(crate) fn target_group(region: &Region, arn: &str) -> Option<TargetGroupFacts> {
    let state = region.elbv2();
    let group = state.target_groups.iter().find(|group| group.arn == arn)?;
    Some(TargetGroupFacts {
        target_type: group.settings.target_type.into(),
        has_load_balancer: listeners::load_balancer_of(state, arn).is_some(),
    })
}

/// The load balancers as the mesh is to run them.
pub(crate) fn mesh_load_balancers(region: &Region) -> Vec<topology::LoadBalancer> {
    let (state, reach) = (region.elbv2(), Reach::of(region));
    let load_balancers = state.load_balancers.iter();
    load_balancers
        .map(|load_balancer| topology::LoadBalancer {
            arn: load_balancer.arn.clone(),
            // One that is still provisioning neither serves nor probes.
            target_group: listeners::target_group_of(state, &load_balancer.arn)
                .filter(|_| load_balancer.active)
                .map(|group| targets::mesh_target_group(region, &reach, load_balancer, group)),
            blocked: listeners::port_of(state, &load_balancer.arn)
                .is_some_and(|port| !load_balancer.interfaces().all(|id| reach.lets_callers_in(id, port))),
            patience: topology::LOAD_BALANCERS_PATIENCE.map(|on_aws| region.schedule.pace.scale(on_aws)),
        })
        .collect()
}

/// The mesh serves IPv4 only.
fn check_address_type(params: Params<'_>) -> Result<(), AwsError> {
    match params.opt_str("IpAddressType") {
        None | Some("ipv4") => Ok(()),
        Some(other) => Err(AwsError::unsupported(format_args!("the address type {other}"))),
    }
}

/// From 1 on: no protocol has a port 0.
fn checked_port(what: &str, port: i64) -> Result<u16, AwsError> {
    u16::try_from(port)
        .ok()
        .filter(|port| *port > 0)
        .ok_or_else(|| validation_error(format!("{what} port '{port}' must be in the range of 1-65535")))
}

fn validation_error(message: impl Into<String>) -> AwsError {
    AwsError::new("ValidationError", message)
}

/// Names have up to 32 letters, digits and hyphens, none of which is first or last.
fn check_name(what: &str, name: &str) -> Result<(), AwsError> {
    let problem = if name.len() > 32 {
        "cannot be longer than '32' characters"
    } else if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        "can only contain characters that are alphanumeric characters or hyphens(-)"
    } else if name.starts_with('-') || name.ends_with('-') {
        "cannot begin or end with '-'"
    } else {
        return Ok(());
    };
    Err(validation_error(format!("{what} name '{name}' {problem}")))
}

impl Region {
    fn elbv2(&self) -> &State {
        self.states.get()
    }

    fn elbv2_mut(&mut self) -> &mut State {
        self.states.get_mut()
    }
}

pub(crate) static SERVICE: Service = Service {
    signing_name: "elasticloadbalancing",
    encoding: Encoding::Query("http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"),
    words: Words { invalid_parameter: Some("ValidationError"), ..Words::QUERY },
    operations: api::OPERATIONS,
    structures: api::STRUCTURES,
    new_state: |_| Some(Box::new(State::default())),
    tagged: |region, key| region.elbv2().tags.iter().filter_map(|(_, tags)| tags.get(key)).collect(),
    add_to_mesh: |region, topology| topology.load_balancers = mesh_load_balancers(region),
    ..Service::PLAIN
};

//! Elastic Load Balancing, version 2: Application Load Balancers, their listeners and target groups.

use std::net::Ipv4Addr;

use serde_json::Value;

use super::error::AwsError;
use super::protocol::Params;
use super::region::Region;

#[derive(Default)]
pub(crate) struct State {}

/// How a target stands with its load balancer: `DescribeTargetHealth`'s `State`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// Registers an address with a target group of target type `ip`.
pub(crate) fn register_target(_region: &mut Region, _target_group_arn: &str, _ip: Ipv4Addr, _port: u16) {}

/// Begins to drain a target; after the group's deregistration delay it is gone.
pub(crate) fn deregister_target(_region: &mut Region, _target_group_arn: &str, _ip: Ipv4Addr, _port: u16) {}

/// `None`: no such target, or it is drained.
pub(crate) fn target_state(
    _region: &Region,
    _target_group_arn: &str,
    _ip: Ipv4Addr,
    _port: u16,
) -> Option<TargetState> {
    None
}

/// Whether a listener forwards to this target group; `None`: no such group.
pub(crate) fn target_group_has_load_balancer(_region: &Region, _target_group_arn: &str) -> Option<bool> {
    None
}

pub(crate) fn reconcile(_region: &mut Region) {}

pub(crate) fn mesh_load_balancers(_region: &Region) -> Vec<crate::mesh::topology::LoadBalancer> {
    Vec::new()
}

pub(crate) fn handle(_region: &mut Region, operation: &str, _params: Params<'_>) -> Result<Value, AwsError> {
    Err(AwsError::unknown_operation("elbv2", operation))
}

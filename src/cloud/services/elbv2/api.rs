//! The operations of Elastic Load Balancing.

use super::{listeners, load_balancers, tags, target_groups, targets};
use crate::cloud::service::Operation;
use crate::cloud::wire::Pages;

/// A list that is answered page by page.
const fn pages(list: &'static str) -> Pages {
    Pages {
        token: "Marker",
        limit: "PageSize",
        list,
        next: "NextMarker",
        more: None,
        min: 1,
        max: 400,
        default: 400,
        refusal: Pages::violates_constraint,
    }
}

/// The structures of requests.
/// A single action is the first one, whatever its order, and a single group gets everything, whatever its weight.
pub(super) const STRUCTURES: &[(&str, &str)] = &[
    ("Attributes", "Key Value"),
    ("DefaultActions", "Type TargetGroupArn ForwardConfig Order"),
    ("ForwardConfig", "TargetGroups TargetGroupStickinessConfig"),
    ("Matcher", "HttpCode"),
    ("SubnetMappings", "SubnetId"),
    ("Tags", "Key Value"),
    ("TargetGroupStickinessConfig", "Enabled DurationSeconds"),
    ("TargetGroups", "TargetGroupArn Weight"),
    ("Targets", "Id Port AvailabilityZone"),
];

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::change("AddTags", "ResourceArns Tags", tags::add),
    Operation::change("CreateListener", "LoadBalancerArn Protocol Port DefaultActions Tags", listeners::create),
    Operation::change(
        "CreateLoadBalancer",
        "Name Subnets SubnetMappings SecurityGroups Scheme Type IpAddressType Tags",
        load_balancers::create,
    ),
    Operation::change(
        "CreateTargetGroup",
        "Name Protocol ProtocolVersion Port VpcId HealthCheckProtocol HealthCheckPort HealthCheckEnabled \
         HealthCheckPath HealthCheckIntervalSeconds HealthCheckTimeoutSeconds HealthyThresholdCount \
         UnhealthyThresholdCount Matcher TargetType IpAddressType Tags",
        target_groups::create,
    ),
    Operation::change("DeleteListener", "ListenerArn", listeners::delete),
    Operation::change("DeleteLoadBalancer", "LoadBalancerArn", load_balancers::delete),
    Operation::change("DeleteTargetGroup", "TargetGroupArn", target_groups::delete),
    Operation::change("DeregisterTargets", "TargetGroupArn Targets", |region, params| {
        targets::change(region, params, targets::deregister_target)
    }),
    Operation::read("DescribeListeners", "LoadBalancerArn ListenerArns", listeners::describe).paged(pages("Listeners")),
    Operation::read("DescribeLoadBalancerAttributes", "LoadBalancerArn", load_balancers::describe_attributes),
    Operation::read("DescribeLoadBalancers", "LoadBalancerArns Names", load_balancers::describe)
        .paged(pages("LoadBalancers")),
    Operation::read("DescribeRules", "ListenerArn RuleArns", listeners::describe_rules).paged(pages("Rules")),
    Operation::read("DescribeTags", "ResourceArns", tags::describe),
    Operation::read("DescribeTargetGroupAttributes", "TargetGroupArn", target_groups::describe_attributes),
    Operation::read("DescribeTargetGroups", "LoadBalancerArn TargetGroupArns Names", target_groups::describe)
        .paged(pages("TargetGroups")),
    Operation::read("DescribeTargetHealth", "TargetGroupArn Targets", targets::describe_health),
    Operation::change("ModifyListener", "ListenerArn Port Protocol DefaultActions", listeners::modify),
    Operation::change("ModifyLoadBalancerAttributes", "LoadBalancerArn Attributes", load_balancers::modify_attributes),
    Operation::change(
        "ModifyTargetGroup",
        "TargetGroupArn HealthCheckProtocol HealthCheckPort HealthCheckPath HealthCheckEnabled \
         HealthCheckIntervalSeconds HealthCheckTimeoutSeconds HealthyThresholdCount \
         UnhealthyThresholdCount Matcher",
        target_groups::modify,
    ),
    Operation::change("ModifyTargetGroupAttributes", "TargetGroupArn Attributes", target_groups::modify_attributes),
    Operation::change("RegisterTargets", "TargetGroupArn Targets", |region, params| {
        targets::change(region, params, targets::register_target)
    }),
    Operation::change("RemoveTags", "ResourceArns TagKeys", tags::remove),
    Operation::change("SetSecurityGroups", "LoadBalancerArn SecurityGroups", load_balancers::set_security_groups),
    Operation::change(
        "SetSubnets",
        "LoadBalancerArn Subnets SubnetMappings IpAddressType",
        load_balancers::set_subnets,
    ),
];

//! Whether the caller may do what a request asks for, where a policy is rehearsed.

use super::error::AwsError;
use super::iam::Fact;
use super::protocol::{Request, Service};
use super::region::Region;

/// What Elastic Load Balancing asks of whoever makes its service-linked role by using it for the first time ("Elastic Load
/// Balancing API permissions").
const FIRST_USE: &[(&str, &[&str])] = &[
    (
        "CreateLoadBalancer",
        &[
            "ec2:DescribeAccountAttributes",
            "ec2:DescribeAddresses",
            "ec2:DescribeInternetGateways",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSubnets",
            "ec2:DescribeVpcs",
            "iam:CreateServiceLinkedRole",
        ],
    ),
    ("CreateTargetGroup", &["ec2:DescribeInternetGateways", "ec2:DescribeVpcs", "iam:CreateServiceLinkedRole"]),
];

/// The service's refusal if the caller may not.
pub(super) fn check(region: &Region, request: &Request) -> Result<(), AwsError> {
    // Who the caller is may always be asked.
    if request.service == Service::Sts {
        return Ok(());
    }
    let mut iam = region.iam();
    let action = format!("{}:{}", request.service.signing_name(), request.operation);
    let first_use = if request.service == Service::Elbv2 && !iam.load_balancing_was_used {
        FIRST_USE.iter().find(|(operation, _)| *operation == request.operation)
    } else {
        None
    };
    // IAM is one for all regions, and is taken to be in the first.
    let requested_region = if request.service == Service::Iam { "us-east-1" } else { &region.name };
    let facts = |key: &str| match key.to_ascii_lowercase().as_str() {
        "aws:requestedregion" => Fact::Is(vec![requested_region]),
        _ => Fact::Untold,
    };
    let also = first_use.map_or(&[][..], |(_, actions)| actions);
    for action in std::iter::once(action.as_str()).chain(also.iter().copied()) {
        if !iam.allows(action, &facts) {
            return Err(request.service.access_denied(action));
        }
    }
    iam.load_balancing_was_used |= first_use.is_some();
    Ok(())
}

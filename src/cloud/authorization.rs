//! Whether the caller may do what a request asks for, where a policy is rehearsed.

use super::error::AwsError;
use super::region::Region;
use super::request::Request;
use super::service::Service;
use super::services::ec2;
use super::services::iam::{self, Fact};
use super::services::{elbv2, sts};
use super::wire::tags::Tags;

/// What Elastic Load Balancing asks of whoever makes its service-linked role by using it for the first time ("Elastic Load
/// Balancing API permissions").
const FIRST_USE: &[(&str, &str)] = &[
    (
        "CreateLoadBalancer",
        "ec2:DescribeAccountAttributes ec2:DescribeAddresses ec2:DescribeInternetGateways ec2:DescribeSecurityGroups \
         ec2:DescribeSubnets ec2:DescribeVpcs iam:CreateServiceLinkedRole",
    ),
    ("CreateTargetGroup", "ec2:DescribeInternetGateways ec2:DescribeVpcs iam:CreateServiceLinkedRole"),
];

/// The service's refusal if the caller may not.
pub(super) fn check(region: &Region, request: &Request) -> Result<(), AwsError> {
    // Who the caller is may always be asked.
    if is(request, &sts::SERVICE) {
        return Ok(());
    }
    let action = request.action();
    let mut iam = region.iam();
    for tags in tags_of_resources(region, &action, request) {
        if !iam.allows(&action, &|key| fact(region, request, tags, key)) {
            return Err(request.service.words.denied(&action));
        }
    }
    if is(request, &elbv2::SERVICE) && !iam.load_balancing_was_used {
        let first_use = FIRST_USE.iter().find(|(operation, _)| *operation == request.operation.name);
        for action in first_use.map_or("", |(_, actions)| actions).split_ascii_whitespace() {
            if !iam.allows(action, &|key| fact(region, request, None, key)) {
                return Err(request.service.words.denied(action));
            }
        }
        iam.load_balancing_was_used = first_use.is_some();
    }
    Ok(())
}

fn is(request: &Request, service: &Service) -> bool {
    request.service.signing_name == service.signing_name
}

/// The tags of each resource that is to be decided about by itself. None: they are not looked at.
fn tags_of_resources<'r>(region: &'r Region, action: &str, request: &Request) -> Vec<Option<&'r Tags>> {
    match action {
        "ec2:TerminateInstances" => {
            request.params().strings("InstanceId").into_iter().map(|id| Some(ec2::tags_of(region, id))).collect()
        }
        _ => vec![None],
    }
}

/// What a condition may ask of a request.
fn fact<'a>(region: &'a Region, request: &'a Request, tags: Option<&'a Tags>, key: &str) -> Fact<'a> {
    let key = key.to_ascii_lowercase();
    match (key.as_str(), key.strip_prefix("aws:resourcetag/"), tags) {
        // IAM is one for all regions, and is taken to be in the first.
        ("aws:requestedregion", ..) if is(request, &iam::SERVICE) => Fact::Is(vec!["us-east-1"]),
        ("aws:requestedregion", ..) => Fact::Is(vec![&region.name]),
        ("iam:policyarn", ..) => {
            request.params().opt_str("PolicyArn").map_or(Fact::Absent, |policy| Fact::Is(vec![policy]))
        }
        (_, Some(name), Some(tags)) => {
            let tag = tags.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            tag.map_or(Fact::Absent, |(_, value)| Fact::Is(vec![value]))
        }
        _ => Fact::Unknown,
    }
}

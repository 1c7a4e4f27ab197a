//! Whether the caller may do what a request asks for, where a policy is rehearsed. What a service does in the caller's name
//! besides is in [`super::dependent_actions`].

use super::dependent_actions::{self, Dependent};
use super::error::AwsError;
use super::region::Region;
use super::request::Request;
use super::services::ec2;
use super::services::iam::{self, Fact};
use super::services::sts;
use super::wire::tags::Tags;

/// The service's refusal if the caller may not.
pub(super) fn check(region: &Region, request: &Request) -> Result<(), AwsError> {
    // Who the caller is may always be asked (STS API Reference, `GetCallerIdentity`).
    if request.is_for(&sts::SERVICE) {
        return Ok(());
    }
    let action = request.action();
    let caller = region.iam().caller_arn();
    for tags in tags_of_resources(region, &action, request) {
        if !region.iam().allows(&action, None, &|key| fact(region, request, tags, key)) {
            return Err(request.service.words.denied(&caller, &action, None));
        }
    }
    for dependent in dependent_actions::of(region, request) {
        let Dependent { action, resource, passed_to, refusal } = &dependent;
        let facts = |key: &str| match passed_to {
            Some(service) if key.eq_ignore_ascii_case("iam:PassedToService") => Fact::Is(vec![*service]),
            _ => fact(region, request, None, key),
        };
        if !region.iam().allows(action, resource.as_deref(), &facts) {
            return Err(refusal(request, &caller, &dependent));
        }
    }
    dependent_actions::make_service_linked_role(region, request, &|key| fact(region, request, None, key))
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
        ("aws:requestedregion", ..) if request.is_for(&iam::SERVICE) => Fact::Is(vec!["us-east-1"]),
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

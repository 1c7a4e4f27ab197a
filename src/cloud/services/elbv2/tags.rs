//! Tags of load balancers, target groups and listeners, by ARN.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{State, listeners, load_balancers, target_groups, validation_error};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::service::Answer;
use crate::cloud::wire::Params;
use crate::cloud::wire::tags::{Tags, UPPER};

/// The `Tags` of a request.
pub(super) fn listed(params: Params<'_>) -> Result<Tags, AwsError> {
    let listed = params.objects("Tags");
    let keys: BTreeSet<_> = listed.iter().filter_map(|tag| tag.opt_str("Key")).collect();
    if keys.len() < listed.len() && listed.iter().all(|tag| tag.opt_str("Key").is_some()) {
        return Err(AwsError::new("DuplicateTagKeys", "A tag key was specified more than once"));
    }
    Tags::from_list(&listed, UPPER)
}

fn check_exists(state: &State, arn: &str) -> Result<(), AwsError> {
    match arn.split(':').nth(5).and_then(|resource| resource.split('/').next()) {
        Some("loadbalancer") => load_balancers::find(state, arn).map(|_| ()),
        Some("targetgroup") => target_groups::find(state, arn).map(|_| ()),
        Some("listener") => listeners::find(state, arn).map(|_| ()),
        _ => Err(validation_error(format!("'{arn}' is not a valid load balancer, target group, listener or rule ARN"))),
    }
}

/// The resources that a request names, all of which must exist.
fn named<'a>(state: &State, params: Params<'a>) -> Result<Vec<&'a str>, AwsError> {
    let arns = params.strings("ResourceArns");
    if arns.is_empty() {
        return Err(validation_error("A resource ARN must be specified"));
    }
    arns.iter().try_for_each(|arn| check_exists(state, arn))?;
    Ok(arns)
}

pub(super) fn add(region: &mut Region, params: Params<'_>) -> Answer {
    let tags = listed(params)?;
    let arns = named(region.elbv2(), params)?;
    arns.iter().try_for_each(|arn| region.elbv2().tags.check_room(arn, &tags))?;
    for arn in arns {
        region.elbv2_mut().tags.add(arn, tags.clone());
    }
    Ok(json!({}))
}

pub(super) fn remove(region: &mut Region, params: Params<'_>) -> Answer {
    let keys = params.strings("TagKeys");
    for arn in named(region.elbv2(), params)? {
        region.elbv2_mut().tags.retain(arn, |key, _| !keys.contains(&key));
    }
    Ok(json!({}))
}

pub(super) fn describe(region: &Region, params: Params<'_>) -> Answer {
    let arns = named(region.elbv2(), params)?;
    if arns.len() > 20 {
        return Err(validation_error("Cannot have more than 20 resources described"));
    }
    let described: Value = arns
        .into_iter()
        .map(|arn| json!({ "ResourceArn": arn, "Tags": region.elbv2().tags.of(arn).to_list(UPPER) }))
        .collect();
    Ok(json!({ "TagDescriptions": described }))
}

//! Tags of load balancers, target groups and listeners, by ARN.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{State, listeners, load_balancers, target_groups, validation_error};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::wire::Params;

pub(super) type TagMap = BTreeMap<String, String>;

#[derive(Clone, Default)]
pub(super) struct Tags(BTreeMap<String, TagMap>);

impl Tags {
    pub(super) fn add(&mut self, arn: &str, tags: TagMap) {
        self.0.entry(arn.to_owned()).or_default().extend(tags);
    }

    /// Forgets the tags of a resource that is gone.
    pub(super) fn forget(&mut self, arn: &str) {
        self.0.remove(arn);
    }
}

/// The `Tags` of a request.
pub(super) fn listed(params: Params<'_>) -> Result<TagMap, AwsError> {
    let mut tags = TagMap::new();
    for tag in params.objects("Tags") {
        let key = tag.str("Key")?;
        if key.starts_with("aws:") {
            return Err(validation_error("aws: prefixed tag key names are not allowed for external use."));
        }
        if tags.insert(key.to_owned(), tag.opt_str("Value").unwrap_or_default().to_owned()).is_some() {
            return Err(AwsError::new("DuplicateTagKeys", format!("Tag key was specified more than once: {key}")));
        }
    }
    Ok(tags)
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

pub(super) fn add(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let tags = listed(params)?;
    for arn in named(region.elbv2(), params)? {
        region.elbv2_mut().tags.add(arn, tags.clone());
    }
    Ok(json!({}))
}

pub(super) fn remove(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let keys = params.strings("TagKeys");
    for arn in named(region.elbv2(), params)? {
        if let Some(tags) = region.elbv2_mut().tags.0.get_mut(arn) {
            tags.retain(|key, _| !keys.contains(&key.as_str()));
        }
    }
    Ok(json!({}))
}

pub(super) fn describe(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let arns = named(region.elbv2(), params)?;
    if arns.len() > 20 {
        return Err(validation_error("Cannot have more than 20 resources described"));
    }
    let described: Value = arns
        .into_iter()
        .map(|arn| {
            let tags = region.elbv2().tags.0.get(arn).into_iter().flatten();
            let tags: Value = tags.map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
            json!({ "ResourceArn": arn, "Tags": tags })
        })
        .collect();
    Ok(json!({ "TagDescriptions": described }))
}

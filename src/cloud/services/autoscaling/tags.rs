//! Tags of groups, which instances may get at launch, and the filters that look for them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::groups::Group;
use super::{find_mut, validation_error};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::service::Answer;
use crate::cloud::wire::Params;
use crate::cloud::wire::tags::{Tags, UPPER};

/// What a group's tag is beside its key.
#[derive(Clone, Debug)]
pub(super) struct Tag {
    value: String,
    propagate_at_launch: bool,
}

/// The `Tags` of a request.
pub(super) fn listed(params: Params<'_>) -> Result<BTreeMap<String, Tag>, AwsError> {
    Tags::from_list(&params.objects("Tags"), UPPER)?;
    params.objects("Tags").into_iter().map(requested).collect()
}

fn requested(tag: Params<'_>) -> Result<(String, Tag), AwsError> {
    let key = tag.str("Key")?;
    let value = tag.opt_str("Value").unwrap_or_default().to_owned();
    let propagate_at_launch = tag.opt_bool("PropagateAtLaunch").unwrap_or(false);
    Ok((key.to_owned(), Tag { value, propagate_at_launch }))
}

/// What an instance gets from its group.
pub(super) fn at_launch(group: &Group) -> Tags {
    let mut tags = Tags::one("aws:autoscaling:groupName", &group.name);
    for (key, tag) in group.tags.iter().filter(|(_, tag)| tag.propagate_at_launch) {
        tags.insert(key, &tag.value);
    }
    tags
}

/// The value of a group's tag.
pub(super) fn value(group: &Group, key: &str) -> Option<String> {
    group.tags.get(key).map(|tag| tag.value.clone())
}

fn tag_wire(group: &Group, key: &str, tag: &Tag) -> Value {
    json!({
        "ResourceId": group.name,
        "ResourceType": "auto-scaling-group",
        "Key": key,
        "Value": tag.value,
        "PropagateAtLaunch": tag.propagate_at_launch,
    })
}

pub(super) fn wire(group: &Group) -> Value {
    group.tags.iter().map(|(key, tag)| tag_wire(group, key, tag)).collect()
}

pub(super) fn create_or_update(region: &mut Region, params: Params<'_>) -> Answer {
    let tags = params.objects("Tags");
    let mut of_groups: BTreeMap<&str, Vec<Params<'_>>> = BTreeMap::new();
    for tag in &tags {
        of_groups.entry(tag.str("ResourceId")?).or_default().push(*tag);
    }
    for (name, tags) in of_groups {
        let group = find_mut(region.autoscaling_mut(), name)?;
        let mut all: Tags = group.tags.iter().map(|(key, tag)| (key.clone(), tag.value.clone())).collect();
        all.add(Tags::from_list(&tags, UPPER)?)?;
    }
    for tag in tags {
        let (key, value) = requested(tag)?;
        find_mut(region.autoscaling_mut(), tag.str("ResourceId")?)?.tags.insert(key, value);
    }
    Ok(Value::Null)
}

pub(super) fn delete(region: &mut Region, params: Params<'_>) -> Answer {
    for tag in params.objects("Tags") {
        let key = tag.str("Key")?;
        find_mut(region.autoscaling_mut(), tag.str("ResourceId")?)?.tags.remove(key);
    }
    Ok(Value::Null)
}

/// The names of a request's filters, with the values of which each wants one. A known `tag:` stands for what begins so.
fn filters<'a>(params: Params<'a>, known: &[&str]) -> Result<Vec<(&'a str, Vec<&'a str>)>, AwsError> {
    let mut filters = Vec::new();
    for filter in params.objects("Filters") {
        let name = filter.str("Name")?;
        if !known.iter().any(|known| *known == name || (*known == "tag:" && name.starts_with("tag:"))) {
            let known = known.join(" ");
            let message = format!("Filter type {name} is not correct. Allowed Filter types are: {known}");
            return Err(validation_error(message));
        }
        filters.push((name, filter.strings("Values")));
    }
    Ok(filters)
}

/// What the filters of a request let through of the groups.
pub(super) fn group_filter(params: Params<'_>) -> Result<impl Fn(&Group) -> bool, AwsError> {
    let filters = filters(params, &["tag-key", "tag-value", "tag:"])?;
    Ok(move |group: &Group| {
        filters.iter().all(|(name, wanted)| {
            group.tags.iter().any(|(key, tag)| match *name {
                "tag-key" => wanted.contains(&key.as_str()),
                "tag-value" => wanted.contains(&tag.value.as_str()),
                of_key => of_key.strip_prefix("tag:") == Some(key) && wanted.contains(&tag.value.as_str()),
            })
        })
    })
}

pub(super) fn describe(region: &Region, params: Params<'_>) -> Answer {
    let filters = filters(params, &["auto-scaling-group", "key", "value", "propagate-at-launch"])?;
    let passes = |group: &Group, key: &str, tag: &Tag| {
        filters.iter().all(|(name, wanted)| match *name {
            "auto-scaling-group" => wanted.contains(&group.name.as_str()),
            "key" => wanted.contains(&key),
            "value" => wanted.contains(&tag.value.as_str()),
            _ => wanted.contains(&if tag.propagate_at_launch { "true" } else { "false" }),
        })
    };
    let groups = region.autoscaling().groups.iter();
    let tags = groups.flat_map(|group| group.tags.iter().map(move |(key, tag)| (group, key, tag)));
    let passing = tags.filter(|(group, key, tag)| passes(group, key, tag));
    let described: Value = passing.map(|(group, key, tag)| tag_wire(group, key, tag)).collect();
    Ok(json!({ "Tags": described }))
}

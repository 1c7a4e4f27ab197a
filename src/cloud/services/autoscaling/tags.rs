//! Tags of groups, which instances may get at launch, and the filters that look for them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::groups::Group;
use super::{find_mut, validation_error};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::wire::Params;
use crate::cloud::wire::tags::{RESERVED, Tags};

/// What a group's tag is beside its key.
#[derive(Clone, Debug)]
pub(super) struct Tag {
    value: String,
    propagate_at_launch: bool,
}

/// The `Tags` of a request.
pub(super) fn listed(params: Params<'_>) -> Result<BTreeMap<String, Tag>, AwsError> {
    let mut tags = BTreeMap::new();
    for tag in params.objects("Tags") {
        let key = tag.str("Key")?;
        if key.starts_with(RESERVED) {
            return Err(validation_error("Tag keys starting with aws: are reserved for internal use"));
        }
        let value = tag.opt_str("Value").unwrap_or_default().to_owned();
        let propagate_at_launch = tag.opt_bool("PropagateAtLaunch").unwrap_or(false);
        tags.insert(key.to_owned(), Tag { value, propagate_at_launch });
    }
    Ok(tags)
}

/// What an instance gets from its group.
pub(super) fn at_launch(group: &Group) -> Tags {
    let mut tags = Tags::one("aws:autoscaling:groupName", &group.name);
    for (key, tag) in group.tags.iter().filter(|(_, tag)| tag.propagate_at_launch) {
        tags.insert(key, &tag.value);
    }
    tags
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

pub(super) fn create_or_update(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let tags = params.objects("Tags");
    for tag in &tags {
        find_mut(region.autoscaling_mut(), tag.str("ResourceId")?)?;
    }
    listed(params)?;
    for tag in tags {
        let value = tag.opt_str("Value").unwrap_or_default().to_owned();
        let propagate_at_launch = tag.opt_bool("PropagateAtLaunch").unwrap_or(false);
        let group = find_mut(region.autoscaling_mut(), tag.str("ResourceId")?)?;
        group.tags.insert(tag.str("Key")?.to_owned(), Tag { value, propagate_at_launch });
    }
    Ok(Value::Null)
}

pub(super) fn delete(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    for tag in params.objects("Tags") {
        let key = tag.str("Key")?;
        find_mut(region.autoscaling_mut(), tag.str("ResourceId")?)?.tags.remove(key);
    }
    Ok(Value::Null)
}

/// Filters of groups (`tag:<key>`, `tag-key`, `tag-value`) or of tags.
pub(super) struct Filters<'a>(Vec<(&'a str, Vec<&'a str>)>);

impl<'a> Filters<'a> {
    fn of(params: Params<'a>, known: &[&str], prefix: Option<&str>) -> Result<Self, AwsError> {
        let mut filters = Vec::new();
        for filter in params.objects("Filters") {
            let name = filter.str("Name")?;
            if !known.contains(&name) && !prefix.is_some_and(|prefix| name.starts_with(prefix)) {
                return Err(validation_error(format!(
                    "Filter type {name} is not correct. Allowed Filter types are: {}",
                    known.iter().copied().chain(prefix).collect::<Vec<_>>().join(" ")
                )));
            }
            filters.push((name, filter.strings("Values")));
        }
        Ok(Self(filters))
    }

    pub(super) fn of_groups(params: Params<'a>) -> Result<Self, AwsError> {
        Self::of(params, &["tag-key", "tag-value"], Some("tag:"))
    }

    pub(super) fn allow(&self, group: &Group) -> bool {
        self.0.iter().all(|(name, wanted)| {
            group.tags.iter().any(|(key, tag)| match *name {
                "tag-key" => wanted.contains(&key.as_str()),
                "tag-value" => wanted.contains(&tag.value.as_str()),
                of_key => of_key.strip_prefix("tag:") == Some(key) && wanted.contains(&tag.value.as_str()),
            })
        })
    }
}

pub(super) fn describe(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let known = ["auto-scaling-group", "key", "value", "propagate-at-launch"];
    let filters = Filters::of(params, &known, None)?;
    let mut described = Vec::new();
    for group in &region.autoscaling().groups {
        for (key, tag) in &group.tags {
            let propagated = tag.propagate_at_launch.to_string();
            let passes = filters.0.iter().all(|(name, wanted)| {
                let value = match *name {
                    "auto-scaling-group" => &group.name,
                    "key" => key,
                    "value" => &tag.value,
                    _ => &propagated,
                };
                wanted.contains(&value.as_str())
            });
            if passes {
                described.push(tag_wire(group, key, tag));
            }
        }
    }
    Ok(json!({ "Tags": described }))
}

//! Tags of Auto Scaling groups, which say of each whether instances get it too.

use serde_json::{Value, json};

use super::validation_error;
use crate::cloud::error::AwsError;
use crate::cloud::protocol::Params;
use crate::cloud::region::Region;

#[derive(Clone, Debug)]
pub(super) struct Tag {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) propagate_at_launch: bool,
}

impl Tag {
    pub(super) fn wire(&self, group: &str) -> Value {
        json!({
            "ResourceId": group,
            "ResourceType": "auto-scaling-group",
            "Key": self.key,
            "Value": self.value,
            "PropagateAtLaunch": self.propagate_at_launch,
        })
    }
}

/// The request's tags, each with the group it is for: the one being made, or the one it names.
pub(super) fn listed(params: Params<'_>, group: Option<&str>) -> Result<Vec<(String, Tag)>, AwsError> {
    params
        .objects("Tags")
        .into_iter()
        .map(|tag| {
            let group = match group.or(tag.opt_str("ResourceId")) {
                Some(group) => group.to_owned(),
                None => return Err(validation_error("ResourceId is required for a tag")),
            };
            let tag = Tag {
                key: tag.str("Key")?.to_owned(),
                value: tag.opt_str("Value").unwrap_or_default().to_owned(),
                propagate_at_launch: tag.opt_bool("PropagateAtLaunch").unwrap_or(false),
            };
            Ok((group, tag))
        })
        .collect()
}

pub(super) fn create_or_update(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    for (group, tag) in listed(params, None)? {
        let tags = tags_of(region, &group)?;
        tags.retain(|other| other.key != tag.key);
        tags.push(tag);
    }
    Ok(json!({}))
}

pub(super) fn delete(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    for (group, tag) in listed(params, None)? {
        tags_of(region, &group)?.retain(|other| other.key != tag.key);
    }
    Ok(json!({}))
}

fn tags_of<'r>(region: &'r mut Region, group: &str) -> Result<&'r mut Vec<Tag>, AwsError> {
    let found = region.autoscaling.find_mut(group);
    found.map(|group| &mut group.tags).ok_or_else(|| {
        validation_error(format!("AutoScalingGroup name not found - AutoScalingGroup '{group}' not found"))
    })
}

pub(super) fn describe(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let mut tags: Vec<(&str, &Tag)> = region
        .autoscaling
        .groups
        .iter()
        .flat_map(|group| group.tags.iter().map(move |tag| (group.name.as_str(), tag)))
        .collect();
    for filter in params.objects("Filters") {
        let values = filter.strings("Values");
        match filter.str("Name")? {
            "auto-scaling-group" => tags.retain(|(group, _)| values.contains(group)),
            "key" => tags.retain(|(_, tag)| values.contains(&tag.key.as_str())),
            "value" => tags.retain(|(_, tag)| values.contains(&tag.value.as_str())),
            "propagate-at-launch" => {
                tags.retain(|(_, tag)| values.contains(&tag.propagate_at_launch.to_string().as_str()));
            }
            other => return Err(unknown_filter(other)),
        }
    }
    Ok(json!({ "Tags": tags.into_iter().map(|(group, tag)| tag.wire(group)).collect::<Vec<_>>() }))
}

/// `DescribeAutoScalingGroups`' filters, which are all about tags.
pub(super) fn match_filters(tags: &[Tag], filters: &[Params<'_>]) -> Result<bool, AwsError> {
    for filter in filters {
        let values = filter.strings("Values");
        let name = filter.str("Name")?;
        let matches = match name {
            "tag-key" => tags.iter().any(|tag| values.contains(&tag.key.as_str())),
            "tag-value" => tags.iter().any(|tag| values.contains(&tag.value.as_str())),
            _ => match name.strip_prefix("tag:") {
                Some(key) => tags.iter().any(|tag| tag.key == key && values.contains(&tag.value.as_str())),
                None => return Err(unknown_filter(name)),
            },
        };
        if !matches {
            return Ok(false);
        }
    }
    Ok(true)
}

fn unknown_filter(name: &str) -> AwsError {
    validation_error(format!("Filter type {name} is not correct"))
}

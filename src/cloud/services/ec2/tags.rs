//! Tags of every EC2 resource, in one store.

use serde_json::{Value, json};

use super::resource_type;
use super::resources::{Filter, Kind, NAMESAKE, filtered};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::service::Answer;
use crate::cloud::wire::Params;
use crate::cloud::wire::tags::{RESERVED, Tags, UPPER};

/// The tags with which a resource is created.
pub(super) fn of_specifications(params: Params<'_>, kind: &Kind) -> Result<Tags, AwsError> {
    let mut tags = Tags::default();
    for specification in params.objects("TagSpecification") {
        let resource_type = specification.str("ResourceType")?;
        if resource_type != kind.resource_type {
            return Err(AwsError::invalid_parameter(format!(
                "'{resource_type}' is not a valid taggable resource type for this operation."
            )));
        }
        tags.add(listed(specification)?)?;
    }
    Ok(tags)
}

/// The `Tag`s of a request or of a tag specification.
pub(super) fn listed(params: Params<'_>) -> Result<Tags, AwsError> {
    let tags = params.objects("Tag");
    if tags.iter().any(|tag| tag.opt_str("Key").is_none()) {
        return Err(AwsError::invalid_parameter("Tag keys cannot be empty"));
    }
    Tags::from_list(&tags, UPPER)
}

pub(super) fn create(region: &mut Region, params: Params<'_>) -> Answer {
    let ids = params.strings("ResourceId");
    if ids.is_empty() {
        return Err(AwsError::missing_parameter("resourceIdSet"));
    }
    let tags = listed(params)?;
    if tags.len() == 0 {
        return Err(AwsError::missing_parameter("tagSet"));
    }
    for id in &ids {
        resource_type(region, id)?;
        region.ec2().tags.check_room(id, &tags)?;
    }
    for id in ids {
        region.ec2_mut().tags.add(id, tags.clone());
    }
    Ok(json!({}))
}

/// Deletes the named tags (those with this value, if one is given); without any named, all but `aws:` ones.
pub(super) fn delete(region: &mut Region, params: Params<'_>) -> Answer {
    if params.strings("ResourceId").is_empty() {
        return Err(AwsError::missing_parameter("resourceIdSet"));
    }
    let doomed: Vec<_> = params.objects("Tag").into_iter().map(|tag| (tag.opt_str("Key"), tag.map())).collect();
    let ids = params.strings("ResourceId");
    if ids.is_empty() {
        return Err(AwsError::missing_parameter("resourceIdSet"));
    }
    for id in ids {
        region.ec2_mut().tags.retain(id, |key, value| {
            let named = doomed.iter().any(|(name, tag)| {
                *name == Some(key) && tag.get("Value").and_then(Value::as_str).is_none_or(|v| v == value)
            });
            key.starts_with(RESERVED) || !(named || doomed.is_empty())
        });
    }
    Ok(json!({}))
}

const FILTERS: &[Filter] = &[("key resource-id resource-type value", NAMESAKE)];

pub(super) fn describe(region: &Region, params: Params<'_>) -> Answer {
    let mut all = Vec::new();
    for (id, tags) in region.ec2().tags.iter() {
        let resource_type = resource_type(region, id)?;
        all.extend(tags.iter().map(
            |(key, value)| json!({ "key": key, "resourceId": id, "resourceType": resource_type, "value": value }),
        ));
    }
    Ok(json!({ "tagSet": filtered(all, FILTERS, params)? }))
}

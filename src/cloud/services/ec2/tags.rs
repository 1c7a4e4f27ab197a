//! Tags of every EC2 resource, in one store.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::gateways::{InternetGateway, RouteTable};
use super::instances::Instance;
use super::interfaces::Interface;
use super::launch_templates::LaunchTemplate;
use super::resources::{Filter, Kind, Resource, filtered, find};
use super::rules::Rule;
use super::security_groups::SecurityGroup;
use super::subnets::Subnet;
use super::vpcs::Vpc;
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::wire::Params;

pub(crate) type TagMap = BTreeMap<String, String>;

/// The tags of each resource, by its identifier.
#[derive(Clone, Default)]
pub(super) struct Tags(BTreeMap<String, TagMap>);

impl Tags {
    pub(super) fn of(&self, id: &str) -> &TagMap {
        static NONE: TagMap = TagMap::new();
        self.0.get(id).unwrap_or(&NONE)
    }

    pub(super) fn add(&mut self, id: &str, tags: TagMap) {
        if !tags.is_empty() {
            self.0.entry(id.to_owned()).or_default().extend(tags);
        }
    }

    /// Forgets the tags of a resource that is gone.
    pub(super) fn forget(&mut self, id: &str) {
        self.0.remove(id);
    }

    /// The `tagSet` of an answer.
    pub(super) fn wire(&self, id: &str) -> Value {
        self.of(id).iter().map(|(key, value)| json!({ "key": key, "value": value })).collect()
    }
}

/// The tags with which a resource is created.
pub(super) fn of_specifications(params: Params<'_>, kind: &Kind) -> Result<TagMap, AwsError> {
    let mut tags = TagMap::new();
    for specification in params.objects("TagSpecification") {
        let resource_type = specification.str("ResourceType")?;
        if resource_type != kind.resource_type {
            return Err(AwsError::invalid_parameter(format!(
                "'{resource_type}' is not a valid taggable resource type for this operation."
            )));
        }
        tags.extend(listed(specification)?);
    }
    Ok(tags)
}

/// The `Tag`s of a request or of a tag specification.
pub(super) fn listed(params: Params<'_>) -> Result<TagMap, AwsError> {
    let mut tags = TagMap::new();
    for tag in params.objects("Tag") {
        let key = tag.opt_str("Key").ok_or_else(|| AwsError::invalid_parameter("Tag keys cannot be empty"))?;
        if key.starts_with("aws:") {
            return Err(AwsError::invalid_parameter("Tag keys starting with 'aws:' are reserved for internal use"));
        }
        tags.insert(key.to_owned(), tag.opt_str("Value").unwrap_or_default().to_owned());
    }
    Ok(tags)
}

/// Checks that the resource is there; answers with its type.
fn resource_type(region: &Region, id: &str) -> Result<&'static str, AwsError> {
    fn check<R: Resource>(resources: &[R], id: &str) -> Option<Result<&'static str, AwsError>> {
        id.strip_prefix(R::KIND.prefix)
            .is_some_and(|rest| rest.starts_with('-'))
            .then(|| find(resources, id).map(|_| R::KIND.resource_type))
    }
    let state = region.ec2();
    check::<Vpc>(&state.vpcs, id)
        .or_else(|| check::<Subnet>(&state.subnets, id))
        .or_else(|| check::<SecurityGroup>(&state.security_groups, id))
        .or_else(|| {
            let rules: Vec<Rule> = state.security_groups.iter().flat_map(|group| group.rules.clone()).collect();
            check::<Rule>(&rules, id)
        })
        .or_else(|| check::<InternetGateway>(&state.internet_gateways, id))
        .or_else(|| check::<RouteTable>(&state.route_tables, id))
        .or_else(|| check::<LaunchTemplate>(&state.launch_templates, id))
        .or_else(|| check::<Instance>(&state.instances, id))
        .or_else(|| check::<Interface>(&state.interfaces, id))
        .unwrap_or_else(|| Err(AwsError::new("InvalidID", format!("The ID '{id}' is not valid"))))
}

pub(super) fn create(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let ids = params.strings("ResourceId");
    if ids.is_empty() {
        return Err(AwsError::missing_parameter("resourceIdSet"));
    }
    let tags = listed(params)?;
    if tags.is_empty() {
        return Err(AwsError::missing_parameter("tagSet"));
    }
    for id in &ids {
        resource_type(region, id)?;
    }
    for id in ids {
        region.ec2_mut().tags.add(id, tags.clone());
    }
    Ok(json!({}))
}

/// Deletes the named tags (those with this value, if one is given); without any named, all but `aws:` ones.
pub(super) fn delete(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let doomed: Vec<_> = params.objects("Tag").into_iter().map(|tag| (tag.opt_str("Key"), tag.map())).collect();
    for id in params.strings("ResourceId") {
        let Some(tags) = region.ec2_mut().tags.0.get_mut(id) else { continue };
        tags.retain(|key, value| {
            let named = doomed.iter().any(|(name, tag)| {
                *name == Some(key.as_str()) && tag.get("Value").and_then(Value::as_str).is_none_or(|v| v == value)
            });
            key.starts_with("aws:") || !(named || doomed.is_empty())
        });
    }
    Ok(json!({}))
}

/// One tag of one resource, as DescribeTags lists them.
struct Tagged {
    resource_id: String,
    resource_type: &'static str,
    key: String,
    value: String,
}

const FILTERS: &[Filter<Tagged>] = &[
    ("key", |tag| vec![tag.key.clone()]),
    ("resource-id", |tag| vec![tag.resource_id.clone()]),
    ("resource-type", |tag| vec![tag.resource_type.to_owned()]),
    ("value", |tag| vec![tag.value.clone()]),
];

pub(super) fn describe(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let mut all = Vec::new();
    for (id, tags) in &region.ec2().tags.0 {
        let resource_type = resource_type(region, id)?;
        all.extend(tags.iter().map(|(key, value)| Tagged {
            resource_id: id.clone(),
            resource_type,
            key: key.clone(),
            value: value.clone(),
        }));
    }
    let tags: Value = filtered(all, FILTERS, params)?
        .into_iter()
        .map(|tag| {
            json!({
                "key": tag.key,
                "resourceId": tag.resource_id,
                "resourceType": tag.resource_type,
                "value": tag.value,
            })
        })
        .collect();
    Ok(json!({ "tagSet": tags }))
}

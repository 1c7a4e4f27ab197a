//! AWS Cloud Map, as far as Service Connect uses it: HTTP namespaces, a service for each discovery name, and as its
//! instances the running tasks that offer it.

mod api;
mod instances;
mod namespaces;
mod operations;
mod services;
mod sharing;

use serde_json::{Value, json};

use crate::cloud::error::{AwsError, Words};
use crate::cloud::region::Region;
use crate::cloud::service::Service;
use crate::cloud::wire::Params;
use crate::cloud::wire::tags::{Tags, UPPER};

pub(crate) use instances::{deregister_instance, register_instance};
pub(crate) use namespaces::{Namespace, begin_namespace, namespace};
pub(crate) use services::ensure_service;
pub(crate) use sharing::{Shared, share};

#[derive(Clone, Default)]
pub(crate) struct State {
    namespaces: Vec<Namespace>,
    services: Vec<services::Service>,
    operations: Vec<operations::Operation>,
}

impl Region {
    fn cloud_map(&self) -> &State {
        self.states.get()
    }

    fn cloud_map_mut(&mut self) -> &mut State {
        self.states.get_mut()
    }
}

pub(crate) static SERVICE: Service = Service {
    signing_name: "servicediscovery",
    target_prefix: Some("Route53AutoNaming_v20170314"),
    words: Words {
        invalid_parameter: Some("InvalidInput"),
        too_many_tags: Some("TooManyTagsException"),
        ..Words::JSON
    },
    operations: api::OPERATIONS,
    structures: api::STRUCTURES,
    new_state: |_| Some(Box::new(State::default())),
    tagged: |region, key| {
        region.cloud_map().namespaces.iter().filter_map(|namespace| namespace.tags.get(key)).collect()
    },
    ..Service::PLAIN
};

/// What the filter RESOURCE_OWNER calls an account.
fn resource_owner(account: &str) -> &'static str {
    if account == crate::cloud::ACCOUNT_ID { "SELF" } else { "OTHER_ACCOUNTS" }
}

fn not_ours(arn: &str) -> AwsError {
    AwsError::new("AccessDeniedException", format!("User is not authorized to perform this on resource: {arn}"))
}

/// How a resource is referred to. What is in another account's namespace goes by its ARN alone (Cloud Map API Reference,
/// "GetNamespace", "ListServices", "ListInstances").
fn references<'r>(owner: &str, id: &'r str, arn: &'r str) -> Vec<&'r str> {
    if owner == crate::cloud::ACCOUNT_ID { vec![id, arn] } else { vec![arn] }
}

/// A list's filters: each names a member, as which a resource has some values, and the values of which it must have one.
fn allows<'m>(params: Params<'_>, member: impl Fn(&str) -> Option<Vec<&'m str>>) -> Result<bool, AwsError> {
    for filter in params.objects("Filters") {
        let (name, values) = (filter.str("Name")?, filter.strings("Values"));
        let is_prefix = match filter.opt_str("Condition").unwrap_or("EQ") {
            "EQ" | "IN" => false,
            "BEGINS_WITH" => true,
            condition => return Err(AwsError::unsupported(format_args!("the filter condition {condition}"))),
        };
        let actual = member(name).ok_or_else(|| AwsError::unsupported(format_args!("the filter {name}")))?;
        let is = |actual: &str, value: &str| if is_prefix { actual.starts_with(value) } else { actual == value };
        if !values.iter().any(|value| actual.iter().any(|actual| is(actual, value))) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A page of a list, as an answer with the list under `name`. What the filters leave out (`None`) counts for the page all the
/// same: a page may be empty, and the next one not (Cloud Map API Reference, `ListNamespaces`, "NextToken").
fn answer_page(params: Params<'_>, name: &'static str, items: Vec<Option<Value>>) -> Result<Value, AwsError> {
    let mut answer = api::pages(name).cut(json!({ name: items }), params)?;
    if let Some(items) = answer[name].as_array_mut() {
        items.retain(|item| !item.is_null());
    }
    Ok(answer)
}

fn tag(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    let tags = Tags::from_list(&params.objects("Tags"), UPPER)?;
    tags_of(region.cloud_map_mut(), params)?.add(tags)?;
    Ok(json!({}))
}

fn untag(region: &mut Region, params: Params<'_>) -> Result<Value, AwsError> {
    tags_of(region.cloud_map_mut(), params)?.remove(&params.strings("TagKeys"));
    Ok(json!({}))
}

fn list_tags(region: &Region, params: Params<'_>) -> Result<Value, AwsError> {
    let mut copy = region.cloud_map().clone();
    Ok(json!({ "Tags": tags_of(&mut copy, params)?.to_list(UPPER) }))
}

fn tags_of<'s>(state: &'s mut State, params: Params<'_>) -> Result<&'s mut Tags, AwsError> {
    let arn = params.str("ResourceARN")?;
    if arn.contains(namespaces::OTHER_ACCOUNT) {
        return Err(not_ours(arn));
    }
    let namespaces = state.namespaces.iter_mut().map(|namespace| (&namespace.arn, &mut namespace.tags));
    let services = state.services.iter_mut().map(|service| (&service.arn, &mut service.tags));
    let found = namespaces.chain(services).find(|(known, _)| *known == arn);
    found
        .map(|(_, tags)| tags)
        .ok_or_else(|| AwsError::new("ResourceNotFoundException", format!("Resource with ARN {arn} was not found.")))
}

//! Tags, as the services with a JSON protocol take and give them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Params;
use crate::cloud::error::AwsError;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tags(BTreeMap<String, String>);

/// How a service spells the members of a tag.
#[derive(Clone, Copy)]
pub(crate) struct Spelling {
    key: &'static str,
    value: &'static str,
}

/// ECS: `{"key": …, "value": …}`
pub(crate) const LOWER: Spelling = Spelling { key: "key", value: "value" };
/// Cloud Map and Systems Manager: `{"Key": …, "Value": …}`
pub(crate) const UPPER: Spelling = Spelling { key: "Key", value: "Value" };

impl Tags {
    /// From a list of tag structures. A tag may have no value.
    pub(crate) fn from_list(tags: &[Params<'_>], spelling: Spelling) -> Result<Self, AwsError> {
        tags.iter()
            .map(|tag| {
                let value = tag.opt_str(spelling.value).unwrap_or_default();
                Ok((tag.str(spelling.key)?.to_owned(), value.to_owned()))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// From a map, as CloudWatch Logs has it.
    pub(crate) fn from_map(tags: Option<Params<'_>>) -> Self {
        let pairs = tags.into_iter().flat_map(|tags| tags.map());
        Self(pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect())
    }

    pub(crate) fn one(key: &str, value: &str) -> Self {
        Self(BTreeMap::from([(key.to_owned(), value.to_owned())]))
    }

    /// Adds tags; an equal key takes the new value.
    pub(crate) fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    pub(crate) fn remove(&mut self, keys: &[&str]) {
        self.0.retain(|key, _| !keys.contains(&key.as_str()));
    }

    pub(crate) fn to_list(&self, spelling: Spelling) -> Value {
        self.0.iter().map(|(key, value)| json!({ spelling.key: key, spelling.value: value })).collect()
    }

    pub(crate) fn to_map(&self) -> Value {
        json!(self.0)
    }
}

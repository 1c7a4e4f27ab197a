//! Tags: how services take and give them, and the store of those whose resources keep them apart.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Params;
use crate::cloud::error::AwsError;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tags(BTreeMap<String, String>);

/// What the keys of AWS's own tags begin with.
pub(crate) const RESERVED: &str = "aws:";

/// How a service spells the members of a tag.
#[derive(Clone, Copy)]
pub(crate) struct Spelling {
    key: &'static str,
    value: &'static str,
}

/// ECS, and EC2's answers: `{"key": …, "value": …}`
pub(crate) const LOWER: Spelling = Spelling { key: "key", value: "value" };
/// The others: `{"Key": …, "Value": …}`
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

    pub(crate) fn get(&self, key: &str) -> Option<String> {
        self.0.get(key).cloned()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether a key begins with `aws:`, as only AWS's own may.
    pub(crate) fn has_reserved_key(&self) -> bool {
        self.0.keys().any(|key| key.starts_with(RESERVED))
    }

    /// Adds a tag; an equal key takes the new value.
    pub(crate) fn insert(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.insert(key.into(), value.into());
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

/// The tags of a service's resources, by their identifiers or ARNs.
#[derive(Clone, Debug, Default)]
pub(crate) struct TagStore(BTreeMap<String, Tags>);

impl TagStore {
    pub(crate) fn of(&self, resource: &str) -> &Tags {
        static NONE: Tags = Tags(BTreeMap::new());
        self.0.get(resource).unwrap_or(&NONE)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Tags)> {
        self.0.iter().map(|(resource, tags)| (resource.as_str(), tags))
    }

    pub(crate) fn add(&mut self, resource: &str, tags: Tags) {
        if tags.len() > 0 {
            self.0.entry(resource.to_owned()).or_default().extend(tags);
        }
    }

    /// Removes the tags of a resource that are not to stay.
    pub(crate) fn retain(&mut self, resource: &str, stays: impl Fn(&str, &str) -> bool) {
        if let Some(tags) = self.0.get_mut(resource) {
            tags.0.retain(|key, value| stays(key, value));
        }
    }

    /// Forgets the tags of a resource that is gone.
    pub(crate) fn forget(&mut self, resource: &str) {
        self.0.remove(resource);
    }
}

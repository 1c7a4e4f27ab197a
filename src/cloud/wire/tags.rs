//! Tags: how services take and give them, and the store of those whose resources keep them apart.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Params;
use crate::cloud::error::AwsError;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tags(BTreeMap<String, String>);

/// What the keys of AWS's own tags begin with.
pub(crate) const RESERVED: &str = "aws:";

/// "Tag naming limits and requirements" (Tagging AWS Resources User Guide). AWS's own tags do not count.
const MAX_TAGS: usize = 50;
const MAX_KEY: usize = 128;
const MAX_VALUE: usize = 256;

/// In whatever case.
fn is_reserved(text: &str) -> bool {
    text.get(..RESERVED.len()).is_some_and(|start| start.eq_ignore_ascii_case(RESERVED))
}

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
        let pairs =
            tags.iter().map(|tag| Ok((tag.str(spelling.key)?, tag.opt_str(spelling.value).unwrap_or_default())));
        Self::requested(pairs.collect::<Result<_, AwsError>>()?)
    }

    /// From a map, as CloudWatch Logs has it.
    pub(crate) fn from_map(tags: Option<Params<'_>>) -> Result<Self, AwsError> {
        let pairs = tags.into_iter().flat_map(|tags| tags.map());
        Self::requested(pairs.map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default())).collect())
    }

    fn requested(pairs: Vec<(&str, &str)>) -> Result<Self, AwsError> {
        let mut tags = Self::default();
        for (key, value) in pairs {
            let problem = if key.is_empty() {
                "Tag keys cannot be empty".to_owned()
            } else if is_reserved(key) {
                "Tag keys starting with 'aws:' are reserved for internal use; aws: prefixed tag key names are not allowed for external use."
                    .to_owned()
            } else if key.chars().count() > MAX_KEY {
                format!("Tag keys can have at most {MAX_KEY} characters")
            } else if value.chars().count() > MAX_VALUE {
                format!("Tag values can have at most {MAX_VALUE} characters")
            } else if tags.0.insert(key.to_owned(), value.to_owned()).is_some() {
                format!("Duplicate tag key '{key}' specified.")
            } else {
                continue;
            };
            return Err(AwsError::invalid_parameter(problem));
        }
        tags.check_room(&Self::default())?;
        Ok(tags)
    }

    /// Whether a resource with these tags can have more.
    fn check_room(&self, more: &Self) -> Result<(), AwsError> {
        let own = self.0.keys().filter(|key| !more.0.contains_key(*key));
        if own.chain(more.0.keys()).filter(|key| !is_reserved(key)).count() > MAX_TAGS {
            let message = format!("A resource can have at most {MAX_TAGS} tags");
            return Err(AwsError::new(AwsError::TOO_MANY_TAGS, message));
        }
        Ok(())
    }

    /// Adds the tags of a request, unless they are too many; an equal key takes the new value.
    pub(crate) fn add(&mut self, more: Self) -> Result<(), AwsError> {
        self.check_room(&more)?;
        self.extend(more);
        Ok(())
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

impl FromIterator<(String, String)> for Tags {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
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

    /// Whether a resource can have more tags, too.
    pub(crate) fn check_room(&self, resource: &str, more: &Tags) -> Result<(), AwsError> {
        self.of(resource).check_room(more)
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

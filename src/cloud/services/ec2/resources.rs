//! What EC2's resources have in common: identifiers with AWS's errors about them, and the filters of `Describe…` calls.

use super::State;
use crate::cloud::error::AwsError;
use crate::cloud::wildcard;
use crate::cloud::wire::Params;
use crate::cloud::wire::tags::Tags;

/// How a kind of resource is named, and how AWS says that one is not there.
pub(super) struct Kind {
    /// `sg` of `sg-0123…`
    pub(super) prefix: &'static str,
    /// As tags call it: `security-group`.
    pub(super) resource_type: &'static str,
    pub(super) malformed: &'static str,
    pub(super) not_found: &'static str,
    /// The words of the not-found message, around the identifier.
    pub(super) words: (&'static str, &'static str),
}

impl Kind {
    /// Eight hexadecimal digits (until 2016) or seventeen after the prefix.
    pub(super) fn check(&self, id: &str) -> Result<(), AwsError> {
        let digits = id.strip_prefix(self.prefix).and_then(|rest| rest.strip_prefix('-')).unwrap_or_default();
        if matches!(digits.len(), 8 | 17) && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(())
        } else {
            Err(AwsError::new(self.malformed, format!("Invalid id: \"{id}\" (expecting \"{}-...\")", self.prefix)))
        }
    }

    pub(super) fn not_found(&self, id: &str) -> AwsError {
        let (before, after) = self.words;
        AwsError::new(self.not_found, format!("{before}{id}{after}"))
    }
}

/// A filter's name, and the values a resource has for it.
pub(super) type Filter<T> = (&'static str, fn(&T) -> Vec<String>);

pub(super) trait Resource: Sized + 'static {
    const KIND: Kind;
    /// Besides `tag:<key>` and `tag-key`, which all have.
    const FILTERS: &'static [Filter<Self>];
    fn id(&self) -> &str;
}

pub(super) fn find<'r, R: Resource>(resources: &'r [R], id: &str) -> Result<&'r R, AwsError> {
    R::KIND.check(id)?;
    resources.iter().find(|resource| resource.id() == id).ok_or_else(|| R::KIND.not_found(id))
}

pub(super) fn find_mut<'r, R: Resource>(resources: &'r mut [R], id: &str) -> Result<&'r mut R, AwsError> {
    R::KIND.check(id)?;
    resources.iter_mut().find(|resource| resource.id() == id).ok_or_else(|| R::KIND.not_found(id))
}

impl State {
    /// What a `Describe…` call asks for: the resources with these identifiers (all if none are given, and each must
    /// exist) that every filter lets through.
    pub(super) fn select<'s, R: Resource>(
        &'s self,
        resources: &'s [R],
        ids: &[&str],
        params: Params<'_>,
    ) -> Result<Vec<&'s R>, AwsError> {
        for id in ids {
            find(resources, id)?;
        }
        let filters = Filters::of(params, R::FILTERS, true)?;
        Ok(resources
            .iter()
            .filter(|resource| ids.is_empty() || ids.contains(&resource.id()))
            .filter(|resource| filters.allow(*resource, R::FILTERS, self.tags.of(resource.id())))
            .collect())
    }
}

/// The filters for things that are no resources and have no tags: zones, regions, offerings.
pub(super) fn filtered<T>(items: Vec<T>, known: &[Filter<T>], params: Params<'_>) -> Result<Vec<T>, AwsError> {
    let filters = Filters::of(params, known, false)?;
    let untagged = Tags::default();
    Ok(items.into_iter().filter(|item| filters.allow(item, known, &untagged)).collect())
}

/// Filter values may hold `*` and `?`, each of which a backslash makes ordinary.
const WILDCARDS: &str = "*?\\";

/// "The maximum number of filter values" of a request (EC2 User Guide, "List and filter using the CLI and API").
const MAX_FILTER_VALUES: usize = 200;

/// No value that is filtered by is longer: a tag's is the longest.
const MAX_FILTER_VALUE_LENGTH: usize = 256;

/// A request's filters: name, and values of which one must match.
struct Filters<'a>(Vec<(&'a str, Vec<&'a str>)>);

impl<'a> Filters<'a> {
    fn of<T>(params: Params<'a>, known: &[Filter<T>], tagged: bool) -> Result<Self, AwsError> {
        let mut filters = Vec::new();
        let mut count = 0;
        for filter in params.objects("Filter") {
            let name = filter.str("Name")?;
            let is_tag = tagged && (name == "tag-key" || name.starts_with("tag:"));
            if !is_tag && !known.iter().any(|(known, _)| *known == name) {
                return Err(AwsError::invalid_parameter(format!("The filter '{name}' is invalid")));
            }
            let values = filter.strings("Value");
            if values.iter().any(|value| value.chars().count() > MAX_FILTER_VALUE_LENGTH) {
                return Err(AwsError::invalid_parameter(format!("A value of the filter '{name}' is too long")));
            }
            count += values.len();
            if count > MAX_FILTER_VALUES {
                let message = format!("The maximum number of filter values is {MAX_FILTER_VALUES}");
                return Err(AwsError::new("FilterLimitExceeded", message));
            }
            filters.push((name, values));
        }
        Ok(Self(filters))
    }

    fn allow<T>(&self, item: &T, known: &[Filter<T>], tags: &Tags) -> bool {
        self.0.iter().all(|(name, wanted)| {
            let values = if let Some(key) = name.strip_prefix("tag:") {
                tags.get(key).map(str::to_owned).into_iter().collect()
            } else if *name == "tag-key" {
                tags.iter().map(|(key, _)| key.to_owned()).collect()
            } else {
                known.iter().find(|(known, _)| known == name).map(|(_, values)| values(item)).unwrap_or_default()
            };
            values.iter().any(|value| wanted.iter().any(|pattern| wildcard::matches(pattern, WILDCARDS, value)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filter_values_know_wildcards() {
        let matches = |pattern: &str, text: &str| wildcard::matches(pattern, WILDCARDS, text);
        assert!(matches("az-*", "az-aware"));
        assert!(matches("*-sg", "lb-sg"));
        assert!(matches("us-east-1?", "us-east-1a"));
        assert!(matches(r"a\*", "a*"));
        assert!(!matches(r"a\*", "ab"));
        assert!(!matches("az", "az-aware"));
    }
}

//! What EC2's resources have in common: identifiers with AWS's errors about them, and the filters of `Describe…` calls.

use serde_json::Value;

use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::wildcard;
use crate::cloud::wire::{Params, as_timestamp};

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
    /// The parameter with the identifiers, as messages call it, if a list of these has no pages (API Reference, "MaxResults").
    pub(super) unpaged_set: Option<&'static str>,
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

    /// AWS names all that are not there: "The image ids '[a, b]' do not exist".
    fn none_found(&self, ids: &[&str]) -> AwsError {
        let singular = self.not_found(&ids.join(", "));
        let plural = [(" ID '", " IDs '"), (" id '", " ids '"), ("group '", "groups '"), ("does not", "do not")];
        let message = plural.iter().fold(singular.message, |words, (one, many)| words.replacen(one, many, 1));
        AwsError::new(self.not_found, message)
    }
}

pub(super) fn invalid_value(parameter: &str, value: &str, why: &str) -> AwsError {
    AwsError::invalid_parameter(format!("Value ({value}) for parameter {parameter} is invalid. {why}"))
}

/// Names of filters, separated by spaces, and where in a description their values are: members, from outer to inner, with
/// dots between them.
pub(super) type Filter = (&'static str, &'static str);

/// Where the values are of filters that are named like a member, with hyphens or without: `vpc-id` as `vpcId`.
pub(super) const NAMESAKE: &str = "";

/// In the place of where: EC2 has these filters, and they are not looked at here.
pub(super) const LACKING: &str = "-";

pub(super) trait Resource: Sized + 'static {
    const KIND: Kind;
    /// Besides `tag:<key>` and `tag-key`, which all have.
    const FILTERS: &'static [Filter];
    fn id(&self) -> &str;
    /// As answers describe it.
    fn wire(&self, region: &Region) -> Value;
    /// The description in which filters look.
    fn facts(&self, region: &Region) -> Value {
        self.wire(region)
    }
}

pub(super) fn find<'r, R: Resource>(resources: &'r [R], id: &str) -> Result<&'r R, AwsError> {
    R::KIND.check(id)?;
    resources.iter().find(|resource| resource.id() == id).ok_or_else(|| R::KIND.not_found(id))
}

pub(super) fn find_mut<'r, R: Resource>(resources: &'r mut [R], id: &str) -> Result<&'r mut R, AwsError> {
    R::KIND.check(id)?;
    resources.iter_mut().find(|resource| resource.id() == id).ok_or_else(|| R::KIND.not_found(id))
}

/// What a `Describe…` call asks for: the resources with these identifiers (all if none are given, and each must exist)
/// that every filter lets through.
pub(super) fn select<'r, R: Resource>(
    region: &Region,
    resources: &'r [R],
    ids: &[&str],
    params: Params<'_>,
) -> Result<Vec<&'r R>, AwsError> {
    for id in ids {
        R::KIND.check(id)?;
    }
    let missing: Vec<_> = ids.iter().copied().filter(|id| !resources.iter().any(|it| it.id() == *id)).collect();
    match missing.as_slice() {
        [] => {}
        [one] => return Err(R::KIND.not_found(one)),
        many => return Err(R::KIND.none_found(many)),
    }
    if let Some(set) = R::KIND.unpaged_set.filter(|_| !ids.is_empty() && params.get("MaxResults").is_some()) {
        let message = format!("The parameter {set} cannot be used with the parameter maxResults");
        return Err(AwsError::new("InvalidParameterCombination", message));
    }
    let filters = Filters::of(params, R::FILTERS, true)?;
    let wanted = resources.iter().filter(|resource| ids.is_empty() || ids.contains(&resource.id()));
    Ok(wanted.filter(|resource| filters.allow(&resource.facts(region))).collect())
}

/// The same, described.
pub(super) fn described<R: Resource>(
    region: &Region,
    resources: &[R],
    ids: &[&str],
    params: Params<'_>,
) -> Result<Vec<Value>, AwsError> {
    Ok(select(region, resources, ids, params)?.into_iter().map(|resource| resource.wire(region)).collect())
}

/// Of the descriptions of things that are no resources and have no tags (zones, regions, offerings) those that every
/// filter lets through.
pub(super) fn filtered(
    descriptions: impl IntoIterator<Item = Value>,
    known: &[Filter],
    params: Params<'_>,
) -> Result<Vec<Value>, AwsError> {
    let filters = Filters::of(params, known, false)?;
    Ok(descriptions.into_iter().filter(|description| filters.allow(description)).collect())
}

/// Filter values may hold `*` and `?`, each of which a backslash makes ordinary.
const WILDCARDS: &str = "*?\\";

/// "The maximum number of filter values" of a request (EC2 User Guide, "List and filter using the CLI and API").
const MAX_FILTER_VALUES: usize = 200;

/// No value that is filtered by is longer: a tag's is the longest.
const MAX_FILTER_VALUE_LENGTH: usize = 256;

/// A request's filters: what they look at, and patterns of which one must match.
struct Filters<'a>(Vec<(Looked<'a>, Vec<&'a str>)>);

enum Looked<'a> {
    At(String),
    /// The value of the tag with this key.
    AtTag(&'a str),
}

impl<'a> Filters<'a> {
    fn of(params: Params<'a>, known: &[Filter], tagged: bool) -> Result<Self, AwsError> {
        let mut filters = Vec::new();
        let mut count = 0;
        for filter in params.objects("Filter") {
            let name = filter.str("Name")?;
            let looked = match name.strip_prefix("tag:") {
                Some(key) if tagged => Some(Looked::AtTag(key)),
                _ if tagged && name == "tag-key" => Some(Looked::At("tagSet.key".to_owned())),
                _ => match known.iter().find(|(names, _)| names.split_ascii_whitespace().any(|known| known == name)) {
                    Some((_, LACKING)) => return Err(AwsError::lacking(format_args!("filter {name} for this list"))),
                    Some((_, NAMESAKE)) => Some(Looked::At(lower_camel_case(name))),
                    Some((_, path)) => Some(Looked::At((*path).to_owned())),
                    None => None,
                },
            };
            let Some(looked) = looked else {
                return Err(AwsError::invalid_parameter(format!("The filter '{name}' is invalid")));
            };
            let patterns = filter.strings("Value");
            if patterns.iter().any(|pattern| pattern.chars().count() > MAX_FILTER_VALUE_LENGTH) {
                return Err(AwsError::invalid_parameter(format!("A value of the filter '{name}' is too long")));
            }
            count += patterns.len();
            if count > MAX_FILTER_VALUES {
                let message = format!("The maximum number of filter values is {MAX_FILTER_VALUES}");
                return Err(AwsError::new("FilterLimitExceeded", message));
            }
            filters.push((looked, patterns));
        }
        Ok(Self(filters))
    }

    fn allow(&self, description: &Value) -> bool {
        self.0.iter().all(|(looked, patterns)| {
            let values: Vec<_> = match looked {
                Looked::At(path) => at(description, path),
                Looked::AtTag(key) => {
                    let tags = at(description, "tagSet").into_iter().filter(|tag| tag["key"] == **key);
                    tags.map(|tag| &tag["value"]).collect()
                }
            };
            let matches = |text: &str| patterns.iter().any(|pattern| wildcard::matches(pattern, WILDCARDS, text));
            values.into_iter().filter_map(text).any(|text| matches(&text))
        })
    }
}

fn lower_camel_case(name: &str) -> String {
    let mut words = name.split('-').map(str::to_owned);
    let mut spelled = words.next().unwrap_or_default();
    for mut word in words {
        word[..1].make_ascii_uppercase();
        spelled += &word;
    }
    spelled
}

/// What is at this path, of lists each item.
fn at<'v>(description: &'v Value, path: &str) -> Vec<&'v Value> {
    path.split('.').fold(vec![description], |values, member| {
        let values = values.into_iter().filter_map(|value| value.get(member));
        values.flat_map(|value| value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice)).collect()
    })
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => {
            let moment = as_timestamp(other).and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
            Some(moment.map_or_else(|| other.to_string(), |at| format!("{at:.3}")))
        }
    }
}

//! A request's parameters, whatever protocol they came by. Query sends every scalar as text, so numbers and booleans are
//! read from text too.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::cloud::error::AwsError;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Params<'a>(&'a Map<String, Value>);

impl<'a> Params<'a> {
    pub(crate) fn new(params: &'a Map<String, Value>) -> Self {
        Self(params)
    }

    /// The parameter as it came; an empty text, as Query sends for an empty list, counts as absent.
    pub(crate) fn get(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null() && value.as_str() != Some(""))
    }

    /// All parameters, for what keeps a document whole (a task definition's containers).
    pub(crate) fn map(self) -> &'a Map<String, Value> {
        self.0
    }

    pub(crate) fn opt_str(self, name: &str) -> Option<&'a str> {
        self.get(name)?.as_str()
    }

    pub(crate) fn str(self, name: &str) -> Result<&'a str, AwsError> {
        self.opt_str(name).ok_or_else(|| AwsError::missing_parameter(name))
    }

    pub(crate) fn opt_int(self, name: &str) -> Result<Option<i64>, AwsError> {
        self.get(name)
            .map(|value| match value {
                Value::String(text) => text.parse().ok(),
                other => other.as_i64(),
            })
            .map(|n| n.ok_or_else(|| AwsError::invalid_parameter(format!("{name} must be a whole number"))))
            .transpose()
    }

    pub(crate) fn int(self, name: &str) -> Result<i64, AwsError> {
        self.opt_int(name)?.ok_or_else(|| AwsError::missing_parameter(name))
    }

    /// A moment: seconds since the epoch, as JSON and CBOR have it, or ISO 8601, as Query has it.
    pub(crate) fn timestamp(self, name: &str) -> Result<Timestamp, AwsError> {
        let given = self.get(name).ok_or_else(|| AwsError::missing_parameter(name))?;
        let seconds = given.as_f64().or_else(|| given.as_str()?.parse().ok());
        let at = match seconds {
            Some(seconds) => Timestamp::from_millisecond((seconds * 1_000.0) as i64).ok(),
            None => given.as_str().and_then(|text| text.parse().ok()),
        };
        at.ok_or_else(|| AwsError::invalid_parameter(format!("{name} must be a moment")))
    }

    pub(crate) fn opt_bool(self, name: &str) -> Option<bool> {
        match self.get(name)? {
            Value::Bool(b) => Some(*b),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The texts of a list; none if it is absent.
    pub(crate) fn strings(self, name: &str) -> Vec<&'a str> {
        self.items(name).iter().filter_map(Value::as_str).collect()
    }

    /// The structures of a list; none if it is absent.
    pub(crate) fn objects(self, name: &str) -> Vec<Params<'a>> {
        self.items(name).iter().filter_map(Value::as_object).map(Params).collect()
    }

    pub(crate) fn object(self, name: &str) -> Option<Params<'a>> {
        self.get(name)?.as_object().map(Params)
    }

    /// Refuses every parameter but those that `is_taken` says are taken: an ignored parameter must not look accepted. Empty
    /// lists and structures, and `false`, which Query spells out, ask for nothing.
    pub(crate) fn only_those(self, is_taken: impl Fn(&str) -> bool) -> Result<(), AwsError> {
        let asks = |value: &Value| match value {
            Value::Null | Value::Bool(false) => false,
            Value::String(text) => !matches!(text.as_str(), "" | "false"),
            Value::Array(items) => !items.is_empty(),
            Value::Object(members) => !members.is_empty(),
            Value::Bool(true) | Value::Number(_) => true,
        };
        match self.0.iter().find(|(name, value)| asks(value) && !is_taken(name)) {
            Some((name, _)) => Err(AwsError::unsupported(format_args!("the parameter {name}"))),
            None => Ok(()),
        }
    }

    /// Refuses every member of a structure but those that `structures` lists, separated by spaces, under the name by which
    /// it comes, wherever that is.
    pub(crate) fn only_in(self, structures: &[(&str, &str)]) -> Result<(), AwsError> {
        for (name, value) in self.0 {
            let members = structures.iter().find(|(structure, _)| structure == name).map(|(_, members)| *members);
            let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            for item in items.iter().filter_map(Value::as_object).map(Params) {
                if let Some(members) = members {
                    item.only_those(|member| members.split_ascii_whitespace().any(|heeded| heeded == member))?;
                }
                item.only_in(structures)?;
            }
        }
        Ok(())
    }

    fn items(self, name: &str) -> &'a [Value] {
        self.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
}

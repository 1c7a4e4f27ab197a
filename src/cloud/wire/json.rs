//! AWS JSON 1.1.

use serde_json::{Map, Number, Value};

use super::as_timestamp;
use crate::cloud::error::AwsError;

pub(super) const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

pub(super) fn decode(body: &[u8]) -> Result<Map<String, Value>, AwsError> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_slice(body).map_err(|error| AwsError::new("SerializationException", error.to_string()))
}

pub(super) fn encode(answer: &Value) -> Vec<u8> {
    without_nulls(answer).to_string().into_bytes()
}

/// The tree as JSON has it: timestamps as epoch seconds, absent members left out.
fn without_nulls(value: &Value) -> Value {
    if let Some(milliseconds) = as_timestamp(value) {
        return Number::from_f64(milliseconds as f64 / 1000.0).map_or(Value::Null, Value::Number);
    }
    match value {
        Value::Object(members) => Value::Object(
            members
                .iter()
                .filter(|(_, member)| !member.is_null())
                .map(|(name, member)| (name.clone(), without_nulls(member)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}

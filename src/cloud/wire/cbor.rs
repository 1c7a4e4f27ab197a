//! Smithy RPC v2 CBOR: `POST /service/<name>/operation/<operation>` with CBOR bodies.

use ciborium::Value as Cbor;
use serde_json::{Map, Number, Value};

use super::as_timestamp;
use crate::cloud::error::AwsError;

pub(super) const CONTENT_TYPE: &str = "application/cbor";

/// CBOR's tag of a time in seconds since the epoch (RFC 8949, 3.4.2).
const EPOCH_TIME: u64 = 1;

/// How deep a body may be nested, as deep as serde_json takes JSON: each level is one of the stack.
const MAX_DEPTH: usize = 128;

/// Service and operation of a request path.
pub(super) fn operation(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix("/service/")?.split_once("/operation/")
}

pub(super) fn decode(body: &[u8]) -> Result<Map<String, Value>, AwsError> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    let tree: Cbor = ciborium::de::from_reader_with_recursion_limit(body, MAX_DEPTH)
        .map_err(|error| AwsError::new("SerializationException", error.to_string()))?;
    match to_json(tree) {
        Value::Object(params) => Ok(params),
        _ => Err(AwsError::new("SerializationException", "the body is no map")),
    }
}

fn to_json(value: Cbor) -> Value {
    match value {
        Cbor::Integer(n) => i64::try_from(n).map_or(Value::Null, Value::from),
        Cbor::Float(n) => Number::from_f64(n).map_or(Value::Null, Value::Number),
        Cbor::Text(text) => Value::String(text),
        Cbor::Bool(b) => Value::Bool(b),
        Cbor::Tag(_, inner) => to_json(*inner),
        Cbor::Array(items) => Value::Array(items.into_iter().map(to_json).collect()),
        Cbor::Map(members) => Value::Object(
            members
                .into_iter()
                .filter_map(|(name, member)| Some((name.into_text().ok()?, to_json(member))))
                .filter(|(_, member)| !member.is_null())
                .collect(),
        ),
        _ => Value::Null,
    }
}

pub(super) fn encode(answer: &Value) -> Vec<u8> {
    let mut body = Vec::new();
    ciborium::into_writer(&to_cbor(answer), &mut body).expect("writing to a Vec does not fail");
    body
}

fn to_cbor(value: &Value) -> Cbor {
    if let Some(milliseconds) = as_timestamp(value) {
        return Cbor::Tag(EPOCH_TIME, Box::new(Cbor::Float(milliseconds as f64 / 1000.0)));
    }
    match value {
        Value::Null => Cbor::Null,
        Value::Bool(b) => Cbor::Bool(*b),
        Value::Number(n) => match n.as_i64() {
            Some(n) => Cbor::Integer(n.into()),
            None => Cbor::Float(n.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Cbor::Text(text.clone()),
        Value::Array(items) => Cbor::Array(items.iter().map(to_cbor).collect()),
        Value::Object(members) => Cbor::Map(
            members
                .iter()
                .filter(|(_, member)| !member.is_null())
                .map(|(name, member)| (Cbor::Text(name.clone()), to_cbor(member)))
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_nested_too_deep_is_refused_by_both_protocols() {
        // `{"a": [[[…` as CBOR and as JSON.
        let cbor = |depth: usize| [b"\xa1\x61a".as_slice(), &vec![0x81; depth], b"\x80"].concat();
        let json = |depth: usize| format!("{{\"a\": {}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(decode(&cbor(100)).is_ok());
        assert!(super::super::json::decode(json(100).as_bytes()).is_ok());
        for depth in [200, 100_000] {
            assert_eq!(decode(&cbor(depth)).unwrap_err().code, "SerializationException");
            assert_eq!(super::super::json::decode(json(depth).as_bytes()).unwrap_err().code, "SerializationException");
        }
    }
}

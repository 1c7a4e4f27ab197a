//! The conditions of policies' statements, judged by what is known of a request.
//!
//! Texts, ARNs, truth values and whether a key is there at all are compared; what a condition says of numbers, dates and
//! addresses is taken to hold.

use serde_json::Value;

use crate::cloud::wildcard::matches_policy as matches;

/// What is known of one key of a request's context.
pub(crate) enum Fact<'a> {
    Is(Vec<&'a str>),
    /// The request has no such key.
    Absent,
    /// Nothing is known of the key, so that any condition on it is taken to hold.
    Unknown,
}

/// What is known of a key, by its name, in which the case of letters does not matter.
pub(crate) type Facts<'a> = dyn Fn(&str) -> Fact<'a> + 'a;

/// Operator, key and values of each of a statement's conditions.
fn conditions(statement: &Value) -> impl Iterator<Item = (&str, &str, Vec<String>)> {
    let operators = statement["Condition"].as_object().into_iter().flatten();
    operators.flat_map(|(operator, keys)| {
        let keys = keys.as_object().into_iter().flatten();
        keys.map(move |(key, values)| (operator.as_str(), key.as_str(), texts(values)))
    })
}

/// The values of a condition as texts: `true` may be written as one, or not.
fn texts(values: &Value) -> Vec<String> {
    match values {
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

/// The keys that a statement's conditions ask for.
pub(super) fn keys(statement: &Value) -> impl Iterator<Item = &str> {
    conditions(statement).map(|(_, key, _)| key)
}

/// Whether all conditions of a statement hold.
pub(super) fn hold(statement: &Value, facts: &Facts<'_>) -> bool {
    conditions(statement).all(|(operator, key, wanted)| holds(operator, &wanted, facts(key)))
}

fn holds(operator: &str, wanted: &[String], fact: Fact<'_>) -> bool {
    let (set, operator) = operator.split_once(':').unwrap_or(("", operator));
    let (operator, if_exists) =
        operator.strip_suffix("IfExists").map_or((operator, false), |operator| (operator, true));
    let (positive, negated) = match operator.split_once("Not") {
        Some((kind, rest)) => (format!("{kind}{rest}"), true),
        None => (operator.to_owned(), false),
    };
    let values = match fact {
        Fact::Unknown => return true,
        Fact::Absent if operator == "Null" => return wanted.iter().any(|is_absent| is_absent == "true"),
        Fact::Absent => return if_exists || negated || set == "ForAllValues",
        Fact::Is(_) if operator == "Null" => return wanted.iter().any(|is_absent| is_absent == "false"),
        Fact::Is(values) => values,
    };
    let equal: fn(&str, &str) -> bool = match positive.as_str() {
        "StringEquals" => |wanted, value| wanted == value,
        "StringEqualsIgnoreCase" | "Bool" => str::eq_ignore_ascii_case,
        "StringLike" => matches,
        "ArnEquals" | "ArnLike" => arn_matches,
        _ => return true,
    };
    let agrees = |value: &&str| wanted.iter().any(|wanted| equal(wanted, value)) != negated;
    if set == "ForAllValues" { values.iter().all(agrees) } else { values.iter().any(agrees) }
}

/// Whether an ARN is one that the pattern means, part by part: only in the last of the six can `*` stand for a colon.
fn arn_matches(pattern: &str, arn: &str) -> bool {
    let (patterns, parts): (Vec<_>, Vec<_>) = (pattern.splitn(6, ':').collect(), arn.splitn(6, ':').collect());
    patterns.len() == parts.len() && patterns.iter().zip(&parts).all(|(pattern, part)| matches(pattern, part))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn conditions_hold_as_iams_do() {
        let facts = |key: &str| match key {
            "region" => Fact::Is(vec!["eu-west-1"]),
            "mfa" => Fact::Is(vec!["true"]),
            "policy" => Fact::Is(vec!["arn:aws:iam::aws:policy/service-role/A"]),
            "unknown" => Fact::Unknown,
            _ => Fact::Absent,
        };
        for (condition, holds_true) in [
            (json!({}), true),
            (json!({ "StringEquals": { "region": ["us-east-1", "eu-west-1"] } }), true),
            (json!({ "StringEquals": { "region": "EU-WEST-1" } }), false),
            (json!({ "StringEqualsIgnoreCase": { "region": "EU-WEST-1" } }), true),
            (json!({ "StringLike": { "region": "eu-*" } }), true),
            (json!({ "StringLike": { "region": "EU-*" } }), false),
            (json!({ "StringNotEquals": { "region": ["us-east-1", "eu-west-1"] } }), false),
            (json!({ "StringNotLike": { "region": "us-*" } }), true),
            (json!({ "StringEquals": { "region": "eu-west-1", "absent": "x" } }), false),
            (json!({ "StringEqualsIfExists": { "region": "eu-west-1", "absent": "x" } }), true),
            (json!({ "StringNotEquals": { "absent": "x" } }), true),
            (json!({ "Bool": { "mfa": true } }), true),
            (json!({ "Bool": { "mfa": "false" } }), false),
            (json!({ "BoolIfExists": { "absent": "true" } }), true),
            (json!({ "Null": { "absent": "true" } }), true),
            (json!({ "Null": { "mfa": "true" } }), false),
            (json!({ "Null": { "mfa": false } }), true),
            (json!({ "ArnEquals": { "policy": "arn:*:iam::aws:policy/service-role/A" } }), true),
            (json!({ "ArnLike": { "policy": "arn:*:policy/service-role/A" } }), false),
            (json!({ "ForAllValues:StringEquals": { "absent": "x" } }), true),
            (json!({ "ForAnyValue:StringEquals": { "absent": "x" } }), false),
            (json!({ "StringEquals": { "unknown": "x" } }), true),
        ] {
            assert_eq!(hold(&json!({ "Condition": condition }), &facts), holds_true, "{condition}");
        }
    }
}

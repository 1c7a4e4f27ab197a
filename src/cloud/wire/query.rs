//! The Query protocols' requests: a form whose dotted, numbered keys spell a tree.
//!
//! `Filter.1.Name=vpc-id&Filter.1.Value.1=vpc-0` (EC2) and `Subnets.member.1=subnet-0` (the others) both become lists.

use std::collections::BTreeMap;

use hyper::StatusCode;
use serde_json::Value;

use super::Asked;
use crate::cloud::error::AwsError;

/// How deep a key may go. AWS's deepest, of launch templates, have nine parts; each level is one of the stack.
const MAX_DEPTH: usize = 32;

/// The operation (`Action`), the API's version, and the parameters.
pub(super) fn decode(body: &[u8]) -> Result<Asked, AwsError> {
    let mut root = Node::default();
    for (key, value) in form_urlencoded::parse(body) {
        check_key(&key)?;
        root.insert(&key, value.into_owned());
    }
    let Value::Object(mut params) = root.into_value() else {
        return Err(AwsError::missing_parameter("Action"));
    };
    let version = params.remove("Version").and_then(|version| version.as_str().map(str::to_owned));
    match params.remove("Action") {
        Some(Value::String(operation)) => Ok(Asked { operation, version, params }),
        _ => Err(AwsError::new("MissingAction", "The request is missing an Action")),
    }
}

/// Names and numbers between the dots, as all of AWS's parameters have: names come back in answers as XML elements.
fn check_key(key: &str) -> Result<(), AwsError> {
    let is_number = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let is_name = |part: &str| part.starts_with(|c: char| c.is_ascii_alphabetic());
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let is_good = |part: &str| !part.is_empty() && part.chars().all(allowed) && (is_number(part) || is_name(part));
    let problem = if key.split('.').take(MAX_DEPTH + 1).count() > MAX_DEPTH {
        format!("a parameter's name has more than {MAX_DEPTH} parts")
    } else if !key.split('.').all(is_good) {
        format!("{key:?} is no parameter's name")
    } else {
        return Ok(());
    };
    let error = AwsError::new("MalformedQueryString", format!("The query string contains a syntax error: {problem}"));
    Err(error.with_status(StatusCode::NOT_FOUND))
}

#[derive(Default)]
struct Node {
    text: Option<String>,
    children: BTreeMap<String, Node>,
}

impl Node {
    fn insert(&mut self, key: &str, value: String) {
        let node = key.split('.').fold(self, |node, part| node.children.entry(part.to_owned()).or_default());
        node.text = Some(value);
    }

    fn into_value(mut self) -> Value {
        if self.children.is_empty() {
            return Value::String(self.text.unwrap_or_default());
        }
        if self.children.len() == 1
            && let Some(list) = self.children.remove("member")
        {
            return list.into_value();
        }
        if self.children.keys().all(|key| key.parse::<u32>().is_ok()) {
            let mut items: Vec<_> =
                self.children.into_iter().map(|(key, node)| (key.parse::<u32>().unwrap_or_default(), node)).collect();
            items.sort_by_key(|(number, _)| *number);
            return Value::Array(items.into_iter().map(|(_, node)| node.into_value()).collect());
        }
        Value::Object(self.children.into_iter().map(|(key, node)| (key, node.into_value())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn params(form: &str) -> Value {
        Value::Object(decode(form.as_bytes()).unwrap().params)
    }

    #[test]
    fn numbered_keys_are_lists_in_both_dialects() {
        assert_eq!(
            params("Action=DescribeSubnets&Version=1&Filter.1.Name=vpc-id&Filter.1.Value.1=vpc-1&Filter.2.Name=x"),
            json!({"Filter": [{"Name": "vpc-id", "Value": ["vpc-1"]}, {"Name": "x"}]})
        );
        assert_eq!(params("Action=A&Subnets.member.2=b&Subnets.member.1=a"), json!({"Subnets": ["a", "b"]}));
        assert_eq!(
            params("Action=A&Tags.member.10.Key=ten&Tags.member.9.Key=nine"),
            json!({"Tags": [{"Key": "nine"}, {"Key": "ten"}]})
        );
    }

    #[test]
    fn keys_that_no_parameter_has_are_refused() {
        let deep = |parts: usize| format!("Action=A&{}=1", vec!["a"; parts].join("."));
        assert!(decode(deep(MAX_DEPTH).as_bytes()).is_ok());
        for form in [
            deep(MAX_DEPTH + 1),
            deep(5_000),
            deep(400_000),
            "Action=A&LaunchTemplateData.MetadataOptions.%C3%A9=1".to_owned(),
            "Action=A&LaunchTemplateData.MetadataOptions.=1".to_owned(),
            "Action=A&a..b=1".to_owned(),
            "Action=A&=1".to_owned(),
            "Action=A&a.1b=1".to_owned(),
            "Action=A&a.%3Cb%3E=1".to_owned(),
        ] {
            let error = decode(form.as_bytes()).err().unwrap();
            assert_eq!((error.code.as_str(), error.status), ("MalformedQueryString", StatusCode::NOT_FOUND));
        }
    }

    #[test]
    fn a_form_without_an_action_is_refused() {
        assert_eq!(decode(b"Version=1").err().unwrap().code, "MissingAction");
        assert_eq!(decode(b"").err().unwrap().code, "MissingParameter");
    }
}

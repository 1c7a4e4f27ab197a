//! The Query protocols' requests: a form whose dotted, numbered keys spell a tree.
//!
//! `Filter.1.Name=vpc-id&Filter.1.Value.1=vpc-0` (EC2) and `Subnets.member.1=subnet-0` (the others) both become lists.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::cloud::error::AwsError;

/// The operation (`Action`) and its parameters.
pub(super) fn decode(body: &[u8]) -> Result<(String, Map<String, Value>), AwsError> {
    let mut root = Node::default();
    for (key, value) in form_urlencoded::parse(body) {
        root.insert(&key, value.into_owned());
    }
    let Value::Object(mut params) = root.into_value() else {
        return Err(AwsError::missing_parameter("Action"));
    };
    params.remove("Version");
    match params.remove("Action") {
        Some(Value::String(action)) => Ok((action, params)),
        _ => Err(AwsError::new("MissingAction", "The request is missing an Action")),
    }
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
        Value::Object(decode(form.as_bytes()).unwrap().1)
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
    fn a_form_without_an_action_is_refused() {
        assert_eq!(decode(b"Version=1").unwrap_err().code, "MissingAction");
        assert_eq!(decode(b"").unwrap_err().code, "MissingParameter");
    }
}

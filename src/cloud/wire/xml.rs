//! The Query protocols' answers: the tree as XML elements. Lists are `<member>`s, in EC2 `<item>`s.

use quick_xml::Writer;
use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};
use serde_json::{Value, json};

use super::as_timestamp;
use crate::cloud::error::AwsError;

pub(super) const CONTENT_TYPE: &str = "text/xml;charset=UTF-8";

/// `<XResponse><XResult>…</XResult><ResponseMetadata>…`
pub(super) fn query_answer(namespace: &str, operation: &str, answer: &Value, request_id: &str) -> Vec<u8> {
    let tree = json!({ format!("{operation}Result"): answer, "ResponseMetadata": { "RequestId": request_id } });
    document(&format!("{operation}Response"), namespace, &tree, "member")
}

/// `<XResponse><requestId>…</requestId>…`
pub(super) fn ec2_answer(namespace: &str, operation: &str, answer: &Value, request_id: &str) -> Vec<u8> {
    let mut tree = json!({ "requestId": request_id });
    if let (Value::Object(tree), Value::Object(members)) = (&mut tree, answer) {
        tree.extend(members.clone());
    }
    document(&format!("{operation}Response"), namespace, &tree, "item")
}

pub(super) fn query_error(namespace: &str, error: &AwsError, request_id: &str) -> Vec<u8> {
    let kind = if error.status.is_server_error() { "Receiver" } else { "Sender" };
    let tree = json!({
        "Error": { "Type": kind, "Code": error.code, "Message": error.message },
        "RequestId": request_id,
    });
    document("ErrorResponse", namespace, &tree, "member")
}

pub(super) fn ec2_error(error: &AwsError, request_id: &str) -> Vec<u8> {
    let tree = json!({
        "Errors": { "Error": { "Code": error.code, "Message": error.message } },
        "RequestID": request_id,
    });
    document("Response", "", &tree, "item")
}

pub(super) fn s3_error(error: &AwsError, request_id: &str) -> Vec<u8> {
    let tree = json!({ "Code": error.code, "Message": error.message, "RequestId": request_id });
    document("Error", "", &tree, "member")
}

fn document(root: &str, namespace: &str, tree: &Value, item: &str) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    let mut start = BytesStart::new(root);
    if !namespace.is_empty() {
        start.push_attribute(("xmlns", namespace));
    }
    let written = writer
        .write_event(Event::Start(start))
        .and_then(|()| write_content(&mut writer, tree, item))
        .and_then(|()| writer.write_event(Event::End(BytesEnd::new(root))));
    written.expect("writing to a Vec does not fail");
    writer.into_inner()
}

fn write_element(writer: &mut Writer<Vec<u8>>, name: &str, value: &Value, item: &str) -> std::io::Result<()> {
    if value.is_null() {
        return Ok(());
    }
    writer.write_event(Event::Start(BytesStart::new(name)))?;
    write_content(writer, value, item)?;
    writer.write_event(Event::End(BytesEnd::new(name)))
}

fn write_content(writer: &mut Writer<Vec<u8>>, value: &Value, item: &str) -> std::io::Result<()> {
    if let Some(milliseconds) = as_timestamp(value) {
        let at = jiff::Timestamp::from_millisecond(milliseconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        return writer.write_event(Event::Text(BytesText::new(&format!("{at:.3}"))));
    }
    match value {
        Value::Null => Ok(()),
        Value::Object(members) => {
            members.iter().try_for_each(|(name, member)| write_element(writer, name, member, item))
        }
        Value::Array(items) => items.iter().try_for_each(|entry| write_element(writer, item, entry, item)),
        Value::String(text) => writer.write_event(Event::Text(BytesText::new(text))),
        Value::Bool(_) | Value::Number(_) => writer.write_event(Event::Text(BytesText::new(&value.to_string()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_members_and_in_ec2_items() {
        let answer = json!({ "names": ["a", "b<"], "gone": null, "on": true, "empty": [] });
        let text = |bytes| String::from_utf8(bytes).unwrap();
        assert_eq!(
            text(query_answer("ns", "Op", &answer, "r1")),
            "<OpResponse xmlns=\"ns\"><OpResult><names><member>a</member><member>b&lt;</member></names><on>true</on><empty></empty></OpResult>\
             <ResponseMetadata><RequestId>r1</RequestId></ResponseMetadata></OpResponse>"
        );
        assert_eq!(
            text(ec2_answer("ns", "Op", &json!({ "s": [{ "k": 1 }] }), "r1")),
            "<OpResponse xmlns=\"ns\"><requestId>r1</requestId><s><item><k>1</k></item></s></OpResponse>"
        );
    }

    #[test]
    fn timestamps_are_iso_8601() {
        let at = jiff::Timestamp::from_millisecond(1_700_000_000_123).unwrap();
        let xml = query_answer("", "Op", &json!({ "At": super::super::timestamp(at) }), "r");
        assert!(String::from_utf8(xml).unwrap().contains("<At>2023-11-14T22:13:20.123Z</At>"));
    }
}

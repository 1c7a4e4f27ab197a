//! AWS's wire protocols: which service and operation a request means, its parameters as one tree, and how an answer or
//! an error is written back. Operations see none of it: they take [`Params`] and give a JSON tree with the wire's names.
//!
//! Timestamps differ between protocols (ISO 8601 in XML, epoch seconds in JSON, a tag in CBOR), so an answer holds them
//! as [`timestamp`] values.

mod cbor;
mod json;
mod paging;
mod params;
mod query;
pub(crate) mod tags;
mod xml;

use hyper::{HeaderMap, Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::cloud::error::AwsError;
pub(crate) use paging::Pages;
pub(crate) use params::Params;

/// How answers and errors are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// AWS JSON 1.1
    Json,
    /// Smithy RPC v2 with CBOR, which newer clients prefer where the service's model offers it.
    Cbor,
    /// Query, with XML answers in this namespace.
    Query(&'static str),
    /// EC2's own kind of Query, with XML answers in this namespace.
    Ec2Query(&'static str),
}

impl Encoding {
    /// Content type and body of an operation's answer.
    pub(crate) fn answer(self, operation: &str, answer: &Value, request_id: &str) -> (&'static str, Vec<u8>) {
        match self {
            Self::Json => (json::CONTENT_TYPE, json::encode(answer)),
            Self::Cbor => (cbor::CONTENT_TYPE, cbor::encode(answer)),
            Self::Query(namespace) => (xml::CONTENT_TYPE, xml::query_answer(namespace, operation, answer, request_id)),
            Self::Ec2Query(namespace) => (xml::CONTENT_TYPE, xml::ec2_answer(namespace, operation, answer, request_id)),
        }
    }

    /// Content type and body of an error.
    pub(crate) fn error(self, error: &AwsError, request_id: &str) -> (&'static str, Vec<u8>) {
        let tree = || json!({ "__type": error.code, "message": error.message });
        match self {
            Self::Json => (json::CONTENT_TYPE, json::encode(&tree())),
            Self::Cbor => (cbor::CONTENT_TYPE, cbor::encode(&tree())),
            Self::Query(namespace) => (xml::CONTENT_TYPE, xml::query_error(namespace, error, request_id)),
            Self::Ec2Query(_) => (xml::CONTENT_TYPE, xml::ec2_error(error, request_id)),
        }
    }
}

/// Whom a request is for, as its head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Addressee<'h> {
    /// The service's name in the SigV4 credential scope; the operation is in the body.
    SigningName(&'h str),
    /// What names the service in `X-Amz-Target`, and the operation there.
    Target { prefix: &'h str, operation: &'h str },
    /// The same in the path of a CBOR request.
    Cbor { prefix: &'h str, operation: &'h str },
}

/// What the head of a request says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'h> {
    /// From the credential scope, `us-east-1`.
    pub(crate) region: &'h str,
    pub(crate) addressee: Addressee<'h>,
}

impl<'h> Head<'h> {
    pub(crate) fn read(method: &Method, path: &'h str, headers: &'h HeaderMap) -> Result<Self, AwsError> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let (region, service) = header("authorization").and_then(credential_scope).ok_or_else(|| {
            AwsError::new("MissingAuthenticationToken", "Request is missing Authentication Token")
                .with_status(StatusCode::FORBIDDEN)
        })?;
        if method != Method::POST {
            return Err(AwsError::new(
                "UnknownOperationException",
                format!("{method} {path} is no AWS operation here"),
            )
            .with_status(StatusCode::NOT_FOUND));
        }
        let addressee = if is_cbor(headers) {
            let (prefix, operation) = cbor::operation(path)?;
            Addressee::Cbor { prefix, operation }
        } else if let Some(target) = header("x-amz-target") {
            let (prefix, operation) = target.split_once('.').unwrap_or((target, ""));
            Addressee::Target { prefix, operation }
        } else {
            Addressee::SigningName(service)
        };
        Ok(Self { region, addressee })
    }

    /// The operation and its parameters.
    pub(crate) fn decode(self, body: &[u8]) -> Result<(String, Map<String, Value>), AwsError> {
        match self.addressee {
            Addressee::SigningName(_) => query::decode(body),
            Addressee::Target { operation, .. } => Ok((operation.to_owned(), json::decode(body)?)),
            Addressee::Cbor { operation, .. } => Ok((operation.to_owned(), cbor::decode(body)?)),
        }
    }
}

pub(crate) fn is_cbor(headers: &HeaderMap) -> bool {
    headers.get("smithy-protocol").is_some_and(|protocol| protocol == "rpc-v2-cbor")
}

/// The service's name in the SigV4 credential scope of a request, if it says one.
pub(crate) fn signing_name(headers: &HeaderMap) -> Option<&str> {
    let authorization = headers.get("authorization")?.to_str().ok()?;
    credential_scope(authorization).map(|(_, service)| service)
}

/// A moment in an answer; each protocol writes it in its own form.
pub(crate) fn timestamp(at: jiff::Timestamp) -> Value {
    json!({ TIMESTAMP: at.as_millisecond() })
}

const TIMESTAMP: &str = "$timestamp";

/// Milliseconds since the epoch, if `value` is a [`timestamp`].
pub(crate) fn as_timestamp(value: &Value) -> Option<i64> {
    value.as_object().filter(|object| object.len() == 1)?.get(TIMESTAMP)?.as_i64()
}

/// Region and service of `AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/<service>/aws4_request, …`. The signature
/// is not checked: whoever reaches loopback may use the local cloud.
fn credential_scope(authorization: &str) -> Option<(&str, &str)> {
    let scope = authorization.split_once("Credential=")?.1.split([',', ' ']).next()?;
    let mut parts = scope.rsplit('/');
    let (_terminator, service, region) = (parts.next()?, parts.next()?, parts.next()?);
    Some((region, service))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn region_and_service_come_from_the_credential_scope() {
        let header = "AWS4-HMAC-SHA256 Credential=test/20261122/eu-west-1/elasticloadbalancing/aws4_request, SignedHeaders=host, Signature=0";
        assert_eq!(credential_scope(header), Some(("eu-west-1", "elasticloadbalancing")));
        assert_eq!(credential_scope("Bearer x"), None);
    }
}

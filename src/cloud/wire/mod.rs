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

use hyper::{HeaderMap, Uri};
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
    /// Amazon S3's XML, which the local cloud speaks only to say that it has no S3.
    S3,
}

impl Encoding {
    /// The version of a service with a Query protocol, which every request names: the end of the namespace.
    pub(crate) fn version(self) -> Option<&'static str> {
        match self {
            Self::Query(namespace) | Self::Ec2Query(namespace) => namespace.trim_end_matches('/').rsplit('/').next(),
            Self::Json | Self::Cbor | Self::S3 => None,
        }
    }

    pub(crate) fn is_query(self) -> bool {
        matches!(self, Self::Query(_) | Self::Ec2Query(_))
    }

    /// Content type and body of an operation's answer.
    pub(crate) fn answer(self, operation: &str, answer: &Value, request_id: &str) -> (&'static str, Vec<u8>) {
        match self {
            Self::Json | Self::S3 => (json::CONTENT_TYPE, json::encode(answer)),
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
            Self::S3 => (xml::CONTENT_TYPE, xml::s3_error(error, request_id)),
        }
    }
}

/// Whom a request is for, as its head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Addressee<'h> {
    /// The service in the SigV4 credential scope; the operation is in the body.
    SigningName,
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
    /// The service's name there, too.
    pub(crate) signing_name: &'h str,
    pub(crate) addressee: Addressee<'h>,
}

/// What a request asks for.
pub(crate) struct Asked {
    pub(crate) operation: String,
    /// Which requests in a Query protocol say.
    pub(crate) version: Option<String>,
    pub(crate) params: Map<String, Value>,
}

impl<'h> Head<'h> {
    /// None: nobody signed the request.
    pub(crate) fn read(path: &'h str, headers: &'h HeaderMap) -> Option<Self> {
        let (region, signing_name) = header(headers, "authorization").and_then(credential_scope)?;
        let addressee = if is_cbor(headers) {
            cbor::operation(path).map(|(prefix, operation)| Addressee::Cbor { prefix, operation })
        } else {
            target(headers).map(|(prefix, operation)| Addressee::Target { prefix, operation })
        };
        Some(Self { region, signing_name, addressee: addressee.unwrap_or(Addressee::SigningName) })
    }

    /// The operation and its parameters.
    pub(crate) fn decode(self, body: &[u8]) -> Result<Asked, AwsError> {
        let (operation, params) = match self.addressee {
            Addressee::SigningName => return query::decode(body),
            Addressee::Target { operation, .. } => (operation, json::decode(body)?),
            Addressee::Cbor { operation, .. } => (operation, cbor::decode(body)?),
        };
        Ok(Asked { operation: operation.to_owned(), version: None, params })
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// What names the service in `X-Amz-Target`, which may have dots in it, and the operation after the last one.
pub(crate) fn target(headers: &HeaderMap) -> Option<(&str, &str)> {
    let target = header(headers, "x-amz-target")?;
    Some(target.rsplit_once('.').unwrap_or((target, "")))
}

/// Whether it has the form of the Query protocols: a form, or, as old clients and presigned URLs have it, in the URL.
pub(crate) fn is_query(uri: &Uri, headers: &HeaderMap) -> bool {
    let is_form = |kind: &str| kind.starts_with("application/x-www-form-urlencoded");
    header(headers, "content-type").is_some_and(is_form)
        || uri.query().is_some_and(|query| form_urlencoded::parse(query.as_bytes()).any(|(key, _)| key == "Action"))
}

/// The operation and version that a form names, if it is one.
pub(crate) fn asked_of_form(body: &[u8]) -> Option<(String, String)> {
    let asked = query::decode(body).ok()?;
    Some((asked.operation, asked.version?))
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

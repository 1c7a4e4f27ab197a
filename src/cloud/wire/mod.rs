//! AWS's wire protocols: which service and operation a request means, its parameters as one tree, and how an answer or
//! an error is written back. Handlers see none of it: they take [`Params`] and give a JSON tree with the wire's names.
//!
//! Timestamps differ between protocols (ISO 8601 in XML, epoch seconds in JSON, a tag in CBOR), so an answer holds them
//! as [`timestamp`] values.

mod cbor;
mod json;
pub(crate) mod paging;
mod params;
mod query;
pub(crate) mod tags;
mod xml;

use bytes::Bytes;
use hyper::{HeaderMap, Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::cloud::error::AwsError;
pub(crate) use params::Params;

/// The services of the local cloud, by the name they sign with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    AutoScaling,
    Ec2,
    Ecs,
    Elbv2,
    Iam,
    Logs,
    CloudMap,
    Quotas,
    Ssm,
    Sts,
}

impl Service {
    pub(crate) const ALL: [Self; 10] = [
        Self::AutoScaling,
        Self::Ec2,
        Self::Ecs,
        Self::Elbv2,
        Self::Iam,
        Self::Logs,
        Self::CloudMap,
        Self::Quotas,
        Self::Ssm,
        Self::Sts,
    ];

    /// The service part of the SigV4 credential scope.
    pub(crate) fn signing_name(self) -> &'static str {
        match self {
            Self::AutoScaling => "autoscaling",
            Self::Ec2 => "ec2",
            Self::Ecs => "ecs",
            Self::Elbv2 => "elasticloadbalancing",
            Self::Iam => "iam",
            Self::Logs => "logs",
            Self::CloudMap => "servicediscovery",
            Self::Quotas => "servicequotas",
            Self::Ssm => "ssm",
            Self::Sts => "sts",
        }
    }

    /// As the service says that the caller lacks a permission.
    pub(crate) fn access_denied(self, action: &str) -> AwsError {
        let message = format!("User is not authorized to perform: {action}");
        match self {
            Self::Ec2 => AwsError::new("UnauthorizedOperation", message).with_status(StatusCode::FORBIDDEN),
            Self::AutoScaling | Self::Elbv2 | Self::Iam | Self::Sts => {
                AwsError::new("AccessDenied", message).with_status(StatusCode::FORBIDDEN)
            }
            _ => AwsError::new("AccessDeniedException", message),
        }
    }

    /// What stands before the operation in `X-Amz-Target`, for the services with a JSON protocol.
    fn target_prefix(self) -> Option<&'static str> {
        match self {
            Self::Ecs => Some("AmazonEC2ContainerServiceV20141113"),
            Self::Logs => Some("Logs_20140328"),
            Self::CloudMap => Some("Route53AutoNaming_v20170314"),
            Self::Quotas => Some("ServiceQuotasV20190624"),
            Self::Ssm => Some("AmazonSSM"),
            _ => None,
        }
    }

    fn query_protocol(self) -> Protocol {
        if self == Self::Ec2 { Protocol::Ec2Query } else { Protocol::Query }
    }

    /// The XML namespace of the answers, for the services with a Query protocol.
    fn xml_namespace(self) -> &'static str {
        match self {
            Self::AutoScaling => "http://autoscaling.amazonaws.com/doc/2011-01-01/",
            Self::Ec2 => "http://ec2.amazonaws.com/doc/2016-11-15/",
            Self::Elbv2 => "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/",
            Self::Iam => "https://iam.amazonaws.com/doc/2010-05-08/",
            Self::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
            Self::Ecs | Self::Logs | Self::CloudMap | Self::Quotas | Self::Ssm => "",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    /// AWS JSON 1.1
    Json,
    /// Smithy RPC v2 with CBOR, which newer clients prefer where the service's model offers it.
    Cbor,
    /// Query, with XML answers.
    Query,
    /// EC2's own kind of Query.
    Ec2Query,
}

/// A decoded request.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) service: Service,
    pub(crate) operation: String,
    /// From the credential scope, `us-east-1`.
    pub(crate) region: String,
    protocol: Protocol,
    params: Map<String, Value>,
}

impl Request {
    pub(crate) fn decode(method: &Method, path: &str, headers: &HeaderMap, body: &Bytes) -> Result<Self, AwsError> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let (region, scope) = header("authorization").and_then(credential_scope).ok_or_else(|| {
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
        let (protocol, service, operation, params) = if is_cbor(headers) {
            let (service, operation) = cbor::operation(path)?;
            (Protocol::Cbor, by_target_prefix(service)?, operation.to_owned(), cbor::decode(body)?)
        } else if let Some(target) = header("x-amz-target") {
            let (prefix, operation) = target.split_once('.').unwrap_or((target, ""));
            (Protocol::Json, by_target_prefix(prefix)?, operation.to_owned(), json::decode(body)?)
        } else {
            let service = by_signing_name(scope)?;
            let (operation, params) = query::decode(body)?;
            (service.query_protocol(), service, operation, params)
        };
        Ok(Self { service, operation, region: region.to_owned(), protocol, params })
    }

    pub(crate) fn params(&self) -> Params<'_> {
        Params::new(&self.params)
    }

    /// Content type and body of the answer.
    pub(crate) fn encode(&self, answer: &Value, request_id: &str) -> (&'static str, Vec<u8>) {
        match self.protocol {
            Protocol::Json => (json::CONTENT_TYPE, json::encode(answer)),
            Protocol::Cbor => (cbor::CONTENT_TYPE, cbor::encode(answer)),
            Protocol::Query => (
                xml::CONTENT_TYPE,
                xml::query_answer(self.service.xml_namespace(), &self.operation, answer, request_id),
            ),
            Protocol::Ec2Query => {
                (xml::CONTENT_TYPE, xml::ec2_answer(self.service.xml_namespace(), &self.operation, answer, request_id))
            }
        }
    }

    pub(crate) fn encode_error(&self, error: &AwsError, request_id: &str) -> (&'static str, Vec<u8>) {
        encode_error(self.protocol, self.service.xml_namespace(), error, request_id)
    }

    pub(crate) fn is_cbor(&self) -> bool {
        self.protocol == Protocol::Cbor
    }
}

fn encode_error(
    protocol: Protocol,
    xml_namespace: &str,
    error: &AwsError,
    request_id: &str,
) -> (&'static str, Vec<u8>) {
    match protocol {
        Protocol::Json => (json::CONTENT_TYPE, json::encode(&error_tree(error))),
        Protocol::Cbor => (cbor::CONTENT_TYPE, cbor::encode(&error_tree(error))),
        Protocol::Query => (xml::CONTENT_TYPE, xml::query_error(xml_namespace, error, request_id)),
        Protocol::Ec2Query => (xml::CONTENT_TYPE, xml::ec2_error(error, request_id)),
    }
}

/// An error for a request that could not be decoded, in the protocol of its head; if that says none, in JSON, which every
/// client at least shows.
pub(crate) fn undecoded_error(headers: &HeaderMap, error: &AwsError, request_id: &str) -> (&'static str, Vec<u8>) {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if is_cbor(headers) {
        return encode_error(Protocol::Cbor, "", error, request_id);
    }
    let scope = header("authorization").and_then(credential_scope);
    let service = scope.and_then(|(_, service)| by_signing_name(service).ok());
    match service.filter(|service| service.target_prefix().is_none() && header("x-amz-target").is_none()) {
        Some(service) => encode_error(service.query_protocol(), service.xml_namespace(), error, request_id),
        None => encode_error(Protocol::Json, "", error, request_id),
    }
}

pub(crate) fn is_cbor(headers: &HeaderMap) -> bool {
    headers.get("smithy-protocol").is_some_and(|protocol| protocol == "rpc-v2-cbor")
}

fn error_tree(error: &AwsError) -> Value {
    json!({ "__type": error.code, "message": error.message })
}

/// A moment in an answer; each protocol writes it in its own form.
pub(crate) fn timestamp(at: jiff::Timestamp) -> Value {
    json!({ TIMESTAMP: at.as_millisecond() })
}

const TIMESTAMP: &str = "$timestamp";

/// Milliseconds since the epoch, if `value` is a [`timestamp`].
fn as_timestamp(value: &Value) -> Option<i64> {
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

fn by_signing_name(name: &str) -> Result<Service, AwsError> {
    Service::ALL.into_iter().find(|service| service.signing_name() == name).ok_or_else(|| unknown_service(name))
}

fn by_target_prefix(prefix: &str) -> Result<Service, AwsError> {
    Service::ALL
        .into_iter()
        .find(|service| service.target_prefix() == Some(prefix))
        .ok_or_else(|| unknown_service(prefix))
}

fn unknown_service(name: &str) -> AwsError {
    let known: Vec<_> = Service::ALL.iter().map(|service| service.signing_name()).collect();
    AwsError::new(
        "UnknownOperationException",
        format!("zonewalk's local cloud has no service {name}; it has {}", known.join(", ")),
    )
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

//! A request that has found its service and its operation, or why it finds none.

use hyper::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Map, Value};

use super::error::AwsError;
use super::service::{Operation, Service};
use super::services;
use super::wire::{self, Addressee, Asked, Encoding, Head, Params};

/// A request that has found its service and operation.
pub(super) struct Request {
    pub(super) service: &'static Service,
    pub(super) operation: &'static Operation,
    /// From the credential scope, `us-east-1`.
    pub(super) region: String,
    pub(super) encoding: Encoding,
    params: Map<String, Value>,
}

impl Request {
    pub(super) fn decode(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Result<Self, AwsError> {
        let Some(head) = Head::read(uri.path(), headers) else {
            return Err(unsigned(method, uri, headers, body));
        };
        let found = match head.addressee {
            Addressee::SigningName => services::by_signing_name(head.signing_name),
            Addressee::Target { prefix, .. } | Addressee::Cbor { prefix, .. } => services::by_target_prefix(prefix),
        };
        // To a protocol with paths and methods, 404 would say that the thing is not there, and 400 that it is asked for badly.
        let is_rest = matches!(head.addressee, Addressee::SigningName) && !wire::is_query(uri, headers);
        let service = found.ok_or_else(|| {
            let error = services::unknown(head.signing_name);
            if is_rest { error.with_status(StatusCode::NOT_IMPLEMENTED) } else { error }
        })?;
        if method != Method::POST {
            return Err(not_here(service.signing_name, method, uri));
        }
        let Asked { operation, version, params } = head.decode(body)?;
        if matches!(head.addressee, Addressee::SigningName) {
            check_version(service, &operation, version.as_deref())?;
        }
        let operation = service.operation(&operation)?;
        let encoding = match head.addressee {
            Addressee::Cbor { .. } => Encoding::Cbor,
            Addressee::Target { .. } => Encoding::Json,
            Addressee::SigningName => service.encoding,
        };
        Ok(Self { service, operation, region: head.region.to_owned(), encoding, params })
    }

    pub(super) fn params(&self) -> Params<'_> {
        Params::new(&self.params)
    }

    pub(super) fn is_for(&self, service: &Service) -> bool {
        self.service.signing_name == service.signing_name
    }

    /// The operation as IAM spells it, e.g. `ecs:CreateService`.
    pub(super) fn action(&self) -> String {
        format!("{}:{}", self.service.name(), self.operation.name)
    }
}

/// A service of one signing name may have several versions, and another one is another API: of Elastic Load Balancing,
/// 2012-06-01 is the classic load balancers.
fn check_version(service: &Service, operation: &str, asked: Option<&str>) -> Result<(), AwsError> {
    let (name, own) = (service.signing_name, service.encoding.version());
    match asked {
        _ if own.is_none() || own == asked => Ok(()),
        // In AWS's words (aws/aws-cli#37 has them with a version).
        None => {
            let message = format!("Could not find operation {operation} for version NO_VERSION_SPECIFIED");
            Err(AwsError::new("InvalidAction", message))
        }
        Some(asked) => Err(AwsError::new(
            "UnknownOperationException",
            format!(
                "zonewalk's local cloud has no operation {name}:{operation} of version {asked}, only operations of version {}",
                own.unwrap_or_default()
            ),
        )),
    }
}

fn not_here(service: &str, method: &Method, uri: &Uri) -> AwsError {
    let message =
        format!("zonewalk's local cloud has no operation {service}:{method} {}; it takes POST alone", uri.path());
    AwsError::new("UnknownOperationException", message).with_status(StatusCode::NOT_FOUND)
}

/// Why a request that nobody signed is refused: AWS takes some, such as STS's `AssumeRoleWithWebIdentity`, of which the local
/// cloud has none.
fn unsigned(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> AwsError {
    if let Some((prefix, _)) = wire::target(headers)
        && services::by_target_prefix(prefix).is_none()
    {
        return services::unknown(prefix);
    }
    if let Some((operation, version)) = wire::asked_of_form(body)
        && let Some(service) = services::ALL.into_iter().find(|service| service.encoding.version() == Some(&version))
        && let Err(error) = service.operation(&operation)
    {
        return error;
    }
    let message = format!(
        "Request is missing Authentication Token, and zonewalk's local cloud has no operation {method} {} that needs none",
        uri.path()
    );
    AwsError::new("MissingAuthenticationToken", message).with_status(StatusCode::FORBIDDEN)
}

/// How the refusal of a request is to be written that cannot be decoded any further: so that the client that sent it can read
/// it, whose protocol its head tells. What has none of the marks is some service's REST with JSON, or with XML's if its name
/// says so.
pub(super) fn encoding_of(uri: &Uri, headers: &HeaderMap) -> Encoding {
    if wire::is_cbor(headers) {
        return Encoding::Cbor;
    }
    if wire::target(headers).is_some() {
        return Encoding::Json;
    }
    let name = wire::signing_name(headers);
    if let Some(service) = name.and_then(services::by_signing_name) {
        return service.encoding;
    }
    match name {
        Some("s3" | "s3express" | "s3-object-lambda" | "s3-outposts") => Encoding::S3,
        Some("cloudfront" | "route53") => Encoding::Query(""),
        _ if wire::is_query(uri, headers) => Encoding::Query(""),
        _ => Encoding::Json,
    }
}

//! A request that has found its service and its operation.

use hyper::{HeaderMap, Method};
use serde_json::{Map, Value};

use super::error::AwsError;
use super::service::{Operation, Service};
use super::services;
use super::wire::{Addressee, Encoding, Head, Params, signing_name};

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
    pub(super) fn decode(method: &Method, path: &str, headers: &HeaderMap, body: &[u8]) -> Result<Self, AwsError> {
        let head = Head::read(method, path, headers)?;
        let service = match head.addressee {
            Addressee::SigningName(name) => services::by_signing_name(name)?,
            Addressee::Target { prefix, .. } | Addressee::Cbor { prefix, .. } => services::by_target_prefix(prefix)?,
        };
        let (operation, params) = head.decode(body)?;
        let operation = service.operation(&operation)?;
        Ok(Self { service, operation, region: head.region.to_owned(), encoding: encoding_of(headers), params })
    }

    pub(super) fn params(&self) -> Params<'_> {
        Params::new(&self.params)
    }

    pub(super) fn is_for(&self, service: &Service) -> bool {
        self.service.signing_name == service.signing_name
    }

    /// The operation as IAM spells it, e.g. `ecs:CreateService`.
    pub(super) fn action(&self) -> String {
        format!("{}:{}", self.service.signing_name, self.operation.name)
    }
}

/// How the answer to a request is to be written, also if it cannot be decoded any further; if its head does not say, in JSON,
/// which every client at least shows.
pub(super) fn encoding_of(headers: &HeaderMap) -> Encoding {
    if super::wire::is_cbor(headers) {
        return Encoding::Cbor;
    }
    let service = signing_name(headers).and_then(|name| services::by_signing_name(name).ok());
    match service {
        Some(service) if !headers.contains_key("x-amz-target") => service.encoding,
        _ => Encoding::Json,
    }
}

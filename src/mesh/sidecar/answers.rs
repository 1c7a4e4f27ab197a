//! The answers that a sidecar gives on its own, in Envoy's words, and the form in which it passes on a host's.

use std::io;

use bytes::Bytes;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::{Request, Response, StatusCode, Version};

use crate::http::{Body, SendError, answer, strip_hop_by_hop};

/// An answer of the sidecar's own: plain text, as Envoy's are.
pub(super) fn local_reply(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    answer(status, "text/plain", text)
}

/// The refusal of an HTTP/1.0 request: Envoy's HTTP/1 codec refuses these unless `accept_http_10` is set, and Service
/// Connect does not set it.
pub(super) fn refuse_http_10<B>(request: &Request<B>) -> Option<Response<Body>> {
    if request.version() >= Version::HTTP_11 {
        return None;
    }
    let mut response = local_reply(StatusCode::UPGRADE_REQUIRED, "Upgrade Required");
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    Some(response)
}

/// A host's answer, as it is passed on.
pub(super) fn passed_on(mut response: Response<Body>) -> Response<Body> {
    strip_hop_by_hop(response.headers_mut());
    *response.version_mut() = Version::HTTP_11;
    response
}

/// Why a host gave no answer, in Envoy's words.
#[derive(Clone, Copy)]
pub(super) struct NoResponse {
    status: StatusCode,
    reason: &'static str,
}

impl NoResponse {
    pub(super) const REFUSED: Self =
        Self { status: StatusCode::SERVICE_UNAVAILABLE, reason: "remote connection failure" };

    /// Envoy's answer in the host's place.
    pub(super) fn answer(self, retried: bool) -> Response<Body> {
        let retried = if retried { "retried and the latest " } else { "" };
        let failure = "upstream connect error or disconnect/reset before headers";
        local_reply(self.status, format!("{failure}. {retried}reset reason: {}", self.reason))
    }
}

/// The answer to a client whose request got none from a host.
pub(super) fn answer_for(error: &SendError, retried: bool) -> Response<Body> {
    let unavailable = |reason| NoResponse { status: StatusCode::SERVICE_UNAVAILABLE, reason };
    match error {
        SendError::Connect { error, .. } if error.kind() == io::ErrorKind::TimedOut => {
            unavailable("connection timeout").answer(retried)
        }
        SendError::Connect { .. } => NoResponse::REFUSED.answer(retried),
        SendError::Reset(_) => unavailable("connection termination").answer(retried),
        SendError::Protocol(_) => {
            NoResponse { status: StatusCode::BAD_GATEWAY, reason: "protocol error" }.answer(retried)
        }
        // The client broke the request off, and will not read this, or what it sent was no HTTP.
        SendError::Request(_) => local_reply(StatusCode::BAD_REQUEST, "Bad Request"),
    }
}

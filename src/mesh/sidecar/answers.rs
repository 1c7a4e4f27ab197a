//! The answers that a sidecar gives on its own, in Envoy's words.

use std::io;

use bytes::Bytes;
use hyper::header::{CONNECTION, HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Version};

use crate::http::{Body, SendError, answer, is_chunked};

/// An answer of the sidecar's own: plain text, as Envoy's are.
pub(super) fn local_reply(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    answer(status, "text/plain", text)
}

/// The refusal of what Envoy's HTTP/1 codec refuses: HTTP/1.0, unless `accept_http_10` is set, which Service Connect does not do;
/// no host, or more than one of them (RFC 9112, section 3.2); codings that it does not know; and tunnels, which have no route.
pub(super) fn refuse<B>(request: &Request<B>) -> Option<Response<Body>> {
    let mut response = if request.version() < Version::HTTP_11 {
        local_reply(StatusCode::UPGRADE_REQUIRED, "Upgrade Required")
    } else if request.headers().get_all(HOST).iter().count() != 1 {
        local_reply(StatusCode::BAD_REQUEST, "Bad Request")
    } else if !is_chunked(request.headers()) {
        local_reply(StatusCode::NOT_IMPLEMENTED, "Not Implemented")
    } else if request.method() == Method::CONNECT {
        local_reply(StatusCode::NOT_FOUND, "")
    } else {
        return None;
    };
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    Some(response)
}

/// The reason for which a host that refuses connections gives no answer.
pub(super) const REFUSED: &str = "remote connection failure";

/// Envoy's answer in the place of a host that gave none.
pub(super) fn no_response(status: StatusCode, retried: bool, reason: &str) -> Response<Body> {
    let retried = if retried { "retried and the latest " } else { "" };
    let failure = "upstream connect error or disconnect/reset before headers";
    local_reply(status, format!("{failure}. {retried}reset reason: {reason}"))
}

/// The answer to a client whose request got none from a host.
pub(super) fn answer_for(error: &SendError, retried: bool) -> Response<Body> {
    let (status, reason) = match error {
        SendError::Connect { error, .. } if error.kind() == io::ErrorKind::TimedOut => {
            (StatusCode::SERVICE_UNAVAILABLE, "connection timeout")
        }
        SendError::Connect { .. } => (StatusCode::SERVICE_UNAVAILABLE, REFUSED),
        SendError::Reset(_) => (StatusCode::SERVICE_UNAVAILABLE, "connection termination"),
        SendError::Protocol(_) => (StatusCode::BAD_GATEWAY, "protocol error"),
        // The client broke the request off, and will not read this, or what it sent was no HTTP.
        SendError::Request(_) => return local_reply(StatusCode::BAD_REQUEST, "Bad Request"),
    };
    no_response(status, retried, reason)
}

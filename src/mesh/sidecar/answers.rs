//! The answers that a sidecar gives on its own, in Envoy's words.

use std::io;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HOST, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Version};

use crate::http::{Body, SendError, Switching, answer, is_chunked, is_grpc, switches_to};
use crate::mesh::transport::Transport;

/// An answer of the sidecar's own: plain text, as Envoy's are.
pub(super) fn local_reply(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = answer(status, "text/plain", text);
    response.extensions_mut().insert(LocalReply);
    response
}

/// Marks what [`local_reply`] has made.
#[derive(Clone, Copy)]
struct LocalReply;

/// An answer as gRPC's clients take it if it is the sidecar's own: its status is gRPC's, and its text the message with it.
fn as_grpc(response: Response<Body>) -> Response<Body> {
    if response.extensions().get::<LocalReply>().is_none() {
        return response;
    }
    let mut answer = answer(StatusCode::OK, "application/grpc", Bytes::new());
    answer.headers_mut().insert(GRPC_STATUS, HeaderValue::from(grpc_status(response.status())));
    if let Body::Whole(text) = response.body()
        && !text.is_empty()
        && let Ok(message) = HeaderValue::from_bytes(&grpc_message(text))
    {
        answer.headers_mut().insert(GRPC_MESSAGE, message);
    }
    answer
}

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// gRPC's status for one of HTTP's ("HTTP to gRPC Status Code Mapping" in gRPC's documentation).
fn grpc_status(status: StatusCode) -> u16 {
    match status.as_u16() {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}

/// Percent-encoded, as "gRPC over HTTP2" has it.
fn grpc_message(text: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b'%' | ..b' ' | 0x7f.. => message.extend(format!("%{byte:02X}").into_bytes()),
            _ => message.push(*byte),
        }
    }
    message
}

/// The status that the outlier detector takes an answer for. As with Envoy, one of gRPC's that has a status in its head counts as the
/// status of HTTP that it stands for; one in trailers is not looked at.
pub(super) fn status_for_outliers(response: &Response<Body>) -> StatusCode {
    let status = response.headers().get(GRPC_STATUS).and_then(|status| status.to_str().ok()?.parse().ok());
    status.map_or(response.status(), http_status)
}

/// Envoy's status of HTTP for one of gRPC's.
fn http_status(grpc: u32) -> StatusCode {
    let status = match grpc {
        0 => 200,
        1 => 499,
        3 | 9 | 11 => 400,
        4 => 504,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        8 => 429,
        12 => 501,
        14 => 503,
        16 => 401,
        _ => 500,
    };
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The most headers of a request, Envoy's `max_headers_count`; for HTTP/1.1 they are counted as they are read.
const MAX_HEADERS: usize = 100;

/// The refusal of what Envoy's codecs refuse: HTTP/1.0, unless `accept_http_10` is set, which Service Connect does not do; no host, or
/// more than one of them (RFC 9112, section 3.2); codings that it does not know; and tunnels, which have no route.
fn refuse<B>(request: &Request<B>) -> Option<Response<Body>> {
    let is_http2 = request.version() == Version::HTTP_2;
    let has_one_host = match request.uri().authority() {
        Some(_) if is_http2 => true,
        _ => request.headers().get_all(HOST).iter().count() == 1,
    };
    let mut response = if request.version() < Version::HTTP_11 {
        local_reply(StatusCode::UPGRADE_REQUIRED, "Upgrade Required")
    } else if !has_one_host {
        local_reply(StatusCode::BAD_REQUEST, "Bad Request")
    } else if request.headers().len() > MAX_HEADERS {
        local_reply(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "")
    } else if !is_chunked(request.headers()) {
        local_reply(StatusCode::NOT_IMPLEMENTED, "Not Implemented")
    } else if request.method() == Method::CONNECT {
        local_reply(StatusCode::NOT_FOUND, "")
    } else {
        return None;
    };
    if !is_http2 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Some(response)
}

/// Answers a request with what `pass_on` makes of it, or refuses it; what the sidecar says itself has gRPC's form if the request has.
pub(super) async fn answered<F: Future<Output = Response<Body>>>(
    request: Request<Incoming>,
    pass_on: impl FnOnce(Request<Incoming>) -> F,
) -> Response<Body> {
    let is_grpc = is_grpc(request.headers());
    let response = match refuse(&request) {
        Some(refusal) => refusal,
        None => pass_on(request).await,
    };
    if is_grpc { as_grpc(response) } else { response }
}

/// The switch of protocols that a request asks for, or the refusal of one that is not let through, in the form of Envoy's.
pub(super) fn switching<B>(
    request: &mut Request<B>,
    transport: &Transport,
) -> Result<Option<Switching>, Box<Response<Body>>> {
    match switches_to(request.headers()) {
        None => Ok(None),
        Some(protocol) if transport.lets_switch(protocol) => Ok(Switching::of(request)),
        Some(_) => {
            let mut response = local_reply(StatusCode::FORBIDDEN, "");
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            Err(Box::new(response))
        }
    }
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

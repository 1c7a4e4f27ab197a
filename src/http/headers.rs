//! What a proxy changes of the heads that it passes on: the headers of one hop, the form of a request's target, the version.

use hyper::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use hyper::http::request::Parts;
use hyper::http::uri::{PathAndQuery, Uri};
use hyper::{Response, StatusCode, Version};

use super::body::Body;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// RFC 9110, section 7.6.1. `Expect` goes too: the server in front of a proxy has answered it.
static HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    TRANSFER_ENCODING,
    KEEP_ALIVE,
    UPGRADE,
    TE,
    TRAILER,
    EXPECT,
    PROXY_CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
];

/// Makes a request's head what an endpoint expects: its target is a path, and what concerned this hop is gone, but for a switch of
/// protocols that is to be passed on.
pub(crate) fn to_next_hop(head: &mut Parts, passes_switch: bool) {
    let switch = if passes_switch { head.headers.get(UPGRADE).cloned() } else { None };
    strip_hop_by_hop(&mut head.headers);
    if let Some(protocol) = switch {
        set_switch(&mut head.headers, protocol);
    }
    if head.version == Version::HTTP_2 {
        join_cookies(&mut head.headers);
    }
    // The target's authority wins over `Host` here, and so it must at the next hop (RFC 9112, section 3.2.2).
    if let Some(Ok(host)) = head.uri.authority().map(|authority| HeaderValue::from_str(authority.as_str())) {
        head.headers.insert(HOST, host);
    }
    to_origin_form(&mut head.uri);
    head.version = Version::HTTP_11;
}

/// Whether a body that is in a transfer coding is in chunks and nothing else: other codings are undone nowhere here.
pub(crate) fn is_chunked(headers: &HeaderMap) -> bool {
    headers.get_all(TRANSFER_ENCODING).iter().all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
}

/// The protocol that a request asks to switch to, if it does. As with Envoy, a switch to HTTP/2 is not made and not minded: who knows
/// that it can be spoken speaks it from the start.
pub(crate) fn switches_to(headers: &HeaderMap) -> Option<&HeaderValue> {
    let protocol = headers.get(UPGRADE).filter(|protocol| !protocol.as_bytes().eq_ignore_ascii_case(b"h2c"))?;
    let mut options = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    options
        .any(|value| value.split(',').any(|option| option.trim().eq_ignore_ascii_case("upgrade")))
        .then_some(protocol)
}

fn set_switch(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocol);
}

/// HTTP/2 may have a field for each cookie, and HTTP/1.1 has one for all (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..]))
    {
        headers.insert(COOKIE, joined);
    }
}

/// An endpoint's response, as it is passed on.
pub(crate) fn passed_on(mut response: Response<Body>) -> Response<Body> {
    let switch = match response.status() {
        StatusCode::SWITCHING_PROTOCOLS => response.headers().get(UPGRADE).cloned(),
        _ => None,
    };
    strip_hop_by_hop(response.headers_mut());
    if let Some(protocol) = switch {
        set_switch(response.headers_mut(), protocol);
    }
    *response.version_mut() = Version::HTTP_11;
    response
}

/// Removes what must not be passed on, along with what `Connection` names, unless the message is about that: without its host or
/// its length it would be another one.
fn strip_hop_by_hop(headers: &mut HeaderMap) {
    // Most messages have none of them, and comparing names is cheaper than ten look-ups.
    if !headers.keys().any(|name| HOP_BY_HOP.contains(name)) {
        return;
    }
    let nominated: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .filter(|name| ![HOST, CONTENT_LENGTH].contains(name))
        .collect();
    for name in HOP_BY_HOP.iter().chain(&nominated) {
        headers.remove(name);
    }
}

/// Reduces a request's target to path and query, as an endpoint expects it.
fn to_origin_form(uri: &mut Uri) {
    if uri.authority().is_some() || uri.path_and_query().is_none() {
        *uri = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")).into();
    }
}

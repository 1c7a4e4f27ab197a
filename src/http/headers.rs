//! What a proxy changes of the heads that it passes on: the headers of one hop, the form of a request's target, the version.

use hyper::header::{
    CONNECTION, EXPECT, HeaderMap, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};
use hyper::http::request::Parts;
use hyper::http::uri::{PathAndQuery, Uri};
use hyper::{Response, Version};

use super::body::Body;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// RFC 9110, section 7.6.1. `Expect` goes too: the server in front of a proxy has answered it.
const HOP_BY_HOP: [HeaderName; 10] = [
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

/// Makes a request's head what an endpoint expects: its target is a path, and what concerned this hop is gone.
pub(crate) fn to_next_hop(head: &mut Parts) {
    strip_hop_by_hop(&mut head.headers);
    to_origin_form(&mut head.uri);
    head.version = Version::HTTP_11;
}

/// An endpoint's response, as it is passed on.
pub(crate) fn passed_on(mut response: Response<Body>) -> Response<Body> {
    strip_hop_by_hop(response.headers_mut());
    *response.version_mut() = Version::HTTP_11;
    response
}

/// Removes what must not be passed on, along with what `Connection` names.
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

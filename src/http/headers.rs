//! Headers that concern one hop only, and the form of a request's target.

use hyper::header::{
    CONNECTION, EXPECT, HeaderMap, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};
use hyper::http::uri::{PathAndQuery, Uri};

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

/// Removes what must not be passed on, along with what `Connection` names.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) {
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
pub(crate) fn to_origin_form(uri: &mut Uri) {
    if uri.authority().is_some() || uri.path_and_query().is_none() {
        *uri = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")).into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_connection_names_ends_here_and_the_rest_goes_on() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "backend:8090"),
            ("connection", "keep-alive, X-Hop"),
            ("keep-alive", "timeout=5"),
            ("x-hop", "1"),
            ("x-end", "2"),
            ("content-length", "3"),
        ] {
            headers.insert(HeaderName::from_static(name), value.parse().unwrap());
        }
        strip_hop_by_hop(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "host", "x-end"]);
    }

    #[test]
    fn a_target_is_reduced_to_path_and_query() {
        for (target, expected) in [("http://backend:8090/a?b", "/a?b"), ("/a?b", "/a?b"), ("http://backend", "/")] {
            let mut uri: Uri = target.parse().unwrap();
            to_origin_form(&mut uri);
            assert_eq!(uri.to_string(), expected);
        }
    }
}

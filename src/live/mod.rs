//! The live page of the local cloud: its tasks by zone, the traffic between them, what Envoy's algorithm predicts, and controls.
//!
//! The cloud serves it at its own endpoint, where the paths of AWS's clients are not touched. The page asks for a [`snapshot`]
//! once a second; nothing is done while nobody asks. What it changes, by [`controls`], it changes through the functions of the
//! API where the API can, and elsewhere in the data plane ([`crate::cloud::Trouble`]). [`guard`] says who may ask for what.

mod calls;
mod controls;
mod guard;
mod prediction;
mod scene;
mod sender;
mod snapshot;

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use serde::Serialize;
use serde_json::json;

pub use self::calls::Calls;
use self::guard::Guard;
use self::scene::Place;
use self::sender::Sender;
use crate::cloud::{LocalCloud, Operator, Pages};

const HTML: &str = include_str!("../../templates/live.html");
const SCRIPT: &str = include_str!("../../templates/live.js");

/// The page's address on a cloud that is at this endpoint.
pub fn url(endpoint_url: &str) -> String {
    format!("{}/_zonewalk/live", endpoint_url.trim_end_matches('/'))
}

/// Serves the page at a cloud's endpoint. `calls` are told there.
pub fn show(cloud: &LocalCloud, calls: Calls) {
    let operator = cloud.operator();
    let sender = Sender::new(operator.clone());
    cloud.show(Arc::new(Live { operator, sender, calls, guard: Guard::new() }));
}

struct Live {
    operator: Operator,
    sender: Sender,
    calls: Calls,
    guard: Guard,
}

impl Pages for Live {
    fn answer(&self, head: &Parts, body: &Bytes) -> Option<Response<Full<Bytes>>> {
        let path = head.uri.path().strip_prefix("/_zonewalk/live")?;
        if !["", "/", ".js", "/state", "/do"].contains(&path) {
            return None;
        }
        if let Err(refusal) = self.guard.admits(head) {
            return Some(message(StatusCode::FORBIDDEN, refusal));
        }
        Some(match (&head.method, path) {
            (&Method::GET, "" | "/") => self.page(),
            (&Method::GET, ".js") => answer(StatusCode::OK, "text/javascript; charset=utf-8", SCRIPT),
            (&Method::GET, "/state") => {
                self.sender.is_watched();
                let asked = Place::asked(head.uri.query().unwrap_or_default());
                match snapshot::take(&self.operator, asked, &self.sender, &self.calls) {
                    Ok(snapshot) => json_answer(StatusCode::OK, &snapshot),
                    Err(reason) => message(StatusCode::CONFLICT, &reason),
                }
            }
            (&Method::POST, "/do") => match self.guard.lets_change(head) {
                Ok(()) => match controls::carry_out(&self.operator, &self.sender, body) {
                    Ok(()) => json_answer(StatusCode::OK, &json!({ "done": true })),
                    Err(reason) => message(StatusCode::BAD_REQUEST, &reason),
                },
                Err(refusal) => message(StatusCode::FORBIDDEN, refusal),
            },
            _ => message(StatusCode::METHOD_NOT_ALLOWED, "GET for all but live/do, which is POST"),
        })
    }
}

impl Live {
    /// With the token that its requests for changes are to have, and a nonce for the styles that are its own.
    fn page(&self) -> Response<Full<Bytes>> {
        let nonce = guard::random();
        let html = HTML.replace("{{nonce}}", &nonce).replace("{{token}}", self.guard.token());
        let mut response = answer(StatusCode::OK, "text/html; charset=utf-8", html);
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
        }
        response
    }
}

fn message(status: StatusCode, message: &str) -> Response<Full<Bytes>> {
    json_answer(status, &json!({ "message": message }))
}

fn json_answer(status: StatusCode, body: &impl Serialize) -> Response<Full<Bytes>> {
    match serde_json::to_vec(body) {
        Ok(body) => answer(status, "application/json", body),
        Err(error) => answer(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", error.to_string()),
    }
}

fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    for (name, value) in [
        (CONTENT_TYPE, content_type),
        // A page of an older version would not fit a newer one's snapshots.
        (CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("x-content-type-options"), "nosniff"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("referrer-policy"), "no-referrer"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

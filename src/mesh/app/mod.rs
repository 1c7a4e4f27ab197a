//! The demo application: what the article's image does, as far as the article tells.
//!
//! `GET /ping` is 200. `GET /` answers JSON with `availabilityZoneId`. With the header `azAwareRouting` it calls its
//! egress route first, over its own sidecar, and adds the answer's zone as `upstreamAvailabilityZoneId`.

mod command;
mod plain;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{HOST, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::links::{CurrentLinks, FROM_ZONE};
use super::topology::ClientAlias;
use crate::http::{self, Body, Handler, Pool, answer};
pub(super) use command::CommandError;
use command::{Command, Destination};
pub(super) use plain::Plain;

/// What the containers of a task come to: the command of the one that runs the article's application, empty if none does, and
/// the ports of the others. Each container has its entry point and command, and its ports.
pub(crate) fn applications(containers: impl IntoIterator<Item = (Vec<String>, Vec<u16>)>) -> (Vec<String>, Vec<u16>) {
    let (mut article, mut plain_ports) = (Vec::new(), Vec::new());
    for (command, ports) in containers {
        if article.is_empty() && Command::is_meant(&command) {
            article = command;
        } else {
            plain_ports.extend(ports);
        }
    }
    (article, plain_ports)
}

/// Reads a command, and forgets it: what is fuzzed.
#[cfg(any(test, fuzzing))]
pub(crate) fn read_command(command: &[String]) {
    drop(Command::parse(command));
}

/// The port that a command's application listens on.
pub(super) fn port(command: &[String]) -> Result<u16, CommandError> {
    Ok(Command::parse(command)?.port)
}

/// The header that makes the frontend call the backend (the article's step 8), in the form in which names are compared.
const AZ_AWARE_ROUTING: HeaderName = HeaderName::from_static("azawarerouting");

/// The most that is read of an upstream's answer, far beyond the size of the article's.
const ANSWER_LIMIT: usize = 64 * 1024;

/// Go's `http.DefaultTransport` keeps idle connections for 90 seconds.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// Go's `http.Server` never closes an idle connection.
pub(super) const SERVER_IDLE_TIMEOUT: Option<Duration> = None;

/// One container's application.
pub(super) struct App {
    name: String,
    az_id: String,
    /// The answer to a request that makes no call upstream.
    own_answer: Bytes,
    egress: Option<Egress>,
    links: CurrentLinks,
    failing: Arc<AtomicBool>,
}

/// The upstream that the application calls.
struct Egress {
    path: Uri,
    /// The destination's host and port, as `Host` has them.
    authority: HeaderValue,
    /// The own zone's ID.
    from_zone: HeaderValue,
    /// The connections to it. `None`: the name does not resolve, since Service Connect did not write it into the task's
    /// `/etc/hosts`.
    connections: Option<Arc<Pool>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    name: &'a str,
    availability_zone_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_availability_zone_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UpstreamAnswer {
    availability_zone_id: String,
}

/// What to answer for an upstream that gave no usable answer.
type UpstreamFailure = (StatusCode, String);

impl App {
    /// The application that a container's command starts, in a zone. `outbound` is its sidecar's listener, and `aliases`
    /// are the names that lead there.
    pub(super) fn new(
        command: &[String],
        az_id: &str,
        outbound: Option<SocketAddr>,
        aliases: &[ClientAlias],
        links: CurrentLinks,
    ) -> Result<Self, CommandError> {
        let Command { name, egress, .. } = Command::parse(command)?;
        let own_answer = answer_of(&name, az_id, None, None);
        let egress = egress.map(|destination| Egress::new(destination, az_id, outbound, aliases));
        Ok(Self { az_id: az_id.to_owned(), own_answer, egress, name, links, failing: Arc::default() })
    }

    /// Fails while this is true, but for what asks for its health.
    pub(super) fn failing_with(self, failing: Arc<AtomicBool>) -> Self {
        Self { failing, ..self }
    }

    async fn call_upstream(&self, egress: &Egress) -> Response<Body> {
        let outcome = egress.call().await;
        let (status, upstream, error) = match &outcome {
            Ok(upstream) => (StatusCode::OK, Some(upstream.availability_zone_id.as_str()), None),
            Err((status, error)) => (*status, None, Some(error.as_str())),
        };
        json(status, answer_of(&self.name, &self.az_id, upstream, error))
    }
}

impl Handler for App {
    type Body = Body;

    async fn handle(&self, request: Request<Incoming>, _peer: IpAddr) -> io::Result<Response<Body>> {
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            return Ok(answer(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "method not allowed\n"));
        }
        if let Some(zone) = request.headers().get(FROM_ZONE) {
            self.links.cross(zone.as_bytes(), &self.az_id, Instant::now()).await;
        }
        Ok(match (request.uri().path(), &self.egress) {
            ("/ping", _) => answer(StatusCode::OK, "text/plain", "pong\n"),
            _ if self.failing.load(Relaxed) => {
                let error = Some("it fails on purpose");
                json(StatusCode::INTERNAL_SERVER_ERROR, answer_of(&self.name, &self.az_id, None, error))
            }
            ("/", Some(egress)) if request.headers().contains_key(AZ_AWARE_ROUTING) => self.call_upstream(egress).await,
            ("/", _) => json(StatusCode::OK, self.own_answer.clone()),
            _ => answer(StatusCode::NOT_FOUND, "text/plain", "404 page not found\n"),
        })
    }
}

impl Egress {
    fn new(destination: Destination, az_id: &str, outbound: Option<SocketAddr>, aliases: &[ClientAlias]) -> Self {
        let Destination { authority, path } = destination;
        let port = authority.port_u16().unwrap_or(http::PORT);
        let resolves =
            |alias: &ClientAlias| alias.dns_name.eq_ignore_ascii_case(authority.host()) && alias.port == port;
        let connections = outbound
            .filter(|_| aliases.iter().any(resolves))
            .map(|address| Pool::new(address, IDLE_TIMEOUT, Arc::default()));
        let authority = HeaderValue::from_str(authority.as_str()).expect("an authority is visible ASCII");
        let from_zone = HeaderValue::from_str(az_id).expect("a zone's ID is visible ASCII");
        Self { path, authority, from_zone, connections }
    }

    async fn call(&self) -> Result<UpstreamAnswer, UpstreamFailure> {
        let Some(connections) = &self.connections else {
            return Err(bad_gateway(format!("lookup {:?}: no such host", self.authority)));
        };
        let mut request = Request::new(Body::Whole(Bytes::new()));
        *request.uri_mut() = self.path.clone();
        request.headers_mut().insert(HOST, self.authority.clone());
        request.headers_mut().insert(FROM_ZONE, self.from_zone.clone());
        let response = connections.send(request).await.map_err(|error| bad_gateway(error.to_string()))?;

        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_LIMIT).collect().await;
        let body =
            body.map_err(|error| bad_gateway(format!("failed to read the upstream's answer: {error}")))?.to_bytes();
        if !status.is_success() {
            return Err((status, format!("upstream answered {status}: {}", String::from_utf8_lossy(&body))));
        }
        serde_json::from_slice(&body)
            .map_err(|error| bad_gateway(format!("upstream's answer is not the app's: {error}")))
    }
}

fn answer_of(name: &str, availability_zone_id: &str, upstream: Option<&str>, error: Option<&str>) -> Bytes {
    let answer = Answer { name, availability_zone_id, upstream_availability_zone_id: upstream, error };
    serde_json::to_vec(&answer).expect("strings and options of strings always have a JSON form").into()
}

fn json(status: StatusCode, body: Bytes) -> Response<Body> {
    answer(status, "application/json", body)
}

fn bad_gateway(error: String) -> UpstreamFailure {
    (StatusCode::BAD_GATEWAY, error)
}

//! The sidecar proxy of a task: what Envoy is in Service Connect. It needs the routing engine and HTTP, and knows
//! nothing of tasks, clouds or topologies, so that it can run as a program by itself one day.
//!
//! The inbound listener takes what other tasks and the load balancer send and hands it to the application; the outbound
//! listener takes what the application sends to a client alias and balances it over the destination's endpoints.
//! Discovery swaps endpoints in with [`Sidecar::update`]; picking never waits for it.

mod cluster;
mod inbound;
mod outbound;
pub(super) mod outlier;
mod retry;
mod stats;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{CONNECTION, HeaderValue};
use hyper::{Request, Response, StatusCode, Version};
use tokio::runtime::Handle;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, MissedTickBehavior, timeout_at};

pub use crate::http::Server;
use crate::http::{Body, Ended, SendError, answer, strip_hop_by_hop};
use crate::routing::{HostSet, Locality};
use cluster::Cluster;
pub(super) use cluster::HOST_SELECTION_RETRIES;
use inbound::Inbound;
use outbound::Outbound;
pub(super) use retry::RETRIES;

/// "Per request timeout", HTTP, default (ECS API Reference, `ServiceConnectService.timeout`). All attempts together have
/// this long from the end of the request on, as Envoy's route timeout means it.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// "Idle timeout" for HTTP, default (same page).
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// A destination that the application may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// The cluster's name in `/stats`.
    pub name: String,
    /// The `Host`s it is called by: `sc.test.az.aware.backend:8090`.
    pub authorities: Vec<String>,
}

/// An endpoint of a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Whose it is. A new owner of the same socket address is another endpoint, with a clean record.
    pub owner: Arc<str>,
    pub socket: SocketAddr,
    pub locality: Locality,
}

/// One task's proxy. Its servers stop when they are dropped.
pub struct Sidecar {
    clusters: Vec<Cluster>,
}

impl Sidecar {
    /// A proxy in this locality that knows these destinations, none of which has an endpoint yet.
    pub fn new(locality: &Locality, upstreams: Vec<Upstream>) -> Self {
        Self { clusters: upstreams.into_iter().map(|upstream| Cluster::new(locality, upstream)).collect() }
    }

    /// Serves what the application sends.
    pub fn serve_outbound(self: &Arc<Self>, listener: TcpListener, runtime: &Handle) -> io::Result<Server> {
        Server::spawn(listener, Some(IDLE_TIMEOUT), Arc::new(Outbound(self.clone())), runtime)
    }

    /// Serves in the place of one of the application's ports. With no address nothing listens on it: the proxy takes
    /// its place all the same.
    pub fn serve_inbound(
        listener: TcpListener,
        application: Option<SocketAddr>,
        runtime: &Handle,
    ) -> io::Result<Server> {
        Server::spawn(listener, Some(IDLE_TIMEOUT), Arc::new(Inbound::new(application)), runtime)
    }

    /// The new state of a destination: the endpoints of the own service (Envoy's local cluster), and the destination's
    /// own. Nothing is rebuilt if nothing changed. Endpoints of one locality must be next to each other.
    pub fn update(&self, upstream: &str, local: &HostSet, endpoints: &[Address]) {
        for cluster in self.clusters.iter().filter(|cluster| cluster.name == upstream) {
            cluster.update(local, endpoints);
        }
    }

    /// Envoy's `/stats`.
    pub fn stats(&self) -> String {
        stats::render(self.clusters.iter().map(Cluster::stats))
    }

    /// The outlier detector's sweeps and the pools' housekeeping, for as long as the sidecar runs.
    pub async fn maintain(self: Arc<Self>) {
        let mut sweeps = tokio::time::interval(outlier::INTERVAL);
        // A machine that slept has not watched its hosts meanwhile: one sweep, not all those missed.
        sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        sweeps.tick().await;
        loop {
            sweeps.tick().await;
            // Not the instant that the tick was due at, which may be long ago.
            let now = Instant::now();
            for cluster in &self.clusters {
                cluster.sweep(now);
            }
        }
    }
}

/// Envoy's answers of its own are plain text.
fn local_reply(status: StatusCode, text: impl Into<bytes::Bytes>) -> Response<Body> {
    answer(status, "text/plain", text)
}

/// Envoy's HTTP/1 codec refuses HTTP/1.0 unless `accept_http_10` is set, and Service Connect does not set it.
fn refuse_http_10<B>(request: &Request<B>) -> Option<Response<Body>> {
    if request.version() >= Version::HTTP_11 {
        return None;
    }
    let mut response = local_reply(StatusCode::UPGRADE_REQUIRED, "Upgrade Required");
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    Some(response)
}

/// A host's answer, as it is passed on.
fn passed_on(mut response: Response<Body>) -> Response<Body> {
    strip_hop_by_hop(response.headers_mut());
    *response.version_mut() = Version::HTTP_11;
    response
}

/// Why a host gave no answer, in Envoy's words.
#[derive(Clone, Copy)]
struct NoResponse {
    status: StatusCode,
    reason: &'static str,
}

impl NoResponse {
    const REFUSED: Self = Self { status: StatusCode::SERVICE_UNAVAILABLE, reason: "remote connection failure" };

    /// Envoy's answer in the host's place.
    fn answer(self, retried: bool) -> Response<Body> {
        let retried = if retried { "retried and the latest " } else { "" };
        let failure = "upstream connect error or disconnect/reset before headers";
        local_reply(self.status, format!("{failure}. {retried}reset reason: {}", self.reason))
    }
}

/// What the client gets when a host gives no answer.
fn answer_for(error: &SendError, retried: bool) -> Response<Body> {
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
        // It broke off on the client's side, where nobody is left to read this, or was no HTTP.
        SendError::Request(_) => local_reply(StatusCode::BAD_REQUEST, "Bad Request"),
    }
}

/// Does `work` within [`REQUEST_TIMEOUT`] of the end of the request, which is when Envoy's route timeout begins. Also when
/// the response has to be complete.
async fn in_time<T>(ended: Option<Ended>, work: impl Future<Output = T>) -> (Result<T, Elapsed>, Instant) {
    let mut work = pin!(work);
    if let Some(ended) = ended {
        tokio::select! {
            biased;
            // Before the whole request was there.
            done = &mut work => return (Ok(done), Instant::now() + REQUEST_TIMEOUT),
            _ = ended => {}
        }
    }
    let deadline = Instant::now() + REQUEST_TIMEOUT;
    (timeout_at(deadline, work).await, deadline)
}

//! The keep-alive connections to one endpoint.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Waker};
use std::time::Duration;

use hyper::header::{CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode, Version};
use parking_lot::Mutex;

use super::body::Body;
use super::connection::{Connection, Dialed, dial};
use super::headers::is_chunked;
use super::multiplexed::Multiplexed;
use super::tunnel;

/// The version of HTTP that an endpoint is spoken to in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HttpVersion {
    Http1,
    /// Without TLS, by prior knowledge.
    Http2,
}

impl HttpVersion {
    /// In which a request has come.
    pub(crate) fn of(head: &Parts) -> Self {
        if head.version == Version::HTTP_2 { Self::Http2 } else { Self::Http1 }
    }
}

/// For HTTP/1.1 a pool of the connections that are not in use, the last used one on top, so that a lull closes the others. It has no
/// limit: Envoy's, 1,024 per cluster, is beyond what one machine's demonstration does. For HTTP/2 connections that all share.
pub(crate) struct Pool {
    address: SocketAddr,
    idle_timeout: Duration,
    kept: Mutex<Kept>,
    multiplexed: Option<Multiplexed>,
    pub(super) counters: Arc<PoolCounters>,
}

#[derive(Default)]
struct Kept {
    idle: Vec<Connection>,
    /// Set while nothing gets through to the endpoint.
    blocked: Option<Patience>,
}

/// How long somebody waits for an endpoint that nothing gets through to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For a new connection.
    pub connect: Duration,
    /// For another request on a connection that stands, which is closed then.
    pub idle: Duration,
}

impl Patience {
    /// The same at another pace.
    pub fn map(self, scale: impl Fn(Duration) -> Duration) -> Self {
        Self { connect: scale(self.connect), idle: scale(self.idle) }
    }
}

/// Envoy's counters of connections and of requests that wait for one, over all pools that share them.
#[derive(Debug, Default)]
pub(crate) struct PoolCounters {
    /// Attempts to connect. Each is for one request, which Envoy counts as pending meanwhile.
    pub(crate) opened: AtomicU64,
    pub(crate) active: AtomicU64,
    /// Connections that a request is on.
    pub(crate) busy: AtomicU64,
    pub(crate) connecting: AtomicU64,
    pub(crate) connect_failed: AtomicU64,
    /// Those of the failed attempts that took too long.
    pub(crate) connect_timed_out: AtomicU64,
    /// Requests that were given up while they waited for a connection.
    pub(crate) cancelled: AtomicU64,
    /// Responses that were not complete in time.
    pub(crate) timed_out: AtomicU64,
}

/// Why a request got no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// There was no connection, and the request never left: here it is.
    #[error("failed to connect: {error}")]
    Connect { error: io::Error, unsent: Box<Request<Body>> },
    /// The request's own body broke off.
    #[error("the request was not complete: {0}")]
    Request(hyper::Error),
    /// The connection broke before the head of a response.
    #[error("the connection broke: {0}")]
    Reset(hyper::Error),
    /// What came was not HTTP, or no answer to what was asked.
    #[error("the response was malformed: {0}")]
    Protocol(String),
}

impl Pool {
    /// Connections for HTTP/1.1.
    pub(crate) fn new(address: SocketAddr, idle_timeout: Duration, counters: Arc<PoolCounters>) -> Arc<Self> {
        Self::of(HttpVersion::Http1, address, idle_timeout, counters)
    }

    pub(crate) fn of(
        version: HttpVersion,
        address: SocketAddr,
        idle_timeout: Duration,
        counters: Arc<PoolCounters>,
    ) -> Arc<Self> {
        let multiplexed = (version == HttpVersion::Http2).then(Multiplexed::default);
        Arc::new(Self { address, idle_timeout, kept: Mutex::default(), multiplexed, counters })
    }

    /// Whether nothing gets through to the endpoint from now on: what is sent to it on a new connection is dropped in silence.
    /// Connections that stand are used as before.
    pub(crate) fn block(&self, blocked: Option<Patience>) {
        self.kept.lock().blocked = blocked;
    }

    /// Sends a request on an idle connection or a new one.
    ///
    /// An idle connection may turn out to be closed; a request that had not left goes out on the next one then.
    pub(crate) async fn send(self: &Arc<Self>, request: Request<Body>) -> Result<Response<Body>, SendError> {
        self.send_noting(request, || ()).await
    }

    /// Sends a request as [`Self::send`] does; `on_connection` is called when there is a connection for it.
    pub(crate) async fn send_noting(
        self: &Arc<Self>,
        mut request: Request<Body>,
        mut on_connection: impl FnMut(),
    ) -> Result<Response<Body>, SendError> {
        if let Some(multiplexed) = &self.multiplexed {
            // Boxed, so that requests of HTTP/1.1 do not carry its state around.
            return Box::pin(multiplexed.send(self, request, on_connection)).await;
        }
        if request.headers().contains_key(UPGRADE) {
            return checked(Box::pin(tunnel::send(self, request, on_connection)).await?);
        }
        while let Some(connection) = self.take_idle() {
            on_connection();
            match self.exchange(connection, request).await {
                Err((_, Some(unsent))) => request = unsent,
                Err((error, None)) => return Err(classify(error)),
                Ok(response) => return checked(response),
            }
        }
        match self.open().await {
            Ok(connection) => {
                on_connection();
                checked(self.exchange(connection, request).await.map_err(|(error, _)| classify(error))?)
            }
            Err(error) => Err(SendError::Connect { error, unsent: Box::new(request) }),
        }
    }

    async fn open(&self) -> io::Result<Connection> {
        self.counting_attempt(async { Connection::new(self.dial().await?).await }).await
    }

    /// A connection to the endpoint for who speaks no HTTP.
    pub(crate) async fn connect(&self) -> io::Result<Dialed> {
        self.counting_attempt(self.dial()).await
    }

    /// A new connection to the endpoint, which nothing has been said on yet.
    pub(super) async fn dial(&self) -> io::Result<Dialed> {
        let blocked = self.kept.lock().blocked;
        dial(self.address, self.counters.clone(), blocked.map(|patience| patience.connect)).await
    }

    /// Counts how an attempt to connect ends.
    pub(super) async fn counting_attempt<T>(&self, attempt: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let waiting = Waiting::new(&self.counters);
        let opened = attempt.await;
        waiting.end(opened.as_ref().err());
        opened
    }

    async fn exchange(
        self: &Arc<Self>,
        mut connection: Connection,
        request: Request<Body>,
    ) -> Result<Response<Body>, (hyper::Error, Option<Request<Body>>)> {
        match connection.send(request).await {
            Ok(response) => Ok(response.map(|incoming| Body::response(incoming, connection, self.clone()))),
            Err(mut error) => {
                let unsent = error.take_message();
                Err((error.into_error(), unsent))
            }
        }
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut kept = self.kept.lock();
        let connection = kept.idle.pop()?;
        // The top one was used last: if it has been idle for too long, all have.
        if connection.has_rested() >= kept.idle_timeout(self) {
            kept.idle.clear();
            return None;
        }
        Some(connection)
    }

    /// Takes back a connection whose response has been read to its end.
    pub(super) fn release(&self, mut connection: Connection) {
        if connection.is_reusable() {
            connection.rest();
            self.kept.lock().idle.push(connection);
        }
    }

    /// Closes what has been idle for too long, and forgets what the other side has closed.
    pub(crate) fn sweep(&self) {
        let mut kept = self.kept.lock();
        let limit = kept.idle_timeout(self);
        if let Some(multiplexed) = &self.multiplexed {
            multiplexed.sweep(limit);
        }
        kept.idle.retain_mut(|connection| {
            connection.drive(&mut Context::from_waker(Waker::noop()));
            connection.is_reusable() && connection.has_rested() < limit
        });
    }

    /// Closes what is not in use, and of HTTP/2's connection lets only what is on it end.
    pub(crate) fn clear(&self) {
        self.kept.lock().idle.clear();
        if let Some(multiplexed) = &self.multiplexed {
            multiplexed.clear();
        }
    }
}

impl Kept {
    fn idle_timeout(&self, pool: &Pool) -> Duration {
        self.blocked.map_or(pool.idle_timeout, |patience| patience.idle.min(pool.idle_timeout))
    }
}

/// A request that waits for a connection, in Envoy's counters.
struct Waiting<'a>(Option<&'a PoolCounters>);

impl<'a> Waiting<'a> {
    fn new(counters: &'a PoolCounters) -> Self {
        counters.connecting.fetch_add(1, Relaxed);
        Self(Some(counters))
    }

    fn end(mut self, failure: Option<&io::Error>) {
        let Some(counters) = self.0.take() else { return };
        counters.connecting.fetch_sub(1, Relaxed);
        if let Some(failure) = failure {
            counters.connect_failed.fetch_add(1, Relaxed);
            counters.connect_timed_out.fetch_add(u64::from(failure.kind() == io::ErrorKind::TimedOut), Relaxed);
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(counters) = self.0 {
            counters.connecting.fetch_sub(1, Relaxed);
            counters.cancelled.fetch_add(1, Relaxed);
        }
    }
}

/// Refuses what would be another response at the next hop: one in a coding that is not undone here, one with a length beside its
/// chunks or without a body, and a switch of protocols that nobody has asked for. With the response goes its connection.
fn checked(response: Response<Body>) -> Result<Response<Body>, SendError> {
    let headers = response.headers();
    let is_coded = headers.contains_key(TRANSFER_ENCODING);
    let has_length = headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0");
    let reason = match response.status() {
        _ if is_coded && !is_chunked(headers) => "it is in a coding that is not known",
        _ if is_coded && has_length => "it has a length and is in chunks",
        StatusCode::NO_CONTENT if is_coded || has_length => "it has no content, and yet a length",
        StatusCode::SWITCHING_PROTOCOLS if !matches!(response.body(), Body::Switched(_)) => "it switches protocols",
        _ => return Ok(response),
    };
    Err(SendError::Protocol(reason.to_owned()))
}

pub(super) fn classify(error: hyper::Error) -> SendError {
    match error {
        error if error.is_user() => SendError::Request(error),
        error if error.is_parse() => SendError::Protocol(error.to_string()),
        error => SendError::Reset(error),
    }
}

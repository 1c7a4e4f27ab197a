//! The keep-alive connections to one endpoint.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use hyper::{Request, Response};
use tokio::time::Instant;

use super::body::Body;
use super::connection::Connection;

/// Connections that are not in use, the last used one on top, so that a lull closes the others. As many as were ever
/// needed at once: Envoy's limit, 1,024 per cluster, is beyond what one machine's demonstration does.
pub(in crate::mesh) struct Pool {
    address: SocketAddr,
    idle_timeout: Duration,
    idle: Mutex<Vec<Connection>>,
    counters: Arc<ConnectionCounters>,
}

/// Envoy's `upstream_cx_*`, of all the pools that share it.
#[derive(Debug, Default)]
pub(in crate::mesh) struct ConnectionCounters {
    pub(in crate::mesh) opened: AtomicU64,
    pub(in crate::mesh) active: AtomicU64,
    pub(in crate::mesh) connect_failed: AtomicU64,
}

/// Why a request got no response.
#[derive(Debug, thiserror::Error)]
pub(in crate::mesh) enum SendError {
    /// No connection: the request never left, here it is.
    #[error("failed to connect: {error}")]
    Connect { error: io::Error, unsent: Box<Request<Body>> },
    /// The connection broke before the head of a response.
    #[error("the connection broke: {0}")]
    Reset(hyper::Error),
    /// What came was not HTTP.
    #[error("the response was malformed: {0}")]
    Protocol(hyper::Error),
}

impl Pool {
    pub(in crate::mesh) fn new(
        address: SocketAddr,
        idle_timeout: Duration,
        counters: Arc<ConnectionCounters>,
    ) -> Arc<Self> {
        Arc::new(Self { address, idle_timeout, idle: Mutex::default(), counters })
    }

    /// Sends a request on an idle connection or a new one.
    ///
    /// An idle connection may turn out to be closed; a request that had not left goes out on the next one then.
    pub(in crate::mesh) async fn send(
        self: &Arc<Self>,
        mut request: Request<Body>,
    ) -> Result<Response<Body>, SendError> {
        while let Some(connection) = self.take_idle() {
            match self.exchange(connection, request).await {
                Err((_, Some(unsent))) => request = unsent,
                Err((error, None)) => return Err(classify(error)),
                Ok(response) => return Ok(response),
            }
        }
        match Connection::open(self.address, self.counters.clone()).await {
            Ok(connection) => self.exchange(connection, request).await.map_err(|(error, _)| classify(error)),
            Err(error) => {
                self.counters.connect_failed.fetch_add(1, Relaxed);
                Err(SendError::Connect { error, unsent: Box::new(request) })
            }
        }
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
        let connection = self.idle().pop()?;
        // The top one was used last: if it has been idle for too long, all have.
        if connection.idle_since.elapsed() >= self.idle_timeout {
            self.idle().clear();
            return None;
        }
        Some(connection)
    }

    /// Takes back a connection whose response has been read to its end.
    pub(super) fn release(&self, mut connection: Connection) {
        if connection.is_reusable() {
            connection.idle_since = Instant::now();
            self.idle().push(connection);
        }
    }

    /// Closes what has been idle for too long, and forgets what the other side has closed.
    pub(in crate::mesh) fn sweep(&self) {
        self.idle().retain_mut(|connection| {
            connection.drive(&mut Context::from_waker(Waker::noop()));
            connection.is_reusable() && connection.idle_since.elapsed() < self.idle_timeout
        });
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn classify(error: hyper::Error) -> SendError {
    if error.is_parse() { SendError::Protocol(error) } else { SendError::Reset(error) }
}

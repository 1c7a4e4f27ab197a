//! The one HTTP/2 connection to an endpoint, which all requests to it share.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use hyper::client::conn::http2::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue, TE};
use hyper::http::uri::{Authority, Scheme, Uri};
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::MAX_RESPONSE_HEAD;
use super::body::Body;
use super::connection::Counted;
use super::pool::{Pool, PoolCounters, SendError, classify};

/// How often a request that has not left goes out on another connection, since the one before was closed.
const NEW_CONNECTIONS: u32 = 2;

/// The place of the connection, which is empty until it is needed. Whoever opens it holds the lock meanwhile, so that others wait for
/// that one.
#[derive(Default)]
pub(super) struct Multiplexed(tokio::sync::Mutex<Option<Shared>>);

#[derive(Clone)]
struct Shared {
    sender: SendRequest<Body>,
    standing: Arc<Standing>,
}

/// A connection that stands, counted until the last of its streams has ended.
struct Standing {
    _counted: Counted,
    counters: Arc<PoolCounters>,
    /// When its last stream ended.
    idle_since: Mutex<Instant>,
}

impl Standing {
    fn new(counted: Counted, counters: Arc<PoolCounters>) -> Arc<Self> {
        Arc::new(Self { _counted: counted, counters, idle_since: Mutex::new(Instant::now()) })
    }
}

/// A request and its response on a connection that somebody else drives.
pub(crate) struct Stream(Arc<Standing>);

impl Stream {
    /// The only one of its connection.
    pub(super) fn alone(counted: Counted, counters: Arc<PoolCounters>) -> Self {
        Self::new(Standing::new(counted, counters))
    }

    fn new(standing: Arc<Standing>) -> Self {
        standing.counters.busy.fetch_add(1, Relaxed);
        Self(standing)
    }

    pub(super) fn counters(&self) -> &PoolCounters {
        &self.0.counters
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        *self.0.idle_since.lock() = Instant::now();
        self.0.counters.busy.fetch_sub(1, Relaxed);
    }
}

impl Multiplexed {
    /// Sends a request on the connection, which is opened if there is none. `on_connection` is called when there is one.
    pub(super) async fn send(
        &self,
        pool: &Pool,
        mut request: Request<Body>,
        mut on_connection: impl FnMut(),
    ) -> Result<Response<Body>, SendError> {
        let mut left = NEW_CONNECTIONS;
        loop {
            let mut shared = match self.shared(pool).await {
                Ok(shared) => shared,
                Err(error) => return Err(SendError::Connect { error, unsent: Box::new(request) }),
            };
            on_connection();
            let stream = Stream::new(shared.standing);
            match shared.sender.try_send_request(as_http2(request)?).await {
                Ok(response) => return Ok(response.map(|incoming| Body::stream(incoming, stream))),
                Err(mut error) => match error.take_message() {
                    Some(unsent) if left > 0 => (request, left) = (unsent, left - 1),
                    _ => return Err(classify(error.into_error())),
                },
            }
        }
    }

    async fn shared(&self, pool: &Pool) -> io::Result<Shared> {
        let mut place = self.0.lock().await;
        if let Some(shared) = place.as_ref().filter(|shared| !shared.sender.is_closed()) {
            return Ok(shared.clone());
        }
        let shared = pool.counting_attempt(self.open(pool)).await?;
        *place = Some(shared.clone());
        Ok(shared)
    }

    async fn open(&self, pool: &Pool) -> io::Result<Shared> {
        let (stream, counted) = pool.dial().await?;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .max_header_list_size(MAX_RESPONSE_HEAD as u32)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        // It ends with the last of its senders and streams.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("an HTTP/2 connection ended: {error}");
            }
        });
        Ok(Shared { sender, standing: Standing::new(counted, pool.counters.clone()) })
    }

    /// Closes the connection if it has been idle for too long, and forgets it if the other side has closed it.
    pub(super) fn sweep(&self, limit: Duration) {
        // Who holds it opens one.
        let Ok(mut place) = self.0.try_lock() else { return };
        let is_over = |shared: &Shared| {
            let is_idle = Arc::strong_count(&shared.standing) == 1;
            shared.sender.is_closed() || (is_idle && shared.standing.idle_since.lock().elapsed() >= limit)
        };
        if place.as_ref().is_some_and(is_over) {
            *place = None;
        }
    }

    /// Sends nothing more on the connection: it is closed after the last of its streams.
    pub(super) fn clear(&self) {
        if let Ok(mut place) = self.0.try_lock() {
            *place = None;
        }
    }
}

/// A request as HTTP/2 has it: the host is part of the target (RFC 9113, section 8.3.1).
fn as_http2(mut request: Request<Body>) -> Result<Request<Body>, SendError> {
    if let Some(host) = request.headers_mut().remove(HOST) {
        let path = request.uri().path_and_query().cloned();
        let authority: Option<Authority> = host.to_str().ok().and_then(|host| host.parse().ok());
        let target = authority.zip(path).and_then(|(authority, path)| {
            Uri::builder().scheme(Scheme::HTTP).authority(authority).path_and_query(path).build().ok()
        });
        let Some(target) = target else {
            return Err(SendError::Protocol(format!("{host:?} is no host that HTTP/2 could ask for")));
        };
        *request.uri_mut() = target;
    }
    if is_grpc(request.headers()) {
        // By it gRPC's servers know that no proxy on the way takes the trailers off.
        request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
    }
    *request.version_mut() = Version::HTTP_2;
    Ok(request)
}

/// Whether a message is gRPC's, by the type of its content: `application/grpc`, with a `+` and the format or without, as Envoy tells it.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    matches!(content_type.strip_prefix(b"application/grpc"), Some([] | [b'+', ..]))
}

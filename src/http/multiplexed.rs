//! The HTTP/2 connection to an endpoint, which all requests to it share; more than one where the endpoint takes fewer streams at a
//! time than there are requests.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, AtomicUsize};
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
use super::pool::{HttpVersion, Pool, PoolCounters, SendError, classify};

/// How often a request that has not left goes out on another connection, since the one before was closed.
const NEW_CONNECTIONS: u32 = 2;

/// The connections, of which there is none until it is needed. Whoever opens one holds the lock meanwhile, so that others wait for
/// that one.
#[derive(Default)]
pub(super) struct Multiplexed {
    place: tokio::sync::Mutex<Place>,
    /// How many attempts to connect have failed. Who has waited for one that failed has failed with it, as in Envoy: each in turn
    /// would wait for an endpoint that takes no connections, until the request's time is over.
    failures: AtomicU64,
}

#[derive(Default)]
struct Place {
    open: Vec<Shared>,
    last_failure: Option<(io::ErrorKind, String)>,
}

#[derive(Clone)]
struct Shared {
    sender: SendRequest<Body>,
    standing: Arc<Standing>,
    /// The most streams that the endpoint takes at a time (`SETTINGS_MAX_CONCURRENT_STREAMS`).
    most_streams: Arc<AtomicUsize>,
}

impl Shared {
    /// How many streams are on it, to be asked of the one in its place.
    fn streams(&self) -> usize {
        Arc::strong_count(&self.standing) - 1
    }

    /// Whether the endpoint takes another stream now.
    fn has_room(&self) -> bool {
        self.streams() < self.most_streams.load(Relaxed).max(1)
    }
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
                Ok(response) => return Ok(response.map(|incoming| Body::stream(incoming, HttpVersion::Http2, stream))),
                Err(mut error) => match error.take_message() {
                    Some(unsent) if left > 0 => (request, left) = (unsent, left - 1),
                    _ => return Err(classify(error.into_error())),
                },
            }
        }
    }

    async fn shared(&self, pool: &Pool) -> io::Result<Shared> {
        let failures = self.failures.load(Acquire);
        let mut place = self.place.lock().await;
        place.open.retain(|shared| !shared.sender.is_closed());
        if let Some(shared) = place.open.iter().find(|shared| shared.has_room()) {
            return Ok(shared.clone());
        }
        if self.failures.load(Acquire) != failures
            && let Some((kind, reason)) = &place.last_failure
        {
            // Of connections, it is that one that has failed.
            return Err(io::Error::new(*kind, reason.clone()));
        }
        match pool.counting_attempt(self.open(pool)).await {
            Ok(shared) => {
                place.open.push(shared.clone());
                Ok(shared)
            }
            Err(error) => {
                place.last_failure = Some((error.kind(), error.to_string()));
                self.failures.fetch_add(1, Release);
                Err(error)
            }
        }
    }

    async fn open(&self, pool: &Pool) -> io::Result<Shared> {
        let (stream, counted) = pool.dial().await?;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .max_header_list_size(MAX_RESPONSE_HEAD as u32)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        // It ends with the last of its senders and streams.
        let most_streams = Arc::new(AtomicUsize::new(connection.current_max_send_streams()));
        let noted = most_streams.clone();
        tokio::spawn(async move {
            let mut connection = pin!(connection);
            let ended = poll_fn(|cx| {
                let polled = connection.as_mut().poll(cx);
                if polled.is_pending() {
                    noted.store(connection.current_max_send_streams(), Relaxed);
                }
                polled
            });
            if let Err(error) = ended.await {
                tracing::debug!("an HTTP/2 connection ended: {error}");
            }
        });
        Ok(Shared { sender, standing: Standing::new(counted, pool.counters.clone()), most_streams })
    }

    /// Closes what has been idle for too long, and forgets what the other side has closed.
    pub(super) fn sweep(&self, limit: Duration) {
        // Who holds it opens one.
        let Ok(mut place) = self.place.try_lock() else { return };
        place.open.retain(|shared| {
            let is_idle = shared.streams() == 0 && shared.standing.idle_since.lock().elapsed() >= limit;
            !shared.sender.is_closed() && !is_idle
        });
    }

    /// Sends nothing more on what is open: each is closed after the last of its streams.
    pub(super) fn clear(&self) {
        if let Ok(mut place) = self.place.try_lock() {
            place.open.clear();
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

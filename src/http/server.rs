//! The one server: it can be told to drain, and then stops accepting, lets what is in flight finish and closes.

use std::error::Error;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::progress::{Noted, Progress};
use super::small_writes::SmallWrites;
use super::tunnel::Place;
use super::{MAX_BUFFER, MAX_REQUEST_HEAD};

/// After a failed `accept` (most likely no file descriptor is left) it waits this long, instead of spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How often a connection looks whether it gets anywhere: so many times within the idle timeout. A timer per connection that
/// seldom fires is cheaper than one that each request moves.
const IDLE_CHECKS: u32 = 5;

/// A connection that is carried as it is.
pub(crate) type TcpConnection = TokioIo<Noted<TokioIo<TcpStream>>>;

/// What answers a server's requests.
pub(crate) trait Handler: Send + Sync + 'static {
    type Body: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static;

    /// Whether clients may speak HTTP/2 without being asked (RFC 9113, section 3.3), as Envoy's codec type `AUTO` lets them.
    const TAKES_HTTP2: bool = false;

    /// Answers a request; an error closes the connection without an answer.
    fn handle(
        &self,
        request: Request<Incoming>,
        peer: IpAddr,
    ) -> impl Future<Output = io::Result<Response<Self::Body>>> + Send;
}

/// A socket on loopback, with a port of the system's choice.
pub(crate) fn listen() -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// A socket on an address of loopback that others of ours may listen on, too (`SO_REUSEPORT`), so that one can take another's
/// place. To be called within a runtime.
pub(crate) fn listen_shared(address: SocketAddr, backlog: u32) -> io::Result<tokio::net::TcpListener> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    socket.listen(backlog)
}

/// A running server. Dropped, it is gone at once with all its connections.
pub struct Server {
    drain: Arc<Drain>,
    accepting: AbortOnDropHandle<()>,
}

impl Server {
    /// Serves on a socket that is bound already. Connections that are idle for `idle_timeout`, if there is one, are closed.
    pub(crate) fn spawn<H: Handler>(
        listener: TcpListener,
        idle_timeout: Option<Duration>,
        handler: Arc<H>,
        runtime: &Handle,
    ) -> io::Result<Self> {
        let serve = move |stream, peer, drain| serve(stream, peer, idle_timeout, handler.clone(), drain);
        Self::accepting(listener, serve, runtime)
    }

    /// Hands each connection to `carry`, whatever is spoken on it, and closes it when nothing has come or gone for `idle_timeout`,
    /// if there is one. Drained, it lets connections go on until they end.
    pub(crate) fn spawn_tcp<C: Future<Output = ()> + Send + 'static>(
        listener: TcpListener,
        idle_timeout: Option<Duration>,
        carry: impl Fn(TcpConnection) -> C + Send + Sync + 'static,
        runtime: &Handle,
    ) -> io::Result<Self> {
        let carry = Arc::new(carry);
        let serve = move |stream, _, drain| serve_tcp(stream, idle_timeout, carry.clone(), drain);
        Self::accepting(listener, serve, runtime)
    }

    fn accepting<S: Future<Output = ()> + Send + 'static>(
        listener: TcpListener,
        serve: impl Fn(TcpStream, IpAddr, Arc<Drain>) -> S + Send + 'static,
        runtime: &Handle,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let _context = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let drain = Arc::new(Drain::default());
        let accepting = runtime.spawn(accept(listener, serve, drain.clone()));
        Ok(Self { drain, accepting: AbortOnDropHandle::new(accepting) })
    }

    /// Stops accepting; connections close when their request in flight is answered.
    pub fn drain(&self) {
        self.drain.start();
    }

    /// Cancelled when it listens no longer.
    pub(crate) fn closed(&self) -> CancellationToken {
        self.drain.closed.clone()
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.accepting.is_finished()
    }

    /// Waits until a drained server has finished.
    pub async fn finished(self) {
        // An error is a panic in the accepting task, which has ended then just as well.
        let _ = self.accepting.await;
    }

    /// Serves until `stop` is cancelled, and then drains, for at most `limit`.
    pub(crate) async fn until(self, stop: CancellationToken, limit: Duration) {
        stop.cancelled().await;
        self.drain();
        if tokio::time::timeout(limit, self.finished()).await.is_err() {
            tracing::debug!("a server was stopped with requests in flight");
        }
    }
}

/// The signal to drain: connections are woken once and look at a flag from then on, so that waiting for it costs a
/// request nothing.
#[derive(Default)]
struct Drain {
    started: AtomicBool,
    waiting: Notify,
    /// Cancelled when the socket is closed.
    closed: CancellationToken,
}

impl Drain {
    fn start(&self) {
        self.started.store(true, Release);
        self.waiting.notify_waiters();
    }

    fn is_started(&self) -> bool {
        self.started.load(Acquire)
    }

    async fn wait(&self) {
        let notified = pin!(self.waiting.notified());
        if !self.is_started() {
            notified.await;
        }
    }
}

async fn accept<S: Future<Output = ()> + Send + 'static>(
    listener: tokio::net::TcpListener,
    serve: impl Fn(TcpStream, IpAddr, Arc<Drain>) -> S,
    drain: Arc<Drain>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = drain.wait() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!("failed to set TCP_NODELAY: {error}");
                    }
                    connections.spawn(serve(stream, peer.ip(), drain.clone()));
                }
                Err(error) => {
                    tracing::warn!("failed to accept a connection: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    drain.closed.cancel();
    while connections.join_next().await.is_some() {}
}

async fn serve<H: Handler>(
    stream: TcpStream,
    peer: IpAddr,
    idle_timeout: Option<Duration>,
    handler: Arc<H>,
    drain: Arc<Drain>,
) {
    let progress = Arc::new(Progress::default());
    let tunnel = Place::default();
    let (noted, place) = (progress.clone(), tunnel.clone());
    let service = service_fn(move |mut request| {
        let in_hand = noted.begin();
        place.note(&mut request);
        let handler = handler.clone();
        async move { handler.handle(request, peer).await.map(|response| response.map(|body| in_hand.until_end_of(body))) }
    });
    let conversation = Conversation { progress: progress.clone(), idle_timeout, drain };
    let speaks_http2 = if H::TAKES_HTTP2 {
        let Some(speaks_http2) = conversation.begins_as_http2(&stream).await else { return };
        speaks_http2
    } else {
        false
    };
    let stream = Noted::new(SmallWrites(TokioIo::new(stream)), progress);
    let outcome = if speaks_http2 {
        let mut server = http2::Builder::new(TokioExecutor::new());
        server.max_header_list_size(MAX_REQUEST_HEAD as u32);
        let connection = server.serve_connection(stream, service);
        conversation.carry_on(connection, http2::Connection::graceful_shutdown).await
    } else {
        // The header timeout would be a timer per request; what is idle or stuck is closed below.
        let mut server = http1::Builder::new();
        server.header_read_timeout(None).max_header_size(MAX_REQUEST_HEAD).max_buf_size(MAX_BUFFER);
        let connection = server.serve_connection(stream, service).with_upgrades();
        conversation.carry_on(connection, http1::UpgradeableConnection::graceful_shutdown).await
    };
    if let Err(error) = outcome {
        tracing::trace!("connection from {peer} ended: {error}");
    }
    if let Some(tunnel) = tunnel.take() {
        conversation.let_go_on(tunnel).await;
    }
}

async fn serve_tcp<C: Future<Output = ()> + Send + 'static>(
    stream: TcpStream,
    idle_timeout: Option<Duration>,
    carry: Arc<impl Fn(TcpConnection) -> C + Send + Sync + 'static>,
    drain: Arc<Drain>,
) {
    let progress = Arc::new(Progress::default());
    let conversation = Conversation { progress: progress.clone(), idle_timeout, drain };
    let stream = TokioIo::new(Noted::new(TokioIo::new(stream), progress));
    conversation.let_go_on(carry(stream)).await;
}

/// What HTTP/2 connections begin with, as far as no method of HTTP/1 does (RFC 9113, section 3.4).
const HTTP2_PREFACE: &[u8; 4] = b"PRI ";

/// How long the rest of so few bytes is waited for before they are looked at again.
const PREFACE_PAUSE: Duration = Duration::from_millis(10);

/// What ends a connection besides its two sides.
struct Conversation {
    progress: Arc<Progress>,
    idle_timeout: Option<Duration>,
    drain: Arc<Drain>,
}

impl Conversation {
    /// Whether a client speaks HTTP/2. None: it says nothing until it is no longer waited for.
    async fn begins_as_http2(&self, stream: &TcpStream) -> Option<bool> {
        let preface = async {
            let mut start = [0; HTTP2_PREFACE.len()];
            loop {
                match stream.peek(&mut start).await {
                    Ok(count) if count == start.len() => return start == *HTTP2_PREFACE,
                    Ok(count) if count > 0 && HTTP2_PREFACE.starts_with(&start[..count]) => {
                        tokio::time::sleep(PREFACE_PAUSE).await;
                    }
                    Ok(_) | Err(_) => return false,
                }
            }
        };
        let patience = async {
            match self.idle_timeout {
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            speaks_http2 = preface => Some(speaks_http2),
            () = self.drain.wait() => Some(false),
            () = patience => None,
        }
    }

    /// Carries a connection on until it ends, gets nowhere for too long, or is shut down gracefully, since the server drains.
    async fn carry_on<C: Future<Output = hyper::Result<()>>>(
        &self,
        connection: C,
        graceful_shutdown: impl Fn(Pin<&mut C>),
    ) -> hyper::Result<()> {
        let mut connection = pin!(connection);
        let mut drained = pin!(self.drain.waiting.notified());
        let mut idle = self.idle_timeout.map(IdleCheck::new);
        let mut waiting = false;
        let mut closing = false;
        std::future::poll_fn(|cx| {
            // The connection comes first: a request that has arrived is answered, even if the signal has too.
            if let Poll::Ready(outcome) = connection.as_mut().poll(cx) {
                return Poll::Ready(outcome);
            }
            if !waiting {
                // Polling once is enough: a task's waker stays the same.
                waiting = true;
                let _ = drained.as_mut().poll(cx);
            }
            let quiet = idle.as_mut().map_or(0, |idle| idle.quiet(&self.progress, cx));
            if quiet > IDLE_CHECKS {
                // Half of a head, a body that stalls or an answer that nobody reads: Envoy's `stream_idle_timeout`.
                return Poll::Ready(Ok(()));
            }
            if !closing && (self.drain.is_started() || quiet == IDLE_CHECKS) {
                closing = true;
                graceful_shutdown(connection.as_mut());
                return connection.as_mut().poll(cx);
            }
            Poll::Pending
        })
        .await
    }

    /// Lets bytes come and go until both sides have ended, or nothing does for too long.
    async fn let_go_on(&self, tunnel: impl Future<Output = ()>) {
        let _in_hand = self.progress.begin();
        let mut tunnel = pin!(tunnel);
        let mut idle = self.idle_timeout.map(IdleCheck::new);
        std::future::poll_fn(|cx| match tunnel.as_mut().poll(cx) {
            Poll::Pending if idle.as_mut().map_or(0, |idle| idle.quiet(&self.progress, cx)) < IDLE_CHECKS => {
                Poll::Pending
            }
            _ => Poll::Ready(()),
        })
        .await;
    }
}

/// Notices that a connection has got nowhere for a while.
struct IdleCheck {
    period: Duration,
    timer: Pin<Box<Sleep>>,
    armed: bool,
    /// How far it was at the last look, and how many looks that has not changed for.
    seen: u32,
    quiet: u32,
}

impl IdleCheck {
    fn new(idle_timeout: Duration) -> Self {
        let period = idle_timeout / IDLE_CHECKS;
        Self { period, timer: Box::pin(tokio::time::sleep(period)), armed: false, seen: 0, quiet: 0 }
    }

    /// How many looks there has been no progress for.
    fn quiet(&mut self, progress: &Progress, cx: &mut Context<'_>) -> u32 {
        if self.armed {
            if !self.timer.is_elapsed() {
                return self.quiet;
            }
            let steps = progress.steps();
            self.quiet = if steps == self.seen { self.quiet + 1 } else { 0 };
            self.seen = steps;
            self.timer.as_mut().reset(Instant::now() + self.period);
        }
        // It is polled once per period, as the signal above.
        self.armed = self.timer.as_mut().poll(cx).is_pending();
        self.quiet
    }
}

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
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::progress::{Noted, Progress};
use super::{MAX_BUFFER, MAX_REQUEST_HEAD};

/// After a failed `accept` (most likely no file descriptor is left) it waits this long, instead of spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How often a connection looks whether it gets anywhere: so many times within the idle timeout. A timer per connection that
/// seldom fires is cheaper than one that each request moves.
const IDLE_CHECKS: u32 = 5;

/// What answers a server's requests.
pub(crate) trait Handler: Send + Sync + 'static {
    type Body: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static;

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
        listener.set_nonblocking(true)?;
        let _context = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let drain = Arc::new(Drain::default());
        let accepting = runtime.spawn(accept(listener, idle_timeout, handler, drain.clone()));
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

async fn accept<H: Handler>(
    listener: tokio::net::TcpListener,
    idle_timeout: Option<Duration>,
    handler: Arc<H>,
    drain: Arc<Drain>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = drain.wait() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(serve(stream, peer.ip(), idle_timeout, handler.clone(), drain.clone()));
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
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("failed to set TCP_NODELAY: {error}");
    }
    let progress = Arc::new(Progress::default());
    let noted = progress.clone();
    let service = service_fn(move |request| {
        let in_hand = noted.begin();
        let handler = handler.clone();
        async move {
            let _in_hand = in_hand;
            handler.handle(request, peer).await
        }
    });
    let stream = Noted::new(TokioIo::new(stream), progress.clone());
    // The header timeout would be a timer per request; what is idle or stuck is closed below.
    let mut server = http1::Builder::new();
    server.header_read_timeout(None).max_header_size(MAX_REQUEST_HEAD).max_buf_size(MAX_BUFFER);
    let mut connection = pin!(server.serve_connection(stream, service));
    let mut drained = pin!(drain.waiting.notified());
    let mut idle = idle_timeout.map(IdleCheck::new);

    let mut waiting = false;
    let mut closing = false;
    let outcome = std::future::poll_fn(|cx| {
        // The connection comes first: a request that has arrived is answered, even if the signal has too.
        if let Poll::Ready(outcome) = connection.as_mut().poll(cx) {
            return Poll::Ready(outcome);
        }
        if !waiting {
            // Polling once is enough: a task's waker stays the same.
            waiting = true;
            let _ = drained.as_mut().poll(cx);
        }
        let quiet = idle.as_mut().map_or(0, |idle| idle.quiet(&progress, cx));
        if quiet > IDLE_CHECKS {
            // Half of a head, a body that stalls or an answer that nobody reads: Envoy's `stream_idle_timeout`.
            return Poll::Ready(Ok(()));
        }
        if !closing && (drain.is_started() || quiet == IDLE_CHECKS) {
            closing = true;
            connection.as_mut().graceful_shutdown();
            return connection.as_mut().poll(cx);
        }
        Poll::Pending
    })
    .await;
    if let Err(error) = outcome {
        tracing::trace!("connection from {peer} ended: {error}");
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

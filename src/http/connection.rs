//! One keep-alive connection to an endpoint, driven by whoever waits for its response instead of by a task of its own.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Waker};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::body::Body;
use super::pool::PoolCounters;
use super::small_writes::SmallWrites;
use super::{MAX_BUFFER, MAX_RESPONSE_HEAD};

/// Envoy's default `connect_timeout`: a machine that is gone answers nothing at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

type Driver = http1::Connection<SmallWrites<TokioIo<TcpStream>>, Body>;

/// A connection that stands, and is counted.
pub(crate) type Dialed = (TcpStream, Counted);

/// Connects. If what is sent there is dropped, that fails after `dropped_for`, without being tried.
pub(super) async fn dial(
    address: SocketAddr,
    counters: Arc<PoolCounters>,
    dropped_for: Option<Duration>,
) -> io::Result<Dialed> {
    let counted = Counted::new(counters);
    if let Some(limit) = dropped_for {
        tokio::time::sleep(limit).await;
        return Err(io::ErrorKind::TimedOut.into());
    }
    let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await??;
    stream.set_nodelay(true)?;
    Ok((stream, counted))
}

pub(super) struct Connection {
    sender: SendRequest<Body>,
    /// The part that reads and writes the socket; `None` when the connection is closed. It is boxed, since connections
    /// move a lot.
    driver: Option<Box<Driver>>,
    /// When it was last given back to its pool.
    idle_since: Instant,
    counted: Counted,
}

impl Connection {
    /// Takes a new connection for HTTP/1.1.
    pub(super) async fn new((stream, counted): Dialed) -> io::Result<Self> {
        let (sender, driver) = http1::Builder::new()
            .max_header_size(MAX_RESPONSE_HEAD)
            .max_buf_size(MAX_BUFFER)
            .handshake(SmallWrites(TokioIo::new(stream)))
            .await
            .map_err(io::Error::other)?;
        Ok(Self { sender, driver: Some(Box::new(driver)), idle_since: Instant::now(), counted })
    }

    /// Sends a request and waits for the head of its response. A request that never left is in the error.
    pub(super) async fn send(
        &mut self,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Body>>> {
        self.counted.set_busy(true);
        // Not limited by tokio's cooperative budget: the answer comes from the driver, which is polled just before it
        // and is what wakes this task. A refused poll would wait for a wake-up that nobody sends.
        let mut response = pin!(tokio::task::coop::unconstrained(self.sender.try_send_request(request)));
        let driver = &mut self.driver;
        std::future::poll_fn(|cx| {
            drive(driver, cx);
            response.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        })
        .await
    }

    /// Reads and writes as much as is possible now.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        drive(&mut self.driver, cx);
    }

    /// Notes that its request is done.
    pub(super) fn rest(&mut self) {
        self.counted.set_busy(false);
        self.idle_since = Instant::now();
    }

    /// How long no request has been on it.
    pub(super) fn has_rested(&self) -> Duration {
        self.idle_since.elapsed()
    }

    /// Whether it could take another request: the last exchange is complete on both sides, and nobody has closed it.
    pub(super) fn is_reusable(&self) -> bool {
        self.driver.is_some() && self.sender.is_ready()
    }
}

/// Closes by dropping the driver: only then does a request that is still queued come back to its sender.
fn drive(driver: &mut Option<Box<Driver>>, cx: &mut Context<'_>) {
    if let Some(connection) = driver
        && Pin::new(connection).poll(cx).is_ready()
    {
        *driver = None;
    }
}

/// A connection in Envoy's counters, from the attempt to connect on.
pub(crate) struct Counted {
    counters: Arc<PoolCounters>,
    is_busy: bool,
}

impl Counted {
    fn new(counters: Arc<PoolCounters>) -> Self {
        counters.opened.fetch_add(1, Relaxed);
        counters.active.fetch_add(1, Relaxed);
        Self { counters, is_busy: false }
    }

    fn set_busy(&mut self, is_busy: bool) {
        match (self.is_busy, is_busy) {
            (false, true) => self.counters.busy.fetch_add(1, Relaxed),
            (true, false) => self.counters.busy.fetch_sub(1, Relaxed),
            _ => return,
        };
        self.is_busy = is_busy;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.set_busy(false);
        self.counters.active.fetch_sub(1, Relaxed);
    }
}

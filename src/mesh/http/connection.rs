//! One keep-alive connection to an endpoint, driven by whoever waits for its response instead of by a task of its own.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Waker};

use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::body::Body;
use super::pool::ConnectionCounters;

type Driver = http1::Connection<TokioIo<TcpStream>, Body>;

pub(super) struct Connection {
    sender: SendRequest<Body>,
    /// What reads and writes the socket. `None`: the connection is closed. Boxed, since connections move a lot.
    driver: Option<Box<Driver>>,
    /// When it was last given back to its pool.
    pub(super) idle_since: Instant,
    counters: Arc<ConnectionCounters>,
}

impl Connection {
    pub(super) async fn open(address: SocketAddr, counters: Arc<ConnectionCounters>) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        counters.opened.fetch_add(1, Relaxed);
        counters.active.fetch_add(1, Relaxed);
        Ok(Self { sender, driver: Some(Box::new(driver)), idle_since: Instant::now(), counters })
    }

    /// Sends a request and waits for the head of its response. A request that never left is in the error.
    pub(super) async fn send(
        &mut self,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Body>>> {
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

    /// Reads and writes what can be now.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        drive(&mut self.driver, cx);
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

impl Drop for Connection {
    fn drop(&mut self) {
        self.counters.active.fetch_sub(1, Relaxed);
    }
}

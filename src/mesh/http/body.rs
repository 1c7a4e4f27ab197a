//! The one body type of the mesh: what passes through is never copied, and only what may have to be sent twice is kept.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

use super::connection::Connection;
use super::pool::Pool;

/// Request bodies up to this size are read before they are sent, so that a retry can send them again. Envoy keeps up
/// to its connection buffer limit, 1 MiB; a request that needs more than this here is sent once.
const REPLAY_LIMIT: u64 = 64 * 1024;

/// The body of a request or a response.
pub(in crate::mesh) enum Body {
    /// All of it. Empty, an answer of our own, or a request's body that may have to be sent again.
    Whole(Bytes),
    /// A request's body, passed on as it comes.
    Streamed(Incoming),
    /// A response's body and the connection it comes from.
    Response(ResponseBody),
}

/// Why a body broke off.
#[derive(Debug, thiserror::Error)]
pub(in crate::mesh) enum BodyError {
    #[error(transparent)]
    Http(#[from] hyper::Error),
    #[error("the response was not complete in time")]
    Timeout,
}

impl Body {
    /// A request's body, such that it can be sent again if it is small.
    pub(in crate::mesh) async fn replayable(incoming: Incoming) -> Result<Self, hyper::Error> {
        if incoming.is_end_stream() {
            return Ok(Self::Whole(Bytes::new()));
        }
        match incoming.size_hint().upper() {
            Some(size) if size <= REPLAY_LIMIT => Ok(Self::Whole(incoming.collect().await?.to_bytes())),
            _ => Ok(Self::Streamed(incoming)),
        }
    }

    /// The same body once more, if it is kept.
    pub(in crate::mesh) fn replay(&self) -> Option<Self> {
        match self {
            Self::Whole(bytes) => Some(Self::Whole(bytes.clone())),
            Self::Streamed(_) | Self::Response(_) => None,
        }
    }

    pub(super) fn response(incoming: Incoming, connection: Connection, pool: Arc<Pool>) -> Self {
        let mut body = ResponseBody { incoming, source: Some((connection, pool)), deadline: None, timer: None };
        if body.incoming.is_end_stream() {
            body.release();
            return Self::Whole(Bytes::new());
        }
        Self::Response(body)
    }

    /// A response must be complete by then, or it breaks off.
    pub(in crate::mesh) fn set_deadline(&mut self, deadline: Instant) {
        if let Self::Response(body) = self {
            body.deadline = Some(deadline);
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole(_) => "Whole",
            Self::Streamed(_) => "Streamed",
            Self::Response(_) => "Response",
        })
    }
}

/// Reads a response from its upstream connection, and gives the connection back to the pool with the last byte.
/// Dropped before that, it closes the connection.
pub(in crate::mesh) struct ResponseBody {
    incoming: Incoming,
    source: Option<(Connection, Arc<Pool>)>,
    deadline: Option<Instant>,
    /// Made when the body is waited for, which most bodies are not: they come in one piece with the head.
    timer: Option<Pin<Box<Sleep>>>,
}

impl ResponseBody {
    fn release(&mut self) {
        if let Some((connection, pool)) = self.source.take() {
            pool.release(connection);
        }
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        // Only the connection fills `incoming`, and only here: whoever wakes the connection wakes this body.
        let polled = Pin::new(&mut self.incoming).poll_frame(&mut Context::from_waker(Waker::noop()));
        match &mut self.source {
            Some((connection, _)) if polled.is_pending() => {
                connection.drive(cx);
                Pin::new(&mut self.incoming).poll_frame(&mut Context::from_waker(Waker::noop()))
            }
            _ => polled,
        }
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.deadline {
            Some(deadline) => {
                self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline))).as_mut().poll(cx)
            }
            None => Poll::Pending,
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.poll_incoming(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if self.incoming.is_end_stream() {
                    self.release();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.source = None;
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Ready(None) => {
                self.release();
                Poll::Ready(None)
            }
            Poll::Pending => self.poll_timer(cx).map(|()| {
                self.source = None;
                Some(Err(BodyError::Timeout))
            }),
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Streamed(incoming) => Pin::new(incoming).poll_frame(cx).map_err(BodyError::from),
            Self::Response(body) => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Streamed(incoming) => incoming.is_end_stream(),
            Self::Response(body) => body.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Streamed(incoming) => incoming.size_hint(),
            Self::Response(body) => body.incoming.size_hint(),
        }
    }
}

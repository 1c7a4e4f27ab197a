//! The body type of servers and proxies: what passes through is never copied, and only what may be sent twice is kept.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep};

use super::connection::Connection;
use super::multiplexed::Stream;
use super::pool::{HttpVersion, Pool, PoolCounters};
use super::replay::Replay;
use super::tunnel::Switched;

/// The size up to which request bodies are read before they are sent, so that a retry can send them again; a larger one is
/// sent once. It is Envoy's connection buffer limit.
pub(super) const REPLAY_LIMIT: usize = 1024 * 1024;

/// The body of a request or a response.
pub(crate) enum Body {
    /// The whole of a body that is empty, an answer of our own, or a request's that may have to be sent again.
    Whole(Bytes),
    /// A request's body, passed on as it comes.
    Streamed(RequestBody),
    /// The same, kept as far as it can be, so that it can be sent again.
    Kept(Replay),
    /// A response's body and the connection it comes from.
    Response(Box<ResponseBody>),
    /// That of a switch of protocols, which has none: the connection that goes on in the new one.
    Switched(Box<Switched>),
}

/// Why a body broke off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error(transparent)]
    Http(#[from] hyper::Error),
    #[error("the response was not complete in time")]
    Timeout,
    #[error("the request is sent to another host")]
    SentAgain,
    #[error("the stream was reset before its end")]
    Reset,
}

/// What hyper has of a body. It takes a stream of HTTP/2 that was reset without an error (`NO_ERROR`, as Envoy resets them) for one
/// that has ended.
pub(super) fn whole(
    frame: Option<Result<Frame<Bytes>, hyper::Error>>,
    incoming: &Incoming,
    version: HttpVersion,
) -> Option<Result<Frame<Bytes>, BodyError>> {
    match frame {
        None if version == HttpVersion::Http2 && !incoming.is_end_stream() => Some(Err(BodyError::Reset)),
        frame => frame.map(|frame| frame.map_err(BodyError::from)),
    }
}

impl Body {
    /// Takes the body of a request of HTTP/1, so that a small one can be sent again. A large one comes with a signal of its end.
    pub(crate) async fn replayable(mut incoming: Incoming) -> Result<(Self, Option<Ended>), hyper::Error> {
        let mut read = BytesMut::new();
        while !incoming.is_end_stream() {
            if incoming.size_hint().lower() as usize + read.len() > REPLAY_LIMIT {
                let (body, ended) = RequestBody::new(read.freeze(), incoming, HttpVersion::Http1);
                return Ok((Self::Streamed(body), Some(ended)));
            }
            match incoming.frame().await.transpose()? {
                // Trailers end here, as in Envoy's HTTP/1 codec unless it is told otherwise.
                Some(frame) => read.extend_from_slice(&frame.into_data().unwrap_or_default()),
                None => break,
            }
        }
        Ok((Self::Whole(read.freeze()), None))
    }

    /// Takes a request's body as it comes, with a signal of its end.
    pub(crate) fn streamed(incoming: Incoming, version: HttpVersion) -> (Self, Option<Ended>) {
        if incoming.is_end_stream() {
            return (Self::Whole(Bytes::new()), None);
        }
        let (body, ended) = RequestBody::new(Bytes::new(), incoming, version);
        (Self::Streamed(body), Some(ended))
    }

    /// Takes the body of a request of HTTP/2 as it comes, and keeps it meanwhile, with a signal of its end.
    pub(crate) fn kept(incoming: Incoming) -> (Self, Option<Ended>) {
        if incoming.is_end_stream() {
            return (Self::Whole(Bytes::new()), None);
        }
        let (body, ended) = Replay::new(incoming);
        (Self::Kept(body), Some(ended))
    }

    /// A copy of the body to be sent again, if it is kept.
    pub(crate) fn replay(&self) -> Option<Self> {
        match self {
            Self::Whole(bytes) => Some(Self::Whole(bytes.clone())),
            Self::Kept(body) => Some(Self::Kept(body.again())),
            Self::Streamed(_) | Self::Response(_) | Self::Switched(_) => None,
        }
    }

    /// Begins to send what [`Self::replay`] has given, instead of what it was a copy of. False: not all of it is kept.
    pub(crate) fn begin_again(&self) -> bool {
        match self {
            Self::Kept(body) => body.begin(),
            Self::Whole(_) | Self::Streamed(_) | Self::Response(_) | Self::Switched(_) => true,
        }
    }

    /// The body of a response that has a connection to itself.
    pub(super) fn response(incoming: Incoming, connection: Connection, pool: Arc<Pool>) -> Self {
        Self::of(incoming, HttpVersion::Http1, Source::Connection(connection, pool))
    }

    /// The body of a response whose connection somebody else drives.
    pub(super) fn stream(incoming: Incoming, version: HttpVersion, stream: Stream) -> Self {
        Self::of(incoming, version, Source::Stream(stream))
    }

    fn of(incoming: Incoming, version: HttpVersion, source: Source) -> Self {
        let mut body = ResponseBody {
            incoming,
            version,
            source,
            deadline: None,
            has_begun: false,
            timer: None,
            failure: None,
            counted: None,
        };
        if body.incoming.is_end_stream() {
            body.release();
            return Self::Whole(Bytes::new());
        }
        Self::Response(Box::new(body))
    }

    /// The connection that goes on in another protocol, if it does.
    pub(super) fn take_switched(&mut self) -> Option<Box<Switched>> {
        match std::mem::replace(self, Self::Whole(Bytes::new())) {
            Self::Switched(switched) => Some(switched),
            other => {
                *self = other;
                None
            }
        }
    }

    /// How many bytes of it pass.
    pub(crate) fn size(&self) -> BodySize {
        match self {
            Self::Whole(bytes) => BodySize::Known(bytes.len() as u64),
            Self::Streamed(body) => BodySize::Counted(Arc::clone(&body.passed)),
            Self::Kept(body) => BodySize::Counted(body.passed()),
            Self::Response(_) | Self::Switched(_) => BodySize::Known(0),
        }
    }

    /// Calls `end` with the bytes that have passed when a response has been passed on, or is given up.
    pub(crate) fn on_end(&mut self, end: impl FnOnce(u64) + Send + 'static) {
        match self {
            Self::Whole(bytes) => end(bytes.len() as u64),
            Self::Streamed(_) | Self::Kept(_) | Self::Switched(_) => end(self.size().get()),
            Self::Response(body) => body.counted = Some(Counted { bytes: 0, end: Some(Box::new(end)) }),
        }
    }

    /// Sets when a response must be complete, if there is such a time; otherwise it breaks off.
    pub(crate) fn set_deadline(&mut self, deadline: Option<Instant>) {
        if let Self::Response(body) = self {
            body.deadline = deadline;
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body")
    }
}

/// A signal that completes when a request's body has been read to its end, or is given up.
pub(crate) type Ended = oneshot::Receiver<()>;

/// The size of a body, which may be on its way still.
pub(crate) enum BodySize {
    Known(u64),
    Counted(Arc<AtomicU64>),
}

impl BodySize {
    /// In bytes, as far as they have passed.
    pub(crate) fn get(&self) -> u64 {
        match self {
            Self::Known(bytes) => *bytes,
            Self::Counted(passed) => passed.load(Relaxed),
        }
    }
}

/// Tells at its end how many bytes have passed.
struct Counted {
    bytes: u64,
    end: Option<Box<dyn FnOnce(u64) + Send>>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            end(self.bytes);
        }
    }
}

/// The body of a request on its way upstream.
pub(crate) struct RequestBody {
    passed: Arc<AtomicU64>,
    /// The beginning, which has been read already.
    read: Bytes,
    incoming: Incoming,
    version: HttpVersion,
    /// The signal of the body's end, which is given by dropping it.
    end: Option<oneshot::Sender<()>>,
}

impl RequestBody {
    fn new(read: Bytes, incoming: Incoming, version: HttpVersion) -> (Self, Ended) {
        let (end, ended) = oneshot::channel();
        (Self { passed: Arc::default(), read, incoming, version, end: Some(end) }, ended)
    }

    fn is_end_stream(&self) -> bool {
        self.read.is_empty() && self.incoming.is_end_stream()
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = if self.read.is_empty() {
            let polled = Pin::new(&mut self.incoming).poll_frame(cx);
            polled.map(|frame| whole(frame, &self.incoming, self.version))
        } else {
            Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.read)))))
        };
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.passed.fetch_add(frame.data_ref().map_or(0, Bytes::len) as u64, Relaxed);
        }
        if matches!(polled, Poll::Ready(None)) || self.is_end_stream() {
            self.end = None;
        }
        polled
    }

    fn size_hint(&self) -> SizeHint {
        let (read, rest) = (self.read.len() as u64, self.incoming.size_hint());
        match rest.exact() {
            Some(rest) => SizeHint::with_exact(read + rest),
            None => SizeHint::default(),
        }
    }
}

/// Where a response comes from.
enum Source {
    /// A connection of its own, which goes back to the pool with the last byte. If the body is dropped before that, the connection
    /// is closed.
    Connection(Connection, Arc<Pool>),
    /// A stream of a shared connection.
    Stream(Stream),
    /// It has been read, or has broken off.
    Done,
}

impl Source {
    fn counters(&self) -> Option<&PoolCounters> {
        match self {
            Self::Connection(_, pool) => Some(&pool.counters),
            Self::Stream(stream) => Some(stream.counters()),
            Self::Done => None,
        }
    }
}

/// The body of a response, read from its upstream connection.
pub(crate) struct ResponseBody {
    incoming: Incoming,
    version: HttpVersion,
    source: Source,
    deadline: Option<Instant>,
    /// Whether a part of it has been passed on.
    has_begun: bool,
    /// The timer of the deadline, made when the body is waited for. Most bodies are not: they come in one piece with the
    /// head.
    timer: Option<Pin<Box<Sleep>>>,
    /// The error that the body breaks off with, once all that came before it has been passed on.
    failure: Option<BodyError>,
    /// Who is told of its size.
    counted: Option<Counted>,
}

impl ResponseBody {
    fn release(&mut self) {
        if let Source::Connection(connection, pool) = std::mem::replace(&mut self.source, Source::Done) {
            pool.release(connection);
        }
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Source::Connection(connection, _) = &mut self.source else {
            return Pin::new(&mut self.incoming).poll_frame(cx);
        };
        // Only the connection fills `incoming`, and only here: whoever wakes the connection wakes this body.
        let mut polled = Pin::new(&mut self.incoming).poll_frame(&mut Context::from_waker(Waker::noop()));
        if polled.is_pending() {
            connection.drive(cx);
            polled = Pin::new(&mut self.incoming).poll_frame(&mut Context::from_waker(Waker::noop()));
        }
        match polled {
            // HTTP/1's trailers end here, as in Envoy's codec unless it is told otherwise.
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => Poll::Ready(None),
            polled => polled,
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
        if let Some(failure) = self.failure.take() {
            return Poll::Ready(Some(Err(failure)));
        }
        if self.has_begun && self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            // It comes so fast that it is never waited for.
            return Poll::Ready(Some(Err(self.time_out())));
        }
        let polled = self.poll_incoming(cx).map(|frame| whole(frame, &self.incoming, self.version));
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.has_begun = true;
                if let Some(counted) = &mut self.counted {
                    counted.bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
                }
                if self.incoming.is_end_stream() {
                    self.release();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                // First pending, then the error: hyper flushes what it has on the former, and would drop it on the latter.
                self.source = Source::Done;
                self.failure = Some(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(None) => {
                self.release();
                Poll::Ready(None)
            }
            Poll::Pending => self.poll_timer(cx).map(|()| Some(Err(self.time_out()))),
        }
    }

    fn time_out(&mut self) -> BodyError {
        if let Some(counters) = self.source.counters() {
            counters.timed_out.fetch_add(1, Relaxed);
        }
        self.source = Source::Done;
        BodyError::Timeout
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Streamed(body) => body.poll_frame(cx),
            Self::Kept(body) => body.poll_frame(cx),
            Self::Response(body) => body.poll_frame(cx),
            Self::Switched(_) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Streamed(body) => body.is_end_stream(),
            Self::Kept(body) => body.is_end_stream(),
            Self::Switched(_) => true,
            Self::Response(body) => body.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Streamed(body) => body.size_hint(),
            Self::Kept(body) => body.size_hint(),
            Self::Switched(_) => SizeHint::with_exact(0),
            Self::Response(body) => body.incoming.size_hint(),
        }
    }
}

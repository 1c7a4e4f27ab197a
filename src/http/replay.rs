//! The body of an HTTP/2 request, passed on as it comes and kept meanwhile, so that a retry can send it again: with gRPC's streams
//! the answer may begin before the request has ended, so that it cannot be read first.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::HeaderMap;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::body::{BodyError, Ended, REPLAY_LIMIT, whole};
use super::pool::HttpVersion;

/// One sending of a request's body. Only the newest one gets anything.
pub(crate) struct Replay {
    kept: Arc<Mutex<Kept>>,
    number: u32,
    /// How many of the kept pieces have been sent.
    sent: usize,
    has_ended: bool,
}

struct Kept {
    incoming: Incoming,
    /// The number of the newest sending.
    newest: u32,
    pieces: Vec<Bytes>,
    length: usize,
    /// More has come than is kept: nothing is from then on.
    is_too_long: bool,
    trailers: Option<HeaderMap>,
    is_complete: bool,
    /// The bytes that have come.
    passed: Arc<AtomicU64>,
    /// The signal of the body's end, which is given by dropping it.
    end: Option<oneshot::Sender<()>>,
    /// That of the newest sending, while it waits for more.
    waiting: Option<Waker>,
}

impl Replay {
    /// The first sending of a body, with a signal of its end.
    pub(super) fn new(incoming: Incoming) -> (Self, Ended) {
        let (end, ended) = oneshot::channel();
        let kept = Kept {
            incoming,
            newest: 0,
            pieces: Vec::new(),
            length: 0,
            is_too_long: false,
            trailers: None,
            is_complete: false,
            passed: Arc::default(),
            end: Some(end),
            waiting: None,
        };
        (Self { kept: Arc::new(Mutex::new(kept)), number: 0, sent: 0, has_ended: false }, ended)
    }

    /// Another sending, from the start, which [`Self::begin`] begins.
    pub(super) fn again(&self) -> Self {
        Self { kept: self.kept.clone(), number: self.number + 1, sent: 0, has_ended: false }
    }

    /// Ends the sending before. False: not all of the body is kept, and that one goes on.
    pub(super) fn begin(&self) -> bool {
        let mut kept = self.kept.lock();
        if kept.is_too_long {
            return false;
        }
        kept.newest = self.number;
        if let Some(before) = kept.waiting.take() {
            before.wake();
        }
        true
    }

    pub(super) fn passed(&self) -> Arc<AtomicU64> {
        self.kept.lock().passed.clone()
    }

    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut kept = self.kept.lock();
        if kept.newest != self.number {
            return Poll::Ready(Some(Err(BodyError::SentAgain)));
        }
        if let Some(piece) = kept.pieces.get(self.sent) {
            let piece = piece.clone();
            self.sent += 1;
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if !kept.is_complete
            && let Some(frame) = ready!(kept.poll_incoming(cx))
        {
            return match frame {
                Ok(frame) => {
                    self.sent += usize::from(!kept.is_too_long && frame.is_data());
                    self.has_ended = frame.is_trailers();
                    Poll::Ready(Some(Ok(frame)))
                }
                Err(error) => Poll::Ready(Some(Err(error))),
            };
        }
        let trailers = if self.has_ended { None } else { kept.trailers.clone() };
        self.has_ended = true;
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }

    pub(super) fn is_end_stream(&self) -> bool {
        let kept = self.kept.lock();
        let has_all = kept.is_complete || kept.incoming.is_end_stream();
        self.has_ended || (has_all && kept.trailers.is_none() && self.sent >= kept.pieces.len())
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        let kept = self.kept.lock();
        if kept.is_too_long {
            return SizeHint::default();
        }
        let unsent: usize = kept.pieces[self.sent.min(kept.pieces.len())..].iter().map(Bytes::len).sum();
        match kept.incoming.size_hint().exact() {
            Some(rest) => SizeHint::with_exact(unsent as u64 + rest),
            None => SizeHint::default(),
        }
    }
}

impl Kept {
    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(polled) = Pin::new(&mut self.incoming).poll_frame(cx) else {
            self.waiting = Some(cx.waker().clone());
            return Poll::Pending;
        };
        let polled = whole(polled, &self.incoming, HttpVersion::Http2);
        if let Some(Ok(frame)) = &polled {
            if let Some(data) = frame.data_ref() {
                self.keep(data);
            }
            self.trailers = frame.trailers_ref().cloned();
        }
        if polled.is_none() || self.trailers.is_some() || self.incoming.is_end_stream() {
            self.is_complete = true;
            self.end = None;
        }
        Poll::Ready(polled)
    }

    fn keep(&mut self, data: &Bytes) {
        self.passed.fetch_add(data.len() as u64, Relaxed);
        self.length += data.len();
        if self.length > REPLAY_LIMIT {
            self.is_too_long = true;
            self.pieces = Vec::new();
        } else {
            self.pieces.push(data.clone());
        }
    }
}

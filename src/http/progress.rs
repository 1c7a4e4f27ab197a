//! Whether a connection gets anywhere: a client that says nothing, sends its head a byte a minute or stops reading holds it
//! otherwise for ever.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use hyper::body::{Body, Frame, SizeHint};
use hyper::rt::{Read, ReadBufCursor, Write};

/// How far a connection is. A step is no read-modify-write operation: where two tasks make one at once, it has changed all the same.
#[derive(Default)]
pub(super) struct Progress {
    steps: AtomicU32,
    /// Requests that are being handled. What comes while there is none is the head of one, which is no progress until it is whole.
    in_hand: AtomicU32,
}

impl Progress {
    /// A number that changes whenever there is progress.
    pub(super) fn steps(&self) -> u32 {
        self.steps.load(Relaxed)
    }

    fn step(&self) {
        self.steps.store(self.steps().wrapping_add(1), Relaxed);
    }

    /// A request is handled from now on, until the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> InHand {
        self.step();
        self.in_hand.fetch_add(1, Relaxed);
        InHand(Arc::clone(self))
    }
}

pub(super) struct InHand(Arc<Progress>);

impl InHand {
    /// A request is handled until its response has gone: what its client still sends meanwhile is progress, too.
    pub(super) fn until_end_of<B>(self, body: B) -> Held<B> {
        Held { body, _in_hand: self }
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.0.step();
        self.0.in_hand.fetch_sub(1, Relaxed);
    }
}

/// The body of a response, with the guard of its request.
pub(super) struct Held<B> {
    body: B,
    _in_hand: InHand,
}

impl<B: Body + Unpin> Body for Held<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that notes the bytes that come and go.
pub(crate) struct Noted<T> {
    stream: T,
    progress: Arc<Progress>,
}

impl<T> Noted<T> {
    pub(super) fn new(stream: T, progress: Arc<Progress>) -> Self {
        Self { stream, progress }
    }

    fn wrote(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.progress.step();
        }
        written
    }
}

impl<T: Read + Unpin> Read for Noted<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_ready() && self.progress.in_hand.load(Relaxed) > 0 {
            self.progress.step();
        }
        read
    }
}

impl<T: Write + Unpin> Write for Noted<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, buffers);
        self.wrote(written)
    }
}

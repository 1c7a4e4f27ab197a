//! Writes of a few small pieces, a head and a short body, as one piece: copying them costs less than having the kernel gather them.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};

/// The most bytes that are put together.
const SMALL: usize = 1024;

/// A stream with such writes.
pub(super) struct SmallWrites<T>(pub(super) T);

impl<T: Read + Unpin> Read for SmallWrites<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<T: Write + Unpin> Write for SmallWrites<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut together = [0; SMALL];
        let mut length = 0;
        for buffer in buffers {
            let end = length + buffer.len();
            let Some(place) = together.get_mut(length..end) else {
                return Pin::new(&mut self.0).poll_write_vectored(cx, buffers);
            };
            place.copy_from_slice(buffer);
            length = end;
        }
        Pin::new(&mut self.0).poll_write(cx, &together[..length])
    }
}

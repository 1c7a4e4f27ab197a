//! The time limit of a request.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};

use crate::http::Ended;

/// Does `work` within the per-request timeout from the end of the request on, which is when Envoy's route timeout begins: all attempts
/// together have that long. Returns its result, and when the response has to be complete.
///
/// It borrows the work, which takes kilobytes: who takes a future by value holds it twice, and copies it.
pub(super) async fn in_time<T>(
    ended: Option<Ended>,
    timeout: Option<Duration>,
    mut work: Pin<&mut impl Future<Output = T>>,
) -> (Result<T, Elapsed>, Option<Instant>) {
    let Some(timeout) = timeout else { return (Ok(work.await), None) };
    if let Some(ended) = ended {
        tokio::select! {
            biased;
            // The answer came before the whole request was there.
            done = &mut work => return (Ok(done), Some(Instant::now() + timeout)),
            _ = ended => {}
        }
    }
    let deadline = Instant::now() + timeout;
    (timeout_at(deadline, work).await, Some(deadline))
}

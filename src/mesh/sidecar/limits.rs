//! The time limits of Service Connect: defaults for HTTP (`ServiceConnectService.timeout`, ECS API Reference).

use std::pin::pin;
use std::time::Duration;

use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};

use crate::http::Ended;

/// The per-request timeout. All attempts together have this long from the end of the request on, as with Envoy's route
/// timeout.
pub(in crate::mesh) const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// The idle timeout.
pub(in crate::mesh) const IDLE_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// Does `work` within [`REQUEST_TIMEOUT`] of the end of the request, which is when Envoy's route timeout begins. Returns
/// its result, and when the response has to be complete.
pub(super) async fn in_time<T>(ended: Option<Ended>, work: impl Future<Output = T>) -> (Result<T, Elapsed>, Instant) {
    let mut work = pin!(work);
    if let Some(ended) = ended {
        tokio::select! {
            biased;
            // The answer came before the whole request was there.
            done = &mut work => return (Ok(done), Instant::now() + REQUEST_TIMEOUT),
            _ = ended => {}
        }
    }
    let deadline = Instant::now() + REQUEST_TIMEOUT;
    (timeout_at(deadline, work).await, deadline)
}

//! The time limits of Service Connect.

use std::pin::pin;
use std::time::Duration;

use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};

use crate::http::Ended;

/// "Per request timeout", HTTP, default (ECS API Reference, `ServiceConnectService.timeout`). All attempts together have
/// this long from the end of the request on, as Envoy's route timeout means it.
pub(in crate::mesh) const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// "Idle timeout" for HTTP, default (ECS API Reference, `ServiceConnectService.timeout`).
pub(in crate::mesh) const IDLE_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// Does `work` within [`REQUEST_TIMEOUT`] of the end of the request, which is when Envoy's route timeout begins. Also when
/// the response has to be complete.
pub(super) async fn in_time<T>(ended: Option<Ended>, work: impl Future<Output = T>) -> (Result<T, Elapsed>, Instant) {
    let mut work = pin!(work);
    if let Some(ended) = ended {
        tokio::select! {
            biased;
            // Before the whole request was there.
            done = &mut work => return (Ok(done), Instant::now() + REQUEST_TIMEOUT),
            _ = ended => {}
        }
    }
    let deadline = Instant::now() + REQUEST_TIMEOUT;
    (timeout_at(deadline, work).await, deadline)
}

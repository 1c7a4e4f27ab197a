//! Before traffic is measured: proxies learn of started and stopped tasks some seconds after ECS reports them; Service Connect
//! does not publish how many. A few requests tell whether they have.

use std::time::Duration;

use tokio::time::Instant;

use super::Error;
use crate::events::Event;
use crate::report::numbers::{count, duration, percent};
use crate::stages::{Context, Error as StageError};
use crate::traffic::{RoutingState, Verdict, Verification};

/// How long is waited at most. Outlier detection ejects an endpoint for 30 s at first and for 300 s at most (Envoy,
/// `base_ejection_time` and `max_ejection_time`).
const LIMIT: Duration = Duration::from_secs(60);
const LIMIT_ON_AWS: Duration = Duration::from_secs(300);

/// The requests that tell whether it has settled.
pub(super) const PROBES: u64 = 40;
const BETWEEN_PROBES: Duration = Duration::from_secs(2);

/// How often in a row zone-aware routing must be seen to be on where that alone decides.
const IN_A_ROW: u32 = 5;

/// What the waiting is for, as it is shown.
const WHAT: &str = "traffic to settle";

/// How long is waited at most.
pub(super) fn limit(ctx: &Context) -> Duration {
    let limit = if ctx.clients.is_aws() { LIMIT_ON_AWS } else { LIMIT };
    limit.min(ctx.settings.timeout)
}

/// Sends few requests now and then until they go where they are predicted to, or the limit is reached. `measure` sends so many.
pub(super) async fn settle(
    ctx: &Context,
    measure: impl AsyncFn(u64) -> Result<Verification, Error>,
) -> Result<(), Error> {
    let limit = limit(ctx);
    let (started, mut in_a_row) = (Instant::now(), 0);
    let result = loop {
        let seen = measure(PROBES).await?;
        let is_on = seen.zone_aware_routing.state == RoutingState::On && seen.verdict == Verdict::Pass;
        in_a_row = if is_on { in_a_row + 1 } else { 0 };
        if seen.as_predicted || in_a_row >= IN_A_ROW {
            break Ok(());
        }
        let elapsed = started.elapsed();
        let state = format!(
            "{} same-zone, {} predicted, {}",
            percent(seen.same_zone_share),
            percent(seen.expected.same_zone_share),
            count(seen.errors, "error")
        );
        if elapsed >= limit {
            ctx.events.note(format!(
                "traffic does not go where it is predicted to, even after {}: {state}",
                duration(elapsed)
            ));
            break Ok(());
        }
        ctx.events.send(Event::Waiting { what: WHAT.to_owned(), state, elapsed, usually: None });
        let pause = tokio::time::sleep(BETWEEN_PROBES);
        if ctx.cancel.run_until_cancelled(pause).await.is_none() {
            break Err(StageError::Interrupted.into());
        }
    };
    ctx.events.send(Event::Waited { what: WHAT.to_owned() });
    result
}

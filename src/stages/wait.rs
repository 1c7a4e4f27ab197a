//! The one waiting function. Whoever waits says how to look and what each state means; how often, how long, what is
//! shown meanwhile and how it is interrupted is the same for all.

use std::time::Duration;

use tokio::time::Instant;

use super::{Context, Error, Step};
use crate::aws::ErrorClass;
use crate::report::events::Event;

/// One look at what is waited for.
pub(crate) enum Look<T> {
    Done(T),
    /// Not yet: the state it is in, in AWS's words, and what else a time-out should tell.
    Pending {
        state: String,
        detail: String,
    },
    /// Never: AWS has given up.
    Failed {
        state: String,
        reason: String,
    },
}

impl<T> Look<T> {
    pub(super) fn pending(state: impl Into<String>) -> Self {
        Self::Pending { state: state.into(), detail: String::new() }
    }

    pub(super) fn map<U>(self, done: impl FnOnce(T) -> U) -> Look<U> {
        match self {
            Self::Done(value) => Look::Done(done(value)),
            Self::Pending { state, detail } => Look::Pending { state, detail },
            Self::Failed { state, reason } => Look::Failed { state, reason },
        }
    }
}

/// A fifth of the time waited so far: at most a fifth too late, quick on a quick cloud, gentle on AWS.
fn interval(waited: Duration) -> Duration {
    (waited / 5).clamp(Duration::from_millis(50), Duration::from_secs(10))
}

/// Looks until it is done, at most for the settings' timeout.
pub(super) async fn wait<T>(
    ctx: &Context,
    step: Step,
    what: &str,
    look: impl AsyncFnMut() -> Result<Look<T>, Error>,
) -> Result<T, Error> {
    wait_at_most(ctx, step, what, ctx.settings.timeout, look).await
}

pub(super) async fn wait_at_most<T>(
    ctx: &Context,
    step: Step,
    what: &str,
    limit: Duration,
    mut look: impl AsyncFnMut() -> Result<Look<T>, Error>,
) -> Result<T, Error> {
    let started = Instant::now();
    loop {
        let (state, detail) = match look().await {
            Ok(Look::Done(value)) => return Ok(value),
            Ok(Look::Pending { state, detail }) => (state, detail),
            Ok(Look::Failed { state, reason }) => return Err(Error::Failed { what: what.to_owned(), state, reason }),
            // The SDK has tried a few times already; whoever waits has the time to go on trying.
            Err(Error::Cloud(error)) if matches!(error.class, ErrorClass::Throttled | ErrorClass::ServerFault) => {
                (error.message, String::new())
            }
            Err(error) => return Err(error),
        };
        let elapsed = started.elapsed();
        if elapsed >= limit {
            return Err(Error::TimedOut { what: what.to_owned(), limit, state, detail });
        }
        ctx.events.send(Event::Waiting { step, what: what.to_owned(), state, elapsed });
        let pause = interval(elapsed).min(limit - elapsed);
        if ctx.cancel.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return Err(Error::Interrupted);
        }
    }
}

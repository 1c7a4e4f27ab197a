//! The one waiting function. Whoever waits says how to poll and what each state means; how often, how long, what is shown
//! meanwhile and how it is interrupted is the same for all.

use std::time::Duration;

use tokio::time::Instant;

use super::{Context, Error};
use crate::aws::ErrorClass;
use crate::events::Event;
use crate::plan::Step;

/// What one poll of something that is waited for found.
pub(crate) enum Poll<T> {
    Done(T),
    /// It is not done yet: its state, in AWS's words, and what else a time-out should tell.
    Pending {
        state: String,
        detail: String,
    },
    /// It will never be done: AWS has given up.
    Failed {
        state: String,
        reason: String,
    },
}

impl<T> Poll<T> {
    pub(super) fn pending(state: impl Into<String>) -> Self {
        Self::Pending { state: state.into(), detail: String::new() }
    }

    pub(super) fn failed(state: impl ToString, reason: impl Into<String>) -> Self {
        Self::Failed { state: state.to_string(), reason: reason.into() }
    }

    pub(super) fn map<U>(self, done: impl FnOnce(T) -> U) -> Poll<U> {
        match self {
            Self::Done(value) => Poll::Done(done(value)),
            Self::Pending { state, detail } => Poll::Pending { state, detail },
            Self::Failed { state, reason } => Poll::Failed { state, reason },
        }
    }
}

/// The pause before the next poll: a fifth of the time waited so far: at most a fifth too late, quick on a quick cloud, gentle on AWS.
fn interval(waited: Duration) -> Duration {
    (waited / 5).clamp(Duration::from_millis(50), Duration::from_secs(10))
}

/// Polls until it is done, at most for the settings' timeout.
pub(super) async fn wait<T>(
    ctx: &Context,
    step: Step,
    what: &str,
    poll: impl AsyncFnMut() -> Result<Poll<T>, Error>,
) -> Result<T, Error> {
    wait_at_most(ctx, step, what, ctx.settings.timeout, poll).await
}

pub(super) async fn wait_at_most<T>(
    ctx: &Context,
    step: Step,
    what: &str,
    limit: Duration,
    poll: impl AsyncFnMut() -> Result<Poll<T>, Error>,
) -> Result<T, Error> {
    let result = poll_until(ctx, step, what, limit, poll).await;
    ctx.events.send(Event::Waited { what: what.to_owned() });
    result
}

async fn poll_until<T>(
    ctx: &Context,
    step: Step,
    what: &str,
    limit: Duration,
    mut poll: impl AsyncFnMut() -> Result<Poll<T>, Error>,
) -> Result<T, Error> {
    let started = Instant::now();
    loop {
        let (state, detail) = match poll().await {
            Ok(Poll::Done(value)) => return Ok(value),
            Ok(Poll::Pending { state, detail }) => (state, detail),
            Ok(Poll::Failed { state, reason }) => return Err(Error::Failed { what: what.to_owned(), state, reason }),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::{CredentialSource, Target};
    use crate::events::Events;
    use crate::settings::Settings;

    async fn context() -> Context {
        let region = Some("us-east-1".to_owned());
        let target = Target { region, credentials: CredentialSource::Dummy, ..Target::default() };
        let settings = Settings { timeout: Duration::from_secs(60), ..Settings::default() };
        Context::new(target.connect().await.unwrap(), settings, Events::silent(), Default::default())
    }

    #[test]
    fn polls_are_quick_at_first_and_never_rare() {
        let millis = |waited| interval(Duration::from_millis(waited)).as_millis();
        assert_eq!([0, 100, 1_000, 20_000, 600_000].map(millis), [50, 50, 200, 4_000, 10_000]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_out_names_the_last_state_and_comes_after_a_last_look() {
        let (ctx, mut looks, started) = (context().await, 0, Instant::now());
        let waited = wait(&ctx, Step::Services, "service x", async || {
            looks += 1;
            Ok(Poll::<()>::Pending { state: format!("{looks} looks"), detail: "; no room".to_owned() })
        });
        let error = waited.await.unwrap_err().to_string();
        assert_eq!(started.elapsed().as_secs(), 60);
        assert!(looks < 40, "{looks}");
        assert!(
            error
                .starts_with(&format!("timed out after 60 s waiting for service x; last seen: {looks} looks; no room"))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_interruption_ends_a_wait_at_once() {
        let (ctx, started) = (context().await, Instant::now());
        let cancel = ctx.cancel.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(20)).await;
            cancel.cancel();
        });
        let error = wait(&ctx, Step::Services, "x", async || Ok(Poll::<()>::pending("y"))).await.unwrap_err();
        assert!(error.is_interrupted());
        assert_eq!(started.elapsed().as_secs(), 20);
    }

    #[tokio::test(start_paused = true)]
    async fn what_aws_has_given_up_is_not_waited_for() {
        let ctx = context().await;
        let failed = async || Ok(Poll::<()>::failed("FAILED", "no subnet"));
        let error = wait(&ctx, Step::Cluster, "cluster x", failed).await.unwrap_err().to_string();
        assert!(error.starts_with("cluster x has failed (FAILED): no subnet"), "{error}");
    }
}

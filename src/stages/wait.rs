//! The one waiting function. Whoever waits says how to poll and what each state means; how often, how long, what is shown
//! meanwhile and how it is interrupted is the same for all.

use std::time::Duration;

use tokio::time::Instant;

use super::{Context, Error};
use crate::aws::{CloudError, ErrorClass};
use crate::events::Event;

/// What is waited for.
pub(crate) struct Subject {
    what: String,
    /// How long it takes on AWS, if that is known: `2–3 min`.
    usually: Option<&'static str>,
}

impl Subject {
    pub(super) fn usually(self, usually: Option<&'static str>) -> Self {
        Self { usually, ..self }
    }
}

impl<T: Into<String>> From<T> for Subject {
    fn from(what: T) -> Self {
        Self { what: what.into(), usually: None }
    }
}

/// What one look at something that is waited for found.
pub(crate) enum Poll<T> {
    Done(T),
    /// It is not done yet: its state, in words of ours, and what else a time-out should tell, as whole sentences.
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

    /// It is not done yet, and this is why in AWS's words.
    pub(super) fn pending_since(state: impl Into<String>, reason: &str) -> Self {
        Self::Pending { state: state.into(), detail: quoted(reason) }
    }

    /// A state in one of AWS's words, such as `IN_PROGRESS`.
    pub(super) fn pending_in(state: Option<&str>) -> Self {
        Self::pending(state.map_or("not visible yet".to_owned(), in_words))
    }

    /// It is tried again after a refusal that may pass.
    pub(super) fn refused(error: &CloudError) -> Self {
        let state = match error.class {
            ErrorClass::AlreadyExists => "it exists already, and is not visible yet",
            ErrorClass::InUse => "something still uses it, or another change is under way",
            ErrorClass::Throttled => "AWS throttles requests; trying again",
            ErrorClass::ServerFault => "AWS answers with an error of its own; trying again",
            ErrorClass::Unreachable => "AWS does not answer; trying again",
            _ => "AWS does not see yet what it needs; trying again",
        };
        Self::pending_since(state, &error.message)
    }

    pub(super) fn failed(state: impl ToString, reason: impl Into<String>) -> Self {
        Self::Failed { state: in_words(&state.to_string()), reason: reason.into() }
    }

    pub(super) fn map<U>(self, done: impl FnOnce(T) -> U) -> Poll<U> {
        match self {
            Self::Done(value) => Poll::Done(done(value)),
            Self::Pending { state, detail } => Poll::Pending { state, detail },
            Self::Failed { state, reason } => Poll::Failed { state, reason },
        }
    }
}

/// `IN_PROGRESS` as `in progress`.
pub(super) fn in_words(state: &str) -> String {
    state.replace('_', " ").to_lowercase()
}

/// A sentence of AWS's, told as one.
pub(super) fn quoted(sentence: &str) -> String {
    format!("AWS says: “{}”.", sentence.trim().trim_end_matches('.'))
}

/// The pause before the next look: a fifth of the time waited so far: at most a fifth too late, quick on a quick cloud, gentle on AWS.
fn interval(waited: Duration) -> Duration {
    (waited / 5).clamp(Duration::from_millis(50), Duration::from_secs(10))
}

/// Looks until it is done, at most for the settings' timeout.
pub(super) async fn wait<T>(
    ctx: &Context,
    subject: impl Into<Subject>,
    poll: impl AsyncFnMut() -> Result<Poll<T>, Error>,
) -> Result<T, Error> {
    wait_at_most(ctx, subject, ctx.settings.timeout, poll).await
}

pub(super) async fn wait_at_most<T>(
    ctx: &Context,
    subject: impl Into<Subject>,
    limit: Duration,
    poll: impl AsyncFnMut() -> Result<Poll<T>, Error>,
) -> Result<T, Error> {
    let subject = subject.into();
    let result = poll_until(ctx, &subject, limit, poll).await;
    ctx.events.send(Event::Waited { what: subject.what });
    result
}

async fn poll_until<T>(
    ctx: &Context,
    Subject { what, usually }: &Subject,
    limit: Duration,
    mut poll: impl AsyncFnMut() -> Result<Poll<T>, Error>,
) -> Result<T, Error> {
    let started = Instant::now();
    loop {
        let poll = match poll().await {
            // The SDK has tried a few times already; whoever waits has the time to go on trying.
            Err(Error::Cloud(error)) if matches!(error.class, ErrorClass::Throttled | ErrorClass::ServerFault) => {
                Poll::refused(&error)
            }
            polled => polled?,
        };
        let (state, detail) = match poll {
            Poll::Done(value) => return Ok(value),
            Poll::Pending { state, detail } => (state, detail),
            Poll::Failed { state, reason } => return Err(Error::Failed { what: what.clone(), state, reason }),
        };
        let elapsed = started.elapsed();
        if elapsed >= limit {
            return Err(Error::TimedOut { what: what.clone(), limit, state, detail });
        }
        ctx.events.send(Event::Waiting { what: what.clone(), state, elapsed, usually: *usually });
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
        let waited = wait(&ctx, "service x", async || {
            looks += 1;
            Ok(Poll::<()>::pending_since(format!("{looks} looks"), "No room."))
        });
        let error = waited.await.unwrap_err().to_string();
        assert_eq!(started.elapsed().as_secs(), 60);
        assert!(looks < 40, "{looks}");
        let told =
            format!("timed out after 60 s waiting for service x. Last seen: {looks} looks. AWS says: “No room”. ");
        assert!(error.starts_with(&told), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_interruption_ends_a_wait_at_once() {
        let (ctx, started) = (context().await, Instant::now());
        let cancel = ctx.cancel.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(20)).await;
            cancel.cancel();
        });
        let error = wait(&ctx, "x", async || Ok(Poll::<()>::pending("y"))).await.unwrap_err();
        assert!(error.is_interrupted());
        assert_eq!(started.elapsed().as_secs(), 20);
    }

    #[tokio::test(start_paused = true)]
    async fn what_aws_has_given_up_is_not_waited_for() {
        let ctx = context().await;
        let failed = async || Ok(Poll::<()>::failed("FAILED", "No subnet."));
        let error = wait(&ctx, "cluster x", failed).await.unwrap_err().to_string();
        assert!(error.starts_with("cluster x failed (failed): No subnet. Fix that"), "{error}");
    }
}

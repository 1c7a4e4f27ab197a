//! `status --watch`: looks again and again at what runs, until it is interrupted or the time is over.

use std::time::Duration;

use tokio::time::Instant;

use super::Error;
use super::status::{Now, look};
use super::status_text;
use crate::stages::{Context, Error as StageError};

/// How long, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// The time from one look to the next.
    pub interval: Duration,
    /// None: until it is interrupted.
    pub limit: Option<Duration>,
}

/// Gives each look to `on_look`, and the last one at the end. Being interrupted is the usual end.
pub async fn run(ctx: &Context, watch: Watch, on_look: impl Fn(&Now)) -> Result<Now, Error> {
    let ctx = &ctx.with_events(ctx.events.without_findings());
    let started = Instant::now();
    let mut last = None;
    loop {
        let began = Instant::now();
        match (look(ctx).await, last) {
            (Ok(now), _) => {
                on_look(&now);
                last = Some(now);
            }
            (Err(Error::Stage(StageError::Interrupted)), Some(now)) => return Ok(now),
            (Err(error), _) => return Err(error),
        }
        let next = began + watch.interval;
        let end = watch.limit.map(|limit| started + limit);
        let until = end.map_or(next, |end| end.min(next));
        let slept = ctx.cancel.run_until_cancelled(tokio::time::sleep_until(until)).await;
        if let Some(now) = last.take_if(|_| slept.is_none() || end.is_some_and(|end| Instant::now() >= end)) {
            return Ok(now);
        }
    }
}

impl Now {
    /// A line for a log, which differs when something has changed.
    pub fn summary(&self) -> String {
        status_text::summary(self)
    }
}

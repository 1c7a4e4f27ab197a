//! `walkthrough`: the whole article, in its order.

use serde::Serialize;

use super::stats::Stats;
use super::status::Status;
use super::{Error, down, failover, stats, status, up, verify};
use crate::report::events::Event;
use crate::report::outcome::Outcome;
use crate::stages::Context;
use crate::traffic::Verification;
use crate::walkthrough::{Down, Up};

#[derive(Clone, Debug, Serialize)]
pub struct Walkthrough {
    pub up: Up,
    pub status: Status,
    pub verify: Verification,
    pub failover: failover::Failover,
    pub stats: Stats,
    pub down: Down,
}

/// Each part is also told of as it ends. A check that does not hold does not stop the walk; an error does, and what is
/// made then stands.
pub async fn run(ctx: &Context, failover: failover::Options) -> Result<Walkthrough, Error> {
    let up = part(ctx, up::run(ctx).await?, Outcome::Up);
    let status = part(ctx, status::run(ctx).await?, Outcome::Status);
    let verify = part(ctx, verify::run(ctx, failover.verify).await?, Outcome::Verify);
    let failover_done = part(ctx, failover::run(ctx, failover).await?, Outcome::Failover);
    let stats = part(ctx, stats::run(ctx, failover.verify).await?, Outcome::Stats);
    let down = part(ctx, down::run(ctx).await?, Outcome::Down);
    Ok(Walkthrough { up, status, verify, failover: failover_done, stats, down })
}

fn part<T: Clone>(ctx: &Context, result: T, outcome: fn(T) -> Outcome) -> T {
    ctx.events.send(Event::Part { outcome: Box::new(outcome(result.clone())) });
    result
}

//! `walkthrough`: the whole article, in its order.

use std::time::Duration;

use serde::{Serialize, Serializer};
use tokio::time::Instant;

use super::outcome::Outcome;
use super::stats::Stats;
use super::status::Status;
use super::text::verdict_word;
use super::{Error, down, failover, stats, status, up, verify};
use crate::events::Event;
use crate::report::numbers::duration;
use crate::report::page::Page;
use crate::report::table::table;
use crate::stages::Context;
use crate::traffic::{Verdict, Verification};
use crate::walkthrough::{Down, Up};

#[derive(Clone, Debug, Serialize)]
pub struct Walkthrough {
    /// All steps in their order, with what is also in the fields below: the verdict of each.
    pub steps: Vec<Step>,
    pub up: Up,
    pub status: Status,
    pub verify: Verification,
    pub failover: failover::Failover,
    pub stats: Stats,
    pub down: Down,
}

/// What came of a step, and how long it took.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    pub step: &'static str,
    pub verdict: Verdict,
    #[serde(rename = "seconds", serialize_with = "in_seconds")]
    pub time: Duration,
}

fn in_seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    // To the millisecond.
    serializer.serialize_f64((time.as_secs_f64() * 1000.0).round() / 1000.0)
}

const STEPS: [&str; 6] = ["up", "status", "verify", "failover", "stats", "down"];

/// Runs all steps, and gives what comes of each to `on_part` as it ends. A check that does not hold does not end the run; an
/// error does.
pub async fn run(
    ctx: &Context,
    options: failover::Options,
    on_part: impl Fn(&dyn Outcome),
) -> Result<Walkthrough, Error> {
    let mut run = Run { ctx, on_part, steps: vec![] };
    let up = run.step(up::run(ctx)).await?;
    let status = run.step(status::run(ctx)).await?;
    let verify = run.step(verify::run(ctx, options.verify)).await?;
    let failover = run.step(failover::run(ctx, options)).await?;
    let stats = run.step(stats::run(ctx, options.verify.traffic)).await?;
    let down = run.step(down::run(ctx)).await?;
    Ok(Walkthrough { steps: run.steps, up, status, verify, failover, stats, down })
}

struct Run<'c, F> {
    ctx: &'c Context,
    on_part: F,
    /// The steps that have ended.
    steps: Vec<Step>,
}

impl<F: Fn(&dyn Outcome)> Run<'_, F> {
    async fn step<T: Outcome>(&mut self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let (began, step) = (Instant::now(), STEPS[self.steps.len()]);
        let heading = Event::Heading { number: self.steps.len() + 1, of: STEPS.len(), title: step };
        self.ctx.events.send(heading);
        let outcome = work.await?;
        (self.on_part)(&outcome);
        self.steps.push(Step { step, verdict: Verdict::of(outcome.holds()), time: began.elapsed() });
        Ok(outcome)
    }
}

/// The text has only the steps' verdicts and times; what came of them has been shown as they ended.
impl Outcome for Walkthrough {
    fn title(&self) -> &'static str {
        "walkthrough"
    }

    fn text(&self, page: &Page) -> String {
        let mut table = table(page, ["STEP", "VERDICT", "TIME"]);
        for Step { step, verdict, time } in &self.steps {
            table.add_row([(*step).to_owned(), verdict_word(*verdict).to_string(), duration(*time)]);
        }
        table.to_string()
    }

    fn holds(&self) -> bool {
        self.steps.iter().all(|step| step.verdict.passed())
    }

    fn left_nothing(&self) -> bool {
        self.down.leftovers.is_empty()
    }
}

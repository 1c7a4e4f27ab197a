//! `walkthrough`: the whole article, in its order.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use tokio::time::Instant;

use super::failover::Drill;
use super::outcome::Outcome;
use super::stats::Stats;
use super::status::Status;
use super::text::verdict_word;
use super::{Error, down, failover, stats, status, up, verify};
use crate::events::Event;
use crate::report::numbers::{count, duration};
use crate::report::page::Page;
use crate::report::table::{lines, table};
use crate::settings::Settings;
use crate::stages::{Context, launch_type, preflight};
use crate::traffic::{Verdict, Verification};
use crate::walkthrough::{self, Down, Up};

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Walkthrough {
    /// All steps in their order, with what is also in the fields below: the verdict of each.
    pub steps: Vec<Step>,
    /// What `up` did.
    pub up: Up,
    /// What `status` told after it.
    pub status: Status,
    /// What `verify` saw.
    pub verify: Verification,
    /// What came of the drill.
    pub failover: failover::Failover,
    /// What the proxies counted. Null: on Fargate AWS does not show it.
    pub stats: Option<Stats>,
    /// What `down` removed. Null: everything was to be left standing.
    pub down: Option<Down>,
}

#[derive(Clone, Debug)]
pub struct Options {
    pub failover: failover::Options,
    /// Whether everything is left standing at the end, and what stands already is gone on with.
    pub keep: bool,
}

/// What cannot succeed on a walkthrough with these settings: told before it is made.
pub fn check(options: &Options, settings: &Settings) -> Result<(), Error> {
    let (tasks, needed) = (settings.task_count.get(), preflight::backends_needed());
    let failover = &options.failover;
    failover::check(failover, settings)?;
    if tasks < needed {
        return Err(Error::Usage(format!(
            "with {tasks} tasks a service zone-aware routing stays off, since Envoy needs {needed} backends, and `verify` and \
             `stats` cannot pass: use --task-count {needed} or more, or go step by step, beginning with `zonewalk up \
             --task-count {tasks}`"
        )));
    }
    if let Drill::Scale { to } = failover.drill
        && !failover.restore
        && to < needed
    {
        return Err(Error::Usage(format!(
            "--no-restore leaves {to} backends, and Envoy needs {needed} for zone-aware routing, so `stats` cannot pass \
             afterwards: leave it out, or go step by step: `zonewalk up`, then `zonewalk failover --no-restore`"
        )));
    }
    Ok(())
}

/// What came of a step, and how long it took.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Step {
    /// The command that the step is.
    pub step: &'static str,
    /// Whether its checks held.
    pub verdict: Verdict,
    /// How long it took, in seconds.
    #[serde(rename = "duration_s", serialize_with = "in_seconds")]
    #[schemars(with = "f64")]
    pub time: Duration,
}

fn in_seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    // To the millisecond.
    serializer.serialize_f64((time.as_secs_f64() * 1000.0).round() / 1000.0)
}

const STEPS: [&str; 6] = ["up", "status", "verify", "failover", "stats", "down"];

/// Runs all steps, and gives what comes of each to `on_part` as it ends. A check that does not hold does not end the run; an
/// error does.
pub async fn run(ctx: &Context, options: Options, on_part: impl Fn(&dyn Outcome)) -> Result<Walkthrough, Error> {
    if !options.keep {
        refuse_what_stands(ctx).await?;
    }
    let (failover, verify_options) = (options.failover.clone(), options.failover.verify);
    if options.keep {
        launch_type::learn(ctx).await?;
    }
    let is_left_out = |step: &str| step == "down" && options.keep || step == "stats" && ctx.is_on_fargate();
    let to_do = STEPS.into_iter().filter(|step| !is_left_out(step)).collect();
    let mut run = Run { ctx, on_part, to_do, steps: vec![] };
    let up = run.step(Box::pin(up::run(ctx))).await?;
    let status = run.step(status::run(ctx, status::Options::default())).await?;
    let verify = run.step(verify::run(ctx, verify_options)).await?;
    let drill = run.step(Box::pin(failover::run(ctx, failover))).await?;
    let stats = if ctx.is_on_fargate() { None } else { Some(run.step(stats::run(ctx, verify_options.traffic)).await?) };
    let down = if options.keep { None } else { Some(run.step(down::run(ctx)).await?) };
    Ok(Walkthrough { steps: run.steps, up, status, verify, failover: drill, stats, down })
}

/// What stood before is not this command's to remove at its end.
async fn refuse_what_stands(ctx: &Context) -> Result<(), Error> {
    let ctx = &ctx.with_events(ctx.events.without_findings());
    let resources = walkthrough::find_standing(ctx).await?.resources;
    let staying = resources.iter().filter(|resource| !resource.being_deleted).count();
    if staying == 0 {
        return Ok(());
    }
    let (name, resources) = (&ctx.settings.name, count(staying as u64, "resource"));
    Err(Error::Stands(format!(
        "walkthrough {name} stands already ({resources}), and this command would remove it at its end: `zonewalk walkthrough \
         --keep` goes on with it and leaves it standing, `zonewalk down` removes it first; or choose another --name"
    )))
}

struct Run<'c, F> {
    ctx: &'c Context,
    on_part: F,
    /// The steps that there are to be.
    to_do: Vec<&'static str>,
    /// The steps that have ended.
    steps: Vec<Step>,
}

impl<F: Fn(&dyn Outcome)> Run<'_, F> {
    async fn step<T: Outcome>(&mut self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let (began, step) = (Instant::now(), self.to_do[self.steps.len()]);
        let heading = Event::Heading { number: self.steps.len() + 1, of: self.to_do.len(), title: step };
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
        lines(&table)
    }

    fn holds(&self) -> bool {
        self.steps.iter().all(|step| step.verdict.passed())
    }

    fn left_nothing(&self) -> bool {
        self.down.as_ref().is_some_and(|down| down.leftovers.is_empty())
    }

    fn next(&self) -> Option<String> {
        let removes = "`zonewalk down` removes everything";
        (!self.left_nothing()).then(|| removes.to_owned())
    }
}

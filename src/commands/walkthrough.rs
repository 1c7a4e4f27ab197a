//! `walkthrough`: the whole article, in its order.

use schemars::JsonSchema;
use serde::Serialize;

use super::outcome::Outcome;
use super::stats::Stats;
use super::status::Status;
use super::text::verdict_word;
use super::{Error, down, failover, stats, status, up, verify};
use crate::report::numbers::count;
use crate::report::page::Page;
use crate::settings::Settings;
use crate::stages::{Context, preflight};
use crate::traffic::{Verdict, Verification};
use crate::walkthrough::{self, Down, Up};

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Walkthrough {
    /// What `up` did.
    pub up: Up,
    /// What `status` told after it.
    pub status: Status,
    /// What `verify` saw.
    pub verify: Verification,
    /// What came of the drill.
    pub failover: failover::Failover,
    /// What the proxies counted.
    pub stats: Stats,
    /// What `down` removed. Null: everything was to be left standing.
    pub down: Option<Down>,
}

#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub failover: failover::Options,
    /// Whether everything is left standing at the end, and what stands already is gone on with.
    pub keep: bool,
}

/// What cannot succeed on a walkthrough with these settings: told before it is made.
pub fn check(options: Options, settings: &Settings) -> Result<(), Error> {
    let (tasks, needed) = (settings.task_count.get(), preflight::backends_needed());
    let failover = options.failover;
    failover::check(failover, settings)?;
    if tasks < needed {
        return Err(Error::Usage(format!(
            "with {tasks} tasks a service zone-aware routing stays off, since Envoy needs {needed} backends, and `verify` and \
             `stats` cannot pass: use --task-count {needed} or more, or go step by step, beginning with `zonewalk up \
             --task-count {tasks}`"
        )));
    }
    if !failover.restore && failover.to < needed {
        return Err(Error::Usage(format!(
            "--no-restore leaves {} backends, and Envoy needs {needed} for zone-aware routing, so `stats` cannot pass \
             afterwards: leave it out, or go step by step: `zonewalk up`, then `zonewalk failover --no-restore`",
            failover.to
        )));
    }
    Ok(())
}

/// Runs all parts, and gives each to `on_part` as it ends. A check that does not hold does not end the run; an error does.
pub async fn run(ctx: &Context, options: Options, on_part: impl Fn(&dyn Outcome)) -> Result<Walkthrough, Error> {
    if !options.keep {
        refuse_what_stands(ctx).await?;
    }
    let up = part(&on_part, up::run(ctx).await?);
    let (status, verify, failover, stats) = prove(ctx, options.failover, &on_part).await?;
    let down = if options.keep { None } else { Some(part(&on_part, down::run(ctx).await?)) };
    Ok(Walkthrough { up, status, verify, failover, stats, down })
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

/// Runs the parts between `up` and `down`.
async fn prove(
    ctx: &Context,
    options: failover::Options,
    on_part: &impl Fn(&dyn Outcome),
) -> Result<(Status, Verification, failover::Failover, Stats), Error> {
    let status = part(on_part, status::run(ctx, status::Options::default()).await?);
    let verify = part(on_part, verify::run(ctx, options.verify).await?);
    let failover = part(on_part, failover::run(ctx, options).await?);
    let stats = part(on_part, stats::run(ctx, options.verify.traffic).await?);
    Ok((status, verify, failover, stats))
}

fn part<T: Outcome>(on_part: impl Fn(&dyn Outcome), result: T) -> T {
    on_part(&result);
    result
}

/// The text has only the verdicts of the parts, which have been shown as they ended.
impl Outcome for Walkthrough {
    fn title(&self) -> &'static str {
        "walkthrough"
    }

    fn text(&self, _page: &Page) -> String {
        let parts = [
            ("verify", self.verify.verdict),
            ("failover", self.failover.verdict),
            ("stats", Verdict::of(self.stats.holds())),
        ];
        let down = self.down.as_ref().map(|down| ("down", Verdict::of(down.leftovers.is_empty())));
        let words = parts.into_iter().chain(down).map(|(part, verdict)| format!("{part} {}", verdict_word(verdict)));
        words.collect::<Vec<_>>().join(", ")
    }

    fn holds(&self) -> bool {
        [self.verify.verdict, self.failover.verdict].into_iter().all(Verdict::passed)
            && self.stats.holds()
            && self.down.as_ref().is_none_or(|down| down.leftovers.is_empty())
    }

    fn left_nothing(&self) -> bool {
        self.down.as_ref().is_some_and(|down| down.leftovers.is_empty())
    }

    fn next(&self) -> Option<String> {
        let removes = "`zonewalk down` removes everything";
        (!self.left_nothing()).then(|| removes.to_owned())
    }
}

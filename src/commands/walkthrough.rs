//! `walkthrough`: the whole article, in its order.

use schemars::JsonSchema;
use serde::Serialize;

use super::outcome::Outcome;
use super::stats::Stats;
use super::status::Status;
use super::text::verdict_word;
use super::{Error, down, failover, stats, status, up, verify};
use crate::report::page::Page;
use crate::stages::Context;
use crate::traffic::{Verdict, Verification};
use crate::walkthrough::{Down, Up};

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
    /// What `down` removed.
    pub down: Down,
}

/// Runs all parts, and gives each to `on_part` as it ends. A check that does not hold does not end the run; an error does.
pub async fn run(
    ctx: &Context,
    failover: failover::Options,
    on_part: impl Fn(&dyn Outcome),
) -> Result<Walkthrough, Error> {
    let up = part(&on_part, up::run(ctx).await?);
    let (status, verify, failover, stats) = prove(ctx, failover, &on_part).await?;
    let down = part(&on_part, down::run(ctx).await?);
    Ok(Walkthrough { up, status, verify, failover, stats, down })
}

/// Runs the parts between `up` and `down`.
async fn prove(
    ctx: &Context,
    options: failover::Options,
    on_part: &impl Fn(&dyn Outcome),
) -> Result<(Status, Verification, failover::Failover, Stats), Error> {
    let status = part(on_part, status::run(ctx).await?);
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
            ("down", Verdict::of(self.down.leftovers.is_empty())),
        ];
        let words: Vec<String> =
            parts.iter().map(|(part, verdict)| format!("{part} {}", verdict_word(*verdict))).collect();
        words.join(", ")
    }

    fn holds(&self) -> bool {
        [self.verify.verdict, self.failover.verdict].into_iter().all(Verdict::passed)
            && self.stats.holds()
            && self.left_nothing()
    }

    fn left_nothing(&self) -> bool {
        self.down.leftovers.is_empty()
    }
}

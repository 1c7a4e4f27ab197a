//! `walkthrough`: the whole article, in its order.

use serde::Serialize;

use super::outcome::Outcome;
use super::stats::Stats;
use super::status::Status;
use super::text::verdict_word;
use super::{Error, cost, down, failover, stats, status, up, verify};
use crate::stages::Context;
use crate::traffic::{Verdict, Verification};
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

/// Runs all parts, and gives each to `on_part` as it ends. A check that does not hold does not end the run; an error does,
/// with a note of what still stands.
pub async fn run(
    ctx: &Context,
    failover: failover::Options,
    on_part: impl Fn(&dyn Outcome),
) -> Result<Walkthrough, Error> {
    let up = part(&on_part, up::run(ctx).await?);
    let (status, verify, failover, stats) =
        prove(ctx, failover, &on_part).await.inspect_err(|_| still_stands(ctx, "all that was made", "costs"))?;
    let down = down::run(ctx).await;
    let down = down.inspect_err(|_| still_stands(ctx, "what `down` has not removed", "costs up to"))?;
    let down = part(&on_part, down);
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

/// Notes that a run ended before its `down`: on AWS, what it made costs until it is removed.
fn still_stands(ctx: &Context, what: &str, costs: &str) {
    let price =
        if ctx.clients.is_aws() { format!(" and {costs} {}", cost::hourly(&ctx.settings)) } else { String::new() };
    ctx.events.note(format!("{what} still stands{price}: `zonewalk down` removes it"));
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

    fn text(&self) -> String {
        let parts = [
            ("verify", self.verify.verdict),
            ("failover", self.failover.verdict),
            ("stats", self.stats.verdict),
            ("down", Verdict::of(self.down.leftovers.is_empty())),
        ];
        let words: Vec<String> =
            parts.iter().map(|(part, verdict)| format!("{part} {}", verdict_word(*verdict))).collect();
        words.join(", ")
    }

    fn holds(&self) -> bool {
        [self.verify.verdict, self.failover.verdict, self.stats.verdict].into_iter().all(Verdict::passed)
            && self.left_nothing()
    }

    fn left_nothing(&self) -> bool {
        self.down.leftovers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::aws::{CredentialSource, Target};
    use crate::events::{Event, Events};
    use crate::settings::Settings;

    async fn note(endpoint_url: Option<&str>) -> String {
        let target = Target {
            region: Some("us-east-1".to_owned()),
            endpoint_url: endpoint_url.map(str::to_owned),
            credentials: CredentialSource::Dummy,
            ..Target::default()
        };
        let notes: Arc<Mutex<String>> = Arc::default();
        let noted = Arc::clone(&notes);
        let events = Events::new(move |event| {
            if let Event::Note { message } = event {
                noted.lock().unwrap().push_str(&message);
            }
        });
        let ctx = Context::new(target.connect().await.unwrap(), Settings::default(), events, CancellationToken::new());
        still_stands(&ctx, "it", "costs");
        std::mem::take(&mut notes.lock().unwrap())
    }

    #[tokio::test]
    async fn what_stands_on_aws_is_told_with_its_price() {
        let priced = note(None).await;
        let price = "about 0.64 USD an hour (12 t3.medium, a load balancer, 15 public addresses)";
        assert_eq!(priced, format!("it still stands and costs {price}: `zonewalk down` removes it"));
        assert_eq!(note(Some("https://ecs.us-east-1.amazonaws.com")).await, priced);
        assert_eq!(note(Some("http://127.0.0.1:1")).await, "it still stands: `zonewalk down` removes it");
    }
}

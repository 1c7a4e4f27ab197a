//! A query of CloudWatch Logs Insights: how much it may read, and its rows. One that nobody waits for any more is stopped.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_cloudwatchlogs::types::QueryStatus;
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::wait::{Poll, wait_at_most};
use super::{Context, Error};
use crate::logs_insights::{MOST_ROWS, Query};

/// `StartQuery` takes as many (API Reference).
const GROUPS_A_QUERY: usize = 50;

/// How long a query may take: most take seconds, and CloudWatch ends one after an hour.
const PATIENCE: Duration = Duration::from_secs(300);

/// The time that is looked at, both ends included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
}

impl Span {
    /// The last of this time, by AWS's clock.
    pub(crate) fn last(ctx: &Context, back: Duration) -> Self {
        let ahead = SignedDuration::from_secs_f64(ctx.clients.clock.ahead());
        let to = Timestamp::now().saturating_add(ahead).unwrap_or(Timestamp::MAX);
        let back = SignedDuration::try_from(back).unwrap_or(SignedDuration::MAX);
        Self { from: to.saturating_sub(back).unwrap_or(Timestamp::MIN), to }
    }

    fn seconds(self) -> f64 {
        (self.to.as_second() - self.from.as_second()) as f64
    }
}

/// About how many bytes a query of a log group reads: the part of what it stores that is of so long, as if that had come evenly. A
/// group that is not there stores nothing.
pub(crate) async fn estimate(ctx: &Context, group: &str, span: Span) -> Result<f64, Error> {
    let request = ctx.clients.logs.describe_log_groups().log_group_name_prefix(group);
    let answer = ctx.look("logs:DescribeLogGroups", request.send()).await?;
    let found = answer.log_groups().iter().find(|found| found.log_group_name() == Some(group));
    let Some(found) = found else { return Ok(0.0) };
    let made = found.creation_time().map_or(0, |milliseconds| milliseconds / 1_000);
    let age = (span.to.as_second() - made) as f64;
    let kept = found.retention_in_days().map_or(age, |days| age.min(f64::from(days) * 86_400.0));
    let part = (span.seconds() / kept.max(1.0)).min(1.0);
    Ok(found.stored_bytes().unwrap_or_default() as f64 * part)
}

/// A row's fields by their names.
pub(crate) type Row = BTreeMap<String, String>;

/// What a query has found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) rows: Vec<Row>,
    /// Whether there may be more rows than were given.
    pub(crate) is_cut: bool,
}

/// Asks about so many groups at a time.
pub(crate) async fn ask(ctx: &Context, groups: &[String], query: &Query, span: Span) -> Result<Answer, Error> {
    let mut answer = Answer::default();
    for groups in groups.chunks(GROUPS_A_QUERY) {
        let rows = ask_once(ctx, groups, query, span).await?;
        answer.is_cut |= rows.len() >= MOST_ROWS;
        answer.rows.extend(rows);
    }
    Ok(answer)
}

/// Asks again and again until there is enough, or for so long: what a proxy logs takes a while to arrive.
pub(crate) async fn ask_until(
    ctx: &Context,
    groups: &[String],
    query: &Query,
    span: Span,
    is_enough: impl Fn(&[Row]) -> bool,
    patience: Duration,
) -> Result<Vec<Row>, Error> {
    let begun = tokio::time::Instant::now();
    loop {
        let Answer { rows, .. } = ask(ctx, groups, query, span).await?;
        if is_enough(&rows) || begun.elapsed() >= patience {
            return Ok(rows);
        }
        tokio::time::sleep((begun.elapsed() / 5).clamp(Duration::from_millis(100), Duration::from_secs(5))).await;
    }
}

async fn ask_once(ctx: &Context, groups: &[String], query: &Query, span: Span) -> Result<Vec<Row>, Error> {
    let request = ctx.clients.logs.start_query().set_log_group_names(Some(groups.to_vec()));
    let request = request.start_time(span.from.as_second()).end_time(span.to.as_second()).query_string(query.text());
    let answer = ctx.look("logs:StartQuery", request.send()).await?;
    let id = answer.query_id.unwrap_or_default();
    let what = format!("CloudWatch's answer about {}", groups.join(", "));
    let answer = wait_at_most(ctx, what, PATIENCE, async || look(ctx, &id).await).await;
    if answer.is_err() {
        // Whoever has interrupted wants no query that reads on; where this fails, too, CloudWatch ends it.
        let stopping = ctx.with_cancel(CancellationToken::new());
        let stopped = stopping.look("logs:StopQuery", ctx.clients.logs.stop_query().query_id(&id).send()).await;
        stopped.map_or_else(|error| tracing::debug!(%error, id, "the query was not stopped"), drop);
    }
    answer
}

async fn look(ctx: &Context, id: &str) -> Result<Poll<Vec<Row>>, Error> {
    let request = ctx.clients.logs.get_query_results().query_id(id);
    let answer = ctx.look("logs:GetQueryResults", request.send()).await?;
    Ok(match answer.status() {
        Some(QueryStatus::Complete) => {
            let field = |field: &aws_sdk_cloudwatchlogs::types::ResultField| {
                Some((field.field()?.to_owned(), field.value()?.to_owned()))
            };
            Poll::Done(answer.results().iter().map(|row| row.iter().filter_map(field).collect()).collect())
        }
        Some(failed @ (QueryStatus::Cancelled | QueryStatus::Failed | QueryStatus::Timeout)) => {
            Poll::failed(failed.as_str(), "CloudWatch Logs Insights has ended the query")
        }
        status => Poll::pending_in(status.map(QueryStatus::as_str)),
    })
}

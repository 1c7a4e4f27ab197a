//! Queries of CloudWatch Logs Insights, with what they cost told before.

use std::collections::{BTreeMap, BTreeSet};

use super::Reader;
use crate::logs_insights::Query;
use crate::prices;
use crate::stages::Error;
use crate::stages::log_query::{self, Row, Span};

impl Reader<'_> {
    /// Asks these queries, each about its log groups, and gives their rows. None: it would cost more than may be, or is refused, and
    /// is noted as a gap.
    pub(super) async fn ask(
        &self,
        what: &str,
        queries: &[(Query, Vec<String>)],
        span: Span,
    ) -> Result<Option<Vec<Vec<Row>>>, Error> {
        let estimate = |group: String| async move {
            let estimate = log_query::estimate(self.ctx, &group, span).await;
            // Without it, the queries themselves will tell what is wrong.
            Ok((self.gaps.unless_refused(estimate, "what log queries cost")?.unwrap_or_default(), group))
        };
        let groups: BTreeSet<String> = queries.iter().flat_map(|(_, groups)| groups.iter().cloned()).collect();
        let stored: BTreeMap<String, f64> =
            self.each(groups, estimate).await?.into_iter().map(|(bytes, group)| (group, bytes)).collect();
        // A group is read once for each query.
        let bytes: f64 = queries.iter().flat_map(|(_, groups)| groups).filter_map(|group| stored.get(group)).sum();
        let (gb, usd) = (bytes / 1e9, bytes / 1e9 * prices::LOGS_INSIGHTS_GB);
        let about = format!("{} GB of {what} for {} USD", about(gb), about(usd));
        if usd > self.max_query_usd {
            self.gaps.note(what, &format!("it would be {about}: allow that with --max-query-usd"));
            return Ok(None);
        }
        if !stored.is_empty() {
            self.ctx.events.note(format!("CloudWatch Logs Insights reads {about}"));
        }
        let mut answers = vec![];
        for (query, groups) in queries {
            let answer = match log_query::ask(self.ctx, groups, query, span).await {
                Err(error @ (Error::TimedOut { .. } | Error::Failed { .. })) => {
                    self.gaps.note(what, &error.to_string());
                    None
                }
                answer => self.gaps.unless_refused(answer, what)?,
            };
            let Some(answer) = answer else { return Ok(None) };
            if answer.is_cut {
                self.gaps.note(&format!("some of the {what}"), "there are more rows than a query gives: name services");
            }
            answers.push(answer.rows);
        }
        Ok(Some(answers))
    }
}

/// An estimate in words.
fn about(amount: f64) -> String {
    if amount < 0.01 { "less than 0.01".to_owned() } else { format!("about {amount:.2}") }
}

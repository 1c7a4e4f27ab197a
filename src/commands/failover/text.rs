//! How the outcome of a drill reads.

use super::{DrillName, Failover};
use crate::commands::outcome::Outcome;
use crate::commands::text::verdict;
use crate::commands::verify::FIX;
use crate::report::numbers::{count, grouped, percent};
use crate::report::page::Page;

impl Failover {
    /// Whether anything was changed: not if the phase before was not as it should be.
    fn was_changed(&self) -> bool {
        self.phases.len() > 1
    }

    /// How many requests of all phases failed.
    fn failed(&self) -> String {
        let requests = self.phases.iter().map(|phase| phase.result.requests).sum();
        format!("{} of {} failed", grouped(self.errors), count(requests, "request"))
    }

    fn head(&self) -> String {
        if !self.was_changed() {
            return "nothing was changed: a drill begins with zone-aware routing as predicted".to_owned();
        }
        let (from, to, zone) = (self.from, self.to, self.zone.as_deref().unwrap_or_default());
        let back = if self.restored { format!(" → {from}") } else { String::new() };
        let what = match self.drill {
            DrillName::Scale => format!("backends {from} → {to}{back}"),
            DrillName::Spillover => format!("{zone} without backends, {to} in the other zones"),
            DrillName::ZoneLoss => format!("{zone} lost, backends {from} → {to}{back}"),
        };
        let left = if self.restored { "" } else { "; not restored: `zonewalk up` does that" };
        format!("{what}, {}{left}", self.failed())
    }

    /// Where the requests went, before and while failed over, and how long requests failed.
    fn effects(&self, page: &Page) -> Vec<String> {
        let mut lines = vec![];
        if self.zone.is_some() && !self.load.is_empty() {
            let shares = |of: fn(&super::ZoneLoad) -> (Option<f64>, Option<f64>)| {
                let told = self.load.iter().map(|load| {
                    let (before, failed_over) = of(load);
                    format!("{} {} → {}", load.zone, percent(before), percent(failed_over))
                });
                told.collect::<Vec<_>>().join(", ")
            };
            let frontends = shares(|load| (load.frontend_share_before, load.frontend_share_failed_over));
            let backends = shares(|load| (load.backend_share_before, load.backend_share_failed_over));
            // The matrix above has the zones' names, too.
            lines.push(page.wrap(&format!("frontends' share  {frontends}"), 18));
            lines.push(page.wrap(&format!("backends' share   {backends}"), 18));
        }
        if self.was_changed() {
            lines.push(match self.recovered_after_s {
                Some(seconds) => format!("the last request failed {seconds:.1} s after the change began"),
                None => "no request failed from the change on".to_owned(),
            });
        }
        lines
    }
}

impl Outcome for Failover {
    fn title(&self) -> &'static str {
        "failover"
    }

    fn text(&self, page: &Page) -> String {
        let head = self.head();
        let reasons = self.reasons.iter().map(String::as_str);
        let mut lines = vec![verdict(self.verdict, [head.as_str()].into_iter().chain(reasons), page), String::new()];
        lines.extend(self.phases.iter().map(|phase| phase.text(page)));
        let effects = self.effects(page);
        if !effects.is_empty() {
            lines.push(String::new());
            lines.extend(effects);
        }
        lines.join("\n")
    }

    fn holds(&self) -> bool {
        self.verdict.passed()
    }

    fn next(&self) -> Option<String> {
        match (self.holds(), self.was_changed() && !self.restored) {
            (_, true) if self.drill == DrillName::Scale => Some("`zonewalk up` restores the backends".to_owned()),
            (_, true) => Some("`zonewalk up` restores the zone".to_owned()),
            (true, false) => Some("`zonewalk stats`".to_owned()),
            (false, false) => Some(FIX.to_owned()),
        }
    }
}

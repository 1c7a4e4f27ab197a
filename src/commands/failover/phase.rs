//! A phase of a drill: what was seen in it, and whether that is as it should be.

use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::matrix;
use crate::commands::text::{errors, on_or_off, performance, statements};
use crate::events::PhaseName;
use crate::report::numbers::{count, percent};
use crate::report::page::Page;
use crate::report::style::{bad, good, strong};
use crate::traffic::{RoutingState, Verdict, Verification};

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Phase {
    /// Which phase it is.
    pub phase: PhaseName,
    /// What zone-aware routing was to be in this phase. Null: that changes while tasks come and go.
    pub expected_state: Option<OnOrOff>,
    /// Whether the phase is as it should be.
    pub holds: bool,
    /// What was seen. Its verdict is that of the phase.
    #[serde(flatten)]
    pub result: Verification,
}

/// What zone-aware routing is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnOrOff {
    On,
    Off,
}

impl Phase {
    /// Judges what was seen in a phase. While failed over, zone-aware routing may be off, if that is predicted. While tasks come and
    /// go, the share of failed requests is to be below `max_errors`, in percent, or none are to fail where none need to.
    pub fn new(phase: PhaseName, result: Verification, max_errors: f64) -> Self {
        let failed_percent = 100.0 * result.errors as f64 / result.requests.max(1) as f64;
        let holds = match phase {
            PhaseName::Before | PhaseName::Restored => result.verdict.passed(),
            PhaseName::During | PhaseName::Restoring => {
                result.errors == 0 || !result.exact && failed_percent < max_errors
            }
            PhaseName::FailedOver => result.holds_whatever_the_design(),
        };
        let is_on_by_design = result.zone_aware_routing.required_same_zone_share.is_some();
        let expected_state = match phase {
            PhaseName::Before | PhaseName::Restored => Some(OnOrOff::On),
            PhaseName::During | PhaseName::Restoring => None,
            PhaseName::FailedOver => Some(if is_on_by_design { OnOrOff::On } else { OnOrOff::Off }),
        };
        Self { phase, expected_state, holds, result: Verification { verdict: Verdict::of(holds), ..result } }
    }

    pub fn holds(&self) -> bool {
        self.holds
    }

    /// What speaks against it, if it does not hold.
    pub(super) fn reasons(&self) -> String {
        if self.phase.is_change() {
            // The prediction is for the placement at its end.
            format!("{} of {}", errors(&self.result), count(self.result.requests, "request"))
        } else {
            self.result.reasons.join("; ")
        }
    }

    /// A line, and what there is to see where requests crossed zones or more is wanted than usual.
    pub(super) fn text(&self, page: &Page) -> String {
        let result = &self.result;
        let name = strong(format!("{:<11}", self.phase.to_string()));
        if self.phase.is_change() {
            // The placement changes meanwhile, so there is no one matrix to predict.
            let what = if self.phase == PhaseName::During { "stopped" } else { "came back" };
            let requests = count(result.requests, "request");
            return page.wrap(&format!("{name}  {requests} while tasks {what}, {}", errors(result)), 13);
        }
        let state = result.zone_aware_routing.state;
        let [observed, predicted] = [result.same_zone_share, result.expected.same_zone_share].map(percent);
        let judged = match self.holds() {
            true if observed == predicted => good("as predicted"),
            true => format!("{} ({predicted})", good("as predicted")),
            false if state == RoutingState::Off || self.phase != PhaseName::FailedOver && state != RoutingState::On => {
                bad("expected zone-aware routing, found it off")
            }
            false => format!("{} ({predicted})", bad("not as predicted")),
        };
        let mut line = format!("{name}  {observed} same-zone, {judged}");
        if self.holds() {
            line.push_str(&format!("; zone-aware routing {}", on_or_off(state)));
        }
        let mut lines = vec![page.wrap(&line, 13)];
        let crosses_zones = self.phase == PhaseName::FailedOver && result.same_zone_share != Some(1.0);
        if page.verbose || !self.holds() || state != RoutingState::On || crosses_zones {
            lines.extend(result.reasons.iter().map(|reason| page.wrap(&format!("  {}", page.name_zones(reason)), 4)));
            lines.push(matrix::of_verification(result, page));
            lines.push(page.wrap(&performance(result), 2));
            lines.extend(statements(result).map(|statement| page.wrap(&page.name_zones(&statement), 2)));
        }
        lines.join("\n")
    }
}

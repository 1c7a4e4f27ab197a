//! What the texts of several outcomes share.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::plan::PlannedChange;
use crate::report::numbers::percent;
use crate::report::page::Page;
use crate::report::table::{align_numbers, table};
use crate::routing::PredictedState;
use crate::stages::finding::{Finding, Level};
use crate::traffic::{Percentiles, RoutingState, Verdict, Verification};

pub(super) fn findings(findings: &[Finding]) -> String {
    let lines = findings.iter().map(|finding| {
        let level = match finding.level {
            Level::Fine => "ok",
            Level::Note => "note",
            Level::Unknown => "?",
            Level::Problem => "PROBLEM",
        };
        format!("{level:<7} {:<11} {}", finding.check, finding.what)
    });
    lines.collect::<Vec<_>>().join("\n")
}

pub(super) fn plans(plans: &[PlannedChange], page: &Page) -> String {
    let mut table = table(page, ["STEP", "RESOURCE", "NAME", "WOULD BE"]);
    for plan in plans {
        let differences: Vec<String> = plan.differences.iter().map(ToString::to_string).collect();
        let action = match differences.as_slice() {
            [] => plan.action.to_string(),
            _ => format!("{}: {}", plan.action, differences.join(", ")),
        };
        table.add_row([plan.stage.to_string(), plan.kind.to_string(), plan.name.clone(), action]);
    }
    table.to_string()
}

/// The requests by frontend's and backend's zone, the prediction in brackets.
pub(super) fn matrix(result: &Verification, page: &Page) -> String {
    let observed: BTreeMap<(&str, &str), u64> =
        result.matrix.iter().map(|cell| ((cell.frontend.as_str(), cell.backend.as_str()), cell.requests)).collect();
    let expected: BTreeMap<(&str, &str), f64> = result
        .expected
        .matrix
        .iter()
        .map(|cell| ((cell.frontend.as_str(), cell.backend.as_str()), cell.requests))
        .collect();
    let pairs = || observed.keys().chain(expected.keys());
    let frontends: BTreeSet<&str> = pairs().map(|(frontend, _)| *frontend).collect();
    let backends: BTreeSet<&str> = pairs().map(|(_, backend)| *backend).collect();
    let mut table = table(page, ["FRONTEND \\ BACKEND"].into_iter().chain(backends.iter().copied()));
    for frontend in frontends {
        let cells = backends.iter().map(|backend| {
            let key = (frontend, *backend);
            let seen = observed.get(&key).copied().unwrap_or(0);
            format!("{seen} ({:.0})", expected.get(&key).copied().unwrap_or(0.0))
        });
        table.add_row([frontend.to_owned()].into_iter().chain(cells).collect::<Vec<_>>());
    }
    align_numbers(&mut table);
    format!("{table}\n{} requests, {} errors; predicted numbers in brackets", result.requests, result.errors)
}

pub(super) fn latency(what: &str, percentiles: Percentiles) -> String {
    let ms = |value: Option<f64>| value.map_or("-".to_owned(), |ms| format!("{ms:.1} ms"));
    format!("{what} p50 {}, p99 {}", ms(percentiles.p50), ms(percentiles.p99))
}

pub(super) fn state_name(state: PredictedState) -> &'static str {
    match state {
        PredictedState::NoLocalityRouting => "zone-aware routing off",
        PredictedState::LocalityDirect => "all to the own zone",
        PredictedState::LocalityResidual => "own zone first, the rest by residual capacity",
        PredictedState::Panic => "panic: health and zones are disregarded",
    }
}

/// The two statements, each in a line.
pub(super) fn statements(result: &Verification) -> String {
    let routing = &result.zone_aware_routing;
    let needed = routing.required_same_zone_share.map_or_else(
        || "no share is demanded".to_owned(),
        |share| format!("{} in the same zone, {} demanded", percent(result.same_zone_share), percent(Some(share))),
    );
    let counted = match (&routing.counters, &routing.counters_not_read) {
        (Some(counted), _) => {
            format!("the proxies counted {} kept in it, {} sent to another", counted.kept(), counted.cross_zone)
        }
        (None, Some(reason)) => format!("the proxies' counters were not read: {reason}"),
        (None, None) => "no counters".to_owned(),
    };
    let state = match routing.state {
        RoutingState::On => "on",
        RoutingState::Off => "not shown to be on",
        RoutingState::OffAsPredicted => "off, as Envoy's algorithm has it for these endpoints",
    };
    let exactly = if result.as_predicted { "yes" } else { "no" };
    let decides = if result.exact { "" } else { " (which does not decide here: --strict)" };
    format!(
        "\nzone-aware routing: {state} ({needed}; {counted})\nexactly what Envoy's algorithm does: {exactly}{decides}"
    )
}

pub(super) fn verdict(verdict: Verdict, reasons: &[String]) -> String {
    let mut text = format!("\n{}", verdict_word(verdict).to_uppercase());
    for reason in reasons {
        let _ = write!(text, "\n  {reason}");
    }
    text
}

pub(super) fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
    }
}

//! Outcomes as text: short tables, then the verdict with its reasons.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Write};

use comfy_table::{CellAlignment, Table, presets};

use crate::commands::doctor::Doctor;
use crate::commands::failover::Failover;
use crate::commands::outcome::Outcome;
use crate::commands::redeploy::Redeployment;
use crate::commands::stats::Stats;
use crate::commands::status::Status;
use crate::commands::up::DryRun;
use crate::commands::walkthrough::Walkthrough;
use crate::events::PhaseName;
use crate::plan::{Action, PlannedChange};
use crate::routing::PredictedState;
use crate::stages::finding::{Finding, Level};
use crate::traffic::{Percentiles, Verdict, Verification};
use crate::walkthrough::{Down, Up};

/// An outcome as text, for people.
pub fn of(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Doctor(it) => doctor(it),
        Outcome::DryRun(it) => dry_run(it),
        Outcome::Up(it) => up(it),
        Outcome::Status(it) => status(it),
        Outcome::Redeploy(it) => redeployment(it),
        Outcome::Verify(it) => verification(it),
        Outcome::Failover(it) => failover(it),
        Outcome::Stats(it) => stats(it),
        Outcome::Down(it) => down(it),
        Outcome::Walkthrough(it) => walkthrough(it),
    }
}

fn doctor(doctor: &Doctor) -> String {
    let end = if doctor.passed() { "nothing stops `zonewalk up`" } else { "`zonewalk up` would refuse" };
    format!("{}\n{end}", findings(&doctor.findings))
}

fn findings(findings: &[Finding]) -> String {
    let lines = findings.iter().map(|finding| {
        let level = match finding.level {
            Level::Fine => "ok",
            Level::Unknown => "?",
            Level::Problem => "PROBLEM",
        };
        format!("{level:<7} {:<11} {}", finding.check, finding.what)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn dry_run(plan: &DryRun) -> String {
    let mut text = plans(&plan.resources);
    let problems: Vec<Finding> = plan.findings.iter().filter(|finding| finding.blocks()).cloned().collect();
    if !problems.is_empty() {
        let _ = write!(text, "\n{}", findings(&problems));
    }
    let _ = write!(
        text,
        "\ncost on AWS: {}\nthe load balancer can be reached from {}",
        plan.cost,
        plan.reachable_from.join(", ")
    );
    text
}

fn plans(plans: &[PlannedChange]) -> String {
    let mut table = table(["STEP", "RESOURCE", "NAME", "WOULD BE"]);
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

fn up(up: &Up) -> String {
    let count = |action| up.resources.iter().filter(|resource| resource.action == action).count();
    let actions = [Action::Created, Action::Changed, Action::Adopted, Action::Kept];
    let counts: Vec<String> = actions
        .into_iter()
        .map(|action| (count(action), action))
        .filter(|(count, _)| *count > 0)
        .map(|(count, action)| format!("{count} {action}"))
        .collect();
    format!("{} resources: {}\n{}", up.resources.len(), counts.join(", "), up.alb_url)
}

fn status(status: &Status) -> String {
    let mut zones: BTreeSet<&str> = status.zones.keys().map(|zone| zone.as_str()).collect();
    zones.extend(status.services.iter().flat_map(|service| service.tasks_by_zone.keys()).map(|zone| zone.as_str()));
    let mut table = table(["", "TOTAL"].into_iter().chain(zones.iter().copied()));
    let row = |name: &str, total: String, by_zone: BTreeMap<&str, u32>| {
        let counts = zones.iter().map(|zone| by_zone.get(zone).copied().unwrap_or(0).to_string());
        [name.to_owned(), total].into_iter().chain(counts).collect::<Vec<_>>()
    };
    let instances = status.zones.iter().map(|(zone, count)| (zone.as_str(), *count)).collect();
    table.add_row(row("container instances", status.container_instances.to_string(), instances));
    for service in &status.services {
        let tasks = service.tasks_by_zone.iter().map(|(zone, count)| (zone.as_str(), *count)).collect();
        table.add_row(row(&service.name, format!("{} of {}", service.running, service.desired), tasks));
    }
    align_numbers(&mut table);
    let url = status.alb_url.as_deref().unwrap_or("no load balancer: run `zonewalk up`");
    let mut text = format!(
        "account {} in {}\n{table}\nhealthy targets: {}\n{url}",
        status.account, status.region, status.healthy_targets
    );
    match status.drift.as_deref() {
        Some([]) => text.push_str("\nall as `zonewalk up` would have it"),
        Some(drift) => {
            let _ = write!(text, "\n`zonewalk up` would mend:\n{}", plans(drift));
        }
        None => {}
    }
    if !status.problems.is_empty() {
        let _ = write!(text, "\n`zonewalk up` would refuse:\n{}", findings(&status.problems));
    }
    text
}

fn verification(result: &Verification) -> String {
    let mut text = matrix(result);
    let _ = write!(
        text,
        "\nsame zone: {} observed, {} predicted ({})",
        percent(result.same_zone_share),
        percent(result.expected.same_zone_share),
        result.expected.state.map_or("differs by zone", state_name),
    );
    let _ = write!(text, "\nlatency: {}", latency("same zone", result.latency_ms.same_zone));
    if result.latency_ms.cross_zone.p50.is_some() {
        let _ = write!(text, "; {}", latency("cross-zone", result.latency_ms.cross_zone));
    }
    text.push_str(&verdict(result.verdict, &result.reasons));
    text
}

/// The requests by frontend's and backend's zone, the prediction in brackets.
fn matrix(result: &Verification) -> String {
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
    let mut table = table(["FRONTEND \\ BACKEND"].into_iter().chain(backends.iter().copied()));
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

pub(super) fn percent(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

fn latency(what: &str, percentiles: Percentiles) -> String {
    let ms = |value: Option<f64>| value.map_or("-".to_owned(), |ms| format!("{ms:.1} ms"));
    format!("{what} p50 {}, p99 {}", ms(percentiles.p50), ms(percentiles.p99))
}

fn state_name(state: PredictedState) -> &'static str {
    match state {
        PredictedState::NoLocalityRouting => "zone-aware routing off",
        PredictedState::LocalityDirect => "all to the own zone",
        PredictedState::LocalityResidual => "own zone first, the rest by residual capacity",
        PredictedState::Panic => "panic: health and zones are disregarded",
    }
}

fn failover(drill: &Failover) -> String {
    let mut text = format!("backends: {} → {}", drill.from, drill.to);
    for phase in &drill.phases {
        let _ = write!(text, "\n\n{}", phase.phase);
        if phase.phase == PhaseName::During {
            // The placement changes meanwhile, so there is no one matrix to predict.
            let _ = write!(
                text,
                ": {} requests while tasks stopped, {} errors",
                phase.result.requests, phase.result.errors
            );
            continue;
        }
        let _ = write!(
            text,
            ": {} in the same zone, {} predicted ({})\n{}",
            percent(phase.result.same_zone_share),
            percent(phase.result.expected.same_zone_share),
            phase.result.expected.state.map_or("differs by zone", state_name),
            matrix(&phase.result)
        );
        // Where all requests stay in their zone, the table says everything.
        if phase.result.expected.state != Some(PredictedState::LocalityDirect) || !phase.holds() {
            for reason in &phase.result.reasons {
                let _ = write!(text, "\n  {reason}");
            }
        }
    }
    let end = if drill.restored { "restored" } else { "not restored: `zonewalk up` does that" };
    let _ = write!(text, "\n\n{end}; {} errors in all", drill.errors);
    text.push_str(&verdict(drill.verdict, &drill.reasons));
    text
}

fn stats(stats: &Stats) -> String {
    let mut counters = table(["COUNTER", "TOTAL", "GROWTH"]);
    for (name, total) in &stats.totals.counters {
        let growth = stats.totals.growth.get(name).copied().unwrap_or(0);
        counters.add_row([name.clone(), total.to_string(), format!("+{growth}")]);
    }
    align_numbers(&mut counters);
    let mut zones = table(["PROXY IN", "BACKEND IN", "REQUESTS"]);
    for pair in &stats.totals.zone_requests {
        zones.add_row([pair.from.clone(), pair.to.clone(), pair.requests.to_string()]);
    }
    align_numbers(&mut zones);
    format!("{} proxies\n{counters}\n{zones}{}", stats.proxies.len(), verdict(stats.verdict, &stats.reasons))
}

fn down(down: &Down) -> String {
    let mut text = format!("{} resources removed, {} left over", down.removed.len(), down.leftovers.len());
    for left in &down.leftovers {
        let _ = write!(text, "\n  {} {}: {}", left.kind, left.id, left.reason);
    }
    for other in &down.not_ours {
        let _ = write!(text, "\n  not ours, left alone: {} {}: {}", other.kind, other.id, other.reason);
    }
    text
}

fn redeployment(redeployment: &Redeployment) -> String {
    let lines = redeployment.deployments.iter().map(|deployment| {
        let connect =
            if deployment.service_connect { "" } else { "; Service Connect is off, so nothing is zone-aware" };
        format!("{}: {} tasks, {}{connect}", deployment.service, deployment.tasks, deployment.id)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The verdicts of all parts, which have been shown as they ended.
fn walkthrough(all: &Walkthrough) -> String {
    let parts = [
        ("verify", all.verify.verdict),
        ("failover", all.failover.verdict),
        ("stats", all.stats.verdict),
        ("down", Verdict::of(all.down.leftovers.is_empty())),
    ];
    let words: Vec<String> = parts.iter().map(|(part, verdict)| format!("{part} {}", verdict_word(*verdict))).collect();
    words.join(", ")
}

fn verdict(verdict: Verdict, reasons: &[String]) -> String {
    let mut text = format!("\n{}", verdict_word(verdict).to_uppercase());
    for reason in reasons {
        let _ = write!(text, "\n  {reason}");
    }
    text
}

fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
    }
}

fn table<T: Display>(header: impl IntoIterator<Item = T>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header.into_iter().map(|title| title.to_string()).collect::<Vec<_>>());
    table
}

/// All columns but the first hold numbers.
fn align_numbers(table: &mut Table) {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

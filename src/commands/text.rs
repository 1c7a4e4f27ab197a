//! What the texts of several outcomes share.

use std::fmt::Display;

use crate::envoy::times::Summary;
use crate::plan::{Action, PlannedChange};
use crate::report::numbers::{bytes, count, grouped, milliseconds, percent};
use crate::report::page::Page;
use crate::report::style::{attention, bad, faint, good};
use crate::stages::finding::{Finding, Level};
use crate::traffic::{FitTest, Interval, RoutingState, Verdict, Verification, ZoneShare};

/// Findings, a paragraph each.
pub(super) fn findings<'a>(findings: impl IntoIterator<Item = &'a Finding>, page: &Page) -> String {
    let lines = findings.into_iter().map(|finding| {
        let level = match finding.level {
            Level::Fine => good("ok     "),
            Level::Note => attention("note   "),
            Level::Unknown => attention("unknown"),
            Level::Problem => bad("PROBLEM"),
        };
        let line = format!("{level}  {:<13}  {}", finding.check, page.name_zones(&finding.what));
        page.wrap(&line, 24)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether `up` would start: `ready: run `zonewalk up``.
pub(super) fn ready_or_blocked(findings: &[Finding]) -> String {
    match findings.iter().filter(|finding| finding.blocks()).count() as u64 {
        0 => format!("{}: run `zonewalk up`", good("ready")),
        1 => format!("{}: fix the problem above, then run `zonewalk up`", bad("blocked")),
        problems => format!("{}: fix the {problems} problems above, then run `zonewalk up`", bad("blocked")),
    }
}

/// What `up` would do with each resource, in the order in which it would, and where those differ that it would change. What
/// would stay as it is comes to one line, unless more is wanted.
pub(super) fn plans(plans: &[PlannedChange], page: &Page) -> String {
    let shown = || plans.iter().filter(|plan| page.verbose || plan.action != Action::Kept);
    let widest = shown().map(|plan| plan.kind.to_string().len()).max().unwrap_or(0);
    let mut lines = vec![];
    for plan in shown() {
        let action = verb(plan.action);
        let padded = format!("{action:<9}");
        let rest = format!("{:<widest$}  {}", plan.kind, plan.name);
        let line = match plan.action {
            Action::Created => format!("{}  {rest}", good(padded)),
            Action::Changed | Action::Adopted => format!("{}  {rest}", attention(padded)),
            Action::Kept => faint(format!("{padded}  {rest}")),
            Action::Refused => format!("{}  {rest}", bad(padded)),
        };
        lines.push(page.wrap(&line, 13 + widest));
        lines.extend(plan.differences.iter().map(|difference| page.wrap(&format!("{:13}{difference}", ""), 15)));
        lines.extend(
            plan.effect
                .iter()
                .map(|effect| page.wrap(&format!("{:13}{}", "", bad(format!("until then, {effect}"))), 15)),
        );
    }
    let unchanged = plans.iter().filter(|plan| plan.action == Action::Kept).count();
    if !page.verbose && unchanged > 0 {
        lines.push(faint(format!("{unchanged} unchanged")));
    }
    lines.join("\n")
}

fn verb(action: Action) -> &'static str {
    match action {
        Action::Created => "create",
        Action::Changed => "change",
        Action::Kept => "unchanged",
        Action::Adopted => "take over",
        Action::Refused => "not ours",
    }
}

/// The sum of a plan: `Plan: 1 to create, 2 to change, 16 unchanged`.
pub(super) fn sum(plans: &[PlannedChange]) -> String {
    let parts = [
        (Action::Created, "to create"),
        (Action::Changed, "to change"),
        (Action::Adopted, "to take over"),
        (Action::Refused, "not ours"),
        (Action::Kept, "unchanged"),
    ];
    if plans.iter().all(|plan| plan.action == Action::Kept) {
        return format!("Plan: nothing to do, {} unchanged", plans.len());
    }
    let counts = parts.map(|(action, what)| (plans.iter().filter(|plan| plan.action == action).count(), what));
    let told = counts.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}"));
    format!("Plan: {}", told.collect::<Vec<_>>().join(", "))
}

/// The line under a matrix: how fast and how well requests were answered.
pub(super) fn performance(result: &Verification) -> String {
    let rate = result.requests_per_second.map_or("-".to_owned(), |rate| grouped(rate.round() as u64));
    let all = result.latency_ms.all;
    let latencies = [("p50", all.p50), ("p95", all.p95), ("p99", all.p99)];
    let latencies = latencies.map(|(name, latency)| format!("{name} {}", milliseconds(latency)));
    let errors = if result.errors == 0 { errors(result) } else { bad(errors(result)) };
    format!("{rate} req/s · {} seen from here · {errors}", latencies.join(" · "))
}

/// How long requests took by the proxies' own clocks, where those were read.
pub(super) fn proxy_times(result: &Verification) -> Option<String> {
    let times = result.proxy_times.as_ref()?;
    let kind = |stays: bool, name: &str| {
        let of_kind: Vec<&Summary> =
            times.iter().filter(|it| (it.frontend == it.backend) == stays).map(|it| &it.summary).collect();
        let requests: u64 = of_kind.iter().map(|it| it.requests).sum();
        let sum: f64 = of_kind.iter().map(|it| it.mean_ms * it.requests as f64).sum();
        (requests > 0)
            .then(|| format!("mean {} {name} ({} timed)", milliseconds(Some(sum / requests as f64)), grouped(requests)))
    };
    let kinds: Vec<String> = [kind(true, "same-zone"), kind(false, "cross-zone")].into_iter().flatten().collect();
    Some(format!("by the proxies' clocks: {}", kinds.join(", ")))
}

/// How many requests failed, and of what: `12 errors (10 HTTP 503, 2 not answered within 20 s)`.
pub(super) fn errors(result: &Verification) -> String {
    let kinds: Vec<String> = result.error_kinds.iter().map(|(kind, number)| format!("{number} {kind}")).collect();
    match result.errors {
        0 => "0 errors".to_owned(),
        errors => format!("{} ({})", count(errors, "error"), kinds.join(", ")),
    }
}

/// The share of the requests that stayed in their zone, and what was predicted of it.
pub(super) fn shares(result: &Verification) -> String {
    format!(
        "{} of {} stayed in their zone (predicted {})",
        percent(result.same_zone_share),
        count(result.requests - result.errors, "request"),
        percent(result.expected.same_zone_share)
    )
}

/// The two statements, each in a line.
pub(super) fn statements(result: &Verification) -> [String; 2] {
    let routing = &result.zone_aware_routing;
    let counted = match (&routing.counters, &routing.counters_not_read) {
        (Some(counted), _) => {
            let agree = match result.proofs_agree {
                Some(true) => "; their counts agree with the answers",
                Some(false) => "; their counts contradict the answers",
                None => "",
            };
            match (counted.kept(), counted.cross_zone) {
                (0, 0) => format!("the proxies routed no request by zone{agree}"),
                (kept, crossed) => format!("the proxies counted {kept} same-zone, {crossed} cross-zone{agree}"),
            }
        }
        (None, Some(reason)) => format!("the proxies' counters were not read: {reason}"),
        (None, None) => "the proxies' counters were not read".to_owned(),
    };
    let needed = match (routing.state, routing.required_same_zone_share) {
        (RoutingState::Off, Some(share)) => format!("at least {} same-zone is demanded; ", percent(Some(share))),
        _ => String::new(),
    };
    let yes = match (result.as_predicted, result.expected.same_zone_share) {
        (true, _) => good("yes"),
        (false, None) if result.requests > result.errors => attention("not known"),
        (false, _) => attention("no"),
    };
    let decides = if result.exact { "" } else { " (--strict makes that decide, too)" };
    [
        format!("zone-aware routing: {} ({needed}{counted})", on_or_off(routing.state)),
        format!("exactly what Envoy's algorithm does: {yes}{}{decides}", fit(result)),
    ]
}

/// What the access logs have, if there are any.
pub(super) fn logged(result: &Verification) -> Option<String> {
    let matrix = result.logged_matrix.as_ref()?;
    let all: u64 = matrix.iter().map(|cell| cell.requests).sum();
    let same: u64 = matrix.iter().filter(|cell| cell.frontend == cell.backend).map(|cell| cell.requests).sum();
    let agree = match result.logs_agree {
        Some(true) => "; they agree with the answers",
        Some(false) => "; they contradict the answers",
        None => "; the others have not arrived yet",
    };
    Some(format!("access logs: {} of {} stayed in their zone{agree}", grouped(same), count(all, "request")))
}

/// The share of each frontend zone's requests that stayed, with what is certain of it: a line for all where all stayed as
/// predicted, else one for each.
pub(super) fn zones(result: &Verification) -> Vec<String> {
    let all_stayed = |zone: &ZoneShare| zone.same_zone_share >= 1.0 && zone.predicted_same_zone_share >= Some(1.0);
    let range = |zone: &ZoneShare| {
        let Interval { low, high, confidence } = zone.interval;
        let [low, high] = [low, high].map(|share| percent(Some(share)));
        format!("{} interval {}–{high}", percent(Some(confidence)), low.trim_end_matches('%'))
    };
    if let Some(least) = result.zones.iter().min_by(|a, b| a.interval.low.total_cmp(&b.interval.low))
        && result.zones.iter().all(all_stayed)
    {
        return vec![format!("every zone kept 100%, {}, predicted 100%", range(least))];
    }
    let line = |zone: &ZoneShare| {
        let [kept, predicted] = [Some(zone.same_zone_share), zone.predicted_same_zone_share].map(percent);
        format!("{} kept {kept} of {}, {}, predicted {predicted}", zone.frontend, zone.requests, range(zone))
    };
    result.zones.iter().map(line).collect()
}

/// What crosses zones, and what that costs in a month if its traffic was named.
pub(super) fn across_zones(result: &Verification) -> Option<String> {
    let transfer = result.transfer.as_ref()?;
    let [crossed, without] = [Some(transfer.cross_zone_share), transfer.cross_zone_share_without_zones].map(percent);
    let price = transfer.usd_per_gb;
    let Some(month) = &transfer.per_month else {
        let crossed = format!("{} of {} ({crossed})", bytes(transfer.cross_zone_bytes), bytes(transfer.bytes));
        return Some(format!("across zones: {crossed}; {without} without zone-aware routing; {price} USD/GB"));
    };
    let usd = |usd: Option<f64>| usd.map_or("-".to_owned(), |usd| format!("{usd:.2} USD"));
    let [now, then] = [Some(month.usd), month.usd_without_zones].map(usd);
    Some(format!(
        "across zones, of {} GB a month: {crossed}, {now}; without zone-aware routing {without}, {then}; {price} USD/GB",
        month.gb
    ))
}

/// How well the matrix fits the prediction, where that is not plain to see.
fn fit(result: &Verification) -> String {
    match result.fit.filter(|fit| fit.test != FitTest::Exact) {
        Some(fit) if fit.p_value < fit.level => format!(", goodness of fit p < {}", fit.level),
        Some(fit) => format!(", goodness of fit p = {:.2}", fit.p_value),
        None => String::new(),
    }
}

pub(super) fn on_or_off(state: RoutingState) -> String {
    match state {
        RoutingState::On => good("ON"),
        RoutingState::Off => bad("OFF"),
        RoutingState::OffAsPredicted => attention("OFF"),
    }
}

/// A verdict and the first thing to say about it, further lines below it.
pub(super) fn verdict<T: Display>(verdict: Verdict, lines: impl IntoIterator<Item = T>, page: &Page) -> String {
    let word = verdict_word(verdict).to_uppercase();
    let word = if verdict.passed() { good(word) } else { bad(word) };
    let mut heads = [format!("{word}  ")].into_iter();
    let lines = lines.into_iter().map(|line| {
        let head = heads.next().unwrap_or_else(|| " ".repeat(6));
        page.wrap(&format!("{head}{}", page.name_zones(&line.to_string())), 6)
    });
    lines.collect::<Vec<_>>().join("\n")
}

pub(super) fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
    }
}

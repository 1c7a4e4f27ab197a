//! The short of a run, for a terminal.

use comfy_table::CellAlignment;

use super::numbers::{count, grouped, milliseconds, percent};
use super::page::Page;
use super::style::{attention, bad, faint, good, strong};
use super::table::{align_numbers, lines, table};
use crate::runs::Run;
use crate::runs::document::Ending;
use crate::runs::findings::{Part, Verification};

/// The text.
pub fn of(run: &Run, page: &Page) -> String {
    let Run { document, findings, .. } = run;
    let head = format!("{}  {}  {}", word(document.ending()), strong(document.command()), faint(&run.id));
    let took = document.duration_s.map(|seconds| format!(", {seconds:.1} s")).unwrap_or_default();
    let mut blocks =
        vec![format!("{head}\n{}", page.wrap(&format!("{}; {}{took}", document.place(), document.started()), 2))];
    let asked = asked(run);
    if !asked.is_empty() {
        blocks[0].push_str(&format!("\n{}", page.wrap(&format!("asked: {}", asked.join(" ")), 2)));
    }
    if let Some(error) = &document.error {
        blocks.push(page.wrap(&format!("{}: {}", bad("error"), error.message), 2));
    }
    if !findings.steps.is_empty() {
        let mut steps = table(page, ["STEP", "VERDICT", "TIME"]);
        for step in &findings.steps {
            let verdict = step.verdict.clone().unwrap_or_default();
            steps.add_row([step.step.clone(), verdict, format!("{:.1} s", step.duration_s)]);
        }
        blocks.push(lines(&steps));
    }
    if !findings.checks.is_empty() {
        blocks.push(checks(&findings.checks, page));
    }
    for Part { title, found, .. } in findings.checks.iter().filter(|check| !check.found.holds()) {
        blocks.extend(found.reasons.iter().map(|reason| page.wrap(&format!("{title}: {reason}"), 2)));
    }
    if let Some(Part { found, .. }) = &findings.stats {
        blocks.extend(found.reasons.iter().map(|reason| page.wrap(&format!("stats: {reason}"), 2)));
    }
    if let Some(Part { found, .. }) = &findings.drill {
        let seconds = count(found.timeline.len() as u64, "second");
        if !found.timeline.is_empty() {
            blocks.push(format!("timeline: {seconds}, {} failed", count(found.errors, "request")));
        }
    }
    blocks.join("\n\n")
}

fn word(ending: Ending) -> String {
    let word = ending.word().to_uppercase();
    match ending {
        Ending::Pass => good(word),
        Ending::Fail | Ending::Error => bad(word),
        Ending::Interrupted => attention(word),
    }
}

/// What was asked for: `spillover --requests 50 --local`.
pub fn asked(run: &Run) -> Vec<String> {
    let arguments = run.asked.get("arguments").and_then(serde_json::Value::as_array);
    let arguments = arguments.into_iter().flatten().filter_map(|argument| argument.as_str().map(str::to_owned));
    let options = run.asked.get("options").and_then(serde_json::Value::as_object);
    let option = |(name, value): (&String, &serde_json::Value)| match value {
        serde_json::Value::Bool(_) => format!("--{name}"),
        serde_json::Value::String(value) => format!("--{name} {value}"),
        value => format!("--{name} {value}"),
    };
    arguments.chain(options.into_iter().flatten().map(option)).collect()
}

fn checks(checks: &[Part<Verification>], page: &Page) -> String {
    let header = ["", "VERDICT", "SAME-ZONE", "PREDICTED", "REQUESTS", "ERRORS", "P50", "P99"];
    let mut table = table(page, header);
    for Part { title, found, .. } in checks {
        let verdict = if found.holds() { "pass" } else { "fail" };
        let predicted = found.expected.same_zone_share.filter(|_| found.is_predicted());
        let [observed, predicted] = [found.same_zone_share, predicted].map(percent);
        let [p50, p99] = [found.latency_ms.all.p50, found.latency_ms.all.p99].map(milliseconds);
        let numbers = [grouped(found.requests), grouped(found.errors)];
        table.add_row([title.as_str(), verdict, &observed, &predicted, &numbers[0], &numbers[1], &p50, &p99]);
    }
    align_numbers(&mut table);
    if let Some(verdict) = table.column_mut(1) {
        verdict.set_cell_alignment(CellAlignment::Left);
    }
    lines(&table)
}

//! A run as Markdown, as GitHub and GitLab show it: for a pull request's comment or a job's summary.

use std::fmt::Write;

use super::numbers::{grouped, milliseconds, percent};
use crate::runs::audited::Audited;
use crate::runs::document::{Document, Ending};
use crate::runs::findings::{Findings, Part, Verification};

/// The text.
pub fn of(document: &Document, findings: &Findings) -> String {
    let mark = if document.ending() == Ending::Pass { "✅" } else { "❌" };
    let (command, word) = (document.command(), document.ending().word());
    let mut blocks = vec![format!("### {mark} zonewalk {command}: {word}"), about(document)];
    if let Some(error) = &document.error {
        blocks.push(format!("> {}", text(&error.message)));
    }
    if !findings.steps.is_empty() {
        let rows = findings.steps.iter().map(|step| {
            vec![step.step.clone(), step.verdict.clone().unwrap_or_default(), format!("{:.1} s", step.duration_s)]
        });
        blocks.push(table(&["step", "verdict", "time"], rows, 2));
    }
    if !findings.checks.is_empty() {
        blocks.push(checks(&findings.checks));
    }
    for Part { title, found, .. } in &findings.checks {
        let mut reasons = String::new();
        for reason in &found.reasons {
            // A text of memory takes whatever is written.
            let _ = writeln!(reasons, "- {}", text(reason));
        }
        let matrix = matrix(document, found);
        let summary = format!("{title}: requests by the zones of frontend and backend");
        let open = if findings.checks.len() == 1 || !found.holds() { " open" } else { "" };
        blocks.push(format!("<details{open}><summary>{summary}</summary>\n\n{matrix}\n\n{reasons}</details>"));
    }
    if let Some(Part { found, .. }) = &findings.stats {
        let grown = found.totals.growth.iter();
        let rows = grown.map(|(name, number)| vec![format!("`{name}`"), grouped(*number)]);
        blocks.push(table(&["counter", "growth"], rows, 1));
        blocks.extend(found.reasons.iter().map(|reason| format!("- {}", text(reason))));
    }
    if let Some(audited) = &findings.audited {
        blocks.extend(audit(audited));
    }
    if let Some(next) = &document.next {
        blocks.push(format!("next: {next}"));
    }
    blocks.join("\n\n") + "\n"
}

/// The pairs with why they are not on, what to do, and what is not known.
fn audit(audited: &Audited) -> Vec<String> {
    let header =
        ["client", "server", "why", "routing", "same zone", "endpoints", "GB a month", "crossing", "could save"];
    let usd = |usd: Option<f64>| usd.map_or("-".to_owned(), |usd| format!("${usd:.2}"));
    let rows = audited.shown().into_iter().map(|pair| {
        let why = pair.reasons.iter().map(|reason| reason.text.as_str()).collect::<Vec<_>>().join("; ");
        let client = format!("{}/{}", pair.client.cluster, pair.client.service);
        let endpoints = format!("{} of {}", pair.endpoints.healthy, pair.endpoints.needed);
        let gb = pair.traffic.as_ref().map_or("-".to_owned(), |traffic| grouped((traffic.bytes / 1e9).round() as u64));
        let money = pair.usd_per_month.as_ref();
        let [crossing, could_save] = [money.map(|usd| usd.crossing), money.map(|usd| usd.could_save)].map(usd);
        let (state, share) = (pair.state.replace('_', " "), percent(pair.same_zone.share));
        vec![client, pair.server.clone(), why, state, share, endpoints, gb, crossing, could_save]
    });
    let list = |title: &str, lines: Vec<String>| {
        let lines: Vec<String> = lines.iter().map(|line| format!("- {line}")).collect();
        (!lines.is_empty()).then(|| format!("{title}\n\n{}", lines.join("\n")))
    };
    let advice = audited.advice.iter().map(|advice| {
        let command = advice.command.as_ref().map(|command| format!(": {command}")).unwrap_or_default();
        text(&advice.text) + &command
    });
    let unknown = audited.unknown.iter().map(|what| text(what));
    let lists = [list("To do, most worth first:", advice.collect()), list("Not known:", unknown.collect())];
    [table(&header, rows, 4)].into_iter().chain(lists.into_iter().flatten()).collect()
}

fn about(document: &Document) -> String {
    let took = document.duration_s.map(|seconds| format!("{seconds:.1} s"));
    let version = document.version.as_ref().map(|version| format!("zonewalk {version}"));
    let parts = [Some(document.place()), Some(document.started()), took, version];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

fn checks(checks: &[Part<Verification>]) -> String {
    let header = [
        "",
        "verdict",
        "requests",
        "errors",
        "same-zone",
        "predicted",
        "p50",
        "p99",
        "p50 same-zone",
        "p50 cross-zone",
    ];
    let rows = checks.iter().map(|Part { title, found, .. }| {
        let latency = &found.latency_ms;
        let latencies = [latency.all.p50, latency.all.p99, latency.same_zone.p50, latency.cross_zone.p50];
        let verdict = if found.holds() { "pass" } else { "**fail**" };
        let mut row = vec![title.clone(), verdict.to_owned(), grouped(found.requests), grouped(found.errors)];
        let predicted = found.expected.same_zone_share.filter(|_| found.is_predicted());
        row.extend([found.same_zone_share, predicted].map(percent));
        row.extend(latencies.map(milliseconds));
        row
    });
    table(&header, rows, 2)
}

fn matrix(document: &Document, found: &Verification) -> String {
    let zones = found.zone_ids();
    let header: Vec<String> =
        std::iter::once("frontend \\ backend".to_owned()).chain(zones.iter().map(|zone| document.zone(zone))).collect();
    let rows = zones.iter().map(|frontend| {
        let cells = zones.iter().map(|backend| {
            let (observed, predicted) = found.cell(frontend, backend);
            let predicted =
                predicted.map(|requests| format!("{requests:.0}")).filter(|text| *text != observed.to_string());
            let predicted = predicted.map(|text| format!(" ({text})")).unwrap_or_default();
            format!("{}{predicted}", grouped(observed))
        });
        std::iter::once(document.zone(frontend)).chain(cells).collect()
    });
    table(&header.iter().map(String::as_str).collect::<Vec<_>>(), rows, 1)
}

/// A table whose columns from this one on hold numbers.
fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>, numbers_from: usize) -> String {
    let line = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
    let rule = (0..header.len()).map(|column| if column < numbers_from { "---" } else { "---:" }.to_owned());
    let header = line(header.iter().map(|title| (*title).to_owned()).collect());
    let rows = rows.map(|row| line(row.iter().map(|cell| text(cell)).collect()));
    [header, line(rule.collect())].into_iter().chain(rows).collect::<Vec<_>>().join("\n")
}

/// A text in which nothing but code is Markdown's or HTML's.
fn text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('|', "\\|").replace('\n', " ")
}

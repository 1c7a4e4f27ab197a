//! Runs as one web page: it holds all that it shows, asks nothing of anyone and runs no script. What it says is prepared here,
//! charts included; how it looks is in `templates/report.html`.

mod figure;
mod latency;
mod plot;
mod timeline;

use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};
use serde_json::{Map, Value, json};

use self::figure::Figures;
use super::summary;
use crate::runs::Run;
use crate::runs::document::Ending;
use crate::runs::findings::{Findings, Part, Tasks, Transfer, Verification};

const TEMPLATE: &str = include_str!("../../../templates/report.html");

/// What a counter means, if that is known.
pub type Meaning = fn(&str) -> Option<String>;

/// The page of these runs, side by side where there is room.
pub fn page(runs: &[Run], meaning: Meaning) -> String {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let runs: Vec<Value> = runs.iter().map(|run| of_run(run, meaning)).collect();
    let title = runs.iter().filter_map(|run| run["command"].as_str()).collect::<Vec<_>>().join(" and ");
    let runs = runs.iter().map(for_template).collect::<Vec<_>>();
    environment
        .render_str(TEMPLATE, context! { runs, title, version => env!("CARGO_PKG_VERSION") })
        .expect("the template is part of the program and names only what is prepared here")
}

/// The same value for the template.
fn for_template(value: &Value) -> minijinja::Value {
    match value {
        Value::Null => ().into(),
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64().into(),
        },
        Value::String(text) => text.into(),
        Value::Array(items) => items.iter().map(for_template).collect::<Vec<_>>().into(),
        Value::Object(members) => {
            minijinja::Value::from_pairs(members.iter().map(|(name, inner)| (name.clone(), for_template(inner))))
        }
    }
}

fn of_run(run: &Run, meaning: Meaning) -> Value {
    let Run { id, note, document, findings, .. } = run;
    let top = Figures::at("");
    let known = [
        (
            "drill",
            findings.drill.as_ref().and_then(|drill| drill.found.drill.clone()).map(|drill| drill.replace('_', " ")),
        ),
        ("walkthrough", document.name.clone()),
        ("region", document.region.clone()),
        ("account", document.account.clone()),
        ("endpoint", document.endpoint_url.clone()),
        ("version", document.version.clone()),
        ("proxies", findings.checks.iter().find_map(|check| check.found.proxies.clone())),
    ];
    let facts: Vec<Value> =
        known.into_iter().filter_map(|(name, value)| Some(json!({ "name": name, "value": value? }))).collect();
    json!({
        "id": id,
        "note": note,
        "command": document.command(),
        "ending": document.ending().word(),
        "holds": document.ending() == Ending::Pass,
        "started": document.started(),
        "duration": top.seconds("duration_s", document.duration_s),
        "facts": facts,
        "asked": summary::asked(run),
        "error": document.error.as_ref().map(|error| json!({ "message": error.message, "hint": error.hint })),
        "steps": findings.steps.iter().map(|step| json!({
            "step": step.step, "verdict": step.verdict, "duration": format!("{:.1} s", step.duration_s),
        })).collect::<Vec<_>>(),
        "tiles": tiles(findings),
        "has_shares": findings.checks.iter().any(|check| !check.found.zones.is_empty()),
        "has_transfer": findings.checks.iter().any(|check| check.found.transfer.is_some()),
        "checks": findings.checks.iter().map(|check| of_check(run, check)).collect::<Vec<_>>(),
        "topology": topology(run, &findings.tasks),
        "timeline": findings.drill.as_ref().and_then(|drill| timeline::of(&drill.at, &drill.found)),
        "counters": counters(findings, meaning),
        "cost": cost(run),
    })
}

/// The figures that are read first.
fn tiles(findings: &Findings) -> Vec<Value> {
    let mut tiles = vec![];
    let mut tile =
        |name: &str, figure: Value, tone: &str| tiles.push(json!({ "name": name, "figure": figure, "tone": tone }));
    let tone = |errors: u64| if errors == 0 { "" } else { "bad" };
    if let Some(Part { at, found, .. }) = findings.comparison.as_ref().filter(|it| it.found.off.is_some()) {
        let of = Figures::at(at);
        tile("change of the median latency", of.change("median_change", found.median_change), "same");
        tile("what AWS says of it", of.change("median_change_on_aws", found.median_change_on_aws), "");
        return tiles;
    }
    match (&findings.drill, findings.checks.last()) {
        (Some(drill), _) => {
            for check in
                findings.checks.iter().filter(|check| check.found.phase.is_some() && check.found.is_predicted())
            {
                let share = Figures::at(&check.at).share("same_zone_share", check.found.same_zone_share);
                tile(&format!("same-zone, {}", check.title), share, "same");
            }
            let errors = Figures::at(&drill.at).count("errors", drill.found.errors);
            tile("failed requests", errors, tone(drill.found.errors));
        }
        (None, Some(Part { at, found, .. })) => {
            let of = Figures::at(at);
            tile("stayed in their zone", of.share("same_zone_share", found.same_zone_share), "same");
            tile("predicted", of.share("expected/same_zone_share", found.expected.same_zone_share), "");
            tile("requests", of.count("requests", found.requests), "");
            tile("failed", of.count("errors", found.errors), tone(found.errors));
            tile("median", of.milliseconds("latency_ms/all/p50", found.latency_ms.all.p50), "");
            tile("99th percentile", of.milliseconds("latency_ms/all/p99", found.latency_ms.all.p99), "");
        }
        (None, None) => {
            if let Some(Part { at, found, .. }) = &findings.stats {
                let sent = Figures::at(at).count("totals/requests_sent", found.totals.requests_sent);
                tile("requests between the readings", sent, "");
            }
        }
    }
    tiles
}

fn of_check(run: &Run, Part { at, title, found }: &Part<Verification>) -> Value {
    let (of, predicted) = (Figures::at(at), found.is_predicted());
    let percentiles = [
        ("all", "all", found.latency_ms.all),
        ("same-zone", "same_zone", found.latency_ms.same_zone),
        ("cross-zone", "cross_zone", found.latency_ms.cross_zone),
    ];
    json!({
        "title": title,
        "holds": found.holds(),
        "expected_state": found.expected_state,
        "state": found.zone_aware_routing.state.as_deref().map(|state| state.replace('_', " ")),
        "requests": of.count("requests", found.requests),
        "errors": of.count("errors", found.errors),
        "rate": of.rate("requests_per_second", found.requests_per_second),
        "observed": of.share("same_zone_share", found.same_zone_share),
        // The placement changes while tasks stop, so that nothing is predicted of that phase.
        "predicted": predicted.then(|| of.share("expected/same_zone_share", found.expected.same_zone_share)),
        "p50": of.milliseconds("latency_ms/all/p50", found.latency_ms.all.p50),
        "p99": of.milliseconds("latency_ms/all/p99", found.latency_ms.all.p99),
        "matrix": matrix(run, &of, found),
        "latencies": percentiles.map(|(name, key, latency)| {
            let figures = [("p50", latency.p50), ("p90", latency.p90), ("p95", latency.p95), ("p99", latency.p99)];
            let figures = figures.map(|(part, ms)| of.milliseconds(&format!("latency_ms/{key}/{part}"), ms));
            json!({ "name": name, "figures": figures })
        }),
        "distribution": latency::of(&of, &found.latency_buckets),
        "zones": found.zones.iter().enumerate().map(|(index, zone)| {
            let field = |name: &str| format!("zones/{index}/{name}");
            json!({
                "id": zone.frontend,
                "observed": of.share(&field("same_zone_share"), zone.same_zone_share),
                "predicted": of.share(&field("predicted_same_zone_share"), zone.predicted_same_zone_share),
                "interval": zone.interval.map(|interval| json!({
                    "low": of.share(&field("interval/low"), Some(interval.low)),
                    "high": of.share(&field("interval/high"), Some(interval.high)),
                    "from": interval.low * 100.0,
                    "width": (interval.high - interval.low) * 100.0,
                })),
                "at": zone.same_zone_share.map(|share| share * 100.0),
                "predicted_at": zone.predicted_same_zone_share.map(|share| share * 100.0),
            })
        }).collect::<Vec<_>>(),
        "fit": found.fit.as_ref().map(|fit| json!({ "test": fit.test.replace('_', " "), "p_value": of.number("fit/p_value", fit.p_value) })),
        "reasons": found.reasons,
        "transfer": found.transfer.as_ref().map(|crossing| transfer(&of, crossing)),
    })
}

/// The requests by zones: how dark a cell is says which share of its row's it has.
fn matrix(run: &Run, of: &Figures<'_>, found: &Verification) -> Value {
    let zones = found.zone_ids();
    let label =
        |zone: &str| json!({ "id": zone, "name": run.document.zones.iter().find(|z| z.id == zone).map(|z| &z.name) });
    let index = |from: &str, to: &str| found.matrix.iter().position(|cell| cell.frontend == from && cell.backend == to);
    let rows = zones.iter().map(|from| {
        let all: u64 = zones.iter().map(|to| found.cell(from, to).0).sum();
        let cells = zones.iter().map(|to| {
            let (observed, predicted) = found.cell(from, to);
            let shown = predicted.filter(|requests| observed > 0 || *requests > 0.0);
            let share = if all > 0 { observed as f64 / all as f64 } else { 0.0 };
            let figure = match index(from, to) {
                Some(index) => of.count(&format!("matrix/{index}/requests"), observed),
                None => json!(null),
            };
            json!({
                "figure": figure,
                "shade": (share * 100.0).round(),
                "same": from == to,
                "predicted": shown.map(|requests| format!("{requests:.0}")),
                "is_stray": observed > 0 && predicted == Some(0.0),
                "is_none": observed == 0 && shown.is_none(),
            })
        });
        json!({ "zone": label(from), "cells": cells.collect::<Vec<_>>() })
    });
    json!({ "zones": zones.iter().map(|zone| label(zone)).collect::<Vec<_>>(), "rows": rows.collect::<Vec<_>>() })
}

/// The tasks in each zone.
fn topology(run: &Run, tasks: &[Tasks]) -> Vec<Value> {
    let mut zones: Vec<&str> = tasks.iter().map(|tasks| tasks.zone.as_str()).collect();
    zones.sort_unstable();
    zones.dedup();
    let of_zone = |zone: &&str| {
        let here = tasks.iter().filter(|tasks| tasks.zone == *zone);
        let services: Vec<Value> =
            here.map(|tasks| json!({ "service": tasks.service, "running": tasks.running })).collect();
        json!({ "zone": run.document.zone(zone), "services": services })
    };
    zones.iter().map(of_zone).collect()
}

/// The proxies' counters: their growth and their totals if `stats` read them, or else what counted in each check.
fn counters(findings: &Findings, meaning: Meaning) -> Value {
    let mut columns: Vec<String> = vec![];
    let mut rows = Map::<String, Value>::new();
    let mut add = |name: &str, column: usize, figure: Value| {
        let row = rows.entry(name).or_insert_with(|| json!([]));
        let figures = row.as_array_mut().expect("each row is made a list");
        figures.resize(column, Value::Null);
        figures.push(figure);
    };
    if let Some(Part { at, found, .. }) = &findings.stats {
        let of = Figures::at(at);
        columns.extend(["growth".to_owned(), "since they started".to_owned()]);
        for (name, total) in &found.totals.counters {
            let growth = found.totals.growth.get(name);
            add(name, 0, growth.map_or(Value::Null, |growth| of.count(&format!("totals/growth/{name}"), *growth)));
            add(name, 1, of.count(&format!("totals/counters/{name}"), *total));
        }
    } else {
        for Part { at, title, found } in &findings.checks {
            let Some(counters) = &found.zone_aware_routing.counters else { continue };
            for (name, value) in counters {
                let Some(value) = value.as_u64() else { continue };
                let figure = Figures::at(at).count(&format!("zone_aware_routing/counters/{name}"), value);
                let name = if name.starts_with("lb_") { name.clone() } else { format!("lb_zone_routing_{name}") };
                add(&name, columns.len(), figure);
            }
            columns.push(title.clone());
        }
    }
    let rows: Vec<Value> = rows
        .into_iter()
        .map(|(name, mut figures)| {
            if let Some(figures) = figures.as_array_mut() {
                figures.resize(columns.len(), Value::Null);
            }
            json!({ "name": name, "figures": figures, "meaning": meaning(&name) })
        })
        .collect();
    json!({ "columns": columns, "rows": rows })
}

/// What the walkthrough costs while it stands, where that was known.
fn cost(run: &Run) -> Vec<Value> {
    let status = &run.document.result["status"];
    let of = Figures::at("/result/status");
    let known = [("USD an hour while it stands", "cost/usd_per_hour"), ("USD so far", "usd_so_far")];
    let figure = |(name, field): (&str, &str)| {
        let value = status.pointer(&format!("/{field}"))?.as_f64()?;
        Some(json!({ "name": name, "figure": of.number(field, Some(value)) }))
    };
    known.into_iter().filter_map(figure).collect()
}

/// What crossed zones and what that costs, beside what it would without zone-aware routing.
fn transfer(of: &Figures<'_>, crossing: &Transfer) -> Vec<Value> {
    let field = |name: &str| format!("transfer/{name}");
    let number = |name: &str, value| of.number(&field(name), value);
    let share = |name: &str, value| of.share(&field(name), value);
    let mut rows = vec![
        ("bytes of all requests and answers", of.count(&field("bytes"), crossing.bytes)),
        ("bytes across zones", of.count(&field("cross_zone_bytes"), crossing.cross_zone_bytes)),
        ("share across zones", share("cross_zone_share", crossing.cross_zone_share)),
        (
            "share without zone-aware routing",
            share("cross_zone_share_without_zones", crossing.cross_zone_share_without_zones),
        ),
        ("USD a GB, both directions", number("usd_per_gb", crossing.usd_per_gb)),
        ("USD", number("usd", crossing.usd)),
        ("USD without zone-aware routing", number("usd_without_zones", crossing.usd_without_zones)),
    ];
    if let Some(month) = &crossing.per_month {
        rows.extend([
            ("GB a month", number("per_month/gb", month.gb)),
            ("USD a month", number("per_month/usd", month.usd)),
            ("USD a month without zone-aware routing", number("per_month/usd_without_zones", month.usd_without_zones)),
        ]);
    }
    rows.into_iter().map(|(name, figure)| json!({ "name": name, "figure": figure })).collect()
}

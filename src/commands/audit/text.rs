//! How an audit reads: the pairs as a table, why they are not on, what to do, what is not known.

use comfy_table::{Cell, CellAlignment, Color};

use super::Audit;
use crate::audit::readers::Source;
use crate::audit::verdict::{Advice, Basis, Pair, State};
use crate::report::numbers::{count, grouped, percent};
use crate::report::page::Page;
use crate::report::style::{attention, bad, good};
use crate::report::table::{lines, table};

pub(super) fn of(audit: &Audit, page: &Page) -> String {
    let shown = audit.shown();
    let mut blocks = vec![head(audit, page)];
    if shown.is_empty() {
        blocks.push(attention(match audit.services.is_empty() {
            true => "no service with Service Connect was found",
            false => "no two of the services share a namespace, so none calls another through Service Connect",
        }));
    } else {
        blocks.push([pairs(&shown, page), why(&shown, page), basis(audit, &shown, page)].join("\n"));
    }
    blocks.extend(below(audit, page));
    if !audit.advice.is_empty() {
        let advice = audit.advice.iter().map(|advice| told(advice, page)).collect::<Vec<_>>().join("\n");
        blocks.push(format!("to do, most worth first:\n{advice}"));
    }
    if !audit.unknown.is_empty() {
        let unknown = audit.unknown.iter().map(|what| page.wrap(&format!("  {}", page.name_zones(what)), 4));
        blocks.push(format!("not known:\n{}", unknown.collect::<Vec<_>>().join("\n")));
    }
    blocks.join("\n\n")
}

fn head(audit: &Audit, page: &Page) -> String {
    let account = audit.account.as_ref().map_or(String::new(), |account| format!("account {account} in "));
    let (idle, talking): (Vec<&Pair>, Vec<&Pair>) = audit.pairs.iter().partition(|pair| pair.idle);
    let with = match audit.sources.metrics {
        Source::Read => format!("{} with traffic", count(talking.len() as u64, "pair")),
        _ => format!("{} that could talk", count(talking.len() as u64, "pair")),
    };
    let idle = (idle.len() + audit.pairs_left_out) as u64;
    let idle = if idle > 0 { format!(", {} without", grouped(idle)) } else { String::new() };
    let line = format!(
        "{account}{}: {}, {} with Service Connect and {} without, {with}{idle}",
        audit.region,
        count(audit.namespaces() as u64, "namespace"),
        count(audit.services.len() as u64, "service"),
        grouped(audit.services_without_service_connect as u64),
    );
    page.wrap(&line, 2)
}

fn state(state: State) -> Cell {
    let cell = Cell::new(<&str>::from(state).replace('_', " "));
    cell.fg(match state {
        State::On | State::OneZone => Color::DarkGreen,
        State::Off => Color::DarkRed,
        State::Partly | State::Unclear | State::NotRunning => Color::DarkYellow,
    })
}

fn pairs(shown: &[&Pair], page: &Page) -> String {
    let has_traffic = shown.iter().any(|pair| pair.traffic.is_some());
    let titles = ["CLIENT", "SERVER", "ROUTING", "SAME ZONE", "ENDPOINTS"];
    let money = ["GB/MONTH", "CROSSING", "SAVED", "COULD SAVE"];
    let money = || money.iter().filter(|_| has_traffic);
    let mut table = table(page, titles.iter().chain(money()));
    for pair in shown {
        let endpoints = match pair.endpoints.needed {
            0 => "-".to_owned(),
            needed => format!("{} of {needed}", pair.endpoints.healthy),
        };
        let share = Cell::new(percent(pair.same_zone.share));
        let names = [pair.client.to_string(), pair.server.clone()].map(Cell::new);
        let mut row: Vec<Cell> = names.into_iter().chain([state(pair.state), share, Cell::new(endpoints)]).collect();
        if has_traffic {
            let gb = pair.traffic.as_ref().map(|traffic| traffic.bytes / 1e9);
            row.push(Cell::new(gb.map_or("-".to_owned(), |gb| grouped(gb.round() as u64))));
            let usd = pair.usd_per_month;
            let usd = [usd.map(|usd| usd.crossing), usd.map(|usd| usd.saved), usd.map(|usd| usd.could_save)];
            row.extend(usd.map(|usd| Cell::new(dollars(usd))));
        }
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    lines(&table)
}

fn dollars(usd: Option<f64>) -> String {
    usd.map_or("-".to_owned(), |usd| format!("${usd:.2}"))
}

/// Each reason and each note once, in the order of the pairs.
fn why(shown: &[&Pair], page: &Page) -> String {
    let reasons = shown.iter().flat_map(|pair| &pair.reasons).map(|reason| reason.text.as_str());
    let notes = shown.iter().flat_map(|pair| &pair.notes).map(|note| note.text.as_str());
    let mut told: Vec<&str> = vec![];
    for text in reasons.chain(notes) {
        if !told.contains(&text) {
            told.push(text);
        }
    }
    told.iter().map(|text| page.wrap(&format!("  {}", page.name_zones(text)), 4)).collect::<Vec<_>>().join("\n")
}

/// What the figures are from.
fn basis(audit: &Audit, shown: &[&Pair], page: &Page) -> String {
    let is_measured = |pair: &&&Pair| pair.same_zone.evidence.is_some_and(|basis| basis != Basis::Predicted);
    let measured = shown.iter().filter(is_measured).count();
    let share = match measured {
        0 => "predicted from where tasks run".to_owned(),
        all if all == shown.len() => "measured".to_owned(),
        some => format!("measured for {some}, else predicted from where tasks run"),
    };
    let traffic = match (audit.sources.metrics, shown.iter().any(|pair| pair.traffic.is_some())) {
        (Source::Read, true) => "; traffic: CloudWatch's TargetProcessedBytes",
        (_, true) => "; traffic: as named, in equal parts",
        (_, false) => "",
    };
    let price = format!("; {} USD per GB each way, list price", audit.usd_per_gb / 2.0);
    let price = if traffic.is_empty() { "" } else { &price };
    page.wrap(&format!("same zone: {share}{traffic}{price}"), 2)
}

fn below(audit: &Audit, page: &Page) -> Option<String> {
    let (least, below) = (audit.min_same_zone?, audit.below());
    let least = percent(Some(least));
    if audit.judges_nothing() {
        return Some(format!(
            "{}  no pair's share is known, so none is known to keep {least} in its zone",
            bad("FAIL")
        ));
    }
    let line = |pair: &Pair| format!("{} → {} {}", pair.client, pair.server, percent(pair.same_zone.share));
    Some(match below.len() as u64 {
        0 => format!("{}  every pair whose share is known keeps {least} or more in its zone", good("PASS")),
        pairs => {
            let listed = below.into_iter().map(line).collect::<Vec<_>>().join(", ");
            let keep = if pairs == 1 { "keeps" } else { "keep" };
            let what =
                format!("{}  {} {keep} less than {least} in the zone: {listed}", bad("FAIL"), count(pairs, "pair"));
            page.wrap(&what, 6)
        }
    })
}

fn told(advice: &Advice, page: &Page) -> String {
    let saves = match advice.saves_usd_per_month {
        Some(usd) => format!("${usd:.2} a month"),
        None => String::new(),
    };
    let costs = match advice.costs_usd_per_month {
        Some(usd) if usd > 0.0 => {
            let dear = advice.saves_usd_per_month.is_some_and(|saves| saves < usd);
            let only = if dear { ", so only for latency" } else { "" };
            format!(" (costs about ${usd:.0} a month{only})")
        }
        Some(_) => String::new(),
        None => " (what it costs is not known here)".to_owned(),
    };
    let text = page.wrap(&format!("  {saves:<16}{}{costs}", page.name_zones(&advice.text)), 18);
    match &advice.command {
        Some(command) => format!("{text}\n{:18}{command}", ""),
        None => text,
    }
}

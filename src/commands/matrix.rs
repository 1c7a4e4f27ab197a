//! Requests by the zones of frontend and backend, as a table.

use std::collections::{BTreeMap, BTreeSet};

use comfy_table::{Attribute, Cell, Color};

use crate::report::page::Page;
use crate::report::table::{align_numbers, lines, table};
use crate::traffic::Verification;

/// The zones of frontend and backend.
type Pair<'a> = (&'a str, &'a str);

/// What was observed and, if that is known, what was predicted.
type Requests = (u64, Option<f64>);

/// The matrix of a verification. The predictions are shown where they differ from what was observed and that matters, or all
/// of them where more is wanted than usual.
pub(super) fn of_verification(result: &Verification, page: &Page) -> String {
    let mut pairs = BTreeMap::<Pair<'_>, Requests>::new();
    for cell in &result.expected.matrix {
        pairs.insert((&cell.frontend, &cell.backend), (0, Some(cell.requests)));
    }
    for cell in &result.matrix {
        pairs.entry((&cell.frontend, &cell.backend)).or_insert((0, Some(0.0))).0 = cell.requests;
    }
    matrix(&pairs, !result.as_predicted, page)
}

/// A matrix of all zones that occur.
pub(super) fn matrix(pairs: &BTreeMap<Pair<'_>, Requests>, compare: bool, page: &Page) -> String {
    let zones: BTreeSet<&str> = pairs.keys().flat_map(|(frontend, backend)| [*frontend, *backend]).collect();
    // Names below IDs, so that three zones fit a narrow page.
    let header = zones.iter().map(|zone| page.zone(zone).replacen(' ', "\n", 1));
    let mut table = table(page, ["FRONTEND \\ BACKEND".to_owned()].into_iter().chain(header));
    for frontend in &zones {
        let cells = zones.iter().map(|backend| {
            let (observed, predicted) = pairs.get(&(*frontend, *backend)).copied().unwrap_or_default();
            cell(observed, predicted, compare, page.verbose)
        });
        table.add_row([Cell::new(page.zone(frontend))].into_iter().chain(cells).collect::<Vec<_>>());
    }
    align_numbers(&mut table);
    lines(&table)
}

fn cell(observed: u64, predicted: Option<f64>, compare: bool, all: bool) -> Cell {
    let mut text = if observed == 0 { "·".to_owned() } else { observed.to_string() };
    let predicted = predicted.map(|requests| format!("{requests:.0}"));
    if let Some(predicted) =
        predicted.as_ref().filter(|predicted| all || compare && **predicted != observed.to_string())
    {
        text.push_str(&format!(" ({predicted})"));
    }
    match (observed, predicted.as_deref()) {
        (0, Some("0") | None) => Cell::new(text).add_attribute(Attribute::Dim),
        // Not one request should have gone there.
        (1.., Some("0")) => Cell::new(text).fg(Color::DarkRed),
        _ => Cell::new(text),
    }
}

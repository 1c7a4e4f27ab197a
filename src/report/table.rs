//! How tables and numbers look.

use std::fmt::Display;

use comfy_table::{CellAlignment, Table, presets};

pub fn table<T: Display>(header: impl IntoIterator<Item = T>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header.into_iter().map(|title| title.to_string()).collect::<Vec<_>>());
    table
}

/// All columns but the first hold numbers.
pub fn align_numbers(table: &mut Table) {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

/// A share as a percentage; none as a dash.
pub fn percent(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

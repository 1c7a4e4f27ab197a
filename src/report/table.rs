//! How tables look.

use std::fmt::Display;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::page::Page;

/// A table that is no wider than the page: cells are broken at words.
pub fn table<T: Display>(page: &Page, header: impl IntoIterator<Item = T>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    // Colors of cells are taken out later, like all others.
    table.enforce_styling();
    if let Some(width) = page.width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    table.set_header(header.into_iter().map(|title| title.to_string()).collect::<Vec<_>>());
    table
}

/// All columns but the first hold numbers.
pub fn align_numbers(table: &mut Table) {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

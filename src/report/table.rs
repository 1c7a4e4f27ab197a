//! How tables look.

use std::fmt::Display;

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};

use super::page::Page;

/// Columns are this far apart.
const GAP: u16 = 2;

/// A table that is no wider than the page: the last column's cells are broken at words.
pub fn table<T: Display>(page: &Page, header: impl IntoIterator<Item = T>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    // Colors of cells are taken out later, like all others.
    table.enforce_styling().style_text_only();
    if let Some(width) = page.width {
        // What would be to the right of the last column is not shown.
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width + GAP);
    }
    table.set_header(header.into_iter().map(|title| title.to_string()).collect::<Vec<_>>());
    let last = table.column_count().saturating_sub(1);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, GAP));
        if index < last {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table
}

/// All columns but the first hold numbers.
pub fn align_numbers(table: &mut Table) {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

/// The table's lines, without blanks at their ends.
pub fn lines(table: &Table) -> String {
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(width: Option<u16>) -> String {
        let mut table = table(&Page { width, ..Page::default() }, ["KIND", "WHAT IS TOLD OF IT"]);
        table.add_row(["role", "short"]);
        table.add_row(["Auto Scaling group", "a text of some words that is longer than a narrow page has room for"]);
        lines(&table)
    }

    #[test]
    fn a_table_is_no_wider_than_the_page_and_breaks_no_word() {
        insta::assert_snapshot!(shown(Some(40)), @"
        KIND                WHAT IS TOLD OF IT
        role                short
        Auto Scaling group  a text of some words
                            that is longer than
                            a narrow page has
                            room for
        ");
        insta::assert_snapshot!(shown(None), @"
        KIND                WHAT IS TOLD OF IT
        role                short
        Auto Scaling group  a text of some words that is longer than a narrow page has room for
        ");
    }

    #[test]
    fn no_line_ends_in_blanks() {
        for width in [Some(40), Some(80), None] {
            assert!(shown(width).lines().all(|line| line == line.trim_end()), "{width:?}");
        }
    }
}

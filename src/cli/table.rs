//! What lists and pages of the record have in common: nothing in them acts on the terminal.

use std::io::{self, Write};

use comfy_table::{Cell, Table, presets};
use serde::Serialize;

use crate::domain::{printable_json, printable_line};

/// Longest text of a cell, in characters; `show` and `--json` have the whole.
const MAX_CELL: usize = 120;

/// A table without lines, under these headings.
pub(super) fn new(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(headings.iter().map(Cell::new));
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

/// Recorded text as a cell: on one line, without power over the terminal, cut where it is too long.
pub(super) fn cell(text: &str) -> Cell {
    // Cut before escaping, which makes text longer, so that a megabyte costs nothing; and after it, for the width.
    let start: String = text.chars().take(MAX_CELL + 1).collect();
    let line = printable_line(&start);
    match line.char_indices().nth(MAX_CELL) {
        Some((cut, _)) => Cell::new(format!("{}…", line.get(..cut).unwrap_or_default())),
        None => Cell::new(line),
    }
}

/// A recorded time to the second, as a cell.
pub(super) fn time(rfc3339: &str) -> Cell {
    cell(&rfc3339.get(..19).unwrap_or(rfc3339).replace('T', " "))
}

/// `value` as JSON over several lines, with `\u` escapes for everything that could act on a terminal.
pub(super) fn json(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    writeln!(out, "{}", printable_json(&serde_json::to_string_pretty(value)?))
}

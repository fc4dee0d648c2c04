//! What the user's terminal shows, as far as reading a line off it needs.

use std::fmt;
use std::ops::RangeInclusive;

use avt::{Cell, Cursor, Line, Pen, ScreenKind, Terminal};
use unicode_width::UnicodeWidthChar as _;

use super::super::modes::Modes;

/// The widest screen that is emulated, in columns.
const MAX_COLUMNS: u16 = 1000;

/// The highest screen that is emulated, in rows.
const MAX_ROWS: u16 = 500;

/// The columns at the right of a row in which shells mark that a line goes on out of sight.
const MARGIN: usize = 3;

/// What is assumed of a terminal that does not tell its size.
const USUAL_SIZE: (u16, u16) = (80, 24);

/// The text left of the cursor where a line begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prompt {
    text: String,
    columns: usize,
}

impl Prompt {
    /// The text, blanks included.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it begins with `other` and goes on: with a line that stands behind that already.
    pub(super) fn goes_on_from(&self, other: &Self) -> bool {
        self.columns > other.columns && self.text.starts_with(&other.text)
    }
}

/// What stands on a line after its prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Input {
    pub(super) text: String,
    /// It reaches the right margin and does not wrap: some shells show a part of a longer line so.
    pub(super) may_be_cut: bool,
}

/// A terminal without scrollback, of bounded size.
pub(super) struct Emulator {
    terminal: Terminal,
    /// Whether the emulated size is the terminal's own: where not, nobody knows where its rows wrap.
    true_size: bool,
    modes: Modes,
    /// The beginning of a character whose rest has not come.
    partial: Vec<u8>,
}

impl Emulator {
    /// An empty screen. `None` where the emulator does not take the size.
    pub(super) fn new(columns: u16, rows: u16) -> Option<Self> {
        let (columns, rows, true_size) = emulated_size(columns, rows);
        Some(Self {
            terminal: Terminal::new(columns, rows).ok()?,
            true_size,
            modes: Modes::default(),
            partial: Vec::new(),
        })
    }

    /// Shows what the target wrote.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let mut shown = 0;
        for (end, alternate) in self.modes.feed(bytes) {
            self.show(bytes.get(shown..end).unwrap_or_default());
            // The emulator does not know the oldest spelling of the switch.
            self.terminal
                .feed(if alternate { "\x1b[?1047h" } else { "\x1b[?1047l" });
            shown = end;
        }
        self.show(bytes.get(shown..).unwrap_or_default());
    }

    /// Takes the size of the terminal, in characters.
    pub(super) fn resize(&mut self, columns: u16, rows: u16) {
        let (columns, rows, true_size) = emulated_size(columns, rows);
        self.true_size = true_size;
        self.terminal.resize(columns, rows);
    }

    /// Whether a program has taken the whole screen.
    pub(super) fn is_alternate(&self) -> bool {
        self.terminal.active_screen_kind() == ScreenKind::Alternate
    }

    /// Whether the target has asked for pastes to be marked.
    pub(super) fn marks_pastes(&self) -> bool {
        self.modes.marks_pastes()
    }

    /// The prompt, if a line can begin here: text left of the cursor, and nothing after it.
    pub(super) fn prompt(&self) -> Option<Prompt> {
        let Cursor { col, row, .. } = self.terminal.cursor();
        let cells = self.terminal.screen().line(row)?.cells();
        let (left, right) = cells.split_at_checked(col)?;
        let text: String = left.iter().filter(|cell| cell.width() > 0).map(Cell::char).collect();
        let begins_here = !right.is_empty() && right.iter().all(is_blank) && self.is_blank_below(row);
        (begins_here && !text.trim().is_empty()).then_some(Prompt { text, columns: col })
    }

    /// The input that stands after `prompt` on the cursor's line. `None` where that cannot be told for sure.
    pub(super) fn input(&self, prompt: &Prompt) -> Option<Input> {
        let cursor = self.terminal.cursor();
        let rows: Vec<&Line> = self.terminal.screen().visible_lines().collect();
        let first = row_of_prompt(&rows, cursor.row, prompt)?;
        let last = (first..rows.len()).find(|row| !continues(&rows, *row))?;
        let before_input = (cursor.row, cursor.col) < (first, prompt.columns);
        let wraps_nowhere_known = first != last && !self.true_size;
        if before_input || wraps_nowhere_known || !self.is_blank_below(last) {
            return None;
        }
        input(&rows, first..=last, prompt.columns, cursor)
    }

    fn is_blank_below(&self, row: usize) -> bool {
        let mut below = self.terminal.screen().visible_lines().skip(row + 1);
        below.all(|line| line.cells().iter().all(is_blank))
    }

    fn show(&mut self, bytes: &[u8]) {
        self.partial.extend_from_slice(bytes);
        let bytes = std::mem::take(&mut self.partial);
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            self.terminal.feed(chunk.valid());
            if chunks.peek().is_none() && is_unfinished(chunk.invalid()) {
                self.partial = chunk.invalid().to_vec();
            } else if !chunk.invalid().is_empty() {
                self.terminal.feed("\u{fffd}");
            }
        }
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator")
            .field("size", &self.terminal.size())
            .finish_non_exhaustive()
    }
}

/// Columns, rows, and whether they are the terminal's own.
fn emulated_size(columns: u16, rows: u16) -> (usize, usize, bool) {
    let (usual_columns, usual_rows) = USUAL_SIZE;
    let known = |size, usual| if size == 0 { usual } else { size };
    let emulated = (
        known(columns, usual_columns).min(MAX_COLUMNS),
        known(rows, usual_rows).min(MAX_ROWS),
    );
    (emulated.0.into(), emulated.1.into(), emulated == (columns, rows))
}

fn is_unfinished(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

fn is_blank(cell: &Cell) -> bool {
    cell.char() == ' '
}

fn starts_with(line: &Line, prompt: &Prompt) -> bool {
    let left = line.cells().iter().take(prompt.columns);
    left.filter(|cell| cell.width() > 0)
        .map(Cell::char)
        .eq(prompt.text.chars())
}

/// Whether the row below belongs to the same line. An edit in a full row makes the terminal forget that it wrapped.
fn continues(rows: &[&Line], row: usize) -> bool {
    let is_last = row + 1 >= rows.len();
    let full = |line: &&Line| line.is_wrapped() || line.cells().last().is_some_and(|cell| !is_blank(cell));
    !is_last && rows.get(row).is_some_and(full)
}

/// The row where the cursor's line begins with `prompt`. `None` without one, and where two would do.
fn row_of_prompt(rows: &[&Line], cursor: usize, prompt: &Prompt) -> Option<usize> {
    let begin = (0..cursor)
        .rev()
        .find(|row| !continues(rows, *row))
        .map_or(0, |row| row + 1);
    let mut prompts = (begin..=cursor).filter(|row| rows.get(*row).is_some_and(|line| starts_with(line, prompt)));
    let first = prompts.next()?;
    prompts.next().is_none().then_some(first)
}

/// The text of `range` from a column of its first row on, with as many blanks at its end as the cursor has passed.
fn input(rows: &[&Line], range: RangeInclusive<usize>, column: usize, cursor: Cursor) -> Option<Input> {
    let mut text = String::new();
    let mut length = 0;
    let mut may_be_cut = false;
    for row in range.clone() {
        let from = if row == *range.start() { column } else { 0 };
        for (column, cell) in rows.get(row)?.cells().iter().enumerate().skip(from) {
            if cell.width() == 0 {
                continue;
            }
            let passed = (row, column) < (cursor.row, cursor.col);
            if !is_legible(cell, passed) {
                return None;
            }
            text.push(cell.char());
            if passed || !is_blank(cell) {
                length = text.len();
                may_be_cut = row == *range.start() && column + MARGIN >= rows.get(row)?.len();
            }
        }
        if row != *range.end() && leaves_a_gap(rows.get(row)?, rows.get(row + 1)?) {
            return None;
        }
    }
    text.truncate(length);
    Some(Input { text, may_be_cut })
}

/// Characters without a width hide in their neighbours, and what is coloured after the cursor is the shell's suggestion.
fn is_legible(cell: &Cell, passed: bool) -> bool {
    let has_width = cell.char().width().is_some_and(|width| width > 0);
    let suggested = !passed && !is_blank(cell) && *cell.pen() != Pen::default();
    has_width && cell.char() != char::REPLACEMENT_CHARACTER && !suggested
}

/// Whether the blank at the end of a row may be there only because a wide character did not fit.
fn leaves_a_gap(line: &Line, next: &Line) -> bool {
    line.cells().last().is_some_and(is_blank) && next.cells().first().is_some_and(|cell| cell.width() == 2)
}

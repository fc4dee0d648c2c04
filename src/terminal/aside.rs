//! A line of the bastion's own in the midst of what a terminal shows: whatever stands where the cursor is goes on below it.

use unicode_width::UnicodeWidthChar as _;

use super::modes::Modes;
use crate::domain::printable_line;

/// What opens tmux's control mode: from there on, the terminal's program reads a protocol.
const CONTROL_MODE: &[u8] = b"\x1bP1000p";

/// What must be known of a terminal to write between what it shows.
#[derive(Debug)]
pub struct Shown {
    term: String,
    columns: u32,
    modes: Modes,
    /// The end of what was shown, too short to hold all of [`CONTROL_MODE`].
    tail: Vec<u8>,
    is_protocol: bool,
}

impl Shown {
    /// A terminal of the kind `term` that shows nothing yet, of so many columns; 0: not known.
    #[must_use]
    pub fn new(term: &str, columns: u32) -> Self {
        Self {
            term: term.to_owned(),
            columns,
            modes: Modes::default(),
            tail: Vec::new(),
            is_protocol: false,
        }
    }

    /// It has so many columns now.
    pub fn resize(&mut self, columns: u32) {
        self.columns = columns;
    }

    /// Takes what is shown.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.tail.is_empty() && memchr::memchr(0x1b, bytes).is_none() && self.modes.is_at_rest() {
            return;
        }
        self.modes.feed(bytes);
        self.tail.extend_from_slice(bytes);
        self.is_protocol |= memchr::memmem::find(&self.tail, CONTROL_MODE).is_some();
        let begins = |length: &usize| {
            CONTROL_MODE
                .get(..*length)
                .is_some_and(|begun| self.tail.ends_with(begun))
        };
        let begun = (1..CONTROL_MODE.len()).rev().find(begins).unwrap_or(0);
        self.tail.drain(..self.tail.len().saturating_sub(begun));
    }

    /// What shows `text` above the line of the cursor, which stays where it is in that line; or in the first row of a program
    /// that has the whole screen. Nothing where a program would take it for something else.
    #[must_use]
    pub fn aside(&self, text: &str) -> Vec<u8> {
        let text = printable_line(text);
        if self.is_protocol {
            return Vec::new();
        }
        if matches!(self.term.as_str(), "" | "dumb" | "unknown") {
            return format!("\r\n{text}\r\n").into_bytes();
        }
        let rows = rows(&text, self.columns);
        if self.modes.is_full_screen() {
            // The cursor and its attributes are saved and restored (DECSC, DECRC).
            let first = rows.first().map_or("", String::as_str);
            return format!("\x1b7\x1b[H\x1b[m\x1b[2K{first}\x1b8").into_bytes();
        }
        above(&rows)
    }
}

/// Rows above that of the cursor. First it goes down and up again (IND, RI), which scrolls where there is no room below; then
/// lines are inserted at the cursor's (IL), which moves with all below it.
fn above(rows: &[String]) -> Vec<u8> {
    let (down, up) = ("\x1bD".repeat(rows.len()), "\x1bM".repeat(rows.len()));
    let (count, text) = (rows.len(), rows.join("\r\n"));
    format!("{down}{up}\x1b7\r\x1b[m\x1b[{count}L{text}\x1b8{down}").into_bytes()
}

/// `text` in rows of at most so many columns.
fn rows(text: &str, columns: u32) -> Vec<String> {
    let width = usize::try_from(columns)
        .ok()
        .filter(|columns| *columns > 0)
        .unwrap_or(80);
    let (mut rows, mut row, mut used) = (Vec::new(), String::new(), 0);
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide > width && !row.is_empty() {
            rows.push(std::mem::take(&mut row));
            used = 0;
        }
        row.push(c);
        used += wide;
    }
    rows.push(row);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a terminal of 20 columns and 5 rows shows of `bytes`, and where its cursor is (column, row).
    fn shown_by_terminal(bytes: &[u8]) -> (Vec<String>, (usize, usize)) {
        let mut terminal = avt::Terminal::new(20, 5).unwrap();
        terminal.feed(std::str::from_utf8(bytes).unwrap());
        let cursor = terminal.cursor();
        let rows = terminal
            .screen()
            .visible_lines()
            .map(|line| line.text().trim_end().to_owned());
        (rows.collect(), (cursor.col, cursor.row))
    }

    fn with_aside(before: &str, text: &str) -> (Vec<String>, (usize, usize)) {
        let mut shown = Shown::new("xterm", 20);
        shown.feed(before.as_bytes());
        let aside = shown.aside(text);
        shown_by_terminal(&[before.as_bytes(), &aside].concat())
    }

    #[test]
    fn what_was_typed_goes_on_below() {
        let (rows, cursor) = with_aside("output\r\n$ ls -l\x1b[2D", "soon");
        assert_eq!(rows, ["output", "soon", "$ ls -l", "", ""]);
        assert_eq!(cursor, (5, 2));
    }

    #[test]
    fn the_last_row_makes_room() {
        let (rows, cursor) = with_aside("1\r\n2\r\n3\r\n4\r\n$ ls", "soon");
        assert_eq!(rows, ["2", "3", "4", "soon", "$ ls"]);
        assert_eq!(cursor, (4, 4));
    }

    #[test]
    fn a_long_line_takes_several_rows_wherever_the_cursor_is() {
        for lines in 0..5 {
            let before = format!("{}$ ls", "x\r\n".repeat(lines));
            let (rows, cursor) = with_aside(&before, "this is longer than a row has columns");
            let at = rows.iter().position(|row| row == "$ ls").unwrap();
            assert_eq!(rows[at - 2..at], ["this is longer than", "a row has columns"]);
            assert_eq!(cursor, (4, at), "{lines}");
        }
    }

    #[test]
    fn the_screen_of_an_editor_keeps_its_cursor() {
        let before = "$ vi\r\n\x1b[?1049h\x1b[Hfirst\r\nsecond\r\nthird\x1b[2;3H";
        let (rows, cursor) = with_aside(before, "soon");
        assert_eq!(rows, ["soon", "second", "third", "", ""]);
        assert_eq!(cursor, (2, 1));
    }

    #[test]
    fn a_protocol_is_left_alone_however_its_start_is_cut() {
        for cut in 0..CONTROL_MODE.len() {
            let (start, end) = CONTROL_MODE.split_at(cut);
            let mut shown = Shown::new("xterm", 20);
            for piece in [b"text".as_slice(), start, end, b"%begin"] {
                shown.feed(piece);
            }
            assert_eq!(shown.aside("soon"), b"", "cut at {cut}");
        }
    }

    #[test]
    fn a_terminal_that_cannot_draw_gets_lines() {
        assert_eq!(Shown::new("dumb", 20).aside("soon"), b"\r\nsoon\r\n");
    }

    #[test]
    fn nothing_acts_on_the_terminal() {
        let aside = Shown::new("xterm", 80).aside("a\x1b[2Jb");
        assert!(String::from_utf8(aside).unwrap().contains("a\\x1b[2Jb"));
    }
}

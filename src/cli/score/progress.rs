//! What a person sees on standard error while many lines are assessed.

use std::io::{IsTerminal as _, Stderr, Write, stderr, stdout};
use std::time::{Duration, Instant};

use crate::domain::printable_line;

/// How often the number of lines is drawn anew.
const INTERVAL: Duration = Duration::from_millis(100);

/// Erases the line that the cursor is on.
const ERASE: &str = "\r\x1b[K";

/// Faults as they come, and how far it is. Whoever closed standard error wants neither.
pub(super) struct Progress<W> {
    out: W,
    live: bool,
    drawn: Option<Instant>,
}

impl Progress<Stderr> {
    /// On standard error; the number is drawn where that is a terminal and the answers go elsewhere.
    pub(super) fn on_stderr() -> Self {
        Self::new(stderr(), stderr().is_terminal() && !stdout().is_terminal())
    }
}

impl<W: Write> Progress<W> {
    pub(super) fn new(out: W, live: bool) -> Self {
        Self { out, live, drawn: None }
    }

    /// Says that so many lines have been read at `now`, if it is time to.
    pub(super) fn count(&mut self, lines: usize, now: Instant) {
        let due = self.drawn.is_none_or(|then| now.duration_since(then) >= INTERVAL);
        if self.live && due {
            self.write(&format!("{ERASE}{lines} lines"));
            self.drawn = Some(now);
        }
    }

    /// Says what is wrong with a line.
    pub(super) fn fault(&mut self, line: usize, what: &str) {
        self.clear();
        self.write(&format!(
            "opspilot: standard input, line {line}: {}\n",
            printable_line(what)
        ));
    }

    /// Takes the number away.
    pub(super) fn clear(&mut self) {
        if self.drawn.take().is_some() {
            self.write(ERASE);
        }
    }

    fn write(&mut self, text: &str) {
        let written = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
        written.unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_drawn_at_intervals_and_gives_way_to_a_fault() {
        let mut out = Vec::new();
        let mut progress = Progress::new(&mut out, true);
        let start = Instant::now();
        progress.count(1, start);
        progress.count(2, start + INTERVAL / 2);
        progress.fault(3, "bad");
        progress.count(4, start + INTERVAL);
        progress.count(9, start + 2 * INTERVAL);
        progress.clear();
        progress.clear();
        let expected = "\r\x1b[K1 lines\r\x1b[Kopspilot: standard input, line 3: bad\n\
                        \r\x1b[K4 lines\r\x1b[K9 lines\r\x1b[K";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn where_nobody_watches_only_faults_are_written() {
        let mut out = Vec::new();
        let mut progress = Progress::new(&mut out, false);
        progress.count(1, Instant::now());
        progress.fault(2, "bad");
        progress.clear();
        assert_eq!(out, b"opspilot: standard input, line 2: bad\n");
    }
}

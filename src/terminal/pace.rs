//! Hands a shell at its prompt one line at a time.
//!
//! A shell that reads a second line before it was asked about the first has to give it back, and what comes meanwhile meets a
//! terminal between two of its settings. So what follows a line waits until the shell has said what became of it.

use std::time::{Duration, Instant};

/// How long the shell may take to say so; what it then has not said, it does not say.
const LIMIT: Duration = Duration::from_millis(150);

/// What a terminal writes before and after a text that was pasted: its line ends do not end a line.
const PASTE: (&[u8], &[u8]) = (b"\x1b[200~", b"\x1b[201~");

/// How far the input has come.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The end of the input, as long as a mark of a paste.
    recent: Vec<u8>,
    pasting: bool,
    waits_until: Option<Instant>,
}

impl Pace {
    /// How much of `bytes` a shell at its prompt gets now: up to the end of the first line, and then it is waited for.
    pub(super) fn line(&mut self, now: Instant, bytes: &[u8]) -> usize {
        let end = bytes.iter().position(|byte| self.ends_line(*byte));
        if end.is_some() {
            self.wait(now);
        }
        end.map_or(bytes.len(), |end| end + 1)
    }

    fn ends_line(&mut self, byte: u8) -> bool {
        self.recent.push(byte);
        self.recent.drain(..self.recent.len().saturating_sub(PASTE.0.len()));
        match self.recent.as_slice() {
            recent if recent == PASTE.0 => self.pasting = true,
            recent if recent == PASTE.1 => self.pasting = false,
            _ => {}
        }
        !self.pasting && matches!(byte, b'\r' | b'\n')
    }

    /// A line begins to run: it may have ended in no time.
    pub(super) fn wait(&mut self, now: Instant) {
        self.waits_until = Some(now + LIMIT);
    }

    /// The shell has said what became of the line.
    pub(super) fn go_on(&mut self) {
        self.waits_until = None;
    }

    /// Whether input is to be held back.
    pub(super) fn waits(&self) -> bool {
        self.waits_until.is_some()
    }

    /// When waiting ends.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waits_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_gets_one_line() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        assert_eq!(pace.line(now, b"ec"), 2);
        assert!(!pace.waits());
        assert_eq!(pace.line(now, b"ho a\recho b\r"), 5);
        assert_eq!(pace.deadline(), Some(now + LIMIT));
    }

    #[test]
    fn a_paste_in_brackets_is_not_cut_wherever_the_reads_fell() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        for piece in [&b"\x1b[20"[..], b"0~a\rb\rc\x1b[2", b"01~"] {
            assert_eq!(pace.line(now, piece), piece.len());
        }
        assert!(!pace.waits());
        assert_eq!(pace.line(now, b"\rd"), 1);
    }
}

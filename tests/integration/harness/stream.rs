//! What a process writes, gathered as it comes, with waits for what must appear in it.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::wait::DEADLINE;

#[derive(Debug, Default)]
struct Gathered {
    bytes: Vec<u8>,
    ended: bool,
}

/// A growing buffer, filled by a thread of its own until the writer is gone.
#[derive(Debug)]
pub(crate) struct Stream {
    shared: Arc<(Mutex<Gathered>, Condvar)>,
    /// How much of the visible text has been expected already, in bytes.
    seen: usize,
}

impl Stream {
    /// Gathers what `reader` gives.
    pub(crate) fn gather(mut reader: impl Read + Send + 'static) -> Self {
        let shared = Arc::new((Mutex::new(Gathered::default()), Condvar::new()));
        let filled = Arc::clone(&shared);
        std::thread::spawn(move || {
            let mut chunk = [0; 16 * 1024];
            loop {
                // A PTY's master reports an error when the last slave is closed.
                let read = reader.read(&mut chunk).unwrap_or(0);
                let mut gathered = filled.0.lock().unwrap();
                gathered.bytes.extend_from_slice(&chunk[..read]);
                gathered.ended = read == 0;
                filled.1.notify_all();
                if read == 0 {
                    return;
                }
            }
        });
        Self { shared, seen: 0 }
    }

    /// Awaits `needle` in the visible text after what was expected last; gives the text before it.
    pub(crate) fn expect(&mut self, needle: &str) -> String {
        let from = self.seen;
        let (before, end) = self.await_that(&format!("{needle:?}"), |gathered| {
            let text = visible(&gathered.bytes);
            let rest = text.get(from..)?;
            let at = rest.find(needle)?;
            Some((rest[..at].to_owned(), from + at + needle.len()))
        });
        self.seen = end;
        before
    }

    /// Lets what has come so far count as expected.
    pub(crate) fn pass_over(&mut self) {
        self.seen = self.text().len();
    }

    /// Awaits that nothing has come for `quiet`; gives the visible text after what was expected last.
    pub(crate) fn settle(&mut self, quiet: Duration) -> String {
        let mut gathered = self.shared.0.lock().unwrap();
        loop {
            let length = gathered.bytes.len();
            gathered = self.shared.1.wait_timeout(gathered, quiet).unwrap().0;
            if gathered.ended || gathered.bytes.len() == length {
                break;
            }
        }
        let text = visible(&gathered.bytes);
        let rest = text.get(self.seen..).unwrap_or_default().to_owned();
        self.seen = text.len();
        rest
    }

    /// Awaits the end; gives everything from the beginning.
    pub(crate) fn to_end(&self) -> Vec<u8> {
        self.await_that("its end", |gathered| gathered.ended.then(|| gathered.bytes.clone()))
    }

    /// All bytes so far.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.shared.0.lock().unwrap().bytes.clone()
    }

    /// The visible text so far, from the beginning.
    pub(crate) fn text(&self) -> String {
        visible(&self.shared.0.lock().unwrap().bytes)
    }

    /// Awaits that `found` finds something.
    fn await_that<T>(&self, what: &str, found: impl Fn(&Gathered) -> Option<T>) -> T {
        let end = Instant::now() + DEADLINE;
        let mut gathered = self.shared.0.lock().unwrap();
        loop {
            if let Some(value) = found(&gathered) {
                return value;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || gathered.ended {
                let why = if gathered.ended {
                    "the stream ended"
                } else {
                    "the deadline passed"
                };
                let shown = visible(&gathered.bytes);
                // A panic must not poison what the gathering thread still writes to.
                drop(gathered);
                panic!("waiting for {what}, {why}, after:\n{shown}");
            }
            gathered = self.shared.1.wait_timeout(gathered, left).unwrap().0;
        }
    }
}

/// The text without escape sequences, carriage returns and bells: what stays on a screen that only scrolls.
fn visible(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut shown = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => skip_sequence(&mut characters),
            '\r' | '\u{7}' => {}
            other => shown.push(other),
        }
    }
    shown
}

/// Skips what follows an escape: a control sequence, a string up to its terminator, or one character.
fn skip_sequence(characters: &mut std::str::Chars<'_>) {
    match characters.next() {
        Some('[') => drop(characters.find(|character| ('@'..='~').contains(character))),
        Some(']' | 'P' | '_' | '^' | 'X') => skip_string(characters),
        Some('(' | ')') => drop(characters.next()),
        _ => {}
    }
}

/// Skips up to a bell, or an escape and the backslash after it.
fn skip_string(characters: &mut std::str::Chars<'_>) {
    if characters.find(|character| matches!(character, '\u{7}' | '\u{1b}')) == Some('\u{1b}') {
        characters.next();
    }
}

#[test]
fn escape_sequences_are_not_visible() {
    assert_eq!(
        visible(b"\x1b[?2004ha\x1b]0;title\x07b\x1b]8;;\x1b\\c\x1b(Bd\r\n"),
        "abcd\n"
    );
}

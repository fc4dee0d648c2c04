//! The log's lines, without power over whoever reads them.

use std::borrow::Cow;
use std::io::{self, Write};

use crate::domain::{printable_json, printable_line};

/// Writes each event as one line in which nothing acts on a terminal or begins another line.
///
/// What this program logs of others is escaped where it is logged. What libraries log holds what their peers have sent, and at
/// levels below `warn` all of that.
pub(super) struct LogLines<W> {
    to: W,
    escape: fn(&str) -> Cow<'_, str>,
}

/// Lines of text that go `to` there.
pub(super) fn text<W: Write>(to: W) -> LogLines<W> {
    LogLines {
        to,
        escape: printable_line,
    }
}

/// Lines of JSON that go `to` there.
pub(super) fn json<W: Write>(to: W) -> LogLines<W> {
    LogLines {
        to,
        escape: printable_json,
    }
}

impl<W: Write> Write for LogLines<W> {
    /// An event comes in one piece, with the end of its line.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = (self.escape)(text.strip_suffix('\n').unwrap_or(&text)).into_owned();
        self.to.write_all((line + "\n").as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::fmt;

    use super::*;

    const HOSTILE: &str = "x\r\n2026-01-01T00:00:00Z INFO forged \u{1b}[2J\u{9b}2J\u{202e}";

    /// What is logged as a library would, by a subscriber of this format.
    fn logged(subscriber: impl tracing::Subscriber + Send + Sync) {
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(field = HOSTILE, "unknown type: {HOSTILE}");
        });
    }

    /// A file that each event is written to.
    fn lines(log: impl FnOnce(std::fs::File)) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        log(file.reopen().unwrap());
        std::fs::read_to_string(file.path()).unwrap()
    }

    #[test]
    fn an_event_is_one_line_of_text_whatever_is_in_it() {
        let log = lines(|file| {
            let to = move || text(file.try_clone().unwrap());
            logged(fmt().with_ansi(false).with_writer(to).finish());
        });
        assert_eq!(log.matches('\n').count(), 1, "{log:?}");
        assert_eq!(printable_line(log.trim_end_matches('\n')), log.trim_end_matches('\n'));
        assert!(log.contains("unknown type: x\\r\\n2026"), "{log:?}");
    }

    #[test]
    fn an_event_is_one_line_of_json_with_its_values() {
        let log = lines(|file| {
            let to = move || json(file.try_clone().unwrap());
            logged(fmt().json().with_writer(to).finish());
        });
        assert_eq!(log.matches('\n').count(), 1, "{log:?}");
        assert_eq!(printable_line(log.trim_end_matches('\n')), log.trim_end_matches('\n'));
        let event: serde_json::Value = serde_json::from_str(&log).unwrap();
        assert_eq!(event["fields"]["field"], HOSTILE);
    }
}

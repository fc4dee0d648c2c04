//! Text for people, without power over their terminal.

use std::io::{self, Write};

use crate::domain::printable;

/// Passes text on with everything spelled out that acts, but for newline and tab.
///
/// Each write must end where a character does, as those of `write!` and of whole texts do. What cannot be read as UTF-8 is
/// replaced.
pub(super) struct Plain<W> {
    to: W,
}

impl<W: Write> Plain<W> {
    /// Text that goes `to` there.
    pub(super) fn new(to: W) -> Self {
        Self { to }
    }
}

impl<W: Write> Write for Plain<W> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.to
            .write_all(printable(&String::from_utf8_lossy(text)).as_bytes())?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts_but_the_ends_of_lines() {
        let mut out = Vec::new();
        let text = "a\t\u{1b}[2J\r b\n\u{9b}\u{202e}\u{fc}\n";
        Plain::new(&mut out).write_all(text.as_bytes()).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "a\t\\x1b[2J\\r b\n\\x9b\\u{202e}\u{fc}\n"
        );
    }
}

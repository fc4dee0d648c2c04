//! Standard input line by line, one of them in memory at a time.

use std::borrow::Cow;
use std::io::{self, BufRead, Read as _};

/// The longest line that is read, in bytes: far more than is parsed of a command, in JSON's longest spelling.
const MAX_LINE: u64 = 1024 * 1024;

/// The lines of a stream.
pub(super) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    number: usize,
}

/// One line.
pub(super) struct Line<'a> {
    /// Its number, from 1.
    pub(super) number: usize,
    /// Its text without its end; `None` where it is too long to be read.
    pub(super) text: Option<Cow<'a, str>>,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            line: Vec::new(),
            number: 0,
        }
    }

    /// How many have been read.
    pub(super) fn count(&self) -> usize {
        self.number
    }

    /// The next line; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let read = (&mut self.input).take(MAX_LINE + 1).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        let ended = self.line.pop_if(|last| *last == b'\n').is_some();
        let whole = ended || self.line.len() as u64 <= MAX_LINE;
        if !whole {
            self.input.skip_until(b'\n')?;
        }
        Ok(Some(Line {
            number: self.number,
            text: whole.then(|| String::from_utf8_lossy(&self.line)),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of `input`, `None` for one that is too long.
    fn lines(input: &[u8]) -> Vec<Option<String>> {
        let mut lines = Lines::new(input);
        let mut found = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            assert_eq!(line.number, found.len() + 1);
            found.push(line.text.map(Cow::into_owned));
        }
        assert_eq!(lines.count(), found.len());
        found
    }

    #[test]
    fn a_line_needs_no_end_and_may_be_empty() {
        assert_eq!(lines(b""), []);
        assert_eq!(lines(b"a\n\nb"), ["a", "", "b"].map(|text| Some(text.to_owned())));
        assert_eq!(lines(b"\xff\n"), [Some("\u{fffd}".to_owned())]);
    }

    #[test]
    fn a_line_beyond_the_limit_is_passed_over_alone() {
        let limit = usize::try_from(MAX_LINE).unwrap();
        let longest = "x".repeat(limit);
        let found = lines(format!("{longest}\n{longest}x\nls\n{longest}x").as_bytes());
        assert_eq!(found, [Some(longest), None, Some("ls".to_owned()), None]);
    }
}

//! Here-documents: their delimiters, and their bodies line by line.

use std::collections::VecDeque;

/// A here-document whose body has not been read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Document {
    delimiter: Vec<u8>,
    /// Whether nothing in the body is expanded, so that a backslash does not join lines.
    literal: bool,
    strip_tabs: bool,
}

impl Document {
    /// The document of a delimiter as it was written.
    pub(super) fn new(raw: &[u8], strip_tabs: bool) -> Self {
        let mut delimiter = Vec::with_capacity(raw.len());
        let mut bytes = raw.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            match byte {
                b'\'' | b'"' => {}
                b'$' if matches!(bytes.peek(), Some(b'\'' | b'"')) => {}
                b'\\' => delimiter.extend(bytes.next()),
                other => delimiter.push(other),
            }
        }
        Self {
            delimiter,
            literal: raw.iter().any(|byte| b"'\"\\".contains(byte)),
            strip_tabs,
        }
    }

    /// Whether a line, without its newline, ends it.
    fn ends_with(&self, line: &[u8]) -> bool {
        let tabs = line
            .iter()
            .take_while(|byte| self.strip_tabs && **byte == b'\t')
            .count();
        line.get(tabs..) == Some(self.delimiter.as_slice())
    }
}

/// The bodies that follow one newline.
#[derive(Debug)]
pub(super) struct Bodies {
    left: VecDeque<Document>,
    /// Where the current line begins.
    line: usize,
    /// Whether it continues the one before, so that it cannot end a document.
    continued: bool,
}

impl Bodies {
    /// The bodies of `documents`, the first of which begins at `line`.
    pub(super) fn new(documents: Vec<Document>, line: usize) -> Self {
        Self {
            left: documents.into(),
            line,
            continued: false,
        }
    }

    /// Where the current line begins.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// Whether the current document's body is expanded.
    pub(super) fn expands(&self) -> bool {
        self.left.front().is_some_and(|document| !document.literal)
    }

    /// Whether the last one has ended.
    pub(super) fn are_read(&self) -> bool {
        self.left.is_empty()
    }

    /// Reads on from `at` to the end of the line; gives where the next begins, `None` while there is no end of it.
    pub(super) fn read_line(&mut self, text: &[u8], at: usize) -> Option<usize> {
        let next = at + memchr::memchr(b'\n', text.get(at..)?)? + 1;
        let content = text.get(self.line..next - 1).unwrap_or_default();
        let ends = !self.continued && self.left.front().is_some_and(|document| document.ends_with(content));
        let literal = self.left.front().is_some_and(|document| document.literal);
        let backslashes = content.iter().rev().take_while(|byte| **byte == b'\\').count();
        self.continued = !ends && !literal && backslashes % 2 == 1;
        if ends {
            self.left.pop_front();
        }
        self.line = next;
        Some(next)
    }
}

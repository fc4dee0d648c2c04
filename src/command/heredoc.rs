//! Here-documents by POSIX: their delimiters and extents, found before any grammar is asked; and how deep a text nests.

use std::ops::Range;

use super::scan::{Scanner, word_end};

/// One here-document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HereDocument {
    /// Where `<<` stands.
    pub(super) operator: usize,
    /// The delimiter after quote removal.
    delimiter: String,
    /// Whether the delimiter was quoted, so that nothing in the body is expanded.
    pub(super) literal: bool,
    /// `<<-`: leading tabs do not count.
    strip_tabs: bool,
    /// The body, without the delimiter's line.
    pub(super) body: Range<usize>,
    /// The end of the delimiter's line, without its newline; the end of the text if there is no such line.
    pub(super) end: usize,
}

/// What one linear pass over a text finds out.
#[derive(Debug, Default)]
pub(super) struct Outline {
    /// In order of their operators.
    pub(super) here_documents: Vec<HereDocument>,
    /// Here-documents with their delimiters, merged where one follows the other: what a reader of commands steps over.
    pub(super) bodies: Vec<Range<usize>>,
    /// The deepest nesting of quotes and substitutions.
    pub(super) nesting: usize,
    /// Number of words and of characters that mean something to a shell, outside of here-documents: what a grammar's work
    /// grows with.
    pub(super) tokens: usize,
    /// Whether all quotes and substitutions are closed.
    pub(super) balanced: bool,
}

/// The outline of a text in which here-documents are not looked for.
pub(super) static EMPTY: Outline = Outline {
    here_documents: Vec::new(),
    bodies: Vec::new(),
    nesting: 0,
    tokens: 0,
    balanced: true,
};

impl Outline {
    pub(super) fn here_document_at(&self, operator: usize) -> Option<&HereDocument> {
        let index = self
            .here_documents
            .binary_search_by_key(&operator, |found| found.operator);
        index.ok().and_then(|index| self.here_documents.get(index))
    }
}

/// Scans `text` once.
pub(super) fn outline(text: &str) -> Outline {
    let bytes = text.as_bytes();
    let mut scanner = Scanner::new(bytes, &[], 0..bytes.len());
    let mut outline = Outline::default();
    let mut pending = Vec::new();
    while !scanner.is_done() {
        outline.tokens += usize::from(is_token(&scanner));
        if scanner.in_command() && command_piece(text, &mut scanner, &mut outline, &mut pending) {
            continue;
        }
        scanner.step();
        outline.nesting = outline.nesting.max(scanner.stack.len());
    }
    outline.balanced = scanner.stack.is_empty();
    outline.here_documents.append(&mut pending);
    outline
}

/// Whether a character means something to a shell.
pub(super) fn is_special(byte: u8) -> bool {
    b";&|<>\n$`\"'()[]{}!".contains(&byte)
}

/// Whether something begins here that means something to a shell; of a word, the blank before it tells.
fn is_token(scanner: &Scanner<'_>) -> bool {
    let is_blank = |byte: Option<u8>| matches!(byte, Some(b' ' | b'\t'));
    let before_word = is_blank(scanner.peek(0)) && !is_blank(scanner.peek(1)) && scanner.in_command();
    before_word || scanner.peek(0).is_some_and(|byte| byte == b'=' || is_special(byte))
}

/// Takes what only a command has; `false` leaves the piece to the scanner.
fn command_piece(
    text: &str,
    scanner: &mut Scanner<'_>,
    outline: &mut Outline,
    pending: &mut Vec<HereDocument>,
) -> bool {
    if scanner.starts_with(b"<<<") {
        scanner.at += 3;
        return true;
    }
    if scanner.starts_with(b"<<") {
        let (document, end) = operator(text, scanner.at);
        pending.push(document);
        scanner.at = end;
        return true;
    }
    if scanner.peek(0) != Some(b'\n') || pending.is_empty() {
        return false;
    }
    let start = scanner.at + 1;
    scanner.at = read_bodies(text, start, pending);
    outline.bodies.push(start..scanner.at);
    outline.here_documents.append(pending);
    true
}

/// Reads `<<WORD` or `<<-WORD`; the end of the word comes with it.
fn operator(text: &str, at: usize) -> (HereDocument, usize) {
    let bytes = text.as_bytes();
    let strip_tabs = bytes.get(at + 2) == Some(&b'-');
    let mut start = at + 2 + usize::from(strip_tabs);
    while matches!(bytes.get(start), Some(b' ' | b'\t')) {
        start += 1;
    }
    let end = word_end(bytes, &[], start..bytes.len());
    let raw = text.get(start..end).unwrap_or_default();
    let document = HereDocument {
        operator: at,
        delimiter: unquoted(raw),
        literal: raw.contains(['\'', '"', '\\']),
        strip_tabs,
        body: text.len()..text.len(),
        end: text.len(),
    };
    (document, end.max(start))
}

/// Quote removal for a delimiter, in which nothing is expanded.
fn unquoted(raw: &str) -> String {
    let mut plain = String::with_capacity(raw.len());
    let mut characters = raw.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\'' | '"' => {}
            '$' if matches!(characters.peek(), Some('\'' | '"')) => {}
            '\\' => plain.extend(characters.next()),
            other => plain.push(other),
        }
    }
    plain
}

/// Finds the bodies of `pending`, one after the other; returns where the last one's delimiter ends.
fn read_bodies(text: &str, start: usize, pending: &mut [HereDocument]) -> usize {
    let mut at = start;
    let mut end = start;
    for document in pending {
        (document.body, document.end) = extent(text, at.min(text.len()), document);
        end = document.end;
        at = end + 1;
    }
    end
}

fn extent(text: &str, start: usize, document: &HereDocument) -> (Range<usize>, usize) {
    let mut at = start;
    for line in text.get(start..).unwrap_or_default().split_inclusive('\n') {
        let content = line.strip_suffix('\n').unwrap_or(line);
        let compared = if document.strip_tabs {
            content.trim_start_matches('\t')
        } else {
            content
        };
        if compared == document.delimiter {
            return (start..at, at + content.len());
        }
        at += line.len();
    }
    (start..text.len(), text.len())
}

//! The lexical layer: where quotes, expansions and substitutions end. Works on bytes, with a stack of its own.

use std::ops::Range;

/// What the scanner stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    /// `"..."`.
    Double,
    /// `$(...)`, `<(...)`, `(...)`.
    Paren,
    /// `$((...))`, `((...))`.
    Arithmetic,
    /// `${...}`.
    Parameter,
    /// `` `...` ``.
    Backtick,
}

/// Walks over text one lexical piece at a time and keeps the contexts that are open.
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    /// Bodies of here-documents, which follow a newline and are stepped over.
    bodies: &'a [Range<usize>],
    limit: usize,
    pub(super) at: usize,
    pub(super) stack: Vec<Context>,
    /// How many of the open contexts are arithmetic.
    arithmetic: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(bytes: &'a [u8], bodies: &'a [Range<usize>], span: Range<usize>) -> Self {
        let limit = span.end.min(bytes.len());
        Self {
            bytes,
            bodies,
            limit,
            at: span.start.min(limit),
            stack: Vec::new(),
            arithmetic: 0,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.at >= self.limit
    }

    pub(super) fn peek(&self, ahead: usize) -> Option<u8> {
        let index = self.at + ahead;
        (index < self.limit).then(|| self.bytes.get(index).copied()).flatten()
    }

    pub(super) fn starts_with(&self, prefix: &[u8]) -> bool {
        self.bytes
            .get(self.at..self.limit)
            .is_some_and(|rest| rest.starts_with(prefix))
    }

    /// Whether operators and here-documents mean what they do in a command.
    pub(super) fn in_command(&self) -> bool {
        matches!(self.stack.last(), None | Some(Context::Paren | Context::Backtick)) && self.arithmetic == 0
    }

    /// Moves past one piece: a character, an escape, a quoted string without expansions, or one end of a context.
    pub(super) fn step(&mut self) {
        let Some(byte) = self.peek(0) else { return };
        let top = self.stack.last().copied();
        match byte {
            b'\\' => self.at += 2,
            b'"' => self.toggle(Context::Double),
            b'`' => self.toggle(Context::Backtick),
            b'\'' if !self.single_quote_is_literal() => self.single_quoted(),
            b'$' => self.dollar(),
            b'(' if !matches!(top, Some(Context::Double | Context::Parameter)) => self.parenthesis(),
            b')' if matches!(top, Some(Context::Paren | Context::Arithmetic)) => self.close(),
            b'}' if top == Some(Context::Parameter) => self.close(),
            b'#' if self.in_command() && self.at_word_start() => self.comment(),
            b'\n' => self.newline(),
            _ => self.at += 1,
        }
        self.at = self.at.min(self.limit);
    }

    fn toggle(&mut self, context: Context) {
        if self.stack.last() == Some(&context) {
            self.stack.pop();
        } else {
            self.stack.push(context);
        }
        self.at += 1;
    }

    fn close(&mut self) {
        let closed = self.stack.pop();
        self.arithmetic -= usize::from(closed == Some(Context::Arithmetic));
        self.at += 1;
    }

    /// In double quotes, and in `${...}` directly within them, a single quote stands for itself.
    fn single_quote_is_literal(&self) -> bool {
        matches!(
            self.stack.as_slice(),
            [.., Context::Double] | [.., Context::Double, Context::Parameter]
        )
    }

    fn single_quoted(&mut self) {
        let rest = self.bytes.get(self.at + 1..self.limit).unwrap_or_default();
        let length = memchr::memchr(b'\'', rest).map_or(rest.len(), |end| end + 1);
        self.at += 1 + length;
    }

    fn dollar(&mut self) {
        match self.peek(1) {
            Some(b'(') => {
                self.at += 1;
                self.parenthesis();
            }
            Some(b'{') => {
                self.stack.push(Context::Parameter);
                self.at += 2;
            }
            Some(b'\'') if !self.single_quote_is_literal() => self.ansi_quoted(),
            _ => self.at += 1,
        }
    }

    fn parenthesis(&mut self) {
        if self.peek(1) == Some(b'(') {
            self.stack.push(Context::Arithmetic);
            self.arithmetic += 1;
            self.at += 1;
        }
        self.stack.push(Context::Paren);
        self.at += 1;
    }

    fn ansi_quoted(&mut self) {
        self.at += 2;
        while let Some(byte) = self.peek(0) {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'\'' {
                break;
            }
        }
    }

    fn at_word_start(&self) -> bool {
        match self.at.checked_sub(1).and_then(|index| self.bytes.get(index)) {
            None => true,
            Some(before) => b" \t\n;&|(`".contains(before),
        }
    }

    fn comment(&mut self) {
        let rest = self.bytes.get(self.at..self.limit).unwrap_or_default();
        self.at += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
    }

    fn newline(&mut self) {
        self.at += 1;
        if let Ok(index) = self.bodies.binary_search_by_key(&self.at, |body| body.start) {
            self.at = self.bodies.get(index).map_or(self.at, |body| body.end);
        }
    }
}

/// The end of the quoted string, escape, expansion or plain character that begins at `span.start`.
pub(super) fn element_end(bytes: &[u8], bodies: &[Range<usize>], span: Range<usize>) -> usize {
    let mut scanner = Scanner::new(bytes, bodies, span);
    scanner.step();
    while !scanner.stack.is_empty() && !scanner.is_done() {
        scanner.step();
    }
    scanner.at
}

/// The end of the word that begins at `span.start`.
pub(super) fn word_end(bytes: &[u8], bodies: &[Range<usize>], span: Range<usize>) -> usize {
    let limit = span.end.min(bytes.len());
    let mut at = span.start;
    while let Some(byte) = bytes.get(at).copied().filter(|_| at < limit) {
        let starts_element = match byte {
            b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b')' => break,
            b'<' | b'>' if at != span.start || bytes.get(at + 1) != Some(&b'(') => break,
            b'(' if !opens_group(bytes, span.start, at) => break,
            b'\\' | b'\'' | b'"' | b'`' | b'$' | b'(' => true,
            _ => false,
        };
        at = if starts_element {
            element_end(bytes, bodies, at..limit)
        } else {
            at + 1
        };
    }
    at.min(limit)
}

/// Whether the parenthesis at `at` belongs to a word: `a=(...)`, `<(...)`, `+(...)`.
fn opens_group(bytes: &[u8], start: usize, at: usize) -> bool {
    at > start && bytes.get(at - 1).is_some_and(|before| b"=<>?*+@!".contains(before))
}

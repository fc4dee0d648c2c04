//! Words, operators and redirections; and one simple command, raw.

use std::ops::Range;

use super::heredoc::Outline;
use super::scan::word_end;

/// A text with what is known of its here-documents.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) text: &'a str,
    pub(super) outline: &'a Outline,
}

impl<'a> Source<'a> {
    pub(super) fn slice(&self, span: Range<usize>) -> &'a str {
        self.text.get(span).unwrap_or_default()
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }
}

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(Range<usize>),
    /// A control operator, a parenthesis or a newline.
    Control(Range<usize>),
    /// The operator of a redirection, without its descriptor.
    Redirect(Range<usize>),
    End,
}

/// A simple command before cooking.
#[derive(Debug, Clone, Default)]
pub(super) struct RawCommand {
    pub(super) assignments: Vec<Range<usize>>,
    pub(super) words: Vec<Range<usize>>,
    pub(super) redirections: Vec<RawRedirection>,
    /// Where the operator that ends it begins.
    pub(super) end: usize,
}

impl RawCommand {
    pub(super) fn is_empty(&self) -> bool {
        self.assignments.is_empty() && self.words.is_empty() && self.redirections.is_empty()
    }
}

/// A redirection before cooking.
#[derive(Debug, Clone)]
pub(super) struct RawRedirection {
    pub(super) operator: Range<usize>,
    pub(super) target: Range<usize>,
}

/// Operators of redirections, the longest first.
const REDIRECTS: &[&str] = &["&>>", "<<<", "<<-", "&>", "<<", "<&", "<>", ">>", ">&", ">|", "<", ">"];
/// Control operators, the longest first.
const CONTROLS: &[&str] = &[
    ";;&", "&&", "||", "|&", ";;", ";&", ";|", "&|", "&!", ";", "&", "|", "(", ")", "\n",
];

/// The next token of `source` in `span`.
pub(super) fn next_token(source: Source<'_>, span: Range<usize>) -> Token {
    let at = skip_blanks(source, span.clone());
    let rest = source.slice(at..span.end);
    if rest.is_empty() {
        return Token::End;
    }
    if let Some(redirect) = redirect(rest) {
        return Token::Redirect(at + redirect.start..at + redirect.end);
    }
    if let Some(control) = CONTROLS.iter().find(|control| rest.starts_with(**control)) {
        return Token::Control(at..at + control.len());
    }
    let end = word_end(source.bytes(), &source.outline.bodies, at..span.end);
    Token::Word(at..end.max(at + 1))
}

/// Steps over blanks, continued lines and a comment.
fn skip_blanks(source: Source<'_>, span: Range<usize>) -> usize {
    let mut at = span.start;
    loop {
        let rest = source.slice(at..span.end);
        if rest.starts_with([' ', '\t', '\r']) {
            at += 1;
        } else if rest.starts_with("\\\n") {
            at += 2;
        } else if rest.starts_with('#') {
            at += rest.find('\n').unwrap_or(rest.len());
        } else {
            return at;
        }
    }
}

/// A redirection's operator at the start of `rest`, after a descriptor (`2>`) if there is one; not `<(` and `>(`.
fn redirect(rest: &str) -> Option<Range<usize>> {
    let descriptor = rest.bytes().take_while(u8::is_ascii_digit).count();
    let operator = rest.get(descriptor..)?;
    if operator.starts_with("<(") || operator.starts_with(">(") {
        return None;
    }
    let found = REDIRECTS.iter().find(|candidate| operator.starts_with(**candidate))?;
    (descriptor == 0 || !found.starts_with('&')).then(|| descriptor..descriptor + found.len())
}

/// Reads the simple command at `span.start`, up to the control operator that ends it.
pub(super) fn raw_command(source: Source<'_>, span: Range<usize>) -> RawCommand {
    let mut command = RawCommand::default();
    let mut at = span.start;
    loop {
        match next_token(source, at..span.end) {
            Token::Word(word) => {
                at = word.end;
                let is_assignment = command.words.is_empty() && assignment_name(source.slice(word.clone())).is_some();
                if is_assignment {
                    command.assignments.push(word);
                } else {
                    command.words.push(word);
                }
            }
            Token::Redirect(operator) => {
                let target = redirect_target(source, operator.end..span.end);
                at = target.end;
                command.redirections.push(RawRedirection { operator, target });
            }
            Token::Control(control) => {
                command.end = control.start;
                return command;
            }
            Token::End => {
                command.end = span.end;
                return command;
            }
        }
    }
}

fn redirect_target(source: Source<'_>, span: Range<usize>) -> Range<usize> {
    match next_token(source, span.clone()) {
        Token::Word(word) => word,
        _ => span.start..span.start,
    }
}

/// The name in `NAME=...`, `NAME+=...` or `NAME[..]=...`.
pub(super) fn assignment_name(raw: &str) -> Option<&str> {
    let (left, _) = raw.split_once('=')?;
    let left = left.strip_suffix('+').unwrap_or(left);
    let name = left.split_once('[').map_or(left, |(name, _)| name);
    is_name(name).then_some(name)
}

/// Whether `text` is a variable's name.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first == '_' || first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
}

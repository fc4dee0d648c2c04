//! Where commands may begin in a text that the grammar does not understand. Finds too many rather than too few.

use std::ops::Range;

use super::heredoc::EMPTY;
use super::scan::{Context, Scanner};
use super::token::{Source, Token, next_token, raw_command};

/// Deepest nesting in which candidates are looked for.
const MAX_NESTING: usize = 16;

/// One place where a command may begin.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// From its first word to where it must end.
    pub(super) span: Range<usize>,
    /// Whether it reads what the candidate before it prints.
    pub(super) piped: bool,
    /// Whether here-documents are taken for commands.
    plain: bool,
}

impl Candidate {
    /// The source to read the candidate from.
    pub(super) fn source<'a>(&self, source: Source<'a>) -> Source<'a> {
        if self.plain {
            Source {
                text: source.text,
                outline: &EMPTY,
            }
        } else {
            source
        }
    }
}

/// Words that only introduce a command, in any of the dialects.
const RESERVED: &[&str] = &[
    "if", "then", "elif", "else", "fi", "while", "until", "do", "done", "esac", "{", "}", "!", "time", "and", "or",
    "not", "begin", "end", "coproc",
];
/// Words after which no command follows until the next operator.
const HEADS: &[&str] = &["for", "foreach", "select", "case", "switch", "function"];

/// At most `limit` candidates of `source`, in order; with `by_line`, every line of the text is taken for a command.
pub(super) fn candidates(source: Source<'_>, by_line: bool, limit: usize) -> Vec<Candidate> {
    let whole = 0..source.text.len();
    let mut found = Vec::new();
    split(source, whole, false, limit, &mut found);
    nested(source, limit, &mut found);
    if by_line || !source.outline.balanced {
        for line in lines(source.text) {
            let plain = Source {
                text: source.text,
                outline: &EMPTY,
            };
            split(plain, line, true, limit, &mut found);
        }
    }
    found.truncate(limit);
    found
}

/// Splits at control operators and steps over reserved words.
fn split(source: Source<'_>, span: Range<usize>, plain: bool, limit: usize, found: &mut Vec<Candidate>) {
    let mut at = span.start;
    let mut piped = false;
    while at < span.end && found.len() < limit {
        match next_token(source, at..span.end) {
            Token::End => return,
            Token::Control(control) => {
                piped = matches!(source.slice(control.clone()), "|" | "|&");
                at = control.end;
            }
            Token::Word(word) if RESERVED.contains(&source.slice(word.clone())) => at = word.end,
            Token::Word(word) | Token::Redirect(word) => {
                let end = raw_command(source, word.start..span.end).end.max(word.end);
                let starts = start_of_command(source, word.start, end);
                at = end;
                if let Some(start) = starts {
                    found.push(Candidate {
                        span: start..end,
                        piped,
                        plain,
                    });
                }
            }
        }
    }
}

/// Nothing for the head of a loop or a case; the command after `case ... in` follows its pattern's parenthesis.
fn start_of_command(source: Source<'_>, start: usize, end: usize) -> Option<usize> {
    let text = source.slice(start..end);
    let head = text.split_whitespace().next().unwrap_or_default();
    (!HEADS.contains(&head)).then(|| descriptor_start(source, start))
}

/// A redirection's token begins at its operator; its descriptor stands before it.
fn descriptor_start(source: Source<'_>, start: usize) -> usize {
    let before = source.slice(0..start);
    before
        .trim_end_matches(|character: char| character.is_ascii_digit())
        .len()
}

/// Candidates within substitutions, wherever they stand.
fn nested(source: Source<'_>, limit: usize, found: &mut Vec<Candidate>) {
    let bytes = source.text.as_bytes();
    let mut scanner = Scanner::new(bytes, &source.outline.bodies, 0..bytes.len());
    let mut open: Vec<usize> = Vec::new();
    while !scanner.is_done() && found.len() < limit {
        let before = scanner.stack.len();
        scanner.step();
        if scanner.stack.len() > before {
            open.push(scanner.at);
        } else if scanner.stack.len() < before {
            close(source, open.pop(), scanner.at, limit, found);
        }
        let is_substitution = scanner.stack.len() <= MAX_NESTING
            && matches!(scanner.stack.last(), Some(Context::Paren | Context::Backtick));
        if scanner.stack.len() > before && !is_substitution {
            open.pop();
            open.push(usize::MAX);
        }
    }
    for start in open {
        close(source, Some(start), bytes.len() + 1, limit, found);
    }
}

fn close(source: Source<'_>, start: Option<usize>, after: usize, limit: usize, found: &mut Vec<Candidate>) {
    if let Some(start) = start.filter(|start| *start < after) {
        split(source, start..after - 1, false, limit, found);
    }
}

/// The lines of a text, and their parts between `;`, `&` and `|` whatever the quotes say.
fn lines(text: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(['\n', ';', '&', '|']) {
        spans.push(start..at);
        start = at + 1;
    }
    spans.push(start..text.len());
    spans
}

//! Secrets between quotes in the texts of other languages: `ALTER USER u PASSWORD 'a b'`.
//!
//! A secret with blanks in it ends where its quote does, and only within a word is that known: across words, what stands
//! between two quotes may be an operator.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::super::{Script, SimpleCommand, Word};
use super::fed::quote_of_document;
use super::{Edit, mask};

/// What a secret stands behind, with the quote that opens it: on its own, escaped, or between those of the word around it
/// (`'\''`, `'"'"'`).
static OPENS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let words = r"(?i)\b(?:password|identified\s+(?:with\s+\S+\s+)?by)(?:\s*=\s*|\s+)";
    let quotes = r#"(?:'\\''|'"'"'|\\?["'])"#;
    Regex::new(&format!("{words}(?P<quote>{quotes})")).ok()
});

/// The edits for the secrets in the words and documents of a script.
pub(super) fn edits(script: &Script) -> Vec<Edit> {
    let Some(opens) = OPENS.as_ref().filter(|opens| opens.is_match(&script.text)) else {
        return Vec::new();
    };
    let commands = script.commands.iter();
    commands
        .flat_map(|command| of_command(script, command, opens))
        .collect()
}

fn of_command(script: &Script, command: &SimpleCommand, opens: &Regex) -> Vec<Edit> {
    let mut edits = Vec::new();
    for word in command.arguments() {
        edits.extend(in_text(script, &word.span, None, opens));
    }
    for redirection in &command.redirections {
        let target: &Word = &redirection.target;
        let is_document = redirection.operator.contains("<<") && !redirection.operator.contains("<<<");
        let inside = is_document.then(|| quote_of_document(script, target));
        edits.extend(in_text(script, &target.span, inside, opens));
    }
    edits
}

/// The edit for the secrets in one word, or in one document, whose text stands `inside` a kind of quote.
fn in_text(script: &Script, span: &Range<usize>, inside: Option<u8>, opens: &Regex) -> Option<Edit> {
    let raw = script.text.get(span.clone()).filter(|raw| !raw.is_empty())?;
    let masked = mask(raw, &secrets(raw, opens), inside);
    (masked != raw).then(|| Edit {
        span: span.clone(),
        masked,
    })
}

/// Where secrets stand: behind an opening quote, up to where the first character of that stands again.
fn secrets(raw: &str, opens: &Regex) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(captures) = opens.captures_at(raw, at) {
        let Some(quote) = captures.name("quote") else { break };
        let rest = raw.get(quote.end()..).unwrap_or_default();
        let ends = quote.as_str().chars().next().unwrap_or('\'');
        let length = rest.find(ends).unwrap_or(0);
        found.extend((length > 0).then(|| quote.end()..quote.end() + length));
        at = quote.end() + length;
    }
    found
}

//! Forms that shells of one dialect read differently: one is in a quote or in data there where another runs a command.

use crate::domain::Dialect;

/// Whether subshells would read it as arithmetic did: no comments, here-documents or quotes in it.
pub(super) fn is_alike_in_subshells(text: &[u8]) -> bool {
    !text.iter().any(|byte| b"#'\"`\\".contains(byte)) && !text.windows(2).any(|pair| pair == b"<<")
}

/// Whether all shells of a dialect take the same delimiter from it.
pub(super) fn is_plain_delimiter(raw: &[u8], dialect: Dialect) -> bool {
    let has = |wanted: &[u8]| raw.iter().any(|byte| wanted.contains(byte));
    let is_escaped_in_quotes = has(b"\\") && has(b"'\"");
    let is_translated = dialect != Dialect::Bash && raw.windows(2).any(|pair| matches!(pair, b"$'" | b"$\""));
    !has(b"\n`") && !is_escaped_in_quotes && !is_translated
}

/// Whether a word begins as an element of an array whose subscript goes on behind it: `a[1 <<E]=2`.
pub(super) fn opens_subscript(raw: &[u8]) -> bool {
    let name = raw
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
        .count();
    let count = |wanted: u8| memchr::memchr_iter(wanted, raw).count();
    name > 0 && raw.get(name) == Some(&b'[') && count(b'[') > count(b']')
}

/// What sets an option that changes how the shell reads: comments, the history, quotes.
const SETTINGS: [&[u8]; 6] = [
    b"interactive_comments",
    b"histexpand",
    b"set -H",
    b"-o posix",
    b"POSIXLY_CORRECT=",
    b"rcquotes",
];

/// Whether what follows a unit may not mean what it says: it sets such an option, or may define an alias that stands for more
/// than plain words, such as a quote or a comment.
pub(super) fn rewrites_what_follows(unit: &[u8]) -> bool {
    SETTINGS
        .iter()
        .any(|setting| memchr::memmem::find(unit, setting).is_some())
        || defines_more_than_words(unit)
}

fn defines_more_than_words(unit: &[u8]) -> bool {
    let Some(at) = memchr::memmem::find(unit, b"alias") else {
        return false;
    };
    let values = unit.get(at..).unwrap_or_default();
    let has = |wanted: u8| memchr::memchr(wanted, values).is_some();
    b"#\\$`<({".iter().any(|byte| has(*byte)) || (has(b'\'') && has(b'"'))
}

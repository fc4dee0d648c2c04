//! Secrets out of a command's text.
//!
//! Words known to hold a secret are masked by their spans, quotes and expansions kept; then shapes that betray
//! themselves (keys, tokens, URLs with credentials, headers) are masked wherever they stand.

mod fed;
mod headers;
mod programs;
mod prose;
mod quoted;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use regex::{Captures, Regex, RegexSet};

use super::scan::element_end;
use super::{Doubt, Script, SimpleCommand, Word, parse};

pub use prose::redact_prose;

/// What a secret is replaced by.
const MASK: &str = "[redacted]";
/// Most bytes that are parsed to try every single redaction on its own where all together would hide a program.
const MAX_RETRIED: usize = 8 * 1024;

/// The text of `script` with its secrets replaced by `[redacted]`: that of [`redacted`].
#[must_use]
pub fn redact(script: &Script) -> String {
    match redacted(script) {
        Cow::Borrowed(script) => script.text.clone(),
        Cow::Owned(script) => script.text,
    }
}

/// `script` without its secrets: itself where it holds none, otherwise the parse of its text with `[redacted]` for each.
///
/// Operators, substitutions and command words stay: the result has the same programs. A value that becomes a program
/// (`PASSWORD=rm; $PASSWORD ...`) is therefore no secret.
#[must_use]
pub fn redacted(script: &Script) -> Cow<'_, Script> {
    let of_commands = || script.commands.iter().flat_map(|command| secrets(script, command));
    let uncertain = fed::edits(script).into_iter().chain(quoted::edits(script));
    let edits = in_order(of_commands().chain(uncertain).collect());
    let text = mask_shapes(&applied(&script.text, &edits)).into_owned();
    if text == script.text {
        return Cow::Borrowed(script);
    }
    let parsed = parse(&text, script.dialect);
    if is_unharmed(script, &parsed) {
        return Cow::Owned(parsed);
    }
    let text = one_by_one(script, edits).unwrap_or_else(|| {
        // What is fed or quoted may be run, and is then no secret.
        let edits = in_order(of_commands().collect());
        mask_shapes(&applied(&script.text, &edits)).into_owned()
    });
    Cow::Owned(parse(&text, script.dialect))
}

/// The edits as they stand in the text; of two that overlap, the first and longer one.
fn in_order(mut edits: Vec<Edit>) -> Vec<Edit> {
    edits.sort_by_key(|edit| (edit.span.start, std::cmp::Reverse(edit.span.end)));
    edits.dedup_by(|later, earlier| later.span.start < earlier.span.end);
    edits
}

/// Whether `masked` still has the programs of `script`. Where either could not be read nobody can tell, and secrets stay masked.
fn is_unharmed(script: &Script, masked: &Script) -> bool {
    let is_unread = |script: &Script| script.doubts.contains(&Doubt::Unread);
    is_unread(script) || is_unread(masked) || programs(script) == programs(masked)
}

fn programs(script: &Script) -> Vec<Option<&str>> {
    script.commands.iter().map(SimpleCommand::program).collect()
}

/// Tries every edit on its own, and where a program's name has the shape of a secret, every shape.
fn one_by_one(script: &Script, edits: Vec<Edit>) -> Option<String> {
    let kept = harmless(script, edits)?;
    let masked = mask_shapes(&applied(&script.text, &kept)).into_owned();
    if is_unharmed(script, &parse(&masked, script.dialect)) {
        return Some(masked);
    }
    let shapes = shapes(&script.text);
    let kept = harmless(script, in_order(kept.into_iter().chain(shapes).collect()))?;
    Some(applied(&script.text, &kept))
}

/// The edits that leave all programs in place; `None` where there is too much to try.
fn harmless(script: &Script, edits: Vec<Edit>) -> Option<Vec<Edit>> {
    if script.text.len().saturating_mul(edits.len() + 1) > MAX_RETRIED {
        return None;
    }
    let mut kept: Vec<Edit> = Vec::new();
    for edit in edits {
        kept.push(edit);
        let candidate = parse(&applied(&script.text, &kept), script.dialect);
        if !is_unharmed(script, &candidate) {
            kept.pop();
        }
    }
    Some(kept)
}

/// A piece of the text, and what stands there instead.
#[derive(Debug)]
struct Edit {
    span: Range<usize>,
    masked: String,
}

fn applied(text: &str, edits: &[Edit]) -> String {
    let mut result = String::with_capacity(text.len());
    let mut at = 0;
    for edit in edits {
        result.push_str(text.get(at..edit.span.start).unwrap_or_default());
        result.push_str(&edit.masked);
        at = edit.span.end;
    }
    result.push_str(text.get(at..).unwrap_or_default());
    result
}

/// The edits for one command.
fn secrets(script: &Script, command: &SimpleCommand) -> Vec<Edit> {
    let mut edits = Vec::new();
    for assignment in &command.assignments {
        if is_secret_name(&assignment.name) {
            edits.extend(edit(script, &assignment.value, 0));
        }
    }
    let call = programs::Call::new(command);
    // What stands in a program's place and names none is a word like the others.
    let from = usize::from(command.program().is_some());
    for (index, word) in command.words.iter().enumerate().skip(from) {
        let before = index.checked_sub(1).and_then(|index| command.words.get(index));
        let place = programs::Place {
            before: before.map_or("", |before| before.text.as_str()),
            is_last: index + 1 == command.words.len(),
        };
        if let Some(start) = secret_start(&call, &place, &word.text) {
            edits.extend(edit(script, word, start));
        }
    }
    edits
}

/// Masks the raw word from the place of its cooked text's byte `start` on.
fn edit(script: &Script, word: &Word, start: usize) -> Option<Edit> {
    let raw = script.text.get(word.span.clone()).filter(|raw| !raw.is_empty())?;
    let prefix = word.text.get(..start)?;
    let raw_start = raw.find(prefix).map_or(0, |position| position + prefix.len());
    let secret = raw_start..raw.len();
    let masked = mask(raw, std::slice::from_ref(&secret), None);
    (masked != raw).then(|| Edit {
        span: word.span.clone(),
        masked,
    })
}

/// Replaces what is literal in `raw` in `spans`, which are in order; quotes and expansions stay. A document's text stands
/// `inside` a kind of quote, in which quotes are text; its lines stay lines.
fn mask(raw: &str, spans: &[Range<usize>], inside: Option<u8>) -> String {
    let bytes = raw.as_bytes();
    let mut masked = String::with_capacity(raw.len());
    let mut spans = spans.iter().peekable();
    let mut quote = inside;
    let mut at = 0;
    while let Some(byte) = bytes.get(at).copied() {
        let end = piece_end(raw, at, quote);
        while spans.next_if(|span| span.end <= at).is_some() {}
        let is_secret = spans.peek().is_some_and(|span| span.start < end);
        let is_quote = inside.is_none() && matches!(byte, b'\'' | b'"') && quote.is_none_or(|open| open == byte);
        let piece = raw.get(at..end).unwrap_or_default();
        let ends_line = inside.is_some() && piece.ends_with('\n');
        let is_expansion = matches!(byte, b'$' | b'`') && quote != Some(b'\'') && end > at + 1;
        if is_quote {
            quote = if quote.is_some() { None } else { Some(byte) };
        }
        if is_quote || is_expansion || ends_line || !is_secret {
            masked.push_str(piece);
        } else if !masked.ends_with(MASK) {
            masked.push_str(MASK);
        }
        at = end;
    }
    masked
}

fn piece_end(raw: &str, at: usize, quote: Option<u8>) -> usize {
    let rest = raw.get(at..).unwrap_or_default();
    let character = rest.chars().next().map_or(1, char::len_utf8);
    match rest.as_bytes() {
        [b'\\', _, ..] if quote != Some(b'\'') => 1 + at + rest.chars().nth(1).map_or(0, char::len_utf8),
        [b'$', b'(' | b'{', ..] | [b'`', ..] if quote != Some(b'\'') => element_end(raw.as_bytes(), &[], at..raw.len()),
        [b'$', next, ..] if quote != Some(b'\'') && (next.is_ascii_alphanumeric() || *next == b'_') => {
            let name = rest
                .bytes()
                .skip(1)
                .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
                .count();
            at + 1 + name
        }
        _ => at + character,
    }
}

/// Whether a variable, option or key is named like one that holds a secret.
fn is_secret_name(name: &str) -> bool {
    let name = name.trim_start_matches('-').to_ascii_lowercase().replace('-', "_");
    let ends_otherwise = [
        "_file", "_path", "_stdin", "_fd", "_dir", "_env", "_command", "_name", "_id", "_url", "_ttl", "_seconds",
        "_length",
    ]
    .iter()
    .any(|end| name.ends_with(end));
    let speaks = [
        "password",
        "passwd",
        "passphrase",
        "secret",
        "token",
        "api_key",
        "apikey",
        "private_key",
        "access_key",
        "account_key",
        "shared_key",
        "pgpassword",
    ]
    .iter()
    .any(|part| name.contains(part));
    let is_short = matches!(
        name.as_str(),
        "pass" | "sshpass" | "mysql_pwd" | "pw" | "auth" | "redis_auth"
    );
    let is_cursor = ["idempotency", "request", "next_", "page_", "starting", "continuation"]
        .iter()
        .any(|part| name.contains(part));
    !ends_otherwise && !is_cursor && (speaks || is_short || name.ends_with("_pass") || name.ends_with("_pwd"))
}

/// Where in the cooked word a secret begins, if one does.
fn secret_start(call: &programs::Call<'_>, place: &programs::Place<'_>, text: &str) -> Option<usize> {
    if let Some((name, _)) = text.split_once('=')
        && is_secret_name(name)
        && !name.contains(char::is_whitespace)
    {
        return Some(name.len() + 1);
    }
    if call.program == "openssl" && place.before.starts_with("-pass") {
        return text.starts_with("pass:").then_some("pass:".len());
    }
    if takes_secret(place.before) && !text.starts_with('-') {
        return Some(0);
    }
    headers::secret_start(place.before, text).or_else(|| call.secret_start(place, text))
}

/// Whether an option, by its name, has a secret as its next word.
fn takes_secret(option: &str) -> bool {
    match option.strip_prefix("--") {
        // The value of `--private-key` is a file nearly everywhere.
        Some(name) => !name.contains('=') && name != "private-key" && is_secret_name(name),
        None => matches!(
            option,
            "-password" | "-passwd" | "-passphrase" | "-pass" | "-token" | "-secret" | "-storepass" | "-keypass"
        ),
    }
}

/// Texts that are secrets by their shape; the group `secret` is masked, everything around it stays.
const SHAPES: &[&str] = &[
    r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----(?P<secret>[A-Za-z0-9+/=:,\\\s-]+)-----END [A-Z ]*PRIVATE KEY",
    r"(?P<secret>\b(?:AKIA|ASIA)[0-9A-Z]{16}\b)",
    r"(?P<secret>\bgh[pousr]_[A-Za-z0-9]{30,})",
    r"(?P<secret>\bgithub_pat_[A-Za-z0-9_]{22,})",
    r"(?P<secret>\bgl(?:pat|dt|rt|ptt|oas|soat)-[A-Za-z0-9_-]{20,})",
    r"(?P<secret>\bxox[abeoprs]-[A-Za-z0-9-]{10,})",
    r"(?P<secret>\bxapp-[A-Za-z0-9-]{10,})",
    r"hooks\.slack\.com/services/(?P<secret>[A-Za-z0-9/]{20,})",
    r"(?P<secret>\b[rs]k[-_](?:live_|test_|proj-|ant-)?[A-Za-z0-9_-]{20,})",
    r"(?P<secret>\bwhsec_[A-Za-z0-9+/=]{20,})",
    r"(?P<secret>\bAIza[0-9A-Za-z_-]{35})",
    r"(?P<secret>\bya29\.[0-9A-Za-z_-]{20,})",
    r"(?P<secret>\bGOCSPX-[0-9A-Za-z_-]{20,})",
    r"\bAccountKey=(?P<secret>[A-Za-z0-9+/]{40,}={0,2})",
    r"[?&]sig=(?P<secret>[A-Za-z0-9%+/=_-]{16,})",
    r"(?P<secret>\b[A-Za-z0-9_.-]{3}[78]Q~[A-Za-z0-9_.~-]{31,})",
    r"(?P<secret>\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,})",
    r"(?P<secret>\b(?:do[opr]_v1|dckr_pat|hf|lin_api|shp(?:at|ss)|npm|dapi|pypi)[_-]?[A-Za-z0-9_-]{32,})",
    r"(?P<secret>\bAGE-SECRET-KEY-1[0-9A-Z]{20,})",
    r"(?P<secret>\bhv[sb]\.[A-Za-z0-9_-]{20,})",
    r"(?P<secret>\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,})",
    r"(?i)\bauthorization[ \t]*:[ \t]*(?:bearer|basic|token|digest|apikey)?[ \t]*(?P<secret>[A-Za-z0-9._~+/=\[\]:-]{4,})",
    r"(?i)\bbearer[ \t]+(?P<secret>[A-Za-z0-9._~+/=-]{8,})",
    r"(?i)\bx-[a-z-]*(?:key|token|secret|auth)[ \t]*:[ \t]*(?P<secret>[A-Za-z0-9._~+/=-]{4,})",
    r#"[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@'"`$();&|<>]*:(?P<secret>[^\s@/'"`$();&|<>\\]+)@"#,
    r#"(?i)(?:\b|_)(?:password|passwd|passphrase|secret|token|api_?key)\\?["']?:[ \t]*\\?["']?(?P<secret>[^\s"'`$();&|<>\\,{}\[\]:]{3,})"#,
    r#"(?i)(?:\b|_)(?:password|passwd|passphrase|secret|token|api_?key)=["']?(?P<secret>[^\s"'`$();&|<>\\,{}\[\]]{3,})"#,
    // What ends before a blank or an operator stands in one word, whichever quote it is; `quoted` knows more.
    r#"(?i)\bidentified[ \t]+(?:with[ \t]+\w+[ \t]+)?by[ \t]+(?:'\\')?\\?["'](?P<secret>[^\s"'`$();&|<>\\]+)"#,
    r#"(?i)\bpassword[ \t]+(?:'\\')?\\?'(?P<secret>[^\s"'`$();&|<>\\]+)\\?'"#,
    r"(?m)^(?P<secret>(?:[A-Za-z0-9+/]{60,}={0,2}))$",
];

static SHAPE_SET: LazyLock<RegexSet> = LazyLock::new(|| RegexSet::new(SHAPES).unwrap_or_else(|_| RegexSet::empty()));
static SHAPE_LIST: LazyLock<Vec<Option<Regex>>> =
    LazyLock::new(|| SHAPES.iter().map(|shape| Regex::new(shape).ok()).collect());

fn mask_shapes(text: &str) -> Cow<'_, str> {
    let mut masked = Cow::Borrowed(text);
    for index in SHAPE_SET.matches(text) {
        if let Some(Some(shape)) = SHAPE_LIST.get(index)
            && let Cow::Owned(replaced) = shape.replace_all(&masked, mask_capture)
        {
            masked = Cow::Owned(replaced);
        }
    }
    masked
}

/// The edits for all that is a secret by its shape.
fn shapes(text: &str) -> Vec<Edit> {
    let found = SHAPE_SET.matches(text).into_iter();
    let shapes = found.filter_map(|index| SHAPE_LIST.get(index)?.as_ref());
    let secrets = shapes.flat_map(|shape| shape.captures_iter(text).filter_map(|captures| captures.name("secret")));
    let edit = |secret: regex::Match<'_>| Edit {
        span: secret.range(),
        masked: MASK.to_owned(),
    };
    secrets.map(edit).collect()
}

fn mask_capture(captures: &Captures<'_>) -> String {
    let whole = captures.get(0).map_or("", |found| found.as_str());
    let offset = captures.get(0).map_or(0, |found| found.start());
    let Some(secret) = captures.name("secret") else {
        return whole.to_owned();
    };
    let start = secret.start().saturating_sub(offset);
    let end = secret.end().saturating_sub(offset);
    format!(
        "{}{MASK}{}",
        whole.get(..start).unwrap_or_default(),
        whole.get(end..).unwrap_or_default()
    )
}

#[cfg(test)]
mod tests;

//! Raw words to cooked ones: quote removal, and the expansions that can be computed.

use std::ops::Range;

use super::arithmetic;
use super::brace;
use super::decode;
use super::heredoc;
use super::scan::element_end;
use super::token::{Source, Token, next_token, raw_command};
use super::variables::Variables;
use super::{SimpleCommand, Word};

/// How deep substitutions within words are computed.
const MAX_DEPTH: usize = 4;
/// Longest substitution that is computed, in bytes.
const MAX_COMPUTED: usize = 4 * 1024;
/// Longest cooked word, in bytes; what would grow beyond it is not expanded.
const MAX_WORD: usize = 64 * 1024;
/// Most words that one raw word may become.
const MAX_FIELDS: usize = 256;

/// Cooks one raw word, which may become several or none.
pub(super) fn words(raw: &str, span: &Range<usize>, variables: &Variables) -> Vec<Word> {
    words_at(raw, span, variables, 0)
}

/// Cooks a raw word that stays one word: a value, the target of a redirection.
pub(super) fn single(raw: &str, span: &Range<usize>, variables: &Variables) -> Word {
    let mut cook = Cook::new(variables, 0);
    cook.run(raw, false);
    cook.into_word(raw, span)
}

/// Cooks the body of a here-document, in which quotes mean nothing.
pub(super) fn here_document(body: &str, literal: bool, span: Range<usize>, variables: &Variables) -> Word {
    let mut cook = Cook::new(variables, 0);
    if literal {
        cook.text.push_str(body);
    } else {
        cook.double_quoted(body);
    }
    Word {
        text: cook.text,
        span,
        constant: cook.constant,
        quoted: true,
        glob: false,
        disguised: false,
    }
}

/// The elements of `NAME=(...)`, or the one value of `NAME=...`; `None` where it is not known.
pub(super) fn value(raw: &str, variables: &Variables) -> Option<Vec<String>> {
    if let Some(list) = raw.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        let outline = heredoc::outline(list);
        let source = Source {
            text: list,
            outline: &outline,
        };
        let elements = cook_raw(source, &raw_command(source, 0..list.len()).words, variables, 0);
        return texts(&elements);
    }
    let word = single(raw, &(0..0), variables);
    word.constant.then(|| vec![word.text])
}

fn texts(words: &[Word]) -> Option<Vec<String>> {
    words
        .iter()
        .map(|word| word.constant.then(|| word.text.clone()))
        .collect()
}

fn cook_raw(source: Source<'_>, raw: &[Range<usize>], variables: &Variables, depth: usize) -> Vec<Word> {
    raw.iter()
        .flat_map(|span| words_at(source.slice(span.clone()), span, variables, depth))
        .collect()
}

fn words_at(raw: &str, span: &Range<usize>, variables: &Variables, depth: usize) -> Vec<Word> {
    if is_plain(raw) {
        return vec![plain_word(raw, span)];
    }
    let expanded = if raw.contains('{') {
        brace::expand(raw)
    } else {
        vec![raw.to_owned()]
    };
    let by_braces = expanded.len() > 1;
    let mut cooked = Vec::new();
    for part in expanded {
        let mut cook = Cook::new(variables, depth);
        cook.hides = by_braces;
        cook.run(&part, true);
        cooked.extend(cook.into_words(&part, span));
    }
    cooked
}

/// Whether a word is what it says, as nearly all are.
fn is_plain(raw: &str) -> bool {
    raw.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_./=:,@%+~^".contains(&byte) || !byte.is_ascii())
}

fn plain_word(raw: &str, span: &Range<usize>) -> Word {
    Word {
        text: raw.to_owned(),
        span: span.clone(),
        constant: true,
        quoted: false,
        glob: false,
        disguised: false,
    }
}

/// The state of one word being cooked.
struct Cook<'a> {
    variables: &'a Variables,
    depth: usize,
    /// Words already ended by field splitting.
    fields: Vec<String>,
    text: String,
    constant: bool,
    quoted: bool,
    glob: bool,
    /// Whether something stands in `text`, be it empty quotes.
    present: bool,
    /// The word may become several.
    splits: bool,
    /// Blanks in values do not split here.
    in_quotes: bool,
    /// The raw form is one that hides.
    hides: bool,
}

impl<'a> Cook<'a> {
    fn new(variables: &'a Variables, depth: usize) -> Self {
        Self {
            variables,
            depth,
            fields: Vec::new(),
            text: String::new(),
            constant: true,
            quoted: false,
            glob: false,
            present: false,
            splits: false,
            in_quotes: false,
            hides: false,
        }
    }

    /// Goes over `raw`; with `split`, values of variables are split at blanks.
    fn run(&mut self, raw: &str, split: bool) {
        let bytes = raw.as_bytes();
        let mut at = 0;
        self.splits = split;
        while let Some(byte) = bytes.get(at) {
            let end = match byte {
                b'$' => expansion_end(raw, at),
                b'\\' => character_end(raw, at + 1),
                b'\'' | b'"' | b'`' => element_end(bytes, &[], at..bytes.len()).max(at + 1),
                b'<' | b'>' => substitution_end(raw, at),
                _ => character_end(raw, at),
            };
            self.in_quotes = !split;
            self.piece(raw.get(at..end).unwrap_or_default());
            at = end;
        }
    }

    fn piece(&mut self, piece: &str) {
        match piece.as_bytes() {
            [b'\\', b'\n'] => {}
            [b'\\', ..] => self.quote(piece.get(1..).unwrap_or_default()),
            [b'\'', ..] => self.quote(inside(piece, 1)),
            [b'"', ..] => self.double(inside(piece, 1)),
            [b'$', b'"', ..] => self.double(inside(piece, 2)),
            [b'$', b'\'', ..] => {
                self.hides |= piece.contains('\\') && is_plain(&brace::ansi_c(inside(piece, 2)));
                self.quote(&brace::ansi_c(inside(piece, 2)));
            }
            [b'$' | b'`', ..] => self.expansion(piece),
            [b'<' | b'>', b'(', ..] => {
                self.constant = false;
                self.push(piece);
            }
            _ => self.plain(piece),
        }
    }

    fn plain(&mut self, piece: &str) {
        self.glob |= matches!(piece, "*" | "?" | "[");
        self.push(piece);
    }

    fn quote(&mut self, text: &str) {
        self.quoted = true;
        self.push(text);
    }

    fn double(&mut self, inner: &str) {
        self.quoted = true;
        self.present = true;
        let outside = std::mem::replace(&mut self.in_quotes, true);
        self.double_quoted(inner);
        self.in_quotes = outside;
    }

    /// The inside of double quotes, and the body of a here-document.
    fn double_quoted(&mut self, inner: &str) {
        let bytes = inner.as_bytes();
        let mut at = 0;
        self.in_quotes = true;
        while let Some(byte) = bytes.get(at) {
            let end = match byte {
                b'\\' => character_end(inner, at + 1),
                b'`' => element_end(bytes, &[], at..bytes.len()).max(at + 1),
                b'$' if bytes.get(at + 1) != Some(&b'\'') => expansion_end(inner, at),
                _ => character_end(inner, at),
            };
            self.quoted_piece(inner.get(at..end).unwrap_or_default());
            at = end;
        }
    }

    fn quoted_piece(&mut self, piece: &str) {
        match piece.as_bytes() {
            [b'\\', b'\n'] => {}
            [b'\\', b'$' | b'`' | b'"' | b'\\'] => self.push(piece.get(1..).unwrap_or_default()),
            [b'$' | b'`', _, ..] => self.expansion(piece),
            _ => self.push(piece),
        }
    }

    fn push(&mut self, text: &str) {
        self.present = true;
        if self.text.len() + text.len() <= MAX_WORD {
            self.text.push_str(text);
        } else {
            self.constant = false;
        }
    }

    fn expansion(&mut self, raw: &str) {
        match self.evaluate(raw) {
            Some(elements) => self.substitute(&elements, raw),
            None if raw == "$" => self.push(raw),
            None => {
                self.constant = false;
                self.push(raw);
            }
        }
    }

    fn substitute(&mut self, elements: &[String], raw: &str) {
        let is_cut = raw.starts_with("${") && raw.contains(['#', '%', '/', '^', ',', '!']);
        self.hides |= raw.starts_with("$(") || raw.starts_with('`') || raw.contains("IFS") || is_cut || self.present;
        let is_list = raw.contains("[@]") || raw == "$@" || raw.starts_with("${@");
        if self.splits && is_list && (self.in_quotes || raw.ends_with("[@]}")) {
            self.separate(elements);
        } else if self.in_quotes {
            self.push(&elements.join(" "));
        } else if let Some(separators) = self.variables.separators() {
            self.split(elements, &separators);
        } else {
            self.constant = false;
            self.push(raw);
        }
    }

    /// Ends a word at every one of `separators`, and after every element of a list.
    fn split(&mut self, elements: &[String], separators: &str) {
        let ends = |character: char| separators.contains(character);
        let parts = elements.iter().flat_map(|element| element.split(ends));
        for (index, part) in parts.enumerate() {
            if index > 0 {
                self.end_field();
            }
            if !part.is_empty() {
                self.glob |= part.contains(['*', '?', '[']);
                self.push(part);
            }
        }
    }

    /// `"${list[@]}"`: each element is a word of its own.
    fn separate(&mut self, elements: &[String]) {
        // Of an empty list, not even an empty word is left.
        if elements.is_empty() && self.text.is_empty() {
            self.present = false;
        }
        for (index, element) in elements.iter().enumerate() {
            if index > 0 {
                self.end_field();
            }
            self.push(element);
        }
    }

    fn end_field(&mut self) {
        if self.present && self.fields.len() < MAX_FIELDS {
            self.fields.push(std::mem::take(&mut self.text));
        }
        self.present = false;
    }

    fn evaluate(&self, raw: &str) -> Option<Vec<String>> {
        if let Some(inner) = raw.strip_prefix("$((").and_then(|inner| inner.strip_suffix("))")) {
            return arithmetic::evaluate(inner, self.variables).map(|value| vec![value.to_string()]);
        }
        if let Some(inner) = raw.strip_prefix("${") {
            return self.variables.parameter(inner.strip_suffix('}')?);
        }
        if let Some(inner) = raw.strip_prefix("$(") {
            return self.substitution(inner.strip_suffix(')')?);
        }
        if let Some(inner) = raw.strip_prefix('`') {
            return self.substitution(inner.strip_suffix('`')?);
        }
        self.variables.elements(raw.strip_prefix('$')?)
    }

    /// The output of a substitution whose commands only compute text.
    fn substitution(&self, inner: &str) -> Option<Vec<String>> {
        if inner.trim().is_empty() {
            return Some(vec![String::new()]);
        }
        if self.depth >= MAX_DEPTH || inner.len() > MAX_COMPUTED {
            return None;
        }
        let stages = pipeline(inner, self.variables, self.depth + 1)?;
        let output = decode::output(&stages, None)?;
        Some(vec![output.trim_end_matches('\n').to_owned()])
    }

    fn into_words(mut self, raw: &str, span: &Range<usize>) -> Vec<Word> {
        let fields = std::mem::take(&mut self.fields);
        let last_is_present = self.present;
        let mut template = self.into_word(raw, span);
        let last = std::mem::take(&mut template.text);
        let texts = fields.into_iter().chain(last_is_present.then_some(last));
        texts
            .map(|text| Word {
                text,
                ..template.clone()
            })
            .collect()
    }

    fn into_word(self, raw: &str, span: &Range<usize>) -> Word {
        let plain = !self.text.is_empty() && is_plain(&self.text);
        Word {
            disguised: self.constant && (self.hides || (plain && splits_a_word(raw))),
            // A lone bracket is a program's name, not a pattern.
            glob: self.glob && self.text.contains(['*', '?', ']']),
            text: self.text,
            span: span.clone(),
            constant: self.constant,
            quoted: self.quoted,
        }
    }
}

/// The end of the expansion, or of the lone dollar sign, at `at`.
fn expansion_end(text: &str, at: usize) -> usize {
    let rest = text.get(at + 1..).unwrap_or_default();
    let name_length = match rest.chars().next() {
        None => 0,
        Some('(' | '{' | '\'' | '"') => {
            // The dollar sign of `$"..."` is a piece of its own to the scanner.
            let quote = usize::from(rest.starts_with('"'));
            return element_end(text.as_bytes(), &[], at + quote..text.len()).max(at + 1);
        }
        Some(first) if "@*#?!$-".contains(first) || first.is_ascii_digit() => 1,
        Some(_) => rest
            .find(|character: char| !is_name_character(character))
            .unwrap_or(rest.len()),
    };
    at + 1 + name_length
}

fn is_name_character(character: char) -> bool {
    character == '_' || character.is_ascii_alphanumeric()
}

/// The end of `<(...)` or `>(...)`, which is kept as it stands.
fn substitution_end(text: &str, at: usize) -> usize {
    match text.as_bytes().get(at + 1) {
        Some(b'(') => element_end(text.as_bytes(), &[], at + 1..text.len()).max(at + 1),
        _ => at + 1,
    }
}

fn character_end(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.chars().next().map_or(1, char::len_utf8)
}

/// What stands between the quotes of `piece`, whose opening takes `open` bytes; the closing one may be missing.
fn inside(piece: &str, open: usize) -> &str {
    let quote = piece.as_bytes().get(open - 1);
    let is_closed = piece.len() > open && piece.as_bytes().last() == quote;
    piece
        .get(open..piece.len() - usize::from(is_closed))
        .unwrap_or_default()
}

/// Whether quotes or escapes stand between two letters, where no writer needs them (`r\m`, `r''m`).
fn splits_a_word(raw: &str) -> bool {
    let letters = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = raw.as_bytes();
    let is_mark = |byte: &u8| matches!(byte, b'\\' | b'\'' | b'"');
    let mut at = 1;
    while at < bytes.len() {
        let marks = bytes
            .get(at..)
            .unwrap_or_default()
            .iter()
            .take_while(|byte| is_mark(byte))
            .count();
        if marks > 0 && letters(bytes.get(at - 1)) && letters(bytes.get(at + marks)) {
            return true;
        }
        at += marks.max(1);
    }
    (raw.starts_with("''") || raw.starts_with("\"\"") || raw.ends_with("''") || raw.ends_with("\"\"")) && raw.len() > 2
}

/// The stages of a text that is one pipeline of simple commands, cooked; `None` if it is anything else.
pub(super) fn pipeline(text: &str, variables: &Variables, depth: usize) -> Option<Vec<SimpleCommand>> {
    let outline = heredoc::outline(text);
    let source = Source {
        text,
        outline: &outline,
    };
    let mut stages = Vec::new();
    let mut at = 0;
    loop {
        let raw = raw_command(source, at..text.len());
        if !raw.assignments.is_empty() || raw.words.is_empty() {
            return None;
        }
        let mut stage = super::flatten::blank_command();
        stage.words = cook_raw(source, &raw.words, variables, depth);
        for redirection in &raw.redirections {
            stage
                .redirections
                .push(super::flatten::redirection(source, redirection, variables));
        }
        stages.push(stage);
        match next_token(source, raw.end..text.len()) {
            Token::End => return Some(stages),
            Token::Control(control) if source.slice(control.clone()) == "|" => at = control.end,
            Token::Control(control) if text.get(control.start..).is_some_and(|rest| rest.trim().is_empty()) => {
                return Some(stages);
            }
            _ => return None,
        }
    }
}

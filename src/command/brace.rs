//! Brace expansion (`{a,b}`, `{1..3}`) and ANSI-C quoting (`$'\x72m'`): what a shell does to raw text first.

use super::scan::element_end;

/// Most words that one word may become; beyond it the word stays as it is.
const MAX_WORDS: usize = 64;

/// Longest word that is expanded, in bytes; unclosed braces cost its square.
const MAX_LENGTH: usize = 1024;

/// The words that `raw` becomes by brace expansion, itself if none applies.
pub(super) fn expand(raw: &str) -> Vec<String> {
    if raw.len() > MAX_LENGTH {
        return vec![raw.to_owned()];
    }
    let mut done = Vec::new();
    let mut open = vec![raw.to_owned()];
    while let Some(word) = open.pop() {
        match first_group(&word) {
            Some(alternatives) if open.len() + done.len() + alternatives.len() <= MAX_WORDS => {
                open.extend(alternatives.into_iter().rev());
            }
            _ => done.push(word),
        }
    }
    done
}

/// Expands the first unquoted group of `word`, keeping what stands around it.
fn first_group(word: &str) -> Option<Vec<String>> {
    let bytes = word.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes.get(at) == Some(&b'{')
            && let Some((end, parts)) = group(word, at)
        {
            let before = word.get(..at)?;
            let after = word.get(end..)?;
            return Some(parts.iter().map(|part| format!("{before}{part}{after}")).collect());
        }
        at = element_end(bytes, &[], at..bytes.len()).max(at + 1);
    }
    None
}

/// The alternatives of the group that opens at `start`, and where it ends.
fn group(word: &str, start: usize) -> Option<(usize, Vec<String>)> {
    let bytes = word.as_bytes();
    let (mut at, mut part, mut depth) = (start + 1, start + 1, 0_usize);
    let mut parts = Vec::new();
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => {
                parts.push(word.get(part..at)?.to_owned());
                return finish(parts).map(|parts| (at + 1, parts));
            }
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                parts.push(word.get(part..at)?.to_owned());
                part = at + 1;
            }
            _ => {
                at = element_end(bytes, &[], at..bytes.len()).max(at + 1);
                continue;
            }
        }
        at += 1;
    }
    None
}

fn finish(parts: Vec<String>) -> Option<Vec<String>> {
    match parts.as_slice() {
        [only] => sequence(only),
        _ => Some(parts),
    }
}

/// `1..3` and `a..c`.
fn sequence(text: &str) -> Option<Vec<String>> {
    let (from, to) = text.split_once("..")?;
    if let (Ok(from), Ok(to)) = (from.parse::<i64>(), to.parse::<i64>()) {
        let count = from.abs_diff(to);
        let ascending = from <= to;
        return (count < MAX_WORDS as u64).then(|| {
            let mut numbers: Vec<i64> = if ascending {
                (from..=to).collect()
            } else {
                (to..=from).rev().collect()
            };
            numbers.drain(..).map(|number| number.to_string()).collect()
        });
    }
    match (single_letter(from)?, single_letter(to)?) {
        (from, to) if from <= to => Some((from..=to).map(String::from).collect()),
        (from, to) => Some((to..=from).rev().map(String::from).collect()),
    }
}

fn single_letter(text: &str) -> Option<char> {
    let mut characters = text.chars();
    let first = characters.next().filter(char::is_ascii_alphabetic)?;
    characters.next().is_none().then_some(first)
}

/// Decodes the inside of `$'...'`; also what `echo -e` and `printf` do to their text.
pub(super) fn ansi_c(text: &str) -> String {
    let mut decoded: Vec<u8> = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(position) = rest.find('\\') {
        let (plain, escape) = rest.split_at(position);
        decoded.extend_from_slice(plain.as_bytes());
        rest = escaped(escape.get(1..).unwrap_or_default(), &mut decoded);
    }
    decoded.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Decodes what follows a backslash into `decoded`; returns what is left.
fn escaped<'a>(text: &'a str, decoded: &mut Vec<u8>) -> &'a str {
    let Some(kind) = text.chars().next() else {
        decoded.push(b'\\');
        return text;
    };
    let rest = text.get(kind.len_utf8()..).unwrap_or_default();
    let simple = match kind {
        'a' => 0x07,
        'b' => 0x08,
        'e' | 'E' => 0x1b,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' | '\'' | '"' | '?' => kind as u8,
        'x' => return numeric(rest, 16, 2, decoded),
        'u' => return character(rest, 4, decoded),
        'U' => return character(rest, 8, decoded),
        '0' => return numeric(rest, 8, 3, decoded),
        '1'..='7' => return numeric(text, 8, 3, decoded),
        other => {
            decoded.push(b'\\');
            decoded.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
            return rest;
        }
    };
    decoded.push(simple);
    rest
}

/// Decodes up to `width` digits to one byte.
fn numeric<'a>(text: &'a str, radix: u32, width: usize, decoded: &mut Vec<u8>) -> &'a str {
    let (value, rest) = digits(text, radix, width);
    decoded.extend(u8::try_from(value & 0xff));
    rest
}

/// Decodes up to `width` hexadecimal digits to one character.
fn character<'a>(text: &'a str, width: usize, decoded: &mut Vec<u8>) -> &'a str {
    let (value, rest) = digits(text, 16, width);
    if let Some(character) = char::from_u32(value) {
        decoded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
    rest
}

fn digits(text: &str, radix: u32, width: usize) -> (u32, &str) {
    let length = text
        .chars()
        .take(width)
        .take_while(|digit| digit.is_digit(radix))
        .count();
    let (digits, rest) = text.split_at_checked(length).unwrap_or((text, ""));
    (u32::from_str_radix(digits, radix).unwrap_or(0), rest)
}

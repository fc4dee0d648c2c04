//! Programs that only compute text, computed: what ends up in a shell's input.

use super::brace::ansi_c;
use super::filters;
use super::{SimpleCommand, Word};

/// Longest text that is computed, in bytes.
pub(super) const MAX_OUTPUT: usize = 64 * 1024;
/// Most characters of a set of `tr`.
const MAX_SET: usize = 256;

/// What the stages of a pipeline print, the first reading `input`; `None` if it cannot be known.
pub(super) fn output(stages: &[SimpleCommand], input: Option<String>) -> Option<String> {
    let mut text = input;
    for stage in stages {
        text = Some(run(stage, text)?);
    }
    text
}

/// What one command prints, given its input; `None` also where that is longer than [`MAX_OUTPUT`].
pub(super) fn run(command: &SimpleCommand, input: Option<String>) -> Option<String> {
    printed(command, input).filter(|text| text.len() <= MAX_OUTPUT)
}

fn printed(command: &SimpleCommand, input: Option<String>) -> Option<String> {
    let input = own_input(command).or(input);
    if command.program() == Some("tee") {
        return input;
    }
    let arguments = constant(command.arguments())?;
    match command.program()? {
        "echo" => Some(echo(&arguments)),
        "printf" => printf(&arguments),
        "cat" if arguments.iter().all(|argument| *argument == "-") => input,
        "base64" if has_any(&arguments, &["-d", "-D", "--decode", "-di", "-id"]) => base64(&input?),
        "openssl" if is_base64_of_openssl(&arguments) => base64(&input?),
        "base32" if has_any(&arguments, &["-d", "-D", "--decode"]) => base32(&input?),
        "basename" => Some(arguments.first()?.trim_end_matches('/').rsplit('/').next()?.to_owned()),
        "xxd" if is_plain_reverse(&arguments) => hexadecimal(&input?),
        "rev" => Some(reversed_lines(&input?)),
        "tr" => translate(&arguments, &input?),
        program @ ("which" | "command" | "type") => located(program, &arguments),
        program => filters::run(program, &arguments, &input?),
    }
}

fn constant(words: &[Word]) -> Option<Vec<&str>> {
    words
        .iter()
        .map(|word| word.constant.then_some(word.text.as_str()))
        .collect()
}

fn has_any(arguments: &[&str], wanted: &[&str]) -> bool {
    arguments.iter().any(|argument| wanted.contains(argument))
}

/// `openssl base64 -d`, `openssl enc -base64 -d`: no cipher.
fn is_base64_of_openssl(arguments: &[&str]) -> bool {
    let only = ["base64", "enc", "-base64", "-a", "-d", "-A"];
    has_any(arguments, &["base64", "-base64", "-a"])
        && has_any(arguments, &["-d"])
        && arguments.iter().all(|argument| only.contains(argument))
}

/// The text of a here-document or here-string on the command itself.
pub(super) fn own_input(command: &SimpleCommand) -> Option<String> {
    let redirection = command
        .redirections
        .iter()
        .rev()
        .find(|redirection| redirection.operator.starts_with("<<"))?;
    Some(redirection.target.text.clone())
}

fn echo(arguments: &[&str]) -> String {
    let is_option = |argument: &&&str| {
        argument.len() > 1 && argument.starts_with('-') && argument.bytes().skip(1).all(|byte| b"neE".contains(&byte))
    };
    let options = arguments.iter().take_while(is_option).count();
    let (options, words) = arguments.split_at_checked(options).unwrap_or_default();
    let text = words.join(" ");
    if options.iter().any(|option| option.contains('e')) {
        ansi_c(&text)
    } else {
        text
    }
}

/// `printf` for formats of text, `%s`, `%b` and `%%`.
pub(super) fn printf(arguments: &[&str]) -> Option<String> {
    let arguments = if arguments.first() == Some(&"--") {
        arguments.get(1..)?
    } else {
        arguments
    };
    let (format, values) = arguments.split_first()?;
    let mut values = values.iter();
    let mut printed = String::new();
    loop {
        let before = values.len();
        printed.push_str(&formatted(format, &mut values)?);
        if values.len() == 0 || values.len() == before || printed.len() > MAX_OUTPUT {
            return Some(printed);
        }
    }
}

fn formatted<'a>(format: &str, values: &mut impl Iterator<Item = &'a &'a str>) -> Option<String> {
    let mut printed = String::new();
    let mut rest = format;
    while let Some((plain, conversion)) = rest.split_once('%') {
        printed.push_str(&ansi_c(plain));
        let kind = conversion.chars().next()?;
        match kind {
            '%' => printed.push('%'),
            's' | 'd' | 'i' => printed.push_str(values.next().copied().unwrap_or_default()),
            'c' => printed.extend(values.next().and_then(|value| value.chars().next())),
            'b' => printed.push_str(&ansi_c(values.next().copied().unwrap_or_default())),
            _ => return None,
        }
        rest = conversion.get(1..)?;
    }
    printed.push_str(&ansi_c(rest));
    Some(printed)
}

pub(super) fn base64(text: &str) -> Option<String> {
    let (mut bits, mut held, mut decoded) = (0_u32, 0_u32, Vec::new());
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=') {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            decoded.push(u8::try_from(bits >> held & 0xff).unwrap_or_default());
            bits &= (1 << held) - 1;
        }
    }
    String::from_utf8(decoded).ok()
}

fn base32(text: &str) -> Option<String> {
    let (mut bits, mut held, mut decoded) = (0_u32, 0_u32, Vec::new());
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=') {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'2'..=b'7' => byte - b'2' + 26,
            _ => return None,
        };
        bits = (bits << 5) | u32::from(value);
        held += 5;
        if held >= 8 {
            held -= 8;
            decoded.push(u8::try_from(bits >> held & 0xff).unwrap_or_default());
            bits &= (1 << held) - 1;
        }
    }
    String::from_utf8(decoded).ok()
}

/// `xxd -r -p` and its spellings.
fn is_plain_reverse(arguments: &[&str]) -> bool {
    let flags: String = arguments
        .iter()
        .filter_map(|argument| argument.strip_prefix('-'))
        .collect();
    flags.contains('r') && flags.contains('p') && arguments.iter().all(|argument| argument.starts_with('-'))
}

pub(super) fn hexadecimal(text: &str) -> Option<String> {
    let digits: Vec<u32> = text
        .chars()
        .filter(|character| !character.is_whitespace())
        .map(|character| character.to_digit(16))
        .collect::<Option<_>>()?;
    let bytes = digits
        .chunks_exact(2)
        .map(|pair| pair.iter().fold(0, |value, digit| value * 16 + digit));
    String::from_utf8(bytes.map(|value| u8::try_from(value).unwrap_or_default()).collect()).ok()
}

fn reversed_lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| line.chars().rev().collect()).collect();
    lines.join("\n")
}

/// `tr SET1 SET2` and `tr -d SET`, for sets of characters and ranges.
fn translate(arguments: &[&str], input: &str) -> Option<String> {
    match arguments {
        ["-d", set] => {
            let set = characters(set)?;
            Some(input.chars().filter(|character| !set.contains(character)).collect())
        }
        [from, to] if !from.starts_with('-') => {
            let (from, to) = (characters(from)?, characters(to)?);
            let map = |character| match from.iter().position(|known| *known == character) {
                Some(index) => to.get(index).or(to.last()).copied().unwrap_or(character),
                None => character,
            };
            Some(input.chars().map(map).collect())
        }
        _ => None,
    }
}

fn characters(set: &str) -> Option<Vec<char>> {
    let set = set
        .replace("[:lower:]", "a-z")
        .replace("[:upper:]", "A-Z")
        .replace("[:digit:]", "0-9");
    if set.contains("[:") {
        return None;
    }
    let set: Vec<char> = ansi_c(&set).chars().collect();
    let mut listed = Vec::new();
    let mut rest = set.as_slice();
    while let Some((first, tail)) = rest.split_first() {
        rest = match tail {
            ['-', last, tail @ ..] if first.is_ascii() && last.is_ascii() => {
                listed.extend(*first..=*last);
                tail
            }
            _ => {
                listed.push(*first);
                tail
            }
        };
        if listed.len() > MAX_SET {
            return None;
        }
    }
    Some(listed)
}

/// `which rm`, `command -v rm`, `type -p rm`: the program itself.
fn located(by: &str, arguments: &[&str]) -> Option<String> {
    match (by, arguments) {
        ("which", [program]) | ("command", ["-v", program]) | ("type", ["-p" | "-P", program]) => {
            Some((*program).to_owned())
        }
        _ => None,
    }
}

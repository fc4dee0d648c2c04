//! `${...}`: the forms of parameter expansion that can be computed.

use super::arithmetic;
use super::token::is_name;
use super::variables::Variables;
use super::wild;

/// Values that stand for a variable which names a directory everywhere: what comes out the same for both is known.
const DIRECTORIES: [&str; 2] = ["/root/a", "/usr/b"];

/// The value of `${expression}`; `None` where it is not known.
pub(super) fn value(variables: &Variables, expression: &str) -> Option<Vec<String>> {
    if let Some(name) = expression.strip_prefix('!') {
        let target = variables.scalar(name).filter(|target| is_name(target))?;
        return variables.elements(&target);
    }
    if let Some(name) = expression.strip_prefix('#').filter(|name| !name.is_empty()) {
        return length(variables, name);
    }
    let (name, operation) = expression.split_at_checked(name_end(expression)?)?;
    let (selected, operation) = selection(variables, name, operation)?;
    if operation.is_empty() {
        return selected.or_else(|| variables.elements(name));
    }
    if matches!(name, "@" | "*") || operation_on_list(expression) {
        return list(variables, name, operation);
    }
    let known = selected
        .or_else(|| variables.elements(name))
        .map(|elements| elements.join(" "));
    operate(variables, name, known, operation).map(|value| vec![value])
}

/// `${#name}`, `${#name[@]}`.
fn length(variables: &Variables, name: &str) -> Option<Vec<String>> {
    let number = match name.strip_suffix("[@]").or_else(|| name.strip_suffix("[*]")) {
        Some(list) => variables.elements(list)?.len(),
        None => variables.scalar(name)?.chars().count(),
    };
    Some(vec![number.to_string()])
}

/// What `[...]` selects of a list, and what follows it.
fn selection<'a>(variables: &Variables, name: &str, operation: &'a str) -> Option<(Option<Vec<String>>, &'a str)> {
    let Some((index, rest)) = operation.strip_prefix('[').and_then(|rest| rest.split_once(']')) else {
        return Some((None, operation));
    };
    if matches!(index, "@" | "*") {
        return Some((None, rest));
    }
    // A key of its own variable: see `Reader::set`.
    let key = format!("{name}[{}]", index.trim_matches(['"', '\'']));
    if variables.is_assigned(&key) {
        return Some((Some(variables.elements(&key)?), rest));
    }
    let index = usize::try_from(arithmetic::evaluate(index, variables)?).ok()?;
    let element = variables.elements(name)?.get(index).cloned().unwrap_or_default();
    Some((Some(vec![element]), rest))
}

fn operation_on_list(expression: &str) -> bool {
    expression.contains("[@]") || expression.contains("[*]")
}

/// `${@:2}`, `${list[@]:1:3}`; other operations on every element.
fn list(variables: &Variables, name: &str, operation: &str) -> Option<Vec<String>> {
    let elements = variables.elements(name)?;
    let Some(range) = operation.strip_prefix(':').filter(|rest| is_offset(rest)) else {
        return elements
            .into_iter()
            .map(|element| operate(variables, name, Some(element), operation))
            .collect();
    };
    // Positional parameters count from one.
    let first = usize::from(matches!(name, "@" | "*"));
    let (offset, count) = bounds(variables, range, elements.len() + first)?;
    let offset = offset.saturating_sub(first);
    Some(elements.into_iter().skip(offset).take(count).collect())
}

fn operate(variables: &Variables, name: &str, value: Option<String>, operation: &str) -> Option<String> {
    if let Some(text) = operation.strip_prefix(":-").or_else(|| operation.strip_prefix(":=")) {
        return or_default(variables, name, value.filter(|value| !value.is_empty()), text);
    }
    if let Some(text) = operation.strip_prefix(['-', '=']) {
        return or_default(variables, name, value, text);
    }
    if let Some(text) = operation.strip_prefix(":+").or_else(|| operation.strip_prefix('+')) {
        let counts = !value?.is_empty() || operation.starts_with('+');
        return if counts { literal(text) } else { Some(String::new()) };
    }
    match value {
        Some(value) => transformed(variables, &value, operation),
        None => by_any_directory(variables, name, operation),
    }
}

/// `${HOME:0:1}` is `/`, whatever the directory.
fn by_any_directory(variables: &Variables, name: &str, operation: &str) -> Option<String> {
    if variables.is_assigned(name) || !matches!(name, "HOME" | "PATH" | "PWD" | "SHELL") {
        return None;
    }
    let [first, second] = DIRECTORIES.map(|directory| transformed(variables, directory, operation));
    first.filter(|value| second.as_ref() == Some(value))
}

fn transformed(variables: &Variables, value: &str, operation: &str) -> Option<String> {
    if let Some(range) = operation.strip_prefix(':') {
        return substring(variables, value, range);
    }
    if let Some(replacement) = operation.strip_prefix('/') {
        return replace(variables, value, replacement);
    }
    let first_only = |change: fn(char) -> String| {
        let mut characters = value.chars();
        let first = characters.next().map(change).unwrap_or_default();
        Some(first + characters.as_str())
    };
    match operation {
        "^^" | "@U" => Some(value.to_uppercase()),
        ",," | "@L" => Some(value.to_lowercase()),
        "^" | "@u" => first_only(|first| first.to_uppercase().collect()),
        "," => first_only(|first| first.to_lowercase().collect()),
        _ => stripped(variables, value, operation),
    }
}

/// `${name#pattern}`, `##`, `%`, `%%`.
fn stripped(variables: &Variables, value: &str, operation: &str) -> Option<String> {
    let (mark, rest) = operation.split_at_checked(1)?;
    let (longest, pattern) = rest.strip_prefix(mark).map_or((false, rest), |rest| (true, rest));
    let pattern = literal(pattern).filter(|pattern| is_affordable(variables, pattern, value, 2))?;
    let kept = match mark {
        "#" => wild::prefix(value, &pattern, longest).and_then(|length| value.get(length..)),
        "%" => wild::suffix(value, &pattern, longest).and_then(|start| value.get(..start)),
        _ => return None,
    };
    Some(kept.unwrap_or(value).to_owned())
}

/// A default is taken as the value where the text has not assigned the variable: that is what the writer counts on.
fn or_default(variables: &Variables, name: &str, value: Option<String>, default: &str) -> Option<String> {
    let unknown = variables.is_assigned(name) && variables.elements(name).is_none();
    value.or_else(|| (!unknown).then(|| literal(default)).flatten())
}

/// A text within braces, without its quotes; `None` where something in it would be expanded.
fn literal(text: &str) -> Option<String> {
    let plain = text.trim_matches(['"', '\'']);
    (!plain.contains(['$', '`', '\\', '"', '\''])).then(|| plain.to_owned())
}

/// Whether comparing every part of a value with a pattern stays within bounds.
fn is_affordable(variables: &Variables, pattern: &str, value: &str, power: u32) -> bool {
    variables.may_spend(value.len().saturating_pow(power).saturating_mul(pattern.len()))
}

fn name_end(expression: &str) -> Option<usize> {
    let first = expression.chars().next()?;
    if matches!(first, '@' | '*' | '#') {
        return Some(1);
    }
    if first.is_ascii_digit() {
        return Some(expression.bytes().take_while(u8::is_ascii_digit).count());
    }
    let end = expression
        .find(|character: char| character != '_' && !character.is_ascii_alphanumeric())
        .unwrap_or(expression.len());
    is_name(expression.get(..end)?).then_some(end)
}

fn is_offset(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, ' ' | '(' | '$'))
}

/// `offset` or `offset:length`, in characters.
fn substring(variables: &Variables, value: &str, range: &str) -> Option<String> {
    let (offset, length) = bounds(variables, range, value.chars().count())?;
    Some(value.chars().skip(offset).take(length).collect())
}

/// The offset and length that `offset:length` gives for something of `size`.
fn bounds(variables: &Variables, range: &str, size: usize) -> Option<(usize, usize)> {
    let (offset, length) = match range.split_once(':') {
        Some((offset, length)) => (offset, Some(length)),
        None => (range, None),
    };
    let from_end = |number: i64| match usize::try_from(number) {
        Ok(number) => number,
        Err(_) => size.saturating_sub(usize::try_from(number.unsigned_abs()).unwrap_or(usize::MAX)),
    };
    let number = |text: &str| {
        let text = text.trim();
        if text.is_empty() {
            Some(0)
        } else {
            arithmetic::evaluate(text, variables)
        }
    };
    let offset = from_end(number(offset)?).min(size);
    let length = match length.map(number) {
        None => size - offset,
        Some(Some(length)) if length < 0 => from_end(length).saturating_sub(offset),
        Some(length) => usize::try_from(length?).ok()?,
    };
    Some((offset, length))
}

/// `/pattern/text` (all), `#pattern/text`, `%pattern/text` or `pattern/text` (the first).
fn replace(variables: &Variables, value: &str, operation: &str) -> Option<String> {
    let (all, operation) = operation
        .strip_prefix('/')
        .map_or((false, operation), |rest| (true, rest));
    let (pattern, text) = operation.split_once('/').unwrap_or((operation, ""));
    let (pattern, text) = (literal(pattern)?, literal(text)?);
    if !pattern.is_empty() && !pattern.contains(['*', '?', '[', '\\', '#', '%']) {
        let count = if all { value.matches(&pattern).count() } else { 1 };
        return variables
            .may_spend(count.saturating_mul(text.len()))
            .then(|| value.replacen(&pattern, &text, count));
    }
    if !is_affordable(variables, &pattern, value, 3) {
        return None;
    }
    if let Some(pattern) = pattern.strip_prefix('#').filter(|_| !all) {
        let length = wild::prefix(value, pattern, true).unwrap_or(0);
        return Some(format!(
            "{}{}",
            if length > 0 { text } else { String::new() },
            value.get(length..)?
        ));
    }
    (!pattern.is_empty() && !pattern.starts_with('%')).then(|| wild::replace(value, &pattern, &text, all))
}

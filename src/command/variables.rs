//! Variables that a text assigns, and the forms of `${...}` that can be computed from them.

use std::collections::HashMap;

use super::token::is_name;

/// Longest value that is followed, in bytes; longer ones count as not known.
const MAX_VALUE: usize = 1024;

/// What is known of the variables at one point of a text.
#[derive(Debug, Clone, Default)]
pub(super) struct Variables {
    values: HashMap<String, Option<Vec<String>>>,
}

impl Variables {
    /// Sets a variable to the elements of its value; `None` where they are not known.
    pub(super) fn set(&mut self, name: &str, value: Option<Vec<String>>) {
        let short = value.filter(|elements| elements.iter().map(String::len).sum::<usize>() <= MAX_VALUE);
        self.values.insert(name.to_owned(), short);
    }

    /// Appends to a variable (`NAME+=value`); what was not known stays so.
    pub(super) fn append(&mut self, name: &str, value: Option<&str>) {
        let known = self.values.get(name).cloned().flatten();
        let joined = match (known, value) {
            (Some(elements), Some(value)) => Some(vec![elements.join(" ") + value]),
            (None, Some(value)) if !self.values.contains_key(name) => Some(vec![value.to_owned()]),
            _ => None,
        };
        self.set(name, joined);
    }

    /// Whether the text has assigned the variable, to whatever value.
    pub(super) fn is_assigned(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// A variable's elements.
    pub(super) fn elements(&self, name: &str) -> Option<Vec<String>> {
        match self.values.get(name) {
            Some(value) => value.clone(),
            None if name == "IFS" => Some(vec![" \t\n".to_owned()]),
            // Positional parameters are empty in a line that is typed or sent: `r$@m` is `rm`.
            None if matches!(name, "@" | "*") || is_position(name) => Some(vec![String::new()]),
            None => None,
        }
    }

    fn scalar(&self, name: &str) -> Option<String> {
        self.elements(name).map(|elements| elements.join(" "))
    }

    /// The value of `${expression}`.
    pub(super) fn parameter(&self, expression: &str) -> Option<Vec<String>> {
        let end = name_end(expression)?;
        let (name, operation) = expression.split_at_checked(end)?;
        if operation.is_empty() || operation == "[@]" || operation == "[*]" {
            return self.elements(name);
        }
        self.operate(name, operation).map(|value| vec![value])
    }

    fn operate(&self, name: &str, operation: &str) -> Option<String> {
        let value = self.scalar(name);
        if let Some(default) = operation.strip_prefix(":-").or_else(|| operation.strip_prefix(":=")) {
            return self.or_default(name, value.filter(|value| !value.is_empty()), default);
        }
        if let Some(default) = operation.strip_prefix(['-', '=']) {
            return self.or_default(name, value, default);
        }
        if let Some(range) = operation.strip_prefix(':') {
            return substring(&value.or_else(|| rooted(name))?, range);
        }
        if let Some(replacement) = operation.strip_prefix('/') {
            return replace(&value?, replacement);
        }
        match operation {
            "^^" => Some(value?.to_uppercase()),
            ",," => Some(value?.to_lowercase()),
            "[0]" => self.elements(name)?.into_iter().next(),
            _ => None,
        }
    }

    /// A default is taken as the value where the text has not assigned the variable: that is what the writer counts on.
    fn or_default(&self, name: &str, value: Option<String>, default: &str) -> Option<String> {
        let plain = !default.contains(['$', '`', '\\', '"', '\'']);
        let unknown = self.is_assigned(name) && self.elements(name).is_none();
        value.or_else(|| (plain && !unknown).then(|| default.to_owned()))
    }
}

/// Variables that begin with a slash everywhere: `${HOME:0:1}` is `/`.
fn rooted(name: &str) -> Option<String> {
    matches!(name, "HOME" | "PATH" | "PWD" | "SHELL").then(|| "/".to_owned())
}

fn name_end(expression: &str) -> Option<usize> {
    let first = expression.chars().next()?;
    if matches!(first, '@' | '*') || first.is_ascii_digit() {
        return Some(1);
    }
    let end = expression
        .find(|character: char| character != '_' && !character.is_ascii_alphanumeric())
        .unwrap_or(expression.len());
    is_name(expression.get(..end)?).then_some(end)
}

fn is_position(name: &str) -> bool {
    matches!(name.as_bytes(), [digit] if digit.is_ascii_digit() && *digit != b'0')
}

/// `offset` or `offset:length`, in characters.
fn substring(value: &str, range: &str) -> Option<String> {
    let (offset, length) = range.split_once(':').unwrap_or((range, ""));
    let offset: usize = offset.trim().parse().ok()?;
    let rest = value.chars().skip(offset);
    match length.trim() {
        "" => Some(rest.collect()),
        length => Some(rest.take(length.parse().ok()?).collect()),
    }
}

/// `/pattern/text` (all) or `pattern/text` (the first), for patterns that are plain text.
fn replace(value: &str, operation: &str) -> Option<String> {
    let (all, operation) = operation
        .strip_prefix('/')
        .map_or((false, operation), |rest| (true, rest));
    let (pattern, text) = operation.split_once('/').unwrap_or((operation, ""));
    let plain = !pattern.is_empty() && !operation.contains(['*', '?', '[', '$', '`', '\\', '\'', '"', '#', '%']);
    plain.then(|| value.replacen(pattern, text, if all { usize::MAX } else { 1 }))
}

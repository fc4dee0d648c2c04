//! Constant expressions of other languages: strings, their joining and decoding, and lists of them.

use std::cell::Cell;

use crate::command::brace::ansi_c;
use crate::command::decode;

/// Deepest nesting that is followed.
const MAX_DEPTH: usize = 12;
/// Most arguments of one call.
const MAX_ARGUMENTS: usize = 64;
/// Longest text of one call, in bytes.
const MAX_LENGTH: usize = 16 * 1024;
/// Bytes that may be looked at for each byte of a text, and for a text however short.
const LOOKS: usize = 32;
const LEAST_LOOKS: usize = 64 * 1024;

/// How many bytes may still be looked at for all calls of a text: calls stand within one another, and what a name means is
/// searched for from the beginning. What is beyond is not known.
pub(super) struct Budget {
    left: Cell<usize>,
}

impl Budget {
    /// The budget of a text of `length` bytes.
    pub(super) fn for_length(length: usize) -> Self {
        let left = Cell::new(LEAST_LOOKS.saturating_add(length.saturating_mul(LOOKS)));
        Self { left }
    }

    pub(super) fn is_spent(&self) -> bool {
        self.left.get() == 0
    }

    fn spend(&self, bytes: usize) {
        self.left.set(self.left.get().saturating_sub(bytes));
    }
}

/// What an expression comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    List(Vec<String>),
    Unknown,
}

/// What a call is given.
pub(super) type Arguments = Vec<Value>;

/// The arguments of the call whose name ends at `at`, with or without parentheses; `None` where there are none.
pub(super) fn arguments(text: &str, at: usize, budget: &Budget) -> Option<Arguments> {
    let mut end = text.len().min(at + MAX_LENGTH);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let rest = text.get(at..end)?;
    let mut reader = Expression {
        text,
        rest: rest.trim_start(),
        budget,
    };
    if let Some(close) = reader.rest.chars().next().and_then(closing) {
        // `%x(...)` and `qx{...}` hold text; `system(...)` holds expressions.
        if text
            .get(..at)
            .is_some_and(|before| before.ends_with("qx") || before.ends_with("%x"))
        {
            return Some(vec![Value::Text(reader.delimited(close)?)]);
        }
        return if close == ')' { Some(reader.list(')', 0)) } else { None };
    }
    reader
        .rest
        .starts_with(['"', '\'', '$', 'q'])
        .then(|| reader.elements(0))
}

fn closing(open: char) -> Option<char> {
    match open {
        '(' => Some(')'),
        '[' => Some(']'),
        '{' => Some('}'),
        '<' => Some('>'),
        _ => None,
    }
}

struct Expression<'a> {
    /// All of the text, for what it assigns.
    text: &'a str,
    rest: &'a str,
    budget: &'a Budget,
}

impl<'a> Expression<'a> {
    /// A list in brackets, which are stepped over.
    fn list(&mut self, close: char, depth: usize) -> Vec<Value> {
        self.advance(1);
        let before = self.rest;
        let mut values = self.elements(depth);
        if self.take(close) {
            return values;
        }
        // Never backwards, or each level would be read again for each level above it.
        self.budget.spend(before.len());
        let end = self.rest.find(close).unwrap_or(self.rest.len());
        self.rest = self.rest.get(end..).unwrap_or_default();
        self.take(close);
        // What is not understood may still be a list of character codes.
        if let Some(text) = codes(before) {
            return vec![Value::Text(text)];
        }
        // Of the last one, only the beginning was understood: `shell=True`.
        values.pop();
        if values.is_empty() {
            values.push(Value::Unknown);
        }
        values
    }

    /// Expressions between commas.
    fn elements(&mut self, depth: usize) -> Vec<Value> {
        let mut values = Vec::new();
        while values.len() < MAX_ARGUMENTS && !self.rest.trim_start().is_empty() {
            if self.rest.trim_start().starts_with([')', ']']) {
                break;
            }
            values.push(self.sum(depth));
            if !self.take(',') {
                break;
            }
        }
        values
    }

    /// Texts joined by `+`, `.`, `..`, or by standing side by side.
    fn sum(&mut self, depth: usize) -> Value {
        let mut value = self.term(depth);
        loop {
            let next = self.rest.trim_start();
            let is_joined = next.starts_with('+')
                || next.starts_with("..")
                || next.starts_with(". ")
                || next.starts_with(".\"")
                || next.starts_with(".'")
                || next.starts_with(".$");
            let is_beside = next.starts_with(['"', '\'']);
            if !is_joined && !is_beside {
                return value;
            }
            if is_joined {
                self.rest = next.trim_start_matches(['+', '.']);
            }
            value = match (value, self.term(depth)) {
                (Value::Text(left), Value::Text(right)) => Value::Text(left + &right),
                (Value::List(mut left), Value::List(right)) => {
                    left.extend(right);
                    Value::List(left)
                }
                _ => Value::Unknown,
            };
        }
    }

    fn term(&mut self, depth: usize) -> Value {
        self.rest = self.rest.trim_start();
        if depth > MAX_DEPTH || self.budget.is_spent() {
            // Nothing that is left may be taken for another term.
            self.rest = "";
            return Value::Unknown;
        }
        let before = self.rest.len();
        let value = match self.rest.chars().next() {
            Some(quote @ ('"' | '\'')) => self.string(quote),
            Some('[') => flattened(self.list(']', depth + 1)),
            Some('(') => match self.list(')', depth + 1).as_slice() {
                [only] => only.clone(),
                many => flattened(many.to_vec()),
            },
            _ => self.named(depth),
        };
        let value = self.postfix(value, depth);
        self.budget.spend(1 + before.saturating_sub(self.rest.len()));
        value
    }

    /// A string in its quotes; three of them are one.
    fn string(&mut self, quote: char) -> Value {
        let triple = quote.to_string().repeat(3);
        if let Some(inner) = self.rest.strip_prefix(&triple) {
            if let Some((text, rest)) = inner.split_once(&triple) {
                self.rest = rest;
                return Value::Text(ansi_c(text));
            }
            self.budget.spend(inner.len());
        }
        if let Some(text) = self.delimited(quote) {
            return Value::Text(ansi_c(&text));
        }
        // A string without an end goes to the end of the text.
        self.rest = "";
        Value::Unknown
    }

    /// The raw text up to an unescaped `close`, after one character.
    fn delimited(&mut self, close: char) -> Option<String> {
        let inner = self.rest.get(1..)?;
        let mut escaped = false;
        let end = inner.find(|character| {
            let ends = character == close && !escaped;
            escaped = character == '\\' && !escaped;
            ends
        })?;
        self.rest = inner.get(end + close.len_utf8()..)?;
        inner.get(..end).map(str::to_owned)
    }

    /// A name: a prefix of a string, a quoting operator, a function or a variable.
    fn named(&mut self, depth: usize) -> Value {
        let name = self.name();
        let next = self.rest.chars().next();
        match (name, next) {
            ("", _) => {
                // An operator or a bracket that means nothing here.
                Value::Unknown
            }
            ("b" | "f" | "r" | "u" | "rb" | "br", Some(quote @ ('"' | '\''))) => self.string(quote),
            ("qw" | "q" | "qq", Some(open)) if closing(open).is_some() || open == '/' => {
                let text = self.delimited(closing(open).unwrap_or(open)).unwrap_or_default();
                if name == "qw" {
                    Value::List(text.split_whitespace().map(str::to_owned).collect())
                } else {
                    Value::Text(text)
                }
            }
            (_, Some('(')) => {
                let arguments = self.list(')', depth + 1);
                function(name, &arguments)
            }
            _ if name.chars().all(|digit| digit.is_ascii_digit()) => Value::Text(name.to_owned()),
            _ => self.assigned(name, depth),
        }
    }

    fn name(&mut self) -> &'a str {
        let is_part = |character: char| {
            character.is_ascii_alphanumeric() || matches!(character, '_' | '$' | '@' | '.' | ':' | '\\')
        };
        let end = self
            .rest
            .find(|character| !is_part(character))
            .unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at_checked(end).unwrap_or_default();
        self.rest = rest;
        name
    }

    /// The value that the text assigns to a name.
    fn assigned(&self, name: &str, depth: usize) -> Value {
        self.budget.spend(self.text.len());
        let assignments = self.text.match_indices(name).take(8);
        let values = assignments.filter_map(|(at, _)| {
            let rest = self.text.get(at + name.len()..)?.trim_start();
            let value = rest.strip_prefix('=').filter(|value| !value.starts_with('='))?;
            let mut reader = Expression {
                text: "",
                rest: value,
                budget: self.budget,
            };
            Some(reader.sum(depth + 1))
        });
        values.last().unwrap_or(Value::Unknown)
    }

    /// What is done to a value: `[::-1]`, `.decode()`, `.reverse`.
    fn postfix(&mut self, mut value: Value, depth: usize) -> Value {
        loop {
            let next = self.rest.trim_start();
            if let Some(rest) = next.strip_prefix("[::-1]") {
                self.rest = rest;
                self.budget.spend(size(&value));
                value = reversed(value);
                continue;
            }
            let method = next
                .strip_prefix('.')
                .filter(|rest| rest.starts_with(|first: char| first.is_ascii_alphabetic()));
            let Some(rest) = method else { return value };
            self.rest = rest;
            let name = self.name();
            let arguments = if self.rest.starts_with('(') {
                self.list(')', depth + 1)
            } else {
                Vec::new()
            };
            self.budget.spend(size(&value) + name.len());
            value = method_of(value, name, &arguments);
        }
    }

    fn take(&mut self, character: char) -> bool {
        let found = self.rest.trim_start().strip_prefix(character);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn advance(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }
}

fn flattened(values: Vec<Value>) -> Value {
    let mut texts = Vec::new();
    for value in values {
        match value {
            Value::Text(text) => texts.push(text),
            Value::List(list) => texts.extend(list),
            Value::Unknown => return Value::Unknown,
        }
    }
    Value::List(texts)
}

fn method_of(value: Value, names: &str, arguments: &[Value]) -> Value {
    let mut value = value;
    for name in names.split('.') {
        value = match (name, arguments) {
            ("reverse" | "reversed", _) => reversed(value),
            ("join", [list @ Value::List(_)]) => joined(list),
            ("join", [text @ Value::Text(_)]) if value == Value::Text(String::new()) => text.clone(),
            ("decode" | "toString" | "encode" | "strip" | "trim" | "split" | "join" | "chomp" | "to_s", _) => value,
            _ => function(name, arguments),
        };
    }
    value
}

/// The bytes of a value.
fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::List(list) => list.iter().map(|text| text.len() + 1).sum(),
        Value::Unknown => 0,
    }
}

fn joined(list: &Value) -> Value {
    match list {
        Value::List(texts) => Value::Text(texts.concat()),
        other => other.clone(),
    }
}

fn reversed(value: Value) -> Value {
    match value {
        Value::Text(text) => Value::Text(text.chars().rev().collect()),
        Value::List(list) => Value::List(list.into_iter().rev().collect()),
        Value::Unknown => Value::Unknown,
    }
}

/// Functions that decode, by the last part of their names.
fn function(name: &str, arguments: &[Value]) -> Value {
    let short = name.rsplit(['.', ':']).next().unwrap_or(name);
    let decoded = match (short, arguments) {
        (
            "b64decode" | "urlsafe_b64decode" | "decode_base64" | "base64_decode" | "atob" | "decode64"
            | "strict_decode64",
            [Value::Text(text), ..],
        ) => decode::base64(text),
        ("fromhex" | "unhexlify" | "hex2bin" | "a2b_hex", [Value::Text(text), ..]) => decode::hexadecimal(text),
        ("from", [Value::Text(text), Value::Text(form)]) if form == "hex" => decode::hexadecimal(text),
        ("from", [Value::Text(text), Value::Text(form)]) if form == "base64" => decode::base64(text),
        ("pack", [Value::Text(form), Value::Text(text)]) if form == "H*" => decode::hexadecimal(text),
        ("chr" | "fromCharCode" | "char", codes) => characters(codes),
        ("strrev" | "reverse" | "reversed", [Value::Text(text)]) => Some(text.chars().rev().collect()),
        ("str" | "bytes" | "String" | "bytearray" | "join", [Value::Text(text), ..]) => Some(text.clone()),
        _ => None,
    };
    decoded.map_or(Value::Unknown, Value::Text)
}

fn characters(codes: &[Value]) -> Option<String> {
    codes
        .iter()
        .map(|code| match code {
            Value::Text(number) => number.parse().ok().and_then(char::from_u32),
            _ => None,
        })
        .collect()
}

/// A text as the codes of its characters: `chr(x) for x in [114, 109]`.
fn codes(text: &str) -> Option<String> {
    let (_, inner) = text.split_once('[')?;
    let (inner, _) = inner.split_once(']')?;
    let code = |number: &str| number.trim().parse().ok().filter(|code: &u8| code.is_ascii());
    let bytes: Vec<u8> = inner.split(',').map(code).collect::<Option<_>>()?;
    (bytes.len() > 2).then(|| String::from_utf8(bytes).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(call: &str) -> Option<Arguments> {
        arguments(call, 1, &Budget::for_length(call.len()))
    }

    #[test]
    fn constant_arguments_are_computed() {
        for (call, value) in [
            (r#"f("rm -rf /")"#, "rm -rf /"),
            (r#"f('r' + "m")"#, "rm"),
            (r#"f("r" "m")"#, "rm"),
            (r#"f("\x72m")"#, "rm"),
            (r#"f("mr"[::-1])"#, "rm"),
            (r#"f(base64.b64decode("cm0=").decode())"#, "rm"),
            (r#"f(bytes.fromhex("726d").decode())"#, "rm"),
            (r#"f(Buffer.from("726d", "hex").toString())"#, "rm"),
            (r#"f(pack("H*", "726d"))"#, "rm"),
            (r#"f("".join(chr(x) for x in [114, 109, 33]))"#, "rm!"),
            (r"f(chr(114) + chr(109))", "rm"),
            (r#"f("mr".split("").reverse().join(""))"#, "rm"),
            (r"f(b'''rm''')", "rm"),
            (r#"f(c); c = "rm""#, "rm"),
            (r#"f("rm", shell=True)"#, "rm"),
        ] {
            assert_eq!(read(call), Some(vec![Value::Text(value.to_owned())]), "{call}");
        }
        assert_eq!(read("f qw(rm -rf /)"), Some(vec![list(&["rm", "-rf", "/"])]));
        assert_eq!(read(r#"f(["rm", 'x'])"#), Some(vec![list(&["rm", "x"])]));
    }

    #[test]
    fn what_is_not_constant_is_unknown() {
        for call in ["f(x)", "f(x + 'a')", "f(input('?'))", "f($ARGV[0])", "f(g(h(1)))"] {
            assert_eq!(
                read(call).and_then(|found| found.first().cloned()),
                Some(Value::Unknown),
                "{call}"
            );
        }
        for call in [r#"f("a" "b)"#, r#"f("a" 'b" + "c)"#, "f('a' + "] {
            assert!(read(call).is_some(), "{call}: what has no end is read to the end");
        }
        let deep = format!("f{}\"a\" \"b\"", "(".repeat(MAX_DEPTH + 2));
        assert!(read(&deep).is_some(), "what is too deep is not read forever");
        assert_eq!(read("f()"), Some(Vec::new()));
        assert_eq!(read("f"), None);
    }

    fn list(texts: &[&str]) -> Value {
        Value::List(texts.iter().map(|text| (*text).to_owned()).collect())
    }
}

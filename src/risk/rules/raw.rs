//! What the words of a text suggest where the grammar could not say what it means.
//!
//! This is not a parser: it cuts at every operator and forgets every quote, so that it sees too much rather than too little.

use crate::command::{Origin, Redirection, Script, SimpleCommand, Word};

/// Bytes that are looked at; a longer text has `Doubt::Limit`, which is a finding of its own.
const MAX_TEXT: usize = 64 * 1024;

/// Words that run the words behind them.
const WRAPPERS: &[&str] = &[
    "sudo", "doas", "su", "env", "nohup", "time", "nice", "ionice", "exec", "command", "builtin", "xargs", "eval",
    "sh", "bash", "zsh", "dash", "ksh", "fish", "busybox", "timeout", "stdbuf", "setsid", "watch", "then", "do",
    "else", "if", "while", "until", "begin", "not", "and", "or", "!",
];

/// Simple commands as the bare words suggest them.
pub(super) fn guess(script: &Script) -> Script {
    let mut commands = Vec::new();
    for (pipeline, statement) in head(&script.text).split(is_separator).enumerate() {
        for (stage, part) in statement.split('|').enumerate() {
            commands.extend(simple_command(part, pipeline, stage));
        }
    }
    Script {
        text: script.text.clone(),
        dialect: script.dialect,
        commands,
        doubts: Vec::new(),
    }
}

fn head(text: &str) -> &str {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

fn is_separator(character: char) -> bool {
    matches!(character, ';' | '&' | '\n' | '\r' | '(' | ')' | '{' | '}' | '`')
}

fn simple_command(part: &str, pipeline: usize, stage: usize) -> Option<SimpleCommand> {
    let mut words = Vec::new();
    let mut redirections = Vec::new();
    let mut tokens = part.split_whitespace();
    while let Some(token) = tokens.next() {
        match token.split_once('>') {
            Some((_, "" | ">")) => redirections.extend(tokens.next().map(written)),
            Some((_, file)) => redirections.push(written(file)),
            None => words.extend(word(token)),
        }
    }
    let behind = words
        .iter()
        .position(|word| !runs_the_next(&word.text))
        .unwrap_or(words.len());
    words.drain(..behind);
    let empty = words.is_empty() && redirections.is_empty();
    (!empty).then(|| SimpleCommand {
        assignments: Vec::new(),
        words,
        redirections,
        origin: Origin::Direct,
        pipeline,
        stage,
        depth: 0,
        encloses_from: None,
    })
}

fn runs_the_next(word: &str) -> bool {
    word.starts_with('-') || is_assignment(word) || WRAPPERS.contains(&word.rsplit('/').next().unwrap_or(word))
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

fn written(file: &str) -> Redirection {
    let target = word(file.trim_start_matches(['>', '|'])).unwrap_or_else(|| plain(String::new()));
    Redirection {
        operator: ">".to_owned(),
        target,
    }
}

fn word(token: &str) -> Option<Word> {
    let text: String = token
        .chars()
        .filter(|character| !matches!(character, '\'' | '"' | '\\'))
        .collect();
    (!text.is_empty()).then(|| plain(text))
}

fn plain(text: String) -> Word {
    let glob = text.contains(['*', '?', '[']);
    Word {
        span: 0..0,
        constant: true,
        quoted: false,
        glob,
        disguised: false,
        text,
    }
}

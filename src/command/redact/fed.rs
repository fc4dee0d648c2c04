//! Secrets that a command finds on its standard input: printed into a pipe, in a here-document, in a here-string.

use std::collections::HashMap;
use std::ops::Range;

use super::super::options::{has_flag, names_any};
use super::super::splitter::secret_lines_of;
use super::super::wrappers::SUDO_VALUES;
use super::super::{Redirection, Script, SimpleCommand, Word};
use super::{Edit, edit, is_secret_name, mask, piece_end};

/// The last stages of a pipeline that read a secret on their standard input.
#[derive(Debug, Default)]
struct Takers {
    any: Option<usize>,
    /// One that reads secrets to the end.
    all: Option<usize>,
    /// A shell, which reads on, and runs the first line where no password is asked for: none of it is hidden.
    run: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Secret {
    All,
    FirstLine,
    Run,
}

impl Takers {
    fn add(&mut self, stage: usize, secret: Secret) {
        self.any = self.any.max(Some(stage));
        match secret {
            Secret::All => self.all = self.all.max(Some(stage)),
            Secret::Run => self.run = self.run.max(Some(stage)),
            Secret::FirstLine => {}
        }
    }
}

/// The edits for what is fed to programs that read secrets.
pub(super) fn edits(script: &Script) -> Vec<Edit> {
    let takers = takers(script);
    if takers.is_empty() {
        return Vec::new();
    }
    let programs = places_of_programs(script);
    let of_command = |command: &SimpleCommand| {
        let takers = takers.get(&command.pipeline)?;
        Some(of_command(script, command, takers, &programs))
    };
    script.commands.iter().filter_map(of_command).flatten().collect()
}

/// By pipeline.
fn takers(script: &Script) -> HashMap<usize, Takers> {
    let mut found: HashMap<usize, Takers> = HashMap::new();
    for (index, command) in script.commands.iter().enumerate() {
        let (before, rest) = script.commands.split_at_checked(index).unwrap_or_default();
        let secret = if opens_shell(command, rest) {
            Some(Secret::Run)
        } else {
            secret(command, before)
        };
        if let Some(secret) = secret {
            found.entry(command.pipeline).or_default().add(command.stage, secret);
        }
    }
    found
}

/// Where the names of programs stand in the text, in order.
fn places_of_programs(script: &Script) -> Vec<usize> {
    let programs = script.commands.iter().filter_map(|command| command.words.first());
    let places = programs.map(|word| &word.span).filter(|place| !place.is_empty());
    let mut starts: Vec<usize> = places.map(|place| place.start).collect();
    starts.sort_unstable();
    starts
}

/// Whether `su` or `sudo` is given nothing to run but a shell.
fn opens_shell(command: &SimpleCommand, rest: &[SimpleCommand]) -> bool {
    let arguments = command.arguments();
    let opens = match command.program() {
        Some("su") => true,
        Some("sudo" | "sudo-rs") => {
            has_flag(arguments, "is", SUDO_VALUES) || names_any(arguments, &["--login", "--shell"])
        }
        _ => false,
    };
    // What a command runs stands right behind it.
    let mut within = rest.iter().skip(1).take_while(|other| other.depth > command.depth);
    opens && !within.any(|other| (other.pipeline, other.stage) == (command.pipeline, command.stage))
}

/// What of a command's input is secret; `None` where it reads no secret.
fn secret(command: &SimpleCommand, before: &[SimpleCommand]) -> Option<Secret> {
    let arguments = command.arguments();
    let takes_all = match command.program() {
        // Its `--stdin` takes objects and paths.
        Some("git") => false,
        Some("read") => {
            let names_secret = || arguments.iter().any(|word| is_secret_name(&word.text));
            has_flag(arguments, "s", "adinNptu") || names_secret()
        }
        Some("docker" | "podman") if names_any(arguments, &["secret"]) => names_any(arguments, &["create"]),
        Some("ansible-vault") => names_any(arguments, &["encrypt_string"]),
        _ => match secret_lines_of(command, before) {
            Some(0) => false,
            Some(_) => return Some(Secret::FirstLine),
            None => true,
        },
    };
    takes_all.then_some(Secret::All)
}

fn of_command(script: &Script, command: &SimpleCommand, takers: &Takers, programs: &[usize]) -> Vec<Edit> {
    let stage = Some(command.stage);
    if takers.any < stage || takers.run >= stage {
        return Vec::new();
    }
    let mut edits = Vec::new();
    if prints(command) && takers.any > stage {
        let printed = command.arguments().iter().filter(|word| !is_option_of_echo(&word.text));
        edits.extend(printed.filter_map(|word| edit(script, word, 0)));
    }
    let all = takers.all >= stage;
    let given = command.redirections.iter();
    edits.extend(given.filter_map(|redirection| of_redirection(script, redirection, all, programs)));
    edits
}

fn prints(command: &SimpleCommand) -> bool {
    matches!(command.program(), Some("echo" | "printf"))
}

fn is_option_of_echo(text: &str) -> bool {
    let letters = text.strip_prefix('-');
    letters.is_some_and(|letters| !letters.is_empty() && letters.bytes().all(|byte| b"neE".contains(&byte)))
}

fn of_redirection(script: &Script, redirection: &Redirection, all: bool, programs: &[usize]) -> Option<Edit> {
    match redirection
        .operator
        .trim_start_matches(|digit: char| digit.is_ascii_digit())
    {
        "<<<" => edit(script, &redirection.target, 0),
        "<<" | "<<-" => document(script, &redirection.target, all, programs),
        _ => None,
    }
}

/// Masks the body of a here-document or its first line, if none of it is run.
fn document(script: &Script, body: &Word, all: bool, programs: &[usize]) -> Option<Edit> {
    let raw = script.text.get(body.span.clone())?;
    let raw = if all { raw } else { raw.split_inclusive('\n').next()? };
    let span = body.span.start..body.span.start + raw.len();
    let inside = quote_of_document(script, body);
    if runs_literal(script, &span, inside, programs) {
        return None;
    }
    let all = 0..raw.len();
    let masked = mask(raw, std::slice::from_ref(&all), Some(inside));
    (masked != raw).then_some(Edit { span, masked })
}

/// The kind of quote that the body of a here-document stands in.
pub(super) fn quote_of_document(script: &Script, body: &Word) -> u8 {
    let expands_nothing = body.constant && script.text.get(body.span.clone()) == Some(body.text.as_str());
    if expands_nothing { b'\'' } else { b'"' }
}

/// Whether a program's name stands in `span` of the text outside of all expansions.
fn runs_literal(script: &Script, span: &Range<usize>, inside: u8, programs: &[usize]) -> bool {
    let Some(raw) = script.text.get(span.clone()) else {
        return true;
    };
    let first = programs.partition_point(|place| *place < span.start);
    let mut places = programs
        .get(first..)
        .unwrap_or_default()
        .iter()
        .take_while(|place| **place < span.end);
    let expansions = expansions(raw, span.start, inside);
    places.any(|place| !is_within(&expansions, *place))
}

/// The expansions in `raw`, which stands `inside` a kind of quote and begins at `start`; in order.
fn expansions(raw: &str, start: usize, inside: u8) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < raw.len() && inside != b'\'' {
        let end = piece_end(raw, at, Some(inside)).max(at + 1);
        if raw.get(at..end).is_some_and(|piece| piece.starts_with(['$', '`'])) {
            found.push(start + at..start + end);
        }
        at = end;
    }
    found
}

fn is_within(ordered: &[Range<usize>], place: usize) -> bool {
    let next = ordered.partition_point(|span| span.end <= place);
    ordered.get(next).is_some_and(|span| span.contains(&place))
}

//! Secrets that a command finds on its standard input: printed into a pipe, in a here-document, in a here-string.

use std::ops::Range;

use super::super::options::{has_flag, names_any};
use super::super::splitter::secret_lines_of;
use super::super::{Redirection, Script, SimpleCommand, Word};
use super::{Edit, edit, is_secret_name, mask, piece_end};

/// A command that reads a secret on its standard input.
#[derive(Debug)]
struct Taker {
    pipeline: usize,
    stage: usize,
    /// What of its input is secret.
    secret: Secret,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Secret {
    All,
    FirstLine,
    /// A shell reads on, and runs the first line where no password is asked for: none of it is hidden.
    Run,
}

/// The edits for what is fed to programs that read secrets.
pub(super) fn edits(script: &Script) -> Vec<Edit> {
    let takers = takers(script);
    if takers.is_empty() {
        return Vec::new();
    }
    let commands = script.commands.iter();
    commands
        .flat_map(|command| of_command(script, command, &takers))
        .collect()
}

fn takers(script: &Script) -> Vec<Taker> {
    let commands = script.commands.iter().enumerate();
    let taker = |(index, command): (usize, &SimpleCommand)| {
        let (before, rest) = script.commands.split_at_checked(index)?;
        let secret = if opens_shell(command, rest) {
            Secret::Run
        } else {
            secret(command, before)?
        };
        Some(Taker {
            pipeline: command.pipeline,
            stage: command.stage,
            secret,
        })
    };
    commands.filter_map(taker).collect()
}

/// Whether `su` or `sudo` is given nothing to run but a shell.
fn opens_shell(command: &SimpleCommand, rest: &[SimpleCommand]) -> bool {
    let arguments = command.arguments();
    let opens = match command.program() {
        Some("su") => true,
        Some("sudo" | "sudo-rs") => {
            has_flag(arguments, "is", "ugChpRTtrDU") || names_any(arguments, &["--login", "--shell"])
        }
        _ => false,
    };
    let is_wrapped = |other: &SimpleCommand| {
        other.depth > command.depth && (other.pipeline, other.stage) == (command.pipeline, command.stage)
    };
    opens && !rest.iter().any(is_wrapped)
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

fn of_command(script: &Script, command: &SimpleCommand, takers: &[Taker]) -> Vec<Edit> {
    let of_pipeline = takers.iter().filter(|taker| taker.pipeline == command.pipeline);
    let taking: Vec<&Taker> = of_pipeline.filter(|taker| taker.stage >= command.stage).collect();
    if taking.is_empty() || taking.iter().any(|taker| taker.secret == Secret::Run) {
        return Vec::new();
    }
    let mut edits = Vec::new();
    if prints(command) && taking.iter().any(|taker| taker.stage > command.stage) {
        let printed = command.arguments().iter().filter(|word| !is_option_of_echo(&word.text));
        edits.extend(printed.filter_map(|word| edit(script, word, 0)));
    }
    let all = taking.iter().any(|taker| taker.secret == Secret::All);
    let given = command.redirections.iter();
    edits.extend(given.filter_map(|redirection| of_redirection(script, redirection, all)));
    edits
}

fn prints(command: &SimpleCommand) -> bool {
    matches!(command.program(), Some("echo" | "printf"))
}

fn is_option_of_echo(text: &str) -> bool {
    let letters = text.strip_prefix('-');
    letters.is_some_and(|letters| !letters.is_empty() && letters.bytes().all(|byte| b"neE".contains(&byte)))
}

fn of_redirection(script: &Script, redirection: &Redirection, all: bool) -> Option<Edit> {
    match redirection
        .operator
        .trim_start_matches(|digit: char| digit.is_ascii_digit())
    {
        "<<<" => edit(script, &redirection.target, 0),
        "<<" | "<<-" => document(script, &redirection.target, all),
        _ => None,
    }
}

/// Masks the body of a here-document or its first line, if none of it is run.
fn document(script: &Script, body: &Word, all: bool) -> Option<Edit> {
    let raw = script.text.get(body.span.clone())?;
    let raw = if all { raw } else { raw.split_inclusive('\n').next()? };
    let span = body.span.start..body.span.start + raw.len();
    let expands_nothing = body.constant && script.text.get(body.span.clone()) == Some(body.text.as_str());
    let inside = if expands_nothing { b'\'' } else { b'"' };
    if runs_literal(script, &span, inside) {
        return None;
    }
    let masked = mask(raw, 0, Some(inside));
    (masked != raw).then_some(Edit { span, masked })
}

/// Whether a program's name stands in `span` of the text outside of all expansions.
fn runs_literal(script: &Script, span: &Range<usize>, inside: u8) -> bool {
    let Some(raw) = script.text.get(span.clone()) else {
        return true;
    };
    let mut expansions: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while at < raw.len() {
        let end = piece_end(raw, at, Some(inside)).max(at + 1);
        if inside != b'\'' && raw.get(at..end).is_some_and(|piece| piece.starts_with(['$', '`'])) {
            expansions.push(span.start + at..span.start + end);
        }
        at = end;
    }
    let programs = script.commands.iter().filter_map(|command| command.words.first());
    let mut places = programs.map(|word| &word.span).filter(|place| !place.is_empty());
    places.any(|place| span.contains(&place.start) && !expansions.iter().any(|kept| kept.contains(&place.start)))
}

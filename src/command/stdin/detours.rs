//! Ways by which a standard input comes to run without any program reading it as one: through a variable, a substitution, a
//! file or a named pipe.

use super::super::code::may_run_others;
use super::super::feed::descriptor;
use super::super::unwrap::is_shell;
use super::super::{Doubt, Script, SimpleCommand, Word};
use super::files::Files;
use super::input::{Reaches, is_in_substitution, may_read, reaches, surely_reads};
use super::interpreters::is_interpreter;
use super::shells::names_shell;

/// How the record calls an input that comes to run by a detour.
pub(super) const DETOUR: &str = "standard input that may run as a program";

/// Whether what is read from the standard input of `script` may run in it.
pub(super) fn may_run(script: &Script) -> bool {
    let is_shell = |command: &SimpleCommand| is_unknown(command) && !is_substituted(command);
    runs_what_it_reads(script, may_take) || reached(script).any(is_shell)
}

/// The same for a part of a longer script, all of which is judged as commands as well: only what is sure to read.
pub(super) fn may_run_in_part(script: &Script) -> bool {
    runs_what_it_reads(script, takes)
}

/// Whether the command at an index takes in what is on the standard input of its script.
pub(super) type Takes = fn(&Script, usize) -> bool;

fn may_take(script: &Script, index: usize) -> bool {
    script.commands.get(index).is_some_and(may_read) && reaches(script, index) != Reaches::Nothing
}

fn takes(script: &Script, index: usize) -> bool {
    script.commands.get(index).is_some_and(surely_reads) && reaches(script, index) == Reaches::Whole
}

/// The commands that the standard input of the whole reaches.
fn reached(script: &Script) -> impl Iterator<Item = &SimpleCommand> {
    let commands = script.commands.iter().enumerate();
    commands
        .filter(|(index, _)| reaches(script, *index) != Reaches::Nothing)
        .map(|(_, command)| command)
}

fn runs_what_it_reads(script: &Script, takes: Takes) -> bool {
    let is_kept = is_kept(script, takes);
    (is_kept && runs_what_is_kept(script))
        || Files::written(script, takes, is_kept).run_in(script)
        || script.commands.iter().any(is_told_by_variable)
        || runs_descriptor(script)
}

/// Whether a script is named by the number of a descriptor, in the directory of those.
fn runs_descriptor(script: &Script) -> bool {
    let is_number = |word: &Word| base(&word.text).bytes().all(|byte| byte.is_ascii_digit());
    let enters = |command: &SimpleCommand| {
        matches!(command.program(), Some("cd" | "pushd"))
            && command
                .arguments()
                .iter()
                .any(|word| base(word.text.trim_end_matches('/')) == "fd")
    };
    let runs =
        |command: &SimpleCommand| command.program().is_some_and(runs_text) && command.arguments().iter().any(is_number);
    script.commands.iter().any(enters) && script.commands.iter().any(runs)
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// Variables that name an editor, which gets the standard input of whoever starts it.
const EDITORS: &[&str] = &[
    "EDITOR",
    "VISUAL",
    "GIT_EDITOR",
    "SUDO_EDITOR",
    "KUBE_EDITOR",
    "SYSTEMD_EDITOR",
];

/// Whether a variable has a program run the standard input before all else, or an editor have it: `BASH_ENV=/dev/stdin`.
fn is_told_by_variable(command: &SimpleCommand) -> bool {
    let is_told = |name: &str, value: &str| {
        EDITORS.contains(&name)
            || value
                .split([' ', '=', ':'])
                .any(|part| part.contains('/') && descriptor(part).is_some())
            || (matches!(name, "BASH_ENV" | "ENV") && value == "-")
    };
    let assigned = command.assignments.iter();
    let mut before_program = assigned.filter(|assigned| !command.words.is_empty() || assigned.name.ends_with("ENV"));
    before_program.any(|assigned| is_told(&assigned.name, &assigned.value.text))
        || command.words.iter().any(|word| {
            let assigned = word.text.split_once('=');
            word.constant && assigned.is_some_and(|(name, value)| is_variable(name) && is_told(name, value))
        })
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Whether the name of a program is not known. It may be that of a shell.
fn is_unknown(command: &SimpleCommand) -> bool {
    let is_unknown = |first: &Word| {
        let name = base(&first.text);
        !first.constant && !names_shell(first) && (is_open(name) || is_substitution(first))
    };
    command.words.first().is_some_and(is_unknown)
}

fn is_open(text: &str) -> bool {
    text.contains(['$', '`'])
}

fn is_substitution(word: &Word) -> bool {
    word.text.contains("$(") || word.text.contains('`')
}

/// Whether its program is what a substitution prints.
fn is_substituted(command: &SimpleCommand) -> bool {
    command.words.first().is_some_and(is_substitution)
}

/// Whether something in `script` runs what a variable holds, or a text that is not known.
fn runs_what_is_kept(script: &Script) -> bool {
    let is_opaque = |doubt: &Doubt| matches!(doubt, Doubt::Opaque | Doubt::DynamicProgram);
    script.doubts.iter().any(is_opaque)
        || script.commands.iter().any(runs_unknown_text)
        || feeds_unknown(script)
        || evaluates(script)
}

/// Programs beside shells and interpreters that run a text among their arguments, or type it to what does.
const RUNNING: &[&str] = &[
    "eval", "source", ".", "trap", "ssh", "tmux", "screen", "at", "batch", "crontab", "flock", "watch", "script", "su",
    "runuser", "xargs", "parallel", "expect",
];

fn runs_text(program: &str) -> bool {
    RUNNING.contains(&program) || is_shell(program) || is_interpreter(program)
}

/// Whether a command runs a text that is not known.
fn runs_unknown_text(command: &SimpleCommand) -> bool {
    let is_open = |word: &Word| !word.constant || word.text.starts_with("<(");
    let has_unknown = || command.arguments().iter().any(is_open);
    is_unknown(command) || (command.program().is_some_and(runs_text) && has_unknown())
}

/// Whether what runs texts may read a here-document or a here-string that is not known.
fn feeds_unknown(script: &Script) -> bool {
    let mut redirections = script.commands.iter().flat_map(|command| &command.redirections);
    redirections.any(|redirection| redirection.operator.starts_with("<<") && !redirection.target.constant)
        && script
            .commands
            .iter()
            .any(|command| command.program().is_some_and(runs_text))
}

/// Whether `script` calculates: an index in a variable that is calculated with may hold a substitution.
fn evaluates(script: &Script) -> bool {
    const OPERATORS: &[&str] = &["-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-v"];
    let in_brackets = |command: &SimpleCommand| command.program() == Some("[[") && has_any(command, OPERATORS);
    let declares = |command: &SimpleCommand| {
        matches!(command.program(), Some("let"))
            || (matches!(command.program(), Some("declare" | "typeset" | "local")) && has_any(command, &["-i"]))
    };
    let mut words = script.text.split_whitespace();
    script
        .commands
        .iter()
        .any(|command| in_brackets(command) || declares(command))
        || script.text.contains("((")
        || script.text.contains("$[")
        || (script.text.contains("[[") && words.any(|word| OPERATORS.contains(&word)))
}

fn has_any(command: &SimpleCommand, words: &[&str]) -> bool {
    command
        .arguments()
        .iter()
        .any(|word| words.contains(&word.text.as_str()))
}

/// Whether something in `script` reads the standard input into a variable, or prints it into a substitution.
fn is_kept(script: &Script, takes: Takes) -> bool {
    // What stands in `>(...)` prints to nobody.
    let is_caught = ["$(", "`", "<("].iter().any(|begin| script.text.contains(begin));
    let keeps = |index: usize, command: &SimpleCommand| match command.program() {
        Some("read" | "mapfile" | "readarray" | "vared") => true,
        Some(program) if may_run_others(program, command.arguments()) => true,
        _ => is_caught && is_in_substitution(script, index),
    };
    let mut commands = script.commands.iter().enumerate();
    commands.any(|(index, command)| keeps(index, command) && takes(script, index))
        || script.text.split_whitespace().any(|word| word == "select")
}

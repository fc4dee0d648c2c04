//! Ways by which a standard input comes to run without any program reading it as one: through a variable, a substitution, a
//! file or a named pipe.

use super::super::feed::{descriptor, is_stdin};
use super::super::unwrap::is_shell;
use super::super::{Origin, Redirection, Script, SimpleCommand, Word};
use super::input::{Reaches, may_read, reaches};
use super::interpreters::is_interpreter;
use super::shells::names_shell;

/// How the record calls an input that comes to run by a detour.
pub(super) const DETOUR: &str = "standard input that may run as a program";

/// Whether what is read from the standard input of `script` may run in it.
pub(super) fn may_run(script: &Script) -> bool {
    let commands = || script.commands.iter().enumerate();
    let may_be_shell = |(index, command)| {
        is_unknown(command) && !is_substituted(command) && reaches(script, index) != Reaches::Nothing
    };
    let files = written(script);
    commands().any(may_be_shell)
        || ((commands().any(|(_, command)| runs_unknown_text(command)) || feeds_unknown(script))
            && is_kept_in_variable(script))
        || commands().any(|(_, command)| runs_file(command, &files) || starts_with_stdin(command))
}

/// Whether a shell or an interpreter may read a here-document or a here-string that is not known.
fn feeds_unknown(script: &Script) -> bool {
    let mut redirections = script.commands.iter().flat_map(|command| &command.redirections);
    let is_run = |program: &str| is_shell(program) || is_interpreter(program);
    redirections.any(|redirection| redirection.operator.starts_with("<<") && !redirection.target.constant)
        && script
            .commands
            .iter()
            .any(|command| command.program().is_some_and(is_run))
}

/// Whether a shell is told by a variable to read the standard input before all else: `BASH_ENV=/dev/stdin`.
fn starts_with_stdin(command: &SimpleCommand) -> bool {
    let is_start = |name: &str| matches!(name, "BASH_ENV" | "ENV");
    let mut assigned = command.assignments.iter();
    assigned.any(|assigned| is_start(&assigned.name) && is_stdin(&assigned.value))
        || command.words.iter().any(|word| {
            let assigned = word.text.split_once('=');
            assigned.is_some_and(|(name, value)| is_start(name) && descriptor(value).is_some())
        })
}

/// Whether the name of a program is not known. It may be that of a shell.
fn is_unknown(command: &SimpleCommand) -> bool {
    let is_unknown = |first: &Word| {
        let name = first.text.rsplit('/').next().unwrap_or_default();
        !first.constant && name.contains(['$', '`']) && !names_shell(first)
    };
    command.words.first().is_some_and(is_unknown)
}

/// Whether its program is what a substitution prints.
fn is_substituted(command: &SimpleCommand) -> bool {
    command
        .words
        .first()
        .is_some_and(|first| first.text.contains("$(") || first.text.contains('`'))
}

/// Whether a command runs a text that is not known.
fn runs_unknown_text(command: &SimpleCommand) -> bool {
    let runs_text = |program: &str| {
        matches!(program, "eval" | "source" | "." | "trap" | "ssh") || is_shell(program) || is_interpreter(program)
    };
    let has_unknown = || {
        command
            .arguments()
            .iter()
            .any(|word| !word.constant || word.text.starts_with("<("))
    };
    is_unknown(command)
        || command
            .program()
            .is_some_and(|program| runs_text(program) && has_unknown())
}

/// Whether something in `script` reads the standard input into a variable, or prints it into a substitution.
fn is_kept_in_variable(script: &Script) -> bool {
    let keeps = |command: &SimpleCommand| match command.program() {
        Some("read" | "mapfile" | "readarray" | "vared") => true,
        _ => command.origin == Origin::Substitution && may_read(command),
    };
    // What a substitution prints may also come from inside a pipeline or a wrapper of it.
    let mut commands = script.commands.iter().enumerate();
    commands.any(|(index, command)| keeps(command) && reaches(script, index) != Reaches::Nothing)
        || script.text.contains("</dev/stdin")
        || script.text.contains("< /dev/stdin")
}

/// The files that something writes which may come from the standard input, and named pipes.
fn written(script: &Script) -> Vec<&str> {
    let commands = script.commands.iter().enumerate();
    let of_input = commands.filter(|(index, command)| reaches(script, *index) != Reaches::Nothing && may_read(command));
    let mut files: Vec<&str> = of_input.flat_map(|(_, command)| targets(command)).collect();
    for command in &script.commands {
        if matches!(command.program(), Some("mv" | "cp" | "ln" | "install")) {
            let is_one = |word: &Word| is_stdin(word) || files.iter().any(|file| is_same(file, &word.text));
            let named = command.arguments().iter().any(is_one);
            let last = command.arguments().last().filter(|_| named);
            files.extend(last.map(|word| word.text.as_str()));
        }
    }
    files
}

fn targets(command: &SimpleCommand) -> Vec<&str> {
    let redirected = command
        .redirections
        .iter()
        .filter(|redirection| redirection.writes())
        .map(|redirection| redirection.target.text.as_str());
    let mut operands = command.arguments().iter().map(|word| word.text.as_str());
    match command.program() {
        Some("tee") => redirected
            .chain(operands.filter(|word| !word.starts_with('-')))
            .collect(),
        Some("dd") => redirected
            .chain(operands.filter_map(|word| word.strip_prefix("of=")))
            .collect(),
        // `w FILE` in a script.
        Some("sed" | "gsed") => redirected
            .chain(operands.filter_map(|word| Some(word.split_once("w ")?.1)))
            .collect(),
        Some("install" | "cp") => redirected.chain(operands.next_back()).collect(),
        _ => redirected.collect(),
    }
}

/// Whether a command runs one of these files: by name, as a script, or as its input.
fn runs_file(command: &SimpleCommand, files: &[&str]) -> bool {
    let is_one = |word: &Word| files.iter().any(|file| is_same(file, &word.text));
    let Some((first, arguments)) = command.words.split_first() else {
        return false;
    };
    let reads = |redirection: &Redirection| redirection.operator.starts_with('<') && is_one(&redirection.target);
    let runs_scripts = command.program().is_some_and(|program| {
        matches!(program, "source" | "." | "make" | "at" | "batch" | "crontab")
            || is_shell(program)
            || is_interpreter(program)
    });
    let is_makefile = |file: &&str| file.ends_with("akefile");
    let makes = matches!(command.program(), Some("make" | "gmake"));
    is_one(first)
        || (makes && files.iter().any(is_makefile))
        || (runs_scripts && (arguments.iter().any(is_one) || command.redirections.iter().any(reads)))
}

/// Whether two names may be those of one file.
fn is_same(one: &str, other: &str) -> bool {
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    name(one) == name(other) && !matches!(name(one).as_str(), "null" | "stdout" | "stderr" | "tty")
}

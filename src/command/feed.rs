//! What a shell would read as its commands from a pipe, a here-document or a process substitution.

use super::unwrap::is_shell;
use super::variables::Variables;
use super::{Origin, SimpleCommand, Word, cook, decode};

/// Most operands that are taken from the input of `xargs`.
const MAX_OPERANDS: usize = 64;

/// How many commands before a shell are searched for what it reads.
const WINDOW: usize = 32;

/// Input that runs as commands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fed {
    /// None.
    Nothing,
    /// This text.
    Text(String),
    /// These words: a program with the operands that `xargs` found in its input.
    Operands(Vec<Word>),
    /// Some, that cannot be computed.
    Opaque,
}

/// What `commands[index]` would run of its input.
pub(super) fn input(commands: &[SimpleCommand], index: usize, variables: &Variables) -> Fed {
    let commands = commands.get(index.saturating_sub(WINDOW)..=index).unwrap_or_default();
    let Some(command) = commands.last() else {
        return Fed::Nothing;
    };
    if matches!(&command.origin, Origin::Wrapped(by) if by == "xargs") {
        return operands(commands, command).map_or(Fed::Nothing, Fed::Operands);
    }
    if reads_script_operand(command) {
        return substituted(command.arguments().first(), variables);
    }
    if !reads_commands(command) {
        return Fed::Nothing;
    }
    if let Some(text) = decode::own_input(command) {
        return Fed::Text(text);
    }
    let from_file = command
        .redirections
        .iter()
        .find(|redirection| redirection.operator == "<");
    match (from_file, command.stage) {
        (Some(redirection), _) => substituted(Some(&redirection.target), variables),
        (None, 0) => Fed::Nothing,
        (None, _) => piped(commands, command).map_or(Fed::Opaque, Fed::Text),
    }
}

/// The command that `xargs` makes of `command` and its input, where that is constant.
fn operands(commands: &[SimpleCommand], command: &SimpleCommand) -> Option<Vec<Word>> {
    let input = piped(commands, command).filter(|_| command.stage > 0)?;
    let mut words = command.words.clone();
    let marked = words.iter().any(|word| word.text.contains("{}"));
    if marked {
        for word in &mut words {
            word.text = word.text.replace("{}", input.trim());
        }
        return Some(words);
    }
    let template = words.first()?.clone();
    let found = input.split_whitespace().take(MAX_OPERANDS);
    words.extend(found.map(|text| Word {
        text: text.to_owned(),
        span: 0..0,
        ..template.clone()
    }));
    Some(words)
}

/// A shell, or `source`, whose script is a process substitution.
fn reads_script_operand(command: &SimpleCommand) -> bool {
    let sources = matches!(command.program(), Some("source" | "."));
    let script = command
        .arguments()
        .first()
        .is_some_and(|word| word.text.starts_with("<("));
    script && (sources || command.program().is_some_and(is_shell))
}

fn substituted(script: Option<&Word>, variables: &Variables) -> Fed {
    let Some(inner) = script.and_then(|word| word.text.strip_prefix("<(")?.strip_suffix(')')) else {
        return Fed::Nothing;
    };
    let text = cook::pipeline(inner, variables, 1).and_then(|stages| decode::output(&stages, None));
    text.map_or(Fed::Opaque, Fed::Text)
}

/// Whether a program takes its commands from standard input.
pub(super) fn reads_commands(command: &SimpleCommand) -> bool {
    let arguments = command.arguments();
    match command.program() {
        // fish reads its standard input where it is given nothing.
        Some("source" | ".") => arguments.first().is_none_or(is_stdin),
        Some("at" | "batch") => !arguments
            .iter()
            .any(|word| matches!(word.text.as_str(), "-l" | "-d" | "-f" | "-c")),
        Some(program) if is_shell(program) => shell_reads_commands(arguments, program == "fish"),
        _ => false,
    }
}

/// Whether a word stands for the standard input.
pub(super) fn is_stdin(word: &Word) -> bool {
    matches!(word.text.as_str(), "-" | "/dev/stdin" | "/proc/self/fd/0" | "/dev/fd/0")
}

fn shell_reads_commands(arguments: &[Word], is_fish: bool) -> bool {
    let mut operands = arguments.iter().map(|word| word.text.as_str());
    while let Some(argument) = operands.next() {
        match argument {
            "-s" | "-" | "/dev/stdin" | "/proc/self/fd/0" | "/dev/fd/0" => return true,
            "--rcfile" | "--init-file" | "--emulate" | "--init-command" => {
                operands.next();
            }
            "-C" | "-d" | "-D" if is_fish => {
                operands.next();
            }
            "--version" | "--help" => return false,
            option if option.starts_with("--") => {}
            option if option.starts_with('-') && option.contains('c') => return false,
            option if option.starts_with('-') && option.contains('s') => return true,
            option if option.starts_with(['-', '+']) => {
                // `-euo pipefail`
                if option.ends_with(['o', 'O']) {
                    operands.next();
                }
            }
            _ => return false,
        }
    }
    true
}

/// What the earlier stages of the command's pipeline print.
fn piped(commands: &[SimpleCommand], command: &SimpleCommand) -> Option<String> {
    if command.stage > WINDOW {
        return None;
    }
    let mut text = None;
    for stage in 0..command.stage {
        let programs = commands
            .iter()
            .filter(|other| other.pipeline == command.pipeline && other.stage == stage)
            .filter(|other| !is_wrapper(commands, other) && !matches!(other.origin, Origin::Inner(_)));
        let mut printed: Option<String> = None;
        for program in programs {
            let output = decode::run(program, text.clone())?;
            let separator = if output.ends_with('\n') { "" } else { "\n" };
            printed = Some(format!("{}{output}{separator}", printed.unwrap_or_default()));
        }
        text = Some(printed?);
    }
    text
}

/// Whether `command` only stands before what it wraps.
fn is_wrapper(commands: &[SimpleCommand], command: &SimpleCommand) -> bool {
    commands.iter().any(|other| {
        matches!(&other.origin, Origin::Wrapped(by) if Some(by.as_str()) == command.program())
            && (other.pipeline, other.stage, other.depth) == (command.pipeline, command.stage, command.depth + 1)
    })
}

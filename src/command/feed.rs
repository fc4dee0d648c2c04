//! What a shell would read as its commands from a pipe, a here-document or a process substitution.

use super::decode::MAX_OUTPUT;
use super::stdin::call_with_text;
use super::unwrap::{first_options, is_shell};
use super::variables::Variables;
use super::{Origin, SimpleCommand, Word, cook, decode};

/// Most operands that are taken from the input of `xargs`; of more, nothing is known.
const MAX_OPERANDS: usize = 1024;

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
        return match operands(commands, command, variables) {
            Some(Words::Known(words)) => Fed::Operands(words),
            Some(Words::Unknown) => Fed::Opaque,
            None => Fed::Nothing,
        };
    }
    if let Some(script) = script_operand(command) {
        return substituted(script, variables).map_or(Fed::Opaque, Fed::Text);
    }
    if !reads_commands(command) {
        return interpreted(commands, command, variables);
    }
    if let Some(text) = own_input(commands, command) {
        return Fed::Text(text);
    }
    let from_file = file_input(command);
    match (from_file, command.stage) {
        (Some(file), _) if !is_substitution(file) => Fed::Nothing,
        (Some(file), _) => substituted(file, variables).map_or(Fed::Opaque, Fed::Text),
        (None, 0) => Fed::Nothing,
        (None, _) => piped(commands, command, variables).map_or(Fed::Opaque, Fed::Text),
    }
}

/// What the command finds on its standard input, where that is constant.
pub(super) fn given(commands: &[SimpleCommand], command: &SimpleCommand, variables: &Variables) -> Option<String> {
    let start = commands.len().saturating_sub(WINDOW);
    let commands = commands.get(start..).unwrap_or_default();
    if let Some(file) = file_input(command) {
        return substituted(file, variables);
    }
    let piped = || piped(commands, command, variables).filter(|_| command.stage > 0);
    own_input(commands, command).or_else(piped)
}

/// The file that the command reads for its standard input.
fn file_input(command: &SimpleCommand) -> Option<&Word> {
    let mut inputs = command.redirections.iter().rev();
    let last = inputs.find(|redirection| redirection.operator.starts_with('<'))?;
    (last.operator == "<").then_some(&last.target)
}

/// The here-document of a command, or of what runs it on its own standard input.
fn own_input(commands: &[SimpleCommand], command: &SimpleCommand) -> Option<String> {
    let mut current = command;
    for _ in 0..WINDOW {
        if let Some(text) = decode::own_input(current) {
            return Some(text);
        }
        current = parent(commands, current).filter(|outer| !reads_commands(outer) && !reads_operands(outer))?;
    }
    None
}

fn reads_operands(command: &SimpleCommand) -> bool {
    matches!(command.program(), Some("xargs" | "gxargs" | "parallel"))
}

/// The command that runs `command`.
fn parent<'a>(commands: &'a [SimpleCommand], command: &SimpleCommand) -> Option<&'a SimpleCommand> {
    let (Origin::Wrapped(by) | Origin::Inner(by)) = &command.origin else {
        return None;
    };
    commands.iter().rev().find(|outer| {
        outer.depth + 1 == command.depth && outer.pipeline == command.pipeline && outer.program() == Some(by.as_str())
    })
}

/// An interpreter of another language with the text that it reads, as if that were its argument.
fn interpreted(commands: &[SimpleCommand], command: &SimpleCommand, variables: &Variables) -> Fed {
    let Some(program) = command.program() else {
        return Fed::Nothing;
    };
    let on_input = || {
        Some((
            call_with_text(program, command.arguments())?,
            given(commands, command, variables),
        ))
    };
    let Some((call, text)) = called_with_file(program, command, variables).or_else(on_input) else {
        return Fed::Nothing;
    };
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
        return Fed::Nothing;
    };
    let words = call.into_iter().chain([text]).map(Word::computed);
    Fed::Operands(words.collect())
}

/// The call and the text of an interpreter whose program is a process substitution: `python3 <(...)`, `psql -f <(...)`.
fn called_with_file(
    program: &str,
    command: &SimpleCommand,
    variables: &Variables,
) -> Option<(Vec<String>, Option<String>)> {
    let arguments = command.arguments();
    let place = arguments.iter().position(is_substitution)?;
    let (before, rest) = arguments.split_at_checked(place)?;
    let without_option = || {
        let (option, before) = before.split_last()?;
        call_with_text(program, before).filter(|_| option.text.starts_with('-'))
    };
    let call = call_with_text(program, before).or_else(without_option)?;
    Some((call, substituted(rest.first()?, variables)))
}

/// Most bytes of a text that is followed into a file.
const MAX_WRITTEN: usize = 16 * 1024;

/// The files that `commands[index]` writes, where their texts are constant: path, text, and whether it is appended.
pub(super) fn written(commands: &[SimpleCommand], index: usize, variables: &Variables) -> Vec<(String, String, bool)> {
    let commands = commands.get(index.saturating_sub(WINDOW)..=index).unwrap_or_default();
    let Some(command) = commands.last() else {
        return Vec::new();
    };
    let redirected = command.redirections.iter().filter(|redirection| redirection.writes());
    let mut places: Vec<(&Word, bool)> = redirected
        .map(|redirection| (&redirection.target, redirection.operator.contains(">>")))
        .collect();
    if command.program() == Some("tee") {
        let files = command.arguments().iter().filter(|word| !word.text.starts_with('-'));
        places.extend(files.map(|word| (word, false)));
    }
    places.retain(|(word, _)| word.constant && !word.text.starts_with("/dev/"));
    if places.is_empty() {
        return Vec::new();
    }
    let input = given(commands, command, variables);
    let Some(text) = printed(command, input, variables).filter(|text| text.len() <= MAX_WRITTEN) else {
        return Vec::new();
    };
    let text = if text.ends_with('\n') { text } else { text + "\n" };
    let files = places.into_iter();
    files
        .map(|(word, appends)| (word.text.clone(), text.clone(), appends))
        .collect()
}

/// What a command prints, given its input.
fn printed(command: &SimpleCommand, input: Option<String>, variables: &Variables) -> Option<String> {
    let files = command.arguments();
    if command.program() != Some("cat") || files.is_empty() || !files.iter().all(is_substitution) {
        return decode::run(command, input);
    }
    let texts: Option<String> = files.iter().map(|file| substituted(file, variables)).collect();
    texts.filter(|text| text.len() <= MAX_OUTPUT)
}

/// The command that `xargs` makes of `command` and its input, where that is constant.
fn operands(commands: &[SimpleCommand], command: &SimpleCommand, variables: &Variables) -> Option<Words> {
    let xargs = parent(commands, command)?;
    let mark = replaced_by(xargs.arguments());
    let runs_input = command.words.first().is_some_and(|word| word.text.contains(mark));
    let Some(input) = given(commands, xargs, variables) else {
        return runs_input.then_some(Words::Unknown);
    };
    let mut words = command.words.clone();
    let marks: usize = words.iter().map(|word| word.text.matches(mark).count()).sum();
    if marks.saturating_mul(input.trim().len()) > MAX_OUTPUT {
        return Some(Words::Unknown);
    }
    if marks > 0 {
        for word in &mut words {
            word.text = word.text.replace(mark, input.trim());
        }
        return Some(Words::Known(words));
    }
    let found = split_operands(&input);
    if found.len() > MAX_OPERANDS {
        return Some(Words::Unknown);
    }
    words.extend(found.into_iter().map(Word::computed));
    Some(Words::Known(words))
}

/// The words of an input as `xargs` takes them: without their quotes and backslashes, where it does not divide at other marks.
fn split_operands(input: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut characters = input.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            (end, Some(open)) if end == open => quote = None,
            ('\'' | '"', None) => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            ('\\', None) => word.get_or_insert_default().extend(characters.next()),
            (blank, None) if blank.is_whitespace() => words.extend(word.take()),
            (other, _) => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

/// What `xargs` makes a command of.
enum Words {
    Known(Vec<Word>),
    Unknown,
}

/// The text for which `xargs` puts its input: `-I TEXT`, `-ITEXT`, `--replace=TEXT`, `{}`.
fn replaced_by(arguments: &[Word]) -> &str {
    let mut words = arguments.iter().map(|word| word.text.as_str());
    let mark = words.find_map(|word| match word {
        "-I" => Some(None),
        _ => word
            .strip_prefix("-I")
            .or_else(|| word.strip_prefix("--replace="))
            .map(Some),
    });
    mark.and_then(|attached| attached.or_else(|| words.next()))
        .filter(|mark| !mark.is_empty())
        .unwrap_or("{}")
}

/// The script of a shell, or of `source`, where that is a process substitution.
fn script_operand(command: &SimpleCommand) -> Option<&Word> {
    let arguments = command.arguments();
    let options = match command.program()? {
        "source" | "." => 0,
        program if is_shell(program) => first_options(arguments).len(),
        _ => return None,
    };
    arguments.get(options).filter(|word| is_substitution(word))
}

/// Whether a word is a process substitution that is read.
fn is_substitution(word: &Word) -> bool {
    word.text.starts_with("<(")
}

/// What is read from a process substitution, where that is constant.
fn substituted(word: &Word, variables: &Variables) -> Option<String> {
    let inner = word.text.strip_prefix("<(")?.strip_suffix(')')?;
    let stages = cook::pipeline(inner, variables, 1)?;
    decode::output(&stages, None).map(|text| if text.ends_with('\n') { text } else { text + "\n" })
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
        // The script `e` runs every line of the input.
        Some("sed" | "gsed") => arguments.iter().any(|word| word.text == "e"),
        Some(program) if is_shell(program) => shell_reads_commands(arguments, program == "fish"),
        _ => false,
    }
}

/// Whether a word stands for the standard input, or for a descriptor that may be a copy of it.
pub(super) fn is_stdin(word: &Word) -> bool {
    word.text == "-" || descriptor(&word.text).is_some()
}

/// The descriptor that a path stands for, however it is spelt: `0` for `/dev//stdin`, `3` for `/proc/self/fd/3`.
pub(super) fn descriptor(path: &str) -> Option<&str> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    match parts.as_slice() {
        [.., "stdin"] => Some("0"),
        [.., "fd", number] if number.starts_with(may_be_digit) => Some(number),
        _ => None,
    }
}

/// Whether a character is a digit, or begins what may become one.
fn may_be_digit(character: char) -> bool {
    character.is_ascii_digit() || matches!(character, '$' | '`' | '*' | '?' | '[' | '{')
}

fn shell_reads_commands(arguments: &[Word], is_fish: bool) -> bool {
    let mut operands = arguments.iter();
    while let Some(argument) = operands.next() {
        match argument.text.as_str() {
            "-s" => return true,
            // `sh {fd}<&0`
            variable if variable.starts_with('{') && variable.ends_with('}') && !argument.quoted => {}
            _ if is_stdin(argument) => return true,
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
fn piped(commands: &[SimpleCommand], command: &SimpleCommand, variables: &Variables) -> Option<String> {
    if command.stage > WINDOW {
        return None;
    }
    let mut text = None;
    for stage in 0..command.stage {
        let programs = commands
            .iter()
            .filter(|other| other.pipeline == command.pipeline && other.stage == stage)
            .filter(|other| !is_wrapper(commands, other) && !matches!(other.origin, Origin::Inner(_)));
        let mut all: Option<String> = None;
        for program in programs {
            let output = printed(program, text.clone(), variables)?;
            let separator = if output.ends_with('\n') { "" } else { "\n" };
            all = Some(format!("{}{output}{separator}", all.unwrap_or_default()));
        }
        text = Some(all?);
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

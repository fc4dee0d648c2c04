//! Whose standard input a command has: that of the whole, that of something else, or something made of it.

use super::super::feed::{self, is_stdin};
use super::super::{Origin, Redirection, Script, SimpleCommand, Word};

/// What reaches a command of the standard input of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reaches {
    /// All of it, as it is.
    Whole,
    /// What another program makes of it.
    Altered,
    /// Nothing: its input is another.
    Nothing,
}

/// Programs that give their input on as it is, where they name no file to read.
const PASSING: &[&str] = &["cat", "tee", "pv"];

/// Programs that never read their standard input, as they are called in front of a shell.
const DEAF: &[&str] = &[
    "[",
    "aws",
    "basename",
    "cd",
    "curl",
    "date",
    "dircolors",
    "dirname",
    "echo",
    "env",
    "export",
    "false",
    "find",
    "gcloud",
    "getconf",
    "git",
    "hostname",
    "id",
    "ls",
    "mkdir",
    "mktemp",
    "nproc",
    "printenv",
    "printf",
    "ps",
    "pwd",
    "readlink",
    "realpath",
    "seq",
    "set",
    "sleep",
    "ssh-agent",
    "stat",
    "test",
    "tput",
    "true",
    "type",
    "uname",
    "wget",
    "which",
    "whoami",
    "yes",
];

/// Programs that run others, but not on their own standard input, or not now.
const KEEPERS: &[&str] = &["xargs", "gxargs", "parallel", "rush", "alias", "ansible", "at", "batch"];

/// What of the standard input of `script` reaches the command at `index`.
pub(super) fn reaches(script: &Script, index: usize) -> Reaches {
    let Some((command, before)) = script.commands.get(..=index).and_then(<[_]>::split_last) else {
        return Reaches::Nothing;
    };
    let own = match (own_input(script, command, index), through_pipe(script, command)) {
        (Some(true), _) => return Reaches::Nothing,
        // A copy of the standard input reaches around a pipe.
        (Some(false), Reaches::Nothing) => Reaches::Altered,
        (_, piped) => piped,
    };
    // Of which command a document is does not show in the order of what is found in it.
    let has_document = fills_document(script);
    let outer = around(command, before).map(|(inner, outer)| {
        // What a word is made of is expanded before the command has its redirections.
        let is_expanded = inner.origin == Origin::Substitution;
        if is_expanded && has_document {
            Reaches::Whole
        } else if !is_expanded && (has_input(script, outer) || keeps_its_input(outer)) {
            Reaches::Nothing
        } else {
            through_pipe(script, outer)
        }
    });
    outer.fold(own, Reaches::and)
}

/// Whether a here-document or a here-string is made of something that runs.
fn fills_document(script: &Script) -> bool {
    let mut redirections = script.commands.iter().flat_map(|command| &command.redirections);
    redirections.any(|redirection| redirection.operator.starts_with("<<") && !redirection.target.constant)
}

/// Whether the redirections of the command at `index`, or else of the compound commands that it stands in, give it another
/// input; `None` where none of them does anything to it.
fn own_input(script: &Script, command: &SimpleCommand, index: usize) -> Option<bool> {
    let later = script.commands.iter().skip(index + 1);
    let mut enclosing = later.filter(|other| other.encloses_from.is_some_and(|first| first <= index));
    input_of(script, command).or_else(|| enclosing.find_map(|other| input_of(script, other)))
}

impl Reaches {
    /// What comes through both, one after the other.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, _) | (_, Self::Nothing) => Self::Nothing,
            (Self::Altered, _) | (_, Self::Altered) => Self::Altered,
            (Self::Whole, Self::Whole) => Self::Whole,
        }
    }
}

/// The wrappers and texts that a command stands in, each behind what stands in it.
fn around<'a>(
    command: &'a SimpleCommand,
    before: &'a [SimpleCommand],
) -> impl Iterator<Item = (&'a SimpleCommand, &'a SimpleCommand)> {
    let mut inner = command;
    let outer = before.iter().rev().filter_map(move |outer| {
        let is_around = outer.depth < inner.depth;
        is_around.then(|| (std::mem::replace(&mut inner, outer), outer))
    });
    outer.take_while(|(inner, _)| !stands_alone(inner))
}

/// Whether nothing that was found before a command is around it. A trap runs when all else is done.
fn stands_alone(command: &SimpleCommand) -> bool {
    match &command.origin {
        Origin::Direct => true,
        Origin::Inner(program) => program == "trap",
        Origin::Substitution | Origin::Wrapped(_) => false,
    }
}

fn keeps_its_input(outer: &SimpleCommand) -> bool {
    outer.program().is_some_and(|program| KEEPERS.contains(&program))
}

/// Whether a program may read its standard input, for all that its words tell.
pub(super) fn may_read(command: &SimpleCommand) -> bool {
    let is_deaf = |program| {
        (DEAF.contains(&program) && !command.arguments().iter().any(mentions_input))
            || (PASSING.contains(&program) && reads_files_only(command))
    };
    !command.program().is_some_and(is_deaf)
}

/// Programs that give on what they read, in part or altered, and how many operands stand before a file to read instead.
const FILTERS: &[(&str, usize)] = &[
    ("awk", 1),
    ("base32", 0),
    ("base64", 0),
    ("bunzip2", 0),
    ("bzip2", 0),
    ("cat", 0),
    ("cpio", 0),
    ("cut", 0),
    ("dd", 0),
    ("envsubst", 1),
    ("fold", 0),
    ("gpg", 0),
    ("grep", 1),
    ("gunzip", 0),
    ("gzip", 0),
    ("head", 0),
    ("iconv", 0),
    ("jq", 1),
    ("line", 0),
    ("nl", 0),
    ("od", 0),
    ("openssl", 9),
    ("paste", 0),
    ("perl", 1),
    ("python", 1),
    ("python3", 1),
    ("rev", 0),
    ("ruby", 1),
    ("sed", 1),
    ("sort", 0),
    ("tac", 0),
    ("tail", 0),
    ("tar", 1),
    ("tee", 9),
    ("tr", 9),
    ("uudecode", 0),
    ("xxd", 0),
    ("xz", 0),
    ("zcat", 0),
    ("zstd", 0),
];

/// Whether a program reads its standard input as it is called: a filter that is given no file, or a shell's own `read`.
pub(super) fn surely_reads(command: &SimpleCommand) -> bool {
    let arguments = command.arguments();
    let files = arguments.iter().filter(|word| !word.text.starts_with('-')).count();
    let is_read = matches!(command.program(), Some("read" | "mapfile" | "readarray"));
    let filter = FILTERS.iter().find(|(name, _)| command.program() == Some(name));
    // `$(<&3)`
    let is_bare = command.words.is_empty() && !command.redirections.is_empty();
    is_read || is_bare || filter.is_some_and(|(_, operands)| files <= *operands || arguments.iter().any(mentions_input))
}

/// Whether a program is told to read its standard input: `-`, `@-`, `--stdin`, `file:///dev/stdin`, `--batch`.
fn mentions_input(word: &Word) -> bool {
    let text = word.text.as_str();
    is_stdin(word)
        || text.ends_with("@-")
        || text.ends_with("=-")
        || text == "--batch"
        || text.contains("stdin")
        || text.contains("/fd/")
}

/// Whether the command at `index` stands in a substitution.
pub(super) fn is_in_substitution(script: &Script, index: usize) -> bool {
    let Some((command, before)) = script.commands.get(..=index).and_then(<[_]>::split_last) else {
        return false;
    };
    let is_one = |command: &SimpleCommand| command.origin == Origin::Substitution;
    is_one(command) || around(command, before).any(|(_, outer)| is_one(outer))
}

/// What comes through the stages before a command.
fn through_pipe(script: &Script, command: &SimpleCommand) -> Reaches {
    let of_stage = |stage| {
        let is_there = move |other: &&SimpleCommand| (other.pipeline, other.stage) == (command.pipeline, stage);
        through_stage(script, script.commands.iter().filter(is_there))
    };
    (0..command.stage).map(of_stage).fold(Reaches::Whole, Reaches::and)
}

fn through_stage<'a>(script: &Script, commands: impl Iterator<Item = &'a SimpleCommand>) -> Reaches {
    let (mut found, mut prints) = (Reaches::Nothing, false);
    for command in commands.filter(|command| !has_input(script, command)) {
        prints |= matches!(command.program(), Some("echo" | "printf"));
        match (passes_on(command), may_read(command)) {
            (true, _) => found = Reaches::Whole,
            (false, true) if found == Reaches::Nothing => found = Reaches::Altered,
            (false, _) => {}
        }
    }
    match found {
        Reaches::Whole if prints => Reaches::Altered,
        found => found,
    }
}

fn passes_on(command: &SimpleCommand) -> bool {
    let is_plain = |word: &Word| is_stdin(word) || word.text == "-u";
    match command.program() {
        Some("tee") => true,
        Some(program) if PASSING.contains(&program) => command.arguments().iter().all(is_plain),
        _ => false,
    }
}

fn reads_files_only(command: &SimpleCommand) -> bool {
    let is_file = |text: &str| !text.starts_with('-');
    command.program() != Some("tee")
        && !command.arguments().iter().any(is_stdin)
        && command.arguments().iter().any(|word| is_file(&word.text))
}

/// Whether a command's standard input is made something else than the input of the whole.
fn has_input(script: &Script, command: &SimpleCommand) -> bool {
    input_of(script, command) == Some(true)
}

/// Whether the last redirection of a command's standard input makes it something else; `None` where none changes it.
fn input_of(script: &Script, command: &SimpleCommand) -> Option<bool> {
    if command.arguments().iter().any(|word| is_copy(&word.text)) {
        return Some(false);
    }
    let of_input = command.redirections.iter().filter(|redirection| {
        redirection.operator.starts_with('<')
            && descriptor(script, redirection).is_none_or(|descriptor| descriptor == "0")
    });
    of_input.fold(None, |fed, redirection| becomes(redirection).or(fed))
}

/// Whether a path is that of a descriptor that may be a copy of the standard input.
fn is_copy(path: &str) -> bool {
    feed::descriptor(path).is_some_and(|descriptor| descriptor != "0")
}

/// Whether a redirection gives the standard input something else; `None` where it stays what it was.
fn becomes(redirection: &Redirection) -> Option<bool> {
    let target = redirection.target.text.as_str();
    match redirection.operator.as_str() {
        "<&" if target == "0" => None,
        // A descriptor that is copied, and what is not known, may be the standard input itself.
        "<&" => Some(target == "-"),
        "<" | "<>" if is_copy(target) => Some(false),
        "<" | "<>" if is_stdin(&redirection.target) => None,
        "<" | "<>" => Some(redirection.target.constant && target != "/dev/tty"),
        _ => Some(true),
    }
}

/// The descriptor before a redirection's operator.
fn descriptor<'a>(script: &'a Script, redirection: &Redirection) -> Option<&'a str> {
    let before = script.text.get(..redirection.target.span.start)?;
    let before = before
        .trim_end_matches([' ', '\t'])
        .strip_suffix(redirection.operator.as_str())?;
    let rest = before.trim_end_matches(|character: char| character.is_ascii_digit());
    let stands_alone = rest.is_empty() || rest.ends_with([' ', '\t', '\n', ';', '&', '|', '(']);
    before
        .get(rest.len()..)
        .filter(|digits| stands_alone && !digits.is_empty())
}

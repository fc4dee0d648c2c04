//! In which language a shell reads its standard input, as far as its call tells.

use super::super::feed::reads_commands;
use super::super::opens::opens_shell;
use super::super::options::cluster;
use super::super::unwrap::{is_shell, unwrap};
use super::super::{Origin, Script, SimpleCommand, Word};
use super::Stdin;
use crate::domain::Dialect;

/// What a command reads as a shell on its standard input.
pub(super) fn read_by_shell(command: &SimpleCommand, script: &Script) -> Option<Stdin> {
    if starts_some_shell(command, script.dialect) {
        return Some(Stdin::AnyShell);
    }
    let program = command.program().filter(|_| reads_commands(command))?;
    match program {
        // `*(.)` of a zsh looks like a command to the grammar, and only fish reads its input at a bare dot.
        "." if command.arguments().is_empty() && script.dialect != Dialect::Fish => None,
        "source" | "." => Some(language_around(command)),
        "at" | "batch" => Some(Stdin::Commands(Dialect::Sh)),
        _ if names_setting(&script.text) || !is_plain(command.arguments()) => Some(Stdin::Unknown(CHANGED)),
        _ => Some(language_of(program)),
    }
}

/// How the record calls the input of a shell that was told to read in another way.
const CHANGED: &str = "standard input of a shell with options that change how it reads";

fn language_of(shell: &str) -> Stdin {
    match shell {
        "bash" | "bash-static" | "rbash" => Stdin::Commands(Dialect::Bash),
        "zsh" => Stdin::Commands(Dialect::Zsh),
        "fish" => Stdin::Commands(Dialect::Fish),
        "csh" | "tcsh" | "yash" => Stdin::AnyShell,
        _ => Stdin::Commands(Dialect::Sh),
    }
}

/// `source` reads in the language of the shell that it is a part of: one that was named, or the login shell.
fn language_around(command: &SimpleCommand) -> Stdin {
    match &command.origin {
        Origin::Inner(shell) if is_shell(shell) => language_of(shell),
        _ => Stdin::AnyShell,
    }
}

/// Variables that change how shells read, wherever they are set.
const SETTINGS: &[&str] = &[
    "POSIXLY_CORRECT",
    "SHELLOPTS",
    "BASHOPTS",
    "BASH_COMPAT",
    "BASH_ENV",
    "ENV",
    "ZDOTDIR",
];

fn names_setting(text: &str) -> bool {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let mut names = text.split(|character| !is_part(character));
    // `ENV` is a common word where nothing is assigned.
    let is_assigned = || text.contains("ENV=") || text.contains("ENV+=");
    names.any(|name| SETTINGS.contains(&name) && (name != "ENV" || is_assigned()))
}

/// Options that leave the language as it is: by letter, by name behind `-o`, and long ones.
const LETTERS: &str = "abefhlmnprstuvxBDEPT";
const NAMED: &[&str] = &[
    "allexport",
    "errexit",
    "errtrace",
    "noclobber",
    "noglob",
    "nounset",
    "pipefail",
    "verbose",
    "xtrace",
];
const LONG: &[&str] = &[
    "--login",
    "--no-config",
    "--noediting",
    "--noprofile",
    "--norc",
    "--restricted",
    "--verbose",
];

/// Whether a shell that is called in this way reads as it does by default: not interactively, and with no option that is not
/// known to leave its language alone.
fn is_plain(arguments: &[Word]) -> bool {
    let mut rest = arguments.iter().map(|word| word.text.as_str());
    while let Some(word) = rest.next() {
        let leaves_it = match word {
            "-" | "--" => return true,
            "-o" | "+o" => rest.next().is_some_and(|name| NAMED.contains(&name)),
            "--rcfile" | "--init-file" => rest.next().is_some(),
            long if long.starts_with("--") => LONG.contains(&long),
            _ => match cluster(word).or_else(|| word.strip_prefix('+')) {
                Some(letters) => is_plain_cluster(letters, &mut rest),
                // The operands of a script.
                None => return true,
            },
        };
        if !leaves_it {
            return false;
        }
    }
    true
}

/// `-euo pipefail`
fn is_plain_cluster<'a>(letters: &str, rest: &mut impl Iterator<Item = &'a str>) -> bool {
    let (letters, named) = match letters.strip_suffix('o') {
        Some(before) => (before, rest.next()),
        None => (letters, None),
    };
    letters.chars().all(|letter| LETTERS.contains(letter)) && named.is_none_or(|name| NAMED.contains(&name))
}

/// Options with which an `ssh` runs no shell, or one without our input.
const NO_SHELL: &[&str] = &["-N", "-W", "-O", "-V", "-Q", "-G", "-n", "-f"];

/// Whether it starts a shell that it does not name: somebody's login shell, or what `$SHELL` holds.
fn starts_some_shell(command: &SimpleCommand, dialect: Dialect) -> bool {
    if let Some(first) = command.words.first().filter(|first| names_shell(first)) {
        return shell_by_variable(first, command);
    }
    let Some(program) = command.program() else {
        return false;
    };
    let arguments = command.arguments();
    let wraps_nothing = || unwrap(command, dialect).is_empty();
    match program {
        "ssh" | "autossh" => wraps_nothing() && !arguments.iter().any(|word| NO_SHELL.contains(&word.text.as_str())),
        "run0" | "lxc-attach" => wraps_nothing(),
        _ => !is_shell(program) && opens_shell(program, arguments, wraps_nothing),
    }
}

/// Whether a word stands for a shell by a variable.
pub(super) fn names_shell(word: &Word) -> bool {
    matches!(word.text.as_str(), "$SHELL" | "${SHELL}" | "$BASH" | "${BASH}" | "$0")
}

/// `$SHELL -s` reads as `sh -s` does.
fn shell_by_variable(first: &Word, command: &SimpleCommand) -> bool {
    let mut named = command.clone();
    if let Some(word) = named.words.first_mut() {
        *word = Word {
            text: "sh".to_owned(),
            constant: true,
            ..first.clone()
        };
    }
    reads_commands(&named)
}

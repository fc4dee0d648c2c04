//! Which program of a command reads its own program from the standard input of the whole: a shell, or another interpreter.
//!
//! Finds too many rather than too few: input that is scored needlessly goes on all the same.

mod detours;
mod files;
mod hints;
mod input;
mod interpreters;
mod pieces;
mod readers;
mod shells;
mod table;

use super::options::{has_flag, names_any, own_options};
use super::wrappers::SUDO_VALUES;
use super::{Script, SimpleCommand};
use crate::domain::Dialect;

use detours::{DETOUR, may_run, may_run_in_part};
use input::{Reaches, reaches};
pub(super) use interpreters::call_with_text;
pub use pieces::MAX_TEXT;
use readers::read_by_program;
use shells::read_by_shell;

/// What a command reads as a program on its standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stdin {
    /// Commands, one after the other, in the language of a shell.
    Commands(Dialect),
    /// Commands for a shell that is not known: somebody's login shell.
    AnyShell,
    /// A text that another interpreter runs.
    Text(Interpreted),
    /// A program of which nothing can be known, and how the record calls it.
    Unknown(&'static str),
}

/// An interpreter that reads its text from its standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreted {
    /// The same call with the text as an argument, but for that text: `python3 -c`.
    words: Vec<String>,
    /// Whether the text comes through a pipe all the same, since the call takes it apart: `xargs rm`.
    piped: bool,
}

impl Interpreted {
    fn argument(words: Vec<String>) -> Self {
        Self { words, piped: false }
    }

    fn operands(words: Vec<String>) -> Self {
        Self { words, piped: true }
    }

    /// The command line that would run `text` in the same way.
    #[must_use]
    pub fn command_line(&self, text: &str) -> String {
        let call = self.words.iter().map(|word| quoted(word));
        if self.piped {
            let operands = quoted(&text.replace('\0', "\n"));
            return format!("printf %s {operands} | {}", call.collect::<Vec<_>>().join(" "));
        }
        call.chain([quoted(text)]).collect::<Vec<_>>().join(" ")
    }

    /// Whether nothing of the text runs before its end, so that waiting for that keeps nobody waiting.
    #[must_use]
    pub fn runs_at_end(&self) -> bool {
        let mut words = self.words.iter().map(String::as_str);
        let reads_whole = words
            .next()
            .is_some_and(|program| ["python", "pypy", "node"].iter().any(|name| program.starts_with(name)));
        reads_whole && !words.any(|word| word.starts_with('-') && word.contains('i'))
    }

    /// Whether a NUL byte in the text has a meaning: it divides operands.
    #[must_use]
    pub fn takes_nul(&self) -> bool {
        self.piped
    }
}

fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%+,=".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// What runs what is on the standard input of `script`; `None` where that is data.
#[must_use]
pub fn program_on_stdin(script: &Script) -> Option<Stdin> {
    with_detour(read_as_program(script), may_run(script))
}

/// The same for a part of a longer script on the same input, which shells read command by command.
pub(super) fn program_behind(part: &Script) -> Option<Stdin> {
    with_detour(read_as_program(part), may_run_in_part(part))
}

/// What is known where a detour leads to something else than what reads.
fn with_detour(read: Option<Stdin>, has_detour: bool) -> Option<Stdin> {
    if has_detour { Some(Stdin::Unknown(DETOUR)) } else { read }
}

fn read_as_program(script: &Script) -> Option<Stdin> {
    let read = |(index, command)| read_by(command, script, index);
    let readers = script.commands.iter().enumerate().filter_map(read);
    readers.reduce(Stdin::or)
}

/// Whether the command at `index` has the standard input of `script`, or what others make of it.
pub(super) fn has_whole_input(script: &Script, index: usize) -> bool {
    reaches(script, index) != Reaches::Nothing
}

impl Stdin {
    /// What is known where either may read it.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (one, other) if one == other => one,
            (Self::Commands(_) | Self::AnyShell, Self::Commands(_) | Self::AnyShell) => Self::AnyShell,
            _ => Self::Unknown("standard input of more than one program"),
        }
    }
}

fn read_by(command: &SimpleCommand, script: &Script, index: usize) -> Option<Stdin> {
    let read = read_by_shell(command, script)
        .or_else(|| {
            let words = call_with_text(command.program()?, command.arguments())?;
            Some(Stdin::Text(Interpreted::argument(words)))
        })
        .or_else(|| read_by_program(command, script, index))?;
    match reaches(script, index) {
        Reaches::Whole => Some(read),
        Reaches::Altered => Some(Stdin::Unknown("standard input that is changed before it runs")),
        Reaches::Nothing => None,
    }
}

/// Whether the first line on the standard input of `script` may be a password: `sudo -S` reads one there, `sshpass` and
/// `login`, and `su` for anybody but root. It may as well be a command, where none is needed.
#[must_use]
pub fn password_on_stdin(script: &Script, as_root: bool) -> bool {
    let commands = script.commands.iter().enumerate();
    let mut reached = commands.filter(|(index, _)| has_whole_input(script, *index));
    reached.any(|(index, command)| asks_password(command, script.commands.get(..index).unwrap_or_default(), as_root))
}

/// Whether a command behind `before` reads a password on its standard input.
pub(super) fn asks_password(command: &SimpleCommand, before: &[SimpleCommand], as_root: bool) -> bool {
    let arguments = command.arguments();
    match command.program() {
        Some("sudo" | "sudo-rs") => {
            let asks = has_flag(arguments, "S", SUDO_VALUES) || names_any(arguments, &["--stdin"]);
            let own = own_options(arguments, SUDO_VALUES);
            asks && !has_flag(own, "n", SUDO_VALUES) && !names_any(own, &["--non-interactive"])
        }
        Some("su") => {
            let mut outer = before.iter().rev().filter(|outer| outer.depth < command.depth);
            let made_root = outer.next().map(makes_root);
            !made_root.unwrap_or(as_root)
        }
        Some("sshpass") => !has_flag(arguments, "fdpe", ""),
        Some("login" | "kinit") => true,
        _ => false,
    }
}

fn makes_root(command: &SimpleCommand) -> bool {
    let is_sudo = matches!(command.program(), Some("sudo" | "sudo-rs" | "doas"));
    is_sudo && !has_flag(command.arguments(), "u", "gChpRTtrDU") && !names_any(command.arguments(), &["--user"])
}

#[cfg(test)]
mod tests;

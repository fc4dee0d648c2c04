//! What follows a unit in the same input: more commands, or what the unit itself reads there.

use super::super::options::{cluster, has_flag, names_any};
use super::super::stdin::{Stdin, asks_password, has_whole_input, program_behind};
use super::super::{Origin, Script, SimpleCommand, parse};
use crate::domain::Dialect;

/// What follows a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// Commands of the same shell.
    Commands,
    /// So many lines that may be secrets, then commands.
    Secrets(usize),
    /// The program of something else.
    Program,
    /// Secrets, and where they end cannot be told.
    Hidden,
}

/// What follows `unit`, which shells of these dialects read.
pub(super) fn after(unit: &[u8], dialects: &[Dialect]) -> After {
    let script = parse(
        &String::from_utf8_lossy(unit),
        *dialects.first().unwrap_or(&Dialect::Sh),
    );
    let lines = secret_lines(&script);
    let reads_on = match program_behind(&script) {
        Some(Stdin::Commands(dialect)) => dialects == [dialect],
        Some(Stdin::AnyShell) => dialects.len() > 1,
        Some(_) => false,
        None => true,
    };
    match (lines, reads_on) {
        (Some(0), true) => After::Commands,
        (Some(0), false) => After::Program,
        (Some(lines), true) if is_one_list(unit) => After::Secrets(lines),
        _ => After::Hidden,
    }
}

/// Whether each command in it runs once at most, and now.
fn is_one_list(unit: &[u8]) -> bool {
    let is_simple = |byte: &u8| !b"{}()\n`".contains(byte);
    let mut words = unit.split(u8::is_ascii_whitespace);
    unit.trim_ascii_end().iter().all(is_simple) && !words.any(|word| matches!(word, b"do" | b"trap" | b"alias"))
}

/// How many secrets the commands of `script` read from its own input, a line each; `None` where that cannot be told.
fn secret_lines(script: &Script) -> Option<usize> {
    let commands = script.commands.iter().enumerate();
    let of_input = commands.filter(|(index, command)| is_deferred(command) || has_whole_input(script, *index));
    of_input
        .map(|(index, command)| lines_of(command, script.commands.get(..index).unwrap_or_default()))
        .try_fold(0, |sum, lines| Some(sum + lines?))
}

/// How many lines `command` reads that are secrets; `None` where that cannot be told.
pub(in crate::command) fn lines_of(command: &SimpleCommand, before: &[SimpleCommand]) -> Option<usize> {
    let arguments = command.arguments();
    if is_deferred(command) {
        return (!reads_secret(command, before)).then_some(0);
    }
    match command.program() {
        // A secret that ends elsewhere than at the end of its line.
        Some("read") if reads_secret(command, before) && has_flag(arguments, "dnNt", "aipu") => None,
        Some("passwd" | "chpasswd" | "smbpasswd" | "cryptsetup" | "vault" | "secret-tool" | "pass" | "keyctl") => None,
        Some(_) if takes_rest(command) => None,
        _ => Some(usize::from(reads_secret(command, before))),
    }
}

/// Whether it runs at another time.
fn is_deferred(command: &SimpleCommand) -> bool {
    matches!(&command.origin, Origin::Inner(by) if by == "trap" || by == "alias")
}

fn reads_secret(command: &SimpleCommand, before: &[SimpleCommand]) -> bool {
    let arguments = command.arguments();
    match command.program() {
        Some("read") => {
            has_flag(arguments, "s", "adinNptu") || names_any(arguments, &["--silent"]) || names_secret(command)
        }
        _ => asks_password(command, before, false),
    }
}

/// Programs that read one secret up to the end of the input.
fn takes_rest(command: &SimpleCommand) -> bool {
    let arguments = command.arguments();
    let flags = [
        "--password-stdin",
        "--with-token",
        "--passphrase-fd",
        "--passphrase-fd=0",
        "stdin",
        "--stdin",
    ];
    let to_stdin = names_any(arguments, &flags);
    let of_htpasswd = command.program() == Some("htpasswd") && has_flag(arguments, "i", "C");
    to_stdin || of_htpasswd
}

/// Parts of the names of variables that hold secrets.
const SECRETS: &[&str] = &["pass", "pw", "secret", "token", "pin", "cred", "key"];

/// Whether a `read` names a variable as secrets are named.
fn names_secret(command: &SimpleCommand) -> bool {
    let names = command.arguments().iter().filter(|word| cluster(&word.text).is_none());
    names
        .map(|word| word.text.to_ascii_lowercase())
        .any(|name| SECRETS.iter().any(|part| name.contains(part)))
}

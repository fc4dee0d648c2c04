//! What a wrapper would run: `sudo`, `env`, `xargs`, `find -exec`, `sh -c`, `ssh host ...`.

use super::code;
use super::launch;
use super::options::{cluster, has_flag, names_any, own_options, takes_next};
use super::token::is_name;
use super::wrappers::{REMOTES, RUNUSER, SUDO_VALUES, WATCH, WRAPPERS, Wrapper};
use super::{SimpleCommand, Word};
use crate::domain::Dialect;

/// Something inside a command that would run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Inside {
    /// A program with its arguments.
    Words(Vec<Word>),
    /// A text that a shell reads, with the positional parameters that it is given.
    Text(String, Vec<Option<String>>),
    /// Something that cannot be known.
    Unknown,
}

const SHELLS: &[&str] = &[
    "sh",
    "bash",
    "zsh",
    "dash",
    "ksh",
    "ksh93",
    "mksh",
    "ash",
    "fish",
    "rbash",
    "csh",
    "tcsh",
    "yash",
    "rksh",
    "pdksh",
    "lksh",
    "oksh",
    "posh",
    "bash-static",
];

/// Whether a program reads the shell language: `bash-5.2` and `mksh-static` are shells, too.
pub(super) fn is_shell(program: &str) -> bool {
    let is_version = |character: char| character.is_ascii_digit() || matches!(character, '.' | '-');
    let plain = [".exe", ".distrib", "-static"]
        .iter()
        .find_map(|suffix| program.strip_suffix(suffix));
    let plain = plain.unwrap_or(program).trim_end_matches(is_version);
    SHELLS.contains(&program) || SHELLS.contains(&plain)
}

/// What `command` would run besides itself, by its words.
pub(super) fn unwrap(command: &SimpleCommand, dialect: Dialect) -> Vec<Inside> {
    let Some(program) = command.program() else {
        return Vec::new();
    };
    let arguments = command.arguments();
    match program {
        "find" | "fd" | "fdfind" => find(arguments),
        "eval" => text_of(arguments),
        "trap" => arguments
            .first()
            .filter(|word| !word.text.is_empty())
            .map_or_else(Vec::new, |word| text(&word.text)),
        "alias" => alias(arguments),
        "ansible" => launch::ansible(arguments),
        "salt" | "salt-ssh" | "salt-call" => launch::salt(arguments),
        "su" | "runuser" => su(arguments),
        "sudo" | "sudo-rs" if runs_shell(arguments) => {
            by_wrapper(program, arguments).map_or_else(Vec::new, launch::text_or_words)
        }
        "watch" => after_operands(&WATCH, arguments, 0).map_or_else(Vec::new, text_of),
        "script" => option_text(arguments, "c"),
        "flatpak" if names_any(arguments, &["run"]) => launch::flatpak(arguments),
        "ip" => ip_netns(arguments),
        "env" => split_string(arguments).unwrap_or_else(|| by_table(program, arguments)),
        "flock" if names_any(arguments, &["-c", "--command"]) => command_text(arguments),
        "command" if names_any(arguments, &["-v", "-V"]) => Vec::new(),
        "and" | "or" | "not" | "begin" | "if" | "while" | "else" if dialect == Dialect::Fish => words(arguments),
        "fab" => launch::after_dashes(arguments).map_or_else(Vec::new, text_of),
        "capsh" => launch::after_dashes(arguments).map_or_else(Vec::new, |rest| option_text(rest, "c")),
        "start-stop-daemon" => launch::start_stop_daemon(arguments),
        "tmux" | "screen" => launch::multiplexer(program, arguments),
        "xterm" | "urxvt" | "konsole" | "gnome-terminal" | "xfce4-terminal" | "alacritty" | "kitty" | "foot" => {
            launch::terminal(arguments)
        }
        "parallel" | "rush" => launch::parallel(arguments),
        _ if is_shell(program) => shell(program, arguments),
        _ => by_table(program, arguments),
    }
}

/// What the tables know: options that run their values, and what follows the options or a subcommand.
fn by_table(program: &str, arguments: &[Word]) -> Vec<Inside> {
    let options_of = if program == "autossh" { "ssh" } else { program };
    let mut found = launch::options_that_run(options_of, arguments);
    let command = by_wrapper(program, arguments)
        .map(words)
        .or_else(|| launch::launched(program, arguments))
        .or_else(|| remote(program, arguments));
    found.extend(command.unwrap_or_else(|| code::inside(program, arguments)));
    found
}

/// `sh -c TEXT NAME ARGUMENT...`
fn shell(program: &str, arguments: &[Word]) -> Vec<Inside> {
    let Some(position) = text_operand(arguments, "c") else {
        return Vec::new();
    };
    let (Some(word), Some(rest)) = (arguments.get(position), arguments.get(position + 1..)) else {
        return Vec::new();
    };
    let known = |word: &Word| word.constant.then(|| word.text.clone());
    let name = rest.first().map_or_else(|| Some(program.to_owned()), known);
    let given = rest.iter().skip(1).map(known);
    let positions = std::iter::once(name).chain(given).collect();
    if word.text.trim().is_empty() {
        return Vec::new();
    }
    vec![Inside::Text(word.text.clone(), positions)]
}

/// What a wrapper of the table wraps; `None` where the program is none.
fn by_wrapper<'a>(program: &str, arguments: &'a [Word]) -> Option<&'a [Word]> {
    let wrapper = WRAPPERS.iter().find(|wrapper| wrapper.names.contains(&program))?;
    Some(after_operands(wrapper, arguments, wrapper.operands).unwrap_or_default())
}

/// `ssh HOST COMMAND`, `pdsh -w HOSTS COMMAND`.
fn remote(program: &str, arguments: &[Word]) -> Option<Vec<Inside>> {
    let remote = REMOTES.iter().find(|remote| remote.names.contains(&program))?;
    Some(after_operands(remote, arguments, remote.operands).map_or_else(Vec::new, text_of))
}

/// Whether `sudo` is told to hand the command to a shell.
fn runs_shell(arguments: &[Word]) -> bool {
    let own = own_options(arguments, SUDO_VALUES);
    has_flag(own, "is", SUDO_VALUES) || names_any(own, &["--login", "--shell"])
}

pub(super) fn words(words: &[Word]) -> Vec<Inside> {
    if words.is_empty() {
        Vec::new()
    } else {
        vec![Inside::Words(words.to_vec())]
    }
}

pub(super) fn text(text: &str) -> Vec<Inside> {
    if text.trim().is_empty() {
        Vec::new()
    } else {
        vec![Inside::Text(text.to_owned(), Vec::new())]
    }
}

/// The words joined, as `eval`, `ssh` and `watch` do before a shell reads them.
pub(super) fn text_of(words: &[Word]) -> Vec<Inside> {
    text(&joined(words))
}

fn joined(words: &[Word]) -> String {
    words
        .iter()
        .map(|word| word.text.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

/// What follows a wrapper's options and `operands` operands.
pub(super) fn after_operands<'a>(wrapper: &Wrapper, arguments: &'a [Word], operands: usize) -> Option<&'a [Word]> {
    let mut rest = skip_options(wrapper, arguments);
    for _ in 0..operands {
        rest = skip_options(wrapper, rest.get(1..)?);
    }
    Some(rest)
}

/// What follows the options (and assignments, if the wrapper takes them) at the start of `arguments`.
pub(super) fn skip_options<'a>(wrapper: &Wrapper, arguments: &'a [Word]) -> &'a [Word] {
    let mut rest = arguments;
    while let Some(word) = rest.first() {
        let length = match option_length(wrapper, &word.text) {
            0 => break,
            length => length,
        };
        rest = rest.get(length..).unwrap_or_default();
        if word.text == "--" {
            break;
        }
    }
    rest
}

/// How many words an option takes, its value included; 0 if `word` is none.
fn option_length(wrapper: &Wrapper, word: &str) -> usize {
    if let Some(name) = word.strip_prefix("--") {
        return 1 + usize::from(!name.is_empty() && wrapper.long.contains(&word));
    }
    match word.strip_prefix('-') {
        Some(flags) => 1 + usize::from(takes_next(wrapper.short, flags)),
        None => usize::from(wrapper.assignments && is_assignment(word)),
    }
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| is_name(name))
}

/// Every command in `-exec ... ;`, `-exec ... +`, `-ok`, `-execdir` and `fd -x`.
fn find(arguments: &[Word]) -> Vec<Inside> {
    let starts = |word: &Word| {
        matches!(
            word.text.as_str(),
            "-exec" | "-execdir" | "-ok" | "-okdir" | "-x" | "-X" | "--exec" | "--exec-batch"
        )
    };
    let mut found = Vec::new();
    let mut rest = arguments;
    while let Some(position) = rest.iter().position(starts) {
        rest = rest.get(position + 1..).unwrap_or_default();
        let length = rest
            .iter()
            .position(|word| matches!(word.text.as_str(), ";" | "+"))
            .unwrap_or(rest.len());
        let (command, after) = rest.split_at_checked(length).unwrap_or_default();
        found.extend(words(command));
        rest = after;
    }
    found
}

/// The text that follows the first short option with `letter` in it: `bash -lc TEXT`, `script -qc TEXT`.
///
/// For a shell, options may stand between `-c` and its text.
fn option_text(arguments: &[Word], letter: &str) -> Vec<Inside> {
    let operand = text_operand(arguments, letter).and_then(|position| arguments.get(position));
    operand.map_or_else(Vec::new, |word| text(&word.text))
}

/// The word behind `-c` or `--command`, wherever that stands.
fn command_text(arguments: &[Word]) -> Vec<Inside> {
    let mut words = arguments.iter();
    words.find(|word| matches!(word.text.as_str(), "-c" | "--command"));
    words.next().map_or_else(Vec::new, |word| text(&word.text))
}

fn text_operand(arguments: &[Word], letter: &str) -> Option<usize> {
    let is_cluster = |word: &Word| {
        word.text == "--command"
            || (word.text.starts_with('-') && !word.text.starts_with("--") && word.text.contains(letter))
    };
    let position = first_options(arguments).iter().position(is_cluster)? + 1;
    let mut after = arguments.get(position..)?.iter();
    let options = after.position(|word| !word.text.starts_with(['-', '+']) || word.text.contains(' '))?;
    Some(position + options)
}

/// The words up to the first operand that cannot be an option's value.
pub(super) fn first_options(arguments: &[Word]) -> &[Word] {
    let mut after_value_option = false;
    let end = arguments.iter().position(|word| {
        let is_option = word.text.starts_with(['-', '+']);
        let ends = !is_option && !after_value_option;
        after_value_option = matches!(
            word.text.as_str(),
            "-o" | "+o" | "-O" | "+O" | "--rcfile" | "--init-file"
        );
        ends
    });
    arguments.get(..end.unwrap_or(arguments.len())).unwrap_or_default()
}

/// `su USER -c TEXT`, `runuser -u USER -- COMMAND`.
fn su(arguments: &[Word]) -> Vec<Inside> {
    let attached = |word: &Word| {
        let in_cluster = || cluster(&word.text)?.strip_prefix('c').filter(|text| !text.is_empty());
        let attached = word.text.strip_prefix("--command=").or_else(in_cluster);
        attached.map(text)
    };
    if let Some(found) = arguments.iter().find_map(attached) {
        return found;
    }
    let is_command = |word: &Word| {
        word.text == "--command"
            || (word.text.starts_with('-') && !word.text.starts_with("--") && word.text.ends_with('c'))
    };
    if let Some(position) = arguments.iter().position(is_command) {
        return arguments
            .get(position + 1)
            .map_or_else(Vec::new, |word| text(&word.text));
    }
    let by_option = arguments
        .iter()
        .any(|word| matches!(word.text.as_str(), "-u" | "--user"));
    let command = if by_option {
        after_operands(&RUNUSER, arguments, 0)
    } else {
        None
    };
    command.map_or_else(Vec::new, words)
}

/// What an alias stands for counts as run: whether it is used later cannot be known.
fn alias(arguments: &[Word]) -> Vec<Inside> {
    let values = arguments.iter().filter_map(|word| word.text.split_once('='));
    values.flat_map(|(_, value)| text(value)).collect()
}

/// `env -S 'TEXT'`, `env -iS TEXT`.
fn split_string(arguments: &[Word]) -> Option<Vec<Inside>> {
    let attached = |word: &'_ Word| {
        let letters = word.text.strip_prefix('-')?.trim_start_matches(['i', 'v', '0']);
        let text = word
            .text
            .strip_prefix("--split-string=")
            .or_else(|| letters.strip_prefix('S'));
        let text = text.or_else(|| (word.text == "--split-string").then_some(""));
        text.map(str::to_owned)
    };
    let position = arguments.iter().position(|word| attached(word).is_some())?;
    let rest = arguments.get(position + 1..)?;
    let attached = arguments.get(position).and_then(attached)?;
    Some(text(&format!("{attached} {}", joined(rest))))
}

/// `ip netns exec NAME COMMAND`.
fn ip_netns(arguments: &[Word]) -> Vec<Inside> {
    let position = arguments.windows(2).position(|pair| {
        let texts: Vec<&str> = pair.iter().map(|word| word.text.as_str()).collect();
        matches!(texts.as_slice(), ["netns" | "vrf", "exec"])
    });
    position
        .and_then(|position| arguments.get(position + 3..))
        .map_or_else(Vec::new, words)
}

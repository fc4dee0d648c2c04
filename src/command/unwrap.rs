//! What a wrapper would run: `sudo`, `env`, `xargs`, `find -exec`, `sh -c`, `ssh host ...`.

use super::code;
use super::launch;
use super::options::{names_any, takes_next};
use super::token::is_name;
use super::wrappers::{CONTAINER, RUNUSER, SSH, WATCH, WRAPPERS, Wrapper};
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
        "ansible" => ansible(arguments),
        "su" | "runuser" => su(arguments),
        "ssh" | "autossh" | "mosh" => ssh(arguments),
        "watch" => after_operands(&WATCH, arguments, 0).map_or_else(Vec::new, text_of),
        "script" => option_text(arguments, "c"),
        "docker" | "podman" | "nerdctl" | "kubectl" | "oc" | "lxc" | "docker-compose" => container(arguments),
        "ip" => ip_netns(arguments),
        "env" => split_string(arguments).unwrap_or_else(|| by_table(program, arguments).unwrap_or_default()),
        "flock" if names_any(arguments, &["-c", "--command"]) => command_text(arguments),
        "command" if names_any(arguments, &["-v", "-V"]) => Vec::new(),
        "and" | "or" | "not" | "begin" | "if" | "while" | "else" if dialect == Dialect::Fish => words(arguments),
        "capsh" => launch::after_dashes(arguments).map_or_else(Vec::new, |rest| option_text(rest, "c")),
        "start-stop-daemon" => launch::start_stop_daemon(arguments),
        "tmux" | "screen" => launch::multiplexer(program, arguments),
        "xterm" | "urxvt" | "konsole" | "gnome-terminal" | "xfce4-terminal" | "alacritty" | "kitty" | "foot" => {
            launch::terminal(arguments)
        }
        "parallel" | "rush" => launch::parallel(arguments),
        "git" | "rsync" | "tar" | "socat" | "scp" | "sftp" | "nc" | "ncat" | "zip" => {
            launch::options_that_run(program, arguments)
        }
        _ if is_shell(program) => shell(program, arguments),
        _ => by_table(program, arguments).unwrap_or_else(|| code::inside(program, arguments)),
    }
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

/// `None` where the program is no wrapper of the table.
fn by_table(program: &str, arguments: &[Word]) -> Option<Vec<Inside>> {
    let wrapper = WRAPPERS.iter().find(|wrapper| wrapper.names.contains(&program))?;
    let command = after_operands(wrapper, arguments, wrapper.operands);
    Some(command.map_or_else(Vec::new, words))
}

/// `ssh HOST COMMAND`, and the commands in its options.
fn ssh(arguments: &[Word]) -> Vec<Inside> {
    let mut found = after_operands(&SSH, arguments, 1).map_or_else(Vec::new, text_of);
    found.extend(launch::options_that_run("ssh", arguments));
    found
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
fn skip_options<'a>(wrapper: &Wrapper, arguments: &'a [Word]) -> &'a [Word] {
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
fn first_options(arguments: &[Word]) -> &[Word] {
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
    let is_command = |word: &Word| {
        word.text == "--command"
            || (word.text.starts_with('-') && !word.text.starts_with("--") && word.text.ends_with('c'))
    };
    if let Some(position) = arguments.iter().position(is_command) {
        return arguments
            .get(position + 1)
            .map_or_else(Vec::new, |word| text(&word.text));
    }
    if let Some(attached) = arguments.iter().find_map(|word| word.text.strip_prefix("--command=")) {
        return text(attached);
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

/// `ansible HOSTS -m shell -a TEXT`; without `-m` the module is `command`.
fn ansible(arguments: &[Word]) -> Vec<Inside> {
    let value = |short: &str, long: &str| {
        let position = arguments
            .iter()
            .position(|word| word.text == short || word.text == long)?;
        arguments.get(position + 1).map(|word| word.text.as_str())
    };
    let module = value("-m", "--module-name").unwrap_or("command");
    let runs_text = matches!(module.rsplit('.').next(), Some("shell" | "command" | "raw"));
    value("-a", "--args").filter(|_| runs_text).map_or_else(Vec::new, text)
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

/// `docker exec [OPTIONS] CONTAINER COMMAND`, `docker run [OPTIONS] IMAGE COMMAND`, `kubectl exec POD -- COMMAND`.
fn container(arguments: &[Word]) -> Vec<Inside> {
    let Some(position) = arguments
        .iter()
        .take(24)
        .position(|word| matches!(word.text.as_str(), "exec" | "run"))
    else {
        return Vec::new();
    };
    let after = arguments.get(position + 1..).unwrap_or_default();
    if let Some(dashes) = after.iter().position(|word| word.text == "--") {
        return words(after.get(dashes + 1..).unwrap_or_default());
    }
    let is_exec = arguments.get(position).is_some_and(|word| word.text == "exec");
    let after_name = || after_operands(&CONTAINER, after, 0).and_then(|rest| rest.get(1..));
    // Behind the name of an image, options are the image's own.
    let command = if is_exec {
        after_operands(&CONTAINER, after, 1)
    } else {
        after_name()
    };
    command.map_or_else(Vec::new, words)
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

//! Programs that run a command in a way of their own: in an option, in a new terminal, once for each input.

use super::Word;
use super::decode::MAX_OUTPUT;
use super::options::{has_flag, value};
use super::unwrap::{Inside, after_operands, skip_options, text, text_of, words};
use super::wrappers::{LAUNCHERS, Wrapper};

/// Most words among which a subcommand is looked for.
const MAX_BEFORE_VERB: usize = 24;
/// Options of `ansible` that take a value.
const ANSIBLE_VALUES: &str = "aBcefiIlmMPstTu";

/// Options of tmux and screen that take a value.
const TMUX: Wrapper = Wrapper {
    short: "cefFLnsStxyT",
    ..Wrapper::PLAIN
};
const SCREEN: Wrapper = Wrapper {
    short: "cehpsStT",
    ..Wrapper::PLAIN
};
const PARALLEL: Wrapper = Wrapper {
    short: "jNnIasLSPdC",
    long: &[
        "--jobs",
        "--arg-file",
        "--colsep",
        "--delimiter",
        "--joblog",
        "--results",
        "--sshlogin",
        "--timeout",
    ],
    ..Wrapper::PLAIN
};
const TMUX_COMMANDS: &[&str] = &[
    "new",
    "new-session",
    "new-window",
    "neww",
    "split-window",
    "splitw",
    "respawn-pane",
    "respawn-window",
    "run-shell",
    "run",
    "if-shell",
    "pipe-pane",
    "display-popup",
    "popup",
];

/// What follows `--`.
pub(super) fn after_dashes(arguments: &[Word]) -> Option<&[Word]> {
    let position = arguments.iter().position(|word| word.text == "--")?;
    arguments.get(position + 1..)
}

/// `tmux new-session -d COMMAND`, `screen -dm COMMAND`: one word is a text for a shell, several are a command.
pub(super) fn multiplexer(program: &str, arguments: &[Word]) -> Vec<Inside> {
    let (options, rest) = if program == "tmux" {
        let place = arguments
            .iter()
            .position(|word| TMUX_COMMANDS.contains(&word.text.as_str()));
        let Some(place) = place else { return Vec::new() };
        (&TMUX, arguments.get(place + 1..).unwrap_or_default())
    } else if arguments
        .iter()
        .any(|word| matches!(word.text.as_str(), "-x" | "-X" | "-r" | "-ls" | "-R"))
    {
        return Vec::new();
    } else {
        (&SCREEN, arguments)
    };
    text_or_words(after_operands(options, rest, 0).unwrap_or_default())
}

/// One word with blanks in it as a text for a shell, others as a command.
pub(super) fn text_or_words(command: &[Word]) -> Vec<Inside> {
    match command {
        [only] if only.text.contains(char::is_whitespace) => text(&only.text),
        several => words(several),
    }
}

/// `xterm -e COMMAND`, `gnome-terminal -- COMMAND`.
pub(super) fn terminal(arguments: &[Word]) -> Vec<Inside> {
    let position = arguments
        .iter()
        .position(|word| matches!(word.text.as_str(), "-e" | "-x" | "--" | "--command"));
    let command = position.and_then(|position| arguments.get(position + 1..));
    text_or_words(command.unwrap_or_default())
}

/// `start-stop-daemon --start --exec PROGRAM -- ARGUMENTS`.
pub(super) fn start_stop_daemon(arguments: &[Word]) -> Vec<Inside> {
    let position = arguments
        .iter()
        .position(|word| matches!(word.text.as_str(), "--exec" | "-x" | "--startas" | "-a"));
    let Some(program) = position.and_then(|position| arguments.get(position + 1)) else {
        return Vec::new();
    };
    let rest = after_dashes(arguments).unwrap_or_default();
    words(&[std::slice::from_ref(program), rest].concat())
}

/// `parallel COMMAND ::: INPUT...`: the command with each of its inputs; inputs alone are texts for a shell.
pub(super) fn parallel(arguments: &[Word]) -> Vec<Inside> {
    let place = arguments
        .iter()
        .position(|word| matches!(word.text.as_str(), ":::" | ":::+"))
        .unwrap_or(arguments.len());
    let (before, inputs) = arguments.split_at_checked(place).unwrap_or_default();
    let command = after_operands(&PARALLEL, before, 0).unwrap_or_default();
    let inputs = inputs.get(1..).unwrap_or_default();
    if command.is_empty() {
        return inputs.iter().take(16).flat_map(|input| text(&input.text)).collect();
    }
    if inputs.is_empty() {
        return text_or_words(command);
    }
    let each = inputs.iter().take(16);
    each.flat_map(|input| with_input(command, &input.text).map_or_else(|| vec![Inside::Unknown], |line| text(&line)))
        .collect()
}

/// The command with one input; `None` where that is longer than [`MAX_OUTPUT`].
fn with_input(command: &[Word], input: &str) -> Option<String> {
    let texts: Vec<&str> = command.iter().map(|word| word.text.as_str()).collect();
    let joined = texts.join(" ");
    let marks = joined.matches("{}").count();
    if marks.saturating_mul(input.len()) > MAX_OUTPUT {
        return None;
    }
    Some(if marks > 0 {
        joined.replace("{}", input)
    } else {
        format!("{joined} {input}")
    })
}

/// `docker exec CONTAINER COMMAND`, `kubectl exec POD -- COMMAND`; `None` where the program is no launcher.
pub(super) fn launched(program: &str, arguments: &[Word]) -> Option<Vec<Inside>> {
    let launcher = LAUNCHERS.iter().find(|launcher| launcher.programs.contains(&program))?;
    let after = behind(launcher.verbs, arguments).unwrap_or_default();
    let own = skip_options(&launcher.own, after);
    let command = own.get(launcher.own.operands..).unwrap_or_default();
    let mut found = after_dashes(after).map_or_else(Vec::new, words);
    // `kubectl exec POD -i COMMAND`: behind the name of an image they would be the image's own.
    let takes_options_behind = found.is_empty() && matches!(program, "kubectl" | "oc");
    let command = if takes_options_behind {
        skip_options(&launcher.own, command)
    } else {
        command
    };
    // Dashes may be the command's own, and options may follow the operands.
    let is_command = command
        .first()
        .is_some_and(|word| found.is_empty() || !word.text.starts_with('-'));
    if is_command {
        found.extend(words(command));
    }
    Some(found)
}

/// What stands behind one of some subcommands.
fn behind<'a>(verbs: &[&str], arguments: &'a [Word]) -> Option<&'a [Word]> {
    let mut first = arguments.iter().take(MAX_BEFORE_VERB);
    let position = first.position(|word| verbs.contains(&word.text.as_str()))?;
    arguments.get(position + 1..)
}

/// `flatpak run --command=PROGRAM APPLICATION ARGUMENT...`
pub(super) fn flatpak(arguments: &[Word]) -> Vec<Inside> {
    let own = behind(&["run"], arguments).unwrap_or_default();
    let program = own.iter().find_map(|word| word.text.strip_prefix("--command="));
    let rest = after_operands(&Wrapper::PLAIN, own, 0).and_then(|rest| rest.get(1..));
    match (program, rest) {
        (Some(program), Some(rest)) => words(&[&[Word::computed(program.to_owned())], rest].concat()),
        _ => Vec::new(),
    }
}

/// `ansible HOSTS -m shell -a TEXT`; without `-m` the module is `command`.
pub(super) fn ansible(arguments: &[Word]) -> Vec<Inside> {
    let module = value(arguments, 'm', "--module-name", ANSIBLE_VALUES).unwrap_or("command");
    let runs_text = matches!(
        module.rsplit('.').next(),
        Some("shell" | "command" | "raw" | "win_shell" | "win_command" | "expect")
    );
    let Some(given) = value(arguments, 'a', "--args", ANSIBLE_VALUES).filter(|_| runs_text) else {
        return Vec::new();
    };
    let mut found = text(given);
    found.extend(named_command(given).into_iter().flat_map(text));
    found
}

/// The value of `cmd=` among the arguments of a module.
fn named_command(given: &str) -> Option<&str> {
    let (before, value) = given.split_once("cmd=")?;
    let quote = value.chars().next().filter(|first| matches!(first, '\'' | '"'));
    let value = match quote {
        Some(quote) => value.get(1..)?.split(quote).next()?,
        None => value,
    };
    (before.is_empty() || before.ends_with(char::is_whitespace)).then_some(value)
}

/// `salt TARGET cmd.run TEXT`, `salt-ssh -r TARGET TEXT`.
pub(super) fn salt(arguments: &[Word]) -> Vec<Inside> {
    let function = arguments.iter().position(|word| word.text.starts_with("cmd."));
    let command = match function {
        Some(function) => arguments.get(function + 1),
        None if has_flag(arguments, "r", "") => arguments.last(),
        None => None,
    };
    let text_of_word = |word: &Word| text(word.text.strip_prefix("cmd=").unwrap_or(&word.text));
    command.map_or_else(Vec::new, text_of_word)
}

/// Options whose values a program runs, by what stands before the command in them.
const RUNNING_OPTIONS: &[(&str, &str)] = &[
    ("git", "alias."),
    ("git", "core.pager="),
    ("git", "core.editor="),
    ("git", "core.sshCommand="),
    ("git", "core.fsmonitor="),
    ("tar", "--checkpoint-action=exec="),
    ("tar", "--to-command="),
    ("tar", "--use-compress-program="),
    ("tar", "--rsh-command="),
    ("rsync", "--rsh="),
    ("ssh", "ProxyCommand="),
    ("ssh", "-oProxyCommand="),
    ("ssh", "LocalCommand="),
    ("ssh", "-oLocalCommand="),
    ("scp", "ProxyCommand="),
    ("scp", "-oProxyCommand="),
    ("sftp", "ProxyCommand="),
    ("gcloud", "--command="),
    ("vagrant", "--command="),
    ("flyctl", "--command="),
    ("fly", "--command="),
    ("socat", "EXEC:"),
    ("socat", "exec:"),
    ("socat", "SYSTEM:"),
    ("socat", "system:"),
];

/// Options whose next word a program runs.
const RUNNING_NEXT: &[(&str, &[&str])] = &[
    ("rsync", &["-e", "--rsh"]),
    ("tar", &["-I", "--to-command", "--use-compress-program"]),
    ("scp", &["-S"]),
    ("nc", &["-e", "-c", "--exec", "--sh-exec"]),
    ("ncat", &["-e", "-c", "--exec", "--sh-exec"]),
    ("zip", &["-TT"]),
    ("gcloud", &["--command"]),
    ("vagrant", &["-c", "--command"]),
    ("fly", &["-C", "--command"]),
    ("flyctl", &["-C", "--command"]),
    ("nix-shell", &["--run", "--command"]),
    ("mussh", &["-c"]),
    ("bolt", &["run"]),
];

/// What a program runs of the values of its options, besides what else it does.
pub(super) fn options_that_run(program: &str, arguments: &[Word]) -> Vec<Inside> {
    let marks: Vec<&str> = RUNNING_OPTIONS
        .iter()
        .filter(|(name, _)| *name == program)
        .map(|(_, mark)| *mark)
        .collect();
    let next = RUNNING_NEXT.iter().find(|(name, _)| *name == program);
    if marks.is_empty() && next.is_none() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (index, word) in arguments.iter().enumerate() {
        for mark in &marks {
            found.extend(word.text.strip_prefix(mark).map(|value| command_of(mark, value)));
        }
        if next.is_some_and(|(_, options)| options.contains(&word.text.as_str())) {
            found.extend(arguments.get(index + 1).map(|word| text_of(std::slice::from_ref(word))));
        }
    }
    found.into_iter().flatten().collect()
}

/// The command in an option's value: of an alias of git behind its name and a `!`, of socat up to its own options.
fn command_of(mark: &str, value: &str) -> Vec<Inside> {
    match mark {
        "alias." => value
            .split_once("=!")
            .map_or_else(Vec::new, |(_, command)| text(command)),
        "EXEC:" | "exec:" | "SYSTEM:" | "system:" => text(value.split(',').next().unwrap_or(value)),
        _ => text(value.trim_start_matches('!')),
    }
}

//! Whether a line leaves its terminal to something that reads further commands from it.

use super::options::{has_flag, names_any};
use super::unwrap::{is_shell, unwrap};
use super::{Origin, Redirection, Script, SimpleCommand, Word};

/// What a line opens on its terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opens {
    /// Another interactive shell: `bash`, `su -`, `sudo -i`, `ssh host`, `docker exec -it app sh`.
    Shell,
    /// Shells that share the terminal: `tmux`, `screen`.
    Multiplexer,
    /// Whatever a container or a console has to offer: `docker run -it image`, `virsh console`.
    Console,
    /// What was stopped before, which may be any of these: `fg`.
    Stopped,
}

/// What a line opens on its terminal, as far as its text tells; the gravest where it opens more than one thing.
#[must_use]
pub fn opens(script: &Script) -> Option<Opens> {
    let has_terminal = |command: &&SimpleCommand| command.origin != Origin::Substitution && !is_fed(command);
    let found: Vec<Opens> = script
        .commands
        .iter()
        .filter(has_terminal)
        .filter_map(|command| opened_by(command, script))
        .collect();
    [Opens::Multiplexer, Opens::Console, Opens::Shell, Opens::Stopped]
        .into_iter()
        .find(|opens| found.contains(opens))
}

/// Whether its standard input is something else than the terminal.
fn is_fed(command: &SimpleCommand) -> bool {
    let reads = |redirection: &&Redirection| redirection.operator.starts_with('<') && redirection.operator != "<>";
    let input = command.redirections.iter().rfind(reads);
    input.map_or(command.stage > 0, |input| !is_terminal(input))
}

/// Whether an input is the terminal after all, by name or as one of the descriptors that have it.
fn is_terminal(input: &Redirection) -> bool {
    let target = input.target.text.as_str();
    match input.operator.as_str() {
        "<&" => target != "-",
        "<" => {
            let names = [
                "/dev/tty",
                "/dev/pts/",
                "/dev/std",
                "/dev/fd/",
                "/dev/console",
                "/proc/",
            ];
            !input.target.constant || names.iter().any(|name| target.starts_with(name))
        }
        _ => false,
    }
}

fn opened_by(command: &SimpleCommand, script: &Script) -> Option<Opens> {
    let Some(program) = command.program() else {
        return is_own_shell(command).then_some(Opens::Shell);
    };
    let arguments = command.arguments();
    let wraps_nothing = || unwrap(command, script.dialect).is_empty();
    match program {
        "tmux" => attaches(arguments).then_some(Opens::Multiplexer),
        "screen" => (!stays_aside(arguments)).then_some(Opens::Multiplexer),
        "zellij" | "dtach" | "abduco" | "mosh" | "dvtm" | "tmate" | "shpool" => Some(Opens::Multiplexer),
        byobu if byobu.starts_with("byobu") => Some(Opens::Multiplexer),
        "docker" | "podman" | "nerdctl" | "kubectl" | "oc" | "docker-compose" if wraps_nothing() => {
            names_any(arguments, &["attach", "run", "debug"]).then_some(Opens::Console)
        }
        "virsh" | "xl" => names_any(arguments, &["console"]).then_some(Opens::Console),
        "picocom" | "minicom" | "cu" | "telnet" => Some(Opens::Console),
        "fg" => Some(Opens::Stopped),
        job if job.starts_with('%') => Some(Opens::Stopped),
        _ => opens_shell(program, arguments, wraps_nothing).then_some(Opens::Shell),
    }
}

/// Whether it runs the shell that the environment names.
fn is_own_shell(command: &SimpleCommand) -> bool {
    let program = command.words.first().map(|word| word.text.as_str());
    matches!(program, Some("$SHELL" | "${SHELL}")) && is_interactive(command.arguments())
}

/// Whether a program opens a shell where it is given no command.
pub(super) fn opens_shell(program: &str, arguments: &[Word], wraps_nothing: impl Fn() -> bool) -> bool {
    if is_shell(program) {
        return is_interactive(arguments);
    }
    match program {
        "su" | "runuser" | "chroot" | "unshare" | "nsenter" | "script" | "fakeroot" => {
            wraps_nothing() && !only_tells(arguments)
        }
        "ssh" | "autossh" => wraps_nothing() && !only_tells(arguments) && !has_flag(arguments, "NWOGQTf", SSH_VALUES),
        "sudo" | "sudo-rs" | "doas" => {
            wraps_nothing() && (has_flag(arguments, "is", "") || names_any(arguments, &["--login", "--shell"]))
        }
        "pkexec" => wraps_nothing() && !only_tells(arguments),
        "newgrp" | "sg" | "login" | "nix-shell" | "ttyrec" => true,
        "asciinema" => names_any(arguments, &["rec"]),
        "lxc" | "incus" | "machinectl" | "multipass" | "poetry" | "pipenv" => names_any(arguments, &["shell"]),
        "vagrant" | "gcloud" => names_any(arguments, &["ssh"]),
        "toolbox" | "distrobox" => names_any(arguments, &["enter"]),
        "aws" => names_any(arguments, &["start-session"]),
        _ => false,
    }
}

/// Subcommands of tmux that draw nothing.
const TMUX_ASIDE: &[&str] = &[
    "ls",
    "list-sessions",
    "list-windows",
    "list-panes",
    "list-keys",
    "list-commands",
    "kill-server",
    "kill-session",
    "kill-window",
    "kill-pane",
    "send-keys",
    "send",
    "set",
    "set-option",
    "setw",
    "show",
    "show-options",
    "display",
    "display-message",
    "capture-pane",
    "capturep",
    "has",
    "has-session",
    "rename-session",
    "rename",
    "info",
];

/// Arguments with which screen lists, commands or starts in the background.
const SCREEN_ASIDE: &[&str] = &["-ls", "-list", "-wipe", "-v", "-X", "-Q", "-dm", "-dmS", "-Dm", "-DmS"];

/// Flags of ssh whose value may follow in the same word.
const SSH_VALUES: &str = "BbcDEeFIiJLlmopRSw";

/// Options of tmux whose value is the next word.
const TMUX_VALUES: &[&str] = &["-L", "-S", "-f", "-c", "-T"];

/// Whether a tmux takes the terminal: its first operand is no subcommand that goes about its work aside.
fn attaches(arguments: &[Word]) -> bool {
    // A second command may attach, whatever the first is.
    if arguments.iter().any(|word| word.text.ends_with(';')) {
        return true;
    }
    let value_of = |at: usize| at.checked_sub(1).and_then(|before| arguments.get(before));
    let is_value = |at| value_of(at).is_some_and(|option| TMUX_VALUES.contains(&option.text.as_str()));
    let subcommand = arguments
        .iter()
        .enumerate()
        .find(|(at, word)| !word.text.starts_with('-') && !is_value(*at))
        .map(|(_, word)| word);
    // `new -A` attaches to a session that is there, whatever else it is told.
    let detached = names_any(arguments, &["-d"])
        && !has_flag(arguments, "A", "cefFnstxy")
        && subcommand.is_some_and(|word| word.text.starts_with("new"));
    let only_tells = arguments.first().is_some_and(|word| word.text == "-V");
    !detached && !only_tells && !subcommand.is_some_and(|word| TMUX_ASIDE.contains(&word.text.as_str()))
}

/// Whether a screen leaves the terminal alone.
fn stays_aside(arguments: &[Word]) -> bool {
    names_any(arguments, SCREEN_ASIDE) || (names_any(arguments, &["-d", "-D"]) && names_any(arguments, &["-m"]))
}

/// A shell that has neither a text nor a file to run.
fn is_interactive(arguments: &[Word]) -> bool {
    let mut rest = arguments.iter();
    while let Some(word) = rest.next() {
        match word.text.as_str() {
            "--rcfile" | "--init-file" | "-C" | "--init-command" => drop(rest.next()),
            "-" | "--" => return rest.next().is_none(),
            "--version" | "--help" | "--command" => return false,
            long if long.starts_with("--") => {}
            short if short.starts_with(['-', '+']) => match short {
                _ if short.contains('c') => return false,
                _ if short.contains('s') => return true,
                // `-euo pipefail`
                _ if short.ends_with(['o', 'O']) => drop(rest.next()),
                _ => {}
            },
            _ => return false,
        }
    }
    true
}

/// Asks for a version or help, and nothing more.
fn only_tells(arguments: &[Word]) -> bool {
    names_any(arguments, &["-V", "--version", "-h", "--help"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::parse;
    use crate::domain::Dialect;

    fn opened(line: &str) -> Option<Opens> {
        opens(&parse(line, Dialect::Bash))
    }

    #[test]
    fn these_open_a_shell() {
        for line in [
            "bash",
            "bash --norc",
            "bash --rcfile /dev/null -i",
            "bash -uo pipefail",
            "bash -l",
            "exec zsh",
            "command fish",
            "env -i dash",
            "sh -s",
            "su",
            "su -",
            "su - bob",
            "sudo -i",
            "sudo -s",
            "sudo -iu bob",
            "sudo su -",
            "sudo -u bob bash",
            "sudo chroot /mnt",
            "chroot /mnt /bin/sh",
            "ssh third",
            "ssh -p 2222 bob@third",
            "ssh -t third sudo -i",
            "docker exec -it app bash",
            "docker exec -it -u root app sh",
            "kubectl exec -it pod -- bash",
            "kubectl -n x exec -it pod -- sh",
            "unshare -mpf --mount-proc sh -i",
            "unshare -r",
            "nsenter -t 1 -m -u -i -n -p",
            "cd /x && bash",
            "newgrp wheel",
            "script /tmp/typescript",
            "ssh -oConnectTimeout=5 third",
            "ssh -lfrank third",
            "bash < /dev/tty",
            "true | bash </dev/pts/0",
            "bash <&2",
            "$SHELL",
            "exec \"${SHELL}\" -l",
            "pkexec",
            "fg; bash",
        ] {
            assert_eq!(opened(line), Some(Opens::Shell), "{line}");
        }
    }

    #[test]
    fn these_do_not() {
        for line in [
            "ls",
            "bash -c 'ls'",
            "bash script.sh",
            "bash < script",
            "cat x | bash",
            "bash <<E\nls\nE",
            "bash --version",
            "su -c id",
            "sudo ls",
            "sudo -l",
            "sudo -v",
            "ssh third uptime",
            "ssh -N -L 1:x:2 third",
            "ssh -V",
            "docker ps",
            "docker exec app ls",
            "kubectl get pods",
            "echo bash",
            "grep bash /etc/passwd",
            "x=$(bash)",
            "tmux ls",
            "tmux kill-server",
            "tmux new -d -s x",
            "tmux -L work ls",
            "bash <&-",
            "$SHELL -c ls",
            "ssh -fN third",
            "tmux -V",
            "screen -ls",
            "screen -dmS x sleep 9",
            "screen -d -m sleep 9",
            "screen -S x -X quit",
            "asciinema play x.cast",
        ] {
            assert_eq!(opened(line), None, "{line}");
        }
    }

    #[test]
    fn what_shares_or_hides_its_shells_is_told_apart() {
        for line in [
            "tmux",
            "tmux attach",
            "tmux new -s x",
            "screen",
            "screen -r",
            "sudo tmux a",
            "tmux -L ls attach",
            "tmux ls \\; attach",
            "screen -Small",
            "screen -m",
            "screen -l",
            "screen -d -r work",
            "mosh third",
            "tmux -CC",
            "tmux -CC attach",
            "tmux new -A -d -s x",
            "tmux new -Ad -s x",
            "tmux new -s -V",
            "tmux source-file attach.conf",
            "exec tmux",
            "bash -lc 'tmux attach || tmux new'",
            "/opt/tmux/bin/tmux a",
            "zellij attach x",
            "byobu",
            "byobu-tmux",
            "dtach -A /tmp/x bash",
            "abduco -a x",
        ] {
            assert_eq!(opened(line), Some(Opens::Multiplexer), "{line}");
        }
        for line in ["docker run -it debian", "docker attach app", "virsh console vm"] {
            assert_eq!(opened(line), Some(Opens::Console), "{line}");
        }
    }

    #[test]
    fn what_was_stopped_comes_back() {
        for line in ["fg", "fg %2", "%1", "ls; fg", "%ssh"] {
            assert_eq!(opened(line), Some(Opens::Stopped), "{line}");
        }
        assert_eq!(opened("bg"), None);
    }
}

//! What is sent to a target to have a shell ask before it runs a line.
//!
//! The sources are the files below `hooks/`, one directory a shell: `gate` is the gate itself, `login` and `inner` place it
//! in a login shell and in one that runs already, `start.sh` turns a POSIX `sh` into that login shell.

use std::sync::LazyLock;

use super::probe::LoginShell;

/// Greets as sshd would, and then does what `start.sh` of the shell says.
const BOOTSTRAP: &str = include_str!("hooks/bootstrap.sh");

/// What is typed to an inner shell at its prompt.
const INNER_LINE: &str = include_str!("hooks/inner.sh");

/// The hook of one shell.
struct Hook {
    start: &'static str,
    login: &'static str,
    inner: &'static str,
    gate: &'static str,
}

const BASH: Hook = Hook {
    start: include_str!("hooks/bash/start.sh"),
    login: include_str!("hooks/bash/login.bash"),
    inner: include_str!("hooks/bash/inner.bash"),
    gate: include_str!("hooks/bash/gate.bash"),
};

const ZSH: Hook = Hook {
    start: include_str!("hooks/zsh/start.sh"),
    login: include_str!("hooks/zsh/login.zsh"),
    inner: include_str!("hooks/zsh/inner.zsh"),
    gate: include_str!("hooks/zsh/gate.zsh"),
};

const FISH: Hook = Hook {
    start: include_str!("hooks/fish/start.sh"),
    login: include_str!("hooks/fish/login.fish"),
    inner: include_str!("hooks/fish/inner.fish"),
    gate: include_str!("hooks/fish/gate.fish"),
};

/// A fish that is given a command to run reads its configuration first. The login shell, which will read it too, begins
/// with the environment from before, as it would without the detour; in fish's language.
const FISH_ENVIRONMENT: &str =
    "set -l e; test -r /proc/$fish_pid/environ; and set e -i (string split0 </proc/$fish_pid/environ); exec env $e";

const POSIX: Hook = Hook {
    start: include_str!("hooks/posix/start.sh"),
    login: include_str!("hooks/posix/login.sh"),
    inner: include_str!("hooks/posix/inner.sh"),
    gate: include_str!("hooks/posix/gate.sh"),
};

/// The hook for a shell; `None` where there is none.
const fn hook(shell: LoginShell) -> Option<&'static Hook> {
    match shell {
        LoginShell::Bash => Some(&BASH),
        LoginShell::Zsh => Some(&ZSH),
        LoginShell::Fish => Some(&FISH),
        LoginShell::Posix => Some(&POSIX),
        LoginShell::Restricted | LoginShell::Other => None,
    }
}

/// The command line of an exec request, on a PTY, that starts the login shell with its hook. It carries no secret.
///
/// Every login shell gets it as its `-c` argument, and they do not agree on backslashes and quotes within single quotes
/// (fish). So the script travels without either, as [`encode`] writes it.
pub(super) fn login(shell: LoginShell) -> Option<Vec<u8>> {
    let hook = hook(shell)?;
    let login = fill(hook.login, "@GATE@", hook.gate);
    let script = fill(BOOTSTRAP, "@START@", &fill(hook.start, "@LOGIN@", &login));
    let exec = if shell == LoginShell::Fish {
        FISH_ENVIRONMENT
    } else {
        "exec"
    };
    let command = format!(
        r#"{exec} sh -c 'eval "$(printf %s "$1" | tr "\140^" "\134\047")"' sh '{}'"#,
        encode(&script)
    );
    Some(command.into_bytes())
}

/// What is typed at the prompt of an inner shell, whichever it is: it answers with its name, and waits for [`inner`].
pub(super) fn inner_line() -> Vec<u8> {
    format!("{}\r", TYPED.as_str()).into_bytes()
}

static TYPED: LazyLock<String> = LazyLock::new(|| without_comments(INNER_LINE).trim_end().to_owned());

/// Whether a line is the one that the bastion types to place a hook in an inner shell.
#[must_use]
pub fn is_own_line(line: &[u8]) -> bool {
    line.trim_ascii() == TYPED.trim().as_bytes()
}

/// The code of an inner shell's hook, as the line that [`inner_line`] typed reads it over the silent terminal.
pub(super) fn inner(shell: LoginShell, nonce: &str) -> Option<Vec<u8>> {
    let hook = hook(shell)?;
    let code = fill(hook.inner, "@GATE@", hook.gate).replace("@NONCE@", nonce);
    Some([code.as_bytes(), NO_CODE].concat())
}

/// The end of the code of an inner shell's hook; by itself, no code.
pub(super) const NO_CODE: &[u8] = b".\n";

/// Puts one source into another, in the place of a line of its own.
fn fill(source: &str, placeholder: &str, part: &str) -> String {
    without_comments(source).replace(placeholder, without_comments(part).trim_end())
}

/// Whole-line comments are for the reader of the source.
fn without_comments(source: &str) -> String {
    source
        .lines()
        .filter(|line| !line.trim_start().starts_with('#') && !line.trim().is_empty())
        .fold(String::with_capacity(source.len()), |mut kept, line| {
            kept.push_str(line);
            kept.push('\n');
            kept
        })
}

/// Backslashes and single quotes as characters that the sources do not use.
fn encode(script: &str) -> String {
    script.replace('\\', "`").replace('\'', "^")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOOKED: [LoginShell; 4] = [LoginShell::Bash, LoginShell::Zsh, LoginShell::Fish, LoginShell::Posix];

    #[test]
    fn the_command_holds_the_whole_hook_and_fits_an_argument() {
        for shell in HOOKED {
            let command = String::from_utf8(login(shell).unwrap()).unwrap();
            assert!(command.contains("__opspilot_install"), "{shell:?}");
            for placeholder in ["@START@", "@LOGIN@", "@GATE@"] {
                assert!(!command.contains(placeholder), "{shell:?}: {placeholder}");
            }
            assert!(command.len() < 64 * 1024, "{shell:?}: {}", command.len());
        }
    }

    #[test]
    fn the_sources_leave_the_characters_of_the_encoding_alone() {
        for shell in HOOKED {
            let Hook { start, login, gate, .. } = hook(shell).unwrap();
            for source in [BOOTSTRAP, start, login, gate] {
                assert!(!without_comments(source).contains(['`', '^']), "{shell:?}");
            }
        }
    }

    #[test]
    fn the_code_for_an_inner_shell_fits_the_lines_of_a_terminal() {
        for shell in HOOKED {
            let code = String::from_utf8(inner(shell, "0011").unwrap()).unwrap();
            assert!(
                code.contains("0011") && !code.contains('@'.to_string().repeat(2).as_str()),
                "{shell:?}"
            );
            assert!(
                code.lines().all(|line| line.len() < 1000 && line.is_ascii()),
                "{shell:?}"
            );
            assert_eq!(code.lines().filter(|line| *line == ".").count(), 1, "{shell:?}");
        }
        assert!(inner_line().len() < 1000 && inner_line().starts_with(b" eval "));
    }

    #[test]
    fn a_fish_begins_with_the_environment_from_before() {
        assert!(login(LoginShell::Fish).unwrap().starts_with(b"set -l e;"));
        assert!(login(LoginShell::Bash).unwrap().starts_with(b"exec sh -c"));
    }

    #[test]
    fn the_line_that_is_typed_is_known_again() {
        assert!(is_own_line(&inner_line()) && is_own_line(inner_line().trim_ascii()));
        assert!(!is_own_line(b"eval") && !is_own_line(b""));
    }

    #[test]
    fn what_no_hook_is_there_for_has_no_command() {
        assert_eq!(login(LoginShell::Restricted), None);
        assert_eq!(inner(LoginShell::Restricted, "00"), None);
    }
}

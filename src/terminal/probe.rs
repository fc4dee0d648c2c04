//! Which login shell a target account has, learnt by one exec without a PTY.

use crate::domain::Dialect;

/// A login shell, as far as the bastion has to tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoginShell {
    /// bash 4.4 or newer: can be hooked.
    Bash,
    /// zsh.
    Zsh,
    /// fish 3.4 or newer: can be hooked.
    Fish,
    /// dash, ash, mksh, ksh, sh.
    Posix,
    /// A restricted shell: never touched.
    Restricted,
    /// Anything else, csh, bash before 4.4 and fish before 3.4 among them.
    Other,
}

impl LoginShell {
    /// A shell by its own variables `BASH_VERSION`, `ZSH_VERSION` and `FISH_VERSION`, of which it has one or none.
    #[must_use]
    pub fn by_versions(bash: &[u8], zsh: &[u8], fish: &[u8]) -> Self {
        match (bash, zsh, fish) {
            ([], [], []) => Self::Posix,
            (version, [], []) => bash_by_version(&String::from_utf8_lossy(version)),
            ([], _, []) => Self::Zsh,
            ([], [], version) => fish_by_version(&String::from_utf8_lossy(version)),
            _ => Self::Other,
        }
    }

    /// The language that its lines are written in.
    #[must_use]
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::Bash => Dialect::Bash,
            Self::Zsh => Dialect::Zsh,
            Self::Fish => Dialect::Fish,
            Self::Posix | Self::Restricted | Self::Other => Dialect::Sh,
        }
    }
}

/// The command line to run, without a PTY. `marker` is letters and digits, and never used twice.
///
/// Every login shell understands it; what only one of them knows stands in a string that only that one gets.
#[must_use]
pub fn command(marker: &str) -> String {
    format!(
        r#"echo {marker} $SHELL; sh -c 'case $SHELL in */bash) exec "$SHELL" -c "echo {marker}-bash \$BASH_VERSION \$-";; */fish) exec "$SHELL" -N -c "echo {marker}-fish \$version";; esac'"#
    )
}

/// Reads the probe's standard output. `None` without the marker: the account does not run commands as told.
#[must_use]
pub fn parse(output: &[u8], marker: &str) -> Option<LoginShell> {
    let output = String::from_utf8_lossy(output);
    let path = after(&output, marker)?.trim();
    let program = path.rsplit('/').next().unwrap_or(path);
    Some(match program {
        "bash" => bash(after(&output, &format!("{marker}-bash"))),
        "zsh" => LoginShell::Zsh,
        "fish" => fish_by_version(after(&output, &format!("{marker}-fish")).unwrap_or_default()),
        "sh" | "dash" | "ash" | "mksh" | "ksh" | "ksh93" | "yash" => LoginShell::Posix,
        restricted if restricted.starts_with('r') && restricted.ends_with("sh") => LoginShell::Restricted,
        _ => LoginShell::Other,
    })
}

/// What follows `marker` and a blank, on the first line that begins so.
fn after<'a>(output: &'a str, marker: &str) -> Option<&'a str> {
    output
        .lines()
        .find_map(|line| line.strip_prefix(marker)?.strip_prefix(' '))
}

/// A bash by its version and flags; without them it is not what it says.
fn bash(facts: Option<&str>) -> LoginShell {
    let mut facts = facts.unwrap_or_default().split_whitespace();
    let version = facts.next().unwrap_or_default();
    let flags = facts.next().unwrap_or_default();
    if flags.contains('r') {
        LoginShell::Restricted
    } else {
        bash_by_version(version)
    }
}

fn bash_by_version(version: &str) -> LoginShell {
    if major_and_minor(version) >= (4, 4) {
        LoginShell::Bash
    } else {
        LoginShell::Other
    }
}

fn fish_by_version(version: &str) -> LoginShell {
    if major_and_minor(version) >= (3, 4) {
        LoginShell::Fish
    } else {
        LoginShell::Other
    }
}

/// The first two numbers of a version; 0 for what is none.
fn major_and_minor(version: &str) -> (u32, u32) {
    let mut numbers = version.split('.').map_while(|number| number.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(output: &str) -> Option<LoginShell> {
        parse(output.as_bytes(), "k3y")
    }

    #[test]
    fn shells_are_told_by_name_and_bash_and_fish_by_version() {
        for (output, shell) in [
            ("k3y /bin/bash\nk3y-bash 5.2.15(1)-release hBc\n", LoginShell::Bash),
            ("k3y /usr/local/bin/bash\nk3y-bash 4.4.0 hBc\n", LoginShell::Bash),
            ("k3y /bin/bash\nk3y-bash 4.3.11 hBc\n", LoginShell::Other),
            ("k3y /bin/bash\nk3y-bash 10.0.1 hBc\n", LoginShell::Bash),
            ("k3y /usr/bin/zsh\n", LoginShell::Zsh),
            ("k3y /usr/bin/fish\nk3y-fish 3.6.0\n", LoginShell::Fish),
            ("k3y /usr/bin/fish\nk3y-fish 3.4.0-12-g8b1a\n", LoginShell::Fish),
            ("k3y /usr/bin/fish\nk3y-fish 4.0b1\n", LoginShell::Fish),
            ("k3y /usr/bin/fish\nk3y-fish 3.3.1\n", LoginShell::Other),
            ("k3y /bin/dash\n", LoginShell::Posix),
            ("k3y /bin/tcsh\n", LoginShell::Other),
            ("k3y \n", LoginShell::Other),
        ] {
            assert_eq!(parsed(output), Some(shell), "{output}");
        }
    }

    #[test]
    fn a_restricted_shell_is_never_bash() {
        for output in [
            "k3y /bin/rbash\n",
            "k3y /bin/rksh\n",
            "k3y /bin/bash\nk3y-bash 5.2.15 hrBc\n",
        ] {
            assert_eq!(parsed(output), Some(LoginShell::Restricted), "{output}");
        }
    }

    #[test]
    fn what_a_profile_prints_before_is_passed_over() {
        let output = "Welcome!\nk3yx\nk3y /bin/bash\r\nk3y-bash 5.1.4 hBc\r\n";
        assert_eq!(parsed(output), Some(LoginShell::Bash));
    }

    #[test]
    fn without_the_marker_nothing_is_known() {
        for output in ["", "This account is not available.\n", "echo k3y /bin/bash\n", "k3y"] {
            assert_eq!(parsed(output), None, "{output}");
        }
    }

    #[test]
    fn a_shell_that_does_not_speak_as_what_it_is_called_is_not_hooked() {
        for output in [
            "k3y /bin/bash\n",
            "k3y /bin/fish\n",
            "k3y /bin/fish\nk3y-bash 5.2.15 hBc\n",
        ] {
            assert_eq!(parsed(output), Some(LoginShell::Other), "{output}");
        }
    }
}

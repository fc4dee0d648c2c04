//! The exec request that starts a target's login shell with the hook in it.

/// Finds the login shell, greets as sshd would, and starts the shell with the hook on a descriptor.
const BOOTSTRAP: &str = include_str!("hooks/bootstrap.sh");

/// The hook for bash.
const BASH: &str = include_str!("hooks/hook.bash");

/// Where the bootstrap takes the hook.
const PLACEHOLDER: &str = "@HOOK_BASH@";

/// The command line for an exec request on a PTY. It carries no secret.
pub(super) fn command() -> String {
    let script = without_comments(BOOTSTRAP).replace(PLACEHOLDER, without_comments(BASH).trim_end());
    format!("exec sh -c '{}'", script.replace('\'', r"'\''"))
}

/// Whole-line comments are for the reader of the source.
fn without_comments(script: &str) -> String {
    script
        .lines()
        .filter(|line| !line.trim_start().starts_with('#') && !line.trim().is_empty())
        .fold(String::with_capacity(script.len()), |mut kept, line| {
            kept.push_str(line);
            kept.push('\n');
            kept
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_holds_the_hook_and_fits_an_argument() {
        let command = command();
        assert!(command.contains("PROMPT_COMMAND"));
        assert!(!command.contains(PLACEHOLDER));
        assert!(command.len() < 32 * 1024, "{}", command.len());
    }
}

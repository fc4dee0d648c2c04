//! What the probe for login shells says of real ones.

use std::process::Command;

use opspilot::terminal::{LoginShell, probe};

#[test]
fn the_probe_tells_shells_apart() {
    for (shell, expected) in [
        ("/bin/bash", LoginShell::Bash),
        ("/bin/rbash", LoginShell::Restricted),
        ("/usr/bin/zsh", LoginShell::Zsh),
        ("/usr/bin/fish", LoginShell::Fish),
        ("/bin/sh", LoginShell::Posix),
        ("/bin/dash", LoginShell::Posix),
    ] {
        let output = Command::new(shell)
            .args(["-c", &probe::command("k3y")])
            .env("SHELL", shell)
            .output()
            .unwrap();
        assert_eq!(probe::parse(&output.stdout, "k3y"), Some(expected), "{shell}");
        assert_eq!(probe::parse(&output.stdout, "k4y"), None, "{shell}");
    }
}

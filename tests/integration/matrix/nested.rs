//! Shells within shells: their lines are known like the outer one's, or the record says that they are not.

use super::{Prompt, PromptIs, Scenario, See, Shell, Step, Type, play_all, scenario};
use crate::harness::Sshd;

/// Opens a shell by `line`, runs a line in it, has one refused, leaves it, and runs one in the outer shell.
fn inner(name: &str, line: &str, prompt: &'static str) -> Scenario {
    let mut steps = opened_by(line, prompt);
    steps.extend([
        Type(b"echo nested\r"),
        See("\nnested\n"),
        Prompt,
        Type(b"touch RAN; rm -rf /zz\r"),
        See("denied"),
        Prompt,
        Type(b"exit\r"),
        PromptIs("ready> "),
        Prompt,
        Type(b"echo out\r"),
    ]);
    scenario(
        name,
        &steps,
        &[line, "echo nested", "touch RAN; rm -rf /zz", "exit", "echo out"],
    )
}

/// As [`inner`], where nothing is refused: what cannot be known is allowed in these tests.
fn unknown(name: &str, line: &str, prompt: &'static str) -> Scenario {
    let mut steps = opened_by(line, prompt);
    steps.extend([
        Type(b"echo nested\r"),
        See("\nnested\n"),
        Prompt,
        Type(b"exit\r"),
        PromptIs("ready> "),
        Prompt,
        Type(b"echo out\r"),
        See("\nout\n"),
        Prompt,
    ]);
    scenario(name, &steps, &[line, "echo nested", "exit", "echo out"]).may_be_unknown()
}

fn opened_by(line: &str, prompt: &'static str) -> Vec<Step> {
    // Steps are played once by tests that end with their process.
    let keys = Box::leak(format!("{line}\r").into_bytes().into_boxed_slice());
    vec![Type(keys), PromptIs(prompt), Prompt]
}

const BASH: &str = "PS1='inner> ' bash --norc";

/// A line that logs in to a third host.
fn ssh_to(third: &Sshd) -> String {
    format!(
        "ssh -q -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -i {} -p {} {}@127.0.0.1",
        third.client_key.path.display(),
        third.port,
        third.login
    )
}

#[test]
fn within_bash() {
    let third = Sshd::start();
    let mut scenarios = vec![
        inner("bash", BASH, "inner> "),
        inner("bash, far away", BASH, "inner> ").far(),
        inner("bash -l", "bash -l", "ready> "),
        inner("env bash", "env PS1='inner> ' bash --norc", "inner> "),
        inner("script", "script -q /dev/null", "# "),
        inner("ssh third", &ssh_to(&third), "ready> "),
        unknown(
            "tmux",
            "TMUX_TMPDIR=. PS1='inner> ' tmux -f /dev/null new bash --norc",
            "inner> ",
        ),
    ];
    if rustix::process::geteuid().is_root() {
        scenarios.extend([
            inner("chroot", "PS1='inner> ' chroot / bash --norc", "inner> "),
            inner("su", "su -s /bin/bash nobody", "$ "),
            inner("su -", "su -s /bin/bash - nobody", "$ "),
        ]);
    }
    play_all(Shell::Bash, &scenarios);
}

/// A bash within another shell, on the same host and on a third one.
fn other_than_bash(shell: Shell) {
    let third = Sshd::start();
    let scenarios = [
        inner("bash", BASH, "inner> "),
        inner("ssh third", &ssh_to(&third), "ready> "),
    ];
    play_all(shell, &scenarios);
}

#[test]
fn within_zsh() {
    other_than_bash(Shell::Zsh);
}

#[test]
fn within_fish() {
    other_than_bash(Shell::Fish);
}

#[test]
fn within_dash() {
    other_than_bash(Shell::Dash);
}

#[test]
fn zsh_within_bash() {
    play_all(Shell::Bash, &[inner("zsh", "PS1='inner> ' zsh -f", "inner> ")]);
}

#[test]
fn fish_within_bash() {
    play_all(Shell::Bash, &[inner("fish", "fish --no-config", "# ")]);
}

#[test]
fn dash_within_bash() {
    play_all(Shell::Bash, &[inner("dash", "PS1='inner> ' dash", "inner> ")]);
}

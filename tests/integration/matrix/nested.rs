//! Shells within shells: their lines are known like the outer one's, or the record says that they are not.

use super::{Prompt, PromptIs, Scenario, See, Shell, Step, Type, play_all, scenario};
use crate::harness::Sshd;

/// Opens a shell by `line`, runs a line in it, has one refused, leaves it, and runs one in the outer shell.
fn inner(name: &str, line: &str, prompt: &'static str) -> Scenario {
    layers(name, &[(line, prompt)])
}

/// As [`inner`], with a shell in each shell: the line that opens it, and its prompt. A line is refused in the innermost.
fn layers(name: &str, shells: &[(&str, &'static str)]) -> Scenario {
    let mut steps = Vec::new();
    let mut lines = Vec::new();
    for (line, prompt) in shells {
        steps.extend(opened_by(line, prompt));
        steps.extend([Type(b"echo nested\r"), See("\nnested\n"), Prompt]);
        lines.extend([line, "echo nested"]);
    }
    steps.extend([Type(b"touch RAN; rm -rf /zz\r"), See("denied"), Prompt]);
    lines.push("touch RAN; rm -rf /zz");
    let outer = shells.iter().rev().skip(1).map(|(_, prompt)| *prompt);
    for prompt in outer.chain(["ready> "]) {
        steps.extend([Type(b"exit\r"), PromptIs(prompt), Prompt]);
        lines.push("exit");
    }
    steps.push(Type(b"echo out\r"));
    lines.push("echo out");
    scenario(name, &steps, &lines)
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
            inner("sudo -s", "sudo -s", "# "),
            inner("sudo -i", "sudo -i", "# "),
            inner("unshare", "PS1='inner> ' unshare -m bash --norc", "inner> "),
            layers(
                "su in chroot in unshare",
                &[
                    ("PS1='space> ' unshare -m bash --norc", "space> "),
                    ("PS1='root> ' chroot / bash --norc", "root> "),
                    ("su -s /bin/bash nobody", "$ "),
                ],
            ),
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
fn fish_within_bash_within_zsh() {
    let shells = [(BASH, "inner> "), ("fish --no-config", "# ")];
    play_all(Shell::Zsh, &[layers("fish in bash", &shells)]);
}

#[test]
fn zsh_within_dash_within_a_third_host_within_fish() {
    let third = Sshd::start();
    let shells = [
        (ssh_to(&third), "ready> "),
        ("PS1='dash> ' dash".to_owned(), "dash> "),
        ("PS1='zsh> ' zsh -f".to_owned(), "zsh> "),
    ];
    let shells = shells.each_ref().map(|(line, prompt)| (line.as_str(), *prompt));
    play_all(Shell::Fish, &[layers("zsh in dash on a third host", &shells)]);
}

/// Programs named like those that enter a container, which take their arguments and open the shell in a root of its own.
const CONTAINERS: &str = r#"
mkdir bin
printf '#!/bin/sh\nshift 3\nexec chroot / "$@"\n' >bin/docker
printf '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nshift\nexec chroot / "$@"\n' >bin/kubectl
cp bin/docker bin/podman
chmod +x bin/*
PATH=$PWD/bin:$PATH
"#;

#[test]
fn within_containers() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("left out: only root may change its root");
        return;
    }
    let scenarios = [
        inner("docker", "docker exec -it app bash --norc", "# "),
        inner("podman", "podman exec -ti app dash", "# "),
        inner("kubectl", "kubectl -n web exec -it pod -- bash --norc", "# "),
        layers(
            "kubectl in docker",
            &[
                ("docker exec -it app env PS1='app> ' bash --norc", "app> "),
                ("kubectl exec -it pod -- zsh -f", "# "),
            ],
        ),
    ];
    play_all(
        Shell::Bash,
        &scenarios.map(|scenario| scenario.with_profile(CONTAINERS)),
    );
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

//! The demo for people: how to try it, and on a terminal a session right away.

use std::io::{self, IsTerminal as _};
use std::path::Path;

use anyhow::Context as _;
use tokio::process::Command;

use super::scratch::Scratch;
use super::stage::Stage;
use crate::cli::print;

/// Says how to try it; on a terminal, opens a session and returns when it ends. Without one, waits for ever.
pub(super) async fn host(stage: &Stage) -> anyhow::Result<()> {
    introduce(stage)?;
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return wait("No terminal here to open a session on").await;
    }
    let mut ssh = match Command::new("ssh").args(arguments(stage)).kill_on_drop(true).spawn() {
        Ok(ssh) => ssh,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return wait("ssh is not installed here (Debian: apt install openssh-client)").await;
        }
        Err(error) => return Err(error).context("cannot start ssh"),
    };
    print(|out| writeln!(out, "Here is a session. Leave it with `exit`; the demo ends with it.\n"))?;
    ssh.wait().await.context("ssh failed")?;
    Ok(())
}

/// Says where everything lies, once the demo is over.
pub(super) fn say_goodbye(stage: &Stage, scratch: &Scratch) -> io::Result<()> {
    if scratch.is_temporary() {
        return print(|out| writeln!(out, "The demo's directory is removed; --dir DIR keeps one."));
    }
    print(|out| {
        writeln!(
            out,
            "All of it is in {}; to see one command's whole life:\n\n    {} show -c {} ID",
            scratch.path().display(),
            program(),
            word(&stage.config)
        )
    })
}

async fn wait(why: &str) -> anyhow::Result<()> {
    print(|out| writeln!(out, "{why}: connect from elsewhere; ^C ends the demo."))?;
    std::future::pending().await
}

fn introduce(stage: &Stage) -> io::Result<()> {
    let line: Vec<String> = arguments(stage).iter().map(|argument| quoted(argument)).collect();
    let (ssh, program, config) = (line.join(" "), program(), word(&stage.config));
    print(|out| {
        write!(
            out,
            "A bastion is listening on 127.0.0.1:{port}, and behind it a target with this machine's shell.\n\
             From another terminal:\n\n    \
             ssh {ssh}\n\n\
             Worth trying there:\n\n    \
             ls -l                                  harmless: runs at once\n    \
             rm -rf releases                        medium: runs, with a warning\n    \
             shred -u customers.csv                 high: asks first\n    \
             rm -rf --no-preserve-root ./archive    critical: denied\n\n\
             What is on record, while the demo runs:\n\n    \
             {program} log -c {config}\n\n",
            port = stage.port,
        )
    })
}

/// What `ssh` needs to reach the demo, whatever the user's own configuration says.
fn arguments(stage: &Stage) -> Vec<String> {
    let known_hosts = format!("UserKnownHostsFile={}", stage.known_hosts.display());
    [
        "-F",
        "none",
        "-i",
        &stage.user_key.display().to_string(),
        "-p",
        &stage.port.to_string(),
        "-o",
        &known_hosts,
        "-o",
        "IdentitiesOnly=yes",
        &Stage::address(),
    ]
    .map(str::to_owned)
    .to_vec()
}

/// This program, as it was called.
fn program() -> String {
    quoted(&std::env::args().next().unwrap_or_else(|| "opspilot".to_owned()))
}

fn word(path: &Path) -> String {
    quoted(&path.display().to_string())
}

/// As one word for a shell.
fn quoted(text: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "/._-=@%+:,".contains(character);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_split_or_expand_them() {
        assert_eq!(quoted("/tmp/a-b/key.pub"), "/tmp/a-b/key.pub");
        assert_eq!(quoted("/tmp/a b"), "'/tmp/a b'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }
}

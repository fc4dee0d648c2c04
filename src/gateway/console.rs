//! The console: what `ssh USER@bastion` offers when no target is named.

use std::sync::Arc;

use russh::ChannelMsg;

use crate::config::Target;
use crate::domain::{Name, printable, printable_line};

use super::Shared;
use super::channel::{Program, Setup};
use super::intake::Intake;
use super::user::{Gone, REFUSED, Voice, refuse};

/// Longest line that the console reads, bytes.
const MAX_LINE: usize = 1024;

const HELP: &str = "\
targets         the targets that you may reach
confirm CODE    run the command that waits for CODE
whoami          who you are
help            this page
exit            leave
";

/// The console of one user.
pub(super) struct Console {
    shared: Arc<Shared>,
    user: Name,
}

/// What a console command answers.
struct Reply {
    text: String,
    ok: bool,
}

impl Console {
    /// The console of `user`.
    pub(super) fn new(shared: Arc<Shared>, user: Name) -> Self {
        Self { shared, user }
    }

    /// Serves one channel: a command, or lines until `exit`.
    pub(super) async fn attend(&self, setup: Setup, ear: Intake, voice: &Voice) -> Result<(), Gone> {
        let has_pty = setup.pty.is_some();
        match setup.program {
            Program::Exec(command) => {
                self.answer_exec(&String::from_utf8_lossy(&command), has_pty, voice)
                    .await
            }
            Program::Shell => self.converse(has_pty, ear, voice).await,
            Program::Subsystem(_) => refuse(voice, has_pty, "name a target: ssh USER@TARGET@bastion").await,
        }
    }

    async fn answer_exec(&self, command: &str, has_pty: bool, voice: &Voice) -> Result<(), Gone> {
        let reply = self.answer(command);
        let text = shown(&reply.text, has_pty);
        if reply.ok || has_pty {
            voice.stdout(text).await?;
        } else {
            voice.stderr(text).await?;
        }
        voice.exit(if reply.ok { 0 } else { REFUSED }).await
    }

    async fn converse(&self, has_pty: bool, mut ear: Intake, voice: &Voice) -> Result<(), Gone> {
        let greeting = format!(
            "opspilot: no target named, {}. The console takes these commands:\n{HELP}> ",
            self.user
        );
        voice.stdout(shown(&greeting, has_pty)).await?;
        let mut line = String::new();
        while let Some(message) = ear.next().await {
            let data = match message {
                ChannelMsg::Data { data } => data,
                ChannelMsg::Eof | ChannelMsg::Close => break,
                _ => continue,
            };
            for byte in data.iter().copied() {
                match byte {
                    b'\r' | b'\n' => {
                        if has_pty {
                            voice.stdout(b"\r\n".to_vec()).await?;
                        }
                        let command = std::mem::take(&mut line);
                        if matches!(command.trim(), "exit" | "quit") {
                            return voice.exit(0).await;
                        }
                        let text = format!("{}> ", self.answer_line(&command));
                        voice.stdout(shown(&text, has_pty)).await?;
                    }
                    0x03 | 0x04 => return voice.exit(0).await,
                    0x7f | 0x08 if line.pop().is_some() && has_pty => voice.stdout(b"\x08 \x08".to_vec()).await?,
                    0x20..=0x7e if line.len() < MAX_LINE => {
                        line.push(char::from(byte));
                        if has_pty {
                            voice.stdout(vec![byte]).await?;
                        }
                    }
                    _ => {}
                }
            }
        }
        voice.exit(0).await
    }

    fn answer_line(&self, line: &str) -> String {
        if line.trim().is_empty() {
            String::new()
        } else {
            self.answer(line).text
        }
    }

    fn answer(&self, command: &str) -> Reply {
        let words: Vec<&str> = command.split_whitespace().collect();
        match words.as_slice() {
            ["targets"] => self.targets(),
            ["whoami"] => self.whoami(),
            ["confirm", code] => self.confirm(code),
            ["confirm"] => no("say which: confirm CODE"),
            [] | ["help"] => yes(HELP.to_owned()),
            [other, ..] => no(&format!(
                "`{}` is not a console command; try help",
                printable_line(other)
            )),
        }
    }

    fn targets(&self) -> Reply {
        let engine = self.shared.gate.engine();
        let Some(user) = engine.user(&self.user) else {
            return no("you are not configured any longer");
        };
        let text: String = engine.targets_of(user).map(target_line).collect();
        if text.is_empty() {
            return no("no policy lets you reach a target");
        }
        yes(text)
    }

    fn whoami(&self) -> Reply {
        let engine = self.shared.gate.engine();
        let roles = engine
            .user(&self.user)
            .map(|user| user.roles.iter().map(Name::to_string).collect::<Vec<_>>());
        yes(format!(
            "{}\troles: {}\n",
            self.user,
            roles.unwrap_or_default().join(", ")
        ))
    }

    fn confirm(&self, code: &str) -> Reply {
        match self.shared.gate.confirm(&self.user, code) {
            Ok(confirmed) => yes(format!(
                "confirmed on {}: {}\n",
                confirmed.target,
                printable_line(&confirmed.command)
            )),
            Err(error) => no(&error.to_string()),
        }
    }
}

fn target_line(target: &Target) -> String {
    let labels: Vec<String> = target
        .labels
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!("{}\t{}\t{}\n", target.name, target.login, labels.join(","))
}

fn yes(text: String) -> Reply {
    Reply { text, ok: true }
}

fn no(reason: &str) -> Reply {
    Reply {
        text: format!("opspilot: {reason}\n"),
        ok: false,
    }
}

/// Text for the user, with the line ends that their side needs.
fn shown(text: &str, has_pty: bool) -> Vec<u8> {
    let text = printable(text);
    if has_pty {
        text.replace('\n', "\r\n").into_bytes()
    } else {
        text.into_owned().into_bytes()
    }
}

//! What passes between a program that runs as a whole and its user.

use std::time::Instant;

use russh::ChannelMsg;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::command::{Opens, Stdin};
use crate::config::ShellGate as Mode;
use crate::domain::{Channel, CommandId, Dialect};
use crate::gate::{Ending, Permit, Request, Submission};
use crate::terminal::{LoginShell, Lost, ShellGate};

use super::{Hidden, Starts, Whole};
use crate::gateway::gated::{GatedTerminal, Over};
use crate::gateway::heard::Heard;
use crate::gateway::held::Held;
use crate::gateway::intake::Intake;
use crate::gateway::script::{Input, Script};
use crate::gateway::session::LAST_WORDS;
use crate::gateway::shell::{new_nonce, screen_gate};
use crate::gateway::target_channel::{TargetChannel, TargetEar, TargetVoice};
use crate::gateway::user::{PtyRequest, Voice};

impl Whole {
    /// What the program is going to read on its standard input, if that is a program in turn.
    pub(super) async fn program_on_stdin(&mut self) -> Option<Input> {
        let is_shell = matches!(self.starts, Starts::Shell) && self.pty.is_none();
        if !is_shell || !self.follows_shells() {
            return self.input.take();
        }
        let connection = self.session.connection().await.ok()?;
        let program = match self.session.login_shell(&connection).await {
            Some(LoginShell::Restricted | LoginShell::Other) | None => Stdin::AnyShell,
            Some(shell) => Stdin::Commands(shell.dialect()),
        };
        Some(Input {
            program,
            password_first: false,
        })
    }

    /// Moves both directions until the target has closed, or the user has left; what the user sends passes the gate.
    pub(super) async fn relay_script(
        &mut self,
        channel: TargetChannel,
        input: Input,
        reader: Option<CommandId>,
        began: Instant,
    ) -> Ending {
        let (target_ear, target_voice) = channel.split();
        let (over, left) = (CancellationToken::new(), CancellationToken::new());
        let (channel, voice) = (self.starts.channel(), &self.voice);
        let mut script = Script::new(&self.session, channel, reader, input, voice, &target_voice, &over);
        {
            let down = async {
                tokio::select! {
                    () = listen(target_ear, voice, &mut self.heard) => {}
                    () = last_words(&left) => {}
                }
                over.cancel();
            };
            let up = async {
                let served = script.serve(&mut self.ear, &mut self.held).await;
                left.cancel();
                served.err()
            };
            tokio::select! {
                ((), refused) = async { tokio::join!(down, up) } => self.refused = refused,
                () = self.session.over() => {}
            }
        }
        if let Err(error) = target_voice.close().await {
            tracing::debug!(%error, "the target was gone before its channel was closed");
        }
        let ending = self.heard.ending(began.elapsed());
        if let (Some(reader), Some(end)) = (reader, script.ended(ending.lost.clone())) {
            self.session.gate().end_input(reader, end).await;
        }
        ending
    }

    /// Moves both directions until the target has closed, or the user has left.
    pub(super) async fn relay(&mut self, channel: TargetChannel, began: Instant) -> Ending {
        let (target_ear, target_voice) = channel.split();
        {
            let down = listen(target_ear, &self.voice, &mut self.heard);
            let up = speak(&mut self.ear, &mut self.held, &target_voice);
            tokio::pin!(down, up);
            tokio::select! {
                () = &mut down => {}
                // The user left: give the target a moment to say how it ended.
                () = &mut up => timeout(LAST_WORDS, down).await.unwrap_or_default(),
                // Both directions may stand still, each because its other side takes nothing.
                () = self.session.over() => {}
                () = self.voice.unrecorded.cancelled() => {
                    timeout(LAST_WORDS, close(&target_voice)).await.unwrap_or_default();
                }
            }
        }
        self.heard.ending(began.elapsed())
    }

    /// Decides first about what will run in a program and cannot be known.
    pub(super) async fn run_hidden(&mut self, permit: Permit, why: Lost, began: Instant) -> Ending {
        let session = self.session.clone();
        let request = Request {
            session: session.seen_by_gate(),
            channel: self.starts.channel(),
            submission: Submission::Opaque {
                description: why.description(),
                judged: true,
            },
            cwd: None,
            parent: permit.recorded(),
        };
        let mut hidden = Hidden {
            whole: self,
            permit: Some(permit),
        };
        match session.gate().pass(request, &session.observer(), &mut hidden).await {
            Ok(ending) => ending,
            Err(refusal) => {
                self.refused = Some(refusal);
                Ending::lost("what would run in it was refused", began.elapsed())
            }
        }
    }

    /// Follows the shells that the program opens on its terminal.
    pub(super) async fn follow(
        &mut self,
        channel: TargetChannel,
        pty: PtyRequest,
        opens: Opens,
        row: Option<CommandId>,
        began: Instant,
    ) -> Ending {
        let mut effects = Vec::new();
        let by_screen = self.session.with_target(|target| target.shell_gate) == Some(Mode::Screen);
        let screen = by_screen.then(|| screen_gate(Dialect::Bash, &pty)).flatten();
        let gate = screen.unwrap_or_else(|| ShellGate::program(opens, new_nonce, began, &mut effects).into());
        let session = self.session.clone();
        let typed = self.held.take_data();
        let terminal = GatedTerminal::new(session, gate, Channel::Exec, pty, channel, &mut self.ear, &self.voice);
        let mut terminal = terminal.opened_by(row);
        let over = terminal.serve(effects, &typed).await;
        self.heard = terminal.heard();
        self.cut_off = over == Over::Refused;
        self.heard.ending(began.elapsed())
    }
}

/// Passes on what the target says until it closes. A user who has left is not a reason to stop listening.
async fn listen(mut target: TargetEar, voice: &Voice, heard: &mut Heard) {
    let mut listened_to = true;
    while let Some(message) = target.hear().await {
        heard.note(&message);
        listened_to = listened_to && voice.relay(message).await.is_ok();
    }
}

/// Passes on what the user says until they leave. A target that hears no more is not a reason to stop: its last words may
/// still be on their way.
async fn speak(ear: &mut Intake, held: &mut Held, target: &TargetVoice) {
    let mut heard = true;
    loop {
        match held.next(ear).await {
            None | Some(ChannelMsg::Close) => break,
            Some(message) => heard = heard && target.relay(message).await.is_ok(),
        }
    }
    close(target).await;
}

async fn close(target: &TargetVoice) {
    if let Err(error) = target.close().await {
        tracing::debug!(%error, "the target was gone before its channel was closed");
    }
}

/// Returns when the target has had the time for its last words after `left`.
async fn last_words(left: &CancellationToken) {
    left.cancelled().await;
    sleep(LAST_WORDS).await;
}

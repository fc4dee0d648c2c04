//! SFTP, as the subsystem or by its server's own name: read while it passes, so that what it does to files is decided about and recorded one by one.

mod outbox;
mod relay;

use std::sync::Arc;
use std::time::Instant;

use crate::domain::{Access, Channel};
use crate::gate::{Answer, Asked, Ending, Intercept, Permit, Refusal, Request, Submission};
use crate::terminal::{Question, prompt};

use super::ask::console;
use super::environment::Environment;
use super::heard::Heard;
use super::intake::Intake;
use super::session::TargetSession;
use super::target_channel::{StartError, TargetChannel};
use super::user::{Gone, Voice, fail, refuse, say};
use relay::Relay;

/// What clients call it.
pub(super) const SUBSYSTEM: &str = "sftp";

/// Serves the subsystem.
pub(super) async fn attend(
    session: Arc<TargetSession>,
    environment: Environment,
    ear: Intake,
    voice: Voice,
) -> Result<(), Gone> {
    let access = Access::Channel {
        verb: "subsystem",
        name: SUBSYSTEM.to_owned(),
    };
    serve(session, access, Vec::new(), environment, ear, voice).await
}

/// Serves an exec request that runs the subsystem's program, without a PTY: `sftp -s /usr/lib/openssh/sftp-server`.
pub(super) async fn attend_program(
    session: Arc<TargetSession>,
    command: Vec<u8>,
    environment: Environment,
    ear: Intake,
    voice: Voice,
) -> Result<(), Gone> {
    let access = Access::Channel {
        verb: "exec",
        name: String::from_utf8_lossy(&command).into_owned(),
    };
    serve(session, access, command, environment, ear, voice).await
}

/// `bytes` are the command that is run, none for the subsystem.
async fn serve(
    session: Arc<TargetSession>,
    access: Access,
    bytes: Vec<u8>,
    environment: Environment,
    ear: Intake,
    voice: Voice,
) -> Result<(), Gone> {
    let mut subsystem = Subsystem {
        session: session.clone(),
        environment,
        ear,
        voice,
        heard: Heard::new(false),
    };
    let request = Request {
        session: session.seen_by_gate(),
        channel: Channel::Sftp,
        submission: Submission::Access { access, bytes },
        cwd: None,
        parent: None,
    };
    let gate = session.gate();
    let passed = gate.pass_access(request, &session.observer(), &mut subsystem).await;
    if session.ended.is_cancelled() {
        return Err(Gone);
    }
    let voice = &subsystem.voice;
    match passed {
        Err(refusal @ Refusal::Unrecorded) => fail(voice, false, &refusal.to_string()).await,
        Err(refusal) => refuse(voice, false, &refusal.to_string()).await,
        Ok(Ending { lost: Some(why), .. }) => fail(voice, false, &why).await,
        Ok(_) => subsystem.heard.tell(voice).await,
    }
}

/// The subsystem between its user and the target.
struct Subsystem {
    session: Arc<TargetSession>,
    environment: Environment,
    ear: Intake,
    voice: Voice,
    heard: Heard,
}

impl Subsystem {
    /// Runs the command, or starts the subsystem where it is empty.
    async fn start(&self, command: Vec<u8>) -> Result<TargetChannel, String> {
        let place = self.session.place().await.map_err(|error| error.to_string())?;
        let started = async {
            let mut channel = TargetChannel::open_in(place, None, &self.environment).await?;
            if command.is_empty() {
                channel.subsystem(SUBSYSTEM).await?;
            } else {
                channel.exec(command).await?;
            }
            Ok(channel)
        };
        started.await.map_err(|error: StartError| error.to_string())
    }
}

impl Intercept for Subsystem {
    async fn warn(&mut self, question: &Question) {
        if say(&self.voice, false, &prompt::warning(question)).await.is_err() {
            tracing::debug!("the user left before a warning");
        }
    }

    /// Nothing that comes on the channel is an answer: only the console can give it.
    async fn ask(&mut self, asked: &Asked) -> Option<Answer> {
        self.voice.stderr(block(&self.session, asked).into_bytes()).await.ok()?;
        tokio::select! {
            () = self.session.ended.cancelled() => None,
            () = self.voice.closed() => None,
        }
    }

    async fn run(&mut self, permit: Permit) -> Ending {
        let began = Instant::now();
        let row = permit.recorded();
        match self.start(permit.redeem()).await {
            Ok(channel) => {
                let relay = Relay::new(&self.session, &self.voice, &mut self.heard, row);
                relay.serve(channel, &mut self.ear, began).await
            }
            Err(reason) => Ending::lost(reason, began.elapsed()),
        }
    }
}

/// A question that is answered at the console.
fn block(session: &TargetSession, asked: &Asked) -> String {
    let engine = session.gate().engine();
    prompt::render_for_owner(&asked.question, &asked.code, &console(&engine.config.server, asked))
}

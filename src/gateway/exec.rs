//! A program that runs as a whole: one exec request, or a shell whose lines are not known.

mod asking;
mod relay;

use std::sync::Arc;
use std::time::Instant;

use crate::command::{Opens, Transfer, opens, parse, serves_sftp, transfer};
use crate::config::ShellGate as Mode;
use crate::domain::{Channel, Dialect, Exactness};
use crate::gate::{Answer, Asked, Ending, Intercept, Permit, Refusal, Request, Submission};
use crate::terminal::prompt;
use crate::terminal::{Lost, Question};

use super::environment::Environment;
use super::heard::Heard;
use super::held::Held;
use super::intake::Intake;
use super::script::Input;
use super::session::TargetSession;
use super::sftp;
use super::target_channel::{StartError, TargetChannel};
use super::user::{Gone, PtyRequest, REFUSED, UNKNOWN_FROM_HERE, Voice, fail, refuse, say};

/// Serves one exec request.
pub(super) async fn attend(
    session: Arc<TargetSession>,
    command: Vec<u8>,
    pty: Option<PtyRequest>,
    environment: Environment,
    ear: Intake,
    voice: Voice,
) -> Result<(), Gone> {
    if command.contains(&0) {
        return refuse(
            &voice,
            pty.is_some(),
            "the command holds a NUL byte, which no shell can run",
        )
        .await;
    }
    let understood = Understood::of(&command, pty.is_some(), &session.login);
    if understood.serves_sftp {
        return sftp::attend_program(session, command, environment, ear, voice).await;
    }
    let (channel, submission) = match understood.transfer {
        Some(Transfer { channel, touches }) => (
            channel,
            Submission::Transfer {
                bytes: command,
                touches,
            },
        ),
        None => (
            Channel::Exec,
            Submission::Command {
                bytes: command,
                dialect: Dialect::Bash,
                exactness: Exactness::Exact,
                aliases: Vec::new(),
            },
        ),
    };
    let mut whole = Whole::new(session, Starts::Exec(channel), pty, environment, ear, voice);
    whole.opens = understood.opens.filter(|_| whole.follows_shells());
    whole.input = understood.input;
    whole.attend(submission).await
}

/// What the text of an exec request says of its channel. The text itself, which may be long, is not kept here while it runs.
struct Understood {
    serves_sftp: bool,
    /// As a transfer of files, if it is one.
    transfer: Option<Transfer>,
    opens: Option<Opens>,
    input: Option<Input>,
}

impl Understood {
    fn of(command: &[u8], has_terminal: bool, login: &str) -> Self {
        let script = parse(&String::from_utf8_lossy(command), Dialect::Bash);
        Self {
            serves_sftp: serves_sftp(&script),
            transfer: transfer(&script),
            opens: opens(&script),
            input: if has_terminal { None } else { Input::of(&script, login) },
        }
    }
}

/// Serves a shell whose lines are not known: asked about once where it has a PTY. Where it has none, it reads commands on its
/// standard input, and each of those is judged.
pub(super) async fn attend_opaque_shell(
    session: Arc<TargetSession>,
    pty: Option<PtyRequest>,
    environment: Environment,
    ear: Intake,
    voice: Voice,
) -> Result<(), Gone> {
    let submission = Submission::Opaque {
        description: "interactive shell",
        judged: pty.is_some(),
    };
    let whole = Whole::new(session, Starts::Shell, pty, environment, ear, voice);
    whole.attend(submission).await
}

/// What a permit starts.
#[derive(Debug, Clone, Copy)]
enum Starts {
    /// A command, through `exec` or as a transfer.
    Exec(Channel),
    Shell,
}

impl Starts {
    fn channel(self) -> Channel {
        match self {
            Self::Exec(channel) => channel,
            Self::Shell => Channel::Shell,
        }
    }
}

/// One program between its user and the target.
struct Whole {
    session: Arc<TargetSession>,
    starts: Starts,
    pty: Option<PtyRequest>,
    environment: Environment,
    ear: Intake,
    voice: Voice,
    held: Held,
    /// Whether a question stands on the terminal, unanswered.
    question_open: bool,
    /// What the program opens on its terminal, if it has one.
    opens: Option<Opens>,
    /// What the program of an exec request reads on its standard input, if that is a program in turn.
    input: Option<Input>,
    /// Why a command on the standard input, or what would run unknown in the program, was refused.
    refused: Option<Refusal>,
    heard: Heard,
    /// Whether it was ended because what it opened was refused.
    cut_off: bool,
}

impl Whole {
    fn new(
        session: Arc<TargetSession>,
        starts: Starts,
        pty: Option<PtyRequest>,
        environment: Environment,
        ear: Intake,
        voice: Voice,
    ) -> Self {
        let held = Held::default();
        let heard = Heard::new(pty.is_some());
        Self {
            session,
            starts,
            pty,
            environment,
            ear,
            voice,
            held,
            question_open: false,
            opens: None,
            input: None,
            refused: None,
            heard,
            cut_off: false,
        }
    }

    /// Whether the target's shells are followed at all.
    fn follows_shells(&self) -> bool {
        let mode = self.session.with_target(|target| target.shell_gate);
        mode.is_some_and(|mode| mode != Mode::Off)
    }

    async fn attend(mut self, submission: Submission) -> Result<(), Gone> {
        let session = self.session.clone();
        let request = Request {
            session: session.seen_by_gate(),
            channel: self.starts.channel(),
            submission,
            cwd: None,
            parent: None,
        };
        let passed = session.gate().pass(request, &session.observer(), &mut self).await;
        if session.ended.is_cancelled() {
            return Err(Gone);
        }
        if self.voice.unrecorded.is_cancelled() {
            return self.voice.end_unrecorded().await;
        }
        match passed {
            Err(refusal) => self.tell_refusal(&refusal).await,
            Ok(ending) => match self.refused.take() {
                Some(refusal) => self.tell_refusal(&refusal).await,
                None => self.tell_ending(ending).await,
            },
        }
    }

    async fn tell_refusal(&mut self, refusal: &Refusal) -> Result<(), Gone> {
        self.leave_question().await?;
        match refusal {
            Refusal::Unrecorded => fail(&self.voice, self.pty.is_some(), &refusal.to_string()).await,
            _ => refuse(&self.voice, self.pty.is_some(), &refusal.to_string()).await,
        }
    }

    async fn tell_ending(&self, ending: Ending) -> Result<(), Gone> {
        if self.cut_off {
            return self.voice.exit(REFUSED).await;
        }
        match ending.lost {
            Some(why) => fail(&self.voice, self.pty.is_some(), &why).await,
            None => self.heard.tell(&self.voice).await,
        }
    }

    async fn start(&mut self, permit: Permit) -> Result<TargetChannel, String> {
        let place = self.session.place().await.map_err(|error| error.to_string())?;
        let started = async {
            let mut channel = TargetChannel::open_in(place, self.pty.as_ref(), &self.environment).await?;
            match self.starts {
                Starts::Exec(_) => channel.exec(permit.redeem()).await?,
                Starts::Shell => channel.shell().await?,
            }
            Ok(channel)
        };
        started.await.map_err(|error: StartError| error.to_string())
    }
}

impl Intercept for Whole {
    async fn warn(&mut self, question: &Question) {
        let warn_stderr = self.session.gate().engine().config.confirm.warn_stderr;
        if self.pty.is_none() && !warn_stderr {
            return;
        }
        let warning = prompt::warning(question);
        if say(&self.voice, self.pty.is_some(), &warning).await.is_err() {
            tracing::debug!("the user left before a warning");
        }
    }

    async fn ask(&mut self, asked: &Asked) -> Option<Answer> {
        let (ended, unrecorded) = (self.session.ended.clone(), self.voice.unrecorded.clone());
        let here = self.pty.is_some() && asked.here;
        let asking = async {
            let answered = if here {
                self.ask_on_terminal(asked).await
            } else {
                self.ask_by_code(asked).await
            };
            answered.unwrap_or(None)
        };
        tokio::select! {
            answer = asking => answer,
            () = ended.cancelled() => None,
            () = unrecorded.cancelled() => None,
        }
    }

    async fn run(&mut self, permit: Permit) -> Ending {
        let began = Instant::now();
        if self.leave_question().await.is_err() || self.voice.mark(permit.recorded()).await.is_err() {
            return Ending::lost("the user left before it could run", began.elapsed());
        }
        if let Some(why) = self.opens.filter(|_| self.pty.is_some()).and_then(Lost::by_opening) {
            return Box::pin(self.run_hidden(permit, why, began)).await;
        }
        let (reader, input) = (permit.recorded(), self.program_on_stdin().await);
        match self.start(permit).await {
            Ok(channel) => match (self.pty.clone(), self.opens, input) {
                (Some(pty), Some(opens), _) => self.follow(channel, pty, opens, reader, began).await,
                (None, _, Some(input)) => Box::pin(self.relay_script(channel, input, reader, began)).await,
                _ => self.relay(channel, began).await,
            },
            Err(reason) => Ending::lost(reason, began.elapsed()),
        }
    }
}

/// A program of which it is not known what runs in it, once that may be.
struct Hidden<'a> {
    whole: &'a mut Whole,
    /// The program's own.
    permit: Option<Permit>,
}

impl Intercept for Hidden<'_> {
    async fn warn(&mut self, question: &Question) {
        self.whole.warn(question).await;
    }

    async fn ask(&mut self, asked: &Asked) -> Option<Answer> {
        self.whole.ask(asked).await
    }

    async fn run(&mut self, _permit: Permit) -> Ending {
        let began = Instant::now();
        let told =
            self.whole.leave_question().await.is_ok() && say(&self.whole.voice, true, UNKNOWN_FROM_HERE).await.is_ok();
        let started = match self.permit.take().filter(|_| told) {
            Some(permit) => self.whole.start(permit).await,
            None => Err("the user left before it could run".to_owned()),
        };
        match started {
            Ok(channel) => self.whole.relay(channel, began).await,
            Err(reason) => Ending::lost(reason, began.elapsed()),
        }
    }
}

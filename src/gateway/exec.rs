//! A program that runs as a whole: one exec request, or a shell whose lines are not known.

use std::sync::Arc;
use std::time::Instant;

use russh::ChannelMsg;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::command::{Opens, Stdin, Transfer, opens, parse, transfer};
use crate::config::ShellGate as Mode;
use crate::domain::{AnswerChannel, Channel, CommandId, Dialect, Exactness, whole_millis};
use crate::gate::{Answer, Asked, Ending, Intercept, Permit, Refusal, Request, Submission};
use crate::terminal::prompt;
use crate::terminal::{self, AnswerReader, FirstLine, LoginShell, Lost, Question, ShellGate, StdinCode};

use super::ask::{answered, console, terminal_block};
use super::environment::Environment;
use super::gated::{GatedTerminal, Over};
use super::heard::Heard;
use super::held::Held;
use super::intake::Intake;
use super::script::{Input, Script};
use super::session::{LAST_WORDS, TargetSession};
use super::shell::{new_nonce, screen_gate};
use super::target_channel::{StartError, TargetChannel, TargetEar, TargetVoice};
use super::user::{Gone, PtyRequest, REFUSED, Size, UNKNOWN_FROM_HERE, Voice, fail, refuse, say};

/// Standard input held while a question is open, bytes. Beyond it nothing more is read until the answer.
const MAX_HELD: usize = 16 * 1024 * 1024;

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
    let script = parse(&String::from_utf8_lossy(&command), Dialect::Bash);
    let opened = opens(&script);
    let input = match pty {
        Some(_) => None,
        None => Input::of(&script, &session.login),
    };
    let (channel, submission) = match transfer(&script) {
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
    whole.opens = opened.filter(|_| whole.follows_shells());
    whole.input = input;
    whole.attend(submission).await
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

    /// Ends the line of a question that was answered elsewhere or not at all.
    async fn leave_question(&mut self) -> Result<(), Gone> {
        if std::mem::take(&mut self.question_open) && self.pty.is_some() {
            self.voice.stdout(b"\r\n".to_vec()).await?;
        }
        Ok(())
    }

    /// Asks in a framed block on the PTY; the answer is a line.
    async fn ask_on_terminal(&mut self, asked: &Asked) -> Result<Option<Answer>, Gone> {
        let pty = self.pty.as_ref();
        self.voice
            .stdout(terminal_block(&asked.question, pty).into_bytes())
            .await?;
        self.question_open = true;
        let began = Instant::now();
        let mut reader = AnswerReader::new(asked.question.expect.clone(), 0);
        while self.held.bytes() <= MAX_HELD
            && let Some(message) = self.ear.next().await
        {
            let data = match message {
                ChannelMsg::Data { data } => data,
                ChannelMsg::Eof | ChannelMsg::Signal { .. } => return Ok(Some(no(asked))),
                ChannelMsg::Close => break,
                other => {
                    self.note(&other);
                    continue;
                }
            };
            let fed = reader.feed(&data, whole_millis(began.elapsed()));
            self.voice.stdout(fed.echo).await?;
            self.held.push_data(fed.type_ahead);
            if let Some(answer) = fed.answer {
                self.question_open = false;
                return Ok(Some(answered(
                    asked,
                    answer == terminal::Answer::Yes,
                    AnswerChannel::Terminal,
                )));
            }
        }
        Ok(None)
    }

    /// Asks on standard error; the code is taken from the first line of standard input, or at the console.
    async fn ask_by_code(&mut self, asked: &Asked) -> Result<Option<Answer>, Gone> {
        let block = self.code_block(asked);
        match self.pty {
            Some(_) => self.voice.stdout(block.replace('\n', "\r\n").into_bytes()).await?,
            None => self.voice.stderr(block.into_bytes()).await?,
        }
        let mut first_line = asked.here.then(|| StdinCode::new(&asked.code));
        loop {
            if self.held.bytes() > MAX_HELD {
                // Unread, the rest waits in the client: nothing is lost, and nothing more is held.
                return std::future::pending().await;
            }
            let Some(message) = self.ear.next().await else {
                return Ok(None);
            };
            let line = match &message {
                ChannelMsg::Data { data } => first_line.as_mut().and_then(|reader| reader.feed(data)),
                ChannelMsg::Eof => first_line.as_mut().map(StdinCode::end),
                ChannelMsg::Signal { .. } => return Ok(Some(no(asked))),
                ChannelMsg::Close => return Ok(None),
                _ => None,
            };
            self.note(&message);
            self.held.push(message);
            match line {
                None => {}
                Some(FirstLine::Data) => first_line = None,
                Some(FirstLine::Code { swallow }) => {
                    self.held.swallow(swallow);
                    return Ok(Some(answered(asked, true, AnswerChannel::Stdin)));
                }
            }
        }
    }

    fn code_block(&self, asked: &Asked) -> String {
        let engine = self.session.gate().engine();
        let address = console(&engine.config.server, asked);
        if asked.here {
            prompt::render_plain(&asked.question, &asked.code, &address)
        } else {
            prompt::render_for_owner(&asked.question, &asked.code, &address)
        }
    }

    /// Remembers what changes the terminal.
    fn note(&mut self, message: &ChannelMsg) {
        if let (Some(pty), Some(size)) = (self.pty.as_mut(), Size::told_by(message)) {
            pty.size = size;
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

    /// What the program is going to read on its standard input, if that is a program in turn.
    async fn program_on_stdin(&mut self) -> Option<Input> {
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
    async fn relay_script(
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
    async fn relay(&mut self, channel: TargetChannel, began: Instant) -> Ending {
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
    async fn run_hidden(&mut self, permit: Permit, why: Lost, began: Instant) -> Ending {
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
    async fn follow(
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

fn no(asked: &Asked) -> Answer {
    answered(asked, false, AnswerChannel::Terminal)
}

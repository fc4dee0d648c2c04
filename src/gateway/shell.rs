//! An interactive shell: each line is known before it runs, held, asked about, run or cancelled.
//!
//! One task owns both sides and the [`ShellGate`], and never waits for the gate: each line passes the gate in a task of
//! its own, and the two speak through [`Order`]s.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use russh::ChannelMsg;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep_until, timeout};

use crate::config::ShellGate as Mode;
use crate::domain::{AnswerChannel, Channel, Dialect, Exactness, whole_millis};
use crate::gate::{Answer, Asked, Ending, Intercept, Permit, Refusal, Request, Submission};
use crate::terminal::prompt;
use crate::terminal::{Answer as Typed, AnswerReader, Effect, Line, LineEnd, LoginShell, Question, ShellGate, Verdict};

use super::ask::{answered, terminal_block};
use super::exec::attend_opaque_shell;
use super::intake::Intake;
use super::session::{LAST_WORDS, TargetSession};
use super::target::Connection;
use super::target_channel::{StartError, TargetChannel, TargetEar};
use super::target_writer::TargetWriter;
use super::user::{FAILED, Gone, PtyRequest, REFUSED, Size, Voice, fail, refuse, say};

/// Target output held while a question stands, bytes. Beyond it the target is not read until the answer.
const MAX_HELD_OUTPUT: usize = 1024 * 1024;
/// Input held while it is open whether the rest of an unknown shell may go on, bytes; what comes on top is dropped.
const MAX_HELD_INPUT: usize = 1024 * 1024;

/// Serves a request for a shell.
pub(super) async fn attend(
    session: Arc<TargetSession>,
    pty: Option<PtyRequest>,
    environment: Vec<(String, String)>,
    ear: Intake,
    voice: Voice,
) -> Result<(), Gone> {
    let gate = session.gate().engine();
    if !gate.permits(&session.user, &session.target, &session.login, Channel::Shell) {
        return refuse(&voice, pty.is_some(), "no policy allows you a shell on this target").await;
    }
    let mode = session.with_target(|target| target.shell_gate).unwrap_or(Mode::Hook);
    let pty = match pty {
        Some(pty) if mode != Mode::Off => pty,
        pty => return attend_opaque_shell(session, pty, environment, ear, voice).await,
    };
    let connection = match session.connection().await {
        Ok(connection) => connection,
        Err(error) => return fail(&voice, true, &error.to_string()).await,
    };
    let login_shell = session.login_shell(&connection).await;
    let gate = login_shell.and_then(|shell| ShellGate::login(shell, new_nonce(), Instant::now()));
    match (gate, mode) {
        (Some((gate, bootstrap)), _) => {
            let dialect = login_shell.map_or(Dialect::Sh, LoginShell::dialect);
            let started = start(&connection, &pty, &environment, bootstrap).await;
            match started {
                Ok(channel) => {
                    GatedShell::new(session, gate, dialect, pty, channel, ear, voice)
                        .serve()
                        .await
                }
                Err(error) => fail(&voice, true, &error.to_string()).await,
            }
        }
        (None, Mode::Hook) => {
            refuse(
                &voice,
                true,
                "this target allows only shells whose lines the bastion can know",
            )
            .await
        }
        _ => attend_opaque_shell(session, Some(pty), environment, ear, voice).await,
    }
}

async fn start(
    connection: &Connection,
    pty: &PtyRequest,
    environment: &[(String, String)],
    bootstrap: Vec<u8>,
) -> Result<TargetChannel, StartError> {
    let mut channel = TargetChannel::open(connection, Some(pty), environment).await?;
    channel.exec(bootstrap).await?;
    Ok(channel)
}

/// What tells a hook's marks from others.
fn new_nonce() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// What a line's way through the gate wants of the shell's task.
enum Order {
    Warn(Question),
    Ask(Asked, oneshot::Sender<Answer>),
    Run(Permit, oneshot::Sender<Ending>),
    Refused(Refusal),
}

/// What an order is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    /// A line that the shell waits with, by its number in this session.
    Line(u64),
    /// The rest of a shell that is not understood any longer.
    Rest,
}

/// A submission's side of the conversation: it passes everything on to the shell's task.
struct Submitted {
    subject: Subject,
    orders: mpsc::Sender<(Subject, Order)>,
}

impl Submitted {
    async fn order(&self, order: Order) -> Result<(), Gone> {
        self.orders.send((self.subject, order)).await.map_err(|_| Gone)
    }
}

impl Intercept for Submitted {
    async fn warn(&mut self, question: &Question) {
        if self.order(Order::Warn(question.clone())).await.is_err() {
            tracing::debug!("the session ended before a warning");
        }
    }

    async fn ask(&mut self, asked: &Asked) -> Option<Answer> {
        let (reply, answer) = oneshot::channel();
        self.order(Order::Ask(asked.clone(), reply)).await.ok()?;
        answer.await.ok()
    }

    async fn run(&mut self, permit: Permit) -> Ending {
        let began = Instant::now();
        let (reply, ending) = oneshot::channel();
        let lost = |_| Ending::lost("the session ended before the command did", began.elapsed());
        match self.order(Order::Run(permit, reply)).await {
            Ok(()) => ending.await.unwrap_or_else(lost),
            Err(Gone) => Ending::lost("the session ended before the command could run", began.elapsed()),
        }
    }
}

/// A question on the user's screen.
struct OpenQuestion {
    subject: Subject,
    asked: Asked,
    reader: AnswerReader,
    drawn: Instant,
    reply: oneshot::Sender<Answer>,
}

/// Something that runs, and who wants to know how it ends.
struct Running {
    began: Instant,
    reply: oneshot::Sender<Ending>,
}

/// How far something is on its way through the gate.
enum Stage {
    /// It is assessed, recorded and asked about; held are the bytes that wait for the outcome.
    Held(Vec<u8>),
    /// It runs.
    Running(Running),
}

struct GatedShell {
    session: Arc<TargetSession>,
    gate: ShellGate,
    dialect: Dialect,
    pty: PtyRequest,
    ear: Intake,
    voice: Voice,
    target_ear: TargetEar,
    target: TargetWriter,
    orders: mpsc::Receiver<(Subject, Order)>,
    to_self: mpsc::Sender<(Subject, Order)>,
    /// Lines that the shell has asked about.
    lines: u64,
    /// The last of them, while the shell waits with it or runs it. Held are its own bytes.
    line: Option<Stage>,
    /// The rest of a shell that is not understood any longer. Held is the input that must not reach it yet.
    rest: Option<Stage>,
    question: Option<OpenQuestion>,
    /// Questions that wait until the one on the screen is answered.
    next_questions: VecDeque<(Subject, Asked, oneshot::Sender<Answer>)>,
    held_output: Vec<u8>,
    exit_code: Option<u32>,
}

/// Why a shell's task ends.
enum Over {
    /// The target has closed.
    Target,
    /// The user has left.
    User,
    /// What could not be known was refused.
    Refused,
}

impl GatedShell {
    fn new(
        session: Arc<TargetSession>,
        gate: ShellGate,
        dialect: Dialect,
        pty: PtyRequest,
        channel: TargetChannel,
        ear: Intake,
        voice: Voice,
    ) -> Self {
        let (target_ear, target_voice) = channel.split();
        let target = TargetWriter::new(target_voice);
        let (to_self, orders) = mpsc::channel(4);
        Self {
            session,
            gate,
            dialect,
            pty,
            ear,
            voice,
            target_ear,
            target,
            lines: 0,
            orders,
            to_self,
            line: None,
            rest: None,
            question: None,
            next_questions: VecDeque::new(),
            held_output: Vec::new(),
            exit_code: None,
        }
    }

    async fn serve(mut self) -> Result<(), Gone> {
        let over = loop {
            let stepped = self.step().await;
            match stepped {
                Ok(None) => {}
                Ok(Some(over)) => break over,
                Err(Gone) => break Over::User,
            }
        };
        self.end(over).await
    }

    /// Takes the next thing that happens, from whichever side.
    async fn step(&mut self) -> Result<Option<Over>, Gone> {
        let deadline = self.gate.deadline();
        let reads_target = self.held_output.len() < MAX_HELD_OUTPUT;
        tokio::select! {
            message = self.ear.next(), if self.target.has_room() => self.user_says(message).await,
            () = self.target.room(), if !self.target.has_room() => Ok(None),
            () = self.session.ended.cancelled() => Ok(Some(Over::User)),
            message = self.target_ear.hear(), if reads_target => self.target_says(message).await,
            Some((subject, order)) = self.orders.recv() => self.obey(subject, order).await,
            () = sleep_until(deadline.unwrap_or_else(Instant::now).into()), if deadline.is_some() => self.timed_out().await,
        }
    }

    async fn user_says(&mut self, message: Option<ChannelMsg>) -> Result<Option<Over>, Gone> {
        let Some(message) = message else {
            return Ok(Some(Over::User));
        };
        if let Some(size) = Size::told_by(&message) {
            self.pty.size = size;
            self.target.resize(size);
            let (columns, rows) = size.characters();
            self.gate.resize(columns, rows);
        }
        match message {
            ChannelMsg::Close => return Ok(Some(Over::User)),
            ChannelMsg::Data { data } => self.user_types(&data).await?,
            ChannelMsg::Signal { signal } => self.target.signal(signal),
            ChannelMsg::Eof => self.target.end_of_input(),
            _ => {}
        }
        Ok(None)
    }

    async fn user_types(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        let asked_here = |question: &&mut OpenQuestion| question.asked.here && !question.reply.is_closed();
        let Some(question) = self.question.as_mut().filter(asked_here) else {
            return self
                .feed(|gate, effects| gate.from_user(Instant::now(), bytes, effects))
                .await;
        };
        let fed = question.reader.feed(bytes, whole_millis(question.drawn.elapsed()));
        self.voice.stdout(fed.echo).await?;
        self.feed(|gate, effects| gate.from_user(Instant::now(), &fed.type_ahead, effects))
            .await?;
        let Some(typed) = fed.answer else { return Ok(()) };
        if let Some(OpenQuestion { asked, reply, .. }) = self.question.take() {
            let answer = answered(&asked, typed == Typed::Yes, AnswerChannel::Terminal);
            if reply.send(answer).is_err() {
                tracing::debug!("an answer came too late");
            }
        }
        self.ask_next().await
    }

    async fn target_says(&mut self, message: Option<ChannelMsg>) -> Result<Option<Over>, Gone> {
        match message {
            None => return Ok(Some(Over::Target)),
            Some(ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. }) => {
                self.feed(|gate, effects| gate.from_target(Instant::now(), &data, effects))
                    .await?;
            }
            Some(ChannelMsg::ExitStatus { exit_status }) => self.exit_code = Some(exit_status),
            Some(_) => {}
        }
        Ok(None)
    }

    async fn obey(&mut self, subject: Subject, order: Order) -> Result<Option<Over>, Gone> {
        match order {
            Order::Warn(question) => say(&self.voice, true, &prompt::warning(&question)).await?,
            Order::Ask(asked, reply) => {
                self.next_questions.push_back((subject, asked, reply));
                self.ask_next().await?;
            }
            Order::Run(permit, reply) => self.run(subject, permit, reply).await?,
            Order::Refused(refusal) => return self.refused(subject, &refusal).await,
        }
        Ok(None)
    }

    async fn timed_out(&mut self) -> Result<Option<Over>, Gone> {
        self.feed(|gate, effects| gate.timed_out(Instant::now(), effects))
            .await?;
        Ok(None)
    }

    /// Lets the state machine take something, and does what it says.
    async fn feed(&mut self, input: impl FnOnce(&mut ShellGate, &mut Vec<Effect>)) -> Result<(), Gone> {
        let mut effects = Vec::new();
        input(&mut self.gate, &mut effects);
        for effect in effects {
            self.apply(effect).await?;
        }
        Ok(())
    }

    async fn apply(&mut self, effect: Effect) -> Result<(), Gone> {
        match effect {
            Effect::ToUser(bytes) => self.show(bytes).await?,
            Effect::ToTarget(bytes) => self.send(bytes),
            Effect::Ready => self.ready().await?,
            Effect::Asking(line) => self.submit(line),
            Effect::Started => {}
            Effect::Cancelled => self.cancelled().await?,
            Effect::Ended(end) => self.ended(end),
            Effect::Unasked(text) => self.record_unasked(text),
            Effect::Forged => tracing::warn!(host = %self.session.target, "a mark that the hook did not write"),
            Effect::Lost => self.lost(),
        }
        Ok(())
    }

    async fn show(&mut self, bytes: Vec<u8>) -> Result<(), Gone> {
        if self.question.is_some() {
            self.held_output.extend(bytes);
            return Ok(());
        }
        self.voice.stdout(bytes).await
    }

    /// Sends input to the shell; not while it is open whether the rest of an unknown shell may go on.
    fn send(&mut self, bytes: Vec<u8>) {
        if let Some(Stage::Held(input)) = &mut self.rest {
            let room = MAX_HELD_INPUT.saturating_sub(input.len());
            input.extend_from_slice(bytes.get(..room).unwrap_or(&bytes));
        } else {
            self.target.input(bytes);
        }
    }

    /// The shell is understood, for the first time or again: lines are known one by one from here on.
    async fn ready(&mut self) -> Result<(), Gone> {
        match self.rest.take() {
            None => {}
            Some(Stage::Running(running)) => end(running, Ending::default()),
            Some(Stage::Held(input)) => {
                self.withdraw(Subject::Rest).await?;
                self.target.input(input);
            }
        }
        Ok(())
    }

    fn submit(&mut self, line: Line) {
        self.lines += 1;
        self.line = Some(Stage::Held(line.bytes.clone()));
        let submission = match line.exactness {
            Exactness::Unknown => Submission::Opaque {
                description: "line that the shell could not tell",
                judged: true,
            },
            exactness => Submission::Command {
                bytes: line.bytes,
                dialect: self.dialect,
                exactness,
            },
        };
        self.pass(Subject::Line(self.lines), submission, line.cwd);
    }

    /// From here on the shell is not understood: the rest of it is one thing that cannot be known.
    fn lost(&mut self) {
        self.rest = Some(Stage::Held(Vec::new()));
        let submission = Submission::Opaque {
            description: "interactive shell, not understood any longer",
            judged: true,
        };
        self.pass(Subject::Rest, submission, None);
    }

    /// Sends something on its way through the gate.
    fn pass(&self, subject: Subject, submission: Submission, cwd: Option<String>) {
        let request = Request {
            session: self.session.seen_by_gate(),
            channel: Channel::Shell,
            submission,
            cwd,
        };
        let orders = self.to_self.clone();
        let (session, mut submitted) = (self.session.clone(), Submitted { subject, orders });
        self.session.shared.tasks.spawn(async move {
            let passed = session.gate().pass(request, &session.observer(), &mut submitted).await;
            if let Err(refusal) = passed
                && submitted.order(Order::Refused(refusal)).await.is_err()
            {
                tracing::debug!("the session ended before a refusal");
            }
        });
    }

    /// Draws the next question, unless one stands on the screen; shows what waited, when there is none.
    async fn ask_next(&mut self) -> Result<(), Gone> {
        while self.question.is_none() {
            let Some((subject, asked, reply)) = self.next_questions.pop_front() else {
                return self.flush().await;
            };
            if reply.is_closed() {
                continue;
            }
            let drawn = Instant::now();
            if asked.here {
                let block = terminal_block(&asked.question, Some(&self.pty));
                self.voice.stdout(block.into_bytes()).await?;
            } else {
                let waiting = format!("held until {} runs: confirm {}", asked.answerer, asked.code);
                say(&self.voice, true, &waiting).await?;
            }
            let reader = AnswerReader::new(asked.question.expect.clone(), 0);
            self.question = Some(OpenQuestion {
                subject,
                asked,
                reader,
                drawn,
                reply,
            });
        }
        Ok(())
    }

    /// The permit is for the very bytes that the shell waits with, or for nothing.
    async fn run(&mut self, subject: Subject, permit: Permit, reply: oneshot::Sender<Ending>) -> Result<(), Gone> {
        self.withdraw(subject).await?;
        let running = Running {
            began: Instant::now(),
            reply,
        };
        match (subject, self.stage(subject).and_then(Option::take)) {
            (Subject::Line(_), Some(Stage::Held(bytes))) if bytes == permit.redeem() => {
                self.line = Some(Stage::Running(running));
                self.feed(|gate, effects| gate.answer(Verdict::Run, effects)).await?;
            }
            (Subject::Rest, Some(Stage::Held(input))) => {
                self.rest = Some(Stage::Running(running));
                self.send(input);
            }
            _ => end(running, Ending::lost("the shell no longer waits", Duration::ZERO)),
        }
        Ok(())
    }

    async fn refused(&mut self, subject: Subject, refusal: &Refusal) -> Result<Option<Over>, Gone> {
        self.withdraw(subject).await?;
        let held = self
            .stage(subject)
            .and_then(|stage| stage.take_if(|stage| matches!(stage, Stage::Held(_))));
        if held.is_none() {
            // The shell gave up meanwhile, or is understood again: nobody waits for this answer.
            return Ok(None);
        }
        say(&self.voice, true, &refusal.to_string()).await?;
        if subject == Subject::Rest {
            return Ok(Some(Over::Refused));
        }
        self.feed(|gate, effects| gate.answer(Verdict::Cancel, effects)).await?;
        Ok(None)
    }

    /// Where `subject` stands; `None` for a line that is past.
    fn stage(&mut self, subject: Subject) -> Option<&mut Option<Stage>> {
        match subject {
            Subject::Line(number) => (number == self.lines).then_some(&mut self.line),
            Subject::Rest => Some(&mut self.rest),
        }
    }

    /// Takes a question off the screen that was answered elsewhere, or not at all.
    async fn withdraw(&mut self, subject: Subject) -> Result<(), Gone> {
        self.next_questions.retain(|(about, _, _)| *about != subject);
        if self.question.take_if(|question| question.subject == subject).is_some() {
            self.voice.stdout(b"\r\n".to_vec()).await?;
        }
        self.ask_next().await
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        match std::mem::take(&mut self.held_output) {
            nothing if nothing.is_empty() => Ok(()),
            output => self.voice.stdout(output).await,
        }
    }

    /// The shell gave a line up. Where it was running by the record, its end was not seen.
    async fn cancelled(&mut self) -> Result<(), Gone> {
        if let Some(Stage::Running(line)) = self.line.take() {
            end(line, Ending::lost("the shell gave the line up", Duration::ZERO));
        }
        self.withdraw(Subject::Line(self.lines)).await
    }

    fn ended(&mut self, line_end: LineEnd) {
        let Some(Stage::Running(line)) = self.line.take_if(|line| matches!(line, Stage::Running(_))) else {
            return;
        };
        let ending = Ending {
            exit_code: line_end.exit_code,
            pipe_status: line_end.pipe_status,
            duration: line.began.elapsed(),
            stdout_length: Some(line_end.output_bytes),
            cwd: line_end.cwd,
            ..Ending::default()
        };
        end(line, ending);
    }

    fn record_unasked(&self, text: String) {
        tracing::warn!(host = %self.session.target, "a line ran unasked");
        let request = Request {
            session: self.session.seen_by_gate(),
            channel: Channel::Shell,
            submission: Submission::Ran {
                bytes: text.into_bytes(),
                dialect: self.dialect,
            },
            cwd: None,
        };
        let session = self.session.clone();
        self.session.shared.tasks.spawn(async move {
            if let Err(refusal) = session.gate().pass(request, &session.observer(), &mut Seen).await {
                tracing::error!(%refusal, "a line that ran unasked is not on record");
            }
        });
    }

    async fn end(mut self, over: Over) -> Result<(), Gone> {
        if !matches!(over, Over::Target) {
            self.target.close();
            timeout(LAST_WORDS, self.last_words()).await.unwrap_or_default();
        }
        for stage in [self.line.take(), self.rest.take()].into_iter().flatten() {
            if let Stage::Running(running) = stage {
                let duration = running.began.elapsed();
                end(running, last_ending(self.exit_code, duration));
            }
        }
        match over {
            Over::Target => self.voice.exit(self.exit_code.unwrap_or(FAILED)).await,
            Over::Refused => self.voice.exit(REFUSED).await,
            Over::User => Ok(()),
        }
    }

    async fn last_words(&mut self) {
        while let Some(message) = self.target_ear.hear().await {
            if let ChannelMsg::ExitStatus { exit_status } = message {
                self.exit_code = Some(exit_status);
            }
        }
    }
}

/// How the last line ended: `exit 3` ends with the shell, and the shell's exit code is its own.
fn last_ending(exit_code: Option<u32>, duration: Duration) -> Ending {
    match exit_code {
        Some(code) => Ending {
            exit_code: Some(code.cast_signed()),
            duration,
            ..Ending::default()
        },
        None => Ending::lost("the connection ended before the command did", duration),
    }
}

fn end(running: Running, ending: Ending) {
    if running.reply.send(ending).is_err() {
        tracing::debug!("nobody waits for the end of a command any longer");
    }
}

/// Something that has run already and is only put on record.
struct Seen;

impl Intercept for Seen {
    async fn warn(&mut self, _question: &Question) {}

    async fn ask(&mut self, _asked: &Asked) -> Option<Answer> {
        None
    }

    async fn run(&mut self, _permit: Permit) -> Ending {
        Ending::default()
    }
}

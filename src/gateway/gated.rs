//! A terminal whose lines are known before they run: its traffic. What becomes of its lines is in [`lines`].
//!
//! One task owns both sides and the [`LineGate`], and never waits for the gate: each line passes the gate in a task of
//! its own, and the two speak through [`Order`]s.

mod lines;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use russh::ChannelMsg;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{sleep_until, timeout};

use crate::command::Opens;
use crate::domain::{AnswerChannel, Channel, CommandId, whole_millis};
use crate::gate::{Answer, Asked};
use crate::terminal::prompt;
use crate::terminal::{Answer as Typed, AnswerReader, Effect, LineGate};

use super::ask::answered;
use super::heard::Heard;
use super::intake::Intake;
use super::session::{LAST_WORDS, TargetSession};
use super::submitted::{Order, Running, Subject};
use super::target_channel::{TargetChannel, TargetEar};
use super::target_writer::TargetWriter;
use super::user::{Gone, PtyRequest, Size, Voice, say};

/// Target output held while a question stands, bytes. Beyond it the target is not read until the answer.
const MAX_HELD_OUTPUT: usize = 1024 * 1024;
/// Input held while it is open whether the rest of an unknown shell may go on, bytes; what comes on top is dropped.
const MAX_HELD_INPUT: usize = 1024 * 1024;

/// What may be on its way through the gate before the target is read on. More than the shells that can stand on each other,
/// each with a line that runs.
const MAX_ON_THE_WAY: usize = 64;

/// Told where a shell gives back something else than what was typed before its answer.
const NOT_TYPED: &str =
    "the shell gave back what you have not typed; what you typed ahead is dropped, please type it again";

/// A question on the user's screen.
struct OpenQuestion {
    subject: Subject,
    asked: Asked,
    reader: AnswerReader,
    drawn: Instant,
    reply: oneshot::Sender<Answer>,
}

/// How far something is on its way through the gate.
enum Stage {
    /// It is assessed, recorded and asked about; held are the bytes that wait for the outcome.
    Held(Vec<u8>),
    /// It runs.
    Running(Running),
    /// It will not run, and its shell is about to say so.
    Refused,
}

/// A line that has not ended.
struct OpenLine {
    number: u64,
    opens: Option<Opens>,
    /// Held are its own bytes.
    stage: Stage,
    /// Its row, once it runs; `None` where it is not on record.
    row: Option<CommandId>,
}

/// A terminal on a target whose lines pass the gate, between its user and the target.
pub(super) struct GatedTerminal<'a> {
    session: Arc<TargetSession>,
    gate: LineGate,
    channel: Channel,
    pty: PtyRequest,
    ear: &'a mut Intake,
    voice: &'a Voice,
    target_ear: TargetEar,
    target: TargetWriter,
    /// The row of the program that the terminal was opened for; `None` for a login shell.
    opener: Option<CommandId>,
    orders: mpsc::Receiver<(Subject, Order)>,
    to_self: mpsc::Sender<(Subject, Order)>,
    /// How many lines and rests have been submitted. The current rest has the number `rest_number`.
    asked: u64,
    rest_number: u64,
    /// Those that have not ended, the innermost shell's last.
    lines: Vec<OpenLine>,
    /// The rest of a shell that is not understood any longer. Held is the input that must not reach it yet.
    rest: Option<Stage>,
    /// Whether the shell still waits with the line that will open that rest.
    rest_begins_with_line: bool,
    question: Option<OpenQuestion>,
    /// Questions that wait until the one on the screen is answered.
    next_questions: VecDeque<(Subject, Asked, oneshot::Sender<Answer>)>,
    /// Room for more on its way through the gate: a target can ask faster than anybody can record.
    way: Arc<Semaphore>,
    /// Whether forged marks have been warned about.
    has_forged: bool,
    held_output: Vec<u8>,
    heard: Heard,
    /// The user has sent all there is, and the target has not been told.
    input_ends: bool,
}

/// Why the terminal is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// The target has closed.
    Target,
    /// The user has left.
    User,
    /// What could not be known was refused.
    Refused,
}

impl<'a> GatedTerminal<'a> {
    pub(super) fn new(
        session: Arc<TargetSession>,
        gate: LineGate,
        channel: Channel,
        pty: PtyRequest,
        target: TargetChannel,
        ear: &'a mut Intake,
        voice: &'a Voice,
    ) -> Self {
        let (target_ear, target_voice) = target.split();
        let target = TargetWriter::new(target_voice);
        let (to_self, orders) = mpsc::channel(4);
        Self {
            session,
            gate,
            channel,
            pty,
            ear,
            voice,
            target_ear,
            target,
            opener: None,
            orders,
            to_self,
            asked: 0,
            rest_number: 0,
            lines: Vec::new(),
            rest: None,
            rest_begins_with_line: false,
            question: None,
            next_questions: VecDeque::new(),
            way: Arc::new(Semaphore::new(MAX_ON_THE_WAY)),
            has_forged: false,
            held_output: Vec::new(),
            heard: Heard::new(true),
            input_ends: false,
        }
    }

    /// A terminal that was opened for the program of this row.
    pub(super) const fn opened_by(mut self, row: Option<CommandId>) -> Self {
        self.opener = row;
        self
    }

    /// Serves the terminal until one side leaves, and says why that was. First it does what the gate wanted when it was
    /// made, and hands it what was typed before.
    pub(super) async fn serve(&mut self, wanted: Vec<Effect>, typed: &[u8]) -> Over {
        let over = match self.begin(wanted, typed).await {
            Ok(()) => self.until_over().await,
            Err(Gone) => Over::User,
        };
        self.end(over).await;
        over
    }

    /// What was heard of the program on the terminal.
    pub(super) fn heard(self) -> Heard {
        self.heard
    }

    async fn begin(&mut self, wanted: Vec<Effect>, typed: &[u8]) -> Result<(), Gone> {
        for effect in wanted {
            self.apply(effect).await?;
        }
        self.feed(|gate, effects| gate.from_user(Instant::now(), typed, effects))
            .await
    }

    async fn until_over(&mut self) -> Over {
        loop {
            match self.step().await {
                Ok(None) => self.end_input(),
                Ok(Some(over)) => return over,
                Err(Gone) => return Over::User,
            }
        }
    }

    /// Tells the target that the input has ended, behind all that was typed.
    fn end_input(&mut self) {
        let is_held = matches!(self.rest, Some(Stage::Held(_)));
        if self.input_ends && !is_held && self.gate.may_end_input() {
            self.input_ends = false;
            self.target.end_of_input();
        }
    }

    /// Takes the next thing that happens, from whichever side.
    async fn step(&mut self) -> Result<Option<Over>, Gone> {
        let deadline = self.gate.deadline();
        let has_way = self.way.available_permits() > 0;
        let reads_target = has_way && self.held_output.len() < MAX_HELD_OUTPUT;
        let way = self.way.clone();
        tokio::select! {
            message = self.ear.next(), if self.target.has_room() => self.user_says(message).await,
            () = self.target.room(), if !self.target.has_room() => Ok(None),
            () = self.session.ended.cancelled() => Ok(Some(Over::User)),
            () = self.voice.unrecorded.cancelled() => Ok(Some(Over::User)),
            message = self.target_ear.hear(), if reads_target => self.target_says(message).await,
            _ = way.acquire(), if !has_way => Ok(None),
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
            ChannelMsg::Eof => self.input_ends = true,
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
        if let Some(message) = &message {
            self.heard.note(message);
        }
        match message {
            None => return Ok(Some(Over::Target)),
            Some(ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. }) => {
                self.feed(|gate, effects| gate.from_target(Instant::now(), &data, effects))
                    .await?;
            }
            Some(_) => {}
        }
        Ok(None)
    }

    async fn obey(&mut self, subject: Subject, order: Order) -> Result<Option<Over>, Gone> {
        match order {
            Order::Warn(question) => say(self.voice, true, &prompt::warning(&question)).await?,
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
    async fn feed(&mut self, input: impl FnOnce(&mut LineGate, &mut Vec<Effect>)) -> Result<(), Gone> {
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
            Effect::Asking(line) => self.submit(line).await?,
            Effect::Started => {}
            Effect::Cancelled => self.cancelled().await?,
            Effect::Ended(end) => self.ended(end),
            Effect::Unasked { text, dialect } => self.record_unasked(text, dialect),
            Effect::Forged => self.warn_of_forgery(),
            Effect::Invented => self.tell_of_invention().await?,
            Effect::Lost(why) => self.lost(why),
        }
        Ok(())
    }

    /// Once: a target can forge as fast as it can write.
    fn warn_of_forgery(&mut self) {
        if !std::mem::replace(&mut self.has_forged, true) {
            tracing::warn!(host = %self.session.target, "a mark that the hook did not write");
        }
    }

    async fn tell_of_invention(&mut self) -> Result<(), Gone> {
        tracing::warn!(host = %self.session.target, "a shell gave back what nobody had typed");
        say(self.voice, true, NOT_TYPED).await
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

    async fn flush(&mut self) -> Result<(), Gone> {
        match std::mem::take(&mut self.held_output) {
            nothing if nothing.is_empty() => Ok(()),
            output => self.voice.stdout(output).await,
        }
    }

    async fn end(&mut self, over: Over) {
        if over != Over::Target {
            self.target.close();
            timeout(LAST_WORDS, self.last_words()).await.unwrap_or_default();
        }
        // A line that ends the shell (`exit 3`) ends with it, and the shell's exit code is its own.
        for stage in self.lines.drain(..).map(|line| line.stage).chain(self.rest.take()) {
            if let Stage::Running(running) = stage {
                let ending = self.heard.last_ending(running.began.elapsed());
                running.end(ending);
            }
        }
    }

    async fn last_words(&mut self) {
        while let Some(message) = self.target_ear.hear().await {
            self.heard.note(&message);
        }
    }
}

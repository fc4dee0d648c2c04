//! A program that another reads on its standard input, in the direction to the target: each command in it passes the gate
//! before its bytes go on.
//!
//! What is not complete and does not go on, is too long, or cannot be read passes as a whole, judged as `unknown` once: two
//! programs that answer one another must never wait for the bastion.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use russh::ChannelMsg;
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::command::{
    self, Interpreted, MAX_TEXT, MAX_UNIT, Piece, Splitter, Stdin, password_on_stdin, program_on_stdin,
};
use crate::domain::{Channel, CommandId, Dialect, Exactness};
use crate::gate::{Answer, Asked, Ending, Intercept, Permit, Refusal, Request, Submission};
use crate::store::{InputEnd, InputRest};
use crate::terminal::{Question, prompt};

use super::ask::console;
use super::held::Held;
use super::intake::Intake;
use super::session::TargetSession;
use super::target_channel::TargetVoice;
use super::user::{Voice, say};

/// How long an incomplete text is waited with: longer than a client takes between two writes, and too short to be felt.
const SILENCE: Duration = Duration::from_millis(200);

/// How the record calls a line that may be a password.
const PASSWORD: &str = "line of the standard input, maybe a password";

/// How the record calls what passes as a whole.
const REST: &str = "rest of the standard input";

/// What is known of a standard input before it comes.
#[derive(Debug, Clone)]
pub(super) struct Input {
    /// What reads it.
    pub program: Stdin,
    /// Whether its first line may be a password.
    pub password_first: bool,
}

impl Input {
    /// Of the command that somebody who logs in as `login` runs; `None` where its input is data.
    pub(super) fn of(script: &command::Script, login: &str) -> Option<Self> {
        Some(Self {
            program: program_on_stdin(script)?,
            password_first: password_on_stdin(script, login == "root"),
        })
    }
}

/// The standard input of one program that reads commands there.
pub(super) struct Script<'a> {
    session: &'a Arc<TargetSession>,
    channel: Channel,
    voice: &'a Voice,
    target: &'a TargetVoice,
    /// Cancelled when the target has ended.
    over: &'a CancellationToken,
    /// The row of the program that reads.
    reader: Option<CommandId>,
    reading: Reading,
    /// What goes before each of the commands that are on their way: bytes without a command, or a line that may be a password.
    gaps: VecDeque<Vec<u8>>,
    /// Bytes that may go to the target and have not yet.
    outgoing: Vec<u8>,
    /// What the next permit for something unknown stands for.
    unknown: Vec<u8>,
    rest: Option<Rest>,
    /// Whether the rest may hold a password, so that not even its digest is recorded.
    hides_secrets: bool,
    /// The beginning of a first line that may be a password, before a text: it is judged as unknown, and never recorded.
    password: Option<Vec<u8>>,
    /// Whether anything has been put on record.
    is_recorded: bool,
}

/// How the input is read.
enum Reading {
    /// As commands of a shell.
    Commands(Splitter),
    /// As one text of another interpreter.
    Text(Interpreted, Vec<u8>),
    /// Not at all: nothing is known of it but how the record calls it.
    Unknown(&'static str),
    /// Not at all any more: it passes, if the policy says so.
    Raw,
    /// It is over: no client may send more, and what one sends all the same goes nowhere.
    Ended,
}

impl Reading {
    fn of(program: Stdin, password_first: bool) -> Self {
        let splitter = match program {
            Stdin::Commands(dialect) => Splitter::new(dialect),
            Stdin::AnyShell => Splitter::of_any_shell(),
            Stdin::Text(interpreted) => return Self::Text(interpreted, Vec::new()),
            Stdin::Unknown(input) => return Self::Unknown(input),
        };
        Self::Commands(if password_first {
            splitter.after_password()
        } else {
            splitter
        })
    }
}

/// What passed without having been understood.
struct Rest {
    row: Option<CommandId>,
    length: u64,
    digest: Sha256,
}

impl Rest {
    fn count(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        self.digest.update(bytes);
    }

    fn end(self) -> Option<InputRest> {
        Some(InputRest {
            id: self.row?,
            length: self.length,
            sha256: self.digest.finalize().into(),
        })
    }
}

/// What comes next from the user.
enum Heard {
    Message(ChannelMsg),
    /// Nothing for a while, in the middle of a command.
    Silence,
    /// The user left.
    Nothing,
}

impl<'a> Script<'a> {
    /// The input of a program that was started under `reader` and now runs behind `target`.
    pub(super) fn new(
        session: &'a Arc<TargetSession>,
        channel: Channel,
        reader: Option<CommandId>,
        input: Input,
        voice: &'a Voice,
        target: &'a TargetVoice,
        over: &'a CancellationToken,
    ) -> Self {
        let reading = Reading::of(input.program, input.password_first);
        let is_text = matches!(reading, Reading::Text(..));
        Self {
            session,
            channel,
            voice,
            target,
            over,
            reader,
            gaps: VecDeque::new(),
            outgoing: Vec::new(),
            unknown: Vec::new(),
            rest: None,
            hides_secrets: input.password_first && matches!(reading, Reading::Unknown(_)),
            reading,
            password: (input.password_first && is_text).then(Vec::new),
            is_recorded: false,
        }
    }

    /// Passes the input on until the user leaves or the target ends.
    ///
    /// # Errors
    /// Why a command was refused. What stood before it has been sent, and the input of the target is ended.
    pub(super) async fn serve(&mut self, ear: &mut Intake, held: &mut Held) -> Result<(), Refusal> {
        let served = self.pass_on(ear, held).await;
        if served.is_err() {
            self.flush().await;
            self.relay(ChannelMsg::Eof).await;
        }
        // A question that its target did not wait for is nobody's refusal.
        served.or_else(|refusal| match refusal {
            Refusal::Abandoned if self.over.is_cancelled() => Ok(()),
            refusal => Err(refusal),
        })
    }

    /// How the input ended, for the record; `None` where there is nothing to say.
    pub(super) fn ended(self, lost: Option<String>) -> Option<InputEnd> {
        self.is_recorded.then(|| InputEnd {
            rest: self.rest.and_then(Rest::end),
            lost,
        })
    }

    async fn pass_on(&mut self, ear: &mut Intake, held: &mut Held) -> Result<(), Refusal> {
        loop {
            let heard = tokio::select! {
                heard = self.hear(ear, held) => heard,
                () = self.over.cancelled() => return Ok(()),
            };
            match heard {
                Heard::Message(ChannelMsg::Data { data }) => self.take(&data).await?,
                Heard::Message(ChannelMsg::Eof) => self.end().await?,
                Heard::Message(ChannelMsg::Close) | Heard::Nothing => {
                    if let Err(error) = self.target.close().await {
                        tracing::debug!(%error, "the target was gone before its channel was closed");
                    }
                    return Ok(());
                }
                Heard::Message(other) => self.relay(other).await,
                Heard::Silence => self.give_up().await?,
            }
        }
    }

    async fn hear(&self, ear: &mut Intake, held: &mut Held) -> Heard {
        let next = held.next(ear);
        let message = if self.is_incomplete() {
            timeout(SILENCE, next).await
        } else {
            Ok(next.await)
        };
        match message {
            Ok(Some(message)) => Heard::Message(message),
            Ok(None) => Heard::Nothing,
            Err(_) => Heard::Silence,
        }
    }

    /// Whether something is held for want of its rest.
    fn is_incomplete(&self) -> bool {
        match &self.reading {
            Reading::Commands(splitter) => !splitter.pending().is_empty(),
            Reading::Text(interpreted, text) => !text.is_empty() && !interpreted.runs_at_end(),
            Reading::Unknown(_) | Reading::Raw | Reading::Ended => false,
        }
    }

    async fn take(&mut self, data: &[u8]) -> Result<(), Refusal> {
        let Some(mut line) = self.password.take() else {
            return self.take_program(data).await;
        };
        let end = memchr::memchr(b'\n', data).map_or(data.len(), |newline| newline + 1);
        let (first, after) = data.split_at(end);
        line.extend_from_slice(first);
        if !line.ends_with(b"\n") && line.len() <= MAX_UNIT {
            self.password = Some(line);
            return Ok(());
        }
        self.unknown = line;
        self.pass(vec![unknown(PASSWORD)]).await?;
        self.take_program(after).await
    }

    async fn take_program(&mut self, data: &[u8]) -> Result<(), Refusal> {
        match &mut self.reading {
            Reading::Commands(splitter) => {
                let pieces = splitter.feed(data);
                let is_lost = splitter.is_lost();
                self.pass_pieces(pieces).await?;
                if is_lost { self.give_up().await } else { Ok(()) }
            }
            Reading::Text(interpreted, text) => {
                text.extend_from_slice(data);
                if text.len() > MAX_TEXT || (data.contains(&0) && !interpreted.takes_nul()) {
                    return self.give_up().await;
                }
                Ok(())
            }
            Reading::Unknown(_) => self.give_up_with(data).await,
            Reading::Raw => {
                self.pass_raw(data);
                self.flush().await;
                Ok(())
            }
            Reading::Ended => Ok(()),
        }
    }

    /// The input has ended: what is left is all that there is of it.
    async fn end(&mut self) -> Result<(), Refusal> {
        if let Some(line) = self.password.take().filter(|line| !line.is_empty()) {
            self.unknown = line;
            self.pass(vec![unknown(PASSWORD)]).await?;
        }
        if let Reading::Commands(splitter) = &mut self.reading
            && !splitter.hides_secrets()
            && !splitter.is_known_at_end()
        {
            self.give_up().await?;
        }
        match std::mem::replace(&mut self.reading, Reading::Ended) {
            Reading::Commands(splitter) => {
                let (dialect, may_be_secret) = (splitter.dialect(), splitter.hides_secrets());
                let left = splitter.into_pending();
                if left.trim_ascii().is_empty() {
                    self.outgoing.extend(left);
                } else if may_be_secret {
                    self.gaps.push_back(left);
                    self.pass(vec![unknown(PASSWORD)]).await?;
                } else {
                    self.pass(vec![command(left, dialect)]).await?;
                }
            }
            Reading::Text(_, text) if text.is_empty() => {}
            Reading::Text(interpreted, bytes) => self.pass(vec![Submission::Text { bytes, interpreted }]).await?,
            Reading::Unknown(_) | Reading::Raw | Reading::Ended => {}
        }
        self.flush().await;
        self.relay(ChannelMsg::Eof).await;
        Ok(())
    }

    async fn give_up(&mut self) -> Result<(), Refusal> {
        self.give_up_with(&[]).await
    }

    /// Lets the policy say whether what cannot be understood may pass, with `data` and everything after it.
    async fn give_up_with(&mut self, data: &[u8]) -> Result<(), Refusal> {
        let (mut unknown_bytes, description) = match std::mem::replace(&mut self.reading, Reading::Raw) {
            Reading::Commands(splitter) => {
                self.hides_secrets |= splitter.hides_secrets();
                (splitter.into_pending(), REST)
            }
            Reading::Text(_, text) => (text, REST),
            Reading::Unknown(description) => (Vec::new(), description),
            Reading::Raw | Reading::Ended => (Vec::new(), REST),
        };
        unknown_bytes.extend_from_slice(data);
        self.unknown = unknown_bytes;
        self.pass(vec![unknown(description)]).await
    }

    async fn pass_pieces(&mut self, pieces: Vec<Piece>) -> Result<(), Refusal> {
        let Reading::Commands(splitter) = &self.reading else {
            return Ok(());
        };
        let dialect = splitter.dialect();
        let (mut commands, mut gap) = (Vec::new(), Vec::new());
        for piece in pieces {
            match piece {
                Piece::Blank(bytes) => gap.extend(bytes),
                Piece::Unit(bytes) => {
                    self.gaps.push_back(std::mem::take(&mut gap));
                    commands.push(command(bytes, dialect));
                }
                Piece::Secret(line) => {
                    gap.extend(line);
                    self.gaps.push_back(std::mem::take(&mut gap));
                    commands.push(unknown(PASSWORD));
                }
            }
        }
        if !commands.is_empty() {
            self.pass(commands).await?;
        }
        self.outgoing.extend(gap);
        self.flush().await;
        Ok(())
    }

    async fn pass(&mut self, submissions: Vec<Submission>) -> Result<(), Refusal> {
        let session = self.session.clone();
        let requests = submissions.into_iter().map(|submission| Request {
            session: session.seen_by_gate(),
            channel: self.channel,
            submission,
            cwd: None,
            parent: self.reader,
        });
        let (requests, observer) = (requests.collect(), session.observer());
        self.is_recorded = true;
        let gate = session.gate();
        gate.pass_input(requests, &observer, self).await?;
        self.flush().await;
        Ok(())
    }

    fn pass_raw(&mut self, bytes: &[u8]) {
        if let Some(rest) = &mut self.rest {
            rest.count(bytes);
        }
        self.outgoing.extend_from_slice(bytes);
    }

    /// Sends what may go.
    async fn flush(&mut self) {
        if !self.outgoing.is_empty() {
            let data = std::mem::take(&mut self.outgoing).into();
            self.relay(ChannelMsg::Data { data }).await;
        }
    }

    /// Sends a message, unless the target ends before it takes it. One that hears no more may still have last words.
    async fn relay(&self, message: ChannelMsg) {
        tokio::select! {
            sent = self.target.relay(message) => if let Err(error) = sent {
                tracing::debug!(%error, "the target hears no more");
            },
            () = self.over.cancelled() => {}
        }
    }
}

impl Intercept for Script<'_> {
    async fn warn(&mut self, question: &Question) {
        if !self.session.gate().engine().config.confirm.warn_stderr {
            return;
        }
        if say(self.voice, false, &prompt::warning(question)).await.is_err() {
            tracing::debug!("the user left before a warning");
        }
    }

    /// The input is the script: only the console can answer.
    async fn ask(&mut self, asked: &Asked) -> Option<Answer> {
        self.flush().await;
        let engine = self.session.gate().engine();
        let block = prompt::render_for_owner(&asked.question, &asked.code, &console(&engine.config.server, asked));
        self.voice.stderr(block.into_bytes()).await.ok()?;
        tokio::select! {
            () = self.session.ended.cancelled() => None,
            () = self.voice.closed() => None,
            () = self.over.cancelled() => None,
        }
    }

    /// Makes what the permit owns ready to be sent; what stood before it without a command goes first.
    async fn run(&mut self, permit: Permit) -> Ending {
        let unknown = std::mem::take(&mut self.unknown);
        if !unknown.is_empty() && matches!(self.reading, Reading::Raw) {
            self.rest = Some(Rest {
                row: permit.recorded().filter(|_| !self.hides_secrets),
                length: 0,
                digest: Sha256::new(),
            });
        }
        self.pass_raw(&unknown);
        self.outgoing.extend(self.gaps.pop_front().unwrap_or_default());
        self.outgoing.extend(permit.redeem());
        Ending::default()
    }
}

fn unknown(description: &'static str) -> Submission {
    Submission::Opaque {
        description,
        judged: true,
    }
}

fn command(bytes: Vec<u8>, dialect: Option<Dialect>) -> Submission {
    match dialect {
        Some(dialect) => Submission::Command {
            bytes,
            dialect,
            exactness: Exactness::Exact,
            aliases: Vec::new(),
        },
        None => Submission::AnyShell { bytes },
    }
}

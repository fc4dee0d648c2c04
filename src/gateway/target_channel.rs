//! One session channel on a target.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use russh::client::Msg;
use russh::{ChannelMsg, ChannelWriteHalf, Sig};
use tokio::time::timeout;

use super::environment::Environment;
use super::intake::Intake;
use super::pool::Place;
use super::target::Connection;
use super::user::{PtyRequest, Size};

/// How long a target may take to open a channel, and to answer each request on it.
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// Why nothing could be started on a target.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    /// The SSH conversation failed.
    #[error("the connection to the target failed: {0}")]
    Protocol(#[from] russh::Error),
    /// The target said no.
    #[error("the target refused the {0}")]
    Refused(&'static str),
    /// The target said nothing.
    #[error("the target did not answer within {} s", START_TIMEOUT.as_secs())]
    TimedOut,
    /// The channel ended before the target answered.
    #[error("the target closed the channel")]
    Closed,
}

/// A session channel on a target: at first nothing runs in it.
pub(super) struct TargetChannel {
    ear: TargetEar,
    voice: TargetVoice,
}

impl TargetChannel {
    /// Opens a channel in a place, as [`TargetChannel::open`], and keeps the place for as long as the target is heard.
    pub(super) async fn open_in(
        place: Place<Connection>,
        pty: Option<&PtyRequest>,
        environment: &Environment,
    ) -> Result<Self, StartError> {
        let mut channel = Self::open(&place.connection, place.taken_in_all, pty, environment).await?;
        channel.ear.place = Some(place);
        Ok(channel)
    }

    /// Opens a channel with a PTY, if one is given, and the environment. So many are open in the session, with this one.
    pub(super) async fn open(
        connection: &Connection,
        open: usize,
        pty: Option<&PtyRequest>,
        environment: &Environment,
    ) -> Result<Self, StartError> {
        let opened = timeout(START_TIMEOUT, connection.open_session()).await;
        let (half, voice) = opened.map_err(|_| StartError::TimedOut)??.split();
        let ear = Intake::from_target(half, open);
        let mut channel = Self {
            ear: TargetEar {
                ear,
                early: VecDeque::new(),
                place: None,
            },
            voice: TargetVoice { voice },
        };
        channel.voice.surround(environment).await?;
        if let Some(PtyRequest { term, size, modes, .. }) = pty {
            let Size {
                columns,
                rows,
                width,
                height,
            } = *size;
            channel
                .voice
                .voice
                .request_pty(true, term, columns, rows, width, height, modes)
                .await?;
            channel.ear.answered("PTY").await?;
        }
        Ok(channel)
    }

    /// Runs a command.
    pub(super) async fn exec(&mut self, command: Vec<u8>) -> Result<(), StartError> {
        self.voice.exec(&mut self.ear, command).await
    }

    /// Runs the login shell.
    pub(super) async fn shell(&mut self) -> Result<(), StartError> {
        self.voice.voice.request_shell(true).await?;
        self.ear.answered("shell").await
    }

    /// Runs a subsystem.
    pub(super) async fn subsystem(&mut self, name: &str) -> Result<(), StartError> {
        self.voice.voice.request_subsystem(true, name).await?;
        self.ear.answered("subsystem").await
    }

    /// Splits the channel, so that both directions can move at once.
    pub(super) fn split(self) -> (TargetEar, TargetVoice) {
        (self.ear, self.voice)
    }
}

/// What the target says on one channel.
pub(super) struct TargetEar {
    ear: Intake,
    /// What the target said before it answered the last request.
    early: VecDeque<ChannelMsg>,
    /// Its place on the connection; the bastion's own execs take none.
    place: Option<Place<Connection>>,
}

impl TargetEar {
    async fn answered(&mut self, what: &'static str) -> Result<(), StartError> {
        let answer = timeout(START_TIMEOUT, self.answer(what)).await;
        answer.unwrap_or(Err(StartError::TimedOut))
    }

    async fn answer(&mut self, what: &'static str) -> Result<(), StartError> {
        loop {
            match self.ear.next().await {
                Some(ChannelMsg::Success) => return Ok(()),
                Some(ChannelMsg::Failure) => return Err(StartError::Refused(what)),
                Some(ChannelMsg::Close) | None => return Err(StartError::Closed),
                Some(message) => self.early.push_back(message),
            }
        }
    }

    /// The next thing that the target says; `None` when it has closed. May be dropped at the await.
    pub(super) async fn hear(&mut self) -> Option<ChannelMsg> {
        match self.early.pop_front() {
            Some(message) => Some(message),
            None => self
                .ear
                .next()
                .await
                .filter(|message| !matches!(message, ChannelMsg::Close)),
        }
    }
}

/// What is said to the target on one channel.
pub(super) struct TargetVoice {
    voice: ChannelWriteHalf<Msg>,
}

impl TargetVoice {
    /// Asks for what surrounds the program. A target that refuses a part of it leaves that out; no answer is wanted.
    async fn surround(&self, environment: &Environment) -> Result<(), russh::Error> {
        for (name, value) in &environment.variables {
            self.voice.set_env(false, name, value).await?;
        }
        if environment.agent {
            self.voice.agent_forward(false).await?;
        }
        if let Some(x11) = &environment.x11 {
            let (protocol, cookie) = (x11.protocol.as_str(), x11.cookie.as_str());
            self.voice
                .request_x11(false, x11.single, protocol, cookie, x11.screen)
                .await?;
        }
        Ok(())
    }

    /// Runs a command; `ear` hears whether the target accepts it.
    pub(super) async fn exec(&self, ear: &mut TargetEar, command: Vec<u8>) -> Result<(), StartError> {
        self.voice.exec(true, command).await?;
        ear.answered("command").await
    }

    /// Writes to the standard input of what runs.
    pub(super) async fn input(&self, bytes: impl Into<Bytes>) -> Result<(), russh::Error> {
        self.voice.data_bytes(bytes.into()).await
    }

    /// Ends the standard input.
    pub(super) async fn end_of_input(&self) -> Result<(), russh::Error> {
        self.voice.eof().await
    }

    /// Tells the size of the window.
    pub(super) async fn resize(&self, size: Size) -> Result<(), russh::Error> {
        self.voice
            .window_change(size.columns, size.rows, size.width, size.height)
            .await
    }

    /// Sends a signal.
    pub(super) async fn signal(&self, signal: Sig) -> Result<(), russh::Error> {
        self.voice.signal(signal).await
    }

    /// Closes the channel.
    pub(super) async fn close(&self) -> Result<(), russh::Error> {
        self.voice.close().await
    }

    /// Passes on what the user said.
    pub(super) async fn relay(&self, message: ChannelMsg) -> Result<(), russh::Error> {
        if let Some(size) = Size::told_by(&message) {
            return self.resize(size).await;
        }
        match message {
            ChannelMsg::Data { data } => self.voice.data_bytes(data).await,
            ChannelMsg::Eof => self.end_of_input().await,
            ChannelMsg::Signal { signal } => self.signal(signal).await,
            _ => Ok(()),
        }
    }
}

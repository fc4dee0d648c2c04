//! The user's side of one channel: what they send, in order, and what is said to them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use russh::server::{Handle, Msg};
use russh::{Channel, ChannelId, ChannelMsg, ChannelWriteHalf, Sig};

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::domain::{CommandId, printable_line};
use crate::terminal::Shown;

use super::idle::Usage;
use super::intake::Intake;
use super::session::LAST_WORDS;
use super::tape::Tape;

/// Told once, where lines stop to be known.
pub(super) const UNKNOWN_FROM_HERE: &str = "what runs from here on cannot be known, and is recorded as such";

/// Exit code of what was refused, denied or not answered.
pub(super) const REFUSED: u32 = 126;
/// Exit code of the bastion's own failures.
pub(super) const FAILED: u32 = 255;

/// What a user is told whose terminal cannot be recorded any longer.
const UNRECORDED: &[u8] =
    b"\r\nopspilot: the recording of this terminal cannot be written any longer, so it ends here\r\n";

/// A request for a pseudo-terminal, and the window as it is now.
#[derive(Debug, Clone)]
pub(super) struct PtyRequest {
    /// The terminal type.
    pub term: String,
    /// Columns and rows in characters.
    pub size: Size,
    /// Encoded modes, as the client sent them.
    pub modes: Vec<(russh::Pty, u32)>,
    /// Whether the user wants no colours (`NO_COLOR`).
    pub no_color: bool,
}

/// A window's size: characters, then pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    /// Columns.
    pub columns: u32,
    /// Rows.
    pub rows: u32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

impl Size {
    /// The size that a window-change request tells; `None` for any other message.
    pub(super) fn told_by(message: &ChannelMsg) -> Option<Self> {
        match *message {
            ChannelMsg::WindowChange {
                col_width: columns,
                row_height: rows,
                pix_width: width,
                pix_height: height,
            } => Some(Self {
                columns,
                rows,
                width,
                height,
            }),
            _ => None,
        }
    }

    /// Columns and rows, as far as a terminal can have them.
    pub(super) fn characters(self) -> (u16, u16) {
        let clamped = |count| u16::try_from(count).unwrap_or(u16::MAX);
        (clamped(self.columns), clamped(self.rows))
    }
}

/// The user's side of a channel is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the user's side of the channel is gone")]
pub(super) struct Gone;

/// What a user's terminal shows, as far as something may be said in between. Clones share it.
// A std mutex: held while a piece of output is looked through, never across an await.
#[derive(Debug, Clone)]
pub(super) struct Screen(Arc<Mutex<Shown>>);

impl Screen {
    /// The terminal that was asked for.
    pub(super) fn of(pty: &PtyRequest) -> Self {
        Self(Arc::new(Mutex::new(Shown::new(&pty.term, pty.size.columns))))
    }

    /// Its window has another size.
    pub(super) fn resize(&self, size: Size) {
        self.with(|shown| shown.resize(size.columns));
    }

    fn with<T>(&self, act: impl FnOnce(&mut Shown) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Says things to the user on one channel. Clones say them on the same.
#[derive(Clone)]
pub(super) struct Voice {
    id: ChannelId,
    half: Arc<ChannelWriteHalf<Msg>>,
    handle: Handle,
    /// Cancelled when the channel is closed: the SSH library would wait for its window for ever.
    closed: CancellationToken,
    /// Where everything is recorded before it is said.
    tape: Option<Tape>,
    /// The terminal, where what runs has one.
    screen: Option<Screen>,
    /// Told of everything that is said.
    usage: Option<Usage>,
    /// Cancelled when the channel must end because it cannot be recorded any longer.
    pub(super) unrecorded: CancellationToken,
}

/// Splits a channel into what is heard and what is said.
/// `directory` takes what the user sends faster than it is taken; so many channels are open, with this one.
pub(super) fn split(
    channel: Channel<Msg>,
    handle: Handle,
    closed: CancellationToken,
    (directory, open): (PathBuf, usize),
) -> (Intake, Voice) {
    let id = channel.id();
    let (ear, half) = channel.split();
    (
        Intake::spilling(ear, directory, open),
        Voice {
            id,
            half: Arc::new(half),
            handle,
            closed,
            tape: None,
            screen: None,
            usage: None,
            unrecorded: CancellationToken::new(),
        },
    )
}

impl Voice {
    /// Records everything that is said from here on.
    pub(super) fn record_on(&mut self, tape: Tape) {
        self.unrecorded = tape.unrecorded().clone();
        self.tape = Some(tape);
    }

    /// Says everything on a terminal from here on.
    pub(super) fn show_on(&mut self, screen: Screen) {
        self.screen = Some(screen);
    }

    /// One `opspilot:` line beside whatever goes on: on standard error, or on the terminal so that what stands there can be
    /// gone on with.
    pub(super) async fn aside(&self, text: &str) -> Result<(), Gone> {
        let Some(screen) = &self.screen else {
            return say(self, false, text).await;
        };
        let bytes = screen.with(|shown| shown.aside(&format!("opspilot: {text}")));
        if bytes.is_empty() {
            return Ok(());
        }
        self.stdout(bytes).await
    }

    /// Has everything that is said count as use of the connection.
    pub(super) fn count_as_use(&mut self, usage: Usage) {
        self.usage = Some(usage);
    }

    /// Records that a command starts to run.
    pub(super) async fn mark(&self, command: Option<CommandId>) -> Result<(), Gone> {
        match &self.tape {
            Some(tape) => self.unless_closed(tape.mark(command)).await,
            None => Ok(()),
        }
    }

    /// Writes to standard output.
    pub(super) async fn stdout(&self, bytes: Vec<u8>) -> Result<(), Gone> {
        self.record(&bytes).await?;
        self.unless_closed(self.half.data_bytes(bytes)).await
    }

    /// Writes to standard error.
    pub(super) async fn stderr(&self, bytes: Vec<u8>) -> Result<(), Gone> {
        self.record(&bytes).await?;
        self.unless_closed(self.half.extended_data_bytes(1, bytes)).await
    }

    /// Passes on the output of a target. Its end of output follows with the exit code: a client that has nothing more to say
    /// answers it by closing the channel, and would then not hear the exit code.
    pub(super) async fn relay(&self, message: ChannelMsg) -> Result<(), Gone> {
        match message {
            ChannelMsg::Data { data } => {
                self.record(&data).await?;
                self.unless_closed(self.half.data_bytes(data)).await
            }
            ChannelMsg::ExtendedData { data, ext } => {
                self.record(&data).await?;
                self.unless_closed(self.half.extended_data_bytes(ext, data)).await
            }
            _ => Ok(()),
        }
    }

    async fn record(&self, bytes: &[u8]) -> Result<(), Gone> {
        if let Some(usage) = &self.usage {
            usage.note();
        }
        if let Some(screen) = &self.screen {
            screen.with(|shown| shown.feed(bytes));
        }
        match &self.tape {
            Some(tape) => self.unless_closed(tape.output(bytes)).await,
            None => Ok(()),
        }
    }

    async fn unless_closed<E>(&self, said: impl Future<Output = Result<(), E>>) -> Result<(), Gone> {
        tokio::select! {
            biased;
            said = said => said.map_err(|_| Gone),
            () = self.closed.cancelled() => Err(Gone),
        }
    }

    /// Returns when the user has closed the channel, or is gone.
    pub(super) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// What can still end the channel when the voice is gone.
    pub(super) fn hang_up(&self) -> HangUp {
        HangUp {
            id: self.id,
            handle: self.handle.clone(),
            closed: self.closed.clone(),
        }
    }

    /// Ends the channel with an exit code.
    pub(super) async fn exit(&self, code: u32) -> Result<(), Gone> {
        self.half.exit_status(code).await.map_err(|_| Gone)?;
        self.close().await
    }

    /// Where the channel cannot be recorded any longer and must be: says so, past the recording, and ends the channel.
    pub(super) async fn end_unrecorded(&self) -> Result<(), Gone> {
        if !self.unrecorded.is_cancelled() {
            return Ok(());
        }
        let telling = async {
            self.unless_closed(self.half.data_bytes(UNRECORDED)).await?;
            self.exit(FAILED).await
        };
        // A user who takes nothing does not keep the channel open by it.
        timeout(LAST_WORDS, telling).await.unwrap_or(Err(Gone))
    }

    /// Ends the channel with a signal.
    pub(super) async fn exit_signal(&self, signal: Sig) -> Result<(), Gone> {
        let sent = self
            .handle
            .exit_signal_request(self.id, signal, false, String::new(), String::new())
            .await;
        sent.map_err(|()| Gone)?;
        self.close().await
    }

    async fn close(&self) -> Result<(), Gone> {
        self.half.eof().await.map_err(|_| Gone)?;
        self.half.close().await.map_err(|_| Gone)
    }
}

/// Ends a channel whatever has become of its voice.
pub(super) struct HangUp {
    id: ChannelId,
    handle: Handle,
    closed: CancellationToken,
}

impl HangUp {
    /// Says why, and ends the channel as a failure of the bastion's. Returns when the user has closed it too.
    pub(super) async fn end(self, has_pty: bool, reason: &str) -> Result<(), Gone> {
        let ending = async {
            let text = printable_line(reason);
            let said = if has_pty {
                let line = format!("\r\nopspilot: {text}\r\n").into_bytes();
                self.handle.data(self.id, line).await
            } else {
                let line = format!("opspilot: {text}\n").into_bytes();
                self.handle.extended_data(self.id, 1, line).await
            };
            said.map_err(|_| Gone)?;
            let told = self.handle.exit_status_request(self.id, FAILED).await;
            told.map_err(|()| Gone)?;
            self.handle.eof(self.id).await.map_err(|()| Gone)?;
            self.handle.close(self.id).await.map_err(|()| Gone)?;
            self.closed.cancelled().await;
            Ok(())
        };
        // A user who takes nothing does not keep the channel open by it.
        timeout(LAST_WORDS, ending).await.unwrap_or(Err(Gone))
    }
}

/// Tells why nothing runs, and ends the channel.
pub(super) async fn refuse(voice: &Voice, has_pty: bool, reason: &str) -> Result<(), Gone> {
    say(voice, has_pty, reason).await?;
    voice.exit(REFUSED).await
}

/// Tells what failed on the bastion's side, and ends the channel.
pub(super) async fn fail(voice: &Voice, has_pty: bool, reason: &str) -> Result<(), Gone> {
    say(voice, has_pty, reason).await?;
    voice.exit(FAILED).await
}

/// One `opspilot:` line, whatever is in it: on standard error, or on a PTY in the one stream that there is.
pub(super) async fn say(voice: &Voice, has_pty: bool, text: &str) -> Result<(), Gone> {
    let text = printable_line(text);
    if has_pty {
        voice.stdout(format!("opspilot: {text}\r\n").into_bytes()).await
    } else {
        voice.stderr(format!("opspilot: {text}\n").into_bytes()).await
    }
}

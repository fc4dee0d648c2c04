//! What is said to a target by somebody who must not wait for it.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::target_channel::TargetVoice;
use super::user::Size;

/// Input that the target has not taken, bytes. Beyond it the user's side is not read.
const LIMIT: usize = 1024 * 1024;

/// Something to say.
enum Saying {
    Input(Bytes),
    Resize(Size),
    Signal(russh::Sig),
    EndOfInput,
    Close,
}

/// Says things to a target in order, in a task of its own; dropping it closes the channel.
pub(super) struct TargetWriter {
    sayings: mpsc::UnboundedSender<Saying>,
    /// Bytes of input that may still be queued.
    room: Arc<Semaphore>,
    /// Cancelled when nobody is left to speak: a target that takes nothing would be waited for ever.
    _abandoned: DropGuard,
}

impl TargetWriter {
    /// Speaks with `voice`.
    pub(super) fn new(voice: TargetVoice) -> Self {
        let room = Arc::new(Semaphore::new(LIMIT));
        // Bounded by `room`, which its only user asks for before it reads more.
        let (sayings, said) = mpsc::unbounded_channel();
        let abandoned = CancellationToken::new();
        tokio::spawn(speak(voice, said, room.clone(), abandoned.clone()));
        Self {
            sayings,
            room,
            _abandoned: abandoned.drop_guard(),
        }
    }

    /// Whether more input may be read for the target.
    pub(super) fn has_room(&self) -> bool {
        self.room.available_permits() > 0
    }

    /// Returns when more input may be read for the target. May be dropped at the await.
    pub(super) async fn room(&self) {
        if self.room.acquire().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Writes to the target. One that is gone is noticed where it is listened to.
    pub(super) fn input(&self, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        let taken = bytes.len().min(self.room.available_permits());
        self.room.forget_permits(taken);
        self.say(Saying::Input(bytes));
    }

    /// Tells the size of the window.
    pub(super) fn resize(&self, size: Size) {
        self.say(Saying::Resize(size));
    }

    /// Sends a signal.
    pub(super) fn signal(&self, signal: russh::Sig) {
        self.say(Saying::Signal(signal));
    }

    /// Ends the input.
    pub(super) fn end_of_input(&self) {
        self.say(Saying::EndOfInput);
    }

    /// Closes the channel.
    pub(super) fn close(&self) {
        self.say(Saying::Close);
    }

    fn say(&self, saying: Saying) {
        if self.sayings.send(saying).is_err() {
            tracing::debug!("the target is gone");
        }
    }
}

async fn speak(
    voice: TargetVoice,
    sayings: mpsc::UnboundedReceiver<Saying>,
    room: Arc<Semaphore>,
    abandoned: CancellationToken,
) {
    let said = tokio::select! {
        said = say_all(&voice, sayings, &room) => said,
        () = abandoned.cancelled() => Ok(()),
    };
    if let Err(error) = said {
        tracing::debug!(%error, "the target hears no more");
    }
    if let Err(error) = voice.close().await {
        tracing::debug!(%error, "the target was gone before its channel was closed");
    }
}

async fn say_all(
    voice: &TargetVoice,
    mut sayings: mpsc::UnboundedReceiver<Saying>,
    room: &Semaphore,
) -> Result<(), russh::Error> {
    while let Some(saying) = sayings.recv().await {
        match saying {
            Saying::Input(bytes) => {
                let length = bytes.len();
                voice.input(bytes).await?;
                room.add_permits(length.min(LIMIT.saturating_sub(room.available_permits())));
            }
            Saying::Resize(size) => voice.resize(size).await?,
            Saying::Signal(signal) => voice.signal(signal).await?,
            Saying::EndOfInput => voice.end_of_input().await?,
            Saying::Close => return Ok(()),
        }
    }
    Ok(())
}

//! The recording of one terminal: its file, its row, and what becomes of the channel when it cannot be written.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::config::RecordingsOnFailure;
use crate::domain::CommandId;
use crate::recording::{self, Closed, Header, Progress, Recorder, RecordingError, Watch, Written};
use crate::store::{NewRecording, RecordingEnd, RecordingId, RecordingState, Store, StoreError};

use super::session::TargetSession;
use super::user::{PtyRequest, Size};

/// Why a terminal is not recorded.
#[derive(Debug, thiserror::Error)]
pub(super) enum TapeError {
    /// Its file cannot be made.
    #[error(transparent)]
    File(#[from] RecordingError),
    /// Its row cannot be written.
    #[error(transparent)]
    Record(#[from] StoreError),
}

/// A hand on the recording of a terminal.
#[derive(Clone)]
pub(super) struct Tape {
    recorder: Recorder,
    /// Cancelled when the recording has failed and the channel must not go on without it.
    unrecorded: CancellationToken,
    essential: bool,
}

impl Tape {
    /// Starts to record a terminal, where that is configured. `None`: it is shown without being recorded.
    ///
    /// # Errors
    /// It cannot be recorded, and must be.
    pub(super) async fn start(session: &Arc<TargetSession>, pty: &PtyRequest) -> Result<Option<Self>, TapeError> {
        let settings = session.gate().engine().config.store.clone();
        let Some(directory) = settings.recordings.as_deref() else {
            return Ok(None);
        };
        let essential = settings.recordings_on_failure == RecordingsOnFailure::End;
        let limit = settings.recordings_max_bytes;
        match begin(session, pty, (directory, limit), essential).await {
            Ok(recorder) => Ok(Some(Self::new(recorder, essential))),
            Err(error) => {
                tracing::error!(session = %session.id, %error, "cannot record a terminal");
                if essential { Err(error) } else { Ok(None) }
            }
        }
    }

    fn new(recorder: Recorder, essential: bool) -> Self {
        let unrecorded = if essential {
            recorder.closed()
        } else {
            CancellationToken::new()
        };
        Self {
            recorder,
            unrecorded,
            essential,
        }
    }

    /// Records that `bytes` are shown.
    ///
    /// # Errors
    /// They are not on record, and must not be shown.
    pub(super) async fn output(&self, bytes: &[u8]) -> Result<(), Closed> {
        self.unless_dispensable(self.recorder.output(bytes).await)
    }

    /// Records that a command starts to run.
    ///
    /// # Errors
    /// As [`Self::output`].
    pub(super) async fn mark(&self, command: Option<CommandId>) -> Result<(), Closed> {
        self.unless_dispensable(self.recorder.marker(recording::marker(command)).await)
    }

    /// Records the size of the window.
    pub(super) fn resize(&self, size: Size) {
        self.recorder.resize(size.columns, size.rows);
    }

    /// Cancelled when the channel must end because it cannot be recorded any longer.
    pub(super) fn unrecorded(&self) -> &CancellationToken {
        &self.unrecorded
    }

    fn unless_dispensable(&self, recorded: Result<(), Closed>) -> Result<(), Closed> {
        if self.essential { recorded } else { Ok(()) }
    }
}

/// Enters the recording in the record, makes its file in a directory and within a limit, and sees to it that its end is
/// recorded.
async fn begin(
    session: &Arc<TargetSession>,
    pty: &PtyRequest,
    (directory, limit): (&Path, Option<u64>),
    essential: bool,
) -> Result<Recorder, TapeError> {
    let (store, began) = (session.gate().store(), Timestamp::now());
    let id = RecordingId {
        session_id: session.id,
        channel: session.next_recording(),
    };
    let path = recording::file_name(began, id.session_id, id.channel);
    let file = directory.join(&path);
    let row = NewRecording {
        id,
        path,
        started_at: began,
    };
    store.begin_recording(row).await?;
    match recording::begin(file, header(session, pty, began), limit).await {
        Ok((recorder, watch)) => {
            let ending = record_end(store.clone(), id, watch, !essential);
            session.shared.tasks.spawn(ending);
            Ok(recorder)
        }
        Err(error) => {
            store.end_recording(id, never_made(&error, !essential)).await?;
            Err(error.into())
        }
    }
}

fn header(session: &TargetSession, pty: &PtyRequest, began: Timestamp) -> Header {
    let title = format!("{} on {} as {}", session.user, session.target, session.login);
    Header::new((pty.size.columns, pty.size.rows), &pty.term, &title, began)
}

async fn record_end(store: Store, id: RecordingId, mut watch: Watch, goes_on: bool) {
    let written = loop {
        match watch.next().await {
            Progress::Ended(written) => break written,
            Progress::Sealed(seal) => {
                if let Err(error) = store.seal_recording(id, seal).await {
                    tracing::error!(%id, %error, "cannot record how far a recording has come");
                }
            }
        }
    };
    if let Written::Failed { reason, .. } = &written {
        tracing::error!(%id, reason, "a recording could not be written to its end");
    }
    if let Err(error) = store.end_recording(id, ended(written, goes_on)).await {
        tracing::error!(%id, %error, "cannot record the end of a recording");
    }
}

/// Without a byte: there is no file to look for.
fn never_made(error: &RecordingError, went_on: bool) -> RecordingEnd {
    let reason = error.to_string();
    RecordingEnd {
        at: Some(Timestamp::now()),
        bytes: Some(0),
        sha256: None,
        state: RecordingState::Failed { reason, went_on },
    }
}

fn ended(written: Written, went_on: bool) -> RecordingEnd {
    let (seal, state) = match written {
        Written::Whole(seal) => (Some(seal), RecordingState::Complete),
        Written::Failed { seal, reason } => (seal, RecordingState::Failed { reason, went_on }),
    };
    RecordingEnd {
        at: Some(Timestamp::now()),
        bytes: seal.as_ref().map(|seal| seal.bytes),
        sha256: seal.map(|seal| seal.sha256),
        state,
    }
}

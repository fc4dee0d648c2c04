//! What can go wrong with the record, and what to do about it.

use std::path::PathBuf;

use rusqlite::ErrorCode;

use super::{RecordingId, TokenId};
use crate::domain::{CommandId, SessionId, State};

/// A fault of the record.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database could not be opened.
    #[error("cannot open the record at {}: {source}", path.display())]
    Open {
        /// The database file.
        path: PathBuf,
        /// Why.
        source: Box<StoreError>,
    },
    /// Another process writes to the database.
    #[error("another opspilot is using it; stop that one first, or give each its own `store.path`")]
    Locked,
    /// Another program kept the database locked for longer than is waited.
    #[error("another program keeps the database locked; let backups and `sqlite3` sessions read only, and briefly")]
    Busy,
    /// There is no database.
    #[error("there is no such file; `opspilot serve` creates it when it first starts")]
    Missing,
    /// The database was written by a newer opspilot.
    #[error(
        "it was written by a newer opspilot (schema {found}, this one knows {known}); install that version or newer"
    )]
    Newer {
        /// The schema version of the file.
        found: i64,
        /// The newest schema version that this program knows.
        known: i64,
    },
    /// The database was written by an older opspilot and has not been brought up to date.
    #[error(
        "it was written by an older opspilot (schema {found}, this one needs {known}); start `opspilot serve` once"
    )]
    Outdated {
        /// The schema version of the file.
        found: i64,
        /// The schema version that is needed.
        known: i64,
    },
    /// The file is a database of something else.
    #[error("it is the database of another program; point `store.path` elsewhere")]
    Foreign,
    /// The file is not a sound database.
    #[error(
        "the database is damaged or no database at all: restore a backup, or move it aside to start an empty record"
    )]
    Corrupt,
    /// A check found what is wrong with the file.
    #[error(
        "the database is damaged ({0}): restore a backup over it, with the daemon stopped, or move it aside to start an empty record"
    )]
    Damaged(String),
    /// There is a file where a backup is to be written.
    #[error("{} exists; name another file, or give --force to replace it", .0.display())]
    BackupExists(PathBuf),
    /// The disk fails, or something below the file system does.
    #[error(
        "the disk that holds the record fails ({0}): look at the kernel's log, and keep a copy of the record before all else"
    )]
    Disk(rusqlite::Error),
    /// Work beside the writer ended without a result.
    #[error("work on the record was cut off: {0}")]
    Task(String),
    /// The writer panicked over it, and it is not written.
    #[error("the record's writer failed: there is a defect in it, and the log says where")]
    Failed,
    /// The disk is full.
    #[error("the disk that holds the record is full; free some space, nothing else needs to be done")]
    Full,
    /// The file or its directory cannot be written, which reading beside a writer needs as well.
    #[error("the record or its directory cannot be written; run as the user who owns them, or give them to that user")]
    ReadOnly,
    /// The key file can be read by others.
    #[error("{} can be read by others (mode {mode:o}); run `chmod 600` on it", path.display())]
    KeyExposed {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key file does not hold a key.
    #[error("{} does not hold a key of 32 bytes; restore it from a backup: earlier MACs cannot be checked without it", path.display())]
    KeyMalformed {
        /// The key file.
        path: PathBuf,
    },
    /// The file does not hold a key to sign with.
    #[error("{} does not hold an Ed25519 key without a passphrase; restore it from a backup: what another key signs is not taken for the record's", path.display())]
    SigningKeyMalformed {
        /// The key file.
        path: PathBuf,
    },
    /// A signature or the key for it could not be made.
    #[error("cannot sign where the record stands: {0}")]
    Sign(russh::keys::ssh_key::Error),
    /// A file beside the database could not be used.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The step does not fit where the command stands.
    #[error("command {id} is {}, so it cannot become {to}", state_or_unknown(*from))]
    Transition {
        /// The command.
        id: CommandId,
        /// Where it stands; `None` when there is no such command.
        from: Option<State>,
        /// Where it should have gone.
        to: State,
    },
    /// The context after the command is known already, or the command has not ended.
    #[error("command {0} has no end yet, or its context afterwards is recorded already")]
    NotAmendable(CommandId),
    /// There is no such open session.
    #[error("session {0} is not open")]
    SessionNotOpen(SessionId),
    /// There is no such recording, or it has ended.
    #[error("recording {0} is not open")]
    RecordingNotOpen(RecordingId),
    /// There is no such command, or it is not for this person to rate: nobody is told which.
    #[error("there is no command {0} that you may rate")]
    NotRateable(CommandId),
    /// The recording is still being written, or was removed.
    #[error("recording {0} is still being written, or was removed already")]
    RecordingNotKept(RecordingId),
    /// An event cannot be read, so that what it has added cannot be kept.
    #[error("event {seq} cannot be erased: {reason}; run `opspilot verify`")]
    Unreadable {
        /// Its number.
        seq: i64,
        /// Why, in plain words.
        reason: String,
    },
    /// The file of a recording could not be removed.
    #[error("cannot remove the recording {path}: {source}")]
    Recording {
        /// Its name on record.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// What was to be erased is not over, or something that stays needs it.
    #[error("what was to be erased is not over yet, or is erased already; prune again")]
    StillNeeded,
    /// Something is being erased.
    #[error("another prune is under way; ask again when it has ended")]
    Pruning,
    /// There is no such token, or it was revoked before.
    #[error("there is no token {0} that could be revoked; `opspilot token list` has those that there are")]
    NoToken(TokenId),
    /// The values contradict each other or what is recorded; a defect of the caller.
    #[error("the record refuses contradictory values: {0}")]
    Rejected(String),
    /// The record has been closed.
    #[error("the record is closed")]
    Closed,
    /// A schema step failed.
    #[error("cannot bring the database up to date: {0}")]
    Migration(rusqlite_migration::Error),
    /// A value could not be written as JSON.
    #[error("cannot encode a value: {0}")]
    Encode(#[from] serde_json::Error),
    /// Any other fault of the database.
    #[error("the database failed: {0}")]
    Database(rusqlite::Error),
}

fn state_or_unknown(state: Option<State>) -> &'static str {
    state.map_or("not on record", State::as_str)
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) => Self::ReadOnly,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt,
            Some(ErrorCode::SystemIoFailure) => Self::Disk(error),
            Some(ErrorCode::ConstraintViolation) => Self::Rejected(error.to_string()),
            _ => Self::Database(error),
        }
    }
}

impl From<rusqlite_migration::Error> for StoreError {
    fn from(error: rusqlite_migration::Error) -> Self {
        match error {
            rusqlite_migration::Error::RusqliteError { err, .. } => err.into(),
            other => Self::Migration(other),
        }
    }
}

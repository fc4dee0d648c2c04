//! What is asked of the record about a session and what its terminals showed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::{Name, SessionId};

/// A session that has just begun.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewSession {
    /// Its identity.
    pub id: SessionId,
    /// Whose it is.
    pub user: Name,
    /// The roles of the user at that moment.
    pub roles: Vec<Name>,
    /// The target; `None` at the console.
    pub target: Option<Name>,
    /// The login at the target.
    pub login: Option<String>,
    /// Where the connection comes from, `address:port`.
    pub client_address: String,
    /// What the client calls itself; hostile.
    pub client_version: String,
    /// How the session came about: authentication, routing. Free form.
    pub channel_info: Option<Value>,
    /// When it began.
    pub started_at: Timestamp,
}

/// How a session ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SessionEnd {
    /// When; `None` where nobody saw it.
    pub at: Option<Timestamp>,
    /// Why, in plain words.
    pub reason: String,
}

/// One recorded channel of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingId {
    /// The session.
    pub session_id: SessionId,
    /// The n-th recorded channel of it, from 1.
    pub channel: u32,
}

impl std::fmt::Display for RecordingId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of session {}", self.channel, self.session_id)
    }
}

/// A recording that is about to be written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewRecording {
    /// Which.
    #[serde(flatten)]
    pub id: RecordingId,
    /// Its file, relative to the directory of the recordings.
    pub path: String,
    /// When it began.
    pub started_at: Timestamp,
}

/// How a recording ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RecordingEnd {
    /// When; `None` where nobody saw it.
    pub at: Option<Timestamp>,
    /// Bytes of the file; `None` where that is not known, 0 where it could not be made.
    pub bytes: Option<u64>,
    /// Their SHA-256, in hexadecimal; `None` where that is not known.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Whether all of it is there.
    pub state: RecordingState,
}

/// What there is of a recording that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordingState {
    /// All that was shown.
    Complete,
    /// What had been written when the bastion stopped; why, in plain words.
    Cut(String),
    /// What had been written when it could not be written any longer.
    Failed {
        /// Why, in plain words.
        reason: String,
        /// Whether the channel went on without a recording.
        went_on: bool,
    },
}

impl RecordingState {
    /// The word of the column.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Cut(_) => "cut",
            Self::Failed { .. } => "failed",
        }
    }

    /// Why it is not complete.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Complete => None,
            Self::Cut(reason) | Self::Failed { reason, .. } => Some(reason),
        }
    }
}

//! What is asked of the record. Each change is one event, and its JSON form is that event's payload.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

use super::command::{Aftermath, InputEnd, NewCommand, Outcome, Resolution};
use super::door::ConnectionCounts;
use super::erase::{Erasure, Forgotten};
use super::feedback::Feedback;
use super::session::{NewRecording, NewSession, RecordingEnd, RecordingId, SessionEnd};
use super::tokens::{NewToken, Revocation};
use super::training::TrainingEnd;
use crate::domain::{CommandId, Name, Seal, SessionId};

/// One step in the life of something recorded.
#[derive(Debug, Clone)]
pub(super) enum Change {
    SessionBegan(Box<NewSession>),
    SessionEnded(SessionId, SessionEnd),
    Recorded(CommandId, Box<NewCommand>),
    Resolved(CommandId, Resolution),
    Finished(CommandId, Box<Outcome>),
    Amended(CommandId, Box<Aftermath>),
    InputEnded(CommandId, InputEnd),
    SnapshotSaved(NewSnapshot),
    RecordingBegan(NewRecording),
    RecordingEnded(RecordingId, RecordingEnd),
    ConnectionsCounted(Date, ConnectionCounts),
    FeedbackGiven(CommandId, Box<Feedback>),
    RecordingSealed(RecordingId, Seal),
    RecordingRemoved(RecordingId, Timestamp),
    HeadSigned,
    Erased(Box<Erasure>),
    UserForgotten(Forgotten),
    TrainingEnded(Box<TrainingEnd>),
    TokenAdded(Box<NewToken>),
    TokenRevoked(Revocation),
}

impl Change {
    /// The event's kind.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::SessionBegan(_) => "session_began",
            Self::SessionEnded(..) => "session_ended",
            Self::Recorded(..) => "command_recorded",
            Self::Resolved(..) => "command_resolved",
            Self::Finished(..) => "command_finished",
            Self::Amended(..) => "command_amended",
            Self::InputEnded(..) => "command_input_ended",
            Self::SnapshotSaved(_) => "snapshot_saved",
            Self::RecordingBegan(_) => "recording_began",
            Self::RecordingEnded(..) => "recording_ended",
            Self::ConnectionsCounted(..) => "connections_counted",
            Self::FeedbackGiven(..) => "feedback_given",
            Self::RecordingSealed(..) => "recording_sealed",
            Self::RecordingRemoved(..) => "recording_removed",
            Self::HeadSigned => "head_signed",
            Self::Erased(_) => "payloads_erased",
            Self::UserForgotten(_) => "user_forgotten",
            Self::TrainingEnded(_) => "training_ended",
            Self::TokenAdded(_) => "token_added",
            Self::TokenRevoked(_) => "token_revoked",
        }
    }

    /// Whether its event is a statement of the bastion, signed by it.
    pub(super) fn is_statement(&self) -> bool {
        matches!(self, Self::HeadSigned | Self::Erased(_) | Self::UserForgotten(_))
    }

    /// The event's payload; of a statement, its body.
    pub(super) fn payload(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::SessionBegan(session) => serde_json::to_string(session),
            Self::SessionEnded(_, end) => serde_json::to_string(end),
            Self::Recorded(_, command) => serde_json::to_string(command),
            Self::Resolved(_, resolution) => serde_json::to_string(resolution),
            Self::Finished(_, outcome) => serde_json::to_string(outcome),
            Self::Amended(_, aftermath) => serde_json::to_string(aftermath),
            Self::InputEnded(_, end) => serde_json::to_string(end),
            Self::SnapshotSaved(snapshot) => serde_json::to_string(snapshot),
            Self::RecordingBegan(recording) => serde_json::to_string(recording),
            Self::RecordingEnded(id, end) => serde_json::to_string(&json!({ "channel": id.channel, "end": end })),
            Self::ConnectionsCounted(day, counts) => serde_json::to_string(&json!({ "day": day, "counts": counts })),
            Self::FeedbackGiven(_, feedback) => serde_json::to_string(feedback),
            Self::RecordingSealed(id, seal) => serde_json::to_string(&json!({ "channel": id.channel, "seal": seal })),
            Self::RecordingRemoved(id, at) => serde_json::to_string(&json!({ "channel": id.channel, "at": at })),
            // Through a value, so that what is read back is written as it was.
            Self::HeadSigned => Ok(Value::Null.to_string()),
            Self::Erased(erasure) => Ok(serde_json::to_value(erasure)?.to_string()),
            Self::UserForgotten(forgotten) => Ok(serde_json::to_value(forgotten)?.to_string()),
            Self::TrainingEnded(end) => serde_json::to_string(end),
            Self::TokenAdded(token) => serde_json::to_string(token),
            Self::TokenRevoked(revocation) => serde_json::to_string(revocation),
        }
    }

    /// The session and the command that it is about; of a command, the session only where it is first recorded.
    pub(super) fn about(&self) -> (Option<SessionId>, Option<CommandId>) {
        match self {
            Self::SessionBegan(session) => (Some(session.id), None),
            Self::SessionEnded(id, _) => (Some(*id), None),
            Self::Recorded(id, command) => (Some(command.session_id), Some(*id)),
            Self::Resolved(id, _)
            | Self::Finished(id, _)
            | Self::Amended(id, _)
            | Self::InputEnded(id, _)
            | Self::FeedbackGiven(id, _) => (None, Some(*id)),
            Self::RecordingBegan(recording) => (Some(recording.id.session_id), None),
            Self::RecordingEnded(id, _) | Self::RecordingSealed(id, _) | Self::RecordingRemoved(id, _) => {
                (Some(id.session_id), None)
            }
            Self::SnapshotSaved(_)
            | Self::ConnectionsCounted(..)
            | Self::HeadSigned
            | Self::Erased(_)
            | Self::UserForgotten(_)
            | Self::TrainingEnded(_)
            | Self::TokenAdded(_)
            | Self::TokenRevoked(_) => (None, None),
        }
    }
}

/// A target as it was seen.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewSnapshot {
    /// The target.
    pub target: Name,
    /// When it was taken, on the bastion's clock.
    pub taken_at: Timestamp,
    /// What seldom changes.
    pub profile: Option<Value>,
    /// The whole. The event holds only its digest, so that it is stored once.
    #[serde(rename = "snapshot_sha256", serialize_with = "digest_only")]
    pub snapshot: Value,
}

fn digest_only<S: Serializer>(value: &Value, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&super::chain::hex(&super::chain::sha256(value.to_string().as_bytes())))
}

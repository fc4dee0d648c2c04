//! Events read back as the changes that made them.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::chain::StoredEvent;
use super::change::Change;
use super::door::ConnectionCounts;
use super::session::RecordingEnd;
use super::{RecordingId, StoreError, signing};
use crate::domain::{CommandId, Seal, SessionId};

/// An event that this version cannot read as a change; why, in plain words.
#[derive(Debug, thiserror::Error)]
pub(super) enum ParseError {
    #[error("this opspilot knows no event of its kind")]
    Kind,
    #[error("it does not say what it is about")]
    Subject,
    #[error("its payload cannot be read: {0}")]
    Payload(#[from] serde_json::Error),
}

#[derive(Deserialize)]
struct OfChannel<T> {
    channel: u32,
    #[serde(alias = "end", alias = "seal", alias = "at")]
    what: T,
}

#[derive(Deserialize)]
struct OfDay {
    day: Date,
    counts: ConnectionCounts,
}

impl Change {
    /// The change that an event is about.
    pub(super) fn parse(event: &StoredEvent) -> Result<Self, ParseError> {
        let kind = std::str::from_utf8(&event.kind).map_err(|_| ParseError::Kind)?;
        match kind {
            "session_began" => Ok(Self::SessionBegan(payload(event)?)),
            "session_ended" => Ok(Self::SessionEnded(session(event)?, payload(event)?)),
            "command_recorded" => Ok(Self::Recorded(command(event)?, payload(event)?)),
            "command_resolved" => Ok(Self::Resolved(command(event)?, payload(event)?)),
            "command_finished" => Ok(Self::Finished(command(event)?, payload(event)?)),
            "command_amended" => Ok(Self::Amended(command(event)?, payload(event)?)),
            "command_input_ended" => Ok(Self::InputEnded(command(event)?, payload(event)?)),
            "snapshot_saved" => Ok(Self::SnapshotSaved(payload(event)?)),
            "recording_began" => Ok(Self::RecordingBegan(payload(event)?)),
            "recording_ended" => of_channel::<RecordingEnd>(event).map(|(id, end)| Self::RecordingEnded(id, end)),
            "recording_sealed" => of_channel::<Seal>(event).map(|(id, seal)| Self::RecordingSealed(id, seal)),
            "recording_removed" => of_channel::<Timestamp>(event).map(|(id, at)| Self::RecordingRemoved(id, at)),
            "connections_counted" => {
                let OfDay { day, counts } = payload(event)?;
                Ok(Self::ConnectionsCounted(day, counts))
            }
            "feedback_given" => Ok(Self::FeedbackGiven(command(event)?, payload(event)?)),
            "training_ended" => Ok(Self::TrainingEnded(payload(event)?)),
            "token_added" => Ok(Self::TokenAdded(payload(event)?)),
            "token_revoked" => Ok(Self::TokenRevoked(payload(event)?)),
            _ => statement(kind, event),
        }
    }
}

impl StoredEvent {
    /// The change that it is about, where that must be known to go on.
    pub(super) fn change(&self) -> Result<Change, StoreError> {
        self.must_be_whole()?;
        Change::parse(self).map_err(|error| StoreError::Unreadable {
            seq: self.seq,
            reason: error.to_string(),
        })
    }
}

fn statement(kind: &str, event: &StoredEvent) -> Result<Change, ParseError> {
    let body = |event| Ok::<Value, ParseError>(payload::<signing::Statement>(event)?.body);
    match kind {
        "head_signed" => Ok(Change::HeadSigned),
        "payloads_erased" => Ok(Change::Erased(serde_json::from_value(body(event)?)?)),
        "user_forgotten" => Ok(Change::UserForgotten(serde_json::from_value(body(event)?)?)),
        _ => Err(ParseError::Kind),
    }
}

fn payload<T: DeserializeOwned>(event: &StoredEvent) -> Result<T, ParseError> {
    Ok(serde_json::from_slice(&event.payload)?)
}

fn command(event: &StoredEvent) -> Result<CommandId, ParseError> {
    event.command_id.map(CommandId).ok_or(ParseError::Subject)
}

fn session(event: &StoredEvent) -> Result<SessionId, ParseError> {
    let text = event
        .session_id
        .as_deref()
        .and_then(|bytes| std::str::from_utf8(bytes).ok());
    let uuid = text.and_then(|text| text.parse().ok());
    uuid.map(SessionId).ok_or(ParseError::Subject)
}

fn of_channel<T: DeserializeOwned>(event: &StoredEvent) -> Result<(RecordingId, T), ParseError> {
    let OfChannel { channel, what } = payload(event)?;
    let id = RecordingId {
        session_id: session(event)?,
        channel,
    };
    Ok((id, what))
}

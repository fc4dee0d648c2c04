//! What is said over the control socket: one line of JSON to ask, one to answer.

use std::io;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};

use super::ControlError;
use crate::domain::{CommandId, Name, Rating};
use crate::store::{Pruned, TokenGrant, TokenId, TrainingEnd};

/// Longest request, bytes with its newline.
pub(super) const MAX_REQUEST: usize = 64 * 1024;

/// Longest answer, bytes with its newline.
pub(super) const MAX_REPLY: u64 = 1024 * 1024;

/// Most characters of a parser's complaint that go back to who asked.
const MAX_COMPLAINT: usize = 200;

/// What may be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// To rate a command.
    Feedback {
        /// The command.
        id: CommandId,
        /// How it turned out.
        rating: Rating,
        /// What there is to say besides.
        comment: Option<String>,
    },
    /// To hear whether anything can be asked for now.
    Ready,
    /// To make a token of the HTTP API valid.
    AddToken(Box<TokenGrant>),
    /// To end such a token before its time.
    RevokeToken {
        /// Which.
        id: TokenId,
    },
    /// To record how an attempt to train a forest ended.
    EndTraining(Box<TrainingEnd>),
    /// To erase: what is due where nothing is said. May take minutes, and goes on where nobody waits for the answer.
    Prune {
        /// What is not older than so many days stays.
        keep_days: Option<u32>,
        /// Only what this user did; without `keep_days`, all that names them.
        user: Option<Name>,
    },
}

/// What came of a request that was carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is on record.
    Noted,
    /// Changes can be asked for.
    Ready,
    /// So much was erased.
    Pruned(Pruned),
}

/// The line that answers.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    /// It was done.
    Done(Answer),
    /// It was not; why, in plain words.
    Refused(String),
}

/// Why a line is no request.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    #[error("the request has no end: it must be one line of at most {MAX_REQUEST} bytes")]
    Unfinished,
    #[error("this daemon does not know the request ({0}); both programs must be of one version: restart the daemon")]
    Unknown(String),
    #[error("the request cannot be read: {0}")]
    Io(#[from] io::Error),
}

impl Request {
    /// What is asked for, in a word.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Feedback { .. } => "feedback",
            Self::Ready => "ready",
            Self::AddToken(_) => "add_token",
            Self::RevokeToken { .. } => "revoke_token",
            Self::EndTraining(_) => "end_training",
            Self::Prune { .. } => "prune",
        }
    }

    /// The line that asks for it.
    pub(super) fn line(&self) -> Result<String, ControlError> {
        let line = line(self).map_err(ControlError::Here)?;
        if line.len() > MAX_REQUEST {
            return Err(ControlError::TooLong {
                length: line.len(),
                limit: MAX_REQUEST,
            });
        }
        Ok(line)
    }

    /// Reads one, and never more than the longest.
    pub(super) async fn read(stream: impl AsyncRead + Unpin) -> Result<Self, RequestError> {
        let mut line = Vec::new();
        let mut bounded = BufReader::new(stream.take(MAX_REQUEST as u64));
        bounded.read_until(b'\n', &mut line).await?;
        // What was cut off is never acted upon, whole as it may look.
        if line.pop() != Some(b'\n') {
            return Err(RequestError::Unfinished);
        }
        serde_json::from_slice(&line).map_err(|error| {
            let complaint: String = error.to_string().chars().take(MAX_COMPLAINT).collect();
            RequestError::Unknown(complaint)
        })
    }
}

/// `message` as a line of JSON.
pub(super) fn line(message: &impl Serialize) -> io::Result<String> {
    Ok(serde_json::to_string(message)? + "\n")
}

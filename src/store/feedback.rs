//! What people say of a command afterwards: a rating, and a comment.

use jiff::Timestamp;
use rusqlite::{Connection, named_params};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::chain::{COLUMNS, StoredEvent};
use super::change::Change;
use super::sql::rfc3339;
use super::{Store, StoreError};
use crate::command::redact_prose;
use crate::domain::{CommandId, Name, NameError, Rating, printable};

/// What stands before the number of an account.
const ACCOUNT: &str = "uid:";

/// The role that may rate everybody's commands.
const ADMIN: &str = "admin";

/// What somebody says of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feedback {
    /// Who says it.
    #[serde(flatten)]
    pub by: Rater,
    /// How it turned out.
    pub rating: Rating,
    /// What there is to say besides.
    pub comment: Option<Comment>,
    /// When.
    pub at: Timestamp,
}

/// Who rates a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Author", into = "Author")]
pub enum Rater {
    /// A user of the bastion: their own commands, and with the role `admin` everybody's.
    User {
        /// Who.
        name: Name,
        /// The roles of that moment.
        roles: Vec<Name>,
    },
    /// An account of the bastion's own host that may open the record or the control socket: everybody's commands.
    Local {
        /// The account's number.
        uid: u32,
    },
}

impl Rater {
    /// Whose commands alone they may rate; `None` for everybody's.
    fn limited_to(&self) -> Option<&Name> {
        match self {
            Self::User { roles, .. } if roles.iter().any(|role| role.as_str() == ADMIN) => None,
            Self::User { name, .. } => Some(name),
            Self::Local { .. } => None,
        }
    }

    fn roles(&self) -> Option<&[Name]> {
        match self {
            Self::User { roles, .. } => Some(roles),
            Self::Local { .. } => None,
        }
    }
}

/// As the column has it. No user's name has a colon, so nobody can be taken for an account.
impl std::fmt::Display for Rater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User { name, .. } => name.fmt(f),
            Self::Local { uid } => write!(f, "{ACCOUNT}{uid}"),
        }
    }
}

/// A rater as an event has it.
#[derive(Serialize, Deserialize)]
struct Author {
    by: String,
    roles: Option<Vec<Name>>,
}

impl From<Rater> for Author {
    fn from(rater: Rater) -> Self {
        Self {
            by: rater.to_string(),
            roles: rater.roles().map(<[Name]>::to_vec),
        }
    }
}

impl TryFrom<Author> for Rater {
    type Error = NameError;

    fn try_from(author: Author) -> Result<Self, NameError> {
        let uid = author.by.strip_prefix(ACCOUNT).and_then(|uid| uid.parse().ok());
        match (uid, author.roles) {
            (Some(uid), None) => Ok(Self::Local { uid }),
            (_, roles) => Ok(Self::User {
                name: author.by.parse()?,
                roles: roles.unwrap_or_default(),
            }),
        }
    }
}

/// What somebody wrote beside a rating: bounded, without recognised secrets, and printable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Comment(String);

/// Why a text is not taken as a comment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the comment has {length} bytes; say it in {} at most", Comment::MAX)]
pub struct CommentError {
    length: usize,
}

impl Comment {
    /// Longest text that is taken, bytes. What is recorded may be longer: what acts on terminals is spelled out.
    pub const MAX: usize = 2_000;

    /// The comment that `text` makes; `None` where it says nothing.
    ///
    /// # Errors
    /// A text that is longer than [`Comment::MAX`].
    pub fn new(text: &str) -> Result<Option<Self>, CommentError> {
        let text = text.trim();
        if text.len() > Self::MAX {
            return Err(CommentError { length: text.len() });
        }
        let comment = Self(printable(&redact_prose(text)).into_owned());
        Ok((!text.is_empty()).then_some(comment))
    }

    /// What it says.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Store {
    /// Records what somebody says of a command, in whatever state it is. The last that was said is what its columns show.
    ///
    /// # Errors
    /// [`StoreError::NotRateable`] where there is no such command or it is another's, and as [`Store::record`].
    pub async fn give_feedback(&self, id: CommandId, feedback: Feedback) -> Result<(), StoreError> {
        self.write(Change::FeedbackGiven(id, Box::new(feedback))).await
    }
}

/// Brings a command's columns to where they stand after `given`.
pub(super) fn note(connection: &Connection, id: CommandId, given: &Feedback) -> Result<(), StoreError> {
    let (by, at) = (given.by.to_string(), rfc3339(given.at));
    let noted = connection
        .prepare_cached(
            "UPDATE command_executions SET
                 feedback_rating = :rating, user_feedback = :comment, feedback_by = :by, feedback_at = :at,
                 ratings = json_set(ifnull(ratings, '{}'), '$.\"' || :by || '\"', json(:entry))
             WHERE id = :id AND user_id = ifnull(:limited_to, user_id)",
        )?
        .execute(named_params! {
            ":id": id.0,
            ":limited_to": given.by.limited_to().map(Name::as_str),
            ":rating": u8::from(given.rating),
            ":comment": given.comment.as_ref().map(Comment::as_str),
            ":by": by,
            ":at": at,
            ":entry": json!({ "rating": given.rating, "roles": given.by.roles(), "at": at }).to_string(),
        })?;
    if noted == 1 {
        Ok(())
    } else {
        Err(StoreError::NotRateable(id))
    }
}

/// Brings a command's columns to what is still on record of its ratings.
pub(super) fn note_anew(connection: &Connection, id: CommandId) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE command_executions SET
                 feedback_rating = NULL, user_feedback = NULL, feedback_by = NULL, feedback_at = NULL, ratings = NULL
             WHERE id = ?1",
        )?
        .execute([id.0])?;
    let sql = format!(
        "SELECT {COLUMNS} FROM events WHERE command_id = ?1 AND kind = 'feedback_given' AND payload <> 'null' ORDER BY seq"
    );
    let mut left = connection.prepare_cached(&sql)?;
    let mut left = left.query([id.0])?;
    while let Some(row) = left.next()? {
        let event = StoredEvent::read(row)?;
        if let Change::FeedbackGiven(_, given) = event.change()? {
            note(connection, id, &given)?;
        }
    }
    Ok(())
}

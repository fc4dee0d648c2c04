//! Changes to the record that people ask for: by the control socket of the daemon that serves, or else in their own process.
//!
//! The daemon is the only writer while it serves, so a program that wants something changed asks it, by one line of JSON each
//! way over a socket that only root and the daemon's own account may use. [`Keeper`] hides whether one serves.

mod client;
mod error;
mod keeper;
mod protocol;
mod retention;
mod socket;

pub use error::ControlError;
pub use keeper::Keeper;
pub use protocol::{Answer, Request};
pub use retention::Retention;
pub use socket::Socket;

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::store::{Comment, CommentError, Feedback, NewToken, Rater, Revocation, Store, StoreError};

/// Where the daemon of a state directory answers.
fn socket_path(state_dir: &Path) -> PathBuf {
    state_dir.join("control.sock")
}

/// Why a request is not carried out.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Comment(#[from] CommentError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("store.retention_days is 0: everything is kept; say --keep-days or --user")]
    EverythingIsKept,
}

/// Does what an account of this host asks for, wherever the record is open.
async fn carry_out(store: &Store, retention: &Retention, uid: u32, request: Request) -> Result<Answer, Refusal> {
    let (by, at) = (Rater::Local { uid }, Timestamp::now());
    match request {
        Request::Ready => return Ok(Answer::Ready),
        Request::Feedback { id, rating, comment } => {
            let comment = Comment::new(&comment.unwrap_or_default())?;
            let feedback = Feedback {
                by,
                rating,
                comment,
                at,
            };
            store.give_feedback(id, feedback).await?;
        }
        Request::AddToken(grant) => {
            let token = NewToken {
                grant: *grant,
                added_at: at,
                added_by: by.to_string(),
            };
            store.add_token(token).await?;
        }
        Request::RevokeToken { id } => {
            let by = by.to_string();
            store.revoke_token(Revocation { id, at, by }).await?;
        }
        Request::EndTraining(end) => store.end_training(*end).await?,
        Request::Prune { keep_days, user } => {
            let wanted = retention.wanted(keep_days, user, at);
            let prune = wanted.ok_or(Refusal::EverythingIsKept)?;
            return Ok(Answer::Pruned(store.prune(prune, retention.remover()).await?));
        }
    }
    Ok(Answer::Noted)
}

#[cfg(test)]
mod tests;

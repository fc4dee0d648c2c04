//! Changes to the record that people ask for: by the control socket of the daemon that serves, or else in their own process.
//!
//! The daemon is the only writer while it serves, so a program that wants something changed asks it, by one line of JSON each
//! way over a socket that only root and the daemon's own account may use. [`Keeper`] hides whether one serves.

mod client;
mod error;
mod keeper;
mod protocol;
mod socket;

pub use error::ControlError;
pub use keeper::Keeper;
pub use protocol::{Answer, Request};
pub use socket::Socket;

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::store::{Comment, CommentError, Feedback, Rater, Store, StoreError};

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
}

/// Does what an account of this host asks for, wherever the record is open.
async fn carry_out(store: &Store, uid: u32, request: Request) -> Result<Answer, Refusal> {
    match request {
        Request::Feedback { id, rating, comment } => {
            let feedback = Feedback {
                by: Rater::Local { uid },
                rating,
                comment: Comment::new(&comment.unwrap_or_default())?,
                at: Timestamp::now(),
            };
            store.give_feedback(id, feedback).await?;
            Ok(Answer::Noted)
        }
    }
}

#[cfg(test)]
mod tests;

//! How one's own commands turned out, and for who has the role `admin`, everybody's.

use jiff::Timestamp;

use super::words::Rated;
use crate::domain::Name;
use crate::gate::Gate;
use crate::store::{Comment, Feedback, Rater, StoreError};

/// Records what `user` says of a command, with the roles that they have now; gives what to tell them.
pub(super) async fn give(gate: &Gate, user: &Name, rated: Rated) -> Result<String, String> {
    let Rated { id, rating, text } = rated;
    let engine = gate.engine();
    let roles = engine.user(user).map(|user| user.roles.clone());
    let feedback = Feedback {
        by: Rater::User {
            name: user.clone(),
            roles: roles.unwrap_or_default(),
        },
        rating,
        comment: Comment::new(&text).map_err(|error| error.to_string())?,
        at: Timestamp::now(),
    };
    match gate.store().give_feedback(id, feedback).await {
        Ok(()) => Ok(format!("command {id} is rated {rating}\n")),
        Err(error @ StoreError::NotRateable(_)) => Err(error.to_string()),
        Err(error) => {
            tracing::error!(%user, %error, "cannot record what somebody says of a command");
            Err("the record cannot be written now".to_owned())
        }
    }
}

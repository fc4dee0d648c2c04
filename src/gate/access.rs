//! The way of what needs no command: file operations, forwards, subsystems.

use std::sync::Arc;

use crate::domain::CommandId;
use crate::store::Aftermath;

use super::Gate;
use super::case;
use super::intercept::{Ending, Intercept, Observer, Refusal, Request};

impl Gate {
    /// The whole way of an access: decide, record, ask, permit, finish. As [`Gate::pass`] for commands, but there is nothing to
    /// score, and no snapshot is taken after it: there may be thousands in a second.
    ///
    /// # Errors
    /// Why it was not let through. Nothing of it reached the target then.
    pub async fn pass_access<I: Intercept>(
        self: &Arc<Self>,
        request: Request,
        observer: &Observer,
        intercept: &mut I,
    ) -> Result<Ending, Refusal> {
        let mut case = self.assess(request)?;
        let id = self.record(&case).await?;
        let permit = Box::pin(self.permit(&mut case, id, observer, intercept)).await?;
        let ending = self.explained(intercept.run(permit).await);
        self.finish_access(id, &ending).await;
        Ok(ending)
    }

    async fn finish_access(&self, id: Option<CommandId>, ending: &Ending) {
        let Some(id) = id else { return };
        let aftermath = Aftermath {
            context_missing: Some(case::COMMANDS_ONLY.to_owned()),
            ..Aftermath::default()
        };
        let outcome = case::outcome(ending, aftermath);
        if let Err(error) = self.store.finish(id, outcome).await {
            tracing::error!(%id, %error, "cannot record the end of a file operation or a forward");
        }
    }
}

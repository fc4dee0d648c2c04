//! Commands that another one reads on its standard input: the way of all that came in one read.

use std::sync::Arc;

use crate::domain::CommandId;
use crate::store::{InputEnd, Outcome, Start};

use super::case::Case;
use super::intercept::{Intercept, Observer, Refusal, Request};
use super::{Gate, unrecorded};

impl Gate {
    /// The way of commands that came together on the standard input of `reader`, in their order.
    ///
    /// Those before the first that is not allowed at once are recorded together with it, then each gets its permit; those
    /// after it are assessed when it has been answered, by the configuration of that moment. Running one only means to send
    /// it: its end is not seen, and comes with [`Gate::end_input`].
    ///
    /// # Errors
    /// Why one did not run. Those before it did; nothing of those after it may reach the target any more.
    pub async fn pass_input<I: Intercept>(
        self: &Arc<Self>,
        reader: Option<CommandId>,
        requests: Vec<Request>,
        observer: &Observer,
        intercept: &mut I,
    ) -> Result<(), Refusal> {
        let mut requests = requests.into_iter();
        while requests.len() > 0 {
            let cases = self.assess_together(reader, &mut requests).await?;
            self.send_together(cases, observer, intercept).await?;
        }
        Ok(())
    }

    /// Those that are allowed at once, and the first that is not.
    async fn assess_together(
        &self,
        reader: Option<CommandId>,
        requests: &mut std::vec::IntoIter<Request>,
    ) -> Result<Vec<Case>, Refusal> {
        let mut cases = Vec::new();
        for request in requests {
            let mut case = self.assess(request)?;
            case.parent = reader;
            let is_allowed = case.start == Start::Running;
            cases.push(case);
            if !is_allowed {
                break;
            }
            // A long script must not keep others from the processor.
            tokio::task::yield_now().await;
        }
        Ok(cases)
    }

    /// Records that `reader` has ended, and with it what it read.
    pub async fn end_input(&self, reader: CommandId, end: InputEnd) {
        if let Err(error) = self.store.end_input(reader, end).await {
            tracing::error!(id = %reader, %error, "cannot record the end of a standard input");
        }
    }

    async fn send_together<I: Intercept>(
        &self,
        cases: Vec<Case>,
        observer: &Observer,
        intercept: &mut I,
    ) -> Result<(), Refusal> {
        let rows = cases.iter().map(Case::new_command).collect();
        let recorded = self.store.record_all(rows).await;
        for (mut case, recorded) in cases.into_iter().zip(recorded) {
            let id = match recorded {
                Ok(id) => Some(id),
                Err(error) => unrecorded(&case, &error).map(|()| None)?,
            };
            let permit = self.permit(&mut case, id, observer, intercept).await?;
            intercept.run(permit).await;
            self.finish_orphan(&case, id).await;
        }
        Ok(())
    }

    /// Where the reader is not on record, its end will not be either: what it read is over for the record when it is sent.
    async fn finish_orphan(&self, case: &Case, id: Option<CommandId>) {
        let (None, Some(id)) = (case.parent, id) else {
            return;
        };
        let outcome = Outcome::unseen("it was sent, and what reads it is not on record");
        if let Err(error) = self.store.finish(id, outcome).await {
            tracing::error!(%id, %error, "cannot record the end of a command");
        }
    }
}

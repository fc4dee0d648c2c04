//! Commands that another one reads on its standard input: the way of all that came in one read.

use std::sync::Arc;
use std::time::Instant;

use crate::command::MAX_UNIT;
use crate::domain::CommandId;
use crate::store::{InputEnd, Outcome, Resolution, Start, StoreError, Verdict};

use super::Gate;
use super::case::Case;
use super::intercept::{Intercept, Observer, Refusal, Request, Submission};

/// Why a command that is on record as running never was.
const NOT_SENT: &str = "never sent: a command before it could not be recorded";

impl Gate {
    /// The way of commands that came together on the standard input of their parent, in their order.
    ///
    /// Those before the first that is not allowed at once are recorded together with it, then each gets its permit; those
    /// after it are assessed when it has been answered, by the configuration of that moment. Running one only means to send
    /// it: its end is not seen, and comes with [`Gate::end_input`].
    ///
    /// # Errors
    /// Why one did not run. Those before it did; nothing of those after it may reach the target any more.
    pub async fn pass_input<I: Intercept>(
        self: &Arc<Self>,
        requests: Vec<Request>,
        observer: &Observer,
        intercept: &mut I,
    ) -> Result<(), Refusal> {
        let mut requests = requests.into_iter();
        while requests.len() > 0 {
            let cases = self.assess_together(&mut requests).await?;
            self.send_together(cases, observer, intercept).await?;
        }
        Ok(())
    }

    /// Those that are allowed at once, and the first that is not.
    async fn assess_together(
        self: &Arc<Self>,
        requests: &mut std::vec::IntoIter<Request>,
    ) -> Result<Vec<Case>, Refusal> {
        let mut cases = Vec::new();
        for request in requests {
            let mut case = self.assess_aside(request).await?;
            case.is_read = true;
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

    /// Assesses; a long text away from the threads that serve others.
    async fn assess_aside(self: &Arc<Self>, request: Request) -> Result<Case, Refusal> {
        match &request.submission {
            Submission::Text { bytes, .. } if bytes.len() > MAX_UNIT => {
                let gate = self.clone();
                let assessed = tokio::task::spawn_blocking(move || gate.assess(request)).await;
                assessed.unwrap_or_else(|error| {
                    tracing::error!(%error, "cannot assess a text");
                    Err(Refusal::NoPolicy)
                })
            }
            _ => self.assess(request),
        }
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
        let began = Instant::now();
        let recorded = self.store.record_all(rows).await;
        self.metrics.recorded(began.elapsed());
        let mut left = cases.into_iter().zip(recorded);
        while let Some((mut case, recorded)) = left.next() {
            if let Err(refusal) = self.send(&mut case, recorded, observer, intercept).await {
                for (case, recorded) in left {
                    self.withdraw(&case, recorded.ok()).await;
                }
                return Err(refusal);
            }
        }
        Ok(())
    }

    async fn send<I: Intercept>(
        &self,
        case: &mut Case,
        recorded: Result<CommandId, StoreError>,
        observer: &Observer,
        intercept: &mut I,
    ) -> Result<(), Refusal> {
        let id = match recorded {
            Ok(id) => Some(id),
            Err(error) => self.unrecorded(case, &error).map(|()| None)?,
        };
        let permit = self.permit(case, id, observer, intercept).await?;
        intercept.run(permit).await;
        self.finish_orphan(case, id).await;
        Ok(())
    }

    /// Records that a command which was put on record together with one that did not run is not sent either.
    async fn withdraw(&self, case: &Case, id: Option<CommandId>) {
        let Some(id) = id else { return };
        let withdrawn = match case.start {
            Start::Running => self.store.finish(id, Outcome::unseen(NOT_SENT)).await,
            Start::Held => self.store.resolve(id, not_asked()).await,
            Start::Denied => Ok(()),
        };
        if let Err(error) = withdrawn {
            tracing::error!(%id, %error, "cannot record that a command was not sent");
        }
    }

    /// Where the reader is not on record, its end will not be either: what it read is over for the record when it is sent.
    async fn finish_orphan(&self, case: &Case, id: Option<CommandId>) {
        let (None, Some(id)) = (case.request.parent, id) else {
            return;
        };
        let outcome = Outcome::unseen("it was sent, and what reads it is not on record");
        if let Err(error) = self.store.finish(id, outcome).await {
            tracing::error!(%id, %error, "cannot record the end of a command");
        }
    }
}

/// What becomes of a question that is not put, since a command before it did not run.
fn not_asked() -> Resolution {
    Resolution {
        verdict: Verdict::Unanswerable(NOT_SENT.to_owned()),
        system_context: None,
    }
}

//! The gate: one command's way from submission to record, as one function.
//!
//! [`Gate::pass`] is the only place where a [`Permit`] is made, and nothing reaches a target without one.

mod access;
mod case;
mod engine;
mod hosts;
mod input;
mod intercept;
mod metrics;
mod pending;
mod permit;
mod preview;
mod readings;
mod remembered;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::config::{OnFailure, UserKind};
use crate::context::Snapshot;
use crate::domain::{CommandId, Decision, Name, whole_millis};
use crate::store::{self, Resolution, Start, Store, StoreError, Verdict};

use case::{Case, Meanwhile};
use hosts::Hosts;
use metrics::Metrics;
use remembered::Remembered;

pub use engine::{Engine, EngineError};
pub use intercept::{
    Asked, Boxed, Ending, Intercept, Observe, Observer, Refusal, Request, Session, Submission, Unseen,
};
pub use pending::{Answer, AnswerError, Claim, ConfirmError, Confirmed, Pending, TooManyPending};
pub use permit::Permit;
pub use preview::Preview;

/// What every command passes on its way to a target. Shared by all sessions.
#[derive(Debug)]
pub struct Gate {
    engine: ArcSwap<Engine>,
    engine_replaced: watch::Sender<()>,
    store: Store,
    pending: Pending,
    remembered: Remembered,
    hosts: Hosts,
    metrics: Metrics,
    /// Whether what ends from now on is ended by the bastion.
    stopping: AtomicBool,
    /// What goes on after a command has ended: the snapshot after, and the impact.
    aftermath: TaskTracker,
}

/// Why something has ended that the bastion ended when it stopped.
const STOPPED: &str = "the bastion stopped before it ended";

/// The answer to a question that was put, or why there is none.
enum Consent {
    /// Somebody answered, after so many milliseconds.
    Answered(Answer, u64),
    /// Nobody did.
    Missing(Refusal),
}

impl Gate {
    /// A gate that decides by `engine` and records in `store`.
    pub fn new(engine: Engine, store: Store) -> Self {
        Self {
            engine: ArcSwap::from_pointee(engine),
            engine_replaced: watch::Sender::new(()),
            store,
            pending: Pending::default(),
            remembered: Remembered::default(),
            hosts: Hosts::default(),
            metrics: Metrics::new(),
            stopping: AtomicBool::new(false),
            aftermath: TaskTracker::new(),
        }
    }

    /// The engine that decides now.
    pub fn engine(&self) -> Arc<Engine> {
        self.engine.load_full()
    }

    /// Decides by another engine from the next command on, and decides open questions again.
    pub fn replace_engine(&self, engine: Engine) {
        self.engine.store(Arc::new(engine));
        self.metrics.reloaded(true);
        self.engine_replaced.send_replace(());
    }

    /// Notes that a new configuration could not be used, so that the one before stays in force.
    pub fn keep_engine(&self) {
        self.metrics.reloaded(false);
    }

    /// Says of all that ends unseen or unanswered from now on that the bastion has stopped.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Why things end now, where that is the bastion's doing.
    pub fn stopped(&self) -> Option<&'static str> {
        self.stopping.load(Ordering::Relaxed).then_some(STOPPED)
    }

    /// The record.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What waits for `code`, told to the person who may let it run.
    pub fn waiting_for(&self, by: &Name, code: &str) -> Result<Confirmed, ConfirmError> {
        self.pending.about(by, code, Instant::now())
    }

    /// Answers yes to an open question from the console.
    pub fn confirm(&self, by: &Name, code: &str) -> Result<Confirmed, ConfirmError> {
        let engine = self.engine();
        self.pending.confirm(by, code, Instant::now(), |claim| {
            engine
                .decide(claim)
                .is_some_and(|verdict| verdict.decision != Decision::Deny)
        })
    }

    /// Answers a question over HTTP, where the policy that applies lets that be done and does not deny the command by now.
    ///
    /// # Errors
    /// Why nothing was answered.
    pub fn answer(&self, by: &Name, command: CommandId, yes: bool) -> Result<(), AnswerError> {
        let engine = self.engine();
        self.pending.answer(by, command, yes, |claim| {
            let decided = engine.decide(claim).map(|verdict| verdict.decision);
            engine.lets_http_answer(claim) && decided.is_some_and(|decision| !yes || decision != Decision::Deny)
        })
    }

    /// How many questions wait for an answer.
    pub fn open_questions(&self) -> usize {
        self.pending.count()
    }

    /// Offers the gate's counters and times to be read.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.metrics.register(registry);
    }

    /// Waits for what goes on after commands have ended: nothing more is recorded of them then.
    pub async fn settled(&self) {
        self.aftermath.close();
        self.aftermath.wait().await;
    }

    /// As [`Gate::settled`], and closes the record.
    pub async fn close(&self) {
        self.settled().await;
        self.store.close().await;
    }

    /// The whole way of a command: assess, decide, record, ask, permit, finish.
    ///
    /// # Errors
    /// Why it did not run. Nothing of it reached the target then.
    pub async fn pass<I: Intercept>(
        self: &Arc<Self>,
        request: Request,
        observer: &Observer,
        intercept: &mut I,
    ) -> Result<Ending, Refusal> {
        let mut case = self.assess(request)?;
        let id = self.record(&case).await?;
        // Boxed, as what passes quickly takes no memory while the command runs.
        let permit = Box::pin(self.permit(&mut case, id, observer, intercept)).await?;
        let run = self.hosts.started(&case.request.session.target);
        let ending = self.explained(intercept.run(permit).await);
        let meanwhile = Meanwhile {
            concurrent: run.ended(),
            connection_lost: ending.lost.is_some() && observer.is_cut_off(),
        };
        Box::pin(self.finish(case, id, &ending, meanwhile, observer)).await;
        Ok(ending)
    }

    /// The right to run what is on record: asked for where the policy says so.
    async fn permit<I: Intercept>(
        &self,
        case: &mut Case,
        id: Option<CommandId>,
        observer: &Observer,
        intercept: &mut I,
    ) -> Result<Permit, Refusal> {
        match case.start {
            Start::Denied => return Err(case.denial()),
            Start::Held => {
                let consent = self.ask(case, id, observer, intercept).await;
                self.resolve(case, id, consent).await?;
            }
            Start::Running => {}
        }
        if case.verdict.decision == Decision::Warn {
            intercept.warn(&case.question()).await;
        }
        Ok(case.permit(id))
    }

    /// Assesses and decides, from memory alone. Where user or target are not configured any longer, the door is closed.
    fn assess(&self, request: Request) -> Result<Case, Refusal> {
        let (began, seen) = (Instant::now(), self.hosts.last(&request.session.target));
        let mut case = Case::assess(self.engine(), &self.store, request, seen).ok_or(Refusal::NoPolicy)?;
        self.metrics.judged(&case, began.elapsed());
        if case.start == Start::Held {
            case.start = match self.remembered.answer(&case.same(), Instant::now()) {
                Some(true) => Start::Running,
                Some(false) => Start::Denied,
                None => Start::Held,
            };
        }
        Ok(case)
    }

    /// Makes the command durable. `None` stands for a command that goes unrecorded because the configuration prefers that.
    async fn record(&self, case: &Case) -> Result<Option<CommandId>, Refusal> {
        let began = Instant::now();
        match self.store.record(case.new_command()).await {
            Ok(id) => {
                self.metrics.recorded(began.elapsed());
                Ok(Some(id))
            }
            Err(error) => self.unrecorded(case, &error).map(|()| None),
        }
    }

    /// Puts the question and waits for the answer from wherever it comes.
    async fn ask<I: Intercept>(
        &self,
        case: &mut Case,
        id: Option<CommandId>,
        observer: &Observer,
        intercept: &mut I,
    ) -> Consent {
        let Some(answerer) = answerer(case) else {
            return Consent::Missing(Refusal::NoOwner);
        };
        let confirm = &case.engine.config.confirm;
        let mut ticket = match self
            .pending
            .open(&answerer, case.about(), case.claim(), confirm.max_pending)
        {
            Ok(ticket) => ticket,
            Err(full) => return Consent::Missing(Refusal::TooManyPending(full.to_string())),
        };
        if let Some(id) = id {
            ticket.is_about(id);
        }
        let asked = case.asked(ticket.code(), answerer);
        let limit = confirm.timeout;
        let began = Instant::now();
        let refresh = self.refresh_context(&case.request.session.target, observer);
        let answering = async {
            tokio::select! {
                answer = intercept.ask(&asked) => answer.ok_or(Refusal::Abandoned),
                answer = ticket.answered() => Ok(answer),
                refusal = self.denied_meanwhile(case) => Err(refusal),
            }
        };
        let (answer, fresh) = alongside(timeout(limit, answering), refresh).await;
        if let Some(seen) = fresh {
            case.context_before = Some(seen);
        }
        match answer.unwrap_or(Err(Refusal::Expired(limit))) {
            Ok(answer) => Consent::Answered(answer, whole_millis(began.elapsed())),
            Err(refusal) => Consent::Missing(refusal),
        }
    }

    /// Returns when a new engine denies what an old one asked about.
    async fn denied_meanwhile(&self, case: &Case) -> Refusal {
        let mut replaced = self.engine_replaced.subscribe();
        loop {
            if let Some(refusal) = case.denied_by(&self.engine()) {
                return refusal;
            }
            if replaced.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Whether what cannot be recorded may run all the same.
    fn unrecorded(&self, case: &Case, error: &StoreError) -> Result<(), Refusal> {
        self.metrics.unrecorded();
        tracing::error!(user = %case.request.session.user, uid = %case.uid, %error, "cannot record a command");
        match case.engine.config.store.on_failure {
            OnFailure::Deny => Err(Refusal::Unrecorded),
            OnFailure::Allow => Ok(()),
        }
    }

    /// Takes a fresh snapshot while the user reads.
    async fn refresh_context(&self, target: &Name, observer: &Observer) -> Option<hosts::Seen> {
        let snapshot = observer.snapshot().await.ok()?;
        self.keep_snapshot(target, &snapshot).await;
        self.hosts.last(target)
    }

    /// Keeps the last snapshot in memory and the whole of it on record.
    async fn keep_snapshot(&self, target: &Name, snapshot: &Snapshot) {
        self.hosts.keep(target, snapshot.clone());
        if let Err(error) = self.store.save_snapshot(case::new_snapshot(target, snapshot)).await {
            tracing::error!(host = %target, %error, "cannot record a snapshot");
        }
    }

    /// Records what came of the question; `Ok` means that the command runs now.
    async fn resolve(&self, case: &Case, id: Option<CommandId>, consent: Consent) -> Result<(), Refusal> {
        let (verdict, outcome) = match consent {
            Consent::Missing(refusal) => {
                if matches!(refusal, Refusal::Expired(_)) {
                    self.remember_no(case);
                }
                (self.unanswered(&refusal), Err(refusal))
            }
            Consent::Answered(answer, time_ms) => self.answered(case, answer, time_ms),
        };
        self.metrics.resolved(&verdict);
        let resolution = Resolution {
            verdict,
            system_context: case.fresh_context(),
        };
        if let Some(id) = id
            && let Err(error) = self.store.resolve(id, resolution).await
        {
            self.unrecorded(case, &error)?;
        }
        outcome
    }

    /// What an answer means. The configuration may have changed since the question was put, so it is decided again.
    fn answered(&self, case: &Case, answer: Answer, time_ms: u64) -> (Verdict, Result<(), Refusal>) {
        let recorded = store::Answer {
            by: answer.by,
            channel: answer.via,
            time_ms,
        };
        if !answer.yes {
            self.remember_no(case);
            return (Verdict::Refused(recorded), Err(Refusal::Refused));
        }
        if let Some(refusal) = case.denied_by(&self.engine()) {
            return (Verdict::Denied(refusal.to_string()), Err(refusal));
        }
        self.remembered
            .remember(case.same(), true, Instant::now(), case.verdict.remember);
        (Verdict::Confirmed(recorded), Ok(()))
    }

    /// What ended without its end having been seen, with the true reason.
    fn explained(&self, mut ending: Ending) -> Ending {
        if let (Some(lost), Some(stopped)) = (&mut ending.lost, self.stopped()) {
            stopped.clone_into(lost);
        }
        ending
    }

    /// How the record calls a question without an answer.
    fn unanswered(&self, refusal: &Refusal) -> Verdict {
        match (refusal, self.stopped()) {
            (Refusal::Abandoned, Some(stopped)) => Verdict::Interrupted(stopped.to_owned()),
            _ => unanswered(refusal),
        }
    }

    /// Who copies a thousand files into one tree is not asked a thousand times.
    fn remember_no(&self, case: &Case) {
        if case.verdict.tree.is_some() {
            self.remembered
                .remember(case.same(), false, Instant::now(), case.verdict.remember);
        }
    }

    /// Records the end, and sees to the snapshot after and the impact without making anybody wait.
    async fn finish(
        self: &Arc<Self>,
        case: Case,
        id: Option<CommandId>,
        ending: &Ending,
        meanwhile: Meanwhile,
        observer: &Observer,
    ) {
        let Some(id) = id else { return };
        let immediate = case.aftermath(ending, Err(&"not taken yet".into()), meanwhile);
        if let Err(error) = self.store.finish(id, case::outcome(ending, immediate)).await {
            tracing::error!(%id, %error, "cannot record the end of a command");
            return;
        }
        let (gate, observer, ending) = (self.clone(), observer.clone(), ending.clone());
        self.aftermath
            .spawn(async move { gate.look_after(case, id, ending, meanwhile, observer).await });
    }

    async fn look_after(&self, case: Case, id: CommandId, ending: Ending, meanwhile: Meanwhile, observer: Observer) {
        let target = &case.request.session.target;
        let taken = observer.snapshot().await;
        if let Ok(snapshot) = &taken {
            self.keep_snapshot(target, snapshot).await;
        }
        let aftermath = case.aftermath(&ending, taken.as_ref(), meanwhile);
        if let Err(error) = self.store.amend_context_after(id, aftermath).await {
            tracing::error!(%id, %error, "cannot record what a command did");
        }
    }
}

/// Who answers: the user, or for a robot its owner.
fn answerer(case: &Case) -> Option<Name> {
    let user = case.engine.user(&case.request.session.user)?;
    match user.kind {
        UserKind::Human => Some(user.name.clone()),
        UserKind::Robot => user.owner.clone(),
    }
}

/// How the record calls a question without an answer, while the bastion runs.
fn unanswered(refusal: &Refusal) -> Verdict {
    match refusal {
        Refusal::Expired(_) => Verdict::Expired,
        Refusal::Abandoned => Verdict::Abandoned,
        Refusal::NoOwner | Refusal::TooManyPending(_) => Verdict::Unanswerable(refusal.to_string()),
        Refusal::Denied { .. } | Refusal::NoPolicy | Refusal::Never(_) | Refusal::Refused | Refusal::Unrecorded => {
            Verdict::Denied(refusal.to_string())
        }
    }
}

/// Waits for `main`; `side` runs alongside and is dropped when it takes longer.
async fn alongside<A, B>(main: impl Future<Output = A>, side: impl Future<Output = Option<B>>) -> (A, Option<B>) {
    tokio::pin!(main, side);
    let mut done = None;
    loop {
        tokio::select! {
            biased;
            outcome = &mut main => return (outcome, done),
            outcome = &mut side, if done.is_none() => match outcome {
                Some(outcome) => done = Some(outcome),
                None => return (main.await, None),
            },
        }
    }
}

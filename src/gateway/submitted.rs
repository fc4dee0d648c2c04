//! A submission's way through the gate, in a task of its own: it speaks through orders with the task that owns the channel.

use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use crate::gate::{Answer, Asked, Ending, Intercept, Permit, Refusal};
use crate::terminal::Question;

use super::user::Gone;

/// What a submission's way through the gate wants of the channel's task.
pub(super) enum Order {
    Warn(Question),
    Ask(Asked, oneshot::Sender<Answer>),
    Run(Permit, oneshot::Sender<Ending>),
    Refused(Refusal),
}

/// What an order is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// A line that the shell waits with, by its number in this session.
    Line(u64),
    /// The rest of a shell that is not understood any longer, by the same count: what was decided of one is not of the next.
    Rest(u64),
}

/// A submission's side of the conversation: it passes everything on to the channel's task, with what it is about.
pub(super) struct Submitted<S = Subject> {
    pub(super) subject: S,
    pub(super) orders: mpsc::Sender<(S, Order)>,
}

impl<S: Copy + Send> Submitted<S> {
    pub(super) async fn order(&self, order: Order) -> Result<(), Gone> {
        self.orders.send((self.subject, order)).await.map_err(|_| Gone)
    }
}

impl<S: Copy + Send + Sync> Intercept for Submitted<S> {
    async fn warn(&mut self, question: &Question) {
        if self.order(Order::Warn(question.clone())).await.is_err() {
            tracing::debug!("the session ended before a warning");
        }
    }

    async fn ask(&mut self, asked: &Asked) -> Option<Answer> {
        let (reply, answer) = oneshot::channel();
        self.order(Order::Ask(asked.clone(), reply)).await.ok()?;
        answer.await.ok()
    }

    async fn run(&mut self, permit: Permit) -> Ending {
        let began = Instant::now();
        let (reply, ending) = oneshot::channel();
        let lost = |_| Ending::lost("the session ended before the command did", began.elapsed());
        match self.order(Order::Run(permit, reply)).await {
            Ok(()) => ending.await.unwrap_or_else(lost),
            Err(Gone) => Ending::lost("the session ended before the command could run", began.elapsed()),
        }
    }
}

/// Something that runs, and who wants to know how it ends.
pub(super) struct Running {
    pub(super) began: Instant,
    reply: oneshot::Sender<Ending>,
}

impl Running {
    pub(super) fn new(reply: oneshot::Sender<Ending>) -> Self {
        let began = Instant::now();
        Self { began, reply }
    }

    /// Tells who waits how it ended.
    pub(super) fn end(self, ending: Ending) {
        if self.reply.send(ending).is_err() {
            tracing::debug!("nobody waits for the end of a command any longer");
        }
    }
}

/// Something that has run already and is only put on record.
pub(super) struct Seen;

impl Intercept for Seen {
    async fn warn(&mut self, _question: &Question) {}

    async fn ask(&mut self, _asked: &Asked) -> Option<Answer> {
        None
    }

    async fn run(&mut self, _permit: Permit) -> Ending {
        Ending::default()
    }
}

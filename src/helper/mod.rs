//! The shells' grammar in processes of its own: it is C code that reads hostile text, and the daemon holds keys.
//!
//! A **worker** reads texts and answers with trees, over one socket, and is left nothing else by the kernel. A **supervisor**
//! starts it, and another in its place when the daemon asks for one: the daemon itself may run no program. The
//! **daemon** asks [`Helpers`], which believe no answer that is not a tree of the text, wait for none too long, and have a
//! worker replaced that failed, or has answered for long enough.
//!
//! Two pairs of supervisor and worker serve, each by itself. They end with the daemon, however it ends.

mod failures;
mod frame;
mod orders;
mod patience;
mod slot;
mod supervisor;
#[cfg(test)]
mod tests;
mod worker;

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::command::{Grammar, NoTree, Tree};
use crate::sandbox::JailError;
use failures::Failures;
use patience::{Patience, aside};
use slot::Slot;

pub use supervisor::supervise;
pub use worker::work;

/// The name of the hidden subcommand that [`supervise`]s.
pub const SUPERVISOR: &str = "grammar-supervisor";
/// The name of the hidden subcommand that [`work`]s.
pub const WORKER: &str = "grammar-worker";

/// How many workers there are: while one is replaced, the other answers.
const WORKERS: usize = 2;

/// Why a helper could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    /// A process cannot be started.
    #[error(
        "cannot start the shells' grammar as a process of its own: {0}; opspilot must be allowed to run its own program again"
    )]
    Start(io::Error),
    /// The supervisor is gone; nobody can start another worker.
    #[error(
        "the supervisor of the shells' grammar is gone; restart the daemon, until then every command is asked about"
    )]
    Gone,
    /// A worker or its supervisor said why it cannot serve.
    #[error("the shells' grammar cannot serve: {0}")]
    Refused(String),
    /// No answer came, or what came was none.
    #[error("the shells' grammar gave no answer: {0}")]
    NoAnswer(#[from] io::Error),
    /// An answer is no tree of the text.
    #[error("the shells' grammar gave an answer that is none")]
    BadAnswer,
    /// A worker could not be confined.
    #[error(transparent)]
    Jail(#[from] JailError),
    /// Somebody ran a hidden subcommand by hand.
    #[error("this is started by `opspilot serve`, and does nothing by itself")]
    ByHand,
}

/// The processes that read texts for this one.
#[derive(Debug)]
pub struct Helpers {
    /// The slots that nobody uses. Held for moments only, never while one is asked, so that a lock without tasks will do.
    free: Mutex<Vec<Slot>>,
    /// Told when a slot comes back.
    returned: Condvar,
    failures: Failures,
}

impl Helpers {
    /// Starts them, and awaits that all can serve. `program` is opspilot's own binary. Blocks; to be called before this process
    /// denies itself to run programs.
    ///
    /// # Errors
    /// A process cannot be started, or not be confined.
    pub fn start(program: &Path) -> Result<Self, HelperError> {
        let slots = (0..WORKERS).map(|_| Slot::start(program));
        let mut slots = slots.collect::<Result<Vec<_>, _>>()?;
        slots.iter_mut().try_for_each(Slot::prepare)?;
        Ok(Self::with(slots))
    }

    fn with(slots: Vec<Slot>) -> Self {
        Self {
            free: Mutex::new(slots),
            returned: Condvar::new(),
            failures: Failures::default(),
        }
    }

    fn ask(&self, text: &str) -> Result<Option<Tree>, HelperError> {
        let patience = Patience::new();
        let ready = take(&mut self.free(), Slot::is_ready);
        let mut slot = match ready {
            Some(slot) => slot,
            None => aside(|| self.await_slot(&patience))?,
        };
        let answer = slot.ask(text, &patience);
        self.free().push(slot);
        self.returned.notify_one();
        answer
    }

    /// A slot that may take a moment to answer, or that others have to give back first.
    fn await_slot(&self, patience: &Patience) -> Result<Slot, HelperError> {
        let none_serves = |free: &mut Vec<Slot>| free.len() < WORKERS && free.iter().all(Slot::is_gone);
        let waited = self
            .returned
            .wait_timeout_while(self.free(), patience.left(), none_serves);
        let mut free = waited.unwrap_or_else(PoisonError::into_inner).0;
        let all_are_free = free.len() == WORKERS;
        take(&mut free, Slot::is_ready)
            .or_else(|| take(&mut free, |slot| !slot.is_gone()))
            .ok_or_else(|| {
                if all_are_free {
                    HelperError::Gone
                } else {
                    io::Error::from(ErrorKind::TimedOut).into()
                }
            })
    }

    fn free(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn take(free: &mut Vec<Slot>, wanted: impl Fn(&Slot) -> bool) -> Option<Slot> {
    let found = free.iter().position(wanted)?;
    Some(free.swap_remove(found))
}

impl Grammar for Helpers {
    /// Blocks for two seconds at most, and lets a runtime's other tasks run while it does.
    fn tree(&self, text: &str) -> Result<Tree, NoTree> {
        if self.failures.know(text, Instant::now()) {
            return Err(NoTree::Failed);
        }
        let answer = self.ask(text).inspect_err(|error| {
            tracing::error!(%error, "a command could not be read");
            self.failures.remember(text, Instant::now());
        });
        answer.map_err(|_| NoTree::Failed)?.ok_or(NoTree::Beyond)
    }
}

//! The record: `SQLite` behind one writer, an append-only chain of events, and the tables that people ask.
//!
//! [`Store`] is the daemon's handle. Each change goes through a bounded queue to one thread, is committed with
//! `synchronous=FULL` together with whatever else waits, and is answered when it is durable. Nothing is ever dropped: a
//! full queue makes the asker wait. [`Reader`] asks questions over a read-only connection of its own.
//!
//! Every change is an event, chained by digest to all before it; the tables are what follows from the events, written in
//! the same transaction. Nothing outside this room knows that it is `SQLite`.

mod aggregate;
mod analytics;
mod asked;
mod awaited;
mod backup;
mod cache;
mod chain;
mod change;
mod checkpoint;
mod columns;
mod command;
mod compare;
mod door;
mod entry;
mod erase;
mod error;
mod export;
mod feedback;
#[cfg(test)]
pub(crate) mod fixtures;
mod forget;
mod head;
mod health;
mod keeper;
mod key;
mod learnt;
mod numbers;
mod parse;
mod payload;
mod project;
mod question;
mod reader;
mod retention;
mod schema;
mod scratch;
mod session;
mod shipping;
mod signing;
mod sql;
mod subject;
mod tally;
mod text;
mod tokens;
mod training;
mod vacuum;
mod verify;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::Connection;
use tokio::sync::{Semaphore, mpsc, oneshot};
use uuid::Uuid;

pub use analytics::{
    Analytics, ByDecision, ByImpact, ByLevel, Confirmations, Counts, Day, Forecasts, Hour, Impacts, Outcomes,
    Questions, Report, Top, TopPattern,
};
pub use asked::AskedRule;
pub use backup::{BackedUp, Existing};
pub use change::NewSnapshot;
pub use command::{
    Aftermath, Answer, End, Forecast, HostInfo, InputEnd, InputRest, NewCommand, Outcome, Resolution, Scoring, Shadow,
    Start, Verdict,
};
pub use door::{ConnectionCounts, DayOfConnections};
pub use error::StoreError;
pub use export::{Export, ExportError, Exported, FeatureList, Format, Progress, Spool};
pub use feedback::{Comment, CommentError, Feedback, Rater};
pub use head::{ExportedHead, HeadError};
pub use keeper::{BackupPlan, keep};
pub use learnt::{Judgements, Period};
pub use reader::{
    CommandDetail, CommandSummary, Event, LogFilter, Reader, RecordingSummary, SessionFilter, SessionSummary,
};
pub use retention::{Prune, Pruned, RemoveFile};
pub use session::{NewRecording, NewSession, RecordingEnd, RecordingId, RecordingState, SessionEnd};
pub use shipping::{Batch, Outgoing};
pub use subject::Subject;
pub use text::recordable;
pub use tokens::{NewToken, Revocation, Token, TokenGrant, TokenId, TokenIdError};
pub use training::{OutcomeError, TrainingEnd, TrainingOutcome, TrainingSummary};
pub use verify::{Examine, Finding, SealedRecording, Verified};

use crate::domain::{CommandId, History, Name, Seal, SessionId};
use cache::HistoryCache;
use change::Change;
use entry::Entry;
use key::RecordKey;
use shipping::Mark;
use signing::SigningKey;
use writer::{Chore, Request, Writer};

/// Changes that may wait for the writer; beyond them, askers wait.
const QUEUE: usize = 1024;

/// The record, open for writing. Clones share one writer.
#[derive(Debug, Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    requests: mpsc::Sender<Request>,
    cache: Arc<HistoryCache>,
    key: RecordKey,
    bastion_id: Uuid,
    last_command_id: AtomicI64,
    /// When the last event was that an earlier process wrote.
    recorded_until: Option<Timestamp>,
    path: PathBuf,
    /// Taken for as long as something is being erased.
    pruning: Semaphore,
}

impl Store {
    /// Opens the record at `path`, creates it where there is none, and ends what a crash left open.
    ///
    /// Blocks: call it before the runtime is busy. The writer thread ends after [`Store::close`], or when the last clone
    /// is dropped.
    ///
    /// # Errors
    /// [`StoreError::Open`] with the reason: in use, of a newer version, damaged, not writable, no room.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_tuned(path, |_| Ok(()))
    }

    fn open_tuned(path: &Path, tune: impl FnOnce(&Connection) -> Result<(), StoreError>) -> Result<Self, StoreError> {
        open(path, tune).map_err(|source| StoreError::Open {
            path: path.to_owned(),
            source: Box::new(source),
        })
    }

    /// The same record, open for reading. Blocks, as its questions do.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn reader(&self) -> Result<Reader, StoreError> {
        Reader::open(&self.shared.path)
    }

    /// This bastion's identity, as it stands in every row.
    pub fn bastion_id(&self) -> Uuid {
        self.shared.bastion_id
    }

    /// Records that a session has begun.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub async fn begin_session(&self, session: NewSession) -> Result<(), StoreError> {
        self.write(Change::SessionBegan(Box::new(session))).await
    }

    /// Records that a session has ended.
    ///
    /// # Errors
    /// [`StoreError::SessionNotOpen`], and as [`Store::record`].
    pub async fn end_session(&self, id: SessionId, end: SessionEnd) -> Result<(), StoreError> {
        self.write(Change::SessionEnded(id, end)).await
    }

    /// Records a command. When this returns, it is on disk. A caller that stops waiting does not stop the writing.
    ///
    /// # Errors
    /// [`StoreError::Rejected`] where values contradict each other or the session is not on record; [`StoreError::Full`],
    /// [`StoreError::ReadOnly`], [`StoreError::Corrupt`], [`StoreError::Database`] where the disk or the file fails;
    /// [`StoreError::Closed`].
    pub async fn record(&self, command: NewCommand) -> Result<CommandId, StoreError> {
        let id = CommandId(self.shared.last_command_id.fetch_add(1, Ordering::Relaxed) + 1);
        self.write(Change::Recorded(id, Box::new(command))).await?;
        Ok(id)
    }

    /// Records commands that were submitted together, in this order; each has an answer of its own. They share transactions
    /// with one another, and are durable when this returns.
    ///
    /// # Errors
    /// For each, as [`Store::record`].
    pub async fn record_all(&self, commands: Vec<NewCommand>) -> Vec<Result<CommandId, StoreError>> {
        let count = i64::try_from(commands.len()).unwrap_or(i64::MAX);
        let first = self.shared.last_command_id.fetch_add(count, Ordering::Relaxed) + 1;
        let mut waiting = Vec::with_capacity(commands.len());
        for (id, command) in (first..).map(CommandId).zip(commands) {
            let submitted = self.submit(Change::Recorded(id, Box::new(command))).await;
            waiting.push((id, submitted));
        }
        let mut recorded = Vec::with_capacity(waiting.len());
        for (id, submitted) in waiting {
            recorded.push(durable(submitted).await.map(|()| id));
        }
        recorded
    }

    /// Records how a question ended: the command runs, or it never will. Durable when this returns.
    ///
    /// # Errors
    /// [`StoreError::Transition`] where the command is not held, and as [`Store::record`].
    pub async fn resolve(&self, id: CommandId, resolution: Resolution) -> Result<(), StoreError> {
        self.write(Change::Resolved(id, resolution)).await
    }

    /// Records how a run ended.
    ///
    /// # Errors
    /// [`StoreError::Transition`] where the command is not running, and as [`Store::record`].
    pub async fn finish(&self, id: CommandId, outcome: Outcome) -> Result<(), StoreError> {
        self.write(Change::Finished(id, Box::new(outcome))).await
    }

    /// Records what was seen of the target after a run that is finished already. An impact given here replaces the first.
    ///
    /// # Errors
    /// [`StoreError::NotAmendable`] where there is nothing to add to, and as [`Store::record`].
    pub async fn amend_context_after(&self, id: CommandId, aftermath: Aftermath) -> Result<(), StoreError> {
        self.write(Change::Amended(id, Box::new(aftermath))).await
    }

    /// Records that a command which read others on its standard input has ended, and they with it.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub async fn end_input(&self, reader: CommandId, end: InputEnd) -> Result<(), StoreError> {
        self.write(Change::InputEnded(reader, end)).await
    }

    /// Keeps a whole snapshot of a target.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub async fn save_snapshot(&self, snapshot: NewSnapshot) -> Result<(), StoreError> {
        self.write(Change::SnapshotSaved(snapshot)).await
    }

    /// Records that a channel is being recorded.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub async fn begin_recording(&self, recording: NewRecording) -> Result<(), StoreError> {
        self.write(Change::RecordingBegan(recording)).await
    }

    /// Records how a recording ended.
    ///
    /// # Errors
    /// [`StoreError::RecordingNotOpen`], and as [`Store::record`].
    pub async fn end_recording(&self, id: RecordingId, end: RecordingEnd) -> Result<(), StoreError> {
        self.write(Change::RecordingEnded(id, end)).await
    }

    /// Adds to the connections of a day (UTC).
    ///
    /// # Errors
    /// As [`Store::record`].
    pub async fn count_connections(&self, day: Date, counts: ConnectionCounts) -> Result<(), StoreError> {
        self.write(Change::ConnectionsCounted(day, counts)).await
    }

    /// Gives a few free pages at the end of the file back to the disk, where nobody waits to write; whether there are more.
    ///
    /// # Errors
    /// [`StoreError::Busy`] where another process keeps the database locked, [`StoreError::Closed`].
    pub async fn vacuum_a_little(&self) -> Result<bool, StoreError> {
        let (reply, answer) = oneshot::channel();
        let queued = self.shared.requests.send(Request::Chore(Chore::Vacuum(reply))).await;
        queued.map_err(|_| StoreError::Closed)?;
        answer.await.unwrap_or(Err(StoreError::Failed))
    }

    /// Records what a recording's file has come to.
    ///
    /// # Errors
    /// [`StoreError::RecordingNotOpen`], also for one that has ended with its digest, and as [`Store::record`].
    pub async fn seal_recording(&self, id: RecordingId, seal: Seal) -> Result<(), StoreError> {
        self.write(Change::RecordingSealed(id, seal)).await
    }

    /// Signs where the chain stands, unless that is signed already. Durable when this returns.
    ///
    /// # Errors
    /// [`StoreError::Sign`], and as [`Store::record`].
    pub async fn sign(&self) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        let queued = self.shared.requests.send(Request::Chore(Chore::Sign(reply))).await;
        durable(queued.map(|()| answer).map_err(|_| StoreError::Closed)).await
    }

    /// Ends the commands that a session has left open, which nobody else will end, as `interrupted` for this reason. Durable
    /// when this returns.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub async fn end_left_open(&self, session: SessionId, why: &'static str) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        let chore = Chore::EndLeftOpen(session, why, reply);
        let queued = self.shared.requests.send(Request::Chore(chore)).await;
        durable(queued.map(|()| answer).map_err(|_| StoreError::Closed)).await
    }

    /// Remembers that a place has everything up to the event `seq`. Durable when this returns; never goes back.
    ///
    /// Blocks: not for asynchronous code. It is bookkeeping and no event, or sending events would make events to send.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn mark_shipped(&self, place: &Name, seq: i64) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        let mark = Mark {
            place: place.clone(),
            seq,
        };
        let queued = self
            .shared
            .requests
            .blocking_send(Request::Chore(Chore::Mark(mark, reply)));
        queued.map_err(|_| StoreError::Closed)?;
        answer.blocking_recv().unwrap_or(Err(StoreError::Failed))
    }

    /// Records how an attempt to train a forest ended.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub async fn end_training(&self, end: TrainingEnd) -> Result<(), StoreError> {
        self.write(Change::TrainingEnded(Box::new(end))).await
    }

    /// How many changes wait for the writer. Where as many wait as may, askers wait too.
    pub fn queued(&self) -> usize {
        let requests = &self.shared.requests;
        requests.max_capacity().saturating_sub(requests.capacity())
    }

    /// When the last event was written before this process, by the clock of then; `None` for a new record.
    pub fn recorded_until(&self) -> Option<Timestamp> {
        self.shared.recorded_until
    }

    /// The database's file.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// What the record says about a pattern, from memory. A pattern that was not met for very long may count as new.
    pub fn history(&self, user: &Name, target: &Name, command_hash: &str) -> History {
        self.shared.cache.history(user, target, command_hash)
    }

    /// HMAC-SHA-256 of `bytes` under this bastion's record key, in hexadecimal.
    pub fn mac(&self, bytes: &[u8]) -> String {
        self.shared.key.mac(bytes)
    }

    /// Writes what is queued and lets go of the database. Afterwards every change is refused with [`StoreError::Closed`].
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self
            .shared
            .requests
            .send(Request::Chore(Chore::Close(done)))
            .await
            .is_ok()
        {
            // An error only means that the writer was faster with somebody else's request to close.
            closed.await.unwrap_or_default();
        }
    }

    async fn write(&self, change: Change) -> Result<(), StoreError> {
        durable(self.submit(change).await).await
    }

    /// Queues a change; its answer comes when it is durable.
    async fn submit(&self, change: Change) -> Result<Submitted, StoreError> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Write(Entry::new(change)?, reply);
        let queued = self.shared.requests.send(request).await;
        queued.map(|()| answer).map_err(|_| StoreError::Closed)
    }
}

/// The answer to a change that is queued.
type Submitted = oneshot::Receiver<Result<(), StoreError>>;

async fn durable(submitted: Result<Submitted, StoreError>) -> Result<(), StoreError> {
    submitted?.await.unwrap_or(Err(StoreError::Failed))
}

fn open(path: &Path, tune: impl FnOnce(&Connection) -> Result<(), StoreError>) -> Result<Store, StoreError> {
    let lock = schema::lock(path)?;
    let connection = schema::open_writer(path)?;
    tune(&connection)?;
    let key = RecordKey::open(path)?;
    let bastion_id = schema::bastion_id(&connection)?;
    let cache = Arc::new(HistoryCache::new(cache::CAPACITY));
    cache.keep(tally::newest(&connection, cache::CAPACITY)?);
    let last_command_id = AtomicI64::new(schema::last_command_id(&connection)?);
    let recorded_until = chain::last_at(&connection)?;
    let signer = SigningKey::open(path)?;
    let writer = Writer::start(connection, path, lock, (bastion_id, signer), Arc::clone(&cache))?;
    let (requests, queue) = mpsc::channel(QUEUE);
    std::thread::Builder::new()
        .name("record".to_owned())
        .spawn(move || writer.serve(queue))
        .map_err(|source| StoreError::File {
            path: path.to_owned(),
            source,
        })?;
    Ok(Store {
        shared: Arc::new(Shared {
            requests,
            cache,
            key,
            bastion_id,
            last_command_id,
            recorded_until,
            path: path.to_owned(),
            pruning: Semaphore::new(1),
        }),
    })
}

#[cfg(test)]
mod tests;

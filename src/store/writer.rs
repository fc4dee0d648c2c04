//! The one thread that writes. Everything queued shares a transaction; each asker hears only after its commit.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::StoreError;
use super::cache::{Count, HistoryCache};
use super::chain::{self, Head};
use super::change::Change;
use super::checkpoint::Checkpointer;
use super::{project, vacuum};

/// Changes that share one transaction at most: bounds both the wait of the first and the memory of all.
const MAX_BATCH: usize = 256;

/// What the writer is asked.
pub(super) enum Request {
    /// Write a change and answer when it is durable.
    Write(Change, Reply),
    /// Give a few free pages back; the answer says whether there are more.
    Vacuum(oneshot::Sender<Result<bool, StoreError>>),
    /// Give up the database; the answer comes when it is closed.
    Close(oneshot::Sender<()>),
}

/// Where the answer goes. The asker may be gone; the change is written all the same.
pub(super) type Reply = oneshot::Sender<Result<(), StoreError>>;

/// The owner of the database.
pub(super) struct Writer {
    // Before the connection, so that the last to close leaves no journal.
    checkpointer: Checkpointer,
    connection: Connection,
    bastion_id: String,
    head: Head,
    cache: Arc<HistoryCache>,
    /// Kept for as long as the connection.
    _lock: File,
}

impl Writer {
    /// A writer that has ended what a crash left open.
    pub(super) fn start(
        connection: Connection,
        path: &Path,
        lock: File,
        bastion_id: Uuid,
        cache: Arc<HistoryCache>,
    ) -> Result<Self, StoreError> {
        let head = chain::head(&connection)?;
        let mut writer = Self {
            checkpointer: Checkpointer::start(path)?,
            connection,
            bastion_id: bastion_id.to_string(),
            head,
            cache,
            _lock: lock,
        };
        for change in project::left_open(&writer.connection)?.chunks(MAX_BATCH) {
            let changes: Vec<&Change> = change.iter().collect();
            writer.commit(&changes)?.into_iter().collect::<Result<(), _>>()?;
        }
        Ok(writer)
    }

    /// Serves until everybody who could ask is gone, or one asks to close.
    pub(super) fn serve(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut queue = Vec::with_capacity(MAX_BATCH);
        while requests.blocking_recv_many(&mut queue, MAX_BATCH) > 0 {
            let (mut batch, mut vacuums, mut closing) = (Vec::with_capacity(queue.len()), Vec::new(), Vec::new());
            for request in queue.drain(..) {
                match request {
                    Request::Write(change, reply) => batch.push((change, reply)),
                    Request::Vacuum(reply) => vacuums.push(reply),
                    Request::Close(done) => closing.push(done),
                }
            }
            if !batch.is_empty() {
                self.write(batch);
            }
            for reply in vacuums {
                reply.send(vacuum::step(&self.connection)).unwrap_or_default();
            }
            if !closing.is_empty() {
                requests.close();
                return self.close(requests, closing);
            }
        }
    }

    /// Writes what was queued when the channel was closed, then lets go of the database.
    fn close(mut self, mut requests: mpsc::Receiver<Request>, mut closing: Vec<oneshot::Sender<()>>) {
        while let Some(request) = requests.blocking_recv() {
            match request {
                Request::Write(change, reply) => self.write(vec![(change, reply)]),
                Request::Vacuum(reply) => reply.send(Err(StoreError::Closed)).unwrap_or_default(),
                Request::Close(done) => closing.push(done),
            }
        }
        drop(self);
        for done in closing {
            // Whoever asked may have stopped waiting.
            done.send(()).unwrap_or_default();
        }
    }

    fn write(&mut self, batch: Vec<(Change, Reply)>) {
        let changes: Vec<&Change> = batch.iter().map(|(change, _)| change).collect();
        let results = self.commit_or_split(&changes);
        for ((change, reply), result) in batch.into_iter().zip(results) {
            // A number that somebody mistyped is no fault of the record.
            if let Err(error) = &result
                && !matches!(error, StoreError::NotRateable(_))
            {
                tracing::error!(kind = change.kind(), %error, "the record refused a change");
            }
            // Whoever asked may have stopped waiting.
            reply.send(result).unwrap_or_default();
        }
    }

    /// Writes all in one transaction; where that fails, each in its own, so that one cannot spoil the others.
    fn commit_or_split(&mut self, changes: &[&Change]) -> Vec<Result<(), StoreError>> {
        match self.commit(changes) {
            Ok(results) => results,
            // Nobody's fault, and each would wait as long again.
            Err(StoreError::Busy) => changes.iter().map(|_| Err(StoreError::Busy)).collect(),
            Err(error) if changes.len() <= 1 => vec![Err(error)],
            Err(_) => changes
                .iter()
                .flat_map(|change| self.commit_or_split(&[*change]))
                .collect(),
        }
    }

    /// One transaction. The outer error: nothing of it was written. The inner ones: that change was left out.
    fn commit(&mut self, changes: &[&Change]) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        // Nearly always each fits: savepoints around them are paid for only where one did not.
        let results = match self.commit_all(changes) {
            Err(error) if changes.len() > 1 && !matches!(error, StoreError::Busy) => self.commit_each(changes)?,
            result => {
                result?;
                changes.iter().map(|_| Ok(())).collect()
            }
        };
        self.checkpointer.committed(changes.len());
        Ok(results)
    }

    /// One transaction for all or none.
    fn commit_all(&mut self, changes: &[&Change]) -> Result<(), StoreError> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (mut head, mut news) = (self.head, Vec::new());
        for change in changes {
            let (next, counts) = apply(&transaction, head, &self.bastion_id, change)?;
            head = next;
            news.extend(counts);
        }
        transaction.commit()?;
        self.head = head;
        self.cache.keep(news);
        Ok(())
    }

    /// One transaction, and in it a savepoint around each.
    fn commit_each(&mut self, changes: &[&Change]) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let mut transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (mut head, mut news, mut results) = (self.head, Vec::new(), Vec::with_capacity(changes.len()));
        for change in changes {
            let savepoint = transaction.savepoint()?;
            match apply(&savepoint, head, &self.bastion_id, change) {
                Ok((next, counts)) => {
                    savepoint.commit()?;
                    head = next;
                    news.extend(counts);
                    results.push(Ok(()));
                }
                // SQLite ends the whole transaction by itself where the disk is full or fails.
                Err(error) if savepoint.is_autocommit() => return Err(error),
                Err(error) => {
                    savepoint.finish()?;
                    results.push(Err(error));
                }
            }
        }
        transaction.commit()?;
        self.head = head;
        self.cache.keep(news);
        Ok(results)
    }
}

/// The event and what follows from it.
fn apply(
    connection: &Connection,
    head: Head,
    bastion_id: &str,
    change: &Change,
) -> Result<(Head, Vec<Count>), StoreError> {
    let next = chain::append(connection, head, bastion_id, change)?;
    let counts = project::project(connection, bastion_id, change)?;
    Ok((next, counts))
}

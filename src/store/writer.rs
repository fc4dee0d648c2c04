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
use super::entry::Entry;
use super::payload::Packed;
use super::shipping::Mark;
use super::signing::SigningKey;
use super::{project, vacuum};
use crate::domain::{SessionId, shelter};

/// Changes that share one transaction at most: bounds both the wait of the first and the memory of all.
const MAX_BATCH: usize = 256;

/// Events after which the chain is signed at the latest.
pub(super) const SIGN_EVERY: i64 = 1_000;

/// What the writer is asked.
pub(super) enum Request {
    /// Write a change and answer when it is durable.
    Write(Entry, Reply),
    /// Do something else once what waits is written.
    Chore(Chore),
}

/// What is done between two transactions.
pub(super) enum Chore {
    /// Give a few free pages back; the answer says whether there are more.
    Vacuum(oneshot::Sender<Result<bool, StoreError>>),
    /// Sign where the chain stands and answer when that is durable.
    Sign(Reply),
    /// Remember how far a place has been served.
    Mark(Mark, Reply),
    /// End what a session has left open, for this reason.
    EndLeftOpen(SessionId, &'static str, Reply),
    /// Fail as a defect would.
    #[cfg(test)]
    Fail(Box<dyn FnOnce(&Connection) + Send>, Reply),
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
    author: Author,
    course: Course,
    cache: Arc<HistoryCache>,
    /// Kept for as long as the connection.
    _lock: File,
}

/// How far the chain has come.
#[derive(Debug, Clone, Copy)]
struct Course {
    head: Head,
    /// The last event that is a signature; 0 where there is none.
    signed: i64,
}

impl Writer {
    /// A writer that has ended what a crash left open, and signed where that leads.
    pub(super) fn start(
        connection: Connection,
        path: &Path,
        lock: File,
        (bastion_id, signer): (Uuid, SigningKey),
        cache: Arc<HistoryCache>,
    ) -> Result<Self, StoreError> {
        let course = Course {
            head: chain::head(&connection)?,
            signed: chain::last_signed(&connection)?,
        };
        let unsigned = course.head.seq - course.signed;
        if unsigned > 0 {
            // It is signed with what follows: whoever could write to the file may have added to its end meanwhile.
            tracing::warn!(
                unsigned,
                "the last events are not signed: this process did not end in order, or another wrote them"
            );
        }
        let mut writer = Self {
            checkpointer: Checkpointer::start(path)?,
            connection,
            author: Author {
                bastion_id: bastion_id.to_string(),
                signer,
            },
            course,
            cache,
            _lock: lock,
        };
        let left_open = project::left_open(&writer.connection)?;
        writer.end(left_open)?;
        writer.sign()?;
        Ok(writer)
    }

    fn end(&mut self, left_open: Vec<Change>) -> Result<(), StoreError> {
        let entries: Vec<Entry> = left_open.into_iter().map(Entry::new).collect::<Result<_, _>>()?;
        for entries in entries.chunks(MAX_BATCH) {
            let entries: Vec<&Entry> = entries.iter().collect();
            self.commit(&entries)?.into_iter().collect::<Result<(), _>>()?;
        }
        Ok(())
    }

    /// Serves until everybody who could ask is gone, or one asks to close.
    pub(super) fn serve(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut queue = Vec::with_capacity(MAX_BATCH);
        let mut closing = Vec::new();
        while requests.blocking_recv_many(&mut queue, MAX_BATCH) > 0 {
            let (mut batch, mut chores) = (Vec::with_capacity(queue.len()), Vec::new());
            for request in queue.drain(..) {
                match request {
                    Request::Write(entry, reply) => batch.push((entry, reply)),
                    Request::Chore(chore) => chores.push(chore),
                }
            }
            if !batch.is_empty() {
                self.shelter(|writer| writer.write(batch));
            }
            for chore in chores {
                if let Chore::Close(done) = chore {
                    // What waits is written yet.
                    requests.close();
                    closing.push(done);
                } else {
                    self.shelter(|writer| writer.carry_out(chore));
                }
            }
        }
        self.close(closing);
    }

    /// A panic ends what is being done, whose askers get no answer and so take it for failed; its transaction is rolled back.
    fn shelter(&mut self, work: impl FnOnce(&mut Self)) {
        if shelter(|| work(self)).is_ok() {
            return;
        }
        tracing::error!("what was being written when the record's writer panicked is refused");
        let course = chain::head(&self.connection)
            .and_then(|head| chain::last_signed(&self.connection).map(|signed| Course { head, signed }));
        match course {
            Ok(course) => self.course = course,
            // What is chained to the wrong event is refused by the database.
            Err(error) => tracing::error!(%error, "cannot read where the record stands"),
        }
    }

    fn carry_out(&mut self, chore: Chore) {
        match chore {
            Chore::Vacuum(reply) => reply.send(vacuum::step(&self.connection)).unwrap_or_default(),
            Chore::Sign(reply) => reply.send(self.sign()).unwrap_or_default(),
            Chore::Mark(mark, reply) => reply.send(mark.keep(&self.connection)).unwrap_or_default(),
            Chore::EndLeftOpen(session, why, reply) => {
                let left_open = project::commands_left_open(&self.connection, Some(session), why);
                let ended = left_open.and_then(|left_open| self.end(left_open));
                reply.send(ended).unwrap_or_default();
            }
            #[cfg(test)]
            Chore::Fail(fail, _reply) => fail(&self.connection),
            // Only the queue can be closed by it, and it is not here.
            Chore::Close(_) => {}
        }
    }

    /// Signs the end and lets go of the database.
    fn close(mut self, closing: Vec<oneshot::Sender<()>>) {
        if let Err(error) = self.sign() {
            tracing::error!(%error, "the end of the record is not signed");
        }
        drop(self);
        for done in closing {
            // Whoever asked may have stopped waiting.
            done.send(()).unwrap_or_default();
        }
    }

    fn write(&mut self, batch: Vec<(Entry, Reply)>) {
        let entries: Vec<&Entry> = batch.iter().map(|(entry, _)| entry).collect();
        let results = self.commit_or_split(&entries);
        for ((entry, reply), result) in batch.into_iter().zip(results) {
            // A number that somebody mistyped is no fault of the record.
            if let Err(error) = &result
                && !matches!(error, StoreError::NotRateable(_))
            {
                tracing::error!(kind = entry.change.kind(), %error, "the record refused a change");
            }
            // Whoever asked may have stopped waiting.
            reply.send(result).unwrap_or_default();
        }
    }

    /// Signs where the chain stands, unless it ends with a signature.
    fn sign(&mut self) -> Result<(), StoreError> {
        if self.course.head.seq == self.course.signed {
            return Ok(());
        }
        self.commit(&[&Entry::new(Change::HeadSigned)?])?.into_iter().collect()
    }

    /// Writes all in one transaction; where that fails, each in its own, so that one cannot spoil the others.
    fn commit_or_split(&mut self, entries: &[&Entry]) -> Vec<Result<(), StoreError>> {
        match self.commit(entries) {
            Ok(results) => results,
            // Nobody's fault, and each would wait as long again.
            Err(StoreError::Busy) => entries.iter().map(|_| Err(StoreError::Busy)).collect(),
            Err(error) if entries.len() <= 1 => vec![Err(error)],
            Err(_) => entries
                .iter()
                .flat_map(|entry| self.commit_or_split(&[*entry]))
                .collect(),
        }
    }

    /// One transaction. The outer error: nothing of it was written. The inner ones: that change was left out.
    fn commit(&mut self, entries: &[&Entry]) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        // Nearly always each fits: savepoints around them are paid for only where one did not.
        let results = match self.commit_all(entries) {
            Err(error) if entries.len() > 1 && !matches!(error, StoreError::Busy) => self.commit_each(entries)?,
            result => {
                result?;
                entries.iter().map(|_| Ok(())).collect()
            }
        };
        self.checkpointer.committed(entries.len());
        Ok(results)
    }

    /// One transaction for all or none.
    fn commit_all(&mut self, entries: &[&Entry]) -> Result<(), StoreError> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (mut course, mut news) = (self.course, Vec::new());
        for entry in entries {
            let (next, counts) = self.author.append(&transaction, course, entry)?;
            course = next;
            news.extend(counts);
        }
        let course = self.author.sign_if_due(&transaction, course)?;
        transaction.commit()?;
        self.course = course;
        self.cache.keep(news);
        Ok(())
    }

    /// One transaction, and in it a savepoint around each.
    fn commit_each(&mut self, entries: &[&Entry]) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let mut transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (mut course, mut news) = (self.course, Vec::new());
        let mut results = Vec::with_capacity(entries.len());
        for entry in entries {
            let savepoint = transaction.savepoint()?;
            match self.author.append(&savepoint, course, entry) {
                Ok((next, counts)) => {
                    savepoint.commit()?;
                    course = next;
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
        let course = self.author.sign_if_due(&transaction, course)?;
        transaction.commit()?;
        self.course = course;
        self.cache.keep(news);
        Ok(results)
    }
}

/// Whose chain it is, and with which key it is signed.
struct Author {
    bastion_id: String,
    signer: SigningKey,
}

impl Author {
    /// Appends the event of a change and brings the tables to where it leads.
    fn append(
        &self,
        connection: &Connection,
        course: Course,
        Entry { change, payload }: &Entry,
    ) -> Result<(Course, Vec<Count>), StoreError> {
        let stated;
        let payload = if let Some(payload) = payload {
            payload
        } else {
            stated = self.state(course.head, change)?;
            &stated
        };
        let head = chain::append(connection, course.head, &self.bastion_id, change, payload)?;
        let counts = project::project(connection, &self.bastion_id, head.seq, change)?;
        let signed = if change.is_statement() { head.seq } else { course.signed };
        Ok((Course { head, signed }, counts))
    }

    /// The payload of a statement: what it says, signed together with where the chain stands.
    fn state(&self, head: Head, statement: &Change) -> Result<Packed, StoreError> {
        let body = serde_json::from_str(&statement.payload()?)?;
        let signed = self.signer.state(head, &self.bastion_id, body)?;
        Ok(Packed::of(&serde_json::to_string(&signed)?)?)
    }

    /// The first transaction is signed, so that no record is without a signature.
    fn sign_if_due(&self, connection: &Connection, course: Course) -> Result<Course, StoreError> {
        if course.signed > 0 && course.head.seq - course.signed < SIGN_EVERY {
            return Ok(course);
        }
        let (course, _) = self.append(connection, course, &Entry::new(Change::HeadSigned)?)?;
        Ok(course)
    }
}

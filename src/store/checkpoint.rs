//! Moves what was committed from the journal into the database file, beside the writer: a commit waits for its own sync alone.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::{StoreError, schema};

/// Changes after which it is worth the while.
const CHANGES: usize = 256;

/// The pause before each round, in which more gathers: pages that change often are written once.
const PAUSE: Duration = Duration::from_millis(500);

/// A thread with a connection of its own, ended when dropped.
#[derive(Debug)]
pub(super) struct Checkpointer {
    /// `None` only while it is dropped.
    nudges: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    changes: usize,
}

impl Checkpointer {
    pub(super) fn start(database: &Path) -> Result<Self, StoreError> {
        let connection = schema::open_checkpointer(database)?;
        let (nudges, rounds) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("checkpoint".to_owned())
            .spawn(move || serve(&connection, &rounds))
            .map_err(|source| StoreError::File {
                path: database.to_owned(),
                source,
            })?;
        Ok(Self {
            nudges: Some(nudges),
            thread: Some(thread),
            changes: 0,
        })
    }

    /// Hears that so many changes have been committed. Never waits.
    pub(super) fn committed(&mut self, changes: usize) {
        self.changes += changes;
        if self.changes >= CHANGES {
            self.changes = 0;
            // A full channel means that the next round is due already.
            self.nudges.as_ref().map(|nudges| nudges.try_send(()).ok());
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.nudges.take();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that keeps the record's journal short has failed");
        }
    }
}

fn serve(connection: &Connection, rounds: &Receiver<()>) {
    while rounds.recv().is_ok() && pause(rounds) {
        // Passive: it does what it can without making anybody wait. Where the disk fails, the writer finds out as well.
        let round = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Err(error) = round {
            tracing::warn!(%error, "cannot shorten the record's journal");
        }
    }
}

/// Whether there is anybody left after the pause.
fn pause(rounds: &Receiver<()>) -> bool {
    let end = Instant::now() + PAUSE;
    loop {
        match rounds.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

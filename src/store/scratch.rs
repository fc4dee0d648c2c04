//! A database of its own into which events are projected anew.

use rusqlite::Connection;

use super::StoreError;
use super::aggregate::{self, Carried};
use super::chain::StoredEvent;
use super::change::Change;
use super::parse::ParseError;
use super::project;
use super::schema::{self, Place};

/// An event that does not lead anywhere; why, in plain words.
#[derive(Debug, thiserror::Error)]
pub(super) enum Inapplicable {
    #[error(transparent)]
    Unreadable(#[from] ParseError),
    #[error("it does not follow from what is before it: {0}")]
    Impossible(#[from] StoreError),
}

/// Tables as they follow from the events that were applied.
pub(super) struct Scratch {
    connection: Connection,
}

impl Scratch {
    /// Empty tables. What is applied is one transaction.
    pub(super) fn new(place: Place) -> Result<Self, StoreError> {
        let connection = schema::open_scratch(place)?;
        connection.execute_batch("BEGIN")?;
        Ok(Self { connection })
    }

    /// Brings the tables to where they stand after `event`. What an erasure carries on is added here, where what it erased
    /// was never applied.
    pub(super) fn apply(&self, event: &StoredEvent) -> Result<(), Inapplicable> {
        match Change::parse(event)? {
            Change::Erased(erasure) => aggregate::add(&self.connection, &erasure.carried)?,
            change => {
                let bastion_id = String::from_utf8_lossy(&event.bastion_id);
                project::project(&self.connection, &bastion_id, event.seq, &change)?;
            }
        }
        Ok(())
    }

    /// Notes whose record it is.
    pub(super) fn identify(&self, bastion_id: &str) -> Result<(), StoreError> {
        let mut note = self
            .connection
            .prepare("INSERT INTO meta (key, value) VALUES ('bastion_id', ?1)")?;
        note.execute([bastion_id])?;
        Ok(())
    }

    /// What the tables that count come to. They are empty afterwards.
    pub(super) fn take_counts(&self) -> Result<Carried, StoreError> {
        let counts = aggregate::take(&self.connection)?;
        self.connection.execute_batch("ROLLBACK; BEGIN")?;
        Ok(counts)
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }
}

//! The record over real files.

mod connections;
mod durability;
mod evidence;
mod export;
mod feedback;
mod files;
mod forgetting;
mod keeping;
mod life;
mod lives;
mod panics;
mod questions;
mod recordings;
mod retention;
mod rollups;
mod scripts;

use rusqlite::Connection;
use serde_json::{Map, Value};

use super::chain::{self, hex};
use super::fixtures::Fixture;
use super::{CommandDetail, Reader, StoreError};
use crate::domain::CommandId;

/// What a walk over the chain alone found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) enum ChainState {
    /// Every event is the one that was written, in its place.
    Sound {
        /// Events in the chain.
        events: i64,
        /// The digest of the last, in hexadecimal: it stands for the whole record.
        head: String,
    },
    /// The chain does not hold.
    Broken {
        /// The first event that is changed, out of place, or follows one that is missing.
        seq: i64,
    },
}

impl Reader {
    /// Walks over the whole chain of events, and looks at nothing else.
    pub(in crate::store) fn verify_chain(&self) -> Result<ChainState, StoreError> {
        let mut broken = None;
        let head = chain::walk(&self.connection, |event, _, fault| {
            if fault.is_some() {
                broken = broken.or(Some(event.seq));
            }
            Ok(())
        })?;
        Ok(match broken {
            Some(seq) => ChainState::Broken { seq },
            None => ChainState::Sound {
                events: head.seq,
                head: hex(&head.digest),
            },
        })
    }
}

/// A connection past the store: what an outsider with write access could do.
pub(super) fn outsider(fixture: &Fixture) -> Connection {
    Connection::open(fixture.path()).unwrap()
}

fn detail(fixture: &Fixture, id: CommandId) -> CommandDetail {
    Reader::open(&fixture.path()).unwrap().show(id).unwrap().unwrap()
}

fn columns(fixture: &Fixture, id: CommandId) -> Map<String, Value> {
    detail(fixture, id).columns
}

fn number(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

pub(super) fn text(connection: &Connection, sql: &str) -> String {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

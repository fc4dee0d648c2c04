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
mod questions;
mod recordings;
mod retention;
mod rollups;
mod scripts;

use rusqlite::Connection;
use serde_json::{Map, Value};

use super::fixtures::Fixture;
use super::{CommandDetail, Reader};
use crate::domain::CommandId;

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

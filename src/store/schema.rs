//! The database file: created, checked, brought up to date, owned.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use rusqlite_migration::{M, Migrations};
use uuid::Uuid;

use super::{StoreError, health};

/// In the order in which they are applied; never changed once released.
pub(super) const MIGRATIONS: &[M<'_>] = &[
    M::up(include_str!("../../migrations/0001_record.sql")),
    M::up(include_str!("../../migrations/0002_lines.sql")),
    M::up(include_str!("../../migrations/0003_recordings.sql")),
    M::up(include_str!("../../migrations/0004_scripts.sql")),
    M::up(include_str!("../../migrations/0005_access.sql")),
    M::up(include_str!("../../migrations/0006_counters.sql")),
    M::up(include_str!("../../migrations/0007_feedback.sql")),
    M::up(include_str!("../../migrations/0008_keeping.sql")),
    M::up(include_str!("../../migrations/0009_evidence.sql")),
    M::up(include_str!("../../migrations/0010_analytics.sql")),
    M::up(include_str!("../../migrations/0011_shipping.sql")),
    M::up(include_str!("../../migrations/0012_learning.sql")),
    M::up(include_str!("../../migrations/0013_http.sql")),
    M::up(include_str!("../../migrations/0014_forgetting.sql")),
    M::up(include_str!("../../migrations/0015_moves.sql")),
];

/// `OPIL`, in the file's header: what tells our databases from those of other programs.
const APPLICATION_ID: i64 = 0x4f50_494c;

/// How long a statement waits for another process (a backup, a person with `sqlite3`): long enough for those to end, and
/// short enough that a user whose command waits for it is told before giving up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(15);

/// Memory of a reader's cache, as `SQLite` counts it: KiB below zero. What is added up for `stats` is sorted within, not on disk.
const READER_CACHE: i64 = -16_384;

/// Prepared statements that are kept; more than there are.
const STATEMENTS: usize = 128;

/// Bytes of a page: rows of a command fill pages of this size better than the usual 4,096.
const PAGE_SIZE: u32 = 8192;

/// Pages in the journal from which on the writer itself has to shorten it: 128 MiB. Before that, the checkpointer does.
const LONG_JOURNAL: u32 = 16_384;

/// The one lock that lets a process write to the database; held until dropped.
pub(super) fn lock(database: &Path) -> Result<File, StoreError> {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    let file_error = |source| StoreError::File {
        path: path.clone(),
        source,
    };
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(file_error)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked),
        Err(TryLockError::Error(source)) => Err(file_error(source)),
    }
}

/// Opens the database to write, creates it where there is none, and brings it up to date.
pub(super) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    create_private(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    refuse_foreign(&connection)?;
    refuse_newer(&connection)?;
    if is_new(&connection)? {
        // Both are part of the file's layout: a database that is there keeps its own until it is rebuilt.
        connection.pragma_update(None, "page_size", PAGE_SIZE)?;
        connection.pragma_update(None, "auto_vacuum", "incremental")?;
    } else {
        health::refuse_damaged(&connection, health::AT_START)?;
    }
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "wal_autocheckpoint", LONG_JOURNAL)?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What is erased is overwritten.
    connection.pragma_update(None, "secure_delete", true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Migrations::from_slice(MIGRATIONS).to_latest(&mut connection)?;
    // What takes a statement back when it fails lies in memory: a change touches few pages, and a file costs a write for each.
    connection.pragma_update(None, "temp_store", "memory")?;
    Ok(connection)
}

/// An empty database of its own, gone when it is closed: in memory, or in a file where it may become large. What refers to
/// rows that are not there is taken as it is.
pub(super) fn open_scratch(place: Place) -> Result<Connection, StoreError> {
    let mut connection = match place {
        Place::Memory => Connection::open_in_memory()?,
        Place::Disk => Connection::open("")?,
    };
    connection.pragma_update(None, "synchronous", "off")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Migrations::from_slice(MIGRATIONS).to_latest(&mut connection)?;
    connection.pragma_update(None, "foreign_keys", false)?;
    Ok(connection)
}

/// Where a scratch database lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Memory,
    Disk,
}

/// Opens the database to read; a writer may be at work meanwhile.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    // SQLite would not say whether it is missing or not ours to read.
    File::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => StoreError::Missing,
        _ => StoreError::File {
            path: path.to_owned(),
            source,
        },
    })?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // What stands in the schema may be somebody else's by now: it gets nothing done that has an effect outside.
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cache_size", READER_CACHE)?;
    refuse_foreign(&connection)?;
    let found = refuse_newer(&connection)?;
    if found < newest() {
        return Err(StoreError::Outdated { found, known: newest() });
    }
    Ok(connection)
}

/// Opens the database beside the writer, to move pages and nothing else.
pub(super) fn open_checkpointer(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Ok(Connection::open_with_flags(path, flags)?)
}

fn is_new(connection: &Connection) -> Result<bool, StoreError> {
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(tables == 0)
}

/// This bastion's identity, made when the record is.
pub(super) fn bastion_id(connection: &Connection) -> Result<Uuid, StoreError> {
    if let Some(id) = identity(connection)? {
        return id.parse().map_err(|_| StoreError::Corrupt);
    }
    let id = Uuid::now_v7();
    connection.execute(
        "INSERT INTO meta (key, value) VALUES ('bastion_id', ?1)",
        [id.to_string()],
    )?;
    Ok(id)
}

/// The identity that is on record.
pub(super) fn identity(connection: &Connection) -> Result<Option<String>, StoreError> {
    let known = connection
        .query_row("SELECT value FROM meta WHERE key = 'bastion_id'", [], |row| row.get(0))
        .optional()?;
    Ok(known)
}

/// The highest command number that was ever given.
pub(super) fn last_command_id(connection: &Connection) -> Result<i64, StoreError> {
    let last = connection
        .query_row(
            "SELECT seq FROM sqlite_sequence WHERE name = 'command_executions'",
            [],
            |row| row.get(0),
        )
        .optional()?;
    Ok(last.unwrap_or(0))
}

/// `SQLite` gives its journal and shared memory the permissions of the database.
fn create_private(path: &Path) -> Result<(), StoreError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(StoreError::File {
            path: path.to_owned(),
            source,
        }),
    }
}

fn refuse_foreign(connection: &Connection) -> Result<(), StoreError> {
    let id: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if id == APPLICATION_ID || (id == 0 && is_new(connection)?) {
        Ok(())
    } else {
        Err(StoreError::Foreign)
    }
}

fn refuse_newer(connection: &Connection) -> Result<i64, StoreError> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > newest() {
        Err(StoreError::Newer { found, known: newest() })
    } else {
        Ok(found)
    }
}

fn newest() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: &str = "
        INSERT INTO sessions (id, bastion_id, user_id, roles, client_address, client_version, state, started_at)
        VALUES ('s', 'b', 'alice', '[]', '192.0.2.7:50022', 'SSH-2.0-x', 'open', '2026-11-22T13:00:00.000000Z');
        INSERT INTO command_executions (uid, bastion_id, session_id, timestamp, user_id, target, login, channel, host_info,
            command, command_mac, exactness, command_hash, pattern, pattern_version, decision, state)
        VALUES ('c', 'b', 's', '2026-11-22T13:00:01.000000Z', 'alice', 'web-1', 'deploy', 'exec', '{}',
            'ls', '00', 'exact', '9f', 'ls', 1, 'allow', 'running');";

    #[test]
    fn a_record_of_every_version_is_brought_up_to_date_with_its_rows() {
        let migrations = Migrations::from_slice(MIGRATIONS);
        for version in 1..=MIGRATIONS.len() {
            let mut connection = Connection::open_in_memory().unwrap();
            migrations.to_version(&mut connection, version).unwrap();
            connection.execute_batch(ROWS).unwrap();
            migrations.to_latest(&mut connection).unwrap();
            let command: String = connection
                .query_row("SELECT command FROM command_executions", [], |row| row.get(0))
                .unwrap();
            assert_eq!(command, "ls", "from version {version}");
        }
    }
}

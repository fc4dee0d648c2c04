//! Free pages, given back to the disk in steps that nobody notices.

use rusqlite::Connection;

use super::StoreError;

/// Pages that one step moves: 256 KiB, some milliseconds.
const PAGES: i64 = 32;

/// Free pages that stay, for what is written next: 8 MiB.
const SPARE: i64 = 1024;

/// The value of `auto_vacuum` that keeps account of where pages may move to.
const INCREMENTAL: i64 = 2;

/// One step, where there is anything to give back; whether there is more. A database that was made before this could be done
/// keeps its free pages, and fills them again.
pub(super) fn step(connection: &Connection) -> Result<bool, StoreError> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    if number("auto_vacuum")? != INCREMENTAL || number("freelist_count")? <= SPARE {
        return Ok(false);
    }
    // It moves a page each time that it is stepped.
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(number("freelist_count")? > SPARE)
}

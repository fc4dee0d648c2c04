//! Whether the database file is sound, page by page. Whether the record is the one that was written is the chain's to say.

use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};

use super::{Reader, StoreError};

/// The check at the start looks for so long: some hundred megabytes, so the whole of most records.
pub(super) const AT_START: Duration = Duration::from_secs(2);

/// Steps of `SQLite`'s machine between two looks at the clock.
const STEPS: i32 = 10_000;

/// Faults that are told; the first says nearly all.
const TOLD: u32 = 5;

impl Reader {
    /// Checks every page, index and constraint; what is wrong, in `SQLite`'s words, and nothing where all is sound.
    ///
    /// # Errors
    /// As [`Reader::log`]; also [`StoreError::Corrupt`] where the damage keeps the check from its end.
    pub fn faults(&self) -> Result<Vec<String>, StoreError> {
        faults(&self.connection, "integrity_check")
    }
}

/// Refuses a damaged database, as far as one can be told from a sound one in `time`.
pub(super) fn refuse_damaged(connection: &Connection, time: Duration) -> Result<(), StoreError> {
    let deadline = Instant::now() + time;
    connection.progress_handler(STEPS, Some(move || Instant::now() > deadline))?;
    let found = faults(connection, "quick_check");
    connection.progress_handler(0, None::<fn() -> bool>)?;
    match found {
        Ok(faults) => faults
            .into_iter()
            .next()
            .map_or(Ok(()), |fault| Err(StoreError::Damaged(fault))),
        Err(StoreError::Database(error)) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
            tracing::info!("the record is too large to be checked whole at the start; `opspilot check` does");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

pub(super) fn faults(connection: &Connection, check: &str) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare(&format!("PRAGMA {check}({TOLD})"))?;
    let lines = statement.query_map([], |row| row.get(0))?;
    let mut lines: Vec<String> = lines.collect::<Result<_, _>>()?;
    lines.retain(|line| line != "ok");
    Ok(lines)
}

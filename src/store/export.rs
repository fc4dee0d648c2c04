//! Commands on their way out: every row that is asked for, the oldest first, as the record was at one moment.
//!
//! One statement walks over the rows, and each is written as it comes, so that memory does not grow with their number. A
//! text goes to the output as `SQLite` hands it over, unless something in it must be escaped.

mod cells;
mod lines;
mod safe;
mod sheet;
mod spool;

use std::io::{self, Write};
use std::ops::RangeInclusive;

use rusqlite::{Rows, Transaction, params_from_iter};

use super::question::{self, Question};
use super::{LogFilter, Reader, StoreError};
use crate::domain::CommandId;
use crate::risk::features;
use cells::{Columns, Naming, Table};
use lines::Lines;
use sheet::Sheet;
pub use spool::Spool;

/// Rows between two calls of the watcher.
const WATCHED_ROWS: u64 = 1024;

/// How commands are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values under a heading, fit for a spreadsheet: an empty cell is NULL or an empty text.
    Csv,
    /// One JSON object a line.
    Json,
}

/// The list of features that gives the numbers of a row their names.
#[derive(Debug, Clone, Copy)]
pub struct FeatureList<'a> {
    /// Its digest, as rows have it in `feature_digest`.
    pub digest: &'a str,
    /// The names, in the order of the numbers.
    pub names: &'a [&'a str],
}

impl FeatureList<'static> {
    /// The list that this program scores by.
    #[must_use]
    pub fn of_this_program() -> Self {
        Self {
            digest: features::digest(),
            names: features::NAMES,
        }
    }
}

/// How far an export has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Rows written.
    pub rows: u64,
    /// The last of them.
    pub last: CommandId,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exported {
    /// Rows.
    pub rows: u64,
    /// Those among them whose features came with their names.
    pub named: u64,
    /// Those whose features have no names here and were left out.
    pub unnamed: u64,
}

/// Why an export ended early. What was written until then is whole rows.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The record cannot be read.
    #[error("cannot read the record: {0}")]
    Store(StoreError),
    /// What was read cannot be written, or the watcher does not want more.
    #[error(transparent)]
    Write(#[from] io::Error),
}

impl From<StoreError> for ExportError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<rusqlite::Error> for ExportError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Commands as the record had them at one moment, whatever is written meanwhile.
///
/// The writer goes on, but for as long as this lives the database's journal only grows: do not hold it for a reader who may
/// take forever.
#[derive(Debug)]
pub struct Export<'r> {
    snapshot: Transaction<'r>,
    filter: LogFilter,
    span: RangeInclusive<i64>,
}

impl Reader {
    /// The commands that `filter` is about, as they are now; of more than its limit, the oldest.
    ///
    /// # Errors
    /// As [`Reader::log`].
    pub fn export(&self, filter: LogFilter) -> Result<Export<'_>, StoreError> {
        let snapshot = self.connection.unchecked_transaction()?;
        // A transaction sees the record as it is at its first question, which is this one.
        let last = self.rows(question::LAST_COMMAND, [], |row| row.get::<_, Option<i64>>(0))?;
        let first = self.first_since(filter.since)?;
        #[expect(clippy::reversed_empty_ranges, reason = "no number at all")]
        let span = match (first, last.into_iter().next().flatten()) {
            (Some(CommandId(first)), Some(last)) => first..=last,
            _ => 1..=0,
        };
        Ok(Export { snapshot, filter, span })
    }
}

impl Export<'_> {
    /// The numbers between which the commands lie, nearly; not all of them are asked for.
    #[must_use]
    pub fn span(&self) -> RangeInclusive<i64> {
        self.span.clone()
    }

    /// How many of the commands have an outcome, counted up to `enough`: it is known how they ended, or what they did.
    ///
    /// # Errors
    /// As [`Reader::log`].
    pub fn outcomes(&self, enough: u32) -> Result<u32, StoreError> {
        let question = Question::outcomes(&self.filter, self.first(), enough);
        let mut statement = self.snapshot.prepare(question.sql())?;
        Ok(statement.query_row(params_from_iter(question.values()), |row| row.get(0))?)
    }

    /// Writes them to `out`, which needs no buffer of its own. With `features`, numbers have names, and rows that were made
    /// with another list come without them. `watch` is called now and then; an error of it ends the export.
    ///
    /// # Errors
    /// [`ExportError`]. Then, and only then, rows may be missing at the end of what was written.
    pub fn write(
        &self,
        format: Format,
        features: Option<FeatureList<'_>>,
        out: impl Write,
        watch: impl FnMut(Progress) -> io::Result<()>,
    ) -> Result<Exported, ExportError> {
        let question = Question::export(&self.filter, self.first());
        let mut statement = self.snapshot.prepare(question.sql())?;
        let columns = Columns::new(&statement.column_names(), features);
        let rows = statement.query(params_from_iter(question.values()))?;
        match format {
            Format::Csv => pour(rows, &columns, Sheet::new(out, &columns)?, watch),
            Format::Json => pour(rows, &columns, Lines::new(out, &columns), watch),
        }
    }

    fn first(&self) -> CommandId {
        CommandId(*self.span.start())
    }
}

/// Moves rows from the record into a table, one at a time.
fn pour(
    mut rows: Rows<'_>,
    columns: &Columns<'_>,
    mut table: impl Table,
    mut watch: impl FnMut(Progress) -> io::Result<()>,
) -> Result<Exported, ExportError> {
    let mut exported = Exported::default();
    while let Some(row) = rows.next()? {
        let naming = columns.write(row, &mut table)?;
        table.end_row()?;
        exported.rows += 1;
        exported.named += u64::from(naming == Naming::Named);
        exported.unnamed += u64::from(naming == Naming::Unnamed);
        if exported.rows.is_multiple_of(WATCHED_ROWS) {
            let last = CommandId(row.get("id")?);
            watch(Progress {
                rows: exported.rows,
                last,
            })?;
        }
    }
    table.finish()?;
    Ok(exported)
}

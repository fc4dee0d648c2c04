//! How values look in columns.

use std::str::FromStr;

use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::Type;

/// RFC 3339 in UTC with six fractional digits: sorts as text.
pub(super) fn rfc3339(time: Timestamp) -> String {
    format!("{time:.6}")
}

/// `SQLite`'s integers are signed; a count beyond them is as good as the largest.
pub(super) fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A column that holds a word of a vocabulary.
pub(super) fn word<T>(row: &Row<'_>, index: usize) -> rusqlite::Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    parse(&row.get::<_, String>(index)?, index)
}

/// As [`word`], where the column may be NULL.
pub(super) fn optional_word<T>(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<T>>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let word: Option<String> = row.get(index)?;
    word.map(|word| parse(&word, index)).transpose()
}

fn parse<T>(word: &str, index: usize) -> rusqlite::Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    word.parse()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(error)))
}

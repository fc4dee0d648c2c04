//! A row as the cells that both formats write.

use std::io;

use rusqlite::Row;
use rusqlite::types::ValueRef;

use super::super::columns::Kind;
use super::{ExportError, FeatureList};

/// The column that tells, beside named features, why there are none.
const FEATURES_MISSING: &str = "features_missing";

const OTHER_LIST: &str = "another version of opspilot made them by another list of features, see feature_digest; \
                          without --features they are here as numbers";

const NOT_THE_LIST: &str =
    "they are not one number for each name of the list; without --features they are here as stored";

/// What stands in one column of one row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cell<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Real(f64),
    /// UTF-8 as a rule; whoever wrote past the store may have put other bytes there.
    Text(&'a [u8]),
    /// JSON: the table's CHECK has read it when it was written.
    Json(&'a [u8]),
}

/// A form in which rows are written, cell by cell in the order of the columns.
pub(super) trait Table {
    /// The next cell of the row.
    fn cell(&mut self, cell: Cell<'_>) -> io::Result<()>;

    /// The features as the next cell or cells; `None` where there are none, or none that have names.
    fn features(&mut self, values: Option<Vector<'_>>) -> io::Result<()>;

    /// The row is whole.
    fn end_row(&mut self) -> io::Result<()>;

    /// All rows are; everything goes out.
    fn finish(&mut self) -> io::Result<()>;
}

/// A heading.
pub(super) enum Heading<'a> {
    /// Of one column.
    Column(&'a str),
    /// Of the features, each by its name.
    Features(&'a [&'a str]),
}

/// The columns of an export, in the order of the record's.
pub(super) struct Columns<'a>(Vec<Column<'a>>);

enum Column<'a> {
    /// One that comes out as it is.
    Stored(String, Kind),
    /// The features, which get the names of `list`; the digest of theirs is the column at the place `digest`.
    Named { list: FeatureList<'a>, digest: usize },
}

impl<'a> Columns<'a> {
    /// Columns with these names, as the record has them; with `features`, those have names, too.
    pub(super) fn new(names: &[&str], features: Option<FeatureList<'a>>) -> Self {
        let place = names.iter().position(|name| *name == "feature_digest");
        let digest = place.unwrap_or_default();
        let columns = names.iter().map(|name| match features {
            Some(list) if *name == "features" => Column::Named { list, digest },
            _ => Column::Stored((*name).to_owned(), Kind::of(name)),
        });
        Self(columns.collect())
    }

    /// The headings, in the order in which cells are written.
    pub(super) fn headings(&self) -> impl Iterator<Item = Heading<'_>> {
        self.0.iter().flat_map(|column| match column {
            Column::Stored(name, _) => vec![Heading::Column(name)],
            Column::Named { list, .. } => vec![Heading::Features(list.names), Heading::Column(FEATURES_MISSING)],
        })
    }

    /// Writes the cells of a row.
    pub(super) fn write(&self, row: &Row<'_>, table: &mut impl Table) -> Result<Naming, ExportError> {
        let mut naming = Naming::Nothing;
        for (index, column) in self.0.iter().enumerate() {
            let value = row.get_ref(index)?;
            match column {
                Column::Stored(_, kind) => table.cell(cell(value, *kind))?,
                Column::Named { list, digest } => {
                    let vector = named(value, row.get_ref(*digest)?, list);
                    naming = Naming::of(&vector);
                    write_features(vector, table)?;
                }
            }
        }
        Ok(naming)
    }
}

/// What became of the features of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// It has none, or they were not to get names.
    Nothing,
    /// They have their names.
    Named,
    /// Their names are not known, so they were left out.
    Unnamed,
}

impl Naming {
    fn of(vector: &Result<Option<Vector<'_>>, &'static str>) -> Self {
        match vector {
            Ok(None) => Self::Nothing,
            Ok(Some(_)) => Self::Named,
            Err(_) => Self::Unnamed,
        }
    }
}

/// The features, or nothing and the reason.
fn write_features(vector: Result<Option<Vector<'_>>, &'static str>, table: &mut impl Table) -> io::Result<()> {
    table.features(vector.ok().flatten())?;
    table.cell(
        vector
            .err()
            .map_or(Cell::Null, |missing| Cell::Text(missing.as_bytes())),
    )
}

fn cell(value: ValueRef<'_>, kind: Kind) -> Cell<'_> {
    match (value, kind) {
        (ValueRef::Null, _) => Cell::Null,
        (ValueRef::Integer(number), Kind::Boolean) => Cell::Boolean(number != 0),
        (ValueRef::Integer(number), _) => Cell::Integer(number),
        (ValueRef::Real(number), _) => Cell::Real(number),
        (ValueRef::Text(bytes) | ValueRef::Blob(bytes), Kind::Json) => Cell::Json(bytes),
        (ValueRef::Text(bytes) | ValueRef::Blob(bytes), _) => Cell::Text(bytes),
    }
}

/// The features of a row that fit `list`: `None` where it has none, an error where their names are not known.
fn named<'r>(
    features: ValueRef<'r>,
    digest: ValueRef<'_>,
    list: &FeatureList<'_>,
) -> Result<Option<Vector<'r>>, &'static str> {
    match features {
        ValueRef::Null => Ok(None),
        _ if digest != ValueRef::Text(list.digest.as_bytes()) => Err(OTHER_LIST),
        ValueRef::Text(text) => Vector::new(text, list.names.len()).map(Some).ok_or(NOT_THE_LIST),
        _ => Err(NOT_THE_LIST),
    }
}

/// A stored array of numbers, still as the text that it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vector<'a>(&'a [u8]);

impl<'a> Vector<'a> {
    /// The array `json`, if it is one of `length` numbers: in JSON of nothing else, each comma parts two.
    fn new(json: &'a [u8], length: usize) -> Option<Self> {
        let inner = json.strip_prefix(b"[")?.strip_suffix(b"]")?;
        // Without a way out of the loop, it is a few instructions for many bytes.
        let all_numbers = inner.iter().fold(true, |all, byte| {
            all & matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E' | b',')
        });
        let commas = memchr::memchr_iter(b',', inner).count();
        (all_numbers && !inner.is_empty() && commas + 1 == length).then_some(Self(inner))
    }

    /// Its numbers, as they were written.
    pub(super) fn numbers(self) -> impl Iterator<Item = &'a [u8]> {
        self.0.split(|byte| *byte == b',')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(json: &str, length: usize) -> Option<Vec<&str>> {
        let numbers = Vector::new(json.as_bytes(), length)?.numbers();
        Some(numbers.map(|number| str::from_utf8(number).unwrap()).collect())
    }

    #[test]
    fn a_vector_is_as_many_numbers_as_there_are_names() {
        assert_eq!(numbers("[0.0,-1.0,2.5e-7]", 3), Some(vec!["0.0", "-1.0", "2.5e-7"]));
        assert_eq!(numbers("[0.0,-1.0]", 3), None, "too few");
        assert_eq!(numbers("[0.0,-1.0,3,4]", 3), None, "too many");
    }

    #[test]
    fn what_is_no_array_of_numbers_is_no_vector() {
        for json in [
            "[null]",
            "[\"1\"]",
            "[[1]]",
            "[{}]",
            "[]",
            "[ ]",
            "1",
            "\"[1]\"",
            "{\"a\":1}",
            "[true]",
            "",
        ] {
            assert_eq!(numbers(json, 1), None, "{json}");
        }
    }
}

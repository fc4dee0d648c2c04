//! Tables held against what they should be, row by row and in constant memory.

use std::cmp::Ordering;

use rusqlite::types::{FromSql as _, Value, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, Rows};

use super::StoreError;
use super::chain::{hex, sha256};
use super::payload::Payload;

/// What the tables of the search for texts begin with: how they are laid out depends on when rows came together.
const TEXT_INDEX: &str = "command_texts";

/// Tables that do not follow from events.
const NOT_PROJECTED: &[&str] = &["events", "shipping_cursors"];

/// Something that is not as it should be: where, and what.
pub(super) type Difference = (String, String);

/// Holds every table, and the schema, of `live` against `due`.
pub(super) fn compare(live: &Connection, due: &Connection, tell: &mut dyn FnMut(Difference)) -> Result<(), StoreError> {
    let schema = Table {
        name: "sqlite_schema".to_owned(),
        columns: ["type", "name", "tbl_name", "sql"].map(str::to_owned).to_vec(),
        keys: 2,
    };
    schema.compare(live, due, tell)?;
    for table in tables(due)? {
        table.compare(live, due, tell)?;
    }
    Ok(())
}

struct Table {
    name: String,
    /// Those of the key first.
    columns: Vec<String>,
    keys: usize,
}

fn tables(connection: &Connection) -> Result<Vec<Table>, StoreError> {
    let mut names = connection.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    )?;
    let names: Vec<String> = names.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    names
        .into_iter()
        .filter(|name| !NOT_PROJECTED.contains(&name.as_str()) && !name.starts_with(TEXT_INDEX))
        .map(|name| Table::read(connection, name))
        .collect()
}

impl Table {
    fn read(connection: &Connection, name: String) -> Result<Self, StoreError> {
        // What is computed from other columns is not stored, and has a mark in `hidden`.
        let mut columns = connection.prepare(
            "SELECT name, pk FROM pragma_table_xinfo(?1) WHERE hidden = 0 ORDER BY iif(pk = 0, 1000, pk), cid",
        )?;
        let columns: Vec<(String, i64)> = columns
            .query_map([&name], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        Ok(Self {
            keys: columns.iter().filter(|(_, place)| *place > 0).count(),
            columns: columns.into_iter().map(|(column, _)| column).collect(),
            name,
        })
    }

    fn select(&self) -> String {
        let keys = self.columns.get(..self.keys).unwrap_or_default().join(", ");
        // Nothing is passed over for being called as what is SQLite's own: a trigger may be. What `ANALYZE` leaves acts on nothing.
        let own = if self.name == "sqlite_schema" {
            "WHERE NOT (type = 'table' AND name IN ('sqlite_stat1', 'sqlite_stat4'))"
        } else {
            ""
        };
        format!(
            "SELECT {} FROM {} {own} ORDER BY {keys}",
            self.columns.join(", "),
            self.name
        )
    }

    fn compare(&self, live: &Connection, due: &Connection, tell: &mut dyn FnMut(Difference)) -> Result<(), StoreError> {
        // Where a column or the table itself is missing, the schema has told it already.
        let Some(mut live) = live.prepare(&self.select()).map_err(StoreError::from).ok() else {
            tell((self.name.clone(), "it cannot be read as it should be".to_owned()));
            return Ok(());
        };
        let mut due = due.prepare(&self.select())?;
        let (mut found, mut expected) = (live.query([])?, due.query([])?);
        let (mut one, mut other) = (self.next(&mut found, true)?, self.next(&mut expected, false)?);
        loop {
            match (one.as_deref(), other.as_deref()) {
                (None, None) => return Ok(()),
                (found_row, due_row) => {
                    let order = self.order(found_row, due_row);
                    if let Some(difference) = self.difference(found_row, due_row, order) {
                        tell(difference);
                    }
                    if order.is_le() {
                        one = self.next(&mut found, true)?;
                    }
                    if order.is_ge() {
                        other = self.next(&mut expected, false)?;
                    }
                }
            }
        }
    }

    /// The next row. An event holds only the digest of a snapshot, so that is what is compared.
    fn next(&self, rows: &mut Rows<'_>, is_live: bool) -> Result<Option<Vec<Value>>, StoreError> {
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let mut cells = Vec::with_capacity(self.columns.len());
        for (place, column) in self.columns.iter().enumerate() {
            let is_snapshot = self.name == "system_contexts" && column == "snapshot";
            cells.push(match (is_snapshot, is_live) {
                (true, true) => Value::Text(digest(&snapshot(row.get_ref(place)?))),
                (true, false) => Value::Text(snapshot(row.get_ref(place)?)),
                (false, _) => owned(row.get_ref(place)?),
            });
        }
        Ok(Some(cells))
    }

    /// Which of two rows comes first; one that is not there comes last.
    fn order(&self, one: Option<&[Value]>, other: Option<&[Value]>) -> Ordering {
        match (one, other) {
            (Some(one), Some(other)) => {
                let keys = one.iter().zip(other).take(self.keys);
                keys.map(|(one, other)| order(one, other))
                    .find(|order| order.is_ne())
                    .unwrap_or(Ordering::Equal)
            }
            (one, other) => other.is_some().cmp(&one.is_some()),
        }
    }

    fn difference(&self, found: Option<&[Value]>, due: Option<&[Value]>, order: Ordering) -> Option<Difference> {
        let what = match order {
            Ordering::Less => "no event accounts for this row".to_owned(),
            Ordering::Greater => "the row is missing".to_owned(),
            Ordering::Equal => self.changed(found.unwrap_or_default(), due.unwrap_or_default())?,
        };
        let row = if order.is_le() { found } else { due };
        Some((self.place(row.unwrap_or_default()), what))
    }

    fn changed(&self, found: &[Value], due: &[Value]) -> Option<String> {
        let cells = found.iter().zip(due).zip(&self.columns);
        let changed: Vec<&str> = cells
            .filter(|((found, due), _)| found != due)
            .map(|(_, column)| column.as_str())
            .collect();
        (!changed.is_empty()).then(|| format!("not what its events say: {}", changed.join(", ")))
    }

    fn place(&self, row: &[Value]) -> String {
        let keys = self.columns.iter().zip(row).take(self.keys);
        let keys: Vec<String> = keys.map(|(column, cell)| format!("{column} {}", shown(cell))).collect();
        format!("{}, {}", self.name, keys.join(", "))
    }
}

/// The order of `SQLite`, for what keys are made of.
fn order(one: &Value, other: &Value) -> Ordering {
    match (one, other) {
        (Value::Integer(one), Value::Integer(other)) => one.cmp(other),
        (Value::Text(one), Value::Text(other)) => one.as_bytes().cmp(other.as_bytes()),
        (Value::Blob(one), Value::Blob(other)) => one.cmp(other),
        (one, other) => rank(one).cmp(&rank(other)),
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Integer(_) | Value::Real(_) => 1,
        Value::Text(_) => 2,
        Value::Blob(_) => 3,
    }
}

/// Text that is not UTF-8, which only an outsider can have put there, is taken as bytes.
fn owned(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Text(bytes) => {
            String::from_utf8(bytes.to_vec()).map_or_else(|_| Value::Blob(bytes.to_vec()), Value::Text)
        }
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Null => Value::Null,
    }
}

/// What a stored snapshot says; nothing where it cannot be read.
fn snapshot(stored: ValueRef<'_>) -> String {
    Payload::column_result(stored).map_or_else(|_| String::new(), |Payload(text)| text)
}

/// As the event of a snapshot has it in the snapshot's place.
fn digest(snapshot: &str) -> String {
    format!("\"{}\"", hex(&sha256(snapshot.as_bytes())))
}

fn shown(cell: &Value) -> String {
    match cell {
        Value::Integer(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Real(number) => number.to_string(),
        Value::Null | Value::Blob(_) => "that is no text".to_owned(),
    }
}

/// Places that are said to have been sent what is not there: nothing would ever be sent to them again.
pub(super) fn cursors(live: &Connection, last: i64, tell: &mut dyn FnMut(Difference)) -> Result<(), StoreError> {
    let mut beyond = live.prepare("SELECT place, seq FROM shipping_cursors WHERE seq > ?1 ORDER BY place")?;
    let mut beyond = beyond.query([last])?;
    while let Some(row) = beyond.next()? {
        let place = format!("shipping_cursors, place {}", row.get::<_, String>(0)?);
        let seq: i64 = row.get(1)?;
        tell((
            place,
            format!("it is noted to have been sent event {seq}, and the last is {last}"),
        ));
    }
    Ok(())
}

/// What `SQLite` itself finds wrong with the file: pages, indexes, constraints.
pub(super) fn integrity(live: &Connection, tell: &mut dyn FnMut(Difference)) -> Result<(), StoreError> {
    let place = "the database file";
    let mut check = live.prepare("PRAGMA integrity_check(20)")?;
    for line in check.query_map([], |row| row.get::<_, String>(0))? {
        let fault = line?;
        if fault != "ok" {
            tell((place.to_owned(), fault));
        }
    }
    let stray: Option<String> = live
        .query_row("PRAGMA foreign_key_check", [], |row| row.get(0))
        .optional()?;
    if let Some(table) = stray {
        tell((
            place.to_owned(),
            format!("a row of {table} refers to one that is not there"),
        ));
    }
    Ok(())
}

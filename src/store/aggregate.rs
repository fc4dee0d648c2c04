//! Tables that count over many events: what erased events had added to them is carried on, so that they can be recomputed.
//!
//! Each column is joined in a way that does not depend on the order: what some events add is the same whatever others do.

use std::collections::BTreeMap;

use rusqlite::types::{Value as Cell, ValueRef};
use rusqlite::{Connection, Row, params_from_iter};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::StoreError;

/// How what two sets of events come to is joined in one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Join {
    /// What rows are told apart by.
    Key,
    /// Follows from the key.
    Same,
    /// Added.
    Sum,
    /// The lesser.
    Least,
    /// The greater.
    Greatest,
    /// JSON lists of numbers, added place by place.
    Sums,
    /// The name of a user, which goes when they are forgotten; the rest of the row stays.
    User,
}

use Join::{Greatest, Key, Least, Same, Sum, Sums, User};

/// A table that counts, with its columns.
struct Aggregate {
    table: &'static str,
    columns: &'static [(&'static str, Join)],
    /// The columns that name a user, and the scope in which they do.
    user: Option<&'static [(&'static str, Option<&'static str>)]>,
}

/// Every table that counts, and those whose rows outlive their events. A table that is not here holds rows that go with them.
const AGGREGATES: &[Aggregate] = &[
    Aggregate {
        table: "command_patterns",
        columns: &[
            ("command_hash", Key),
            ("target", Key),
            ("pattern", Same),
            ("pattern_version", Same),
            ("seen", Sum),
            ("confirmed", Sum),
            ("refused", Sum),
            ("succeeded", Sum),
            ("failed", Sum),
            ("impact_none", Sum),
            ("impact_minor", Sum),
            ("impact_moderate", Sum),
            ("impact_severe", Sum),
            ("durations", Sum),
            ("duration_ms_total", Sum),
            ("duration_ms_max", Greatest),
            ("first_seen", Least),
            ("last_seen", Greatest),
        ],
        user: None,
    },
    Aggregate {
        table: "user_patterns",
        columns: &[
            ("user_id", Key),
            ("command_hash", Key),
            ("seen", Sum),
            ("last_seen", Greatest),
        ],
        user: Some(&[("user_id", None)]),
    },
    Aggregate {
        table: "user_behavior",
        columns: &[
            ("scope", Key),
            ("name", Key),
            ("commands", Sum),
            ("ran", Sum),
            ("asked", Sum),
            ("confirmed", Sum),
            ("refused", Sum),
            ("expired", Sum),
            ("denied", Sum),
            ("succeeded", Sum),
            ("failed", Sum),
            ("confirmation_ms_total", Sum),
            ("hours", Sums),
            ("first_seen", Least),
            ("last_seen", Greatest),
        ],
        user: Some(&[("name", Some("user"))]),
    },
    Aggregate {
        table: "connection_counts",
        columns: &[
            ("bastion_id", Key),
            ("day", Key),
            ("accepted", Sum),
            ("refused", Sum),
            ("unauthenticated", Sum),
            ("timed_out", Sum),
            ("authenticated", Sum),
            ("turned_away", Sum),
        ],
        user: None,
    },
    Aggregate {
        table: "command_days",
        columns: &[("day", Key), ("first_id", Least)],
        user: None,
    },
    Aggregate {
        table: "training_sessions",
        columns: &[
            ("id", Key),
            ("bastion_id", Same),
            ("started_at", Same),
            ("finished_at", Same),
            ("requested_by", User),
            ("outcome", Same),
            ("installed", Same),
            ("reason", Same),
            ("rows_read", Same),
            ("samples", Same),
            ("positives", Same),
            ("metrics", Same),
            ("champion_digest", Same),
            ("model_digest", Same),
        ],
        user: None,
    },
];

/// Rows of tables that count, by table: each the values of its columns in the order of [`Rows::columns`].
pub(super) type Carried = BTreeMap<String, Rows>;

/// Rows of one table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Rows {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

/// Everything that the tables of a database have counted.
pub(super) fn take(connection: &Connection) -> Result<Carried, StoreError> {
    let mut carried = Carried::new();
    for aggregate in AGGREGATES {
        let columns: Vec<String> = aggregate.columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        let mut statement = connection.prepare(&format!("SELECT {} FROM {}", columns.join(", "), aggregate.table))?;
        let read = |row: &Row<'_>| {
            (0..aggregate.columns.len())
                .map(|column| cell(row.get_ref(column)?))
                .collect()
        };
        let rows: Vec<Vec<Value>> = statement.query_map([], read)?.collect::<Result<_, _>>()?;
        if !rows.is_empty() {
            carried.insert(aggregate.table.to_owned(), Rows { columns, rows });
        }
    }
    Ok(carried)
}

/// Adds `carried` to the tables of a database. What this version does not know of is left out.
pub(super) fn add(connection: &Connection, carried: &Carried) -> Result<(), StoreError> {
    for aggregate in AGGREGATES {
        if let Some(rows) = carried.get(aggregate.table) {
            let mut statement = connection.prepare_cached(&aggregate.upsert(&rows.columns))?;
            for row in &rows.rows {
                statement.execute(params_from_iter(row.iter().map(value)))?;
            }
        }
    }
    Ok(())
}

/// Leaves out the rows about one user, and the user's name in others; says whether there were any.
pub(super) fn forget(carried: &mut Carried, user: &str) -> bool {
    let mut forgotten = false;
    for aggregate in AGGREGATES {
        if let Some(rows) = carried.get_mut(aggregate.table) {
            let naming = aggregate.user.unwrap_or_default();
            let columns = rows.columns.clone();
            let before = rows.rows.len();
            rows.rows.retain(|row| !names(&columns, row, naming, user));
            forgotten |= rows.rows.len() < before;
            forgotten |= aggregate.leave_out(rows, user);
        }
    }
    forgotten
}

/// Removes the rows about one user.
pub(super) fn remove(connection: &Connection, user: &str) -> Result<(), StoreError> {
    for aggregate in AGGREGATES {
        for (column, scope) in aggregate.user.unwrap_or_default() {
            let scope = scope.map_or_else(String::new, |scope| format!(" AND scope = '{scope}'"));
            connection.execute(
                &format!("DELETE FROM {} WHERE {column} = ?1{scope}", aggregate.table),
                [user],
            )?;
        }
    }
    Ok(())
}

fn names(columns: &[String], row: &[Value], naming: &[(&str, Option<&str>)], user: &str) -> bool {
    let of = |column: &str| {
        let place = columns.iter().position(|name| name == column)?;
        row.get(place)?.as_str()
    };
    naming
        .iter()
        .any(|(column, scope)| of(column) == Some(user) && scope.is_none_or(|scope| of("scope") == Some(scope)))
}

impl Aggregate {
    /// Leaves out a user's name where the row stays; says whether it was there.
    fn leave_out(&self, rows: &mut Rows, user: &str) -> bool {
        let is_name = |column: &String| self.columns.iter().any(|(name, join)| name == column && *join == User);
        let places: Vec<bool> = rows.columns.iter().map(is_name).collect();
        let mut left_out = false;
        for row in &mut rows.rows {
            for (cell, _) in row.iter_mut().zip(&places).filter(|(_, is_name)| **is_name) {
                if cell.as_str() == Some(user) {
                    *cell = Value::Null;
                    left_out = true;
                }
            }
        }
        left_out
    }

    /// The statement that adds a row of these columns; those that are not known are an error of the database.
    fn upsert(&self, columns: &[String]) -> String {
        let known = |name: &&String| self.columns.iter().any(|(known, _)| known == name);
        let names: Vec<&str> = columns.iter().filter(known).map(String::as_str).collect();
        let joined = |join: Join| {
            self.columns
                .iter()
                .filter(move |(_, of)| *of == join)
                .map(|(name, _)| *name)
        };
        let keys: Vec<&str> = joined(Key).collect();
        let updates: Vec<String> = [Sum, Least, Greatest, Sums]
            .into_iter()
            .flat_map(|join| joined(join).map(move |name| self.update(name, join)))
            .collect();
        let onto = match updates.join(", ") {
            none if none.is_empty() => "NOTHING".to_owned(),
            updates => format!("UPDATE SET {updates}"),
        };
        format!(
            "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO {onto}",
            self.table,
            names.join(", "),
            vec!["?"; columns.len()].join(", "),
            keys.join(", "),
        )
    }

    fn update(&self, name: &str, join: Join) -> String {
        let table = self.table;
        match join {
            Least => format!("{name} = min({name}, excluded.{name})"),
            Greatest => format!("{name} = max({name}, excluded.{name})"),
            Sums => format!(
                "{name} = (SELECT json_group_array(one.value + other.value) FROM json_each({table}.{name}) AS one
                 JOIN json_each(excluded.{name}) AS other ON one.key = other.key)"
            ),
            Key | Same | Sum | User => format!("{name} = {name} + excluded.{name}"),
        }
    }
}

/// Such tables hold numbers and text alone.
fn cell(value: ValueRef<'_>) -> rusqlite::Result<Value> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::from(number),
        other => Value::from(other.as_str().map_err(rusqlite::Error::from)?),
    })
}

fn value(cell: &Value) -> Cell {
    match cell {
        Value::Number(number) => number.as_i64().map_or(Cell::Null, Cell::Integer),
        Value::String(text) => Cell::Text(text.clone()),
        _ => Cell::Null,
    }
}

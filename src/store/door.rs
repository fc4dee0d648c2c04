//! What came to the door, in numbers by day.

use jiff::civil::Date;
use rusqlite::{Connection, Row, named_params};
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::sql::count;

/// Connections, by what became of them. Those that are still waiting at the door are in `accepted` alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionCounts {
    /// Let in to authenticate.
    pub accepted: u64,
    /// Not let in: too many were waiting to authenticate, or their address had failed or tried nothing too often.
    pub refused: u64,
    /// Ended before they had authenticated: a wrong key, no SSH at all, or a place at the door that others took.
    pub unauthenticated: u64,
    /// Not authenticated within the login grace.
    pub timed_out: u64,
    /// Authenticated, and served.
    pub authenticated: u64,
    /// Authenticated, and turned away: too many sessions, or not configured any longer.
    pub turned_away: u64,
}

/// The connections of one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DayOfConnections {
    /// The day (UTC), `YYYY-MM-DD`.
    pub day: String,
    /// The connections.
    #[serde(flatten)]
    pub counts: ConnectionCounts,
}

/// Adds to a day's numbers.
pub(super) fn add(
    connection: &Connection,
    bastion_id: &str,
    day: Date,
    counts: &ConnectionCounts,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO connection_counts
                 (bastion_id, day, accepted, refused, unauthenticated, timed_out, authenticated, turned_away)
             VALUES (:bastion_id, :day, :accepted, :refused, :unauthenticated, :timed_out, :authenticated, :turned_away)
             ON CONFLICT (bastion_id, day) DO UPDATE SET
                 accepted = accepted + excluded.accepted,
                 refused = refused + excluded.refused,
                 unauthenticated = unauthenticated + excluded.unauthenticated,
                 timed_out = timed_out + excluded.timed_out,
                 authenticated = authenticated + excluded.authenticated,
                 turned_away = turned_away + excluded.turned_away",
        )?
        .execute(named_params! {
            ":bastion_id": bastion_id,
            ":day": day.to_string(),
            ":accepted": count(counts.accepted),
            ":refused": count(counts.refused),
            ":unauthenticated": count(counts.unauthenticated),
            ":timed_out": count(counts.timed_out),
            ":authenticated": count(counts.authenticated),
            ":turned_away": count(counts.turned_away),
        })?;
    Ok(())
}

/// A row of [`CONNECTIONS`](super::question::CONNECTIONS).
pub(super) fn day(row: &Row<'_>) -> rusqlite::Result<DayOfConnections> {
    let number = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
    Ok(DayOfConnections {
        day: row.get(0)?,
        counts: ConnectionCounts {
            accepted: number(1)?,
            refused: number(2)?,
            unauthenticated: number(3)?,
            timed_out: number(4)?,
            authenticated: number(5)?,
            turned_away: number(6)?,
        },
    })
}

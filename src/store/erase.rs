//! Payloads that are erased: by whom, which, and what of them stays.
//!
//! An erased event stays in the chain with everything but its payload, whose digest it keeps. The rows that followed from it
//! go, and what it had added to tables that count is carried on by the event that erased it.

use std::collections::HashSet;

use rusqlite::{Connection, named_params};
use serde::{Deserialize, Serialize};

use super::aggregate::{self, Carried};
use super::chain::{COLUMNS, StoredEvent, hex, sha256};
use super::change::Change;
use super::{StoreError, TokenId, feedback};
use crate::domain::CommandId;

/// Why payloads are erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Why {
    /// They have been kept for as long as they are to be.
    Retention,
    /// Somebody asked for what one user did to be erased.
    User,
}

/// Payloads that are erased together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Erasure {
    pub(super) why: Why,
    /// The numbers of their events, as ranges from first to last, ascending.
    pub(super) events: Vec<(i64, i64)>,
    /// The numbers of events whose payloads are erased already, by an event that is one of [`Self::events`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) taken_over: Vec<(i64, i64)>,
    /// What these had added to tables that count.
    pub(super) carried: Carried,
}

/// A user of whom nothing is left but this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Forgotten {
    /// A digest of the name, so that its rows can be told from those of others.
    user_digest: String,
}

impl Erasure {
    /// How many payloads it erases.
    pub(super) fn count(&self) -> i64 {
        self.events.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// The erasure that takes the place of this one, which is event `seq`.
    pub(super) fn taken_over_by(mut self, seq: i64) -> Self {
        self.taken_over.append(&mut self.events);
        self.events.push((seq, seq));
        self
    }
}

impl Forgotten {
    pub(super) fn new(user: &str) -> Self {
        Self {
            user_digest: digest(user),
        }
    }
}

fn digest(user: &str) -> String {
    hex(&sha256(format!("opspilot user {user}").as_bytes()))
}

/// Joins numbers, ascending, to ranges.
pub(super) fn ranges(numbers: impl IntoIterator<Item = i64>) -> Vec<(i64, i64)> {
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    ranges
}

/// What is still open, or still needed by what stays, among what is to be erased.
const NEEDED: &str = "SELECT
    (SELECT count(*) FROM command_executions JOIN going USING (id)
     WHERE state IN ('held', 'running')
        OR EXISTS (SELECT 1 FROM command_executions AS child WHERE child.parent_id = id AND child.id NOT IN (SELECT id FROM going)))
  + (SELECT count(*) FROM sessions WHERE state = 'open' AND id IN (SELECT session_id FROM erased WHERE kind = 'session_began'))
  + (SELECT count(*) FROM recordings WHERE removed_at IS NULL
     AND session_id IN (SELECT session_id FROM erased WHERE kind = 'session_began'))";

/// Erases payloads, and the rows that follow from them. Tables that count stay as they are.
pub(super) fn erase(connection: &Connection, erasure: &Erasure) -> Result<(), StoreError> {
    for (first, last) in &erasure.events {
        connection
            .prepare_cached(
                "INSERT INTO erasing SELECT seq FROM events WHERE seq BETWEEN ?1 AND ?2 AND payload <> 'null'",
            )?
            .execute([first, last])?;
    }
    let with = "WITH erased AS (SELECT events.* FROM erasing JOIN events USING (seq)),
        going AS (SELECT command_id AS id FROM erased WHERE kind = 'command_recorded')";
    let (found, needed): (i64, i64) = connection
        .prepare_cached(&format!("{with} SELECT (SELECT count(*) FROM erasing), ({NEEDED})"))?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if found != erasure.count() || needed > 0 {
        return Err(StoreError::StillNeeded);
    }
    for step in [
        "DELETE FROM command_executions WHERE id IN (SELECT id FROM going)",
        "DELETE FROM recordings WHERE session_id IN (SELECT session_id FROM erased WHERE kind = 'session_began')",
        "DELETE FROM sessions WHERE id IN (SELECT session_id FROM erased WHERE kind = 'session_began')",
        "DELETE FROM system_contexts WHERE id IN (SELECT seq FROM erased WHERE kind = 'snapshot_saved')",
        "UPDATE training_sessions SET requested_by = NULL WHERE id IN (SELECT seq FROM erased WHERE kind = 'training_ended')",
    ] {
        connection.prepare_cached(&format!("{with} {step}"))?.execute([])?;
    }
    remove_tokens(connection)?;
    let rated = rated(connection)?;
    connection
        .prepare_cached("UPDATE events SET payload = 'null' WHERE seq IN (SELECT seq FROM erasing)")?
        .execute([])?;
    connection.prepare_cached("DELETE FROM erasing")?.execute([])?;
    rated.into_iter().try_for_each(|id| feedback::note_anew(connection, id))
}

/// Removes tokens, each with all that is on record of it.
fn remove_tokens(connection: &Connection) -> Result<(), StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM events WHERE seq IN (SELECT seq FROM erasing) AND kind IN ('token_added', 'token_revoked')"
    );
    let (mut added, mut revoked): (Vec<TokenId>, HashSet<TokenId>) = (Vec::new(), HashSet::new());
    let mut events = connection.prepare_cached(&sql)?;
    let mut events = events.query([])?;
    while let Some(row) = events.next()? {
        match StoredEvent::read(row)?.change()? {
            Change::TokenAdded(token) => added.push(token.grant.id),
            Change::TokenRevoked(revocation) => drop(revoked.insert(revocation.id)),
            _ => {}
        }
    }
    let mut remove =
        connection.prepare_cached("DELETE FROM api_tokens WHERE id = ?1 AND (revoked_at IS NOT NULL) = ?2")?;
    for id in added {
        // One that was revoked meanwhile would leave the event of that behind.
        if remove.execute((id.to_string(), revoked.remove(&id)))? != 1 {
            return Err(StoreError::StillNeeded);
        }
    }
    if revoked.is_empty() {
        Ok(())
    } else {
        Err(StoreError::StillNeeded)
    }
}

/// The commands that stay and were rated by events whose payloads go.
fn rated(connection: &Connection) -> Result<Vec<CommandId>, StoreError> {
    let mut rated = connection.prepare_cached(
        "SELECT DISTINCT command_id FROM events WHERE seq IN (SELECT seq FROM erasing) AND kind = 'feedback_given'
         AND command_id IN (SELECT id FROM command_executions)",
    )?;
    let rated = rated.query_map([], |row| row.get(0).map(CommandId))?;
    Ok(rated.collect::<Result<_, _>>()?)
}

/// Removes what tables that count say of a user of whom no command is left, and gives the name where there was any.
pub(super) fn forget(connection: &Connection, forgotten: &Forgotten) -> Result<Option<String>, StoreError> {
    let Some(user) = named(connection, forgotten)? else {
        return Ok(None);
    };
    let left: bool = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM command_executions WHERE user_id = :user)
                 OR EXISTS (SELECT 1 FROM sessions WHERE user_id = :user AND state = 'open')",
        )?
        .query_row(named_params! { ":user": user }, |row| row.get(0))?;
    if left {
        return Err(StoreError::StillNeeded);
    }
    aggregate::remove(connection, &user)?;
    Ok(Some(user))
}

/// The user who is meant, where anything is counted for one or one is there.
fn named(connection: &Connection, forgotten: &Forgotten) -> Result<Option<String>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT name FROM user_behavior WHERE scope = 'user' UNION SELECT user_id FROM sessions WHERE state = 'open'",
    )?;
    for user in statement.query_map([], |row| row.get::<_, String>(0))? {
        let user = user?;
        if digest(&user) == forgotten.user_digest {
            return Ok(Some(user));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_joined_to_the_fewest_ranges() {
        assert_eq!(ranges([]), []);
        assert_eq!(ranges([3]), [(3, 3)]);
        assert_eq!(ranges([1, 2, 3, 7, 9, 10]), [(1, 3), (7, 7), (9, 10)]);
    }
}

//! Whether what is to be erased is what its events say it is. The tables only say where to look: somebody who can write to them,
//! and has not the key, could otherwise make a row look old and have the record itself erase it, lawfully and for good.

use rusqlite::{Connection, params};

use super::Finder;
use crate::store::chain::StoredEvent;
use crate::store::{RecordingId, StoreError};

/// What was projected anew and may not be erased: ?1 is the moment and ?2 the user. Beginnings of sessions are projected with
/// what is in them, so they count only where they are erased themselves (?3).
const STAYS: &str = "SELECT
    EXISTS (SELECT 1 FROM command_executions
            WHERE timestamp >= ?1 OR state IN ('held', 'running') OR (?2 IS NOT NULL AND user_id <> ?2))
    OR EXISTS (SELECT 1 FROM system_contexts WHERE taken_at >= ?1)
    OR (?3 AND EXISTS (SELECT 1 FROM sessions
            WHERE ifnull(ended_at, started_at) >= ?1 OR state = 'open' OR (?2 IS NOT NULL AND user_id <> ?2)))";

/// Whether a recording that was projected anew may be removed, with the rest as above.
const MAY_GO: &str = "SELECT EXISTS (SELECT 1 FROM recordings
    WHERE session_id = ?3 AND channel = ?4 AND path = ?5 AND removed_at IS NULL AND state <> 'open'
    AND ifnull(ended_at, started_at) < ?1
    AND (?2 IS NULL OR (SELECT user_id FROM sessions WHERE id = session_id) = ?2))";

impl Finder {
    /// Holds these events, which were just projected anew, against what was asked for.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] where they are not what the tables say.
    pub(super) fn prove(&self, events: &[StoredEvent]) -> Result<(), StoreError> {
        let with_sessions = events.iter().any(|event| event.kind == b"session_began");
        let values = params![self.before(), self.user(), with_sessions];
        let stays: bool = self.anew().query_row(STAYS, values, |row| row.get(0))?;
        match events.first().filter(|_| stays) {
            Some(first) => Err(other_than_said(first.seq)),
            None => Ok(()),
        }
    }

    /// Holds recordings that started before that moment against the events of their sessions.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] where one is not what its row says.
    pub(super) fn prove_recordings(&self, found: &[(RecordingId, String)], before: &str) -> Result<(), StoreError> {
        let mut sessions: Vec<String> = found.iter().map(|(id, _)| id.session_id.to_string()).collect();
        sessions.sort_unstable();
        sessions.dedup();
        let events = self.events("command_id IS NULL AND session_id", sessions)?;
        events.iter().try_for_each(|event| self.project(event))?;
        for (id, path) in found {
            let values = params![before, self.user(), id.session_id.to_string(), id.channel, path];
            let may_go: bool = self.anew().query_row(MAY_GO, values, |row| row.get(0))?;
            if !may_go {
                return Err(other_than_said(events.first().map_or(0, |event| event.seq)));
            }
        }
        self.scratch.take_counts().map(drop)
    }

    fn anew(&self) -> &Connection {
        self.scratch.connection()
    }
}

fn other_than_said(seq: i64) -> StoreError {
    let reason = "it, or one that goes with it, is younger or another's than the tables say".to_owned();
    StoreError::Unreadable { seq, reason }
}

//! Erasing what has been kept for long enough, or what one user did: in small steps, each a change like any other, between
//! which everybody else is served.

mod proven;

use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::{Connection, Params, params};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use super::chain::{COLUMNS, StoredEvent};
use super::change::Change;
use super::erase::{Erasure, Forgotten, Why, ranges};
use super::schema::Place;
use super::scratch::Scratch;
use super::sql::rfc3339;
use super::{RecordingId, Store, StoreError};
use crate::domain::{Name, SessionId};

/// Commands, sessions or snapshots that are erased in one step: bounds how long others wait for its commit.
pub(super) const STEP: i64 = 128;
/// Counts of connections that are erased in one step: each is one small event.
const COUNTS_STEP: i64 = 512;
/// Recordings that are removed in one step.
const RECORDINGS_STEP: i64 = 64;
/// The longest rest between two steps.
const LONGEST_REST: Duration = Duration::from_secs(1);

/// Removes the file of the recording that has this name on record; one that is gone already is no error.
pub type RemoveFile = Arc<dyn Fn(&str) -> io::Result<()> + Send + Sync>;

/// What is to be erased.
#[derive(Debug, Clone)]
pub struct Prune {
    /// What is older than this; `None` for nothing by its age.
    pub before: Option<Timestamp>,
    /// Recordings that are older than this; `None` for none by their age.
    pub recordings_before: Option<Timestamp>,
    /// Only what this user did.
    pub user: Option<Name>,
    /// Places that events are sent to: what is erased by its age alone waits until each of them has it. One that was never
    /// served has nothing.
    pub ships: Vec<Name>,
}

/// What was erased.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    /// Payloads of events.
    pub payloads: i64,
    /// Files of recordings.
    pub recordings: i64,
    /// The place that does not have yet what else is old enough; `None` where there is none.
    pub waits_for: Option<Name>,
    /// Answers in which a user who was forgotten is still named: to questions about commands of others.
    pub answers_left: i64,
}

impl Store {
    /// Erases what `prune` names. Open sessions and commands stay, and what they need. Stopped at any moment, what was done is
    /// done and the rest is left for the next time. `remove` removes the files of recordings; without it, they stay with
    /// their sessions. A user without `before` is forgotten: in the tables that count, and where others' rows name them.
    ///
    /// # Errors
    /// [`StoreError::Pruning`] where another prune is under way, [`StoreError::StillNeeded`] where something is open or began
    /// meanwhile, [`StoreError::Unreadable`], [`StoreError::Recording`], and as [`Store::record`].
    pub async fn prune(&self, prune: Prune, remove: Option<RemoveFile>) -> Result<Pruned, StoreError> {
        let _only_one = self.shared.pruning.try_acquire().map_err(|_| StoreError::Pruning)?;
        let mut pruned = Pruned::default();
        let is_whole = prune.before.is_none();
        let user = prune.user.clone();
        let mut finder = self.finder(prune).await?;
        if let Some(remove) = remove {
            finder = self.finish_removing(finder, &remove).await?;
            (finder, pruned.recordings) = self.remove_recordings(finder, &remove).await?;
        }
        (finder, pruned.payloads) = self.erase_all(finder, Finder::next).await?;
        if let Some(user) = user.filter(|_| is_whole) {
            let named;
            (finder, named) = self.forget(finder, &user).await?;
            pruned.payloads += named;
            (finder, pruned.answers_left) = finder.ask(Finder::answers_left).await?;
        }
        (_, pruned.waits_for) = finder.ask(Finder::waits_for).await?;
        Ok(pruned)
    }

    /// Leaves out a user of whom nothing else is left, and says how many payloads that took.
    async fn forget(&self, finder: Finder, user: &Name) -> Result<(Finder, i64), StoreError> {
        let (finder, tokens) = self.erase_all(finder, Finder::next_tokens).await?;
        let (finder, said) = self.erase_all(finder, Finder::next_said).await?;
        self.write(Change::UserForgotten(Forgotten::new(user.as_str()))).await?;
        let (finder, _) = self.erase_all(finder, Finder::next_naming).await?;
        Ok((finder, tokens + said))
    }

    pub(super) async fn finder(&self, prune: Prune) -> Result<Finder, StoreError> {
        let store = self.clone();
        let opened = spawn_blocking(move || {
            let reader = store.reader()?;
            Ok(Finder {
                shipped: reader.shipped_to_all(&prune.ships)?,
                live: reader.connection,
                scratch: Scratch::new(Place::Memory)?,
                prune,
                said: Cell::new(0),
                forgotten: Cell::new(0),
            })
        });
        opened.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Erases what `next` finds until it finds nothing, and says how many payloads that was.
    async fn erase_all(&self, mut finder: Finder, next: Next) -> Result<(Finder, i64), StoreError> {
        let mut erased = 0;
        loop {
            let step;
            (finder, step) = self.erase_next(finder, next).await?;
            match step {
                Some(payloads) => erased += payloads,
                None => return Ok((finder, erased)),
            }
        }
    }

    /// Erases what `next` finds, rests, and says how many payloads that was; `None` where it finds nothing.
    pub(super) async fn erase_next(&self, finder: Finder, next: Next) -> Result<(Finder, Option<i64>), StoreError> {
        let (finder, found) = finder.ask(next).await?;
        let Some(erasure) = found else {
            return Ok((finder, None));
        };
        let (began, payloads) = (Instant::now(), erasure.count());
        self.write(Change::Erased(Box::new(erasure))).await?;
        rest(began).await;
        Ok((finder, Some(payloads)))
    }

    /// Removes files that a crash has left behind the removal of their recordings.
    async fn finish_removing(&self, mut finder: Finder, remove: &RemoveFile) -> Result<Finder, StoreError> {
        let mut after = (String::new(), 0);
        loop {
            let page;
            (finder, page) = finder.ask(move |finder| finder.removed(&after)).await?;
            let Some((last, _)) = page.last() else {
                return Ok(finder);
            };
            after = (last.session_id.to_string(), last.channel);
            remove_files(remove, page).await?;
        }
    }

    /// Records each removal before the file goes: a file that is missing without it is a file that somebody took.
    async fn remove_recordings(&self, mut finder: Finder, remove: &RemoveFile) -> Result<(Finder, i64), StoreError> {
        let mut removed = 0;
        loop {
            let page;
            (finder, page) = finder.ask(Finder::kept).await?;
            if page.is_empty() {
                return Ok((finder, removed));
            }
            let began = Instant::now();
            for (id, _) in &page {
                self.write(Change::RecordingRemoved(*id, Timestamp::now())).await?;
                removed += 1;
            }
            remove_files(remove, page).await?;
            rest(began).await;
        }
    }
}

/// Rests for as long as the step took that began then, so that half of the time at least is left to others.
async fn rest(began: Instant) {
    tokio::time::sleep(began.elapsed().min(LONGEST_REST)).await;
}

async fn remove_files(remove: &RemoveFile, page: Vec<(RecordingId, String)>) -> Result<(), StoreError> {
    let remove = Arc::clone(remove);
    let removed = spawn_blocking(move || {
        for (_, path) in page {
            remove(&path).map_err(|source| StoreError::Recording { path, source })?;
        }
        Ok(())
    });
    removed.await.unwrap_or(Err(StoreError::Closed))
}

/// A way to find the next step.
type Next = fn(&Finder) -> Result<Option<Erasure>, StoreError>;

/// Finds what is to be erased, over a connection of its own.
pub(super) struct Finder {
    pub(super) live: Connection,
    /// Where what is erased is projected once more, to see what it had added.
    scratch: Scratch,
    prune: Prune,
    /// The place that is least far, and up to which event it has everything; `None` where there is no place.
    shipped: Option<(Name, i64)>,
    /// Up to here nothing that was said is the user's any longer.
    pub(super) said: Cell<i64>,
    /// Up to here no erasure names the user any longer.
    pub(super) forgotten: Cell<i64>,
}

impl Finder {
    /// Answers a question where it may block.
    async fn ask<T: Send + 'static>(
        self,
        question: impl FnOnce(&Self) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<(Self, T), StoreError> {
        let asked = spawn_blocking(move || question(&self).map(|answer| (self, answer)));
        asked.await.unwrap_or(Err(StoreError::Closed))
    }

    /// The next step: commands first, then the sessions that are empty by then, then what belongs to nobody.
    pub(super) fn next(&self) -> Result<Option<Erasure>, StoreError> {
        for events in [Self::commands, Self::sessions, Self::snapshots, Self::counts] {
            let events = events(self)?;
            if !events.is_empty() {
                return self.erasure(&events).map(Some);
            }
        }
        Ok(None)
    }

    /// The last event that may be erased: what a place has not yet stays, unless somebody asked for a user to be erased.
    fn last(&self) -> i64 {
        let shipped = self.shipped.as_ref().filter(|_| self.prune.user.is_none());
        shipped.map_or(i64::MAX, |(_, seq)| *seq)
    }

    /// The place that keeps what is old enough from being erased.
    fn waits_for(&self) -> Result<Option<Name>, StoreError> {
        let sql = "SELECT at < ?2 FROM events WHERE seq > ?1 ORDER BY seq LIMIT 1";
        let is_old: Vec<bool> = self.column(sql, params![self.last(), self.before()])?;
        let waits = self.prune.before.is_some() && is_old.contains(&true);
        Ok(self.shipped.as_ref().filter(|_| waits).map(|(place, _)| place.clone()))
    }

    /// The latest moment of what is erased by its age, as it sorts in columns.
    fn before(&self) -> String {
        self.prune.before.map_or_else(|| "9".to_owned(), rfc3339)
    }

    pub(super) fn user(&self) -> Option<&str> {
        self.prune.user.as_ref().map(Name::as_str)
    }

    /// Events of commands that have ended and that no other that stays was submitted to.
    fn commands(&self) -> Result<Vec<StoredEvent>, StoreError> {
        let Some(whose) = self.whose("timestamp", "user_id") else {
            return Ok(Vec::new());
        };
        let sql = format!(
            "SELECT id FROM command_executions AS this WHERE {whose} AND state NOT IN ('held', 'running')
             AND NOT EXISTS (SELECT 1 FROM command_executions WHERE parent_id = this.id)
             AND NOT EXISTS (SELECT 1 FROM events WHERE command_id = this.id AND seq > ?4) LIMIT ?3"
        );
        let ids: Vec<i64> = self.column(&sql, params![self.before(), self.user(), STEP, self.last()])?;
        self.events("command_id", ids)
    }

    /// Events of sessions that have ended and of which nothing else is left.
    fn sessions(&self) -> Result<Vec<StoredEvent>, StoreError> {
        let Some(whose) = self.whose("started_at", "user_id") else {
            return Ok(Vec::new());
        };
        let sql = format!(
            "SELECT id FROM sessions AS this WHERE {whose} AND ifnull(ended_at, started_at) < ?1 AND state <> 'open'
             AND NOT EXISTS (SELECT 1 FROM command_executions WHERE session_id = this.id)
             AND NOT EXISTS (SELECT 1 FROM recordings WHERE session_id = this.id AND removed_at IS NULL)
             AND NOT EXISTS (SELECT 1 FROM events WHERE command_id IS NULL AND session_id = this.id AND seq > ?4) LIMIT ?3"
        );
        let ids: Vec<String> = self.column(&sql, params![self.before(), self.user(), STEP, self.last()])?;
        self.events("command_id IS NULL AND session_id", ids)
    }

    /// Events of snapshots; their numbers ascend with time.
    fn snapshots(&self) -> Result<Vec<StoredEvent>, StoreError> {
        if self.prune.before.is_none() || self.prune.user.is_some() {
            return Ok(Vec::new());
        }
        let sql = "SELECT id FROM (SELECT id, taken_at FROM system_contexts ORDER BY id LIMIT ?2)
                   WHERE taken_at < ?1 AND id <= ?3";
        let ids: Vec<i64> = self.column(sql, params![self.before(), STEP, self.last()])?;
        self.events("seq", ids)
    }

    /// Events that count connections.
    fn counts(&self) -> Result<Vec<StoredEvent>, StoreError> {
        if self.prune.before.is_none() || self.prune.user.is_some() {
            return Ok(Vec::new());
        }
        let sql = "SELECT seq FROM (SELECT seq, at FROM events WHERE kind = 'connections_counted' AND payload <> 'null'
                   ORDER BY seq LIMIT ?2) WHERE at < ?1 AND seq <= ?3";
        let ids: Vec<i64> = self.column(sql, params![self.before(), COUNTS_STEP, self.last()])?;
        self.events("seq", ids)
    }

    /// The condition for what is to be erased, with ?1 for the moment and ?2 for the user; `None` where nothing is.
    fn whose(&self, time: &str, user: &str) -> Option<String> {
        match (self.prune.before, &self.prune.user) {
            (_, Some(_)) => Some(format!("{user} = ?2 AND {time} < ?1")),
            (Some(_), None) => Some(format!("{time} < ?1 AND ?2 IS NULL")),
            (None, None) => None,
        }
    }

    /// The events with one of these values in a column, in order.
    fn events<T: rusqlite::ToSql>(&self, column: &str, values: Vec<T>) -> Result<Vec<StoredEvent>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM events WHERE {column} = ?1 AND payload <> 'null'");
        let mut statement = self.live.prepare_cached(&sql)?;
        let mut events = Vec::new();
        for value in values {
            let found = statement.query_map([value], StoredEvent::read)?;
            events.extend(found.collect::<Result<Vec<_>, _>>()?);
        }
        events.sort_by_key(|event| event.seq);
        Ok(events)
    }

    pub(super) fn column<T: rusqlite::types::FromSql>(
        &self,
        sql: &str,
        values: impl Params,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.live.prepare_cached(sql)?;
        let values = statement
            .query_map(values, |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        Ok(values)
    }

    /// The erasure of these events, with what they had added: what a record of them alone comes to.
    fn erasure(&self, events: &[StoredEvent]) -> Result<Erasure, StoreError> {
        for event in self.sessions_of(events)?.iter().chain(events) {
            self.project(event)?;
        }
        self.prove(events)?;
        self.erasure_of(events)
    }

    /// Brings the scratch tables to where they stand after an event, which must be as it was written.
    pub(super) fn project(&self, event: &StoredEvent) -> Result<(), StoreError> {
        event.must_be_whole()?;
        self.scratch.apply(event).map_err(|error| StoreError::Unreadable {
            seq: event.seq,
            reason: error.to_string(),
        })
    }

    /// The erasure of these events, with what was projected.
    pub(super) fn erasure_of(&self, events: &[StoredEvent]) -> Result<Erasure, StoreError> {
        Ok(Erasure {
            why: if self.prune.user.is_some() {
                Why::User
            } else {
                Why::Retention
            },
            events: ranges(events.iter().map(|event| event.seq)),
            taken_over: Vec::new(),
            carried: self.scratch.take_counts()?,
        })
    }

    /// The beginnings of the sessions that commands belong to, where these are not erased with them.
    fn sessions_of(&self, events: &[StoredEvent]) -> Result<Vec<StoredEvent>, StoreError> {
        let mut ids: Vec<&[u8]> = events
            .iter()
            .filter(|event| event.kind == b"command_recorded")
            .filter_map(|event| event.session_id.as_deref())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let ids = ids.into_iter().map(|id| String::from_utf8_lossy(id).into_owned());
        self.events(
            "kind = 'session_began' AND command_id IS NULL AND session_id",
            ids.collect(),
        )
    }

    /// Recordings that are to be removed.
    fn kept(&self) -> Result<Vec<(RecordingId, String)>, StoreError> {
        let before = self.prune.recordings_before.map(rfc3339);
        let before = before.or_else(|| self.prune.user.as_ref().map(|_| self.before()));
        let Some(before) = before else {
            return Ok(Vec::new());
        };
        let kept = self.recordings(
            "removed_at IS NULL AND started_at < ?1 AND ifnull(ended_at, started_at) < ?1 AND state <> 'open'
             AND (?2 IS NULL OR (SELECT user_id FROM sessions WHERE id = session_id) = ?2)
             ORDER BY started_at LIMIT ?3",
            params![before, self.user(), RECORDINGS_STEP],
        )?;
        self.prove_recordings(&kept, &before)?;
        Ok(kept)
    }

    /// Recordings that were removed, behind one of them.
    fn removed(&self, (session_id, channel): &(String, u32)) -> Result<Vec<(RecordingId, String)>, StoreError> {
        self.recordings(
            "removed_at IS NOT NULL AND (session_id, channel) > (?1, ?2) ORDER BY session_id, channel LIMIT ?3",
            params![session_id, channel, RECORDINGS_STEP],
        )
    }

    fn recordings(&self, which: &str, values: impl Params) -> Result<Vec<(RecordingId, String)>, StoreError> {
        let sql = format!("SELECT session_id, channel, path FROM recordings WHERE {which}");
        let mut statement = self.live.prepare_cached(&sql)?;
        let mut rows = statement.query(values)?;
        let mut recordings = Vec::new();
        while let Some(row) = rows.next()? {
            let session_id: String = row.get(0)?;
            let session_id = session_id.parse().map(SessionId).map_err(|_| StoreError::Corrupt)?;
            let channel = row.get(1)?;
            recordings.push((RecordingId { session_id, channel }, row.get(2)?));
        }
        Ok(recordings)
    }
}

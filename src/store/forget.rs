//! Finding where a user is named in what is not theirs: tokens, what they said of others' commands, trainings they asked for,
//! and what earlier erasures carry on.

use std::collections::HashSet;

use rusqlite::params;

use super::StoreError;
use super::TokenId;
use super::aggregate;
use super::chain::{COLUMNS, StoredEvent};
use super::change::Change;
use super::erase::Erasure;
use super::feedback::Rater;
use super::head;
use super::retention::{Finder, STEP};

/// Events that may name another than whose command or session they are of, as the index has them.
const NAMING: &str =
    "kind IN ('feedback_given', 'token_added', 'token_revoked', 'training_ended') AND payload <> 'null'";

impl Finder {
    /// Some of the user's tokens, each with everything that is on record of it.
    pub(super) fn next_tokens(&self) -> Result<Option<Erasure>, StoreError> {
        let sql = "SELECT id FROM api_tokens WHERE user_id = ?1 LIMIT ?2";
        let ids: Vec<String> = self.column(sql, params![self.user(), STEP])?;
        let ids: HashSet<TokenId> = ids.iter().filter_map(|id| id.parse().ok()).collect();
        let is_theirs = |change: &Change| match change {
            Change::TokenAdded(token) => {
                ids.contains(&token.grant.id) && Some(token.grant.user.as_str()) == self.user()
            }
            Change::TokenRevoked(revocation) => ids.contains(&revocation.id),
            _ => false,
        };
        let events = if ids.is_empty() {
            Vec::new()
        } else {
            self.naming(0, usize::MAX, is_theirs)?
        };
        self.unless_none(&events)
    }

    /// Some of what the user said of others' commands, and of the trainings they asked for.
    pub(super) fn next_said(&self) -> Result<Option<Erasure>, StoreError> {
        let Some(user) = self.user() else {
            return Ok(None);
        };
        let is_theirs = |change: &Change| match change {
            Change::FeedbackGiven(_, feedback) => {
                matches!(&feedback.by, Rater::User { name, .. } if name.as_str() == user)
            }
            Change::TrainingEnded(end) => end.requested_by == user,
            _ => false,
        };
        let limit = usize::try_from(STEP).unwrap_or(usize::MAX);
        let events = self.naming(self.said.get(), limit, is_theirs)?;
        if let Some(last) = events.last() {
            self.said.set(last.seq);
        }
        for training in events.iter().filter(|event| event.kind == b"training_ended") {
            self.project(training)?;
        }
        let mut erasure = self.unless_none(&events)?;
        if let Some(erasure) = &mut erasure {
            aggregate::forget(&mut erasure.carried, user);
        }
        Ok(erasure)
    }

    fn unless_none(&self, events: &[StoredEvent]) -> Result<Option<Erasure>, StoreError> {
        (!events.is_empty()).then(|| self.erasure_of(events)).transpose()
    }

    /// The first events behind `after` that may name a user and do.
    fn naming(&self, after: i64, limit: usize, does: impl Fn(&Change) -> bool) -> Result<Vec<StoredEvent>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM events WHERE {NAMING} AND seq > ?1 ORDER BY seq");
        let mut statement = self.live.prepare_cached(&sql)?;
        let (mut rows, mut found) = (statement.query([after])?, Vec::new());
        while let Some(row) = rows.next()? {
            let event = StoredEvent::read(row)?;
            if does(&event.change()?) {
                found.push(event);
            }
            if found.len() >= limit {
                break;
            }
        }
        Ok(found)
    }

    /// The next erasure that carries on what the user had added; it is done anew without that.
    pub(super) fn next_naming(&self) -> Result<Option<Erasure>, StoreError> {
        let Some(user) = self.user() else {
            return Ok(None);
        };
        let sql = format!(
            "SELECT {COLUMNS} FROM events WHERE kind = 'payloads_erased' AND payload <> 'null' AND seq > ?1 ORDER BY seq"
        );
        let mut statement = self.live.prepare_cached(&sql)?;
        let mut erasures = statement.query([self.forgotten.get()])?;
        while let Some(row) = erasures.next()? {
            let event = StoredEvent::read(row)?;
            event.must_be_whole()?;
            self.forgotten.set(event.seq);
            let body = head::statement(&event).and_then(|statement| serde_json::from_value(statement.body).ok());
            if let Some(mut erasure) = body.map(|erasure: Erasure| erasure.taken_over_by(event.seq))
                && aggregate::forget(&mut erasure.carried, user)
            {
                return Ok(Some(erasure));
            }
        }
        Ok(None)
    }

    /// How many commands of others the user has answered for: each answer goes with its command.
    pub(super) fn answers_left(&self) -> Result<i64, StoreError> {
        let sql = "SELECT count(*) FROM command_executions WHERE answered_by = ?1 AND answered_by <> user_id";
        Ok(self.live.query_row(sql, [self.user()], |row| row.get(0))?)
    }
}

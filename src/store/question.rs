//! Every question that readers put to the record. A [`Question`] can be made here only, so that a test that reads the plan of
//! each knows that none walks over a table.

mod log;

use std::borrow::Cow;

use rusqlite::types::ToSql;

use super::reader::{LogFilter, SessionFilter};
use super::sql::rfc3339;
use crate::domain::{CommandId, Name, SessionId};

/// A statement that reads, and its values.
pub(super) struct Question {
    sql: Cow<'static, str>,
    values: Vec<Box<dyn ToSql>>,
}

impl Question {
    /// Commands, newest first, none with a number below `first`. Each question has a part of them.
    pub(super) fn log(filter: &LogFilter, first: CommandId) -> Vec<Self> {
        log::questions(filter, first)
    }

    /// One session.
    pub(super) fn session(id: SessionId) -> Self {
        Self {
            sql: Cow::Owned(format!("{SESSIONS} id = ?")),
            values: vec![Box::new(id.to_string())],
        }
    }

    /// Sessions, newest first.
    pub(super) fn sessions(filter: &SessionFilter) -> Self {
        let mut question = Self {
            sql: Cow::Owned(format!("{SESSIONS} started_at >= ?")),
            values: vec![Box::new(filter.since.map(rfc3339).unwrap_or_default())],
        };
        question.and("user_id = ?", filter.user.as_ref().map(Name::to_string));
        question.and("target = ?", filter.target.as_ref().map(Name::to_string));
        question.end("started_at DESC", filter.limit)
    }

    /// All columns of commands, oldest first, none with a number below `first`.
    pub(super) fn export(filter: &LogFilter, first: CommandId) -> Self {
        log::oldest_first("SELECT * FROM", filter, first).end("id", filter.limit)
    }

    /// How many of these have an outcome, counted up to `enough`.
    pub(super) fn outcomes(filter: &LogFilter, first: CommandId, enough: u32) -> Self {
        let mut question = log::oldest_first("SELECT count(*) FROM (SELECT id FROM", filter, first);
        let with_outcome = "(execution_success IS NOT NULL OR actual_impact IS NOT NULL) AND ?";
        question.and(with_outcome, Some(true));
        question = question.end("id", enough);
        question.sql.to_mut().push(')');
        question
    }

    pub(super) fn sql(&self) -> &str {
        &self.sql
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &dyn ToSql> {
        self.values.iter().map(AsRef::as_ref)
    }

    /// One condition more, where it was asked for.
    fn and(&mut self, condition: &str, value: Option<impl ToSql + 'static>) {
        if let Some(value) = value {
            let sql = self.sql.to_mut();
            sql.push_str(" AND ");
            sql.push_str(condition);
            self.values.push(Box::new(value));
        }
    }

    fn end(mut self, order: &str, limit: u32) -> Self {
        let sql = self.sql.to_mut();
        sql.push_str(" ORDER BY ");
        sql.push_str(order);
        sql.push_str(" LIMIT ?");
        self.values.push(Box::new(limit));
        self
    }
}

/// A statement whose text is always the same.
#[derive(Clone, Copy)]
pub(super) struct Fixed(&'static str);

impl Fixed {
    pub(super) fn sql(self) -> &'static str {
        self.0
    }
}

macro_rules! fixed {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)+) => {
        $($(#[$doc])* pub(super) const $name: Fixed = Fixed($sql);)+

        #[cfg(test)]
        const FIXED: &[Fixed] = &[$($name),+];
    };
}

/// What a command is, for whoever rates or answers it.
macro_rules! subject {
    ($which:literal) => {
        concat!(
            "SELECT id, user_id, state, user_confirmed, confirmation_time_ms FROM command_executions ",
            $which
        )
    };
}

macro_rules! token {
    ($which:literal) => {
        concat!(
            "SELECT id, user_id, scopes, digest, comment, added_at, added_by, expires_at, revoked_at FROM api_tokens ",
            $which
        )
    };
}

macro_rules! training {
    ($which:literal) => {
        concat!(
            "SELECT id, started_at, finished_at, requested_by, outcome, reason, rows_read, samples, positives,
             champion_digest, model_digest FROM training_sessions ",
            $which
        )
    };
}

/// How what the model ?3 judged from the moment ?1 up to the moment ?2 turned out, by flag and harm: by the columns of the
/// level that it led to, and of who judged.
macro_rules! judgements {
    ($level:literal, $model:literal) => {
        concat!(
            "SELECT coalesce(sum(flagged AND harmful), 0), coalesce(sum(NOT flagged AND harmful), 0),
                 coalesce(sum(flagged AND NOT harmful), 0), coalesce(sum(NOT flagged AND NOT harmful), 0)
             FROM (SELECT ",
            $level,
            " IN ('high', 'critical') AS flagged, actual_impact IN ('moderate', 'severe') AS harmful
                   FROM command_executions WHERE timestamp >= ?1 AND timestamp < ?2 AND ",
            $model,
            " = ?3 AND actual_impact IS NOT NULL)"
        )
    };
}

fixed! {
    /// All columns of a command.
    SHOW = "SELECT * FROM command_executions WHERE id = ?1";

    /// The events of a command, in order.
    EVENTS_OF = "SELECT seq, at, kind, payload, digest FROM events WHERE command_id = ?1 ORDER BY seq";

    /// A bound for a walk: no command from the moment ?1 on has a lower number. ?2 is the day after that moment. NULL: none.
    FIRST_SINCE = "SELECT min(first) FROM (
        SELECT min(id) AS first FROM command_executions WHERE timestamp >= ?1 AND timestamp < ?2
        UNION ALL SELECT min(first_id) FROM command_days WHERE day >= ?2)";

    /// The number of the last command; NULL: none.
    LAST_COMMAND = "SELECT max(id) FROM command_executions";

    /// The recordings of a session.
    RECORDINGS = "SELECT session_id, channel, path, state, state_reason, started_at, ended_at, bytes, went_on
        FROM recordings WHERE session_id = ?1 ORDER BY channel";

    /// The connections of each day from one on, newest first.
    CONNECTIONS = "SELECT day, sum(accepted), sum(refused), sum(unauthenticated), sum(timed_out), sum(authenticated),
        sum(turned_away) FROM connection_counts WHERE day >= ?1 GROUP BY day ORDER BY day DESC";

    /// The rules that asked at least ?3 times from the day ?1 to the day ?2, those that asked most often first.
    RULES_THAT_ASKED = "SELECT rule, level, sum(confirmed), sum(refused), sum(unanswered) FROM daily_questions
        WHERE day BETWEEN ?1 AND ?2 GROUP BY rule, level HAVING sum(confirmed + refused + unanswered) >= ?3
        ORDER BY sum(confirmed + refused + unanswered) DESC, rule, level";

    /// How many commands of the days ?1 to ?2 stand where.
    STANDING = "SELECT day, level, ml_level, decision, state, answer, success, impact, commands
        FROM daily_commands WHERE day BETWEEN ?1 AND ?2";

    /// The times of the answers of those days.
    ANSWERS = "SELECT level, time_ms, sum(commands) FROM daily_answers WHERE day BETWEEN ?1 AND ?2
        GROUP BY level, time_ms";

    /// The ?4 names of a scope that have the most commands in the days ?2 to ?3.
    MOST = "SELECT name, sum(commands), sum(confirmed), sum(refused), sum(failed), sum(harmful) FROM daily_counts
        WHERE scope = ?1 AND day BETWEEN ?2 AND ?3 GROUP BY name ORDER BY sum(commands) DESC, name LIMIT ?4";

    /// The text of a pattern.
    PATTERN = "SELECT pattern FROM command_patterns WHERE command_hash = ?1 LIMIT 1";

    /// The ?2 events behind the event ?1, in order, and whom each is about.
    EVENTS_AFTER = "SELECT e.seq, ifnull(e.bastion_id, (SELECT value FROM meta WHERE key = 'bastion_id')) AS bastion_id, e.kind, e.at, coalesce(e.session_id, c.session_id) AS session_id,
        e.command_id, c.uid, coalesce(c.user_id, s.user_id) AS user_id, coalesce(c.target, s.target) AS target,
        e.payload, e.digest
        FROM events e
        LEFT JOIN command_executions c ON c.id = e.command_id
        LEFT JOIN sessions s ON s.id = coalesce(e.session_id, c.session_id)
        WHERE e.seq > ?1 ORDER BY e.seq LIMIT ?2";

    /// The event up to which a place has been served.
    SHIPPED_TO = "SELECT seq FROM shipping_cursors WHERE place = ?1";

    /// A command.
    SUBJECT = subject!("WHERE id = ?1");

    /// The first two commands of a session.
    SUBJECTS = subject!("WHERE session_id = ?1 ORDER BY id LIMIT 2");

    /// A token.
    TOKEN = token!("WHERE id = ?1");

    /// All tokens there ever were, the last first.
    TOKENS = token!("WHERE added_at > '' ORDER BY added_at DESC");

    /// The newest ?1 attempts to train.
    TRAININGS = training!("WHERE id > 0 ORDER BY id DESC LIMIT ?1");

    /// The newest that came to a model. `kept` and `rejected` did: what is due is counted from the last that trained.
    LAST_WHOLE_TRAINING = training!(
        "WHERE finished_at >= '' AND outcome IN ('installed', 'kept', 'rejected') ORDER BY finished_at DESC LIMIT 1"
    );

    /// The newest that came to the model ?1.
    TRAINING_OF = training!("WHERE model_digest = ?1 ORDER BY id DESC LIMIT 1");

    /// What a model led to.
    JUDGEMENTS = judgements!("final_risk_level", "model_digest");

    /// What a model would have led to, in the shadow of another.
    SHADOW_JUDGEMENTS = judgements!("shadow_risk_level", "shadow_model_digest");

    /// The features of the newest ?4 commands from the moment ?1 up to the moment ?2 that are of the list ?3.
    FEATURES = "SELECT features FROM command_executions WHERE timestamp >= ?1 AND timestamp < ?2 AND feature_digest = ?3
        ORDER BY timestamp DESC LIMIT ?4";

    /// When the first command was submitted; NULL: none.
    FIRST_COMMAND_AT = "SELECT min(timestamp) FROM command_executions";
}

const SESSIONS: &str = "SELECT id, user_id, target, login, client_address, client_version, state, started_at, ended_at,
    end_reason, channel_info, (SELECT count(*) FROM command_executions WHERE session_id = sessions.id),
    (SELECT count(*) FROM recordings WHERE session_id = sessions.id) FROM sessions WHERE";

#[cfg(test)]
mod tests;

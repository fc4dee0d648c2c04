//! The counts per pattern, user and role, moved on with every step of a command.

use rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};

use super::StoreError;
use super::cache::Count;
use super::command::NewCommand;
use super::sql::count;
use crate::domain::{CommandId, History, Impact};

/// What the tables of counts are keyed by.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) session_id: String,
    pub(super) user: String,
    pub(super) target: String,
    pub(super) command_hash: String,
    pub(super) timestamp: String,
}

impl Subject {
    /// From the columns `session_id, user_id, target, command_hash, timestamp`.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            session_id: row.get(0)?,
            user: row.get(1)?,
            target: row.get(2)?,
            command_hash: row.get(3)?,
            timestamp: row.get(4)?,
        })
    }
}

/// How far one step moves the counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Step {
    pub(super) commands: i64,
    pub(super) ran: i64,
    pub(super) asked: i64,
    pub(super) confirmed: i64,
    pub(super) refused: i64,
    pub(super) expired: i64,
    pub(super) denied: i64,
    pub(super) succeeded: i64,
    pub(super) failed: i64,
    pub(super) confirmation_ms: i64,
    pub(super) duration_ms: Option<i64>,
    pub(super) impact: Option<Impact>,
    pub(super) impact_before: Option<Impact>,
}

impl Step {
    /// Whether it moves what is counted by user and role: what a command did to the target is not.
    fn is_of_the_user(&self) -> bool {
        let counts = [
            self.commands,
            self.ran,
            self.asked,
            self.confirmed,
            self.refused,
            self.expired,
        ];
        let others = [self.denied, self.succeeded, self.failed, self.confirmation_ms];
        counts.iter().chain(&others).any(|count| *count != 0)
    }
}

/// Makes sure that the pattern of a new command is listed.
pub(super) fn list_pattern(connection: &Connection, command: &NewCommand, timestamp: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO command_patterns (command_hash, target, pattern, pattern_version, first_seen, last_seen)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5) ON CONFLICT DO UPDATE SET
                 first_seen = min(first_seen, excluded.first_seen), last_seen = max(last_seen, excluded.last_seen)",
        )?
        .execute(params![
            command.command_hash,
            command.target.as_str(),
            command.pattern,
            command.pattern_version,
            timestamp
        ])?;
    Ok(())
}

/// Whose counts a recorded command moves.
pub(super) fn subject(connection: &Connection, id: CommandId) -> Result<Option<Subject>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT session_id, user_id, target, command_hash, timestamp FROM command_executions WHERE id = ?1",
        )?
        .query_row([id.0], Subject::read)
        .optional()?;
    Ok(found)
}

/// Moves every count that `step` touches, and gives those that scoring wants to know.
pub(super) fn advance(connection: &Connection, subject: &Subject, step: &Step) -> Result<Vec<Count>, StoreError> {
    let mut news = vec![advance_pattern(connection, subject, step)?];
    if step.ran > 0 {
        news.push(advance_user_pattern(connection, subject, step)?);
    }
    if step.is_of_the_user() {
        advance_behavior(connection, subject, step)?;
    }
    Ok(news)
}

fn advance_pattern(connection: &Connection, subject: &Subject, step: &Step) -> Result<Count, StoreError> {
    let change_of = |impact| i64::from(step.impact == Some(impact)) - i64::from(step.impact_before == Some(impact));
    let mut statement = connection.prepare_cached(
        "UPDATE command_patterns SET
             seen = seen + :seen, confirmed = confirmed + :confirmed, refused = refused + :refused,
             succeeded = succeeded + :succeeded, failed = failed + :failed,
             impact_none = impact_none + :none, impact_minor = impact_minor + :minor,
             impact_moderate = impact_moderate + :moderate, impact_severe = impact_severe + :severe,
             durations = durations + (:duration IS NOT NULL),
             duration_ms_total = duration_ms_total + ifnull(:duration, 0),
             duration_ms_max = max(duration_ms_max, ifnull(:duration, 0))
         WHERE command_hash = :hash AND target = :target
         RETURNING seen, confirmed, refused, failed, impact_moderate + impact_severe",
    )?;
    let values = named_params! {
        ":seen": step.ran, ":confirmed": step.confirmed, ":refused": step.refused,
        ":succeeded": step.succeeded, ":failed": step.failed,
        ":none": change_of(Impact::None), ":minor": change_of(Impact::Minor),
        ":moderate": change_of(Impact::Moderate), ":severe": change_of(Impact::Severe),
        ":duration": step.duration_ms, ":hash": subject.command_hash, ":target": subject.target,
    };
    let history = statement.query_row(values, |row| history_of(row, 0))?;
    Ok(Count::OnTarget {
        target: subject.target.clone(),
        command_hash: subject.command_hash.clone(),
        history,
    })
}

fn advance_user_pattern(connection: &Connection, subject: &Subject, step: &Step) -> Result<Count, StoreError> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO user_patterns (user_id, command_hash, seen, last_seen) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET seen = seen + excluded.seen, last_seen = max(last_seen, excluded.last_seen) RETURNING seen",
    )?;
    let values = params![subject.user, subject.command_hash, step.ran, subject.timestamp];
    let seen = statement.query_row(values, |row| small(row, 0))?;
    Ok(Count::OfUser {
        user: subject.user.clone(),
        command_hash: subject.command_hash.clone(),
        seen,
    })
}

/// One row for the user and one for each role of the session.
fn advance_behavior(connection: &Connection, subject: &Subject, step: &Step) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO user_behavior (scope, name, first_seen, last_seen, commands, ran, asked, confirmed, refused, expired,
                                    denied, succeeded, failed, confirmation_ms_total, hours)
         SELECT who.scope, who.name, :time, :time, :commands, :ran, :asked, :confirmed, :refused, :expired,
                :denied, :succeeded, :failed, :confirmation_ms,
                json_set('[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]', :hour, :commands)
         FROM (SELECT 'user' AS scope, :user AS name
               UNION ALL SELECT 'role', value FROM json_each((SELECT roles FROM sessions WHERE id = :session))) AS who
         WHERE true
         ON CONFLICT DO UPDATE SET
             first_seen = min(first_seen, excluded.first_seen), last_seen = max(last_seen, excluded.last_seen),
             commands = commands + excluded.commands, ran = ran + excluded.ran,
             asked = asked + excluded.asked, confirmed = confirmed + excluded.confirmed,
             refused = refused + excluded.refused, expired = expired + excluded.expired,
             denied = denied + excluded.denied, succeeded = succeeded + excluded.succeeded,
             failed = failed + excluded.failed,
             confirmation_ms_total = confirmation_ms_total + excluded.confirmation_ms_total,
             hours = json_set(hours, :hour, json_extract(hours, :hour) + excluded.commands)",
    )?;
    statement.execute(named_params! {
        ":time": subject.timestamp, ":user": subject.user, ":session": subject.session_id,
        ":hour": hour_path(&subject.timestamp), ":commands": step.commands, ":ran": step.ran, ":asked": step.asked,
        ":confirmed": step.confirmed, ":refused": step.refused, ":expired": step.expired, ":denied": step.denied,
        ":succeeded": step.succeeded, ":failed": step.failed, ":confirmation_ms": step.confirmation_ms,
    })?;
    Ok(())
}

/// `$[13]` for a time between 13:00 and 14:00 UTC.
fn hour_path(timestamp: &str) -> String {
    let hour: u8 = timestamp
        .get(11..13)
        .and_then(|digits| digits.parse().ok())
        .unwrap_or_default();
    format!("$[{hour}]")
}

/// The newest counts, for the cache to start with; the newest last.
pub(super) fn newest(connection: &Connection, limit: usize) -> Result<Vec<Count>, StoreError> {
    let limit = count(limit as u64);
    let mut on_target = connection.prepare(
        "SELECT target, command_hash, seen, confirmed, refused, failed, impact_moderate + impact_severe
         FROM command_patterns ORDER BY last_seen DESC LIMIT ?1",
    )?;
    let on_target = on_target.query_map([limit], |row| {
        Ok(Count::OnTarget {
            target: row.get(0)?,
            command_hash: row.get(1)?,
            history: history_of(row, 2)?,
        })
    })?;
    let mut of_user =
        connection.prepare("SELECT user_id, command_hash, seen FROM user_patterns ORDER BY last_seen DESC LIMIT ?1")?;
    let of_user = of_user.query_map([limit], |row| {
        Ok(Count::OfUser {
            user: row.get(0)?,
            command_hash: row.get(1)?,
            seen: small(row, 2)?,
        })
    })?;
    let mut counts = on_target.chain(of_user).collect::<Result<Vec<_>, _>>()?;
    counts.reverse();
    Ok(counts)
}

/// Five columns from `first` on: seen, confirmed, refused, failed, harmful.
fn history_of(row: &Row<'_>, first: usize) -> rusqlite::Result<History> {
    Ok(History {
        user_seen: 0,
        target_seen: small(row, first)?,
        confirmed: small(row, first + 1)?,
        refused: small(row, first + 2)?,
        failed: small(row, first + 3)?,
        harmful: small(row, first + 4)?,
    })
}

/// A count, saturated.
fn small(row: &Row<'_>, index: usize) -> rusqlite::Result<u32> {
    let number: i64 = row.get(index)?;
    Ok(u32::try_from(number.max(0)).unwrap_or(u32::MAX))
}

//! Questions to the record, over a read-only connection that never holds up the writer.

use std::cmp::Reverse;
use std::ops::ControlFlow;
use std::path::Path;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Params, Row, params_from_iter};
use serde::Serialize;
use serde_json::{Map, Value};

use super::StoreError;
use super::chain::hex;
use super::columns::Kind;
use super::door::{self, DayOfConnections};
use super::payload::Payload;
use super::question::{self, Fixed, Question};
use super::schema;
use super::sql::{optional_word, rfc3339, word};
use crate::domain::{Channel, CommandId, Decision, Exactness, Impact, Level, Name, SessionId, State};

/// The record, open for reading, also while the daemon writes.
///
/// Its calls block: in async code, run them through `spawn_blocking`.
#[derive(Debug)]
pub struct Reader {
    pub(super) connection: Connection,
}

/// Which commands to list. The default: the newest 50 of all.
#[derive(Debug, Clone)]
pub struct LogFilter {
    /// Of this user only.
    pub user: Option<Name>,
    /// On this target only.
    pub target: Option<Name>,
    /// Of this final level only.
    pub level: Option<Level>,
    /// With this decision only.
    pub decision: Option<Decision>,
    /// Submitted at or after this moment.
    pub since: Option<Timestamp>,
    /// With a lower number than this: the next page after the one that ended with it.
    pub before: Option<CommandId>,
    /// Whose redacted text contains this, upper and lower case told apart.
    pub text: Option<String>,
    /// At most so many.
    pub limit: u32,
}

impl Default for LogFilter {
    fn default() -> Self {
        let (user, target, level, decision, since, before, text) = Default::default();
        Self {
            user,
            target,
            level,
            decision,
            since,
            before,
            text,
            limit: 50,
        }
    }
}

impl LogFilter {
    /// Every command of the last `days` times 24 hours.
    #[must_use]
    pub fn of_days(days: u16, now: Timestamp) -> Self {
        let span = SignedDuration::from_hours(24 * i64::from(days));
        Self {
            since: Some(now.saturating_sub(span).unwrap_or(Timestamp::MIN)),
            limit: u32::MAX,
            ..Self::default()
        }
    }
}

/// Which sessions to list. The default: the newest 50 of all.
#[derive(Debug, Clone)]
pub struct SessionFilter {
    /// Of this user only.
    pub user: Option<Name>,
    /// On this target only.
    pub target: Option<Name>,
    /// Begun at or after this moment.
    pub since: Option<Timestamp>,
    /// At most so many.
    pub limit: u32,
}

impl Default for SessionFilter {
    fn default() -> Self {
        Self {
            user: None,
            target: None,
            since: None,
            limit: 50,
        }
    }
}

/// A command in a list. Fields are columns of `command_executions`; text is as recorded, not yet fit for a terminal.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[expect(missing_docs, reason = "columns, described in ARCHITECTURE.md")]
pub struct CommandSummary {
    pub id: CommandId,
    pub uid: String,
    pub timestamp: String,
    pub user_id: String,
    pub target: String,
    pub login: String,
    pub channel: Channel,
    pub command: String,
    pub exactness: Exactness,
    pub final_risk_level: Option<Level>,
    pub final_risk_score: Option<f64>,
    pub decision: Decision,
    pub state: State,
    pub user_confirmed: Option<bool>,
    pub execution_success: Option<bool>,
    pub exit_code: Option<u32>,
    pub exit_signal: Option<String>,
    pub execution_time_ms: Option<i64>,
    pub actual_impact: Option<Impact>,
    pub feedback_rating: Option<u8>,
    pub user_feedback: Option<String>,
    pub feedback_by: Option<String>,
}

/// One command's whole life: every column by its name, JSON columns as JSON, and the events that made them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CommandDetail {
    /// All columns of `command_executions`.
    #[serde(flatten)]
    pub columns: Map<String, Value>,
    /// Its events, in order.
    pub events: Vec<Event>,
}

/// One event of the chain.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// Its place in the chain, from 1.
    pub seq: i64,
    /// When it was written, RFC 3339.
    pub at: String,
    /// What happened.
    pub kind: String,
    /// What was asked of the record.
    pub payload: Value,
    /// Its digest, in hexadecimal.
    pub digest: String,
}

/// A session in a list. Fields are columns of `sessions`, and how many commands and recordings it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[expect(missing_docs, reason = "columns, described in ARCHITECTURE.md")]
pub struct SessionSummary {
    pub id: String,
    pub user_id: String,
    pub target: Option<String>,
    pub login: Option<String>,
    pub client_address: String,
    pub client_version: String,
    pub state: String,
    pub started_at: String,
    pub ended_at: Option<String>,
    pub end_reason: Option<String>,
    pub channel_info: Value,
    pub commands: i64,
    pub recordings: i64,
}

/// A recording. Fields are columns of `recordings`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[expect(missing_docs, reason = "columns, described in ARCHITECTURE.md")]
pub struct RecordingSummary {
    pub session_id: String,
    pub channel: u32,
    pub path: String,
    pub state: String,
    pub state_reason: Option<String>,
    pub started_at: String,
    pub ended_at: Option<String>,
    pub bytes: Option<i64>,
    pub went_on: Option<bool>,
}

impl Reader {
    /// Opens the record at `path`.
    ///
    /// # Errors
    /// [`StoreError::Open`] with the reason: missing, of another version, damaged.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = schema::open_reader(path).map_err(|source| StoreError::Open {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        Ok(Self { connection })
    }

    /// Commands, newest first.
    ///
    /// # Errors
    /// [`StoreError::Database`] and [`StoreError::Corrupt`], as for all questions.
    pub fn log(&self, filter: &LogFilter) -> Result<Vec<CommandSummary>, StoreError> {
        let Some(first) = self.first_since(filter.since)? else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for question in Question::log(filter, first) {
            found.extend(self.ask(&question, summary)?);
        }
        found.sort_unstable_by_key(|command| Reverse(command.id));
        found.truncate(filter.limit as usize);
        Ok(found)
    }

    /// One command's whole life; `None` where there is no such command.
    ///
    /// # Errors
    /// As [`Reader::log`].
    pub fn show(&self, id: CommandId) -> Result<Option<CommandDetail>, StoreError> {
        let Some(columns) = self.rows(question::SHOW, [id.0], all_columns)?.pop() else {
            return Ok(None);
        };
        Ok(Some(CommandDetail {
            columns,
            events: self.rows(question::EVENTS_OF, [id.0], event)?,
        }))
    }

    /// Sessions, newest first.
    ///
    /// # Errors
    /// As [`Reader::log`].
    pub fn sessions(&self, filter: &SessionFilter) -> Result<Vec<SessionSummary>, StoreError> {
        self.ask(&Question::sessions(filter), session_summary)
    }

    /// One session; `None` where there is no such session.
    ///
    /// # Errors
    /// As [`Reader::log`].
    pub fn session(&self, id: SessionId) -> Result<Option<SessionSummary>, StoreError> {
        Ok(self.ask(&Question::session(id), session_summary)?.pop())
    }

    /// The recordings of a session, by channel; none where there is no such session.
    ///
    /// # Errors
    /// As [`Reader::log`].
    pub fn recordings(&self, session: SessionId) -> Result<Vec<RecordingSummary>, StoreError> {
        self.rows(question::RECORDINGS, [session.to_string()], recording)
    }

    /// The connections of each day (UTC) from `since` on, newest first; days without any are left out.
    ///
    /// # Errors
    /// As [`Reader::log`].
    pub fn connections(&self, since: Date) -> Result<Vec<DayOfConnections>, StoreError> {
        self.rows(question::CONNECTIONS, [since.to_string()], door::day)
    }

    /// A number that no command from `since` on is below; `None` where there is no such command.
    pub(super) fn first_since(&self, since: Option<Timestamp>) -> Result<Option<CommandId>, StoreError> {
        let Some(since) = since else {
            return Ok(Some(CommandId(1)));
        };
        let next_day = since.to_zoned(TimeZone::UTC).date().saturating_add(1.day());
        let values = [rfc3339(since), next_day.to_string()];
        let first = self.rows(question::FIRST_SINCE, values, |row| row.get::<_, Option<i64>>(0))?;
        Ok(first.into_iter().next().flatten().map(CommandId))
    }

    fn ask<T>(
        &self,
        question: &Question,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.answers(question.sql(), params_from_iter(question.values()), read)
    }

    /// The answers to a question whose text is always the same.
    pub(super) fn rows<T>(
        &self,
        question: Fixed,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.answers(question.sql(), values, read)
    }

    /// Hands each answer to `take`, until it has enough.
    pub(super) fn rows_until(
        &self,
        question: Fixed,
        values: impl Params,
        take: impl FnMut(&Row<'_>) -> rusqlite::Result<ControlFlow<()>>,
    ) -> Result<(), StoreError> {
        self.walk(question.sql(), values, take)
    }

    fn answers<T>(
        &self,
        sql: &str,
        values: impl Params,
        mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let mut answers = Vec::new();
        self.walk(sql, values, |row| {
            answers.push(read(row)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(answers)
    }

    fn walk(
        &self,
        sql: &str,
        values: impl Params,
        mut take: impl FnMut(&Row<'_>) -> rusqlite::Result<ControlFlow<()>>,
    ) -> Result<(), StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(values)?;
        while let Some(row) = rows.next()? {
            if take(row)?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

fn summary(row: &Row<'_>) -> rusqlite::Result<CommandSummary> {
    Ok(CommandSummary {
        id: CommandId(row.get(0)?),
        uid: row.get(1)?,
        timestamp: row.get(2)?,
        user_id: row.get(3)?,
        target: row.get(4)?,
        login: row.get(5)?,
        channel: word(row, 6)?,
        command: row.get(7)?,
        exactness: word(row, 8)?,
        final_risk_level: optional_word(row, 9)?,
        final_risk_score: row.get(10)?,
        decision: word(row, 11)?,
        state: word(row, 12)?,
        user_confirmed: row.get(13)?,
        execution_success: row.get(14)?,
        exit_code: row.get(15)?,
        exit_signal: row.get(16)?,
        execution_time_ms: row.get(17)?,
        actual_impact: row.get::<_, Option<String>>(18)?.map(|_| word(row, 18)).transpose()?,
        feedback_rating: row.get(19)?,
        user_feedback: row.get(20)?,
        feedback_by: row.get(21)?,
    })
}

fn session_summary(row: &Row<'_>) -> rusqlite::Result<SessionSummary> {
    Ok(SessionSummary {
        id: row.get(0)?,
        user_id: row.get(1)?,
        target: row.get(2)?,
        login: row.get(3)?,
        client_address: row.get(4)?,
        client_version: row.get(5)?,
        state: row.get(6)?,
        started_at: row.get(7)?,
        ended_at: row.get(8)?,
        end_reason: row.get(9)?,
        channel_info: column("channel_info", row.get_ref(10)?),
        commands: row.get(11)?,
        recordings: row.get(12)?,
    })
}

fn recording(row: &Row<'_>) -> rusqlite::Result<RecordingSummary> {
    Ok(RecordingSummary {
        session_id: row.get(0)?,
        channel: row.get(1)?,
        path: row.get(2)?,
        state: row.get(3)?,
        state_reason: row.get(4)?,
        started_at: row.get(5)?,
        ended_at: row.get(6)?,
        bytes: row.get(7)?,
        went_on: row.get(8)?,
    })
}

fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    let (Payload(payload), digest): (_, Vec<u8>) = (row.get(3)?, row.get(4)?);
    Ok(Event {
        seq: row.get(0)?,
        at: row.get(1)?,
        kind: row.get(2)?,
        payload: serde_json::from_str(&payload).unwrap_or(Value::String(payload)),
        digest: hex(&digest),
    })
}

fn all_columns(row: &Row<'_>) -> rusqlite::Result<Map<String, Value>> {
    let names: Vec<String> = row.as_ref().column_names().into_iter().map(str::to_owned).collect();
    let mut columns = Map::new();
    for (index, name) in names.into_iter().enumerate() {
        let value = column(&name, row.get_ref(index)?);
        columns.insert(name, value);
    }
    Ok(columns)
}

fn column(name: &str, value: ValueRef<'_>) -> Value {
    match (value, Kind::of(name)) {
        (ValueRef::Null, _) => Value::Null,
        (ValueRef::Integer(number), Kind::Boolean) => Value::Bool(number != 0),
        (ValueRef::Integer(number), _) => Value::from(number),
        (ValueRef::Real(number), _) => Value::from(number),
        (ValueRef::Text(bytes) | ValueRef::Blob(bytes), kind) => text_column(kind, &super::recordable(bytes)),
    }
}

fn text_column(kind: Kind, text: &str) -> Value {
    let json = (kind == Kind::Json).then(|| serde_json::from_str(text).ok()).flatten();
    json.unwrap_or_else(|| Value::from(text))
}

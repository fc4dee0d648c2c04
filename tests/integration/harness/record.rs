//! The record, read as any other tool would: by SQL.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

/// One row of `command_executions`, with the columns of the contract that people and scripts rely on.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) id: i64,
    pub(crate) uid: String,
    pub(crate) bastion_id: String,
    pub(crate) session_id: String,
    pub(crate) parent_id: Option<i64>,
    pub(crate) user_id: String,
    pub(crate) host_info: Value,
    pub(crate) command: String,
    pub(crate) command_mac: String,
    pub(crate) command_hash: String,
    pub(crate) initial_risk_level: Option<String>,
    pub(crate) initial_risk_score: Option<f64>,
    pub(crate) ml_risk_level: Option<String>,
    pub(crate) ml_confidence: Option<f64>,
    pub(crate) final_risk_level: Option<String>,
    pub(crate) final_risk_score: Option<f64>,
    pub(crate) user_confirmed: Option<bool>,
    pub(crate) confirmation_time_ms: Option<i64>,
    pub(crate) execution_success: Option<bool>,
    pub(crate) execution_time_ms: Option<i64>,
    pub(crate) exit_code: Option<i64>,
    pub(crate) exit_signal: Option<String>,
    pub(crate) stdout_length: Option<i64>,
    pub(crate) stderr_length: Option<i64>,
    pub(crate) input_length: Option<i64>,
    pub(crate) input_sha256: Option<String>,
    pub(crate) actual_impact: Option<String>,
    pub(crate) impact_evidence: Option<Value>,
    pub(crate) system_context: Option<Value>,
    pub(crate) context_missing: Option<String>,
    pub(crate) system_context_after: Option<Value>,
    pub(crate) timestamp: String,
    pub(crate) user_feedback: Option<String>,
    pub(crate) feedback_rating: Option<i64>,
    pub(crate) channel: String,
    pub(crate) target: String,
    pub(crate) login: String,
    pub(crate) state: String,
    pub(crate) decision: String,
    pub(crate) reasons: Value,
    pub(crate) exactness: String,
    pub(crate) features: Option<Value>,
    pub(crate) feature_digest: Option<String>,
    pub(crate) cwd: Option<String>,
    pub(crate) cwd_after: Option<String>,
    pub(crate) answered_by: Option<String>,
    pub(crate) answer_channel: Option<String>,
}

impl Row {
    /// Whether nothing will change any more but feedback.
    pub(crate) fn is_final(&self) -> bool {
        !matches!(self.state.as_str(), "held" | "running")
    }

    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            uid: row.get("uid")?,
            bastion_id: row.get("bastion_id")?,
            session_id: row.get("session_id")?,
            parent_id: row.get("parent_id")?,
            user_id: row.get("user_id")?,
            host_info: json(row, "host_info")?.unwrap_or_default(),
            command: row.get("command")?,
            command_mac: row.get("command_mac")?,
            command_hash: row.get("command_hash")?,
            initial_risk_level: row.get("initial_risk_level")?,
            initial_risk_score: row.get("initial_risk_score")?,
            ml_risk_level: row.get("ml_risk_level")?,
            ml_confidence: row.get("ml_confidence")?,
            final_risk_level: row.get("final_risk_level")?,
            final_risk_score: row.get("final_risk_score")?,
            user_confirmed: row.get("user_confirmed")?,
            confirmation_time_ms: row.get("confirmation_time_ms")?,
            execution_success: row.get("execution_success")?,
            execution_time_ms: row.get("execution_time_ms")?,
            exit_code: row.get("exit_code")?,
            exit_signal: row.get("exit_signal")?,
            stdout_length: row.get("stdout_length")?,
            stderr_length: row.get("stderr_length")?,
            input_length: row.get("input_length")?,
            input_sha256: row.get("input_sha256")?,
            actual_impact: row.get("actual_impact")?,
            impact_evidence: json(row, "impact_evidence")?,
            system_context: json(row, "system_context")?,
            context_missing: row.get("context_missing")?,
            system_context_after: json(row, "system_context_after")?,
            timestamp: row.get("timestamp")?,
            user_feedback: row.get("user_feedback")?,
            feedback_rating: row.get("feedback_rating")?,
            channel: row.get("channel")?,
            target: row.get("target")?,
            login: row.get("login")?,
            state: row.get("state")?,
            decision: row.get("decision")?,
            reasons: json(row, "reasons")?.unwrap_or_default(),
            exactness: row.get("exactness")?,
            features: json(row, "features")?,
            feature_digest: row.get("feature_digest")?,
            cwd: row.get("cwd")?,
            cwd_after: row.get("cwd_after")?,
            answered_by: row.get("answered_by")?,
            answer_channel: row.get("answer_channel")?,
        })
    }
}

/// The value of a column that holds JSON; the table itself holds it to that.
fn json(row: &rusqlite::Row<'_>, column: &str) -> rusqlite::Result<Option<Value>> {
    let text: Option<String> = row.get(column)?;
    Ok(text.map(|text| serde_json::from_str(&text).expect("the column is checked by json_valid")))
}

/// A connection that cannot write.
pub(crate) fn open(database: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    Ok(connection)
}

/// Every row of `command_executions`, oldest first.
pub(crate) fn rows(database: &Path) -> rusqlite::Result<Vec<Row>> {
    let connection = open(database)?;
    let mut statement = connection.prepare("SELECT * FROM command_executions ORDER BY id")?;
    statement.query_map([], Row::read)?.collect()
}

//! The list of commands: the index that leads through it, by what was asked for.

use std::borrow::Cow;
use std::collections::BTreeSet;

use rusqlite::types::ToSql;

use super::Question;
use crate::domain::{CommandId, Decision, Level, Name};
use crate::store::reader::LogFilter;
use crate::store::sql::rfc3339;

/// Sets of three characters that a text is looked up by, at most: more make the answer no smaller.
const MAX_TRIGRAMS: usize = 48;

const COLUMNS: &str =
    "SELECT id, uid, timestamp, user_id, target, login, channel, command, exactness, final_risk_level,
    final_risk_score, decision, state, user_confirmed, execution_success, exit_code, exit_signal, execution_time_ms,
    actual_impact, feedback_rating, user_feedback, feedback_by FROM";

pub(super) fn questions(filter: &LogFilter, first: CommandId) -> Vec<Question> {
    let question = |way: &Way| {
        let newest_first = format!("{} DESC", way.number());
        commands(COLUMNS, filter, first, way).end(&newest_first, filter.limit)
    };
    ways(filter).iter().map(question).collect()
}

/// The commands that are asked for, in the order of their numbers.
pub(super) fn oldest_first(select: &str, filter: &LogFilter, first: CommandId) -> Question {
    commands(select, filter, first, &column(filter))
}

/// What leads through the commands. All other conditions are decided on the way, for the most part within the index.
enum Way {
    Level,
    Decision,
    /// Texts with these trigrams, as a query of FTS5.
    Texts(String),
    LongTexts,
    User,
    Target,
    Numbers,
}

/// What is rare leads. Where nothing is, the list is full soon.
fn ways(filter: &LogFilter) -> Vec<Way> {
    if matches!(filter.level, Some(Level::High | Level::Critical)) {
        return vec![Way::Level];
    }
    if matches!(filter.decision, Some(Decision::Confirm | Decision::Deny)) {
        return vec![Way::Decision];
    }
    if let Some(trigrams) = filter.text.as_deref().and_then(trigrams) {
        return vec![Way::Texts(trigrams), Way::LongTexts];
    }
    vec![column(filter)]
}

fn column(filter: &LogFilter) -> Way {
    match filter {
        LogFilter { user: Some(_), .. } => Way::User,
        LogFilter { target: Some(_), .. } => Way::Target,
        LogFilter { level: Some(_), .. } => Way::Level,
        LogFilter { decision: Some(_), .. } => Way::Decision,
        _ => Way::Numbers,
    }
}

/// `select`, which ends where a table is named, of the commands that are asked for.
fn commands(select: &str, filter: &LogFilter, first: CommandId, way: &Way) -> Question {
    let number = way.number();
    let mut question = Question {
        sql: Cow::Owned(format!("{select} {}", way.source())),
        values: way.values(),
    };
    question.and(
        &format!("{number} < ?"),
        Some(filter.before.map_or(i64::MAX, |id| id.0)),
    );
    question.and(&format!("{number} >= ?"), Some(first.0));
    question.and("user_id = ?", filter.user.as_ref().map(Name::to_string));
    question.and("target = ?", filter.target.as_ref().map(Name::to_string));
    question.and("final_risk_level = ?", filter.level.map(Level::as_str));
    question.and("decision = ?", filter.decision.map(Decision::as_str));
    // Numbers are given in the order of arrival, so nearly in that of time: the first bounds the walk, this is exact.
    question.and("+timestamp >= ?", filter.since.map(rfc3339));
    question.and("instr(command, ?) > 0", filter.text.clone());
    question
}

impl Way {
    fn source(&self) -> &'static str {
        match self {
            Self::Level => "command_executions INDEXED BY commands_by_level WHERE true",
            Self::Decision => "command_executions INDEXED BY commands_by_decision WHERE true",
            Self::Texts(_) => {
                "command_texts CROSS JOIN command_executions ON id = command_texts.rowid WHERE command_texts MATCH ?"
            }
            Self::LongTexts => "command_executions INDEXED BY commands_long WHERE length(CAST(command AS BLOB)) > 8192",
            Self::User => "command_executions INDEXED BY commands_by_user WHERE true",
            Self::Target => "command_executions INDEXED BY commands_by_target WHERE true",
            Self::Numbers => "command_executions NOT INDEXED WHERE true",
        }
    }

    fn values(&self) -> Vec<Box<dyn ToSql>> {
        match self {
            Self::Texts(trigrams) => vec![Box::new(trigrams.clone())],
            _ => Vec::new(),
        }
    }

    /// The command's number, where the list is led from.
    fn number(&self) -> &'static str {
        match self {
            Self::Texts(_) => "command_texts.rowid",
            _ => "id",
        }
    }
}

/// Every three characters in a row that a text with `text` in it has too, as it stands in `command_texts`: a JSON string.
/// `None` where it is too short to have any.
fn trigrams(text: &str) -> Option<String> {
    let json = serde_json::to_string(text).ok()?;
    let inside: Vec<char> = json.strip_prefix('"')?.strip_suffix('"')?.chars().collect();
    let trigrams: BTreeSet<String> = inside
        .windows(3)
        .take(MAX_TRIGRAMS)
        .map(|three| three.iter().collect())
        .collect();
    let terms: Vec<String> = trigrams
        .iter()
        .map(|trigram| format!("\"{}\"", trigram.replace('"', "\"\"")))
        .collect();
    (!terms.is_empty()).then(|| terms.join(" "))
}

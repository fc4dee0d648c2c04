//! Attempts to train a forest: `training_sessions`.

use jiff::Timestamp;
use rusqlite::{Connection, Row, named_params};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::sql::{count, optional_word, rfc3339};
use super::{Reader, StoreError, question};

/// An attempt to train a forest, when it has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingEnd {
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// Who asked for it, or what.
    pub requested_by: String,
    /// How it ended.
    pub outcome: TrainingOutcome,
    /// Why, in plain words.
    pub reason: String,
    /// Rows of the record that could be read.
    pub rows_read: u64,
    /// Those among them that said something.
    pub samples: u64,
    /// The grave ones among those that were held out; `None` where it did not come to that.
    pub positives: Option<u64>,
    /// What was measured; `None` where nothing was.
    pub metrics: Option<Value>,
    /// The model that was in force; `None` where none could be read.
    pub champion_digest: Option<String>,
    /// The model that was trained; `None` where none was.
    pub model_digest: Option<String>,
}

/// How a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrainingOutcome {
    /// Its model was better, and is in force.
    Installed,
    /// Its model was better, and is kept for somebody to install.
    Kept,
    /// Its model was not better.
    Rejected,
    /// Too few commands say something.
    TooFew,
    /// What they say is all the same.
    OneClass,
    /// It could not be done.
    Failed,
}

impl TrainingOutcome {
    const ALL: [Self; 6] = [
        Self::Installed,
        Self::Kept,
        Self::Rejected,
        Self::TooFew,
        Self::OneClass,
        Self::Failed,
    ];

    /// The word of the column.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::Kept => "kept",
            Self::Rejected => "rejected",
            Self::TooFew => "too_few",
            Self::OneClass => "one_class",
            Self::Failed => "failed",
        }
    }
}

/// A word that says no outcome.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not how a training ends")]
pub struct OutcomeError(String);

impl std::str::FromStr for TrainingOutcome {
    type Err = OutcomeError;

    fn from_str(word: &str) -> Result<Self, OutcomeError> {
        let found = Self::ALL.into_iter().find(|outcome| outcome.as_str() == word);
        found.ok_or_else(|| OutcomeError(word.to_owned()))
    }
}

/// An attempt to train a forest. Fields are columns of `training_sessions`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "columns, described in ARCHITECTURE.md")]
pub struct TrainingSummary {
    pub id: i64,
    pub started_at: String,
    pub finished_at: Option<String>,
    pub requested_by: Option<String>,
    pub outcome: Option<TrainingOutcome>,
    pub reason: String,
    pub rows_read: Option<i64>,
    pub samples: i64,
    pub positives: Option<i64>,
    pub champion_digest: Option<String>,
    pub model_digest: Option<String>,
}

impl Reader {
    /// The attempts to train, newest first, at most so many.
    ///
    /// # Errors
    /// As [`Reader::log`].
    pub fn trainings(&self, limit: u32) -> Result<Vec<TrainingSummary>, StoreError> {
        self.rows(question::TRAININGS, [limit], summary)
    }

    /// The newest training that came to a model, installed or not.
    ///
    /// # Errors
    /// As [`Reader::log`].
    pub fn last_whole_training(&self) -> Result<Option<TrainingSummary>, StoreError> {
        Ok(self.rows(question::LAST_WHOLE_TRAINING, [], summary)?.pop())
    }

    /// The newest training that came to this model.
    ///
    /// # Errors
    /// As [`Reader::log`].
    pub fn training_of(&self, model_digest: &str) -> Result<Option<TrainingSummary>, StoreError> {
        Ok(self.rows(question::TRAINING_OF, [model_digest], summary)?.pop())
    }
}

fn summary(row: &Row<'_>) -> rusqlite::Result<TrainingSummary> {
    Ok(TrainingSummary {
        id: row.get(0)?,
        started_at: row.get(1)?,
        finished_at: row.get(2)?,
        requested_by: row.get(3)?,
        outcome: optional_word(row, 4)?,
        reason: row.get(5)?,
        rows_read: row.get(6)?,
        samples: row.get(7)?,
        positives: row.get(8)?,
        champion_digest: row.get(9)?,
        model_digest: row.get(10)?,
    })
}

/// The row that follows from event `seq`.
pub(super) fn add(connection: &Connection, bastion_id: &str, seq: i64, end: &TrainingEnd) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO training_sessions (id, started_at, finished_at, samples, metrics, model_digest, installed, reason,
                                            bastion_id, requested_by, outcome, rows_read, positives, champion_digest)
             VALUES (:id, :started_at, :finished_at, :samples, :metrics, :model_digest, :installed, :reason,
                     :bastion_id, :requested_by, :outcome, :rows_read, :positives, :champion_digest)",
        )?
        .execute(named_params! {
            ":id": seq,
            ":started_at": rfc3339(end.started_at),
            ":finished_at": rfc3339(end.finished_at),
            ":samples": count(end.samples),
            ":metrics": end.metrics.as_ref().map(Value::to_string),
            ":model_digest": end.model_digest,
            ":installed": end.outcome == TrainingOutcome::Installed,
            ":reason": end.reason,
            ":bastion_id": bastion_id,
            ":requested_by": end.requested_by,
            ":outcome": end.outcome.as_str(),
            ":rows_read": count(end.rows_read),
            ":positives": end.positives.map(count),
            ":champion_digest": end.champion_digest,
        })?;
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::super::fixtures::Fixture;
    use super::super::payload::Payload;
    use super::*;

    pub(crate) fn end(outcome: TrainingOutcome, finished_at: &str) -> TrainingEnd {
        TrainingEnd {
            started_at: "2026-11-22T13:00:00Z".parse().unwrap(),
            finished_at: finished_at.parse().unwrap(),
            requested_by: "root".to_owned(),
            outcome,
            reason: "it is not better".to_owned(),
            rows_read: 300,
            samples: 120,
            positives: Some(31),
            metrics: Some(json!({"both": {"champion": {"brier": 0.4}}})),
            champion_digest: Some("11".repeat(32)),
            model_digest: Some("22".repeat(32)),
        }
    }

    #[tokio::test]
    async fn every_outcome_is_recorded_and_read_back_newest_first() {
        let fixture = Fixture::new().await;
        for outcome in TrainingOutcome::ALL {
            let end = end(outcome, "2026-11-22T13:03:00Z");
            fixture.store.end_training(end).await.unwrap();
        }
        let reader = Reader::open(&fixture.path()).unwrap();
        let listed = reader.trainings(100).unwrap();
        let mut outcomes: Vec<_> = listed.iter().filter_map(|training| training.outcome).collect();
        outcomes.reverse();
        assert_eq!(outcomes, TrainingOutcome::ALL);
        assert_eq!((listed[0].samples, listed[0].positives), (120, Some(31)));
        assert_eq!(reader.trainings(2).unwrap().len(), 2);
    }

    #[tokio::test]
    async fn an_attempt_that_came_to_no_model_is_not_the_last_training() {
        let fixture = Fixture::new().await;
        let reader = || Reader::open(&fixture.path()).unwrap();
        assert_eq!(reader().last_whole_training().unwrap(), None);
        for (outcome, at) in [
            (TrainingOutcome::Rejected, "2026-11-22T13:03:00Z"),
            (TrainingOutcome::Failed, "2026-11-22T14:03:00Z"),
            (TrainingOutcome::TooFew, "2026-11-22T15:03:00Z"),
        ] {
            fixture.store.end_training(end(outcome, at)).await.unwrap();
        }
        let last = reader().last_whole_training().unwrap().unwrap();
        assert_eq!(last.outcome, Some(TrainingOutcome::Rejected));
        assert_eq!(reader().training_of(&"33".repeat(32)).unwrap(), None);
    }

    #[tokio::test]
    async fn the_event_holds_what_the_row_says() {
        let fixture = Fixture::new().await;
        let end = end(TrainingOutcome::Installed, "2026-11-22T13:03:00Z");
        fixture.store.end_training(end).await.unwrap();
        let reader = Reader::open(&fixture.path()).unwrap();
        let sql = "SELECT payload FROM events WHERE kind = 'training_ended'";
        let Payload(payload) = reader.connection.query_row(sql, [], |row| row.get(0)).unwrap();
        let payload: Value = serde_json::from_str(&payload).unwrap();
        assert_eq!(payload["outcome"], "installed");
        assert_eq!(payload["metrics"]["both"]["champion"]["brier"], 0.4);
        assert!(matches!(
            reader.verify_chain().unwrap(),
            super::super::tests::ChainState::Sound { .. }
        ));
    }
}

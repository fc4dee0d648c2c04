//! What the record says of how judgements turned out.

use jiff::Timestamp;
use rusqlite::Row;
use serde::Serialize;

use super::question::{self, Fixed};
use super::sql::rfc3339;
use super::{Reader, StoreError};
use crate::risk::features;

/// A stretch of time: from the first moment on, up to and without the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// The first moment of it.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
}

/// How judgements turned out: commands that ran and whose impact is known, by whether the joined level was high or
/// critical (flagged) and the impact moderate or severe (harmful).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Judgements {
    /// Flagged, and harmful.
    pub caught: u64,
    /// Not flagged, and harmful.
    pub missed: u64,
    /// Flagged, and harmless.
    pub false_alarms: u64,
    /// Not flagged, and harmless.
    pub passed: u64,
}

impl Reader {
    /// How what this model judged in a period turned out.
    ///
    /// # Errors
    /// As [`Reader::log`].
    pub fn judgements(&self, period: Period, model_digest: &str) -> Result<Judgements, StoreError> {
        self.judgements_of(question::JUDGEMENTS, period, model_digest)
    }

    /// How what this model would have judged, in the shadow of another, turned out.
    ///
    /// # Errors
    /// As [`Reader::log`].
    pub fn shadow_judgements(&self, period: Period, model_digest: &str) -> Result<Judgements, StoreError> {
        self.judgements_of(question::SHADOW_JUDGEMENTS, period, model_digest)
    }

    fn judgements_of(&self, question: Fixed, period: Period, model_digest: &str) -> Result<Judgements, StoreError> {
        let values = (rfc3339(period.from), rfc3339(period.until), model_digest);
        let counted = self.rows(question, values, judgements)?.pop();
        Ok(counted.unwrap_or_default())
    }

    /// The forest's input for the newest commands of a period, at most so many, as far as this program computes the
    /// same features.
    ///
    /// # Errors
    /// As [`Reader::log`].
    pub fn features_in(&self, period: Period, limit: u32) -> Result<Vec<Vec<f32>>, StoreError> {
        let (from, until) = (rfc3339(period.from), rfc3339(period.until));
        let values = (from, until, features::digest(), limit);
        let vectors: Vec<String> = self.rows(question::FEATURES, values, |row| row.get(0))?;
        let read = |text: String| serde_json::from_str(&text).map_err(|_| StoreError::Corrupt);
        vectors.into_iter().map(read).collect()
    }

    /// When the oldest command that is on record was submitted.
    ///
    /// # Errors
    /// As [`Reader::log`].
    pub fn first_command_at(&self) -> Result<Option<Timestamp>, StoreError> {
        let first = self.rows(question::FIRST_COMMAND_AT, [], |row| row.get::<_, Option<String>>(0))?;
        let first = first.into_iter().next().flatten();
        first
            .map(|text| text.parse().map_err(|_| StoreError::Corrupt))
            .transpose()
    }
}

fn judgements(row: &Row<'_>) -> rusqlite::Result<Judgements> {
    let count = |index| row.get::<_, i64>(index).map(i64::cast_unsigned);
    Ok(Judgements {
        caught: count(0)?,
        missed: count(1)?,
        false_alarms: count(2)?,
        passed: count(3)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{Fixture, exited, scoring};
    use super::super::{Aftermath, NewCommand, Outcome, Scoring, Shadow};
    use super::*;
    use crate::domain::{CommandId, Impact, Level};

    const MODEL: &str = "22";
    const SHADOW: &str = "33";

    /// A command that ran, judged to be of this level, with this impact; in the shadow it is low.
    async fn ran(fixture: &Fixture, level: Level, impact: Option<Impact>, at: &str) -> CommandId {
        let command = NewCommand {
            timestamp: at.parse().unwrap(),
            scoring: Some(Scoring {
                features: vec![0.5; features::NAMES.len()],
                feature_digest: features::digest().to_owned(),
                model_digest: Some(MODEL.to_owned()),
                shadow: Some(Shadow {
                    shadow_risk_level: Level::Low,
                    shadow_model_digest: SHADOW.to_owned(),
                }),
                ..scoring(level)
            }),
            ..fixture.running("ls")
        };
        let id = fixture.store.record(command).await.unwrap();
        let aftermath = Aftermath {
            impact,
            ..Aftermath::default()
        };
        let outcome = Outcome { aftermath, ..exited(0) };
        fixture.store.finish(id, outcome).await.unwrap();
        id
    }

    fn november(from: u8, until: u8) -> Period {
        let day = |day: u8| format!("2026-11-{day:02}T00:00:00Z").parse().unwrap();
        Period {
            from: day(from),
            until: day(until),
        }
    }

    #[tokio::test]
    async fn judgements_are_counted_by_flag_and_harm_in_their_period() {
        let fixture = Fixture::new().await;
        for (level, impact, at) in [
            (Level::High, Some(Impact::Severe), "2026-11-10T00:00:00Z"),
            (Level::Critical, Some(Impact::Minor), "2026-11-11T00:00:00Z"),
            (Level::Medium, Some(Impact::Moderate), "2026-11-12T00:00:00Z"),
            (Level::Low, Some(Impact::None), "2026-11-13T00:00:00Z"),
            (Level::Low, Some(Impact::None), "2026-11-13T12:00:00Z"),
            (Level::Low, None, "2026-11-13T13:00:00Z"),
            (Level::Low, Some(Impact::Severe), "2026-11-14T00:00:00Z"),
        ] {
            ran(&fixture, level, impact, at).await;
        }
        let reader = Reader::open(&fixture.path()).unwrap();
        let expected = Judgements {
            caught: 1,
            missed: 1,
            false_alarms: 1,
            passed: 2,
        };
        assert_eq!(reader.judgements(november(10, 14), MODEL).unwrap(), expected);
        assert_eq!(
            reader.judgements(november(10, 14), SHADOW).unwrap(),
            Judgements::default()
        );
        let in_the_shadow = Judgements {
            missed: 2,
            passed: 3,
            ..Judgements::default()
        };
        assert_eq!(
            reader.shadow_judgements(november(10, 14), SHADOW).unwrap(),
            in_the_shadow
        );
        assert_eq!(
            reader.first_command_at().unwrap(),
            Some("2026-11-10T00:00:00Z".parse().unwrap())
        );
    }

    #[tokio::test]
    async fn the_newest_features_of_a_period_are_enough() {
        let fixture = Fixture::new().await;
        for day in 10..15 {
            ran(&fixture, Level::Low, None, &format!("2026-11-{day}T00:00:00Z")).await;
        }
        let reader = Reader::open(&fixture.path()).unwrap();
        assert_eq!(reader.features_in(november(11, 14), 100).unwrap().len(), 3);
        assert_eq!(reader.features_in(november(11, 14), 2).unwrap().len(), 2);
    }
}

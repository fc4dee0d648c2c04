//! Which rules ask, and how their questions are answered.

use serde::Serialize;

use super::sql::word;
use super::{Reader, StoreError};
use crate::domain::Level;

/// The questions that one rule put at one level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AskedRule {
    /// The rule's id.
    pub rule: String,
    /// The level that it had then.
    pub level: Level,
    /// Questions that have ended.
    pub asked: u32,
    /// Those among them that nobody answered with yes.
    pub refused: u32,
}

/// A rule has put a question where its level is the one that the command was judged by. One that was decided by something
/// else (a new configuration, the end of the daemon, a yes of a while ago) has no answer and is not counted.
const ASKED: &str =
    "SELECT json_extract(reason.value, '$.rule') AS rule, final_risk_level, count(*), sum(user_confirmed IS NOT 1)
    FROM command_executions, json_each(reasons) AS reason
    WHERE decision = 'confirm' AND (user_confirmed IS NOT NULL OR state IN ('refused', 'expired', 'abandoned'))
    AND json_extract(reason.value, '$.level') = final_risk_level
    GROUP BY rule, final_risk_level HAVING count(*) >= ?1 ORDER BY count(*) DESC, rule";

impl Reader {
    /// The rules that asked at least `least` times, those that asked most often first.
    ///
    /// # Errors
    /// As [`Reader::log`].
    pub fn rules_that_asked(&self, least: u32) -> Result<Vec<AskedRule>, StoreError> {
        let mut statement = self.connection.prepare_cached(ASKED)?;
        let rules = statement.query_map([least], |row| {
            Ok(AskedRule {
                rule: row.get(0)?,
                level: word(row, 1)?,
                asked: row.get(2)?,
                refused: row.get(3)?,
            })
        })?;
        Ok(rules.collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixtures::{Fixture, answer, confirmed, resolution, scoring};
    use super::super::{NewCommand, Resolution, Scoring, Verdict};
    use super::*;

    /// One question, for which `grave` and `mild` are the reasons, and how it ended.
    async fn ask(fixture: &Fixture, end: Option<Resolution>) {
        let reasons = json!([
            {"rule": "grave", "level": "high", "sentence": "s"},
            {"rule": "mild", "level": "medium", "sentence": "s"}
        ]);
        let command = NewCommand {
            scoring: Some(Scoring {
                reasons,
                ..scoring(Level::High)
            }),
            ..fixture.held("rm -r x")
        };
        let id = fixture.store.record(command).await.unwrap();
        if let Some(end) = end {
            fixture.store.resolve(id, end).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_question_is_put_by_the_rules_of_its_level_and_counts_once_it_has_ended() {
        let fixture = Fixture::new().await;
        for end in [
            Some(confirmed()),
            Some(confirmed()),
            Some(resolution(Verdict::Refused(answer()))),
            Some(resolution(Verdict::Expired)),
            None,
        ] {
            ask(&fixture, end).await;
        }
        fixture.store.record(fixture.running("ls")).await.unwrap();
        let reader = Reader::open(&fixture.path()).unwrap();
        let grave = AskedRule {
            rule: "grave".to_owned(),
            level: Level::High,
            asked: 4,
            refused: 2,
        };
        assert_eq!(reader.rules_that_asked(4).unwrap(), [grave]);
        assert_eq!(reader.rules_that_asked(5).unwrap(), []);
    }
}

//! Which rules ask, and how their questions are answered.

use jiff::civil::Date;
use serde::Serialize;

use super::sql::word;
use super::{Reader, StoreError, question};
use crate::domain::Level;

/// The questions that one rule put at one level. A rule has put a question where its level is the one that the command was judged
/// by. One that was decided by something else (a new configuration, the end of the daemon, a yes of a while ago) is not counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AskedRule {
    /// The rule's id.
    pub rule: String,
    /// The level that it had then.
    pub level: Level,
    /// Questions that have ended: the sum of the three below.
    pub asked: u32,
    /// Answered with yes.
    pub confirmed: u32,
    /// Answered with no.
    pub refused: u32,
    /// Answered by nobody: no time, no session any more, nobody who could.
    pub unanswered: u32,
}

impl Reader {
    /// The rules that asked at least `least` times from the day `since` to the day `until` (UTC, of the commands), those that
    /// asked most often first.
    ///
    /// # Errors
    /// As [`Reader::log`].
    pub fn rules_that_asked(&self, since: Date, until: Date, least: u32) -> Result<Vec<AskedRule>, StoreError> {
        let values = (since.to_string(), until.to_string(), least);
        self.rows(question::RULES_THAT_ASKED, values, |row| {
            let (confirmed, refused, unanswered): (u32, u32, u32) = (row.get(2)?, row.get(3)?, row.get(4)?);
            Ok(AskedRule {
                rule: row.get(0)?,
                level: word(row, 1)?,
                asked: confirmed.saturating_add(refused).saturating_add(unanswered),
                confirmed,
                refused,
                unanswered,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
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
            confirmed: 2,
            refused: 1,
            unanswered: 1,
        };
        let day = date(2026, 11, 22);
        let asked = |since, least| reader.rules_that_asked(since, day, least).unwrap();
        assert_eq!(asked(day, 4), [grave]);
        assert_eq!(asked(day, 5), []);
        assert_eq!(reader.rules_that_asked(Date::ZERO, date(2026, 11, 21), 1).unwrap(), []);
    }
}

//! How the model in force does on what the record has of late, and whether another training is due.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::drift::Drift;
use crate::config;
use crate::store::{Judgements, Period, Reader, StoreError, TrainingSummary};

/// Days that count as of late, and days before them that they are compared with.
const RECENT_DAYS: i64 = 30;
const BEFORE_DAYS: i64 = 90;
/// Commands of either time whose features are compared at most: the newest.
const COMPARED: u32 = 5_000;
/// Commands with a known impact, and harmful ones among them, below which quality says nothing.
const LEAST_JUDGED: u64 = 50;
const LEAST_HARMFUL: u64 = 10;

/// How the model in force does, by the record.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LearningState {
    /// When it was trained here; `None` where it was not.
    pub trained_at: Option<String>,
    /// Recorded commands that said something to that training.
    pub samples: Option<i64>,
    /// How its judgements of the last 30 days turned out; `None` where no impact is known.
    pub recent: Option<Quality>,
    /// The same of the 90 days before.
    pub before: Option<Quality>,
    /// What the judgements of the model in the shadow would have come to in the last 30 days; `None` without one.
    pub shadow: Option<Quality>,
    /// How far the commands of late are from those before; `None` where there are too few to tell.
    pub drift: Option<Drift>,
    /// The last training that came to a model, installed or not.
    pub last_training: Option<TrainingSummary>,
    /// Whether another training is due.
    pub due: Due,
}

/// How judgements turned out, as shares of 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quality {
    /// Commands that ran and whose impact is known.
    pub commands: u64,
    /// Those that did moderate or severe harm.
    pub harmful: u64,
    /// Where the flag (high or critical) and the harm agree.
    pub accuracy: f64,
    /// The accuracy of who always says what is the more frequent.
    pub majority: f64,
    /// Of the flagged ones, those that did harm; `None` where none was flagged.
    pub precision: Option<f64>,
    /// Of those that did harm, the flagged ones; `None` where none did.
    pub recall: Option<f64>,
}

/// Whether another training is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Due {
    /// Whether it is.
    pub is_due: bool,
    /// Why, or why not, in plain words.
    pub reason: String,
}

impl LearningState {
    /// What the record says of the model with this digest, and of the one in its shadow.
    ///
    /// # Errors
    /// The record cannot be read.
    pub fn find(
        reader: &Reader,
        (model_digest, shadow_digest): (&str, Option<&str>),
        settings: &config::Learning,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let (before, recent) = periods(now);
        let training = reader.training_of(model_digest)?;
        let quality = |period| reader.judgements(period, model_digest).map(Quality::of);
        let shadow = shadow_digest
            .map(|digest| reader.shadow_judgements(recent, digest))
            .transpose()?;
        let features = |period| reader.features_in(period, COMPARED);
        let (recent_quality, last_training) = (quality(recent)?, reader.last_whole_training()?);
        let began = match last_training.as_ref().and_then(finished_at) {
            Some(finished) => Some(finished),
            None => reader.first_command_at()?,
        };
        Ok(Self {
            trained_at: training.as_ref().and_then(|training| training.finished_at.clone()),
            samples: training.map(|training| training.samples),
            recent: recent_quality,
            before: quality(before)?,
            shadow: shadow.and_then(Quality::of),
            drift: Drift::between(&features(before)?, &features(recent)?),
            due: due(began, recent_quality, settings, now),
            last_training,
        })
    }
}

/// The days before, and those of late.
fn periods(now: Timestamp) -> (Period, Period) {
    let ago = |days: i64| now - SignedDuration::from_hours(24 * days);
    let turn = ago(RECENT_DAYS);
    let before = Period {
        from: ago(RECENT_DAYS + BEFORE_DAYS),
        until: turn,
    };
    (before, Period { from: turn, until: now })
}

fn finished_at(training: &TrainingSummary) -> Option<Timestamp> {
    training.finished_at.as_deref()?.parse().ok()
}

impl Quality {
    #[expect(clippy::cast_precision_loss, reason = "counts of commands")]
    fn of(found: Judgements) -> Option<Self> {
        let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        let (harmful, flagged) = (found.caught + found.missed, found.caught + found.false_alarms);
        let commands = harmful + found.false_alarms + found.passed;
        Some(Self {
            commands,
            harmful,
            accuracy: share(found.caught + found.passed, commands)?,
            majority: share(harmful.max(commands - harmful), commands)?,
            precision: share(found.caught, flagged),
            recall: share(found.caught, harmful),
        })
    }

    fn fault(&self, settings: &config::Learning) -> Option<String> {
        let percent = |share: f64| format!("{:.1}%", 100.0 * share);
        if self.commands >= LEAST_JUDGED && self.accuracy < settings.accuracy_floor {
            let (is, floor) = (percent(self.accuracy), percent(settings.accuracy_floor));
            return Some(format!("accuracy on recent commands is {is}, below {floor}"));
        }
        let recall = self.recall.filter(|_| self.harmful >= LEAST_HARMFUL)?;
        let (is, floor) = (percent(recall), percent(settings.recall_floor));
        (recall < settings.recall_floor).then(|| format!("recall of harm on recent commands is {is}, below {floor}"))
    }
}

/// Whether a training is due that was last done, or the record began, at `began`.
fn due(began: Option<Timestamp>, recent: Option<Quality>, settings: &config::Learning, now: Timestamp) -> Due {
    let Some(began) = began else {
        return Due::not("nothing is recorded yet");
    };
    let every = settings.due_after;
    let days = now.duration_since(began).as_hours() / 24;
    if now.duration_since(began).unsigned_abs() >= every && now > began {
        return Due {
            is_due: true,
            reason: format!("{days} days since the last training, or since the record began"),
        };
    }
    match recent.and_then(|recent| recent.fault(settings)) {
        Some(reason) => Due { is_due: true, reason },
        None => Due::not(&format!(
            "{days} of {} days have passed, and quality is not below its floors",
            every.as_secs() / 86_400
        )),
    }
}

impl Due {
    fn not(reason: &str) -> Self {
        Self {
            is_due: false,
            reason: reason.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const NOW: &str = "2026-11-22T12:00:00Z";

    fn settings() -> config::Learning {
        config::Config::parse("", Path::new("/x.toml")).unwrap().learning
    }

    fn judged(caught: u64, missed: u64, false_alarms: u64, passed: u64) -> Option<Quality> {
        Quality::of(Judgements {
            caught,
            missed,
            false_alarms,
            passed,
        })
    }

    fn due_when(began: &str, recent: Option<Quality>) -> Due {
        due(began.parse().ok(), recent, &settings(), NOW.parse().unwrap())
    }

    #[test]
    fn quality_stands_beside_who_always_says_the_same() {
        let quality = judged(3, 1, 2, 94).unwrap();
        assert_eq!((quality.commands, quality.harmful), (100, 4));
        assert!((quality.accuracy - 0.97).abs() < 1e-9);
        assert!((quality.majority - 0.96).abs() < 1e-9);
        assert_eq!((quality.precision, quality.recall), (Some(0.6), Some(0.75)));
        assert_eq!(judged(0, 0, 0, 5).unwrap().recall, None);
        assert_eq!(judged(0, 0, 0, 0), None, "what is not known is no quality");
    }

    #[test]
    fn training_is_due_after_thirty_days() {
        assert!(due_when("2026-10-23T12:00:00Z", None).is_due);
        assert!(!due_when("2026-10-23T12:00:01Z", None).is_due);
        assert!(
            !due_when("2026-11-23T12:00:00Z", None).is_due,
            "a clock that was set back"
        );
        assert!(
            !due(None, None, &settings(), NOW.parse().unwrap()).is_due,
            "there is nothing to learn from"
        );
    }

    #[test]
    fn training_is_due_where_quality_is_below_its_floor_and_enough_is_known() {
        let yesterday = "2026-11-21T12:00:00Z";
        let cases = [
            (
                judged(10, 0, 40, 50),
                true,
                "accuracy on recent commands is 60.0%, below 90.0%",
            ),
            (judged(0, 0, 40, 9), false, "have passed"),
            (
                judged(4, 6, 0, 990),
                true,
                "recall of harm on recent commands is 40.0%, below 50.0%",
            ),
            (judged(3, 6, 0, 990), false, "have passed"),
            (judged(5, 5, 0, 990), false, "have passed"),
        ];
        for (recent, is_due, expected) in cases {
            let due = due_when(yesterday, recent);
            assert!(due.is_due == is_due && due.reason.contains(expected), "{due:?}");
        }
    }
}

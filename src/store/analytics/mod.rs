//! The record in numbers. They are added up from roll-ups by day, which the database moves with every row.
//!
//! ARCHITECTURE.md ("Numbers") defines each. What is not known is counted as that, and in no other number.

mod median;
mod report;
mod standing;

use std::collections::BTreeMap;

use jiff::civil::Date;
use rusqlite::{Row, params};
use serde::Serialize;

use super::{Reader, StoreError, question};
use crate::domain::{Impact, Level};
use median::Median;
pub use report::Report;
use standing::{Cell, known};

/// How many patterns, users and targets are told.
const TOP: u32 = 10;

/// What the commands of some days come to.
#[derive(Debug, Clone, Serialize)]
pub struct Analytics {
    /// The first day (UTC).
    pub since: Date,
    /// The last day (UTC).
    pub until: Date,
    /// Commands submitted on these days.
    pub total_commands: u64,
    /// Those that succeeded among those of which it is known; `None` where that is none.
    pub success_rate: Option<f64>,
    /// All commands, by their end.
    pub outcomes: Outcomes,
    /// All commands, by their final level.
    pub risk_distribution: ByLevel<u64>,
    /// All commands, by what the policy said.
    pub decisions: ByDecision,
    /// What became of the commands that the policy asks about.
    pub confirmation_patterns: Confirmations,
    /// The patterns that were met most often.
    pub top_patterns: Vec<TopPattern>,
    /// The users with the most commands.
    pub top_users: Vec<Top>,
    /// The targets with the most commands.
    pub top_targets: Vec<Top>,
    /// The 24 hours of the day (UTC), in order.
    pub hours: Vec<Hour>,
    /// The days, in order, those without a command too.
    pub by_day: Vec<Day>,
    /// What the commands of each final level did.
    pub impact_by_level: ByLevel<Impacts>,
    /// The forest's level against what came of the command.
    pub model_vs_outcome: Forecasts,
}

/// Something for each level, and for what has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the words of the levels")]
pub struct ByLevel<T> {
    pub low: T,
    pub medium: T,
    pub high: T,
    pub critical: T,
    /// Not known what ran, or nothing to score.
    pub unknown: T,
}

impl<T> ByLevel<T> {
    /// The part of a level; `None` is `unknown`.
    pub fn of(&self, level: Option<Level>) -> &T {
        match level {
            Some(Level::Low) => &self.low,
            Some(Level::Medium) => &self.medium,
            Some(Level::High) => &self.high,
            Some(Level::Critical) => &self.critical,
            None => &self.unknown,
        }
    }

    fn of_mut(&mut self, level: Option<Level>) -> &mut T {
        match level {
            Some(Level::Low) => &mut self.low,
            Some(Level::Medium) => &mut self.medium,
            Some(Level::High) => &mut self.high,
            Some(Level::Critical) => &mut self.critical,
            None => &mut self.unknown,
        }
    }

    /// Each level with its part, the unknown last.
    pub fn iter(&self) -> impl Iterator<Item = (Option<Level>, &T)> {
        let levels = Level::ALL.iter().copied().map(Some).chain([None]);
        levels.map(|level| (level, self.of(level)))
    }
}

/// Commands by their end. The sum is all commands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Outcomes {
    /// Exit code 0.
    pub succeeded: u64,
    /// Another exit code, or a signal.
    pub failed: u64,
    /// Sent to the target, or perhaps; how it ended is not known.
    pub unknown: u64,
    /// Denied, refused, expired or abandoned.
    pub not_run: u64,
    /// Being asked about, or running.
    pub open: u64,
}

/// Commands by what the policy said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the words of the decisions")]
pub struct ByDecision {
    pub allow: u64,
    pub warn: u64,
    pub confirm: u64,
    pub deny: u64,
}

/// What became of the commands that the policy asks about, in all and by their final level.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Confirmations {
    /// In all.
    #[serde(flatten)]
    pub all: Questions,
    /// By level.
    pub by_level: ByLevel<Questions>,
}

/// Questions, by how they were taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Questions {
    /// Put to somebody: the sum of `confirmed`, `refused`, `expired`, `abandoned` and `open`.
    pub asked: u64,
    /// Answered with yes.
    pub confirmed: u64,
    /// Answered with no.
    pub refused: u64,
    /// Not answered in time.
    pub expired: u64,
    /// Not answered before the session ended.
    pub abandoned: u64,
    /// Not answered yet.
    pub open: u64,
    /// Put to nobody: there was nobody who could answer.
    pub unanswerable: u64,
    /// Decided without an answer: by a yes of a while ago, a new configuration, or the end of the daemon.
    pub settled_otherwise: u64,
    /// The median time to an answer, milliseconds, to within 0.5 %; `None` without answers.
    pub median_time_ms: Option<u64>,
}

/// What is told of a group of commands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All of them.
    pub commands: u64,
    /// Those that were answered with yes.
    pub confirmed: u64,
    /// Those that were answered with no.
    pub refused: u64,
    /// Those that are known to have failed.
    pub failed: u64,
    /// Those whose impact was moderate or severe.
    pub harmful: u64,
}

/// A user or a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Top {
    /// Its name.
    pub name: String,
    /// Its commands.
    #[serde(flatten)]
    pub counts: Counts,
}

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopPattern {
    /// Its hash.
    pub command_hash: String,
    /// Its text; `None` where it is not on record any longer.
    pub pattern: Option<String>,
    /// Its commands.
    #[serde(flatten)]
    pub counts: Counts,
}

/// An hour of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Hour {
    /// From 0 to 23 (UTC).
    pub hour: u8,
    /// Its commands.
    #[serde(flatten)]
    pub counts: Counts,
}

/// A day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Day {
    /// The day (UTC).
    pub day: Date,
    /// Its commands.
    pub commands: u64,
    /// They again, by their final level.
    pub by_level: ByLevel<u64>,
}

/// Commands by what they did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the words of the impacts")]
pub struct Impacts {
    pub none: u64,
    pub minor: u64,
    pub moderate: u64,
    pub severe: u64,
    /// Sent to the target, or perhaps; what it did is not known.
    pub unknown: u64,
    /// Not run, or not yet.
    pub not_run: u64,
}

/// Commands by what they are known to have done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the words of the impacts")]
pub struct ByImpact {
    pub none: u64,
    pub minor: u64,
    pub moderate: u64,
    pub severe: u64,
}

/// The forest's level against what came of the command. The level that an impact stands for: `none` low, `minor` medium,
/// `moderate` high, `severe` critical.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Forecasts {
    /// Commands of which the forest said a level.
    pub forecasts: u64,
    /// Those among them whose impact is known: the sum of the next three.
    pub impact_known: u64,
    /// The forest said the level of the impact.
    pub agreed: u64,
    /// The forest said a lower one.
    pub too_low: u64,
    /// The forest said a higher one.
    pub too_high: u64,
    /// `agreed` of `impact_known`; `None` where that is none.
    pub agreement: Option<f64>,
    /// They again, by the forest's level and the impact; `unknown` is always empty.
    pub impact_by_forecast: ByLevel<ByImpact>,
    /// Commands with a forecast that were answered with yes, by the forest's level.
    pub confirmed_by_forecast: ByLevel<u64>,
    /// Commands with a forecast that were answered with no, by the forest's level.
    pub refused_by_forecast: ByLevel<u64>,
    /// Of those that were answered with no, the part that the forest said high or critical of; `None` where that is none.
    pub refusal_agreement: Option<f64>,
}

impl Reader {
    /// What the commands from the day `since` to the day `until` (UTC) come to. All numbers are of one moment.
    ///
    /// # Errors
    /// As [`Reader::log`].
    pub fn analytics(&self, since: Date, until: Date) -> Result<Analytics, StoreError> {
        let moment = self.connection.unchecked_transaction()?;
        let mut analytics = standing::sum(since, until, &self.cells(since, until)?);
        self.medians(since, until, &mut analytics.confirmation_patterns)?;
        analytics.top_patterns = self.top_patterns(since, until)?;
        analytics.top_users = self.most("user", since, until, TOP)?;
        analytics.top_targets = self.most("target", since, until, TOP)?;
        for hour in self.most("hour", since, until, 24)? {
            let place = hour
                .name
                .parse()
                .ok()
                .and_then(|place: usize| analytics.hours.get_mut(place));
            if let Some(place) = place {
                place.counts = hour.counts;
            }
        }
        moment.finish()?;
        Ok(analytics)
    }

    fn cells(&self, since: Date, until: Date) -> Result<Vec<Cell>, StoreError> {
        self.rows(question::STANDING, (since.to_string(), until.to_string()), Cell::read)
    }

    fn medians(&self, since: Date, until: Date, patterns: &mut Confirmations) -> Result<(), StoreError> {
        let times = self.rows(question::ANSWERS, (since.to_string(), until.to_string()), |row| {
            Ok((known::<Level>(row, 0)?, number(row, 1)?, number(row, 2)?))
        })?;
        let (mut all, mut by_level) = (Median::default(), BTreeMap::<Option<Level>, Median>::new());
        for (level, time_ms, answers) in times {
            all.add(time_ms, answers);
            by_level.entry(level).or_default().add(time_ms, answers);
        }
        patterns.all.median_time_ms = all.median();
        for (level, times) in by_level {
            patterns.by_level.of_mut(level).median_time_ms = times.median();
        }
        Ok(())
    }

    fn top_patterns(&self, since: Date, until: Date) -> Result<Vec<TopPattern>, StoreError> {
        let tops = self.most("pattern", since, until, TOP)?;
        tops.into_iter().map(|top| self.named(top)).collect()
    }

    fn named(&self, top: Top) -> Result<TopPattern, StoreError> {
        let pattern = self.rows(question::PATTERN, [&top.name], |row| row.get(0))?.pop();
        Ok(TopPattern {
            command_hash: top.name,
            pattern,
            counts: top.counts,
        })
    }

    fn most(&self, scope: &str, since: Date, until: Date, limit: u32) -> Result<Vec<Top>, StoreError> {
        let values = params![scope, since.to_string(), until.to_string(), limit];
        self.rows(question::MOST, values, |row| {
            Ok(Top {
                name: row.get(0)?,
                counts: Counts {
                    commands: number(row, 1)?,
                    confirmed: number(row, 2)?,
                    refused: number(row, 3)?,
                    failed: number(row, 4)?,
                    harmful: number(row, 5)?,
                },
            })
        })
    }
}

impl Impacts {
    /// The commands with this impact; `None` is `unknown`.
    fn of_mut(&mut self, impact: Option<Impact>) -> &mut u64 {
        match impact {
            Some(Impact::None) => &mut self.none,
            Some(Impact::Minor) => &mut self.minor,
            Some(Impact::Moderate) => &mut self.moderate,
            Some(Impact::Severe) => &mut self.severe,
            None => &mut self.unknown,
        }
    }
}

impl ByImpact {
    fn of_mut(&mut self, impact: Impact) -> &mut u64 {
        match impact {
            Impact::None => &mut self.none,
            Impact::Minor => &mut self.minor,
            Impact::Moderate => &mut self.moderate,
            Impact::Severe => &mut self.severe,
        }
    }
}

/// A count, which no sound record has below zero.
fn number(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(index)?;
    Ok(u64::try_from(number).unwrap_or_default())
}

/// `part` of `whole`; `None` of nothing.
#[expect(clippy::cast_precision_loss, reason = "counts of commands, far below 2^53")]
fn rate(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

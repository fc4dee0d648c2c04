//! The numbers that follow from where commands stand.

use std::collections::BTreeMap;
use std::str::FromStr;

use jiff::civil::Date;
use rusqlite::Row;

use super::{Analytics, ByLevel, Confirmations, Day, Forecasts, Hour, Outcomes, Questions, number, rate};
use crate::domain::{Decision, Impact, Level, State};
use crate::store::sql::word;

/// So many commands of one day that stand at the same point.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    day: Date,
    level: Option<Level>,
    forecast: Option<Level>,
    decision: Decision,
    state: State,
    answer: Option<bool>,
    success: Option<bool>,
    impact: Option<Impact>,
    commands: u64,
}

impl Cell {
    /// A row of [`STANDING`](crate::store::question::STANDING).
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            day: word(row, 0)?,
            level: known(row, 1)?,
            forecast: known(row, 2)?,
            decision: word(row, 3)?,
            state: word(row, 4)?,
            answer: truth(row, 5)?,
            success: truth(row, 6)?,
            impact: known(row, 7)?,
            commands: number(row, 8)?,
        })
    }

    /// Whether it was, or may have been, sent to the target, and is past.
    fn is_past(&self) -> bool {
        matches!(self.state, State::Finished | State::Interrupted)
    }
}

/// A word of a vocabulary; `None` for `unknown`.
pub(super) fn known<T>(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<T>>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let unknown = row.get_ref(index)?.as_str()? == "unknown";
    (!unknown).then(|| word(row, index)).transpose()
}

fn truth(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<bool>> {
    Ok(match row.get_ref(index)?.as_str()? {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    })
}

/// The numbers of these cells; those that do not follow from them are empty yet.
pub(super) fn sum(since: Date, until: Date, cells: &[Cell]) -> Analytics {
    let outcomes = outcomes(cells);
    Analytics {
        since,
        until,
        total_commands: cells.iter().map(|cell| cell.commands).sum(),
        success_rate: rate(outcomes.succeeded, outcomes.succeeded + outcomes.failed),
        outcomes,
        risk_distribution: levels(cells),
        decisions: decisions(cells),
        confirmation_patterns: confirmations(cells),
        top_patterns: Vec::new(),
        top_users: Vec::new(),
        top_targets: Vec::new(),
        hours: (0..24)
            .map(|hour| Hour {
                hour,
                counts: super::Counts::default(),
            })
            .collect(),
        by_day: days(since, until, cells),
        impact_by_level: impacts(cells),
        model_vs_outcome: forecasts(cells),
    }
}

fn outcomes(cells: &[Cell]) -> Outcomes {
    let mut outcomes = Outcomes::default();
    for cell in cells {
        let place = match (cell.success, cell.state) {
            (Some(true), _) => &mut outcomes.succeeded,
            (Some(false), _) => &mut outcomes.failed,
            (None, State::Finished | State::Interrupted) => &mut outcomes.unknown,
            (None, State::Held | State::Running) => &mut outcomes.open,
            (None, State::Denied | State::Refused | State::Expired | State::Abandoned) => &mut outcomes.not_run,
        };
        *place += cell.commands;
    }
    outcomes
}

fn levels(cells: &[Cell]) -> ByLevel<u64> {
    let mut levels = ByLevel::default();
    for cell in cells {
        *levels.of_mut(cell.level) += cell.commands;
    }
    levels
}

fn decisions(cells: &[Cell]) -> super::ByDecision {
    let mut decisions = super::ByDecision::default();
    for cell in cells {
        let place = match cell.decision {
            Decision::Allow => &mut decisions.allow,
            Decision::Warn => &mut decisions.warn,
            Decision::Confirm => &mut decisions.confirm,
            Decision::Deny => &mut decisions.deny,
        };
        *place += cell.commands;
    }
    decisions
}

fn confirmations(cells: &[Cell]) -> Confirmations {
    let mut confirmations = Confirmations::default();
    for cell in cells.iter().filter(|cell| cell.decision == Decision::Confirm) {
        confirmations.all.add(cell);
        confirmations.by_level.of_mut(cell.level).add(cell);
    }
    confirmations
}

impl Questions {
    fn add(&mut self, cell: &Cell) {
        let (place, put) = match (cell.answer, cell.state) {
            (Some(true), _) => (&mut self.confirmed, true),
            (Some(false), _) => (&mut self.refused, true),
            (None, State::Expired) => (&mut self.expired, true),
            (None, State::Abandoned) => (&mut self.abandoned, true),
            (None, State::Held) => (&mut self.open, true),
            (None, State::Refused) => (&mut self.unanswerable, false),
            (None, State::Denied | State::Running | State::Finished | State::Interrupted) => {
                (&mut self.settled_otherwise, false)
            }
        };
        *place += cell.commands;
        self.asked += if put { cell.commands } else { 0 };
    }
}

fn days(since: Date, until: Date, cells: &[Cell]) -> Vec<Day> {
    let mut found = BTreeMap::<Date, ByLevel<u64>>::new();
    for cell in cells {
        *found.entry(cell.day).or_default().of_mut(cell.level) += cell.commands;
    }
    let days = since.series(jiff::Span::new().days(1)).take_while(|day| *day <= until);
    days.map(|day| {
        let by_level = found.remove(&day).unwrap_or_default();
        let commands = by_level.iter().map(|(_, commands)| *commands).sum();
        Day {
            day,
            commands,
            by_level,
        }
    })
    .collect()
}

fn impacts(cells: &[Cell]) -> ByLevel<super::Impacts> {
    let mut impacts = ByLevel::<super::Impacts>::default();
    for cell in cells {
        let of_level = impacts.of_mut(cell.level);
        let place = if cell.is_past() {
            of_level.of_mut(cell.impact)
        } else {
            &mut of_level.not_run
        };
        *place += cell.commands;
    }
    impacts
}

fn forecasts(cells: &[Cell]) -> Forecasts {
    let mut forecasts = Forecasts::default();
    for cell in cells {
        if let Some(level) = cell.forecast {
            forecasts.add(level, cell);
        }
    }
    forecasts.agreement = rate(forecasts.agreed, forecasts.impact_known);
    let refused = &forecasts.refused_by_forecast;
    let foreseen = refused.high + refused.critical;
    forecasts.refusal_agreement = rate(foreseen, foreseen + refused.low + refused.medium);
    forecasts
}

impl Forecasts {
    fn add(&mut self, level: Level, cell: &Cell) {
        self.forecasts += cell.commands;
        if let Some(impact) = cell.impact {
            self.impact_known += cell.commands;
            *self.impact_by_forecast.of_mut(Some(level)).of_mut(impact) += cell.commands;
            *self.place(level, impact) += cell.commands;
        }
        match cell.answer {
            Some(true) => *self.confirmed_by_forecast.of_mut(Some(level)) += cell.commands,
            Some(false) => *self.refused_by_forecast.of_mut(Some(level)) += cell.commands,
            None => {}
        }
    }

    fn place(&mut self, level: Level, impact: Impact) -> &mut u64 {
        let seen = match impact {
            Impact::None => Level::Low,
            Impact::Minor => Level::Medium,
            Impact::Moderate => Level::High,
            Impact::Severe => Level::Critical,
        };
        match level.cmp(&seen) {
            std::cmp::Ordering::Less => &mut self.too_low,
            std::cmp::Ordering::Equal => &mut self.agreed,
            std::cmp::Ordering::Greater => &mut self.too_high,
        }
    }
}

//! `[learning]`: how the forest is trained anew, and when.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::document::{Fault, Table, Usage, Value};
use super::values;

/// `[learning]`: how the forest is trained anew from the record.
#[derive(Debug, Clone)]
pub struct Learning {
    /// The directory of the trainer: `models/` of this project with its environment.
    pub trainer: PathBuf,
    /// How long a training may take.
    pub timeout: Duration,
    /// Whether a training that nobody watches may put a better model in force.
    pub promote: bool,
    /// How long after the last training another one is due.
    pub due_after: Duration,
    /// The accuracy on recent commands below which training is due, 0 to 1.
    pub accuracy_floor: f64,
    /// The recall of harm on recent commands below which training is due, 0 to 1.
    pub recall_floor: f64,
    /// When work is planned, in the local time of each target.
    pub maintenance: Vec<Window>,
}

/// A time of planned work on some days of the week, in whole hours of a target's local time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Window {
    /// The days on which it begins, 0 for Monday to 6 for Sunday, in order.
    pub days: Vec<u8>,
    /// The hour with which it begins, 0 to 23.
    pub begins: u8,
    /// The hour before which it ends, 1 to 24; where that is not after `begins`, on the next day.
    pub ends: u8,
}

/// The days of the week as windows name them.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// `[learning]`; `base` is the directory of the file.
pub(super) fn learning(table: &Table<'_>, base: &Path) -> Option<Learning> {
    let trainer = table.read("trainer", base.join("../models"), |value| value.path(base, Usage::Read));
    let timeout = duration(table, "timeout", 3_600);
    let promote = table.read("promote", false, Value::flag);
    let due_after = duration(table, "due_after", 30 * 86_400);
    let accuracy_floor = percent(table, "accuracy_floor", 0.9);
    let recall_floor = percent(table, "recall_floor", 0.5);
    let maintenance = table.read("maintenance", Vec::new(), |value| value.parse_list(window));
    table.finish(&[]);
    Some(Learning {
        trainer: trainer?,
        timeout: timeout?,
        promote: promote?,
        due_after: due_after?,
        accuracy_floor: accuracy_floor?,
        recall_floor: recall_floor?,
        maintenance: maintenance?,
    })
}

fn duration(table: &Table<'_>, key: &'static str, default: u64) -> Option<Duration> {
    table.read(key, Duration::from_secs(default), |value| {
        value.parse(values::positive_duration)
    })
}

/// A share that is given in percent.
fn percent(table: &Table<'_>, key: &'static str, default: f64) -> Option<f64> {
    table.read(key, default, |value| {
        let percent = u8::try_from(value.whole()?).ok().filter(|percent| *percent <= 100);
        if percent.is_none() {
            value.error(Fault::new("is not from 0 to 100", "give percent, as in 90"));
        }
        percent.map(|percent| f64::from(percent) / 100.0)
    })
}

/// `DAYS FROM-TO`: `sun 02-05`, `mon-fri 22-04`, `* 03-04`.
fn window(text: &str) -> Result<Window, Fault> {
    let fault = || {
        Fault::new(
            format!("`{text}` is not a time of the week"),
            "give days and hours, as in \"sun 02-05\", \"mon-fri 22-04\" or \"* 03-04\"",
        )
    };
    let (days, hours) = text.split_once(' ').ok_or_else(fault)?;
    let (begins, ends) = hours.split_once('-').ok_or_else(fault)?;
    let hour = |digits: &str, most| digits.parse().ok().filter(|hour: &u8| *hour <= most);
    let (begins, ends) = hour(begins, 23).zip(hour(ends, 24)).ok_or_else(fault)?;
    let days = days_of(days).filter(|_| begins != ends).ok_or_else(fault)?;
    Ok(Window { days, begins, ends })
}

/// One day, a run of days that may go over the weekend, or `*` for all.
fn days_of(text: &str) -> Option<Vec<u8>> {
    let day = |name: &str| {
        DAYS.iter()
            .position(|day| *day == name)
            .and_then(|day| u8::try_from(day).ok())
    };
    if text == "*" {
        return Some((0..7).collect());
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (day(first)?, day(last)?);
    let mut days: Vec<u8> = (0..=(last + 7 - first) % 7).map(|step| (first + step) % 7).collect();
    days.sort_unstable();
    Some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_days_and_hours() {
        let night = |days: &[u8]| Window {
            days: days.to_vec(),
            begins: 22,
            ends: 4,
        };
        assert_eq!(window("sun 22-04").unwrap(), night(&[6]));
        assert_eq!(window("mon-fri 22-4").unwrap(), night(&[0, 1, 2, 3, 4]));
        assert_eq!(window("fri-mon 22-04").unwrap(), night(&[0, 4, 5, 6]));
        assert_eq!(window("* 22-04").unwrap(), night(&[0, 1, 2, 3, 4, 5, 6]));
        assert_eq!(window("sat 00-24").unwrap().ends, 24);
    }

    #[test]
    fn what_is_no_window_is_refused() {
        for text in [
            "",
            "sun",
            "sun 2",
            "sun 02-02",
            "sun 24-02",
            "sun 02-25",
            "sonntag 02-05",
            "sun- 02-05",
            "sun 02:00-05:00",
            "sun  02-05",
        ] {
            assert!(window(text).is_err(), "{text}");
        }
    }
}

//! What is told of the last days, as JSON wherever it is asked for.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::Serialize;

use super::super::{AskedRule, DayOfConnections, Reader, StoreError};
use super::Analytics;

/// The last days in numbers.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Days, the last being today.
    pub days: u16,
    /// The commands of these days.
    #[serde(flatten)]
    pub analytics: Analytics,
    /// How the questions of each rule were taken, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompts: Option<Vec<AskedRule>>,
    /// Connections by day, newest first.
    pub connections: Vec<DayOfConnections>,
}

impl Reader {
    /// The last `days` days (UTC) in numbers, the day of `now` included; without `prompts`.
    ///
    /// # Errors
    /// As [`Reader::log`].
    pub fn report(&self, days: u16, now: Timestamp) -> Result<Report, StoreError> {
        let until = now.to_zoned(TimeZone::UTC).date();
        let since = first_of(days, until);
        Ok(Report {
            days,
            analytics: self.analytics(since, until)?,
            prompts: None,
            connections: self.connections(since)?,
        })
    }
}

/// The first of the last `days` days.
fn first_of(days: u16, today: Date) -> Date {
    today.saturating_sub((i32::from(days) - 1).days())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn today_is_one_of_the_days() {
        let today = date(2026, 11, 22);
        assert_eq!(first_of(1, today), today);
        assert_eq!(first_of(30, today), date(2026, 10, 24));
    }
}

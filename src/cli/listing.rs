//! What the lists of the record have in common: which rows, and how they are written.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context as _;
use jiff::civil::Date;
use jiff::{Span, Timestamp, Zoned};
use serde::Serialize;

use super::{ConfigArg, print, table};
use crate::domain::Name;
use crate::store::{Reader, StoreError};

/// Arguments of a list.
#[derive(Debug, clap::Args)]
pub(super) struct Listing {
    /// Only this user's
    #[arg(long)]
    pub user: Option<Name>,
    /// Only on this target
    #[arg(long)]
    pub target: Option<Name>,
    /// Only begun since then: `2h`, `7d`, a date (UTC), or a time such as 2026-11-22T13:30:00Z
    #[arg(long, value_parser = moment)]
    pub since: Option<Timestamp>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// Print a JSON array; its fields are the columns of the record
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

impl Listing {
    /// Reads rows and prints them, as JSON or by `list`.
    pub(super) fn run<T: Serialize>(
        &self,
        read: impl FnOnce(&Reader) -> Result<Vec<T>, StoreError>,
        list: impl FnOnce(&mut dyn Write, &[T]) -> io::Result<()>,
    ) -> anyhow::Result<ExitCode> {
        let reader = Reader::open(&self.config.load()?.store.path)?;
        let rows = read(&reader).context("cannot read the record")?;
        print(|out| {
            if self.json {
                table::json(out, &rows)
            } else {
                list(out, &rows)
            }
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A moment in the past: a span before now, a date, or a time with its offset.
fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    if let Ok(date) = text.parse::<Date>() {
        return date
            .in_tz("UTC")
            .map(|midnight| midnight.timestamp())
            .map_err(|error| error.to_string());
    }
    let ago: Span = text
        .parse()
        .map_err(|_| "give `2h`, `7d`, a date, or a time such as 2026-11-22T13:30:00Z".to_owned())?;
    Zoned::now()
        .checked_sub(ago.abs())
        .map(|then| then.timestamp())
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_spans_dates_or_times() {
        assert_eq!(
            moment("2026-11-22T14:00:00+01:00"),
            "2026-11-22T13:00:00Z".parse().map_err(|_| String::new())
        );
        assert_eq!(
            moment("2026-11-22"),
            "2026-11-22T00:00:00Z".parse().map_err(|_| String::new())
        );
        for (span, hours) in [("2h", 2), ("7d", 7 * 24)] {
            let ago = Timestamp::now().duration_since(moment(span).unwrap()).as_hours();
            assert!((hours - 2..=hours + 2).contains(&ago), "{span}: {ago}");
        }
        assert!(moment("yesterday-ish").is_err());
    }
}

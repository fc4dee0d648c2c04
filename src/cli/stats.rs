//! `opspilot stats`: what the record says in numbers.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::Serialize;

use super::table::{self, cell};
use super::{ConfigArg, print};
use crate::store::{DayOfConnections, Reader};

/// Arguments of `opspilot stats`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Of so many days (UTC), today included
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: u16,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

/// The numbers.
#[derive(Debug, Serialize)]
struct Stats {
    /// Connections by day, newest first.
    connections: Vec<DayOfConnections>,
}

/// Says what the record says in numbers.
///
/// # Errors
/// The configuration or the record cannot be read.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let reader = Reader::open(&args.config.load()?.store.path)?;
    let since = first_of(args.days, Timestamp::now());
    let stats = Stats {
        connections: reader.connections(since).context("cannot read the record")?,
    };
    print(|out| {
        if args.json {
            table::json(out, &stats)
        } else {
            connections(out, &stats.connections)
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The first of the last `days` days.
fn first_of(days: u16, now: Timestamp) -> Date {
    let today = now.to_zoned(TimeZone::UTC).date();
    today.saturating_sub((i32::from(days) - 1).days())
}

fn connections(out: &mut dyn Write, days: &[DayOfConnections]) -> io::Result<()> {
    if days.is_empty() {
        return writeln!(out, "No connection has been counted.");
    }
    let mut table = table::new(&[
        "DAY (UTC)",
        "ACCEPTED",
        "REFUSED",
        "UNAUTHENTICATED",
        "TIMED OUT",
        "AUTHENTICATED",
        "TURNED AWAY",
    ]);
    for day in days {
        let counts = day.counts;
        let numbers = [
            counts.accepted,
            counts.refused,
            counts.unauthenticated,
            counts.timed_out,
            counts.authenticated,
            counts.turned_away,
        ];
        let numbers = numbers.iter().map(|number| cell(&number.to_string()));
        table.add_row(std::iter::once(cell(&day.day)).chain(numbers));
    }
    writeln!(out, "{}", table.trim_fmt())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::store::ConnectionCounts;

    #[test]
    fn today_is_one_of_the_days() {
        let now = "2026-11-22T23:59:59Z".parse().unwrap();
        assert_eq!(first_of(1, now), date(2026, 11, 22));
        assert_eq!(first_of(30, now), date(2026, 10, 24));
    }

    #[test]
    fn a_day_is_one_line() {
        let counts = ConnectionCounts {
            accepted: 5,
            refused: 1,
            ..ConnectionCounts::default()
        };
        let day = "2026-11-22".to_owned();
        let mut out = Vec::new();
        connections(&mut out, &[DayOfConnections { day, counts }]).unwrap();
        let text = String::from_utf8(out).unwrap();
        let row: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(row, ["2026-11-22", "5", "1", "0", "0", "0", "0"]);
    }
}

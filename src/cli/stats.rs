//! `opspilot stats`: what the record says in numbers.

mod chart;
mod html;
mod page;
mod sections;
mod svg;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::Serialize;
use tempfile::NamedTempFile;

use super::{ConfigArg, print, table};
use crate::domain::printable_line;
use crate::store::{Analytics, AskedRule, DayOfConnections, Reader, StoreError};
use chart::Style;

/// Arguments of `opspilot stats`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Of so many days (UTC), today included
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: u16,
    /// Say too how the questions of each rule were taken
    #[arg(long)]
    prompts: bool,
    /// Print JSON
    #[arg(long, conflicts_with = "html")]
    json: bool,
    /// Write a page for browsers to this file, which needs nothing else
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArg,
}

/// All that is told; the shape of the JSON.
#[derive(Debug, Serialize)]
struct Report {
    /// Days, the last being today.
    days: u16,
    /// The commands of these days.
    #[serde(flatten)]
    analytics: Analytics,
    /// How the questions of each rule were taken, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    prompts: Option<Vec<AskedRule>>,
    /// Connections by day, newest first.
    connections: Vec<DayOfConnections>,
}

/// Says what the record says in numbers.
///
/// # Errors
/// The configuration or the record cannot be read, or the file cannot be written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let reader = Reader::open(&args.config.load()?.store.path)?;
    let report = report(&reader, &args, Timestamp::now()).context("cannot read the record")?;
    if let Some(file) = &args.html {
        save(file, &html::page(&report))?;
        print(|out| writeln!(out, "written to {}", printable_line(&file.to_string_lossy())))?;
        return Ok(ExitCode::SUCCESS);
    }
    print(|out| {
        if args.json {
            table::json(out, &report)
        } else {
            page::write(out, &report, Style::of_stdout())
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

fn report(reader: &Reader, args: &Args, now: Timestamp) -> Result<Report, StoreError> {
    let until = now.to_zoned(TimeZone::UTC).date();
    let since = first_of(args.days, until);
    let prompts = args.prompts.then(|| reader.rules_that_asked(since, until, 1));
    Ok(Report {
        days: args.days,
        analytics: reader.analytics(since, until)?,
        prompts: prompts.transpose()?,
        connections: reader.connections(since)?,
    })
}

/// The first of the last `days` days.
fn first_of(days: u16, today: Date) -> Date {
    today.saturating_sub((i32::from(days) - 1).days())
}

/// Writes the whole file or none of it, readable by its owner only: it names users and targets.
fn save(file: &Path, page: &str) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", printable_line(&file.to_string_lossy()));
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut draft = NamedTempFile::new_in(directory.unwrap_or(Path::new("."))).with_context(failed)?;
    draft.write_all(page.as_bytes()).with_context(failed)?;
    draft.persist(file).with_context(failed)?;
    Ok(())
}

#[cfg(test)]
mod tests;

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
use jiff::Timestamp;
use tempfile::NamedTempFile;

use super::{ConfigArg, print, print_as_it_is, table};
use crate::domain::printable_line;
use crate::store::{Reader, Report, StoreError};
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
    if args.json {
        print(|out| table::json(out, &report))?;
    } else {
        print_as_it_is(|out| page::write(out, &report, Style::of_stdout()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn report(reader: &Reader, args: &Args, now: Timestamp) -> Result<Report, StoreError> {
    let mut report = reader.report(args.days, now)?;
    if args.prompts {
        let (since, until) = (report.analytics.since, report.analytics.until);
        report.prompts = Some(reader.rules_that_asked(since, until, 1)?);
    }
    Ok(report)
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

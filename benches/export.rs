//! How fast `opspilot export` reads and writes, and that its memory does not grow with the rows.
//!
//! ```text
//! cargo bench --bench export                # of 200,000 commands, made for it
//! cargo bench --bench export -- 1000000     # of so many
//! cargo bench --bench export -- FILE        # of those in a database that is there, such as one of the bench `fill`
//! ```
//!
//! Each format goes to a file beside the database twice, and the second time counts: rows a second, megabytes a second, and by
//! how much the most memory that the process ever had grew from the first 1,000 rows on.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "the figures are small, and a bench says what it found by printing"
)]
#![allow(unreachable_pub, reason = "shared with the other benches")]

mod rows;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use opspilot::store::{FeatureList, Format, LogFilter, Reader, Store};
use rows::Plan;

const ROWS: u64 = 200_000;

fn main() -> anyhow::Result<()> {
    // cargo adds `--bench` to the arguments of its own.
    let argument = std::env::args().skip(1).find(|argument| argument != "--bench");
    let scratch = tempfile::tempdir()?;
    let database = match argument.as_deref().map(|text| text.parse::<u64>().map_err(|_| text)) {
        Some(Err(file)) => PathBuf::from(file),
        Some(Ok(rows)) => made(scratch.path(), rows)?,
        None => made(scratch.path(), ROWS)?,
    };
    let output = scratch.path().join("exported");
    for (format, is_named) in [
        (Format::Json, true),
        (Format::Csv, true),
        (Format::Json, false),
        (Format::Csv, false),
    ] {
        // The first brings the pages into memory, and all that a few rows need.
        export(&database, &output, format, is_named, 1_000)?;
        let before = peak()?;
        export(&database, &output, format, is_named, u32::MAX)?;
        let (rows, took) = export(&database, &output, format, is_named, u32::MAX)?;
        let (seconds, bytes) = (took.as_secs_f64(), fs::metadata(&output)?.len());
        println!(
            "{format:?}{}: {rows} rows in {seconds:.2} s, {:.0} rows/s, {:.0} MB/s, {} bytes a row, {} KiB more memory",
            if is_named { " with features by name" } else { "" },
            rows as f64 / seconds,
            bytes as f64 / seconds / 1e6,
            bytes / rows.max(1),
            peak()? - before,
        );
    }
    Ok(())
}

fn made(directory: &Path, rows: u64) -> anyhow::Result<PathBuf> {
    let file = directory.join("opspilot.db");
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let store = Store::open(&file)?;
        rows::fill(&store, Plan { rows, days: 80 }, |_| {}).await?;
        store.close().await;
        anyhow::Ok(())
    })?;
    Ok(file)
}

fn export(
    database: &Path,
    output: &Path,
    format: Format,
    is_named: bool,
    limit: u32,
) -> anyhow::Result<(u64, Duration)> {
    let reader = Reader::open(database)?;
    let list = is_named.then(FeatureList::of_this_program);
    let out = File::create(output)?;
    let started = Instant::now();
    let filter = LogFilter {
        limit,
        ..LogFilter::default()
    };
    let exported = reader.export(filter)?.write(format, list, &out, |_| Ok(()))?;
    Ok((exported.rows, started.elapsed()))
}

/// The most memory that this process ever had resident, KiB.
fn peak() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .context("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

//! Makes a record of any size, and says how fast its rows were written.
//!
//! ```text
//! cargo bench --bench fill                          # 100,000 commands in a directory of its own, removed at the end
//! cargo bench --bench fill -- 5000000 FILE [DAYS]   # so many in FILE, which stays; spread over 365 days, or so many
//! ```
//!
//! Every command is recorded, answered where it was asked about, and ended: whole lives, through the store, one writer,
//! `synchronous=FULL`. Printed are lives a second, and the size of the database for each 1,000 of them.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "the figures are small, and a bench says what it found by printing"
)]
#![allow(unreachable_pub, reason = "shared with the other benches")]

mod rows;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use opspilot::store::Store;
use rows::Plan;

/// Commands between two lines of progress.
const TOLD: u64 = 100_000;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // cargo adds `--bench` to the arguments of its own.
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let rows = arguments
        .next()
        .map_or(Ok(100_000), |text| text.parse())
        .context("ROWS is no number")?;
    let scratch = tempfile::tempdir()?;
    let file = arguments
        .next()
        .map_or_else(|| scratch.path().join("opspilot.db"), PathBuf::from);
    let days = arguments
        .next()
        .map_or(Ok(365), |text| text.parse())
        .context("DAYS is no number")?;

    let store = Store::open(&file)?;
    let started = Instant::now();
    rows::fill(&store, Plan { rows, days }, |written| {
        if written % TOLD == 0 {
            let rate = written as f64 / started.elapsed().as_secs_f64();
            eprintln!("{written} rows, {rate:.0} lives a second");
        }
    })
    .await?;
    let took = started.elapsed().as_secs_f64();
    store.close().await;
    let size = std::fs::metadata(&file)?.len() as f64;
    println!("{rows} lives in {took:.1} s: {:.0} a second", rows as f64 / took);
    println!("{:.2} MB for each 1,000", size / rows as f64 / 1e3);
    Ok(())
}

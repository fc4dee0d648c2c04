//! `opspilot prune`: erases what has been kept for long enough, or what one user did.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use jiff::Timestamp;

use super::{ConfigArg, print, table, upkeep};
use crate::domain::Name;
use crate::store::{Prune, Store};

/// Arguments of `opspilot prune`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Keep what is not older than so many days [default: with --user nothing, otherwise what the configuration says]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(0..=36_500))]
    keep_days: Option<u32>,
    /// Erase only what this user did; without --keep-days, forget the user
    #[arg(long, value_name = "USER")]
    user: Option<Name>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

/// Erases, and says how much that was.
///
/// # Errors
/// The configuration cannot be read, or the record not be written; where the daemon runs, that is because it is in use.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let settings = args.config.load()?.store;
    let now = Timestamp::now();
    let prune = match (args.keep_days, args.user) {
        (None, None) if settings.retention_days.is_none() => {
            bail!("store.retention_days is 0: everything is kept; say --keep-days or --user")
        }
        (None, None) => upkeep::due(&settings, now),
        (days, user) => {
            let before = days.map(|days| upkeep::days_before(now, days));
            Prune {
                before,
                recordings_before: before,
                user,
            }
        }
    };
    let store = Store::open(&settings.path)?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let pruned = runtime.block_on(async {
        let pruned = store.prune(prune, upkeep::remover(&settings)).await;
        store.close().await;
        pruned
    })?;
    print(|out| {
        if args.json {
            return table::json(out, &pruned);
        }
        writeln!(
            out,
            "Erased {} payloads and {} recordings.",
            pruned.payloads, pruned.recordings
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

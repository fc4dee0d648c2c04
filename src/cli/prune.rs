//! `opspilot prune`: erases what has been kept for long enough, or what one user did.

use std::io::{self, Write};
use std::process::ExitCode;

use super::{ConfigArg, keeper, print, table};
use crate::domain::Name;
use crate::store::Pruned;

/// Arguments of `opspilot prune`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Keep what is not older than so many days [default: with --user nothing, otherwise what the configuration says]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(0..=36_500))]
    keep_days: Option<u32>,
    /// Erase only what this user did; without --keep-days, forget the user: tokens and ratings go too
    #[arg(long, value_name = "USER")]
    user: Option<Name>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

/// Erases, by the daemon where one serves, and says how much that was.
///
/// # Errors
/// The configuration cannot be read, the record not be written, or something is being erased already.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let pruned = keeper(&args.config.load()?).prune(args.keep_days, args.user)?;
    print(|out| {
        if args.json {
            table::json(out, &pruned)
        } else {
            report(out, &pruned)
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

fn report(out: &mut dyn Write, pruned: &Pruned) -> io::Result<()> {
    writeln!(
        out,
        "Erased {} payloads and {} recordings.",
        pruned.payloads, pruned.recordings
    )?;
    if let Some(place) = &pruned.waits_for {
        writeln!(
            out,
            "What else is old enough stays until it is shipped to {place}, or that is configured no longer."
        )?;
    }
    if pruned.answers_left > 0 {
        writeln!(
            out,
            "{} commands of others still name this user as who answered for them; that goes with these commands.",
            pruned.answers_left
        )?;
    }
    Ok(())
}

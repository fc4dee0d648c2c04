//! `opspilot backup`: a copy of the record, also while the daemon writes it.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use super::{ConfigArg, print};
use crate::store::{Existing, Reader};

/// Arguments of `opspilot backup`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The copy; it appears when it is whole and checked, and only its owner can read it
    #[arg(id = "copy", value_name = "FILE")]
    file: PathBuf,
    /// Replace FILE where it exists
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    config: ConfigArg,
}

/// Copies the record and checks the copy.
///
/// # Errors
/// A configuration or record that cannot be read, a copy that cannot be written or is not sound.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    let existing = if args.force { Existing::Replace } else { Existing::Keep };
    let reader = Reader::open(&config.store.path)?;
    let done = reader.back_up(&args.file, existing, show_progress());
    let done = done.map_err(|error| anyhow::anyhow!("cannot back up to {}: {error}", args.file.display()))?;
    print(|out| {
        let (file, key) = (args.file.display(), config.store.path.with_file_name("record.key"));
        writeln!(
            out,
            "{file}: {} bytes, {} events, head {}",
            done.bytes, done.events, done.head
        )?;
        writeln!(
            out,
            "the key of the MACs is not in it; keep {} elsewhere",
            key.display()
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

/// A percentage on a terminal, drawn over in place; nothing elsewhere.
fn show_progress() -> impl FnMut(u64, u64) {
    let mut shown = None;
    move |done, total| {
        let percent = (done * 100).checked_div(total).unwrap_or(100);
        if shown != Some(percent) && io::stderr().is_terminal() {
            shown = Some(percent);
            let end = if done == total { "\n" } else { "" };
            // Nobody needs it: a terminal that is gone is no reason to stop.
            write!(io::stderr(), "\rcopied: {percent} %{end}").unwrap_or_default();
        }
    }
}

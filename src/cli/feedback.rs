//! `opspilot feedback`: how a command turned out.

use std::process::ExitCode;

use super::{ConfigArg, keeper, print};
use crate::control::Request;
use crate::domain::{CommandId, Rating};

/// Arguments of `opspilot feedback`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The command's number, as `opspilot log` lists it
    id: i64,
    /// How it turned out: a number from 1 (it did harm) to 5 (all was well)
    #[arg(long, value_name = "1..5")]
    rating: Rating,
    /// What there is to say besides; secrets that are recognised are not recorded
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    #[command(flatten)]
    config: ConfigArg,
}

/// Rates a command, by the daemon where one serves.
///
/// # Errors
/// The configuration or the record cannot be read, or there is no such command.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args {
        id,
        rating,
        comment,
        config,
    } = args;
    let request = Request::Feedback {
        id: CommandId(id),
        rating,
        comment,
    };
    keeper(&config.load()?).ask(&request)?;
    print(|out| writeln!(out, "command {id} is rated {rating}"))?;
    Ok(ExitCode::SUCCESS)
}

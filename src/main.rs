//! The opspilot binary: arguments to `cli`, errors to standard error.

use std::process::ExitCode;

use opspilot::cli::{Cli, tell};

fn main() -> ExitCode {
    match Cli::from_arguments() {
        Ok(cli) => cli.run().unwrap_or_else(|error| {
            tell(&format!("{error:#}"));
            ExitCode::FAILURE
        }),
        Err(code) => code,
    }
}

//! The opspilot binary: arguments to `cli`, errors to standard error.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    opspilot::cli::Cli::parse().run().unwrap_or_else(|error| {
        // Nobody is left to tell when standard error is closed; the exit code still says it.
        writeln!(std::io::stderr().lock(), "opspilot: {error:#}").unwrap_or_default();
        ExitCode::FAILURE
    })
}

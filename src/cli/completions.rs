//! `opspilot completions`.

use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::Shell;

/// Arguments of `opspilot completions`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell to complete in
    shell: Shell,
}

/// Prints the completion script.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "opspilot", &mut script);
    super::print(|out| out.write_all(&script))?;
    Ok(ExitCode::SUCCESS)
}

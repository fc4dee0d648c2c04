//! The face on the command line: one file a subcommand, no logic.

#![allow(
    clippy::needless_pass_by_value,
    reason = "a subcommand takes its arguments over, whatever it does with them"
)]

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::{self, Config, ConfigErrors};
use crate::control::{Keeper, Retention};
use crate::domain::printable;
use crate::helper;

pub mod backup;
pub mod check;
pub mod client_config;
pub mod completions;
pub mod demo;
pub mod export;
pub mod feedback;
pub mod init;
mod keys;
mod listing;
pub mod log;
mod log_lines;
pub mod manual;
pub mod model;
mod plain;
pub mod policy;
pub mod prune;
pub mod replay;
pub mod score;
pub mod serve;
pub mod sessions;
mod shipped;
pub mod show;
pub mod stats;
mod table;
pub mod token;
mod upkeep;
pub mod verify;

/// A transparent SSH bastion that scores every command, asks before the dangerous ones, and records their whole life.
#[derive(Debug, clap::Parser)]
#[command(name = "opspilot", version, about, max_term_width = 120)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Run the daemon
    Serve(serve::Args),
    /// Validate the configuration and everything that it names
    Check(check::Args),
    /// Write a working configuration with its keys
    Init(init::Args),
    /// Try it: a bastion and a target on loopback, nothing to prepare
    Demo(demo::Args),
    /// Say how dangerous a command is
    Score(score::Args),
    /// Say what the policy makes of a command
    Policy(policy::Args),
    /// List commands, newest first
    Log(log::Args),
    /// Show one command's whole life
    Show(show::Args),
    /// Say how a command turned out
    Feedback(feedback::Args),
    /// List sessions
    Sessions(sessions::Args),
    /// Say in numbers what the record says
    Stats(stats::Args),
    /// Write commands to a file, for spreadsheets and for training
    Export(export::Args),
    /// Copy the record to a file, also while the daemon writes it
    Backup(backup::Args),
    /// Play the recording of a terminal
    Replay(replay::Args),
    /// Hold the record against itself: chain, signatures, tables, recordings
    Verify(verify::Args),
    /// Erase what has been kept for long enough, or what one user did
    Prune(prune::Args),
    /// Say which model scores, install another, roll back
    Model(model::Args),
    /// Say who may use the HTTP API
    Token(token::Args),
    /// Print what an engineer puts in `ssh_config` and `known_hosts`
    ClientConfig(client_config::Args),
    /// Print a completion script
    Completions(completions::Args),
    /// Write the pages for `man` and the completion scripts that a package has
    #[command(hide = true)]
    Manual(manual::Args),
    /// What the daemon starts to have workers started
    #[command(hide = true, name = helper::SUPERVISOR)]
    Supervisor,
    /// What reads hostile texts for the daemon
    #[command(hide = true, name = helper::WORKER)]
    Worker,
}

impl Cli {
    /// What the program was called with; otherwise why it does nothing is said, and how it exits is the error.
    ///
    /// # Errors
    /// The exit code where help was asked for (0) or the arguments cannot be understood (2).
    pub fn from_arguments() -> Result<Self, ExitCode> {
        <Self as clap::Parser>::try_parse().map_err(|error| {
            if error.use_stderr() {
                // The arguments may be another's text, and the error quotes them.
                let text = error.render().to_string();
                write!(io::stderr().lock(), "{}", printable(&text)).unwrap_or_default();
            } else {
                error.print().unwrap_or_default();
            }
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        })
    }

    /// Runs the subcommand.
    ///
    /// # Errors
    /// What kept the subcommand from doing its work, in words for the user.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Serve(args) => serve::run(args),
            Command::Check(args) => check::run(args),
            Command::Init(args) => init::run(args),
            Command::Demo(args) => demo::run(args),
            Command::Score(args) => score::run(args),
            Command::Policy(args) => policy::run(args),
            Command::Log(args) => log::run(args),
            Command::Show(args) => show::run(args),
            Command::Feedback(args) => feedback::run(args),
            Command::Sessions(args) => sessions::run(args),
            Command::Stats(args) => stats::run(args),
            Command::Export(args) => export::run(args),
            Command::Backup(args) => backup::run(args),
            Command::Replay(args) => replay::run(args),
            Command::Verify(args) => verify::run(args),
            Command::Prune(args) => prune::run(args),
            Command::Model(args) => model::run(args),
            Command::Token(args) => token::run(args),
            Command::ClientConfig(args) => client_config::run(args),
            Command::Completions(args) => completions::run(args),
            Command::Manual(args) => manual::run(args),
            Command::Supervisor => Ok(helper::supervise().map(|()| ExitCode::SUCCESS)?),
            Command::Worker => Ok(helper::work().map(|()| ExitCode::SUCCESS)?),
        }
    }
}

/// `-c FILE`, as every subcommand that reads the configuration takes it.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArg {
    /// The configuration; default: config/opspilot.toml here, then /etc/opspilot/opspilot.toml
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    file: Option<PathBuf>,
}

impl ConfigArg {
    /// The file that is meant.
    pub(crate) fn locate(&self) -> Result<PathBuf, ConfigErrors> {
        config::locate(self.file.as_deref())
    }

    /// Its settings.
    pub(crate) fn load(&self) -> Result<Config, ConfigErrors> {
        Config::load(&self.locate()?)
    }
}

/// Whoever can change the record now.
pub(crate) fn keeper(config: &Config) -> Keeper {
    Keeper::new(&config.server.state_dir, &config.store.path, Retention::of(config))
}

/// Writes text to standard output, in which nothing acts on a terminal; a reader who has seen enough (`| head`) is no error.
pub(crate) fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    print_as_it_is(|out| write(&mut plain::Plain::new(out)))
}

/// As [`print`], for what draws and escapes what others wrote itself.
fn print_as_it_is(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Says something on standard error, on lines that nothing in `text` adds to. Nobody is left to tell where that is closed.
pub fn tell(text: &str) {
    writeln!(io::stderr().lock(), "opspilot: {}", printable(text)).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}

//! `opspilot manual`: what a package has for `man` and for shells, from the definition of the command line itself.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;

/// The shells that find completions in files of packages.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// Arguments of `opspilot manual`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The directory to write into; it is made where it is missing
    dir: PathBuf,
}

/// Writes a page for the program and for each subcommand, and a completion script for each shell.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let cannot = || format!("cannot write into {}", args.dir.display());
    fs::create_dir_all(&args.dir).with_context(cannot)?;
    clap_mangen::generate_to(super::Cli::command(), &args.dir).with_context(cannot)?;
    for shell in SHELLS {
        clap_complete::generate_to(shell, &mut super::Cli::command(), "opspilot", &args.dir).with_context(cannot)?;
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subcommand_that_is_shown_has_a_page_and_is_completed() {
        let dir = tempfile::tempdir().unwrap();
        let pages = dir.path().join("made/here");
        run(Args { dir: pages.clone() }).unwrap();
        let read = |name: &str| fs::read_to_string(pages.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let scripts = ["opspilot.bash", "_opspilot", "opspilot.fish"].map(read);
        assert!(read("opspilot.1").starts_with(".ie"));
        for command in super::super::Cli::command().get_subcommands() {
            let name = command.get_name();
            let page = pages.join(format!("opspilot-{name}.1"));
            assert_eq!(page.exists(), !command.is_hide_set(), "{name}");
            let is_completed = scripts.iter().all(|script| script.contains(name));
            assert!(is_completed || command.is_hide_set(), "{name}");
        }
    }
}

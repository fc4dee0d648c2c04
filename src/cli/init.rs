//! `opspilot init`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use answers::{Answers, Given};
use files::{Layout, Made};

mod answers;
mod files;
mod scan;

/// Arguments of `opspilot init`; what is not given is asked for, on a terminal.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The directory to write to; nothing in it is overwritten
    dir: PathBuf,
    #[command(flatten)]
    given: Given,
}

/// Writes a configuration that works, with its keys, and says what comes next.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let layout = Layout::new(&args.dir)?;
    layout.refuse_existing()?;
    let answers = answers::complete(args.given)?;
    let made = files::write(&layout, &answers)?;
    let steps = next_steps(&layout.config, &answers, &made);
    super::print(|out| out.write_all(steps.as_bytes()))?;
    Ok(ExitCode::SUCCESS)
}

fn next_steps(config: &Path, answers: &Answers, made: &Made) -> String {
    let Answers {
        user,
        target,
        address,
        login,
        listen,
        public_name,
        ..
    } = answers;
    let (config, identity) = (config.display(), made.identity.display());
    let (host, port) = (&address.host, address.port);
    format!(
        "Wrote {config}.\n\n\
         1. Let the bastion into {target}: add this line to ~{login}/.ssh/authorized_keys there\n   \
            (or run: ssh-copy-id -f -i {identity}.pub -p {port} {login}@{host}):\n\n{line}\n\n\
         2. Start it:\n\n   opspilot check -c {config}\n   opspilot serve -c {config}\n\n\
         3. Use it:\n\n   ssh -p {bastion_port} {user}@{target}@{public_name}\n\n   \
            `opspilot client-config -c {config}` prints its host key for known_hosts.\n",
        line = made.identity_line,
        bastion_port = listen.port(),
    )
}

//! `opspilot demo`: a bastion and a target on loopback, with nothing to prepare.
//!
//! Everything is real but the target: an SSH server within this process that runs the local shell in a directory of the
//! demo's own. Configuration, keys and record lie in that directory too.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::serve::{self, LogFormat};
use crate::gate::Gate;
use crate::gateway::{Gateway, Inherited, Stop};

use scratch::Scratch;
use stage::{Stage, TargetParts};
use target::Target;

mod client;
mod program;
mod rows;
mod scratch;
mod script;
mod session;
mod signals;
mod stage;
mod target;

/// Arguments of `opspilot demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Play a fixed run without a terminal, print each step and the rows it made, and exit 1 if any is not what it should be
    #[arg(long)]
    script: bool,
    /// Keep everything in this directory, which must be empty or not there yet; without it, a temporary one is used
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Plays the demo.
///
/// # Errors
/// What the demo needs cannot be made, or the bastion cannot start.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    serve::start_log(LogFormat::Text, "off")?;
    let scratch = Scratch::new(args.dir.as_deref())?;
    let (stage, parts) = Stage::set(scratch.path())?;
    let gate = serve::open_gate(&stage.config)?;
    let record = gate.engine().config.store.path.clone();
    let act = if args.script { Act::Script } else { Act::Session };
    let played = Runtime::new()
        .context("cannot start the runtime")?
        .block_on(play(act, &stage, parts, gate));
    let commands = rows::read(&record)?;
    rows::print(&commands)?;
    played?;
    match act {
        Act::Session => session::say_goodbye(&stage, &scratch)?,
        Act::Script => return Ok(script::judge(&commands)?),
    }
    Ok(ExitCode::SUCCESS)
}

/// What happens between the bastion's start and its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Script,
    Session,
}

async fn play(act: Act, stage: &Stage, parts: TargetParts, gate: Arc<Gate>) -> anyhow::Result<()> {
    let target = Target::start(parts).context("cannot start the target")?;
    let gateway = Gateway::bind(gate.clone(), &mut Inherited::default()).await?;
    let stop = Stop::default();
    let serving = tokio::spawn(gateway.serve(stop.clone()));
    let acted = tokio::select! {
        acted = perform(act, stage) => acted,
        interrupted = interrupted() => interrupted.and_then(|()| match act {
            Act::Script => anyhow::bail!("interrupted"),
            Act::Session => Ok(()),
        }),
    };
    stop.drain.cancel();
    serving.await.context("the bastion failed")?;
    gate.close().await;
    target.stop().await;
    acted
}

async fn perform(act: Act, stage: &Stage) -> anyhow::Result<()> {
    match act {
        Act::Script => script::play(stage).await,
        Act::Session => session::host(stage).await,
    }
}

/// Returns at ^C or when the process is asked to end.
async fn interrupted() -> anyhow::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

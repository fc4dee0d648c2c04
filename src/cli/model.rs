//! `opspilot model`: which forest scores, another one in its place, and back; and the training of another.

mod learned;
mod train;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Map, Value};

use super::{ConfigArg, print, table};
use crate::config::{self, Config};
use crate::domain::printable_line;
use crate::learning::{ModelStatus, Source};
use crate::risk::{Installed, InstalledModel};

/// What makes a daemon that runs take the model that is in force.
const TELL_THE_DAEMON: &str = "a daemon that runs takes it at its next SIGHUP: systemctl reload opspilot";

/// Arguments of `opspilot model`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Say which model the daemon takes at its next start or SIGHUP, and whether it can be used
    Status {
        /// Print a JSON object
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Verify a model and put it in force
    Install {
        /// The model; its card lies beside it (same name, .json)
        #[arg(value_name = "FILE")]
        model: PathBuf,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Train the forest anew on what is recorded, and put it in force where it is better
    Train(train::Args),
    /// Take the model that was installed last out of force
    Rollback {
        #[command(flatten)]
        config: ConfigArg,
    },
}

/// Runs `opspilot model`; exits with 1 where the model in force cannot be used. ARCHITECTURE.md lists how `train` exits.
///
/// # Errors
/// A configuration or directory that cannot be used, a model that is refused.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::Status { json, config } => tell(&config.load()?, json),
        Action::Train(args) => train::run(&args),
        Action::Install { model, config } => install(&config.load()?, &model),
        Action::Rollback { config } => roll_back(&config.load()?),
    }
}

fn install(config: &Config, file: &Path) -> anyhow::Result<ExitCode> {
    let InstalledModel { number, .. } = installed(&config.risk)?.install(file)?;
    print(|out| {
        writeln!(out, "installed as number {number}; {TELL_THE_DAEMON}")?;
        if config.risk.model.is_none() {
            writeln!(out, "risk.model is \"\" in the configuration, so rules alone score")?;
        }
        Ok(())
    })?;
    tell(config, false)
}

fn roll_back(config: &Config) -> anyhow::Result<ExitCode> {
    let InstalledModel { number, .. } = installed(&config.risk)?.roll_back()?;
    print(|out| writeln!(out, "number {number} is rolled back; {TELL_THE_DAEMON}"))?;
    tell(config, false)
}

fn installed(settings: &config::Risk) -> anyhow::Result<Installed> {
    let dir = settings.installed.as_deref();
    dir.map(Installed::new)
        .ok_or_else(|| anyhow::anyhow!("no directory for installed models is configured"))
}

fn tell(config: &Config, json: bool) -> anyhow::Result<ExitCode> {
    let status = ModelStatus::find(config)?;
    print(|out| {
        if json {
            table::json(out, &status)
        } else {
            list(out, &status)
        }
    })?;
    Ok(if status.error.is_none() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn list(out: &mut dyn Write, status: &ModelStatus) -> io::Result<()> {
    for (name, value) in lines(status) {
        writeln!(out, "{name:<12} {}", printable_line(&value))?;
    }
    Ok(())
}

/// Names and values, as far as they are known.
fn lines(status: &ModelStatus) -> Vec<(&'static str, String)> {
    let known = [
        ("model", Some(model(status))),
        ("digest", status.digest.clone()),
        ("installed", status.installed_at.clone()),
        ("features", features(status)),
        ("trained on", numbers(&status.training, &["commands", "rows"])),
        ("metrics", numbers(&status.metrics, &["accuracy", "macro_f1", "brier"])),
        ("flagging", flagging(status)),
        ("before it", before(status)),
        ("warning", status.warning.clone()),
        ("unusable", status.error.clone()),
        ("record", status.record_error.clone()),
    ];
    let learned = status.learning.as_ref().map(learned::lines).unwrap_or_default();
    let lines = known.into_iter().chain(learned);
    lines.filter_map(|(name, value)| Some((name, value?))).collect()
}

/// What the card says of high and critical together.
fn flagging(status: &ModelStatus) -> Option<String> {
    numbers(status.metrics.get("flagged")?.as_object()?, &["precision", "recall"])
}

fn model(status: &ModelStatus) -> String {
    let path = status.path.as_deref().unwrap_or(Path::new("")).display();
    match (status.source, status.number) {
        (Source::None, _) => "none: rules alone score, as the configuration says".to_owned(),
        (_, Some(number)) => format!("number {number}, installed: {path}"),
        (_, None) => format!("the one of the configuration: {path}"),
    }
}

fn features(status: &ModelStatus) -> Option<String> {
    let digest: String = status.feature_digest.as_ref()?.chars().take(12).collect();
    let fit = if status.features_fit? { "fit" } else { "do not fit" };
    Some(format!("{digest}: {fit} this program"))
}

fn before(status: &ModelStatus) -> Option<String> {
    status.number?;
    let numbers = status.earlier.iter().map(|number| format!("number {number}, "));
    Some(numbers.collect::<String>() + "the one of the configuration")
}

/// Those of the named facts that are numbers.
fn numbers(facts: &Map<String, Value>, names: &[&str]) -> Option<String> {
    let known = names.iter().filter_map(|name| {
        let number = facts.get(*name).filter(|value| value.is_number())?;
        Some(format!("{} {number}", name.replace('_', " ")))
    });
    let listed: Vec<String> = known.collect();
    (!listed.is_empty()).then(|| listed.join(", "))
}

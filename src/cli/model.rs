//! `opspilot model`: which forest scores, another one in its place, and back.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{ConfigArg, print, table};
use crate::config;
use crate::domain::printable_line;
use crate::risk::{
    ForestError, InstallError, Installed, InstalledModel, ModelFiles, ModelInForce, features, model_in_force,
    stray_models, verify,
};

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
    /// Take the model that was installed last out of force
    Rollback {
        #[command(flatten)]
        config: ConfigArg,
    },
}

/// Runs `opspilot model`; exits with 1 where the model in force cannot be used.
///
/// # Errors
/// A configuration or directory that cannot be used, a model that is refused.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::Status { json, config } => tell(&config.load()?.risk, json),
        Action::Install { model, config } => install(&config.load()?.risk, &model),
        Action::Rollback { config } => roll_back(&config.load()?.risk),
    }
}

fn install(settings: &config::Risk, file: &Path) -> anyhow::Result<ExitCode> {
    let InstalledModel { number, .. } = installed(settings)?.install(file)?;
    print(|out| {
        writeln!(out, "installed as number {number}; {TELL_THE_DAEMON}")?;
        if settings.model.is_none() {
            writeln!(out, "risk.model is \"\" in the configuration, so rules alone score")?;
        }
        Ok(())
    })?;
    tell(settings, false)
}

fn roll_back(settings: &config::Risk) -> anyhow::Result<ExitCode> {
    let InstalledModel { number, .. } = installed(settings)?.roll_back()?;
    print(|out| writeln!(out, "number {number} is rolled back; {TELL_THE_DAEMON}"))?;
    tell(settings, false)
}

fn installed(settings: &config::Risk) -> anyhow::Result<Installed> {
    let dir = settings.installed.as_deref();
    dir.map(Installed::new)
        .ok_or_else(|| anyhow::anyhow!("no directory for installed models is configured"))
}

fn tell(settings: &config::Risk, json: bool) -> anyhow::Result<ExitCode> {
    let status = Status::find(settings)?;
    print(|out| {
        if json {
            table::json(out, &status)
        } else {
            status.list(out)
        }
    })?;
    Ok(if status.error.is_none() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Where the model in force comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Source {
    Installed,
    Configured,
    None,
}

/// What is known of the model in force; what is not known is null.
#[derive(Debug, Serialize)]
struct Status {
    source: Source,
    number: Option<u32>,
    path: Option<PathBuf>,
    digest: Option<String>,
    installed_at: Option<String>,
    feature_digest: Option<String>,
    features_fit: Option<bool>,
    /// What lies among the installed models and is none.
    warning: Option<String>,
    /// Why it cannot be used.
    error: Option<String>,
    training: Map<String, Value>,
    metrics: Map<String, Value>,
    /// The numbers that rolling back leads to, the next one first; the configured model comes after them.
    earlier: Vec<u32>,
}

impl Status {
    fn find(settings: &config::Risk) -> Result<Self, InstallError> {
        let Some(model) = model_in_force(settings)? else {
            return Ok(Self::new(Source::None));
        };
        let installed = settings.installed.as_deref().map(Installed::new);
        let mut all = installed.map_or(Ok(Vec::new()), |installed| installed.all())?;
        let newest = all.pop().filter(|newest| Some(newest.number) == model.number);
        let source = model.number.map_or(Source::Configured, |_| Source::Installed);
        Ok(Self {
            installed_at: newest.and_then(|newest| installed_at(&newest)),
            warning: stray_models(settings)?.last().map(InstalledModel::why_stray),
            earlier: all.iter().rev().map(|model| model.number).collect(),
            ..Self::new(source).with(model)
        })
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            number: None,
            path: None,
            digest: None,
            installed_at: None,
            feature_digest: None,
            features_fit: None,
            warning: None,
            error: None,
            training: Map::new(),
            metrics: Map::new(),
            earlier: Vec::new(),
        }
    }

    fn with(self, model: ModelInForce) -> Self {
        let read = ModelFiles::read(&model.path);
        let status = Self {
            number: model.number,
            path: Some(model.path),
            error: read.as_ref().err().map(ForestError::to_string),
            ..self
        };
        match read {
            Ok(files) => status.with_files(&files),
            Err(_) => status,
        }
    }

    fn with_files(self, files: &ModelFiles) -> Self {
        let facts = files.facts();
        let fit = facts
            .features
            .digest
            .as_deref()
            .map(|digest| digest == features::digest());
        Self {
            digest: Some(files.digest()),
            feature_digest: facts.features.digest,
            features_fit: fit,
            error: verify(files).err().map(|error| error.to_string()),
            training: facts.training,
            metrics: facts.metrics,
            ..self
        }
    }

    fn list(&self, out: &mut dyn Write) -> io::Result<()> {
        for (name, value) in self.lines() {
            writeln!(out, "{name:<10} {}", printable_line(&value))?;
        }
        Ok(())
    }

    /// Names and values, as far as they are known.
    fn lines(&self) -> Vec<(&'static str, String)> {
        let known = [
            ("model", Some(self.model())),
            ("digest", self.digest.clone()),
            ("installed", self.installed_at.clone()),
            ("features", self.features()),
            ("trained on", numbers(&self.training, &["commands", "rows"])),
            ("metrics", numbers(&self.metrics, &["accuracy", "macro_f1", "brier"])),
            ("before it", self.before()),
            ("warning", self.warning.clone()),
            ("unusable", self.error.clone()),
        ];
        let lines = known.into_iter().filter_map(|(name, value)| Some((name, value?)));
        lines.collect()
    }

    fn model(&self) -> String {
        let path = self.path.as_deref().unwrap_or(Path::new("")).display();
        match (self.source, self.number) {
            (Source::None, _) => "none: rules alone score, as the configuration says".to_owned(),
            (_, Some(number)) => format!("number {number}, installed: {path}"),
            (_, None) => format!("the one of the configuration: {path}"),
        }
    }

    fn features(&self) -> Option<String> {
        let digest: String = self.feature_digest.as_ref()?.chars().take(12).collect();
        let fit = if self.features_fit? { "fit" } else { "do not fit" };
        Some(format!("{digest}: {fit} this program"))
    }

    fn before(&self) -> Option<String> {
        self.number?;
        let numbers = self.earlier.iter().map(|number| format!("number {number}, "));
        Some(numbers.collect::<String>() + "the one of the configuration")
    }
}

fn installed_at(model: &InstalledModel) -> Option<String> {
    let at = Timestamp::try_from(model.installed_at()?).ok()?;
    Some(at.to_string())
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

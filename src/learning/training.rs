//! One training from the first row to the record of its end.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::child::{Trainer, TrainerError};
use super::job::{self, Job};
use super::measured::{Measured, Trained};
use super::promotion::objections;
use super::queue::Request;
use crate::config::Config;
use crate::risk::{ForestError, InstallError, Installed, ModelFiles, ModelInForce, model_in_force, verify};
use crate::store::{Reader, StoreError, TrainingEnd, TrainingOutcome};

/// The files of one training.
const ROWS: &str = "rows.jsonl";
const JOB: &str = "job.json";
const OUTCOME: &str = "outcome.json";
const MODEL: &str = "risk.onnx";
/// Largest outcome that is read, in bytes: with the rest of what is recorded, a daemon still takes it as one request.
const MAX_OUTCOME_BYTES: u64 = 32 * 1024;
/// Longest reason that is recorded, in characters.
const MAX_REASON: usize = 2_000;

/// What is to be trained, and what may be done with it.
#[derive(Debug)]
pub struct Order<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// What was asked for.
    pub request: Request,
    /// Whether a better model is put in force; otherwise it is kept.
    pub may_install: bool,
    /// Whether a small part of the corpus and few trees will do: for tests.
    pub quick: bool,
}

/// Why no training came about or to an end.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// Another training runs.
    #[error("another training is running; wait for it, or queue a request")]
    Busy,
    /// The configuration wants no forest.
    #[error("risk.model is \"\" in the configuration: rules alone score, and there is nothing to be better than")]
    RulesOnly,
    /// The model in force cannot be used.
    #[error("the model in force cannot be used: {0}")]
    Champion(#[from] ForestError),
    /// The trainer did not do its work.
    #[error(transparent)]
    Trainer(#[from] TrainerError),
    /// What the trainer left cannot be read.
    #[error("the trainer left no outcome that can be read: {0}")]
    Outcome(String),
    /// Models cannot be found or installed.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// The record cannot be read.
    #[error(transparent)]
    Record(#[from] StoreError),
    /// The place of the training cannot be used.
    #[error("cannot use {}: {cause}", path.display())]
    Directory {
        /// The directory or file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

/// Where trainings take place: below the state directory.
pub(super) fn place(state_dir: &Path) -> PathBuf {
    state_dir.join("training")
}

/// Trains once, and puts the model in force where it is better and may be; `tell` hears how far it is.
///
/// What is given back is to be recorded. Only a training that could not even begin is an error.
///
/// # Errors
/// [`TrainError::Busy`] and [`TrainError::Directory`].
pub async fn train(order: &Order<'_>, tell: &mut dyn FnMut(&str)) -> Result<Training, TrainError> {
    let site = Site::enter(&place(&order.config.server.state_dir))?;
    let started_at = Timestamp::now();
    let mut facts = Facts::default();
    let ended = run(order, &site, started_at, &mut facts, tell).await;
    if let Err(error) = site.tidy() {
        tell(&format!("what the training left holds commands of the record: {error}"));
    }
    let (end, error) = match ended {
        Ok(end) => (end, None),
        Err(error) => (End::new(TrainingOutcome::Failed, error.to_string()), Some(error)),
    };
    Ok(Training {
        end: facts.into_end(order, started_at, &end),
        error,
    })
}

/// A training that has ended.
#[derive(Debug)]
pub struct Training {
    /// What is to be recorded of it.
    pub end: TrainingEnd,
    /// Why it failed, where it did.
    pub error: Option<TrainError>,
}

impl Training {
    /// Takes the model out of force again, where it was put in force.
    ///
    /// # Errors
    /// As [`Installed::roll_back`].
    pub fn take_back(&self, config: &Config) -> Result<(), InstallError> {
        let installed = config.risk.installed.as_deref();
        if let Some(dir) = installed.filter(|_| self.end.outcome == TrainingOutcome::Installed) {
            Installed::new(dir).roll_back()?;
        }
        Ok(())
    }
}

/// How it ended, and why.
struct End {
    outcome: TrainingOutcome,
    reason: String,
}

impl End {
    fn new(outcome: TrainingOutcome, reason: impl Into<String>) -> Self {
        Self {
            outcome,
            reason: reason.into(),
        }
    }
}

/// What is known of a training, as far as it came.
#[derive(Default)]
struct Facts {
    rows_read: u64,
    samples: u64,
    positives: Option<u64>,
    metrics: Option<Value>,
    champion_digest: Option<String>,
    model_digest: Option<String>,
}

impl Facts {
    fn into_end(self, order: &Order<'_>, started_at: Timestamp, end: &End) -> TrainingEnd {
        TrainingEnd {
            started_at,
            finished_at: Timestamp::now(),
            requested_by: order.request.requested_by.clone(),
            outcome: end.outcome,
            reason: end.reason.chars().take(MAX_REASON).collect(),
            rows_read: self.rows_read,
            samples: self.samples,
            positives: self.positives,
            metrics: self.metrics,
            champion_digest: self.champion_digest,
            model_digest: self.model_digest,
        }
    }
}

async fn run(
    order: &Order<'_>,
    site: &Site,
    started_at: Timestamp,
    facts: &mut Facts,
    tell: &mut dyn FnMut(&str),
) -> Result<End, TrainError> {
    let champion = champion(order, facts)?;
    let since = started_at - SignedDuration::from_hours(24 * i64::from(order.request.days));
    facts.rows_read = {
        let reader = Reader::open(&order.config.store.path)?;
        job::write_rows(&reader, since, &site.file(ROWS))?
    };
    tell(&format!(
        "{} commands of the last {} days were scored by this program's features",
        facts.rows_read, order.request.days
    ));
    let least = order.request.min_samples;
    if facts.rows_read < u64::from(least) {
        let reason = format!("the record has {} such commands; {least} are needed", facts.rows_read);
        return Ok(End::new(TrainingOutcome::TooFew, reason));
    }
    site.write_job(order, &champion, started_at)?;
    let trainer = Trainer {
        dir: &order.config.learning.trainer,
        work: &site.work,
        timeout: order.config.learning.timeout,
    };
    trainer.run(&site.file(JOB), tell).await?;
    let (measured, metrics) = site.outcome()?;
    facts.metrics = Some(metrics);
    judge(order, site, facts, measured)
}

fn champion(order: &Order<'_>, facts: &mut Facts) -> Result<ModelInForce, TrainError> {
    let champion = model_in_force(&order.config.risk)?.ok_or(TrainError::RulesOnly)?;
    let files = ModelFiles::read(&champion.path)?;
    facts.champion_digest = Some(files.digest());
    verify(&files)?;
    Ok(champion)
}

fn judge(order: &Order<'_>, site: &Site, facts: &mut Facts, measured: Measured) -> Result<End, TrainError> {
    let mut count = |rows: super::measured::Rows| (facts.rows_read, facts.samples) = (rows.read, rows.labelled);
    match measured {
        Measured::TooFew { reason, rows } => {
            count(rows);
            Ok(End::new(TrainingOutcome::TooFew, reason))
        }
        Measured::OneClass { reason, rows } => {
            count(rows);
            Ok(End::new(TrainingOutcome::OneClass, reason))
        }
        Measured::Unproved { reason } => Ok(End::new(TrainingOutcome::Failed, reason)),
        Measured::Trained(trained) => {
            count(trained.rows);
            promote(order, site, facts, &trained)
        }
    }
}

/// Keeps the model, and puts it in force where it is better and may be.
fn promote(order: &Order<'_>, site: &Site, facts: &mut Facts, trained: &Trained) -> Result<End, TrainError> {
    facts.positives = Some(trained.positives);
    let files = ModelFiles::read(&site.file(MODEL))?;
    if files.digest() != trained.model_digest {
        return Err(TrainError::Outcome(
            "it speaks of another model than it left".to_owned(),
        ));
    }
    verify(&files)?;
    facts.model_digest = Some(files.digest());
    let kept = site.keep(&files)?;
    let against = objections(trained);
    if !against.is_empty() {
        return Ok(End::new(TrainingOutcome::Rejected, against.join("; ")));
    }
    let installed = order.config.risk.installed.as_deref().filter(|_| order.may_install);
    let Some(dir) = installed else {
        let reason = format!("it is better, and kept as {}", kept.display());
        return Ok(End::new(TrainingOutcome::Kept, reason));
    };
    let number = Installed::new(dir).install(&kept)?.number;
    Ok(End::new(
        TrainingOutcome::Installed,
        format!("it is better, and installed as number {number}"),
    ))
}

/// The place of one training, which nobody else enters meanwhile.
struct Site {
    /// Where everything of this training lies.
    work: PathBuf,
    /// Where the last model that was trained is kept, whatever became of it.
    candidate: PathBuf,
    /// Held until dropped.
    _lock: File,
}

impl Site {
    /// Enters the place; what an earlier training left there, which a crash may have ended, is removed.
    fn enter(place: &Path) -> Result<Self, TrainError> {
        let failed = |cause| TrainError::Directory {
            path: place.to_owned(),
            cause,
        };
        make_private(place).map_err(failed)?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(place.join("lock"))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(TrainError::Busy),
            Err(TryLockError::Error(cause)) => return Err(failed(cause)),
        }
        let site = Self {
            work: place.join("work"),
            candidate: place.join("candidate"),
            _lock: lock,
        };
        site.tidy()?;
        make_private(&site.work).map_err(failed)?;
        Ok(site)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.work.join(name)
    }

    fn write_job(&self, order: &Order<'_>, champion: &ModelInForce, trained_at: Timestamp) -> Result<(), TrainError> {
        let config = order.config;
        let job = Job {
            rows: &self.file(ROWS),
            output: &self.work,
            champion: &champion.path,
            binary: std::env::current_exe().map_err(|cause| self.failed(cause))?,
            rules: &config.risk.rules,
            bounds: config.risk.bounds.into(),
            maintenance: &config.learning.maintenance,
            min_samples: order.request.min_samples,
            trained_at,
            quick: order.quick,
        };
        job::write(&job, &self.file(JOB)).map_err(|cause| self.failed(cause))
    }

    /// What the trainer wrote, and the same as it is recorded.
    fn outcome(&self) -> Result<(Measured, Value), TrainError> {
        let unreadable = |cause: &dyn std::fmt::Display| TrainError::Outcome(cause.to_string());
        let path = self.file(OUTCOME);
        let size = fs::metadata(&path).map_err(|cause| unreadable(&cause))?.len();
        if size > MAX_OUTCOME_BYTES {
            return Err(unreadable(&format!("it has {size} bytes")));
        }
        let text = fs::read(&path).map_err(|cause| unreadable(&cause))?;
        let metrics: Value = serde_json::from_slice(&text).map_err(|cause| unreadable(&cause))?;
        let measured = serde_json::from_value(metrics.clone()).map_err(|cause| unreadable(&cause))?;
        Ok((measured, metrics))
    }

    /// Keeps a model and its card in the place of the one before.
    fn keep(&self, files: &ModelFiles) -> Result<PathBuf, TrainError> {
        let kept = self.candidate.join(MODEL);
        self.replace(files, &kept).map_err(|cause| self.failed(cause))?;
        Ok(kept)
    }

    fn replace(&self, files: &ModelFiles, kept: &Path) -> io::Result<()> {
        remove(&self.candidate)?;
        make_private(&self.candidate)?;
        files.write(kept)
    }

    /// Removes what this training wrote but for the model that is kept: it holds the commands of the record.
    fn tidy(&self) -> Result<(), TrainError> {
        remove(&self.work).map_err(|cause| self.failed(cause))
    }

    fn failed(&self, cause: io::Error) -> TrainError {
        TrainError::Directory {
            path: self.work.clone(),
            cause,
        }
    }
}

fn make_private(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

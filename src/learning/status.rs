//! Which model is in force, whether it can be used, and how it does by the record.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::state::LearningState;
use crate::config::{self, Config};
use crate::risk::{
    ForestError, InstallError, Installed, InstalledModel, ModelFiles, ModelInForce, features, model_in_force,
    stray_models, verify,
};
use crate::store::{Reader, StoreError};

/// Where the model in force comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Somebody installed it.
    Installed,
    /// The configuration names it.
    Configured,
    /// There is none: rules alone score.
    None,
}

/// What is known of the model in force; what is not known is null.
#[derive(Debug, Serialize)]
pub struct ModelStatus {
    /// Where it comes from.
    pub source: Source,
    /// Its number, where it is installed.
    pub number: Option<u32>,
    /// Its file.
    pub path: Option<PathBuf>,
    /// The SHA-256 of its file.
    pub digest: Option<String>,
    /// When it was installed.
    pub installed_at: Option<String>,
    /// The digest of the features that it was trained with.
    pub feature_digest: Option<String>,
    /// Whether this program computes those.
    pub features_fit: Option<bool>,
    /// What lies among the installed models and is none.
    pub warning: Option<String>,
    /// Why it cannot be used.
    pub error: Option<String>,
    /// What its card says of its training.
    pub training: Map<String, Value>,
    /// What its card says of its quality.
    pub metrics: Map<String, Value>,
    /// The numbers that rolling back leads to, the next one first; the configured model comes after them.
    pub earlier: Vec<u32>,
    /// What the record says of it; nothing without a model.
    pub learning: Option<LearningState>,
    /// Why the record cannot be asked.
    pub record_error: Option<String>,
}

impl ModelStatus {
    /// Finds it all out. Reads files and verifies the model, which takes a while.
    ///
    /// # Errors
    /// The directory of installed models cannot be read.
    pub fn find(config: &Config) -> Result<Self, InstallError> {
        let status = Self::of_files(&config.risk)?;
        let Some(digest) = status.digest.as_deref() else {
            return Ok(status);
        };
        Ok(match learned(config, digest) {
            Ok(state) => Self {
                learning: Some(state),
                ..status
            },
            Err(error) => Self {
                record_error: Some(error.to_string()),
                ..status
            },
        })
    }

    fn of_files(settings: &config::Risk) -> Result<Self, InstallError> {
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
            learning: None,
            record_error: None,
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
}

/// What the record of a configuration says of the model with this digest.
fn learned(config: &Config, digest: &str) -> Result<LearningState, StoreError> {
    let reader = Reader::open(&config.store.path)?;
    let shadow = config.risk.shadow_model.as_deref().and_then(digest_of);
    LearningState::find(&reader, (digest, shadow.as_deref()), &config.learning, Timestamp::now())
}

/// The digest of a model's file; a shadow that cannot be read has nothing on record either.
fn digest_of(model: &Path) -> Option<String> {
    ModelFiles::read(model).ok().map(|files| files.digest())
}

fn installed_at(model: &InstalledModel) -> Option<String> {
    let at = Timestamp::try_from(model.installed_at()?).ok()?;
    Some(at.to_string())
}

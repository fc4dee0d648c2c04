//! The random forest: loaded once from ONNX and its card, then asked for every command.
//!
//! A model is data from outside: until it has been held against its card, its graph proven to be one forest and its golden
//! rows answered as the trainer saw them, nothing of it is used. Loading is slow (tens of milliseconds) and reads files;
//! asking takes microseconds, no lock and no I/O.

mod attributes;
mod calibration;
mod card;
mod files;
mod graph;
mod operator;
mod trees;

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::{bail, ensure, format_err};

use super::Prediction;
use crate::domain::Level;
use calibration::Calibration;
pub use calibration::CalibrationError;
use card::{Card, Golden};
pub use card::{CardError, Facts};
pub use files::ModelFiles;
pub(super) use files::{read_capped, write_new};
pub use graph::GraphError;
use trees::CLASSES;
pub use trees::TreesError;

/// How far a probability may be from the trainer's; training works in double precision, ONNX in single.
const TOLERANCE: f64 = 1e-5;

/// Why a model cannot be used, or a row cannot be judged. Each message says all of it, so none has a source to follow.
#[derive(Debug, thiserror::Error)]
pub enum ForestError {
    /// A file could not be read.
    #[error("cannot read {}: {cause}; train with models/train, or set risk.model = \"\" to use rules only", path.display())]
    Read {
        /// The model or its card.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// A file is larger than any model or card.
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// The model or its card.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// The card is not one, or is for another version.
    #[error("the model card {}: {cause}", path.display())]
    Card {
        /// The card.
        path: PathBuf,
        /// Why.
        cause: CardError,
    },
    /// The model is not the one that the card describes.
    #[error("{} is not the model that its card describes (SHA-256 {found}); put both files of one training in place", path.display())]
    OtherModel {
        /// The model.
        path: PathBuf,
        /// The file's digest.
        found: String,
    },
    /// The model is not a forest as the trainer exports it.
    #[error("the model {}: {cause}", path.display())]
    Model {
        /// The model.
        path: PathBuf,
        /// Why.
        cause: ModelError,
    },
    /// A row has another number of features than the model was trained on.
    #[error("{found} features instead of {expected}")]
    Length {
        /// The row's.
        found: usize,
        /// The model's.
        expected: usize,
    },
    /// A feature is not a number, or infinite.
    #[error("feature {0} is not finite")]
    NotFinite(usize),
    /// The forest did not answer with a distribution.
    #[error("the forest failed: {0}")]
    Answer(String),
}

/// Why a model's content is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// It is not ONNX.
    #[error("it is not an ONNX file ({0})")]
    NotOnnx(String),
    /// Its graph is not one forest.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// Its trees are not sound.
    #[error("TreeEnsembleClassifier: {0}")]
    Trees(TreesError),
    /// The engine cannot run it.
    #[error("the engine cannot run it: {0}")]
    Engine(String),
    /// It does not answer a golden row as the trainer saw it.
    #[error("it does not answer golden row {row} as its card says: {detail}")]
    Golden {
        /// The row, from 0.
        row: usize,
        /// What was expected and what came.
        detail: String,
    },
}

/// A forest that has proven itself.
pub struct Forest {
    plan: Arc<TypedRunnableModel>,
    calibration: Calibration,
    feature_count: usize,
    digest: String,
}

impl Forest {
    /// Loads the model at `model` and the card beside it (same name, `.json`), for a program whose features have this
    /// digest and number. Reads files and takes tens of milliseconds.
    ///
    /// # Errors
    /// A file that cannot be read or is too large, a card that does not fit the program or the model, and a model that is
    /// not one sound forest or does not answer its golden rows.
    pub fn load(model: &Path, features_digest: &str, feature_count: usize) -> Result<Self, ForestError> {
        Self::verify(&ModelFiles::read(model)?, features_digest, feature_count)
    }

    /// The forest of files that have been read, as [`Forest::load`].
    ///
    /// # Errors
    /// A card that does not fit the program or the model, and a model that is not one sound forest or does not answer its
    /// golden rows.
    pub fn verify(files: &ModelFiles, features_digest: &str, feature_count: usize) -> Result<Self, ForestError> {
        let card = Card::parse(&files.card, features_digest, feature_count).map_err(|cause| ForestError::Card {
            path: files.card_path(),
            cause,
        })?;
        let digest = files.digest();
        if digest != card.model_sha256.to_ascii_lowercase() {
            return Err(ForestError::OtherModel {
                path: files.path.clone(),
                found: digest,
            });
        }
        Self::from_bytes(&files.model, card, digest, feature_count).map_err(|cause| ForestError::Model {
            path: files.path.clone(),
            cause,
        })
    }

    /// What the forest says of a command with these features.
    ///
    /// # Errors
    /// A row of another length or with a number that is not finite; never for the program's own features.
    pub fn predict(&self, features: &[f32]) -> Result<Prediction, ForestError> {
        if features.len() != self.feature_count {
            return Err(ForestError::Length {
                found: features.len(),
                expected: self.feature_count,
            });
        }
        if let Some(index) = features.iter().position(|feature| !feature.is_finite()) {
            return Err(ForestError::NotFinite(index));
        }
        let votes = guarded(|| self.votes(features)).map_err(ForestError::Answer)?;
        Ok(most_probable(self.calibration.apply(votes)))
    }

    /// SHA-256 of the model's file, in hexadecimal.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The classes, in the order of [`Prediction::probabilities`].
    #[must_use]
    pub const fn classes(&self) -> &'static [Level] {
        Level::ALL
    }

    fn from_bytes(bytes: &[u8], card: Card, digest: String, feature_count: usize) -> Result<Self, ModelError> {
        let mut reader = bytes;
        let proto = guarded(|| tract_onnx::onnx().proto_model_for_read(&mut reader)).map_err(ModelError::NotOnnx)?;
        let plan = plan(&proto, feature_count)?;
        let forest = Self {
            plan,
            calibration: card.calibration,
            feature_count,
            digest,
        };
        forest.answer_golden(&card.golden)?;
        Ok(forest)
    }

    fn answer_golden(&self, golden: &[Golden]) -> Result<(), ModelError> {
        for (row, expected) in golden.iter().enumerate() {
            let failed = |detail| ModelError::Golden { row, detail };
            let answer = self
                .predict(&expected.features)
                .map_err(|error| failed(error.to_string()))?;
            let close = |(a, b): (&f64, &f64)| (a - b).abs() <= TOLERANCE;
            let same = answer.probabilities.iter().zip(&expected.probabilities).all(close);
            if !same || answer.level != expected.level {
                return Err(failed(format!(
                    "{} {:?} instead of {} {:?}",
                    answer.level, answer.probabilities, expected.level, expected.probabilities
                )));
            }
        }
        Ok(())
    }

    fn votes(&self, features: &[f32]) -> TractResult<[f64; CLASSES]> {
        let row = Tensor::from_shape(&[1, features.len()], features)?;
        let outputs = self.plan.run(tvec!(row.into_tvalue()))?;
        let Some(probabilities) = outputs.get(1) else {
            bail!("there is no second output")
        };
        let view = probabilities.to_plain_array_view::<f32>()?;
        let votes: Vec<f64> = view.iter().copied().map(f64::from).collect();
        let votes = <[f64; CLASSES]>::try_from(votes).map_err(|votes| format_err!("{} votes", votes.len()))?;
        let sum: f64 = votes.iter().sum();
        ensure!((sum - 1.0).abs() < 0.01, "the votes add up to {sum}");
        Ok(votes)
    }
}

impl fmt::Debug for Forest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forest")
            .field("digest", &self.digest)
            .field("feature_count", &self.feature_count)
            .finish_non_exhaustive()
    }
}

/// The engine's plan for a graph that has been checked.
fn plan(proto: &ModelProto, feature_count: usize) -> Result<Arc<TypedRunnableModel>, ModelError> {
    graph::check(proto, feature_count)?;
    let build = || {
        operator::reader()
            .model_for_proto_model(proto)?
            .with_input_fact(0, f32::fact([1, feature_count]).into())?
            .into_optimized()?
            .into_runnable()
    };
    match catch_unwind(AssertUnwindSafe(build)) {
        Ok(Ok(plan)) => Ok(plan),
        Ok(Err(error)) => Err(match error.downcast_ref::<TreesError>() {
            Some(trees) => ModelError::Trees(trees.clone()),
            None => ModelError::Engine(format!("{error:#}")),
        }),
        Err(_) => Err(ModelError::Engine(PANICKED.to_owned())),
    }
}

const PANICKED: &str = "it panicked";

/// Runs a piece of the engine, whose panics and errors are the file's fault and must not be ours.
fn guarded<T>(run: impl FnOnce() -> TractResult<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result.map_err(|error| format!("{error:#}")),
        Err(_) => Err(PANICKED.to_owned()),
    }
}

/// The most probable level; of equals the graver.
fn most_probable(probabilities: [f64; CLASSES]) -> Prediction {
    let mut best = Prediction {
        level: Level::Low,
        confidence: 0.0,
        probabilities,
    };
    for (level, probability) in Level::ALL.iter().zip(probabilities) {
        if probability >= best.confidence {
            best = Prediction {
                level: *level,
                confidence: probability,
                probabilities,
            };
        }
    }
    best
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod specimen;
#[cfg(test)]
mod tests;

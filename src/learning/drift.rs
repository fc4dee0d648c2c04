//! How far the commands of late are from those before them: the population stability index of each feature.
//!
//! For a feature whose values are parted into bins, with the shares `p` before and `q` of late, it is the sum over the bins of
//! `(q - p) ln(q / p)`. Below 0.1 nothing has changed, from 0.25 on much has: the usual bounds for it.

use serde::Serialize;

use crate::risk::features;

/// Commands that either time must have, or its shares say nothing: with 200 each, chance alone gives 0.09.
pub(super) const LEAST_COMMANDS: usize = 200;
/// Bins that the values of a feature are parted into, by the quantiles of those before.
const BINS: usize = 10;
/// Added to every share, so that an empty bin does not make it infinite.
const FLOOR: f64 = 1e-4;
/// From here on a feature has drifted.
const DRIFTED: f64 = 0.25;
/// Features that are named at most.
const NAMED: usize = 5;
/// Counts of the history: they grow by themselves.
const GROWING: &[&str] = &["user_seen", "target_seen", "confirmed", "refused", "failed", "harmful"];

/// How far the commands of late are from those before them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drift {
    /// Commands of late that were looked at.
    pub recent: usize,
    /// Commands before that were looked at.
    pub before: usize,
    /// Features whose index is 0.25 or more.
    pub drifted: usize,
    /// The features with the highest index, the highest first.
    pub most: Vec<DriftedFeature>,
}

/// A feature and how far it has drifted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DriftedFeature {
    /// Its name.
    pub feature: &'static str,
    /// The population stability index, 0 or above.
    pub psi: f64,
}

impl Drift {
    /// The drift between two lists of the forest's input; `None` where either is too short to tell.
    #[must_use]
    pub fn between(before: &[Vec<f32>], recent: &[Vec<f32>]) -> Option<Self> {
        if before.len().min(recent.len()) < LEAST_COMMANDS {
            return None;
        }
        let named = features::NAMES.iter().enumerate();
        let steady = named.filter(|(_, name)| !GROWING.contains(name));
        let mut all: Vec<_> = steady
            .map(|(index, feature)| DriftedFeature {
                feature,
                psi: index_between(&column(before, index), &column(recent, index)),
            })
            .collect();
        all.sort_by(|one, other| other.psi.total_cmp(&one.psi));
        Some(Self {
            recent: recent.len(),
            before: before.len(),
            drifted: all.iter().filter(|feature| feature.psi >= DRIFTED).count(),
            most: all.into_iter().take(NAMED).collect(),
        })
    }
}

fn column(rows: &[Vec<f32>], index: usize) -> Vec<f32> {
    rows.iter().filter_map(|row| row.get(index).copied()).collect()
}

/// The population stability index of one feature.
fn index_between(before: &[f32], recent: &[f32]) -> f64 {
    let edges = edges(before);
    let (before, recent) = (shares(before, &edges), shares(recent, &edges));
    let terms = before.iter().zip(&recent).map(|(p, q)| (q - p) * (q / p).ln());
    terms.sum()
}

/// The upper bounds of all bins but the last: quantiles, each once.
fn edges(values: &[f32]) -> Vec<f32> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    let mut edges: Vec<f32> = (1..BINS)
        .filter_map(|bin| sorted.get(bin * sorted.len() / BINS).copied())
        .collect();
    edges.dedup();
    edges
}

/// The share of the values in each bin.
#[expect(clippy::cast_precision_loss, reason = "counts of some thousands")]
fn shares(values: &[f32], edges: &[f32]) -> Vec<f64> {
    // A value that is often met has a bin of its own, between the edge that it is and what is below it.
    let mut counts = vec![0_usize; 2 * edges.len() + 1];
    for value in values {
        let below = edges.partition_point(|edge| edge.total_cmp(value).is_lt());
        let is_edge = edges.get(below).is_some_and(|edge| edge.total_cmp(value).is_eq());
        if let Some(count) = counts.get_mut(2 * below + usize::from(is_edge)) {
            *count += 1;
        }
    }
    let total = values.len().max(1) as f64;
    counts.iter().map(|count| *count as f64 / total + FLOOR).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Commands of which `length` gives the first feature; all others are alike.
    fn commands(count: u16, length: impl Fn(u16) -> f32) -> Vec<Vec<f32>> {
        (0..count)
            .map(|n| {
                let mut row = vec![0.0; features::NAMES.len()];
                row[0] = length(n);
                row
            })
            .collect()
    }

    #[test]
    fn the_same_commands_have_not_drifted() {
        let same = commands(1000, |n| f32::from(n % 97));
        let drift = Drift::between(&same, &same).unwrap();
        assert_eq!(drift.drifted, 0);
        assert!(drift.most.iter().all(|feature| feature.psi.abs() < 1e-9), "{drift:?}");
    }

    #[test]
    fn a_feature_that_has_moved_is_named_first() {
        let before = commands(1000, |n| f32::from(n % 100));
        let recent = commands(1000, |n| f32::from(n % 100 + 40));
        let drift = Drift::between(&before, &recent).unwrap();
        assert_eq!((drift.drifted, drift.most[0].feature), (1, features::NAMES[0]));
        assert!(drift.most[0].psi > 1.0, "{drift:?}");
    }

    #[test]
    fn a_flag_that_is_set_more_often_is_seen_too() {
        let before = commands(1000, |n| f32::from(u8::from(n % 50 == 0)));
        let recent = commands(1000, |n| f32::from(u8::from(n % 3 == 0)));
        assert_eq!(Drift::between(&before, &recent).unwrap().drifted, 1);
    }

    #[test]
    fn the_index_is_the_sum_of_the_formula() {
        // Shares of one half each before, of 0.8 and 0.2 of late: 0.3 ln 1.6 - 0.3 ln 0.4.
        let values = |ones: u16| -> Vec<f32> { (0..1000).map(|n| f32::from(u8::from(n < ones))).collect() };
        let expected = 0.3 * (1.6_f64).ln() - 0.3 * (0.4_f64).ln();
        assert!((index_between(&values(500), &values(200)) - expected).abs() < 0.001);
    }

    #[test]
    fn too_few_commands_say_nothing() {
        let (few, many) = (commands(199, f32::from), commands(1000, f32::from));
        assert_eq!(Drift::between(&few, &many), None);
        assert_eq!(Drift::between(&many, &few), None);
    }
}

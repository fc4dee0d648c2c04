//! From the share of the trees' votes to a probability: one monotone curve a level.
//!
//! A forest's votes are pulled towards the middle; the curves are isotonic regressions over predictions that the trainer
//! made for commands the forest had not seen, and undo that (Niculescu-Mizil and Caruana, 2005).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::trees::CLASSES;
use crate::domain::Level;

/// Most knots of one curve.
const MAX_KNOTS: usize = 1000;
/// Below this sum of the curves' values there is nothing to share out, and the votes stand as they are.
const LEAST_SUM: f64 = 1e-9;

/// Why a calibration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalibrationError {
    /// A level has no curve.
    #[error("the calibration has no curve for `{0}`")]
    Missing(Level),
    /// A curve is not one.
    #[error(
        "the calibration's curve for `{0}` must have 2 to {MAX_KNOTS} knots, x rising from 0 to 1, y in 0 to 1 and never falling"
    )]
    Curve(Level),
}

/// One curve a level, in the order of [`Level::ALL`].
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Calibration(Vec<Curve>);

/// A piecewise linear curve as the card holds it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Curve {
    x: Vec<f64>,
    y: Vec<f64>,
}

impl Calibration {
    /// Takes the curves from the card.
    ///
    /// # Errors
    /// A level without a curve, or a curve that is not monotone from 0 to 1.
    pub(super) fn new(mut curves: BTreeMap<Level, Curve>) -> Result<Self, CalibrationError> {
        let mut ordered = Vec::with_capacity(CLASSES);
        for level in Level::ALL {
            let curve = curves.remove(level).ok_or(CalibrationError::Missing(*level))?;
            if !curve.is_sound() {
                return Err(CalibrationError::Curve(*level));
            }
            ordered.push(curve);
        }
        Ok(Self(ordered))
    }

    /// The probabilities behind `votes`; they add up to 1.
    pub(super) fn apply(&self, votes: [f64; CLASSES]) -> [f64; CLASSES] {
        let mut probabilities = votes;
        for (probability, curve) in probabilities.iter_mut().zip(&self.0) {
            *probability = curve.at(*probability);
        }
        let sum: f64 = probabilities.iter().sum();
        if sum < LEAST_SUM {
            let votes_sum: f64 = votes.iter().sum();
            return votes.map(|vote| vote / votes_sum);
        }
        probabilities.map(|probability| probability / sum)
    }
}

impl Curve {
    fn is_sound(&self) -> bool {
        let rises = |values: &[f64], strictly: bool| {
            values
                .iter()
                .zip(values.iter().skip(1))
                .all(|(a, b)| if strictly { a < b } else { a <= b })
        };
        (2..=MAX_KNOTS).contains(&self.x.len())
            && self.x.len() == self.y.len()
            && self.x.first() == Some(&0.0)
            && self.x.last() == Some(&1.0)
            && rises(&self.x, true)
            && rises(&self.y, false)
            && self.y.iter().all(|y| (0.0..=1.0).contains(y))
    }

    fn at(&self, x: f64) -> f64 {
        let above = self.x.partition_point(|knot| *knot <= x);
        let knot = |index: usize| Some((*self.x.get(index)?, *self.y.get(index)?));
        match (above.checked_sub(1).and_then(knot), knot(above)) {
            (Some((x0, y0)), Some((x1, y1))) => y0 + (y1 - y0) * (x - x0) / (x1 - x0),
            (Some((_, y)), None) | (None, Some((_, y))) => y,
            (None, None) => x,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::float_cmp, reason = "the values are exact in binary")]

    use proptest::prelude::*;

    use super::*;

    fn curves(x: &[f64], y: &[f64]) -> BTreeMap<Level, Curve> {
        Level::ALL
            .iter()
            .map(|level| {
                (
                    *level,
                    Curve {
                        x: x.to_vec(),
                        y: y.to_vec(),
                    },
                )
            })
            .collect()
    }

    #[test]
    fn the_identity_changes_nothing() {
        let calibration = Calibration::new(curves(&[0.0, 1.0], &[0.0, 1.0])).unwrap();
        assert_eq!(calibration.apply([0.5, 0.25, 0.25, 0.0]), [0.5, 0.25, 0.25, 0.0]);
    }

    #[test]
    fn values_between_knots_are_interpolated_and_shared_out() {
        let calibration = Calibration::new(curves(&[0.0, 0.5, 1.0], &[0.0, 0.8, 1.0])).unwrap();
        let probabilities = calibration.apply([0.75, 0.25, 0.0, 0.0]);
        assert!((probabilities[0] - 0.9 / 1.3).abs() < 1e-12);
        assert!((probabilities[1] - 0.4 / 1.3).abs() < 1e-12);
    }

    #[test]
    fn curves_that_say_never_to_everything_leave_the_votes() {
        let calibration = Calibration::new(curves(&[0.0, 1.0], &[0.0, 0.0])).unwrap();
        assert_eq!(calibration.apply([0.0, 0.0, 0.5, 0.5]), [0.0, 0.0, 0.5, 0.5]);
    }

    #[test]
    fn curves_that_are_not_monotone_or_not_whole_are_refused() {
        for (x, y) in [
            (&[0.0, 1.0][..], &[1.0, 0.0][..]),
            (&[0.0, 0.5, 0.5, 1.0], &[0.0, 0.1, 0.2, 1.0]),
            (&[0.1, 1.0], &[0.0, 1.0]),
            (&[0.0, 0.9], &[0.0, 1.0]),
            (&[0.0, 1.0], &[0.0, 1.1]),
            (&[0.0, 1.0], &[f64::NAN, 1.0]),
            (&[0.0, f64::NAN, 1.0], &[0.0, 0.5, 1.0]),
            (&[0.0, 1.0], &[0.0]),
            (&[0.0], &[0.0]),
            (&[], &[]),
        ] {
            assert_eq!(
                Calibration::new(curves(x, y)),
                Err(CalibrationError::Curve(Level::Low)),
                "{x:?} {y:?}"
            );
        }
        let mut missing = curves(&[0.0, 1.0], &[0.0, 1.0]);
        missing.remove(&Level::High);
        assert_eq!(Calibration::new(missing), Err(CalibrationError::Missing(Level::High)));
    }

    proptest! {
        #[test]
        fn what_comes_out_is_a_distribution(votes in proptest::array::uniform4(0.0..1.0_f64), knee in 0.0..1.0_f64) {
            let sum: f64 = votes.iter().sum();
            prop_assume!(sum > 0.01);
            let calibration = Calibration::new(curves(&[0.0, 0.3, 1.0], &[0.0, knee, 1.0])).unwrap();
            let probabilities = calibration.apply(votes.map(|vote| vote / sum));
            prop_assert!(probabilities.iter().all(|p| (0.0..=1.0).contains(p)));
            prop_assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        }
    }
}

//! The median of a histogram.

use std::collections::BTreeMap;

/// How often each value was seen.
#[derive(Debug, Default)]
pub(super) struct Median(BTreeMap<u64, u64>);

impl Median {
    pub(super) fn add(&mut self, value: u64, times: u64) {
        *self.0.entry(value).or_default() += times;
    }

    /// The lowest value that at least half of all are not above; `None` of none.
    pub(super) fn median(&self) -> Option<u64> {
        let half = self.0.values().sum::<u64>().div_ceil(2);
        let mut seen = 0;
        let median = self.0.iter().find(|(_, times)| {
            seen += **times;
            seen >= half
        });
        median.map(|(value, _)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn median(values: &[(u64, u64)]) -> Option<u64> {
        let mut histogram = Median::default();
        for (value, times) in values {
            histogram.add(*value, *times);
        }
        histogram.median()
    }

    #[test]
    fn half_of_all_are_not_above_it() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[(7, 1)]), Some(7));
        assert_eq!(median(&[(9, 1), (7, 1)]), Some(7), "the lower of two");
        assert_eq!(median(&[(1, 2), (5, 1), (9, 2)]), Some(5));
        assert_eq!(median(&[(1, 1), (5, 1), (9, 3)]), Some(9));
        assert_eq!(
            median(&[(5, 1), (5, 1), (9, 1)]),
            Some(5),
            "what is added twice counts twice"
        );
    }
}

//! Lengths of time as the record and the forest count them.

use std::time::Duration;

/// Whole milliseconds; more than can be counted is the most that can.
#[must_use]
pub fn whole_millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

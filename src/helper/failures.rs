//! Texts that could not be read, so that the same text is not found readable a moment later: whoever looked at it first
//! has already decided by what they could see. And a text that has cost a worker costs no second one.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a text is remembered: longer than anything between its first look and its decision takes.
const REMEMBERED: Duration = Duration::from_mins(1);
/// Most texts that are remembered.
const MOST: usize = 256;

/// The texts of the last minute that could not be read, by their hashes under a key of this process.
#[derive(Debug, Default)]
pub(super) struct Failures {
    key: RandomState,
    /// The newest last. Held for moments only, so that a lock without tasks will do.
    known: Mutex<VecDeque<(u64, Instant)>>,
}

impl Failures {
    /// Whether a text is among them.
    pub(super) fn know(&self, text: &str, now: Instant) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        while known
            .front()
            .is_some_and(|(_, since)| now.duration_since(*since) > REMEMBERED)
        {
            known.pop_front();
        }
        !known.is_empty() && {
            let hash = self.key.hash_one(text);
            known.iter().any(|(failed, _)| *failed == hash)
        }
    }

    /// Takes in another.
    pub(super) fn remember(&self, text: &str, now: Instant) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.pop_front();
        }
        known.push_back((self.key.hash_one(text), now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_failed_is_known_for_a_minute_and_no_other_is() {
        let (failures, now) = (Failures::default(), Instant::now());
        assert!(!failures.know("a", now));
        failures.remember("a", now);
        assert!(failures.know("a", now + REMEMBERED));
        assert!(!failures.know("b", now));
        assert!(!failures.know("a", now + REMEMBERED + Duration::from_secs(1)));
    }

    #[test]
    fn of_many_the_newest_are_known() {
        let (failures, now) = (Failures::default(), Instant::now());
        for number in 0..=MOST {
            failures.remember(&number.to_string(), now);
        }
        assert!(!failures.know("0", now));
        assert!(failures.know("1", now) && failures.know(&MOST.to_string(), now));
    }
}

//! The log of connections that are refused at the door: a line now and then, however many they are.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::Seldom;

/// Between two lines.
const INTERVAL: Duration = Duration::from_secs(10);

/// The refusals that the log has not told of.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    // A std mutex: held for one look at two numbers, never across an await.
    untold: Mutex<Untold>,
}

impl Refusals {
    /// One more.
    pub(super) fn note(&self, peer: SocketAddr) {
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(refused) = untold.note(Instant::now()) {
            tracing::warn!(refused, last = %peer, "connections are refused at the door: too many that do not authenticate");
        }
    }
}

#[derive(Debug)]
struct Untold {
    count: u64,
    told: Seldom,
}

impl Default for Untold {
    fn default() -> Self {
        Self {
            count: 0,
            told: Seldom::every(INTERVAL),
        }
    }
}

impl Untold {
    /// Counts one more; gives how many there were since the last line, where it is time for one.
    fn note(&mut self, now: Instant) -> Option<u64> {
        self.count += 1;
        self.told.is_time(now).then(|| std::mem::take(&mut self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_those_that_follow_as_a_number() {
        let (mut untold, began) = (Untold::default(), Instant::now());
        let mut note = |after: u64| untold.note(began + Duration::from_millis(after));
        assert_eq!(note(0), Some(1));
        assert_eq!((note(1), note(9_999)), (None, None));
        assert_eq!(note(10_000), Some(3));
        assert_eq!(note(10_001), None);
    }
}

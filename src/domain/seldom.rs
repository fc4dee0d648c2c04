//! What goes on for long is said seldom.

use std::time::{Duration, Instant};

/// When something that repeats was last said.
#[derive(Debug)]
pub struct Seldom {
    interval: Duration,
    last: Option<Instant>,
}

impl Seldom {
    /// So long passes between two times.
    #[must_use]
    pub const fn every(interval: Duration) -> Self {
        Self { interval, last: None }
    }

    /// Whether it is to be said at `now`: the first time, and again once the interval has passed.
    pub fn is_time(&mut self, now: Instant) -> bool {
        let is_time = self
            .last
            .is_none_or(|last| now.saturating_duration_since(last) >= self.interval);
        if is_time {
            self.last = Some(now);
        }
        is_time
    }
}

impl Default for Seldom {
    /// Once a minute.
    fn default() -> Self {
        Self::every(Duration::from_mins(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_at_once_and_then_once_a_minute() {
        let (mut seldom, start) = (Seldom::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        let said: Vec<bool> = [0, 1, 59, 60, 61, 600]
            .map(|seconds| seldom.is_time(after(seconds)))
            .into();
        assert_eq!(said, [true, false, false, true, false, true]);
    }
}

//! Answers that hold for a while, where the policy says `remember`.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::SessionId;

/// Answers kept at most.
const MAX_REMEMBERED: usize = 10_000;

/// The same bytes, in the same session and directory; a session has one target.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Same {
    /// The session.
    pub session: SessionId,
    /// The working directory, where it is known.
    pub cwd: Option<String>,
    /// The MAC of the exact bytes.
    pub mac: String,
}

/// Commands that were confirmed a short while ago.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    // A std mutex: held for one map operation, never across an await.
    until: Mutex<HashMap<Same, Instant>>,
}

impl Remembered {
    /// Remembers a yes for so long from now on.
    pub(super) fn remember(&self, what: Same, now: Instant, length: Duration) {
        if length.is_zero() {
            return;
        }
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.len() >= MAX_REMEMBERED {
            until.retain(|_, end| *end > now);
        }
        if until.len() < MAX_REMEMBERED {
            until.insert(what, now + length);
        }
    }

    /// Whether the same command was confirmed and the time is not over.
    pub(super) fn holds(&self, what: &Same, now: Instant) -> bool {
        let until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.get(what).is_some_and(|end| *end > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(mac: &str, cwd: &str) -> Same {
        Same {
            session: SessionId(uuid::Uuid::nil()),
            cwd: Some(cwd.to_owned()),
            mac: mac.to_owned(),
        }
    }

    #[test]
    fn an_answer_holds_for_its_time_and_for_the_same_command_only() {
        let remembered = Remembered::default();
        let start = Instant::now();
        remembered.remember(same("a", "/srv"), start, Duration::from_mins(1));
        assert!(remembered.holds(&same("a", "/srv"), start + Duration::from_secs(59)));
        assert!(!remembered.holds(&same("a", "/srv"), start + Duration::from_mins(1)));
        assert!(!remembered.holds(&same("a", "/etc"), start), "another directory");
        assert!(!remembered.holds(&same("b", "/srv"), start), "another command");
    }

    #[test]
    fn zero_remembers_nothing() {
        let remembered = Remembered::default();
        remembered.remember(same("a", "/"), Instant::now(), Duration::ZERO);
        assert!(!remembered.holds(&same("a", "/"), Instant::now()));
    }
}

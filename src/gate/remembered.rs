//! Answers that hold for a while, where the policy says `remember`.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::SessionId;

/// Answers kept at most.
const MAX_REMEMBERED: usize = 10_000;

/// The same thing, in the same session and directory; a session has one target.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Same {
    /// The session.
    pub session: SessionId,
    /// The working directory, where it is known.
    pub cwd: Option<String>,
    /// What the answer is about.
    pub what: What,
}

/// What an answer is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum What {
    /// A command, by the MAC of its exact bytes.
    Command(String),
    /// The files that these patterns match.
    Files(String),
}

/// What was answered a short while ago.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    // A std mutex: held for one map operation, never across an await.
    answers: Mutex<HashMap<Same, Held>>,
}

/// An answer, and until when it holds.
#[derive(Debug, Clone, Copy)]
struct Held {
    yes: bool,
    until: Instant,
}

impl Remembered {
    /// Remembers an answer for so long from now on.
    pub(super) fn remember(&self, what: Same, yes: bool, now: Instant, length: Duration) {
        if length.is_zero() {
            return;
        }
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= MAX_REMEMBERED {
            answers.retain(|_, held| held.until > now);
        }
        if answers.len() < MAX_REMEMBERED {
            let until = now + length;
            answers.insert(what, Held { yes, until });
        }
    }

    /// What was answered about the same thing, if that still holds.
    pub(super) fn answer(&self, what: &Same, now: Instant) -> Option<bool> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(what).filter(|held| held.until > now).map(|held| held.yes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(mac: &str, cwd: &str) -> Same {
        Same {
            session: SessionId(uuid::Uuid::nil()),
            cwd: Some(cwd.to_owned()),
            what: What::Command(mac.to_owned()),
        }
    }

    #[test]
    fn an_answer_holds_for_its_time_and_for_the_same_command_only() {
        let remembered = Remembered::default();
        let start = Instant::now();
        remembered.remember(same("a", "/srv"), true, start, Duration::from_mins(1));
        assert_eq!(
            remembered.answer(&same("a", "/srv"), start + Duration::from_secs(59)),
            Some(true)
        );
        assert_eq!(
            remembered.answer(&same("a", "/srv"), start + Duration::from_mins(1)),
            None
        );
        assert_eq!(remembered.answer(&same("a", "/etc"), start), None, "another directory");
        assert_eq!(remembered.answer(&same("b", "/srv"), start), None, "another command");
    }

    #[test]
    fn a_no_is_remembered_as_a_no() {
        let remembered = Remembered::default();
        let start = Instant::now();
        remembered.remember(same("a", "/"), false, start, Duration::from_mins(1));
        assert_eq!(remembered.answer(&same("a", "/"), start), Some(false));
    }

    #[test]
    fn zero_remembers_nothing() {
        let remembered = Remembered::default();
        remembered.remember(same("a", "/"), true, Instant::now(), Duration::ZERO);
        assert_eq!(remembered.answer(&same("a", "/"), Instant::now()), None);
    }
}

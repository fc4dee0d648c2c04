//! Which of the bastion's users a forwarded agent was just asked to log in as. A target that may use an agent could log in to
//! this very bastion with it, and answer its user's questions at the console. The signature does not tell with whom it logs
//! in, but it is made for one connection that is there already: so who comes in on a connection that is older than such a
//! signature is turned away once.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::Name;

/// Signatures that are remembered at once.
const MAX_REMEMBERED: usize = 4096;

/// The signatures of the last moments that might log in to this bastion.
#[derive(Debug, Default)]
pub(in crate::gateway) struct Lent {
    // A std mutex: held for a scan of a short list, never across an await.
    signed: Mutex<VecDeque<(Instant, String)>>,
}

impl Lent {
    /// Remembers that `user` is signed for, as long as a connection may take to log in; `false` where there is no room, and it
    /// must not be signed.
    pub(super) fn remember(&self, user: &str, now: Instant, login_grace: Duration) -> bool {
        let mut signed = self.lock();
        while signed
            .front()
            .is_some_and(|(at, _)| now.saturating_duration_since(*at) > login_grace)
        {
            signed.pop_front();
        }
        if signed.len() >= MAX_REMEMBERED {
            return false;
        }
        signed.push_back((now, user.to_owned()));
        true
    }

    /// Whether `user` was signed for since `opened`, when their connection was accepted.
    pub(in crate::gateway) fn signed_since(&self, user: &Name, opened: Instant) -> bool {
        self.lock()
            .iter()
            .any(|(at, name)| *at >= opened && name == user.as_str())
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Instant, String)>> {
        self.signed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(30);

    #[test]
    fn only_a_connection_that_was_there_when_it_was_signed_is_suspected() {
        let lent = Lent::default();
        let (alice, bob): (Name, Name) = ("alice".parse().unwrap(), "bob".parse().unwrap());
        let before = Instant::now();
        let signed = before + Duration::from_secs(1);
        assert!(lent.remember("alice", signed, GRACE));
        assert!(lent.signed_since(&alice, before));
        assert!(!lent.signed_since(&bob, before));
        assert!(
            !lent.signed_since(&alice, signed + Duration::from_millis(1)),
            "opened later"
        );
    }

    #[test]
    fn what_is_remembered_is_bounded_and_nothing_is_signed_beyond_it() {
        let lent = Lent::default();
        let now = Instant::now();
        for _ in 0..MAX_REMEMBERED {
            assert!(lent.remember("alice", now, GRACE));
        }
        assert!(!lent.remember("bob", now + GRACE, GRACE));
        assert!(
            lent.remember("bob", now + GRACE + Duration::from_secs(1), GRACE),
            "the old are forgotten"
        );
    }
}

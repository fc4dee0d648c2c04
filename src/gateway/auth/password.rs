//! Passwords, checked off the asynchronous threads and few at a time, for nobody as for somebody.

use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use crate::config::{PasswordHash, User};

/// What a password is held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expected {
    /// The user's own.
    Password(PasswordHash),
    /// Nothing that would match, at the same cost.
    Nothing(PasswordHash),
}

impl Expected {
    /// The hash of `user`, or one of nobody that costs as much as the costliest one there is; `None` where nobody has a password.
    pub(super) fn of(user: Option<&User>, users: &[User]) -> Option<Self> {
        let own = user.and_then(|user| user.password_hash.clone());
        own.map(Self::Password).or_else(|| {
            let hashes = users.iter().filter_map(|user| user.password_hash.as_ref());
            let costliest = hashes.max_by_key(|hash| hash.cost())?;
            Some(Self::Nothing(costliest.of_nobody()))
        })
    }

    /// The hash that `password` makes, where it is right. Blocks, and as long in every case.
    fn check(self, password: &str) -> Option<PasswordHash> {
        let (hash, counts) = match self {
            Self::Password(hash) => (hash, true),
            Self::Nothing(hash) => (hash, false),
        };
        (hash.matches(password) && counts).then_some(hash)
    }
}

/// The right to check a password: guesses leave half of the processors for everything else.
#[derive(Debug)]
pub(super) struct Checks(Arc<Semaphore>);

impl Default for Checks {
    fn default() -> Self {
        let processors = available_parallelism().map_or(1, NonZero::get);
        Self(Arc::new(Semaphore::new((processors / 2).max(1))))
    }
}

impl Checks {
    /// The hash that `password` makes, where it is what is expected.
    pub(super) async fn check(&self, expected: Expected, password: &str) -> Option<PasswordHash> {
        let password = Zeroizing::new(password.to_owned());
        let turn = self.0.clone().acquire_owned().await.ok()?;
        let checking = spawn_blocking(move || {
            // Until the work is done, not until nobody waits for it any longer.
            let _turn = turn;
            expected.check(&password)
        });
        checking.await.ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{PASSWORD, user};
    use super::*;

    fn without_password(name: &str) -> User {
        User {
            password_hash: None,
            ..user(name, &[])
        }
    }

    #[test]
    fn a_stranger_is_checked_at_the_cost_of_a_user() {
        let users = [without_password("bob"), user("alice", &[])];
        let alices = users[1].password_hash.clone().unwrap();
        assert_eq!(
            Expected::of(Some(&users[1]), &users),
            Some(Expected::Password(alices.clone()))
        );
        for nobody in [None, Some(&users[0])] {
            let Some(Expected::Nothing(dummy)) = Expected::of(nobody, &users) else {
                panic!("a check that takes its time")
            };
            assert_eq!(dummy.cost(), alices.cost());
        }
        assert_eq!(
            Expected::of(None, &users[..1]),
            None,
            "nobody has a password, so nothing tells anybody apart"
        );
    }

    #[test]
    fn no_password_is_a_strangers() {
        let hash = user("alice", &[]).password_hash.unwrap();
        assert_eq!(Expected::Password(hash.clone()).check(PASSWORD), Some(hash.clone()));
        assert_eq!(Expected::Password(hash.clone()).check("wrong"), None);
        assert_eq!(Expected::Nothing(hash).check(PASSWORD), None, "even if it matched");
    }

    #[tokio::test]
    async fn a_check_waits_for_its_turn() {
        let checks = Checks(Arc::new(Semaphore::new(0)));
        let hash = user("alice", &[]).password_hash.unwrap();
        let waiting = checks.check(Expected::Password(hash), PASSWORD);
        tokio::pin!(waiting);
        tokio::select! {
            biased;
            _ = &mut waiting => panic!("there is no turn to have"),
            () = std::future::ready(()) => {}
        }
        checks.0.add_permits(1);
        assert!(waiting.await.is_some());
    }
}

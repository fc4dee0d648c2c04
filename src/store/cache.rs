//! What scoring needs to know of the past, in memory and bounded.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::{History, Name};

/// Entries of each kind that are kept at least; at most twice as many are.
pub(super) const CAPACITY: usize = 20_000;

/// Counts that the writer has committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Count {
    /// What became of a pattern on a target; `user_seen` is not used.
    OnTarget {
        target: String,
        command_hash: String,
        history: History,
    },
    /// How often a user ran a pattern.
    OfUser {
        user: String,
        command_hash: String,
        seen: u32,
    },
    /// That nothing is known of a user any longer.
    Forgotten { user: String },
}

/// The newest counts, ready for lookup while a command waits.
///
/// A plain mutex: it is held for a lookup or for the counts of one commit, and never across an await.
#[derive(Debug)]
pub(super) struct HistoryCache(Mutex<Counts>);

#[derive(Debug)]
struct Counts {
    on_target: Recent<History>,
    of_user: Recent<u32>,
}

impl HistoryCache {
    pub(super) fn new(capacity: usize) -> Self {
        Self(Mutex::new(Counts {
            on_target: Recent::new(capacity),
            of_user: Recent::new(capacity),
        }))
    }

    pub(super) fn history(&self, user: &Name, target: &Name, command_hash: &str) -> History {
        let counts = self.lock();
        let history = counts.on_target.find(target.as_str(), command_hash).unwrap_or_default();
        History {
            user_seen: counts.of_user.find(user.as_str(), command_hash).unwrap_or_default(),
            ..history
        }
    }

    pub(super) fn keep(&self, news: Vec<Count>) {
        let mut counts = self.lock();
        for count in news {
            match count {
                Count::OnTarget {
                    target,
                    command_hash,
                    history,
                } => {
                    counts.on_target.keep(target, command_hash, history);
                }
                Count::OfUser {
                    user,
                    command_hash,
                    seen,
                } => counts.of_user.keep(user, command_hash, seen),
                Count::Forgotten { user } => counts.of_user.forget(&user),
            }
        }
    }

    /// A panic elsewhere cannot have left a count half-written.
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A map that forgets what was not written for long, in two generations: cheap, bounded, near enough to the oldest first.
#[derive(Debug)]
struct Recent<V> {
    capacity: usize,
    young: Generation<V>,
    old: Generation<V>,
}

type Generation<V> = HashMap<(String, String), V>;

impl<V: Copy> Recent<V> {
    fn new(capacity: usize) -> Self {
        Self {
            capacity,
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    fn find(&self, name: &str, command_hash: &str) -> Option<V> {
        let key = (name.to_owned(), command_hash.to_owned());
        self.young.get(&key).or_else(|| self.old.get(&key)).copied()
    }

    fn forget(&mut self, forgotten: &str) {
        for generation in [&mut self.young, &mut self.old] {
            generation.retain(|(name, _), _| name != forgotten);
        }
    }

    fn keep(&mut self, name: String, command_hash: String, value: V) {
        if self.young.len() >= self.capacity {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert((name, command_hash), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(user: usize) -> Count {
        Count::OfUser {
            user: format!("u{user}"),
            command_hash: "h".to_owned(),
            seen: 1,
        }
    }

    #[test]
    fn the_newest_are_kept_and_the_number_is_bounded() {
        let cache = HistoryCache::new(10);
        let target = "web".parse().unwrap();
        for user in 0..1000 {
            cache.keep(vec![seen(user)]);
        }
        for user in 990..1000 {
            let user = format!("u{user}").parse().unwrap();
            assert_eq!(cache.history(&user, &target, "h").user_seen, 1, "{user}");
        }
        let counts = cache.lock();
        assert!(counts.of_user.young.len() + counts.of_user.old.len() <= 20);
    }
}

//! How many strangers may stand at the door: connections that have not authenticated, in all and from one address.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::auth::Source;

/// Counts connections that have not authenticated.
#[derive(Debug, Clone, Default)]
pub(super) struct Door {
    // A std mutex: held for one map operation, never across an await.
    waiting: Arc<Mutex<HashMap<Source, usize>>>,
}

impl Door {
    /// Lets one more connection wait, unless there are too many; the place is free again when the guard is dropped.
    pub(super) fn enter(&self, source: Source, max_in_all: usize, max_per_address: usize) -> Option<Stranger> {
        let mut waiting = self.lock();
        let in_all: usize = waiting.values().sum();
        let from_here = waiting.entry(source).or_default();
        if in_all >= max_in_all || *from_here >= max_per_address {
            if *from_here == 0 {
                waiting.remove(&source);
            }
            return None;
        }
        *from_here += 1;
        Some(Stranger {
            source,
            door: self.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Source, usize>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that has not authenticated.
#[derive(Debug)]
pub(super) struct Stranger {
    source: Source,
    door: Door,
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let mut waiting = self.door.lock();
        if let Some(count) = waiting.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn here() -> Source {
        IpAddr::from([192, 0, 2, 1]).into()
    }

    fn there() -> Source {
        IpAddr::from([192, 0, 2, 2]).into()
    }

    #[test]
    fn one_address_cannot_take_every_place() {
        let door = Door::default();
        let first = door.enter(here(), 3, 1);
        assert!(first.is_some());
        assert!(door.enter(here(), 3, 1).is_none());
        assert!(door.enter(there(), 3, 1).is_some());
    }

    #[test]
    fn a_place_is_free_again_and_nothing_is_left_behind() {
        let door = Door::default();
        let first = door.enter(here(), 1, 1);
        assert!(door.enter(there(), 1, 1).is_none(), "full");
        drop(first);
        let next = door.enter(there(), 1, 1);
        assert!(next.is_some());
        drop(next);
        assert!(door.lock().is_empty());
    }
}

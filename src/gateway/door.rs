//! How many strangers may stand at the door: connections that have not authenticated, in all and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts connections that have not authenticated.
#[derive(Debug, Clone, Default)]
pub(super) struct Door {
    // A std mutex: held for one map operation, never across an await.
    waiting: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Door {
    /// Lets one more connection wait, unless there are too many; the place is free again when the guard is dropped.
    pub(super) fn enter(&self, address: IpAddr, max_in_all: usize, max_per_address: usize) -> Option<Stranger> {
        let mut waiting = self.lock();
        let in_all: usize = waiting.values().sum();
        let from_here = waiting.entry(address).or_default();
        if in_all >= max_in_all || *from_here >= max_per_address {
            if *from_here == 0 {
                waiting.remove(&address);
            }
            return None;
        }
        *from_here += 1;
        Some(Stranger {
            address,
            door: self.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that has not authenticated.
#[derive(Debug)]
pub(super) struct Stranger {
    address: IpAddr,
    door: Door,
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let mut waiting = self.door.lock();
        if let Some(count) = waiting.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn one_address_cannot_take_every_place() {
        let door = Door::default();
        let first = door.enter(HERE, 3, 1);
        assert!(first.is_some());
        assert!(door.enter(HERE, 3, 1).is_none());
        assert!(door.enter(THERE, 3, 1).is_some());
    }

    #[test]
    fn a_place_is_free_again_and_nothing_is_left_behind() {
        let door = Door::default();
        let first = door.enter(HERE, 1, 1);
        assert!(door.enter(THERE, 1, 1).is_none(), "full");
        drop(first);
        let next = door.enter(THERE, 1, 1);
        assert!(next.is_some());
        drop(next);
        assert!(door.lock().is_empty());
    }
}

//! What is known of each target at this moment: its last snapshot, and how much runs there.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::context::Snapshot;
use crate::domain::{Name, whole_millis};

/// The last snapshot of a host.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// What was seen.
    pub snapshot: Snapshot,
    /// When.
    pub at: Instant,
}

impl Seen {
    /// The snapshot's age in milliseconds.
    pub(super) fn age_ms(&self, now: Instant) -> u64 {
        whole_millis(now.saturating_duration_since(self.at))
    }
}

#[derive(Debug, Default)]
struct Host {
    seen: Option<Seen>,
    running: u32,
}

/// All targets that were reached since the start; as many as are configured, at most.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    // A std mutex: held for one map operation, never across an await.
    hosts: Mutex<HashMap<Name, Host>>,
}

impl Hosts {
    /// The last snapshot of a target.
    pub(super) fn last(&self, target: &Name) -> Option<Seen> {
        self.lock().get(target)?.seen.clone()
    }

    /// Keeps a newer snapshot.
    pub(super) fn keep(&self, target: &Name, snapshot: Snapshot) {
        self.lock().entry(target.clone()).or_default().seen = Some(Seen {
            snapshot,
            at: Instant::now(),
        });
    }

    /// Counts a command that starts; says how many others run there.
    pub(super) fn started(&self, target: &Name) -> u32 {
        let mut hosts = self.lock();
        let host = hosts.entry(target.clone()).or_default();
        host.running += 1;
        host.running - 1
    }

    /// Counts a command that ended.
    pub(super) fn ended(&self, target: &Name) {
        if let Some(host) = self.lock().get_mut(target) {
            host.running = host.running.saturating_sub(1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Name, Host>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

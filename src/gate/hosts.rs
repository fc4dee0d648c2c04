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
    /// Commands that have ever started.
    started: u64,
}

/// A command that runs on a host, from where it started.
#[derive(Debug)]
pub(super) struct Run<'a> {
    hosts: &'a Hosts,
    target: Name,
    /// Others that ran when it started.
    beside: u32,
    /// How many had started, itself included.
    number: u64,
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

    /// Counts a command that starts.
    pub(super) fn started(&self, target: &Name) -> Run<'_> {
        let mut hosts = self.lock();
        let host = hosts.entry(target.clone()).or_default();
        host.running += 1;
        host.started += 1;
        Run {
            hosts: self,
            target: target.clone(),
            beside: host.running - 1,
            number: host.started,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Name, Host>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Run<'_> {
    /// How many others ran there at some time between its start and now, which is its end.
    pub(super) fn ended(self) -> u32 {
        let started = self.hosts.lock().get(&self.target).map_or(0, |host| host.started);
        let since = u32::try_from(started.saturating_sub(self.number)).unwrap_or(u32::MAX);
        self.beside.saturating_add(since)
    }
}

/// It has ended, also where nobody came to say so.
impl Drop for Run<'_> {
    fn drop(&mut self) {
        if let Some(host) = self.hosts.lock().get_mut(&self.target) {
            host.running = host.running.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_ran_at_the_same_time_counts_whenever_it_started() {
        let (hosts, web): (Hosts, Name) = (Hosts::default(), "web-1".parse().unwrap());
        assert_eq!(hosts.started(&web).ended(), 0);

        let long = hosts.started(&web);
        for _ in 0..3 {
            let short = hosts.started(&web);
            assert_eq!(short.ended(), 1, "the long one");
        }
        let elsewhere = hosts.started(&"db-1".parse().unwrap());
        assert_eq!(long.ended(), 3);
        assert_eq!(elsewhere.ended(), 0);
        drop(hosts.started(&web));
        assert_eq!(hosts.started(&web).ended(), 0, "one that was dropped ended");
    }
}

//! The connections that are authenticated now: their limits, and their end when the configuration no longer knows them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::domain::Name;
use crate::gate::Gate;

use super::auth::{Identity, Proof};

/// Why somebody who has authenticated is turned away.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TurnedAway {
    /// In all.
    #[error("the bastion has its {0} sessions already; try again later")]
    InAll(usize),
    /// Of one user.
    #[error("you have {0} sessions already; end one first")]
    OfUser(usize),
    /// The configuration has changed since they proved who they are.
    #[error("you are not configured any longer")]
    Unknown,
}

/// The table of authenticated connections.
#[derive(Debug, Clone, Default)]
pub(super) struct LiveSessions {
    // A std mutex: held for map operations, never across an await.
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    entries: HashMap<u64, Entry>,
    /// Sessions on targets that were chosen at the console; they count as the connection that they are part of.
    visits: HashMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    user: Name,
    from: IpAddr,
    proofs: Vec<Proof>,
    target: Option<Name>,
    ended: CancellationToken,
}

impl LiveSessions {
    /// Enters a connection in the table; it leaves when the guard is dropped.
    pub(super) fn enter(
        &self,
        identity: &Identity,
        target: Option<Name>,
        ended: CancellationToken,
        gate: &Gate,
    ) -> Result<Live, TurnedAway> {
        let mut table = self.lock();
        // Read under the lock: whoever is not known from now on is found by `end_unknown`.
        let engine = gate.engine();
        let limits = &engine.config.server;
        let target = target.filter(|name| engine.target(name).is_some());
        let entry = known_entry(identity, target, ended, &engine.config)?;
        if table.entries.len() >= limits.max_sessions {
            return Err(TurnedAway::InAll(limits.max_sessions));
        }
        let of_user = table
            .entries
            .values()
            .filter(|entry| entry.user == identity.user)
            .count();
        if of_user >= limits.max_sessions_per_user {
            return Err(TurnedAway::OfUser(limits.max_sessions_per_user));
        }
        let number = table.next_number();
        table.entries.insert(number, entry);
        Ok(Live {
            number,
            sessions: self.clone(),
        })
    }

    /// Enters a session on a target that was chosen at the console; it leaves when the guard is dropped.
    pub(super) fn visit(
        &self,
        identity: &Identity,
        target: Name,
        ended: CancellationToken,
        gate: &Gate,
    ) -> Result<Live, TurnedAway> {
        let mut table = self.lock();
        let engine = gate.engine();
        let limit = engine.config.server.max_sessions_per_user;
        let entry = known_entry(identity, Some(target), ended, &engine.config)?;
        let of_user = table.visits.values().filter(|visit| visit.user == identity.user);
        if of_user.count() >= limit {
            return Err(TurnedAway::OfUser(limit));
        }
        let number = table.next_number();
        table.visits.insert(number, entry);
        Ok(Live {
            number,
            sessions: self.clone(),
        })
    }

    /// Ends every session whose user, proof or target the configuration does not know; says how many.
    pub(super) fn end_unknown(&self, config: &Config) -> usize {
        let table = self.lock();
        let all = table.entries.values().chain(table.visits.values());
        let unknown = all.filter(|entry| !is_known(entry, config));
        unknown.inspect(|entry| entry.ended.cancel()).count()
    }

    /// How many connections are authenticated now.
    pub(super) fn count(&self) -> usize {
        self.lock().entries.len()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn next_number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

fn known_entry(
    identity: &Identity,
    target: Option<Name>,
    ended: CancellationToken,
    config: &Config,
) -> Result<Entry, TurnedAway> {
    let entry = Entry {
        user: identity.user.clone(),
        from: identity.from,
        proofs: identity.proofs.clone(),
        target,
        ended,
    };
    if is_known(&entry, config) {
        Ok(entry)
    } else {
        Err(TurnedAway::Unknown)
    }
}

fn is_known(entry: &Entry, config: &Config) -> bool {
    let user = config.users.iter().find(|user| user.name == entry.user);
    let now = Timestamp::now();
    let knows_proofs = user.is_some_and(|user| {
        let mut proofs = entry.proofs.iter();
        proofs.all(|proof| proof.still_holds(user, entry.from, now))
    });
    let knows_target = entry
        .target
        .as_ref()
        .is_none_or(|name| config.targets.iter().any(|target| target.name == *name));
    knows_proofs && knows_target
}

/// A place in the table.
#[derive(Debug)]
pub(super) struct Live {
    number: u64,
    sessions: LiveSessions,
}

impl Drop for Live {
    fn drop(&mut self) {
        let mut table = self.sessions.lock();
        table.entries.remove(&self.number);
        table.visits.remove(&self.number);
    }
}

//! What the logins of all connections share: turns to check passwords, codes that were used, and failures by address.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::password::{Checks, Expected};
use super::penalties::{Leniency, Network, Penalties, Source};
use super::progress::Proof;
use super::totp::Codes;
use crate::config::{Server, User};

/// The time in which one abandoned connection is forgiven, and for which one too many closes the door.
const FORGIVEN_IN: Duration = Duration::from_secs(1);
/// A whole network is forgiven as many as so many of its addresses.
const ADDRESSES_OF_A_NETWORK: usize = 8;

/// What the logins of all connections share.
#[derive(Debug, Default)]
pub(in crate::gateway) struct Guard {
    checks: Checks,
    // All are std mutexes: held for one operation on a table, never across an await.
    codes: Mutex<Codes>,
    penalties: Mutex<Penalties<Source>>,
    abandoned: Mutex<Abandoned>,
}

/// The connections that ended without an attempt to authenticate.
#[derive(Debug, Default)]
struct Abandoned {
    by_source: Penalties<Source>,
    by_network: Penalties<Network>,
}

impl Guard {
    /// Whether failures, or too many abandoned connections, keep an address out.
    pub(in crate::gateway) fn refuses(&self, source: Source) -> bool {
        let now = Instant::now();
        let abandoned = lock(&self.abandoned);
        lock(&self.penalties).refuses(&source, now)
            || abandoned.by_source.refuses(&source, now)
            || abandoned.by_network.refuses(&source.network(), now)
    }

    /// Holds a connection that tried nothing against where it came from: it cost a place at the door, or a key exchange.
    pub(in crate::gateway) fn abandoned(&self, source: Source, settings: &Server) {
        let from_one = settings.max_abandoned_per_ip;
        let lenient = Leniency {
            failures: from_one,
            window: FORGIVEN_IN.saturating_mul(u32::try_from(from_one).unwrap_or(u32::MAX)),
            longest: settings.auth_penalty_max.min(FORGIVEN_IN),
        };
        let of_network = Leniency {
            failures: from_one.saturating_mul(ADDRESSES_OF_A_NETWORK),
            ..lenient
        };
        let (mut abandoned, now) = (lock(&self.abandoned), Instant::now());
        let by_source = abandoned.by_source.failed(source, lenient, now);
        let by_network = abandoned.by_network.failed(source.network(), of_network, now);
        if by_source.or(by_network).is_some() {
            tracing::debug!(?source, "refused for a moment: too many connections that try nothing");
        }
    }

    /// Holds a failure against the address that it came from; says whether that has closed it.
    pub(super) fn failed(&self, peer: SocketAddr, settings: &Server) -> bool {
        let lenient = Leniency {
            failures: settings.max_auth_failures_per_ip,
            window: settings.auth_failures_window,
            longest: settings.auth_penalty_max,
        };
        let penalty = lock(&self.penalties).failed(peer.ip().into(), lenient, Instant::now());
        if let Some(penalty) = penalty {
            let seconds = penalty.as_secs();
            tracing::warn!(peer = %peer.ip(), seconds, "too many failures to authenticate; this address is refused for a while");
        }
        penalty.is_some()
    }

    /// The password as a proof, where it is what is expected.
    pub(super) async fn check_password(&self, expected: Expected, password: &str) -> Option<Proof> {
        self.checks.check(expected, password).await.map(Proof::Password)
    }

    /// The code as a proof, where it is one of the user's now and was not used before.
    pub(super) fn take_code(&self, user: &User, code: &str) -> Option<Proof> {
        let secret = user.totp_secret.as_ref()?;
        let (time, now) = (Timestamp::now(), Instant::now());
        let taken = lock(&self.codes).take(&user.name, secret, code, time, now);
        taken.then(|| Proof::Code(secret.clone()))
    }
}

fn lock<T>(table: &Mutex<T>) -> MutexGuard<'_, T> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

//! What the logins of all connections share: turns to check passwords, codes that were used, and failures by address.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use jiff::Timestamp;

use super::password::{Checks, Expected};
use super::penalties::{Leniency, Penalties, Source};
use super::progress::Proof;
use super::totp::Codes;
use crate::config::{Server, User};

/// What the logins of all connections share.
#[derive(Debug, Default)]
pub(in crate::gateway) struct Guard {
    checks: Checks,
    // Both are std mutexes: held for one operation on a table, never across an await.
    codes: Mutex<Codes>,
    penalties: Mutex<Penalties<Source>>,
}

impl Guard {
    /// Whether failures keep an address out.
    pub(in crate::gateway) fn refuses(&self, source: Source) -> bool {
        let penalties = self.penalties.lock().unwrap_or_else(PoisonError::into_inner);
        penalties.refuses(&source, Instant::now())
    }

    /// Holds a failure against the address that it came from; says whether that has closed it.
    pub(super) fn failed(&self, peer: SocketAddr, settings: &Server) -> bool {
        let lenient = Leniency {
            failures: settings.max_auth_failures_per_ip,
            window: settings.auth_failures_window,
            longest: settings.auth_penalty_max,
        };
        let mut penalties = self.penalties.lock().unwrap_or_else(PoisonError::into_inner);
        let penalty = penalties.failed(peer.ip().into(), lenient, Instant::now());
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
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = codes.take(&user.name, secret, code, time, now);
        taken.then(|| Proof::Code(secret.clone()))
    }
}

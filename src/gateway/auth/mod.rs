//! Who is there: one connection's way from a stranger to a user, whatever it tries and in whatever order.
//!
//! [`Login`] hears the attempts of one connection, finds the user and has the proofs checked; [`progress`] decides without I/O
//! what they come to. A stranger is told nothing: every name gets the same answers at the same cost.

mod certificate;
#[cfg(test)]
pub(super) mod fixtures;
mod guard;
mod login;
mod methods;
mod password;
mod penalties;
mod progress;
mod totp;

use std::net::IpAddr;

use russh::keys::ssh_key::public::KeyData;

use crate::config::{Restrictions, User};
use crate::domain::Name;

use super::address::Destination;

pub(super) use guard::Guard;
pub(super) use login::{Answer, Login, Question};
pub(super) use penalties::{Network, Source};
pub(super) use progress::Proof;

/// Somebody who has proved who they are.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    /// Their name.
    pub user: Name,
    /// Where they come from.
    pub from: IpAddr,
    /// What proved it.
    pub proofs: Vec<Proof>,
    /// What the connection may not do, whatever the policies say.
    pub restrictions: Restrictions,
    /// Where they want to go; `None` for the console.
    pub destination: Option<Destination>,
}

/// Whether a key or certificate may let a user in, from wherever and whenever.
pub(super) fn may_admit(user: &User, shown: &KeyData) -> bool {
    match shown {
        KeyData::Certificate(certificate) => certificate::may_admit(certificate, user),
        key => user.authorized_keys.iter().any(|known| known.key.key_data() == key),
    }
}

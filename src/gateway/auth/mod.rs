//! Who is there: one connection's way from a stranger to a user, whatever it tries and in whatever order.
//!
//! [`Login`] hears the attempts of one connection, finds the user and has the proofs checked; [`progress`] decides without I/O
//! what they come to. A stranger is told nothing: every name gets the same answers at the same cost.

mod certificate;
#[cfg(test)]
mod fixtures;
mod guard;
mod login;
mod methods;
mod password;
mod penalties;
mod progress;
mod totp;

use std::net::IpAddr;

use crate::config::Restrictions;
use crate::domain::Name;

use super::address::Destination;

pub(super) use guard::Guard;
pub(super) use login::{Answer, Login, Question};
pub(super) use penalties::Source;
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

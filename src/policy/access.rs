//! What a policy says of what runs no command.

use std::time::Duration;

use crate::config::Policy;
use crate::domain::{Access, Decision};

use super::allows_something;

/// The decision, and for how long a yes holds for the same access. There is no level: what the policy's `channels` list is
/// allowed, unless the policy allows nothing at all.
pub(super) fn decide(policy: &Policy, access: &Access) -> (Decision, Duration) {
    let decision = match access {
        _ if !allows_something(policy) => Decision::Deny,
        Access::Channel { .. } | Access::File { .. } | Access::Forward { .. } => Decision::Allow,
    };
    (decision, Duration::ZERO)
}

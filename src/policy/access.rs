//! What a policy says of what runs no command, or none but to move files.

use std::time::Duration;

use crate::config::Policy;
use crate::domain::{Access, Decision, Touch};

use super::{Judged, allows_something, files};

/// For how long an answer about a tree of files holds in its session.
const TREE_HOLDS: Duration = Duration::from_hours(24);

/// There is no level: what the policy's `channels` list is allowed, unless the policy allows nothing at all, or says otherwise
/// of the files.
pub(super) fn decide(policy: &Policy, access: &Access) -> Judged {
    match access {
        _ if !allows_something(policy) => without_answer(Decision::Deny),
        Access::File { touches, .. } => {
            let verdict = files::decide(policy, touches);
            let tree = (verdict.decision == Decision::Confirm).then(|| verdict.trees.join("; "));
            Judged {
                decision: verdict.decision,
                remember: if tree.is_some() { TREE_HOLDS } else { Duration::ZERO },
                tree,
            }
        }
        Access::Channel { .. } | Access::Forward { .. } => without_answer(Decision::Allow),
    }
}

/// The graver of what is said of a command, and of the files that it touches. The latter is asked each time.
pub(super) fn transfer(policy: &Policy, command: Judged, touches: &[Touch]) -> Judged {
    let of_files = files::decide(policy, touches).decision;
    if of_files > command.decision {
        without_answer(of_files)
    } else {
        command
    }
}

fn without_answer(decision: Decision) -> Judged {
    Judged {
        decision,
        remember: Duration::ZERO,
        tree: None,
    }
}

//! What the record says about earlier commands of the same pattern.

use serde::{Deserialize, Serialize};

/// Counts of finished business with one command pattern, as they stood when a command was assessed.
///
/// All zero means that the pattern is new; it is also the neutral history of `opspilot score`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Times that this user ran the pattern, on any target.
    pub user_seen: u32,
    /// Times that anybody ran the pattern on this target.
    pub target_seen: u32,
    /// Times that a question about the pattern was answered with yes, on this target.
    pub confirmed: u32,
    /// Times that a question about the pattern was answered with no, on this target.
    pub refused: u32,
    /// Runs of the pattern on this target that ended with a non-zero exit code or a signal.
    pub failed: u32,
    /// Runs of the pattern on this target whose impact was moderate or severe.
    pub harmful: u32,
}

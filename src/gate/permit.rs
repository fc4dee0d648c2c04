//! The right to send exactly these bytes to a target.

use crate::domain::CommandId;

/// The right to send exactly these bytes to the target, once.
///
/// Only the gate makes permits, and it makes one only for bytes that were assessed, decided and recorded. A permit cannot
/// be copied, and its bytes cannot be had without giving it up.
#[must_use = "a permit that is not used means that a command was recorded as running and never ran"]
#[derive(Debug)]
pub struct Permit {
    bytes: Vec<u8>,
    recorded: Option<CommandId>,
}

impl Permit {
    pub(super) fn new(bytes: Vec<u8>, recorded: Option<CommandId>) -> Self {
        Self { bytes, recorded }
    }

    /// The command's number in the record; `None` where it goes unrecorded because the configuration prefers that.
    pub fn recorded(&self) -> Option<CommandId> {
        self.recorded
    }

    /// Gives the permit up for its bytes.
    pub fn redeem(self) -> Vec<u8> {
        self.bytes
    }
}

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
    command: Option<CommandId>,
}

impl Permit {
    pub(super) fn new(bytes: Vec<u8>, command: Option<CommandId>) -> Self {
        Self { bytes, command }
    }

    /// The number of the command; `None` where it runs without being on record.
    pub fn command(&self) -> Option<CommandId> {
        self.command
    }

    /// Gives the permit up for its bytes.
    pub fn redeem(self) -> Vec<u8> {
        self.bytes
    }
}

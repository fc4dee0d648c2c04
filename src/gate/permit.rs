//! The right to send exactly these bytes to a target.

/// The right to send exactly these bytes to the target, once.
///
/// Only the gate makes permits, and it makes one only for bytes that were assessed, decided and recorded. A permit cannot
/// be copied, and its bytes cannot be had without giving it up.
#[must_use = "a permit that is not used means that a command was recorded as running and never ran"]
#[derive(Debug)]
pub struct Permit {
    bytes: Vec<u8>,
}

impl Permit {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    /// Gives the permit up for its bytes.
    pub fn redeem(self) -> Vec<u8> {
        self.bytes
    }
}

//! A change on its way to the writer.

use super::StoreError;
use super::change::Change;
use super::payload::Packed;

/// A change with what of its event can be made before its place in the chain is known: whoever asks does that, and not the
/// one thread that writes.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) change: Change,
    /// `None` of a statement, which says where the chain stands.
    pub(super) payload: Option<Packed>,
}

impl Entry {
    pub(super) fn new(change: Change) -> Result<Self, StoreError> {
        let payload = if change.is_statement() {
            None
        } else {
            Some(Packed::of(&change.payload()?)?)
        };
        Ok(Self { change, payload })
    }
}

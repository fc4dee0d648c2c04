//! A defect met while serving somebody: it ends their session, and no other.

use tokio_util::sync::CancellationToken;

/// What a user is told, and the record with it.
pub(super) const INTERNAL: &str = "internal error: the bastion has ended this session; its log says where";

/// Whether a part of a connection has panicked. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Fault(CancellationToken);

impl Fault {
    /// One has.
    pub(super) fn note(&self) {
        self.0.cancel();
    }

    /// Whether one has.
    pub(super) fn is_noted(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Returns when one has.
    pub(super) async fn noted(&self) {
        self.0.cancelled().await;
    }
}

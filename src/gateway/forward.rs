//! Connections that users want to be made for them from the target's side.

use russh::ChannelOpenFailure;
use russh::server::ChannelOpenHandle;

/// Answers a wish for a connection that leads to no target which the bastion would answer for. The same words for all, so
/// that nobody learns what there is.
pub(super) async fn refuse(reply: ChannelOpenHandle) {
    reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
}

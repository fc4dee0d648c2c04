//! Bytes between two channels, both ways, until both ways have ended.

use russh::{Channel, ChannelId, ChannelMsg, ChannelWriteHalf};
use tokio_util::sync::CancellationToken;

use super::banner::Beginning;
use crate::gateway::intake::Intake;
use crate::gateway::session::TargetSession;

/// One end of a forward.
pub(in crate::gateway) struct Side<M: From<(ChannelId, ChannelMsg)>> {
    /// What comes from there.
    pub(super) ear: Intake,
    voice: ChannelWriteHalf<M>,
}

/// What has passed, bytes, and why it was cut off if it was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Passed {
    /// From the user to the target.
    pub(super) up: u64,
    /// From the target to the user.
    pub(super) down: u64,
    /// Whether either side began to speak SSH.
    pub(super) is_ssh: bool,
    /// Whether a connection ended before this did.
    pub(super) is_lost: bool,
}

impl<M: From<(ChannelId, ChannelMsg)> + Send + Sync + 'static> Side<M> {
    /// Takes everything that comes from now on.
    pub(super) fn new(channel: Channel<M>, session: &TargetSession) -> Self {
        let (half, voice) = channel.split();
        Self {
            ear: Intake::forwarded(half, session.shared.spill_directory()),
            voice,
        }
    }

    /// Writes to it; `false` where it takes nothing any more.
    pub(super) async fn write(&self, bytes: Vec<u8>) -> bool {
        tokio::select! {
            biased;
            written = self.voice.data_bytes(bytes) => written.is_ok(),
            () = self.ear.closed().cancelled() => false,
        }
    }

    /// Closes it.
    pub(super) async fn close(&self) {
        if self.voice.close().await.is_err() {
            tracing::debug!("a connection ended before a channel of it was closed");
        }
    }
}

/// Moves bytes both ways until both have ended; a side that is closed ends both. Then both are closed.
pub(super) async fn pump<U, T>(user: Side<U>, target: Side<T>, over: impl Future<Output = ()>) -> Passed
where
    U: From<(ChannelId, ChannelMsg)> + Send + Sync + 'static,
    T: From<(ChannelId, ChannelMsg)> + Send + Sync + 'static,
{
    let (mut up, mut down) = (Way::default(), Way::default());
    let cut = CancellationToken::new();
    let (
        Side {
            ear: mut from_user,
            voice: to_user,
        },
        Side {
            ear: mut from_target,
            voice: to_target,
        },
    ) = (user, target);
    let (user_closed, target_closed) = (from_user.closed().clone(), from_target.closed().clone());
    {
        let both = async {
            tokio::join!(
                up.carry(&mut from_user, &to_target, &target_closed, &cut),
                down.carry(&mut from_target, &to_user, &user_closed, &cut),
            )
        };
        tokio::select! {
            _ = both => {}
            () = over => {}
            () = cut.cancelled() => {}
        }
    }
    let closed = (to_user.close().await, to_target.close().await);
    tracing::trace!(?closed, "a forward has ended");
    Passed {
        up: up.bytes,
        down: down.bytes,
        is_ssh: cut.is_cancelled(),
        is_lost: up.is_lost || down.is_lost,
    }
}

/// One direction.
#[derive(Default)]
struct Way {
    beginning: Beginning,
    bytes: u64,
    is_lost: bool,
}

impl Way {
    /// Carries what comes until it ends, and says so; returns at once when the other side is closed.
    async fn carry<M: From<(ChannelId, ChannelMsg)> + Send + Sync + 'static>(
        &mut self,
        from: &mut Intake,
        to: &ChannelWriteHalf<M>,
        to_closed: &CancellationToken,
        cut: &CancellationToken,
    ) {
        let carried = async {
            loop {
                let data = match from.next().await {
                    Some(ChannelMsg::Data { data }) => data,
                    Some(ChannelMsg::Eof | ChannelMsg::Close) => break,
                    Some(_) => continue,
                    None => {
                        self.is_lost = true;
                        break;
                    }
                };
                if self.beginning.is_ssh(&data) {
                    return cut.cancel();
                }
                let length = data.len() as u64;
                if to.data_bytes(data).await.is_err() {
                    return;
                }
                self.bytes += length;
            }
            if to.eof().await.is_err() {
                tracing::debug!("a connection ended before a forward on it");
            }
        };
        tokio::select! {
            biased;
            () = to_closed.cancelled() => {}
            () = carried => {}
        }
    }
}

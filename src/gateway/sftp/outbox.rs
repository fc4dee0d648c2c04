//! What is said to a client that somebody must not wait for.

use std::sync::Arc;

use bytes::Bytes;
use russh::ChannelMsg;
use tokio::sync::{Semaphore, mpsc};

use super::super::user::Voice;

/// Bytes that the client has not taken. Beyond it the target is not read.
const LIMIT: usize = 1024 * 1024;

/// Where to put what a client is told.
pub(super) struct Outbox {
    messages: mpsc::UnboundedSender<ChannelMsg>,
    /// Bytes that may still be put in.
    room: Arc<Semaphore>,
}

/// Where it comes out.
pub(super) struct Delivery {
    messages: mpsc::UnboundedReceiver<ChannelMsg>,
    room: Arc<Semaphore>,
}

/// An empty outbox.
pub(super) fn outbox() -> (Outbox, Delivery) {
    let room = Arc::new(Semaphore::new(LIMIT));
    // Bounded by `room`, which its only user asks for before it reads more.
    let (sender, messages) = mpsc::unbounded_channel();
    let outbox = Outbox {
        messages: sender,
        room: room.clone(),
    };
    (outbox, Delivery { messages, room })
}

impl Outbox {
    /// Puts in what the subsystem says.
    pub(super) fn data(&self, data: Bytes) {
        self.put(ChannelMsg::Data { data });
    }

    /// Puts in what is not the subsystem's.
    pub(super) fn stderr(&self, text: String) {
        self.put(ChannelMsg::ExtendedData {
            data: text.into(),
            ext: 1,
        });
    }

    /// Puts in a message that carries data.
    pub(super) fn put(&self, message: ChannelMsg) {
        let taken = length(&message).min(self.room.available_permits());
        self.room.forget_permits(taken);
        if self.messages.send(message).is_err() {
            tracing::debug!("the client is gone");
        }
    }

    /// Whether there is room.
    pub(super) fn has_room(&self) -> bool {
        self.room.available_permits() > 0
    }

    /// Returns when there is room. May be dropped at the await.
    pub(super) async fn room(&self) {
        if self.room.acquire().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Delivery {
    /// Says what is put in, until the outbox is gone and empty. A client that is gone takes all.
    pub(super) async fn deliver(mut self, voice: &Voice) {
        let mut is_there = true;
        while let Some(message) = self.messages.recv().await {
            let length = length(&message);
            is_there = is_there && voice.relay(message).await.is_ok();
            let missing = LIMIT.saturating_sub(self.room.available_permits());
            self.room.add_permits(length.min(missing));
        }
    }
}

fn length(message: &ChannelMsg) -> usize {
    match message {
        ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. } => data.len(),
        _ => 0,
    }
}

//! What waits for the answer to a question.

use std::collections::VecDeque;

use russh::ChannelMsg;

use super::intake::Intake;

/// What a held message without data counts for, bytes.
const MESSAGE_WEIGHT: usize = 64;

/// What the user sent before the target could have it: data, end of input, signals and window sizes, in order.
#[derive(Default)]
pub(super) struct Held {
    messages: VecDeque<ChannelMsg>,
    bytes: usize,
}

impl Held {
    /// What it counts for, bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The next message: of those that are held, then from `ear`. May be dropped at the await.
    pub(super) async fn next(&mut self, ear: &mut Intake) -> Option<ChannelMsg> {
        match self.messages.pop_front() {
            Some(message) => Some(message),
            None => ear.next().await,
        }
    }

    /// Keeps what the target is to hear later; anything else on an open channel means nothing.
    pub(super) fn push(&mut self, message: ChannelMsg) {
        self.bytes += match &message {
            ChannelMsg::Data { data } => data.len(),
            ChannelMsg::Eof | ChannelMsg::WindowChange { .. } => MESSAGE_WEIGHT,
            _ => return,
        };
        self.messages.push_back(message);
    }

    /// Keeps bytes.
    pub(super) fn push_data(&mut self, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.push(ChannelMsg::Data { data: bytes.into() });
        }
    }

    /// Takes all data out.
    pub(super) fn take_data(&mut self) -> Vec<u8> {
        let messages = std::mem::take(self).messages.into_iter();
        let data = messages.filter_map(|message| match message {
            ChannelMsg::Data { data } => Some(data),
            _ => None,
        });
        data.flatten().collect()
    }

    /// Takes bytes off the beginning.
    pub(super) fn swallow(&mut self, mut count: usize) {
        for message in &mut self.messages {
            if let ChannelMsg::Data { data } = message {
                let taken = count.min(data.len());
                *data = data.slice(taken..);
                count -= taken;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(bytes: &'static [u8]) -> ChannelMsg {
        ChannelMsg::Data { data: bytes.into() }
    }

    #[test]
    fn the_code_is_swallowed_wherever_the_reads_fell() {
        let mut held = Held::default();
        for message in [data(b"AB"), data(b"C123\nre"), data(b"st")] {
            held.push(message);
        }
        held.swallow(7);
        let left: Vec<u8> = held
            .messages
            .iter()
            .flat_map(|message| match message {
                ChannelMsg::Data { data } => data.to_vec(),
                _ => Vec::new(),
            })
            .collect();
        assert_eq!(left, b"rest");
    }
}

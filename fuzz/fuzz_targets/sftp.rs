//! Whatever either side of an SFTP conversation sends: nothing that was not decided about reaches the target, and where the
//! reads fall changes nothing.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use opspilot::sftp::{Conversation, Effect, Fault};

/// What a conversation comes to.
#[derive(Debug, Default, PartialEq)]
struct Heard {
    by_target: Vec<u8>,
    by_client: Vec<u8>,
    ended: usize,
    fault: Option<Fault>,
}

impl Heard {
    /// Takes what is to be done, and then decides, about some things with a no: nobody decides sooner.
    fn take(&mut self, conversation: &mut Conversation, effects: Result<Vec<Effect>, Fault>) {
        let effects = match effects {
            Ok(effects) => effects,
            Err(fault) => return self.fault = Some(fault),
        };
        let mut questions = Vec::new();
        for effect in effects {
            match effect {
                Effect::ToTarget(bytes) => self.by_target.extend(bytes),
                Effect::ToClient(bytes) => self.by_client.extend(bytes),
                Effect::Ended(..) => self.ended += 1,
                Effect::EndOfInput => {}
                Effect::Decide { ticket, packet, .. } => questions.push((ticket, packet)),
            }
        }
        for (ticket, packet) in questions {
            let effects = match packet.len() % 3 {
                0 => conversation.refused(ticket, "no"),
                _ => conversation.permitted(ticket, packet),
            };
            self.take(conversation, Ok(effects));
        }
    }
}

/// The input is turns: who speaks, a length, and what is said; it is fed in pieces of at most `piece`.
fn converse(input: &[u8], piece: usize) -> Heard {
    let (mut conversation, mut heard) = (Conversation::new(), Heard::default());
    conversation.judge_files(input.first().is_some_and(|first| first % 2 == 1));
    let mut rest = input.get(1..).unwrap_or_default();
    while let [speaker, length, said @ ..] = rest {
        let (said, after) = said.split_at(usize::from(*length).min(said.len()));
        rest = after;
        for part in said.chunks(piece).map(Bytes::copy_from_slice) {
            if heard.fault.is_some() {
                return heard;
            }
            let effects = if speaker % 2 == 0 {
                conversation.from_client(&part)
            } else {
                conversation.from_target(&part)
            };
            heard.take(&mut conversation, effects);
        }
    }
    let effects = conversation.end();
    heard.take(&mut conversation, Ok(effects));
    heard
}

fuzz_target!(|input: &[u8]| {
    let whole = converse(input, usize::MAX);
    let parts = converse(input, 1);
    // What is refused sooner frees its number sooner, so a fault may be one of both.
    if whole.fault.is_none() && parts.fault.is_none() {
        assert_eq!((whole.by_target, whole.ended), (parts.by_target, parts.ended));
    }
});

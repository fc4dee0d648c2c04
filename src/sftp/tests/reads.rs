//! However the reads fall, and whatever they are.

use proptest::prelude::*;

use super::*;

/// A client that puts a file, looks around, and reads it again.
fn a_whole_session() -> Vec<Bytes> {
    vec![
        greeting(),
        open_packet(1, "/srv/x", open::WRITE | open::CREATE),
        write_packet(2, "1", 0, &[7; 300]),
        write_packet(3, "1", 300, &[8; 200]),
        path_packet(kind::STAT, 4, b"/srv"),
        close_packet(5, "1"),
        path_packet(kind::REMOVE, 6, b"/srv/y"),
    ]
}

/// What the target gets of it, and how the decisions end, where everything is permitted and answered at once.
fn played(reads: impl Iterator<Item = Bytes>, cut: usize) -> (Vec<u8>, Vec<Effect>) {
    let mut conversation = Conversation::new();
    let (mut sent, mut ended) = (Vec::new(), Vec::new());
    let mut answered = 0;
    for came in reads {
        let mut effects = conversation.from_client(&came).unwrap();
        while !effects.is_empty() {
            let mut next = Vec::new();
            for effect in effects {
                match effect {
                    Effect::ToTarget(bytes) => sent.extend(bytes),
                    Effect::Decide { ticket, packet, .. } => next.extend(conversation.permitted(ticket, packet)),
                    Effect::Ended(..) => ended.push(effect),
                    Effect::ToClient(_) | Effect::EndOfInput => {}
                }
            }
            let answers = answers(&sent, &mut answered);
            for answer in answers.chunks(cut).map(Bytes::copy_from_slice) {
                next.extend(conversation.from_target(&answer).unwrap());
            }
            effects = next;
        }
    }
    (sent, ended)
}

/// What the target answers to the packets that it has in full, each once.
fn answers(sent: &[u8], answered: &mut usize) -> Vec<u8> {
    let mut answers = Vec::new();
    while let Some(length) = sent.get(*answered..*answered + 4) {
        let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
        let Some(packet) = sent.get(*answered + 4..*answered + 4 + length) else {
            break;
        };
        *answered += 4 + length;
        let id = u32::from_be_bytes(packet[1..5].try_into().unwrap());
        answers.extend(match packet[0] {
            kind::INIT => version(),
            kind::OPEN => handle(id, &id.to_string()),
            kind::STAT => attributes(id, 0o40_755),
            _ => ok(id),
        });
    }
    answers
}

#[test]
fn where_the_reads_fall_changes_nothing() {
    let packets = a_whole_session();
    let whole = played(packets.iter().cloned(), usize::MAX);
    assert_eq!(whole.0, packets.concat());
    assert_eq!(whole.1.len(), 2, "{:?}", whole.1);
    for at in 1..330 {
        let reads = packets.iter().flat_map(|packet| {
            let (before, after) = packet.split_at(at.min(packet.len()));
            [before, after].map(Bytes::copy_from_slice)
        });
        assert_eq!(played(reads, 3), whole, "cut at {at}");
    }
    let bytes = packets.iter().flatten().map(|byte| Bytes::copy_from_slice(&[*byte]));
    assert_eq!(played(bytes, 1), whole);
}

proptest! {
    #[test]
    fn no_bytes_make_it_fall_over(client in any::<Vec<u8>>(), target in any::<Vec<u8>>()) {
        let mut conversation = begun();
        let _fault = conversation.from_client(&client.into()).is_err();
        let _fault = conversation.from_target(&target.into()).is_err();
        conversation.end();
    }

    #[test]
    fn no_fields_make_it_fall_over(kind in 1..=20_u8, fields in prop::collection::vec(any::<u8>(), 4..64), judges: bool) {
        let length = u32::try_from(fields.len() + 1).unwrap().to_be_bytes();
        let packet = Bytes::from([length.as_slice(), &[kind], &fields].concat());
        let mut conversation = begun();
        conversation.judge_files(judges);
        let _fault = conversation.from_client(&packet).is_err();
        conversation.end();
    }
}

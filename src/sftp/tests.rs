mod judged;
mod reads;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::conversation::{Conversation, Effect, Ended, Ticket};
use super::fault::{Fault, Side};
use super::frames::MAX_PACKET;
use super::wire::{Writing, kind, open, path_packet, status, status_packet};
use crate::domain::{Access, FileOperation, Touch};

fn greeting() -> Bytes {
    Writing::new(kind::INIT).number(3).packet()
}

fn version() -> Bytes {
    Writing::new(kind::VERSION).number(3).packet()
}

fn open_packet(id: u32, path: &str, flags: u32) -> Bytes {
    let packet = Writing::new(kind::OPEN).number(id).string(path.as_bytes());
    packet.number(flags).number(0).packet()
}

fn write_packet(id: u32, handle: &str, offset: u32, data: &[u8]) -> Bytes {
    let packet = Writing::new(kind::WRITE).number(id).string(handle.as_bytes());
    packet.number(0).number(offset).string(data).packet()
}

fn read_packet(id: u32, handle: &str) -> Bytes {
    let packet = Writing::new(kind::READ).number(id).string(handle.as_bytes());
    packet.number(0).number(0).number(100).packet()
}

fn close_packet(id: u32, handle: &str) -> Bytes {
    path_packet(kind::CLOSE, id, handle.as_bytes())
}

fn two_paths(kind: u8, id: u32, first: &str, second: &str) -> Bytes {
    let packet = Writing::new(kind).number(id).string(first.as_bytes());
    packet.string(second.as_bytes()).packet()
}

fn extended(id: u32, name: &str, first: &str, second: &str) -> Bytes {
    let packet = Writing::new(kind::EXTENDED).number(id).string(name.as_bytes());
    packet.string(first.as_bytes()).string(second.as_bytes()).packet()
}

fn copy_packet(id: u32, from: &str, to: &str) -> Bytes {
    let packet = Writing::new(kind::EXTENDED).number(id).string(b"copy-data");
    let packet = packet.string(from.as_bytes()).number(0).number(0).number(0).number(0);
    packet.string(to.as_bytes()).number(0).number(0).packet()
}

fn handle(id: u32, handle: &str) -> Bytes {
    path_packet(kind::HANDLE, id, handle.as_bytes())
}

fn ok(id: u32) -> Bytes {
    status_packet(id, status::OK, "")
}

fn data(id: u32, data: &[u8]) -> Bytes {
    path_packet(kind::DATA, id, data)
}

fn name(id: u32, path: &str) -> Bytes {
    let packet = Writing::new(kind::NAME).number(id).number(1);
    packet.string(path.as_bytes()).string(b"").number(0).packet()
}

/// Attributes with a mode and no more.
fn attributes(id: u32, mode: u32) -> Bytes {
    Writing::new(kind::ATTRS).number(id).number(4).number(mode).packet()
}

/// A conversation whose greeting is over.
fn begun() -> Conversation {
    let mut conversation = Conversation::new();
    assert_eq!(
        conversation.from_client(&greeting()),
        Ok(vec![Effect::ToTarget(greeting())])
    );
    assert_eq!(
        conversation.from_target(&version()),
        Ok(vec![Effect::ToClient(version())])
    );
    conversation
}

/// The only decision that is asked for.
fn decision(effects: Vec<Effect>) -> (Ticket, Access) {
    let mut decisions = effects.into_iter().filter_map(|effect| match effect {
        Effect::Decide { ticket, access, .. } => Some((ticket, access)),
        _ => None,
    });
    let only = decisions.next().expect("nothing is to be decided");
    assert!(decisions.next().is_none());
    only
}

/// Lets pass what the client sends next, which is to be decided about.
fn let_pass(conversation: &mut Conversation, packet: &Bytes) -> Ticket {
    let (ticket, _) = decision(conversation.from_client(packet).unwrap());
    let effects = conversation.permitted(ticket, packet.clone());
    assert_eq!(effects, [Effect::ToTarget(packet.clone())]);
    ticket
}

/// Opens a file as the client and the target together.
fn opened(conversation: &mut Conversation, id: u32, path: &str, flags: u32, as_handle: &str) -> Ticket {
    let ticket = let_pass(conversation, &open_packet(id, path, flags));
    conversation.from_target(&handle(id, as_handle)).unwrap();
    ticket
}

/// The status that the client is answered with, and nothing goes to the target.
fn local_status(effects: &[Effect], id: u32) -> u32 {
    let [Effect::ToClient(packet)] = effects else {
        panic!("{effects:?}")
    };
    assert_eq!((packet[4], &packet[5..9]), (kind::STATUS, id.to_be_bytes().as_slice()));
    u32::from_be_bytes(packet[9..13].try_into().unwrap())
}

fn touch(operation: FileOperation, path: &str) -> Touch {
    Touch::of(operation, Some(path.to_owned()))
}

fn touches(access: Access) -> Vec<Touch> {
    match access {
        Access::File { touches, .. } => touches,
        other => panic!("{other:?}"),
    }
}

#[test]
fn version_3_is_spoken_and_extensions_that_are_not_understood_are_not_told_of() {
    let mut conversation = Conversation::new();
    let asks_for_6 = Writing::new(kind::INIT).number(6).packet();
    assert_eq!(
        conversation.from_client(&asks_for_6),
        Ok(vec![Effect::ToTarget(greeting())])
    );
    let told = Writing::new(kind::VERSION).number(3);
    let told = told.string(b"posix-rename@openssh.com").string(b"1");
    let told = told.string(b"run-anything@example.org").string(b"1").packet();
    let passed = Writing::new(kind::VERSION).number(3);
    let passed = passed.string(b"posix-rename@openssh.com").string(b"1").packet();
    assert_eq!(conversation.from_target(&told), Ok(vec![Effect::ToClient(passed)]));
}

#[test]
fn a_greeting_out_of_place_is_a_fault() {
    let open = open_packet(1, "/x", open::READ);
    let unexpected = |side, kind| Err(Fault::Unexpected(side, kind));
    assert_eq!(
        Conversation::new().from_client(&open),
        unexpected(Side::Client, kind::OPEN)
    );
    assert_eq!(
        Conversation::new().from_target(&version()),
        unexpected(Side::Target, kind::VERSION),
        "before the client's"
    );
    assert_eq!(
        begun().from_client(&greeting()),
        unexpected(Side::Client, kind::INIT),
        "twice"
    );
    let mut conversation = Conversation::new();
    conversation.from_client(&greeting()).unwrap();
    let version_6 = Writing::new(kind::VERSION).number(6).packet();
    assert_eq!(conversation.from_target(&version_6), Err(Fault::Version(6)));
}

#[test]
fn what_is_written_in_order_has_a_digest() {
    let mut conversation = begun();
    let ticket = opened(&mut conversation, 1, "/srv/x", open::WRITE | open::CREATE, "h");
    for (id, offset, part) in [(2, 0, b"hello "), (3, 6, b"world!")] {
        let packet = write_packet(id, "h", offset, part);
        assert_eq!(
            conversation.from_client(&packet),
            Ok(vec![Effect::ToTarget(packet.clone())]),
            "one piece"
        );
        conversation.from_target(&ok(id)).unwrap();
    }
    conversation.from_client(&close_packet(4, "h")).unwrap();
    let ended = Ended {
        status: Some(status::OK),
        read: None,
        written: Some(12),
        sha256: Some(Sha256::digest(b"hello world!").into()),
    };
    assert_eq!(
        conversation.from_target(&ok(4)),
        Ok(vec![Effect::Ended(ticket, ended), Effect::ToClient(ok(4))])
    );
}

#[test]
fn what_is_not_written_in_order_or_fails_has_none() {
    let cases: [&[(u32, u32)]; 3] = [&[(5, status::OK)], &[(0, status::OK), (0, status::OK)], &[(0, 4)]];
    for writes in cases {
        let mut conversation = begun();
        opened(&mut conversation, 1, "/x", open::WRITE, "h");
        for (offset, code) in writes {
            conversation
                .from_client(&write_packet(2, "h", *offset, b"abc"))
                .unwrap();
            conversation.from_target(&status_packet(2, *code, "")).unwrap();
        }
        conversation.from_client(&close_packet(3, "h")).unwrap();
        let effects = conversation.from_target(&ok(3)).unwrap();
        let failed = writes.iter().map(|(_, code)| *code).max();
        match effects.first() {
            Some(Effect::Ended(_, ended)) => {
                assert_eq!((ended.sha256, ended.status), (None, failed), "{writes:?}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_is_read_is_counted() {
    let mut conversation = begun();
    let ticket = opened(&mut conversation, 1, "/x", open::READ, "h");
    conversation.from_client(&read_packet(2, "h")).unwrap();
    conversation.from_client(&read_packet(3, "h")).unwrap();
    let packet = data(2, b"seven b");
    assert_eq!(
        conversation.from_target(&packet),
        Ok(vec![Effect::ToClient(packet.clone())])
    );
    let end = status_packet(3, status::EOF, "");
    conversation.from_target(&end).unwrap();
    conversation.from_client(&close_packet(4, "h")).unwrap();
    let ended = Ended {
        status: Some(status::OK),
        read: Some(7),
        ..Ended::default()
    };
    let effects = conversation.from_target(&ok(4)).unwrap();
    assert_eq!(effects.first(), Some(&Effect::Ended(ticket, ended)));
}

#[test]
fn nothing_overtakes_what_is_decided_about() {
    let mut conversation = begun();
    let (open, stat) = (open_packet(1, "/x", open::WRITE), path_packet(kind::STAT, 2, b"/y"));
    let together = Bytes::from([open.clone(), stat.clone()].concat());
    let (ticket, _) = decision(conversation.from_client(&together).unwrap());
    assert_eq!(
        conversation.from_client(&close_packet(3, "none")).unwrap().len(),
        1,
        "an answer of the bastion's own is no reason to wait"
    );
    assert_eq!(
        conversation.permitted(ticket, open.clone()),
        [Effect::ToTarget(open), Effect::ToTarget(stat)]
    );
}

#[test]
fn what_is_refused_is_answered_and_what_stands_behind_it_goes_on() {
    let mut conversation = begun();
    let (remove, stat) = (path_packet(kind::REMOVE, 1, b"/x"), path_packet(kind::STAT, 2, b"/y"));
    let together = Bytes::from([remove, stat.clone()].concat());
    let (ticket, access) = decision(conversation.from_client(&together).unwrap());
    assert_eq!(access.to_string(), "remove /x");
    let why = status_packet(1, status::PERMISSION_DENIED, "denied by policy `p`");
    assert_eq!(
        conversation.refused(ticket, "denied by policy `p`"),
        [Effect::ToTarget(stat), Effect::ToClient(why)]
    );
    conversation.from_client(&path_packet(kind::STAT, 1, b"/z")).unwrap();
}

#[test]
fn the_bastions_own_answers_never_stand_amid_a_packet_of_the_targets() {
    let mut conversation = begun();
    opened(&mut conversation, 1, "/x", open::READ, "h");
    conversation.from_client(&read_packet(2, "h")).unwrap();
    conversation.from_client(&read_packet(3, "h")).unwrap();
    let (first, second) = (data(2, b"first"), data(3, b"second"));
    let (begun, rest) = (first.slice(..15), first.slice(15..));
    conversation.from_target(&begun).unwrap();
    let unknown = conversation.from_client(&path_packet(77, 9, b"")).unwrap();
    assert_eq!(unknown, [], "not yet");
    let effects = conversation
        .from_target(&[rest.clone(), second.slice(..14)].concat().into())
        .unwrap();
    let [Effect::ToClient(end), own @ Effect::ToClient(_), Effect::ToClient(next)] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!((end, next), (&rest, &second.slice(..14)));
    assert_eq!(local_status(std::slice::from_ref(own), 9), status::UNSUPPORTED);
}

#[test]
fn the_end_of_input_waits_its_turn() {
    let mut conversation = begun();
    let remove = path_packet(kind::REMOVE, 1, b"/x");
    let (ticket, _) = decision(conversation.from_client(&remove).unwrap());
    assert_eq!(conversation.end_of_input(), []);
    assert_eq!(
        conversation.permitted(ticket, remove.clone()),
        [Effect::ToTarget(remove), Effect::EndOfInput]
    );
}

#[test]
fn the_end_of_input_is_told_once() {
    let mut conversation = begun();
    let remove = path_packet(kind::REMOVE, 1, b"/x");
    let (ticket, _) = decision(conversation.from_client(&remove).unwrap());
    conversation.end_of_input();
    conversation.end_of_input();
    assert_eq!(
        conversation.permitted(ticket, remove.clone()),
        [Effect::ToTarget(remove), Effect::EndOfInput]
    );
    assert_eq!(conversation.end_of_input(), []);
}

#[test]
fn every_change_is_decided_about_and_looking_is_not() {
    let set_size = Writing::new(kind::SETSTAT)
        .number(1)
        .string(b"/a")
        .number(1)
        .number(0)
        .number(0);
    for (packet, shown) in [
        (path_packet(kind::REMOVE, 1, b"/a"), Some("remove /a")),
        (path_packet(kind::RMDIR, 1, b"/a"), Some("rmdir /a")),
        (path_packet(kind::MKDIR, 1, b"a b"), Some("mkdir 'a b'")),
        (two_paths(kind::RENAME, 1, "/a", "/b"), Some("rename /a /b")),
        (two_paths(kind::SYMLINK, 1, "/a", "/b"), Some("link /a /b")),
        (set_size.packet(), Some("setstat /a")),
        (
            extended(1, "posix-rename@openssh.com", "/a", "/b"),
            Some("rename /a /b"),
        ),
        (extended(1, "hardlink@openssh.com", "/a", "/b"), Some("link /a /b")),
        (extended(1, "statvfs@openssh.com", "/a", ""), None),
        (path_packet(kind::OPENDIR, 1, b"/a"), None),
        (path_packet(kind::REALPATH, 1, b"/a"), None),
        (path_packet(kind::LSTAT, 1, b"/a"), None),
        (path_packet(kind::READLINK, 1, b"/a"), None),
    ] {
        let effects = begun().from_client(&packet).unwrap();
        match shown {
            Some(shown) => {
                let (_, access) = decision(effects);
                assert_eq!(access.to_string(), shown);
            }
            None => assert_eq!(effects, [Effect::ToTarget(packet)]),
        }
    }
}

#[test]
fn what_nobody_knows_goes_nowhere() {
    let unknown = path_packet(77, 1, b"/x");
    for packet in [
        extended(1, "run-anything@example.org", "id", ""),
        unknown,
        handle(1, "h"),
    ] {
        let effects = begun().from_client(&packet).unwrap();
        assert_eq!(local_status(&effects, 1), status::UNSUPPORTED);
    }
}

#[test]
fn a_change_ends_with_the_status_of_the_target() {
    let mut conversation = begun();
    let ticket = let_pass(&mut conversation, &path_packet(kind::REMOVE, 1, b"/x"));
    let denied = status_packet(1, status::PERMISSION_DENIED, "");
    let ended = Ended {
        status: Some(status::PERMISSION_DENIED),
        ..Ended::default()
    };
    assert_eq!(
        conversation.from_target(&denied),
        Ok(vec![Effect::Ended(ticket, ended), Effect::ToClient(denied.clone())])
    );
}

#[test]
fn what_has_not_ended_at_the_end_is_told_of() {
    let mut conversation = begun();
    let removed = let_pass(&mut conversation, &path_packet(kind::REMOVE, 1, b"/x"));
    let file = opened(&mut conversation, 2, "/y", open::WRITE, "h");
    conversation.from_client(&write_packet(3, "h", 0, b"abc")).unwrap();
    let mut ended = conversation.end();
    ended.sort_by_key(|effect| matches!(effect, Effect::Ended(ticket, _) if *ticket == file));
    let [Effect::Ended(first, nothing), Effect::Ended(second, some)] = ended.as_slice() else {
        panic!("{ended:?}")
    };
    assert_eq!((*first, nothing), (removed, &Ended::default()));
    assert_eq!((*second, some.status, some.written), (file, None, Some(3)));
}

#[test]
fn a_handle_is_good_for_what_it_was_opened_for_until_it_is_closed() {
    let mut conversation = begun();
    opened(&mut conversation, 1, "/x", open::WRITE, "w");
    opened(&mut conversation, 1, "/y", open::READ, "r");
    for packet in [
        read_packet(5, "w"),
        write_packet(5, "r", 0, b"abc"),
        read_packet(5, "none"),
        write_packet(5, "none", 0, b"abc"),
        close_packet(5, "none"),
        copy_packet(5, "w", "r"),
        copy_packet(5, "r", "r"),
    ] {
        let effects = conversation.from_client(&packet).unwrap();
        assert_eq!(local_status(&effects, 5), status::FAILURE);
    }
    conversation.from_client(&close_packet(6, "w")).unwrap();
    let after = conversation.from_client(&write_packet(7, "w", 0, b"abc")).unwrap();
    assert_eq!(local_status(&after, 7), status::FAILURE);
}

#[test]
fn a_handle_may_be_given_again_when_it_is_closed() {
    let mut conversation = begun();
    let first = opened(&mut conversation, 1, "/x", open::WRITE, "h");
    conversation.from_client(&close_packet(2, "h")).unwrap();
    let second = opened(&mut conversation, 3, "/y", open::WRITE, "h");
    let ends = |effects: Vec<Effect>| match effects.first() {
        Some(Effect::Ended(ticket, _)) => *ticket,
        other => panic!("{other:?}"),
    };
    assert_eq!(ends(conversation.from_target(&ok(2)).unwrap()), first);
    conversation.from_client(&close_packet(4, "h")).unwrap();
    assert_eq!(ends(conversation.from_target(&ok(4)).unwrap()), second);
}

#[test]
fn a_hostile_target_is_found_out() {
    let long = "h".repeat(257);
    let mut conversation = begun();
    opened(&mut conversation, 1, "/x", open::READ, "h");
    let_pass(&mut conversation, &open_packet(2, "/y", open::READ));
    assert_eq!(conversation.from_target(&handle(2, "h")), Err(Fault::Handle), "twice");

    let mut conversation = begun();
    let_pass(&mut conversation, &open_packet(1, "/y", open::READ));
    assert_eq!(conversation.from_target(&handle(1, &long)), Err(Fault::Handle));

    assert_eq!(begun().from_target(&ok(9)), Err(Fault::Unasked(9)));

    let mut conversation = begun();
    conversation.from_client(&path_packet(kind::STAT, 1, b"/x")).unwrap();
    let unexpected = Err(Fault::Unexpected(Side::Target, kind::DATA));
    assert_eq!(conversation.from_target(&data(1, b"x")), unexpected);

    let shell = Bytes::from_static(b"Welcome to this host!\r\n");
    assert!(matches!(
        begun().from_target(&shell),
        Err(Fault::Length(Side::Target, _))
    ));
}

#[test]
fn a_number_stands_for_one_request_at_a_time() {
    let mut conversation = begun();
    let stat = path_packet(kind::STAT, 1, b"/x");
    conversation.from_client(&stat).unwrap();
    assert_eq!(conversation.from_client(&stat), Err(Fault::Reused(1)));

    let mut conversation = begun();
    conversation.from_client(&stat).unwrap();
    conversation.from_target(&attributes(1, 0)).unwrap();
    assert!(conversation.from_client(&stat).is_ok());
}

#[test]
fn lengths_are_bounded() {
    for length in [0, 4, MAX_PACKET + 1, u32::MAX] {
        let packet = Bytes::from([length.to_be_bytes().as_slice(), &[kind::STAT]].concat());
        let fault = Err(Fault::Length(Side::Client, length));
        assert_eq!(begun().from_client(&packet), fault);
    }
    // A string that is longer than its packet.
    let lies = Writing::new(kind::STAT).number(1).packet();
    assert!(begun().from_client(&lies).is_ok(), "nothing of it matters");
    let lies = Writing::new(kind::REMOVE).number(1).number(1_000_000).packet();
    let malformed = |kind| Err(Fault::Malformed(Side::Client, kind));
    assert_eq!(begun().from_client(&lies), malformed(kind::REMOVE));
    let lies = Writing::new(kind::WRITE).number(1).number(257).number(0).packet();
    assert_eq!(begun().from_client(&lies), malformed(kind::WRITE));
    let mut lies = write_packet(1, "h", 0, b"abc").to_vec();
    *lies.last_mut().unwrap() = 0;
    let at = lies.len() - 4;
    lies[at] = 9;
    assert_eq!(begun().from_client(&lies.into()), malformed(kind::WRITE));
}

#[test]
fn paths_are_bounded() {
    let long = "/x".repeat(2_049);
    for path in [long.as_str(), "/etc/passwd\0.txt"] {
        let remove = path_packet(kind::REMOVE, 1, path.as_bytes());
        for packet in [
            open_packet(1, path, open::READ),
            remove,
            two_paths(kind::RENAME, 1, "/a", path),
        ] {
            let effects = begun().from_client(&packet).unwrap();
            assert_eq!(local_status(&effects, 1), status::FAILURE);
        }
    }
}

#[test]
fn what_is_open_is_bounded() {
    let mut conversation = begun();
    for number in 0..1024 {
        opened(&mut conversation, number, "/x", open::READ, &number.to_string());
    }
    let effects = conversation.from_client(&open_packet(5000, "/x", open::READ)).unwrap();
    assert_eq!(local_status(&effects, 5000), status::FAILURE);
    let opendir = path_packet(kind::OPENDIR, 5001, b"/");
    assert_eq!(
        local_status(&conversation.from_client(&opendir).unwrap(), 5001),
        status::FAILURE
    );
    conversation.from_client(&close_packet(6000, "7")).unwrap();
    conversation.from_target(&ok(6000)).unwrap();
    opened(&mut conversation, 5002, "/x", open::READ, "7");
}

#[test]
fn what_is_under_way_is_bounded() {
    let mut conversation = begun();
    for id in 0..4096 {
        assert!(!conversation.is_full(), "{id}");
        conversation.from_client(&path_packet(kind::STAT, id, b"/")).unwrap();
    }
    assert!(conversation.is_full());
    conversation.from_target(&attributes(7, 0)).unwrap();
    assert!(!conversation.is_full());

    let mut conversation = begun();
    conversation.from_client(&path_packet(kind::REMOVE, 1, b"/x")).unwrap();
    let long = Writing::new(kind::MKDIR)
        .number(2)
        .string(b"/y")
        .string(&vec![0; 200_000]);
    conversation.from_client(&long.packet()).unwrap();
    assert!(!conversation.is_full());
    for id in 3..9 {
        let long = Writing::new(kind::MKDIR)
            .number(id)
            .string(b"/y")
            .string(&vec![0; 200_000]);
        conversation.from_client(&long.packet()).unwrap();
    }
    assert!(conversation.is_full(), "a megabyte waits for a decision");
}

#[test]
fn what_is_to_be_answered_is_bounded() {
    let mut conversation = begun();
    opened(&mut conversation, 1, "/x", open::READ, "h");
    conversation.from_client(&read_packet(2, "h")).unwrap();
    let first = data(2, b"first");
    conversation.from_target(&first.slice(..15)).unwrap();
    let unknown = path_packet(77, 9, b"");
    let many: Bytes = unknown.repeat(32 * 1024).into();
    assert!(!conversation.is_full());
    conversation.from_client(&many).unwrap();
    assert!(conversation.is_full(), "the answers wait for the end of a packet");
    conversation.from_target(&first.slice(15..)).unwrap();
    assert!(!conversation.is_full());
}

//! Files judged by where the target has them.

use super::*;

#[test]
fn files_are_judged_by_where_the_target_has_them() {
    let mut conversation = begun();
    conversation.judge_files(true);
    let open = open_packet(1, "link/passwd", open::WRITE);
    let own = u32::MAX;
    assert_eq!(
        conversation.from_client(&open).unwrap(),
        [
            Effect::ToTarget(path_packet(kind::REALPATH, own, b".")),
            Effect::ToTarget(path_packet(kind::REALPATH, own - 1, b"link/passwd")),
            Effect::ToTarget(path_packet(kind::REALPATH, own - 2, b"link/")),
        ]
    );
    assert_eq!(conversation.from_target(&name(own, "/home/deploy")).unwrap(), []);
    assert_eq!(conversation.from_target(&name(own - 2, "/etc")).unwrap(), []);
    let (ticket, access) = decision(conversation.from_target(&name(own - 1, "/etc/passwd")).unwrap());
    assert_eq!(access.to_string(), "write link/passwd");
    assert_eq!(
        touches(access),
        [
            touch(FileOperation::Write, "/home/deploy/link/passwd"),
            touch(FileOperation::Write, "/etc/passwd"),
        ]
    );
    assert_eq!(conversation.permitted(ticket, open.clone()), [Effect::ToTarget(open)]);
    conversation.from_target(&handle(1, "h")).unwrap();

    let chmod = Writing::new(kind::FSETSTAT)
        .number(2)
        .string(b"h")
        .number(4)
        .number(0o777);
    let (_, access) = decision(conversation.from_client(&chmod.packet()).unwrap());
    assert_eq!(access.to_string(), "setstat link/passwd");
    assert!(touches(access).contains(&touch(FileOperation::Setstat, "/etc/passwd")));
}

#[test]
fn where_files_are_is_asked_when_all_before_it_has_been_done() {
    let mut conversation = begun();
    conversation.judge_files(true);
    let (first, second) = (
        two_paths(kind::SYMLINK, 1, "/etc", "/tmp/l"),
        path_packet(kind::REMOVE, 2, b"/tmp/l/passwd"),
    );
    let asked = conversation
        .from_client(&[first.clone(), second].concat().into())
        .unwrap();
    assert_eq!(
        asked.len(),
        4,
        "the home, the target twice, the directory of the link: {asked:?}"
    );
    let mut answers = asked
        .iter()
        .zip(["/root", "/etc", "/", "/tmp"])
        .map(|(effect, path)| match effect {
            Effect::ToTarget(packet) => name(u32::from_be_bytes(packet[5..9].try_into().unwrap()), path),
            other => panic!("{other:?}"),
        });
    let effects: Vec<Effect> = answers
        .by_ref()
        .flat_map(|answer| conversation.from_target(&answer).unwrap())
        .collect();
    drop(answers);
    let (ticket, access) = decision(effects);
    assert!(touches(access.clone()).contains(&touch(FileOperation::Link, "/etc")));
    assert!(touches(access).contains(&touch(FileOperation::Write, "/tmp/l")));
    let effects = conversation.permitted(ticket, first.clone());
    let own = u32::MAX - 3;
    let question = path_packet(kind::REALPATH, own, b"/tmp/l/");
    assert_eq!(effects, [Effect::ToTarget(first), Effect::ToTarget(question)]);
    let (_, access) = decision(conversation.from_target(&name(own, "/etc")).unwrap());
    assert!(touches(access).contains(&touch(FileOperation::Remove, "/etc/passwd")));
}

#[test]
fn a_directory_is_moved_with_all_below_it() {
    for (mode, with_all_below) in [(0o040_755, true), (0o100_644, false), (0, true)] {
        let mut conversation = begun();
        conversation.judge_files(true);
        let asked = conversation
            .from_client(&two_paths(kind::RENAME, 1, "/a", "/b"))
            .unwrap();
        let mut effects = Vec::new();
        for question in asked {
            let Effect::ToTarget(packet) = question else {
                panic!("{question:?}")
            };
            let id = u32::from_be_bytes(packet[5..9].try_into().unwrap());
            let answer = match packet[4] {
                kind::LSTAT => attributes(id, mode),
                _ => status_packet(id, status::FAILURE, ""),
            };
            effects.extend(conversation.from_target(&answer).unwrap());
        }
        let (_, access) = decision(effects);
        let touches = touches(access);
        assert!(
            touches.iter().all(|touch| touch.with_all_below == with_all_below),
            "{mode:o}"
        );
        let is_there = |operation, path: &str| {
            let mut found = touches.iter();
            found.any(|touch| touch.operation == operation && touch.path.as_deref() == Some(path))
        };
        assert!(is_there(FileOperation::Remove, "/a") && is_there(FileOperation::Write, "/b"));
    }
}

#[test]
fn a_relative_path_without_a_home_may_be_any() {
    let mut conversation = begun();
    conversation.judge_files(true);
    let asked = conversation.from_client(&path_packet(kind::MKDIR, 1, b"x")).unwrap();
    let mut effects = Vec::new();
    for id in (0..2).map(|number| u32::MAX - number) {
        effects = conversation
            .from_target(&status_packet(id, status::FAILURE, ""))
            .unwrap();
    }
    assert_eq!(asked.len(), 2);
    let (_, access) = decision(effects);
    assert_eq!(touches(access), [Touch::of(FileOperation::Mkdir, None)]);
}

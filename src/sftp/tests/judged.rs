//! Files judged by where the target has them.

use super::*;

/// The type, the number and the path of a question of the bastion's own.
fn question(effect: &Effect) -> (u8, u32, &str) {
    let Effect::ToTarget(packet) = effect else {
        panic!("{effect:?}")
    };
    let id = u32::from_be_bytes(packet[5..9].try_into().unwrap());
    (packet[4], id, std::str::from_utf8(&packet[13..]).unwrap())
}

/// What a request touches on a target that has the directories and links `there`, each with where it leads, and answers
/// everything else with `NO_SUCH_FILE`.
fn touched(request: &Bytes, there: &[(&str, &str)]) -> Vec<Touch> {
    let mut conversation = begun();
    conversation.judge_files(true);
    let asked = conversation.from_client(request).unwrap();
    let mut effects = Vec::new();
    for effect in &asked {
        let (kind, id, path) = question(effect);
        let leads_to = there.iter().find(|(known, _)| *known == path).map(|(_, to)| *to);
        let answer = match (kind, leads_to) {
            (kind::LSTAT, Some(_)) => attributes(id, 0o120_777),
            // What the target's server cannot follow it says nothing of.
            (kind::REALPATH, Some(to)) if !to.is_empty() => name(id, to),
            _ => status_packet(id, status::NO_SUCH_FILE, ""),
        };
        effects.extend(conversation.from_target(&answer).unwrap());
    }
    let (_, access) = decision(effects);
    touches(access)
}

const HOME: (&str, &str) = (".", "/home/deploy");

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
            Effect::ToTarget(path_packet(kind::LSTAT, own - 3, b"link/passwd")),
        ]
    );
    assert_eq!(conversation.from_target(&name(own, "/home/deploy")).unwrap(), []);
    assert_eq!(conversation.from_target(&name(own - 2, "/etc")).unwrap(), []);
    assert_eq!(conversation.from_target(&attributes(own - 3, 0)).unwrap(), []);
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
        5,
        "the home, the target thrice, the directory of the link: {asked:?}"
    );
    let mut answers = asked
        .iter()
        .zip(["/root", "/etc", "/", "", "/tmp"])
        .map(|(effect, path)| match question(effect) {
            (kind::LSTAT, id, _) => attributes(id, 0o040_755),
            (_, id, _) => name(id, path),
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
    let own = u32::MAX - 4;
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
        for effect in asked {
            let answer = match question(&effect) {
                (kind::LSTAT, id, _) => attributes(id, mode),
                (_, id, _) => status_packet(id, status::FAILURE, ""),
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
        assert!(
            is_there(FileOperation::Read, "/a"),
            "by its new name it can be read: {touches:?}"
        );
    }
}

#[test]
fn what_the_target_cannot_follow_may_be_anything() {
    let anything = Touch::of(FileOperation::Read, None);
    let open = |path: &str| open_packet(1, path, open::READ);
    let many_links = ["/tmp/l".repeat(17).as_str(), "/passwd"].concat();
    assert!(
        touched(&open(&many_links), &[HOME]).contains(&anything),
        "neither the file nor its directory"
    );
    let a_link_too_far = [HOME, ("/tmp/", "/tmp"), ("/tmp/l", "")];
    assert!(
        touched(&open("/tmp/l"), &a_link_too_far).contains(&anything),
        "it is there, and where it leads is not known"
    );
    let followed = [HOME, ("/tmp/", "/tmp"), ("/tmp/l", "/srv/x")];
    assert_eq!(
        touched(&open("/tmp/l"), &followed),
        [
            touch(FileOperation::Read, "/tmp/l"),
            touch(FileOperation::Read, "/srv/x"),
            touch(FileOperation::Read, "/tmp/l")
        ]
    );
    let nameless = [HOME, ("/tmp/", "tmp"), ("/tmp/l", "l")];
    assert!(
        touched(&open("/tmp/l"), &nameless).contains(&anything),
        "an answer that is no absolute path is none"
    );
}

#[test]
fn what_is_not_there_yet_is_where_its_directory_is() {
    let new = touched(
        &open_packet(1, "link/new", open::WRITE | open::CREATE),
        &[HOME, ("link/", "/srv")],
    );
    assert_eq!(
        new,
        [
            touch(FileOperation::Write, "/home/deploy/link/new"),
            touch(FileOperation::Write, "/srv/new"),
        ]
    );
    let directory = touched(&path_packet(kind::MKDIR, 1, b"/srv/new/"), &[HOME, ("/srv/", "/srv")]);
    assert_eq!(directory, [touch(FileOperation::Mkdir, "/srv/new")]);
}

#[test]
fn what_goes_through_a_process_may_be_anything_whatever_the_target_says() {
    let path = "/proc/4711/root/srv/x";
    let there = [HOME, ("/proc/4711/root/srv/", "/srv"), (path, "/srv/x")];
    for (request, operation) in [
        (open_packet(1, path, open::READ), FileOperation::Read),
        (path_packet(kind::REMOVE, 1, path.as_bytes()), FileOperation::Remove),
    ] {
        assert!(touched(&request, &there).contains(&Touch::of(operation, None)));
    }
}

#[test]
fn what_an_open_file_is_stays_unknown() {
    let mut conversation = begun();
    conversation.judge_files(true);
    let open = open_packet(1, "/proc/1/root/x", open::WRITE);
    let asked = conversation.from_client(&open).unwrap();
    let mut effects = Vec::new();
    for (_, id, _) in asked.iter().map(question) {
        effects.extend(conversation.from_target(&name(id, "/x")).unwrap());
    }
    let (ticket, _) = decision(effects);
    conversation.permitted(ticket, open);
    conversation.from_target(&handle(1, "h")).unwrap();
    let chmod = Writing::new(kind::FSETSTAT).number(2).string(b"h").number(4).number(0);
    let (_, access) = decision(conversation.from_client(&chmod.packet()).unwrap());
    assert!(touches(access).contains(&Touch::of(FileOperation::Setstat, None)));
}

#[test]
fn a_slash_at_the_end_follows_a_link_too() {
    let there = [HOME, ("/tmp/", "/tmp"), ("/tmp/l", "/etc"), ("/tmp/l/", "/etc")];
    let attributes = |path: &str| {
        let packet = Writing::new(kind::EXTENDED).number(1).string(b"lsetstat@openssh.com");
        packet.string(path.as_bytes()).number(4).number(0o777).packet()
    };
    let of_what_it_leads_to = touch(FileOperation::Setstat, "/etc");
    assert!(touched(&attributes("/tmp/l/"), &there).contains(&of_what_it_leads_to));
    assert!(!touched(&attributes("/tmp/l"), &there).contains(&of_what_it_leads_to));
}

#[test]
fn links_are_judged_by_both_their_paths() {
    let there = [HOME, ("/srv/", "/srv"), ("/srv/l", "/etc/passwd"), ("/tmp/", "/tmp")];
    let hard = touched(&extended(1, "hardlink@openssh.com", "/srv/l", "/tmp/l"), &there);
    assert!(
        hard.contains(&touch(FileOperation::Read, "/etc/passwd")),
        "some systems follow the old path: {hard:?}"
    );
    let soft = touched(&two_paths(kind::SYMLINK, 1, "/srv/x", "/tmp/l"), &there);
    for path in ["/srv/x", "/tmp/l"] {
        assert!(
            soft.contains(&touch(FileOperation::Write, path)),
            "servers differ in which is which: {soft:?}"
        );
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

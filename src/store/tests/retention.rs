//! What is erased is gone, what stays still holds, and an erasure is told from tampering.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use rusqlite::Connection;
use serde_json::json;

use super::super::fixtures::{Fixture, begin_session, exited, name, running};
use super::super::retention::Finder;
use super::super::{
    ConnectionCounts, NewCommand, NewRecording, NewSnapshot, Prune, Reader, RecordingEnd, RecordingId, RecordingState,
    RemoveFile, SessionEnd, Store, StoreError,
};
use super::evidence::{Pristine, assert_sound, exported, is_said, unnoticed, verified};
use super::{number, outsider};
use crate::domain::{CommandId, SessionId};

/// What [`Fixture`]s hold is from 13:30 that day; this is later.
const LATER: &str = "2026-11-22T20:00:00Z";

fn older_than(time: &str) -> Prune {
    let before: Timestamp = time.parse().unwrap();
    Prune {
        before: Some(before),
        recordings_before: Some(before),
        user: None,
        ships: Vec::new(),
    }
}

fn all_of(user: &str) -> Prune {
    Prune {
        before: None,
        recordings_before: None,
        user: Some(name(user)),
        ships: Vec::new(),
    }
}

async fn end(store: &Store, session: SessionId) {
    let end = SessionEnd {
        at: Some("2026-11-22T13:45:00Z".parse().unwrap()),
        reason: "the user left".to_owned(),
    };
    store.end_session(session, end).await.unwrap();
}

/// `count` commands of a session, the first of which reads the others as a script.
async fn script(store: &Store, session: SessionId, count: usize) -> CommandId {
    let reader = store.record(running(session, "sh secret-script")).await.unwrap();
    for number in 1..count {
        let read = NewCommand {
            parent_id: Some(reader),
            ..running(session, &format!("secret {number}"))
        };
        let id = store.record(read).await.unwrap();
        store.finish(id, exited(u32::from(number % 3 == 0))).await.unwrap();
    }
    store.finish(reader, exited(0)).await.unwrap();
    reader
}

/// The tables that count.
fn counts(path: &Path) -> BTreeMap<&'static str, Vec<String>> {
    let database = Connection::open(path).unwrap();
    let rows = |table: &str| {
        let mut statement = database.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            let cells = (0..columns).map(|column| row.get::<_, rusqlite::types::Value>(column));
            Ok(format!("{:?}", cells.collect::<Result<Vec<_>, _>>()?))
        });
        rows.unwrap().map(Result::unwrap).collect()
    };
    [
        "command_patterns",
        "user_patterns",
        "user_behavior",
        "connection_counts",
    ]
    .into_iter()
    .map(|table| (table, rows(table)))
    .collect()
}

pub(super) fn contains(path: &Path, text: &str) -> bool {
    let holds = |file: &Path| {
        let bytes = fs::read(file).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    holds(path) || holds(&path.with_extension("db-wal"))
}

#[tokio::test]
async fn what_is_old_is_erased_and_the_record_stays_sound() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    fixture.eventful("rm -rf ./secret").await;
    script(store, fixture.session, 300).await;
    let snapshot = NewSnapshot {
        target: name("web-1"),
        taken_at: "2026-11-22T13:29:00Z".parse().unwrap(),
        profile: None,
        snapshot: json!({"users": ["secret"]}),
    };
    store.save_snapshot(snapshot).await.unwrap();
    end(store, fixture.session).await;
    let today = begin_session(store).await;
    let kept = NewCommand {
        timestamp: Timestamp::now(),
        ..running(today, "uptime")
    };
    let kept = store.record(kept).await.unwrap();
    let before = counts(&fixture.path());
    let head = exported(&fixture.path());
    assert_sound(&fixture.path());
    assert!(contains(&fixture.path(), "secret"));

    let pruned = store.prune(older_than(LATER), None).await.unwrap();
    assert!(pruned.payloads > 600, "{pruned:?}");
    store.close().await;

    let database = outsider(&fixture);
    assert_eq!(number(&database, "SELECT min(id) FROM command_executions"), kept.0);
    for table in ["command_executions", "sessions"] {
        assert_eq!(
            number(&database, &format!("SELECT count(*) FROM {table}")),
            1,
            "{table}"
        );
    }
    assert_eq!(number(&database, "SELECT count(*) FROM system_contexts"), 0);
    assert_eq!(counts(&fixture.path()), before, "what was counted stays counted");
    assert!(!contains(&fixture.path(), "secret"), "nothing is left in the file");
    let after = assert_sound(&fixture.path());
    assert_eq!(after.erased, pruned.payloads);
    assert_eq!(
        verified(&fixture.path(), Some(&head)).findings,
        [],
        "the head of before still holds"
    );

    let again = Store::open(&fixture.path()).unwrap();
    assert_eq!(again.prune(older_than(LATER), None).await.unwrap().payloads, 0);
    let session = begin_session(&again).await;
    assert!(
        again.record(running(session, "ls")).await.unwrap() > kept,
        "numbers are never given twice"
    );
    again.close().await;
    assert_sound(&fixture.path());
}

#[tokio::test]
async fn the_record_is_sound_after_every_step() {
    let fixture = Fixture::new().await;
    script(&fixture.store, fixture.session, 300).await;
    end(&fixture.store, fixture.session).await;
    let mut finder = fixture.store.finder(older_than(LATER)).await.unwrap();
    for steps in 0.. {
        let erased;
        (finder, erased) = fixture.store.erase_next(finder, Finder::next).await.unwrap();
        assert_sound(&fixture.path());
        if erased.is_none() {
            assert!(steps > 3, "{steps} steps");
            break;
        }
    }
}

#[tokio::test]
async fn what_is_open_or_needed_stays() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let shell = store.record(fixture.running("sudo -i")).await.unwrap();
    let inside = NewCommand {
        parent_id: Some(shell),
        timestamp: Timestamp::now(),
        ..fixture.running("uptime")
    };
    let inside = store.record(inside).await.unwrap();
    store.finish(shell, exited(0)).await.unwrap();
    let held = store.record(fixture.held("reboot")).await.unwrap();

    assert_eq!(store.prune(older_than(LATER), None).await.unwrap().payloads, 0);
    let stays = number(&outsider(&fixture), "SELECT count(*) FROM command_executions");
    assert_eq!(stays, 3, "{shell} is the parent of {inside}, and {held} is held");
    assert_sound(&fixture.path());
}

#[tokio::test]
async fn a_user_who_is_erased_is_nowhere_any_longer() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let bobs = SessionId::new();
    let session = super::super::NewSession {
        id: bobs,
        user: name("bobthebuilder"),
        roles: vec![name("sre")],
        target: Some(name("web-1")),
        login: Some("deploy".to_owned()),
        client_address: "192.0.2.8:50022".to_owned(),
        client_version: "SSH-2.0-x".to_owned(),
        channel_info: None,
        started_at: "2026-11-22T13:00:00Z".parse().unwrap(),
    };
    store.begin_session(session).await.unwrap();
    for number in 0..3 {
        let command = NewCommand {
            user: name("bobthebuilder"),
            ..running(bobs, &format!("secret {number}"))
        };
        let id = store.record(command).await.unwrap();
        store.finish(id, exited(0)).await.unwrap();
    }
    fixture.eventful("rm -rf ./a").await;
    // Some of it by its age: what it had added is carried on, under the user's name.
    store.prune(older_than(LATER), None).await.unwrap();
    assert!(contains(&fixture.path(), "bobthebuilder"));

    let open = store.prune(all_of("bobthebuilder"), None).await.unwrap_err();
    assert!(matches!(open, StoreError::StillNeeded), "{open}");
    end(store, bobs).await;
    store.prune(all_of("bobthebuilder"), None).await.unwrap();
    store.close().await;

    assert!(!contains(&fixture.path(), "bobthebuilder"));
    let database = outsider(&fixture);
    let alice = "SELECT commands FROM user_behavior WHERE scope = 'user' AND name = 'alice'";
    assert_eq!(number(&database, alice), 1);
    let role = "SELECT commands FROM user_behavior WHERE scope = 'role' AND name = 'sre'";
    assert_eq!(number(&database, role), 4, "a role is nobody's name");
    assert_sound(&fixture.path());
}

#[tokio::test]
async fn a_day_of_connections_is_kept_when_its_events_go() {
    let fixture = Fixture::new().await;
    for accepted in 1..=3 {
        let counts = ConnectionCounts {
            accepted,
            ..ConnectionCounts::default()
        };
        fixture
            .store
            .count_connections("2026-11-22".parse().unwrap(), counts)
            .await
            .unwrap();
    }
    let pruned = fixture
        .store
        .prune(older_than("2100-01-01T00:00:00Z"), None)
        .await
        .unwrap();
    assert_eq!(pruned.payloads, 3);
    assert_eq!(number(&outsider(&fixture), "SELECT accepted FROM connection_counts"), 6);
    assert_sound(&fixture.path());
}

#[tokio::test]
async fn an_erasure_that_the_record_did_not_sign_is_tampering() {
    let fixture = Fixture::new().await;
    fixture.eventful("rm -rf ./a").await;
    end(&fixture.store, fixture.session).await;
    fixture.store.close().await;
    let pristine = Pristine::of(&fixture);

    let found = pristine.after(|database| {
        let erase = "UPDATE events SET payload = 'null' WHERE command_id IS NOT NULL; DELETE FROM command_executions";
        database.execute_batch(erase).unwrap();
    });
    assert!(
        found
            .iter()
            .any(|finding| finding.problem.contains("no signed erasure")),
        "{found:?}"
    );

    // A record with another key erases lawfully; its events are not taken for the record's.
    let (dir, path) = pristine.copy();
    let key = dir.path().join("record.signing.key");
    fs::rename(&key, dir.path().join("kept")).unwrap();
    let store = Store::open(&path).unwrap();
    assert!(store.prune(older_than(LATER), None).await.unwrap().payloads > 0);
    store.close().await;
    fs::rename(dir.path().join("kept"), &key).unwrap();
    let found = verified(&path, None);
    assert!(is_said(&found, "no signed erasure"), "{found:?}");
    assert!(is_said(&found, "it is signed by"), "{found:?}");
}

#[tokio::test]
async fn a_lawful_erasure_cannot_be_widened_or_taken_back() {
    let fixture = Fixture::new().await;
    script(&fixture.store, fixture.session, 5).await;
    let today = begin_session(&fixture.store).await;
    fixture.store.record(running(today, "uptime")).await.unwrap();
    end(&fixture.store, fixture.session).await;
    fixture.store.prune(older_than(LATER), None).await.unwrap();
    fixture.store.close().await;
    let pristine = Pristine::of(&fixture);
    assert_sound(&fixture.path());
    for tamper in [
        "UPDATE events SET payload = 'null' WHERE kind = 'session_began'",
        "UPDATE events SET payload = '{}' WHERE payload = 'null' AND kind = 'command_recorded'",
        "UPDATE events SET payload = replace(payload, '[[', '[[1,1],[') WHERE kind = 'payloads_erased'",
        "UPDATE events SET payload = 'null' WHERE kind = 'payloads_erased'",
        "UPDATE command_patterns SET seen = seen + 1",
    ] {
        let found = pristine.after(|database| database.execute_batch(tamper).unwrap());
        assert!(!found.is_empty(), "{tamper}");
    }
}

#[tokio::test]
async fn what_was_made_to_look_old_or_anothers_is_not_erased() {
    let fixture = Fixture::new().await;
    let today = begin_session(&fixture.store).await;
    let recent = NewCommand {
        timestamp: Timestamp::now(),
        ..running(today, "incriminating")
    };
    let recent = fixture.store.record(recent).await.unwrap();
    fixture.store.finish(recent, exited(0)).await.unwrap();
    let path = recording(&fixture, 1).await;
    end(&fixture.store, fixture.session).await;
    let by_age = || Prune {
        recordings_before: None,
        ..older_than("2026-11-22T13:00:00Z")
    };
    let recordings = || Prune {
        before: None,
        ..older_than("2026-01-01T00:00:00Z")
    };
    let removed = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&removed);
    let remove: RemoveFile = Arc::new(move |path| {
        note.lock().unwrap().push(path.to_owned());
        Ok(())
    });
    let tampered = [
        ("UPDATE command_executions SET timestamp = '2020'", by_age()),
        ("UPDATE command_executions SET user_id = 'bob'", all_of("bob")),
        (
            "UPDATE sessions SET started_at = '2020', ended_at = '2020' WHERE state = 'closed';
             UPDATE recordings SET removed_at = '2020'",
            by_age(),
        ),
        (
            "UPDATE recordings SET started_at = '2020', ended_at = '2020'",
            recordings(),
        ),
    ];
    fixture.store.close().await;
    let pristine = Pristine::of(&fixture);
    for (tamper, prune) in tampered {
        let (_dir, copy) = pristine.copy();
        unnoticed(&copy, |database| database.execute_batch(tamper).unwrap());
        let store = Store::open(&copy).unwrap();
        let removing = prune.recordings_before.map(|_| Arc::clone(&remove));
        let refused = store.prune(prune, removing).await;
        assert!(
            matches!(refused, Err(StoreError::Unreadable { .. })),
            "{tamper}: {refused:?}"
        );
        store.close().await;
        assert!(!verified(&copy, None).is_sound(), "{tamper}: the trace is still there");
    }
    assert!(removed.lock().unwrap().is_empty(), "{path} stays");
}

#[tokio::test]
async fn the_triggers_open_for_an_erasure_alone() {
    let fixture = Fixture::new().await;
    fixture.store.record(fixture.running("ls")).await.unwrap();
    let outsider = outsider(&fixture);
    for attempt in [
        "UPDATE events SET payload = 'null'",
        "INSERT INTO erasing VALUES (2); UPDATE events SET payload = '{}' WHERE seq = 2",
        "INSERT INTO erasing VALUES (2); UPDATE events SET payload = 'null', at = '' WHERE seq = 2",
        "INSERT INTO erasing VALUES (2); UPDATE events SET payload = 'null' WHERE seq = 1",
        "INSERT INTO erasing VALUES (2); DELETE FROM events WHERE seq = 2",
    ] {
        outsider.execute_batch("BEGIN").unwrap();
        assert!(outsider.execute_batch(attempt).is_err(), "{attempt}");
        outsider.execute_batch("ROLLBACK").unwrap();
    }
}

/// A recording that has ended, and its name.
async fn recording(fixture: &Fixture, channel: u32) -> String {
    let id = RecordingId {
        session_id: fixture.session,
        channel,
    };
    let path = format!("2026-11-22/{channel}.cast.zst");
    let recording = NewRecording {
        id,
        path: path.clone(),
        started_at: "2026-11-22T13:30:00Z".parse().unwrap(),
    };
    fixture.store.begin_recording(recording).await.unwrap();
    let end = RecordingEnd {
        at: Some("2026-11-22T13:40:00Z".parse().unwrap()),
        bytes: Some(3),
        sha256: Some("ab".repeat(32)),
        state: RecordingState::Complete,
    };
    fixture.store.end_recording(id, end).await.unwrap();
    path
}

#[tokio::test]
async fn a_recording_goes_after_its_removal_is_on_record_and_its_session_after_it() {
    let fixture = Fixture::new().await;
    let paths = [recording(&fixture, 1).await, recording(&fixture, 2).await];
    end(&fixture.store, fixture.session).await;
    fixture.store.prune(older_than(LATER), None).await.unwrap();
    let sessions = "SELECT count(*) FROM sessions";
    assert_eq!(
        number(&outsider(&fixture), sessions),
        1,
        "where files are is not known, so that they stay"
    );

    let (database, gone) = (fixture.path(), Arc::new(Mutex::new(Vec::new())));
    let remove: RemoveFile = {
        let gone = Arc::clone(&gone);
        Arc::new(move |path| {
            assert!(!Reader::open(&database).unwrap().keeps_recording(path).unwrap());
            gone.lock().unwrap().push(path.to_owned());
            if gone.lock().unwrap().len() == 2 {
                Err(std::io::Error::other("the power fails"))
            } else {
                Ok(())
            }
        })
    };
    let failed = fixture
        .store
        .prune(older_than(LATER), Some(Arc::clone(&remove)))
        .await
        .unwrap_err();
    assert!(matches!(failed, StoreError::Recording { .. }), "{failed}");
    assert_sound(&fixture.path());
    assert_eq!(
        number(&outsider(&fixture), sessions),
        1,
        "it stays as long as a file may"
    );

    let pruned = fixture.store.prune(older_than(LATER), Some(remove)).await.unwrap();
    assert_eq!((pruned.recordings, pruned.payloads > 0), (0, true));
    let gone = gone.lock().unwrap().clone();
    assert!(
        paths.iter().all(|path| gone[2..].contains(path)),
        "what was left is removed: {gone:?}"
    );
    for table in ["sessions", "recordings"] {
        assert_eq!(
            number(&outsider(&fixture), &format!("SELECT count(*) FROM {table}")),
            0,
            "{table}"
        );
    }
    assert_sound(&fixture.path());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_go_on_while_much_is_erased() {
    let fixture = Fixture::new().await;
    script(&fixture.store, fixture.session, 600).await;
    end(&fixture.store, fixture.session).await;
    let today = begin_session(&fixture.store).await;
    let pruning = {
        let store = fixture.store.clone();
        tokio::spawn(async move { store.prune(older_than(LATER), None).await.unwrap() })
    };
    let mut recorded = 0;
    while !pruning.is_finished() {
        let command = NewCommand {
            timestamp: Timestamp::now(),
            ..running(today, "uptime")
        };
        fixture.store.record(command).await.unwrap();
        recorded += 1;
    }
    assert!(pruning.await.unwrap().payloads > 1_000);
    assert!(recorded > 5, "{recorded} commands got through");
    assert_sound(&fixture.path());
}

#[tokio::test]
async fn a_table_that_an_erasure_left_is_found() {
    let fixture = Fixture::new().await;
    script(&fixture.store, fixture.session, 3).await;
    end(&fixture.store, fixture.session).await;
    fixture.store.close().await;
    let pristine = Pristine::of(&fixture);
    let (_dir, path) = pristine.copy();
    unnoticed(&path, |database| {
        database.execute_batch("INSERT INTO erasing VALUES (3)").unwrap();
    });
    assert!(!verified(&path, None).findings.is_empty());
}

async fn shipped(store: &Store, place: &str, seq: i64) {
    let (store, place) = (store.clone(), name(place));
    let marking = tokio::task::spawn_blocking(move || store.mark_shipped(&place, seq));
    marking.await.unwrap().unwrap();
}

fn old_for(ships: &[&str]) -> Prune {
    Prune {
        ships: ships.iter().map(|place| name(place)).collect(),
        ..older_than("2100-01-01T00:00:00Z")
    }
}

#[tokio::test]
async fn what_was_not_shipped_to_every_place_stays() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let first = fixture.eventful("rm -rf ./a").await;
    let between = store.reader().unwrap().last_event().unwrap();
    let snapshot = NewSnapshot {
        target: name("web-1"),
        taken_at: "2026-11-22T13:29:00Z".parse().unwrap(),
        profile: None,
        snapshot: json!({}),
    };
    store.save_snapshot(snapshot).await.unwrap();
    let day = "2026-11-22".parse().unwrap();
    store.count_connections(day, ConnectionCounts::default()).await.unwrap();
    fixture.eventful("rm -rf ./b").await;
    end(store, fixture.session).await;
    let last = store.reader().unwrap().last_event().unwrap();
    let left = || {
        let count = |table: &str| number(&outsider(&fixture), &format!("SELECT count(*) FROM {table}"));
        (count("command_executions"), count("sessions"), count("system_contexts"))
    };

    // The fast place has everything; the slow one lacks an event of the first command, and then none of it.
    shipped(store, "fast", last).await;
    shipped(store, "slow", between - 1).await;
    let pruned = store.prune(old_for(&["fast", "slow"]), None).await.unwrap();
    assert_eq!((pruned.payloads, pruned.waits_for), (0, Some(name("slow"))));
    shipped(store, "slow", between).await;
    let pruned = store.prune(old_for(&["fast", "slow"]), None).await.unwrap();
    assert_eq!((pruned.payloads, pruned.waits_for), (4, Some(name("slow"))));
    assert_eq!(left(), (1, 1, 1), "of the two commands, {first} is gone");
    assert_sound(&fixture.path());

    // A place that nobody names any longer holds up nothing.
    let pruned = store.prune(old_for(&["fast"]), None).await.unwrap();
    assert_eq!(left(), (0, 0, 0));
    assert_eq!(pruned.waits_for, Some(name("fast")), "it lacks what was written since");
    assert_sound(&fixture.path());
}

#[tokio::test]
async fn a_place_that_was_never_served_has_nothing() {
    let fixture = Fixture::new().await;
    fixture.eventful("rm -rf ./a").await;
    end(&fixture.store, fixture.session).await;
    let pruned = fixture.store.prune(old_for(&["new"]), None).await.unwrap();
    assert_eq!((pruned.payloads, pruned.waits_for), (0, Some(name("new"))));
}

#[tokio::test]
async fn what_is_younger_is_waited_for_by_nobody() {
    let fixture = Fixture::new().await;
    let young = Prune {
        ships: vec![name("siem")],
        ..older_than("1970-01-01T00:00:00Z")
    };
    assert_eq!(fixture.store.prune(young, None).await.unwrap().waits_for, None);
}

#[tokio::test]
async fn who_wants_to_be_forgotten_waits_for_no_place() {
    let fixture = Fixture::new().await;
    fixture.eventful("rm -rf ./a").await;
    end(&fixture.store, fixture.session).await;
    let forgotten = Prune {
        ships: vec![name("siem")],
        ..all_of("alice")
    };
    let pruned = fixture.store.prune(forgotten, None).await.unwrap();
    assert!(pruned.payloads > 0 && pruned.waits_for.is_none(), "{pruned:?}");
    assert_sound(&fixture.path());
}

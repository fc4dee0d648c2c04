//! The record held against itself: nothing of it can be changed without a finding.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};
use serde_json::json;
use tempfile::TempDir;

use super::super::chain::{Digest, Head, Sealed, StoredEvent, sha256};
use super::super::fixtures::{Fixture, begin_session, confirmed, exited, name, running, scoring};
use super::super::head;
use super::super::signing::SigningKey;
use super::super::{
    Comment, ConnectionCounts, Examine, ExportedHead, Feedback, Finding, InputEnd, InputRest, NewCommand, NewRecording,
    NewSnapshot, Rater, Reader, RecordingEnd, RecordingId, RecordingState, Scoring, SealedRecording, SessionEnd, Store,
    TrainingOutcome, Verified,
};
use super::super::{tokens, training};
use crate::domain::{Level, Seal};

/// Looks at no file.
pub(super) struct Unseen;

impl Examine for Unseen {
    fn progress(&mut self, _: i64, _: i64) {}

    fn recording(&mut self, _: &SealedRecording) -> Result<(), String> {
        Ok(())
    }
}

pub(super) fn verified(path: &Path, head: Option<&ExportedHead>) -> Verified {
    Reader::open(path).unwrap().verify(head, &mut Unseen).unwrap()
}

#[track_caller]
pub(super) fn assert_sound(path: &Path) -> Verified {
    let verified = verified(path, None);
    assert_eq!(verified.findings, []);
    verified
}

fn recording(fixture: &Fixture, channel: u32) -> RecordingId {
    RecordingId {
        session_id: fixture.session,
        channel,
    }
}

/// A record with a row in every table, closed in order.
async fn rich() -> Fixture {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let id = fixture.eventful("rm -rf ./a").await;
    store.give_feedback(id, rated()).await.unwrap();
    store.record(fixture.denied("reboot")).await.unwrap();
    asked_by_its_rule(&fixture).await;
    for outcome in [TrainingOutcome::TooFew, TrainingOutcome::Installed] {
        let end = training::tests::end(outcome, "2026-11-22T14:30:00Z");
        store.end_training(end).await.unwrap();
    }
    for id in ["abcd2345", "efgh6789"] {
        store.add_token(tokens::tests::new_token(id)).await.unwrap();
    }
    store.revoke_token(tokens::tests::revocation("abcd2345")).await.unwrap();
    scripted(&fixture).await;
    recorded(&fixture).await;
    let at = "2026-11-22T13:29:00Z".parse().unwrap();
    for load in [0.1, 1.0 / 3.0] {
        let snapshot = NewSnapshot {
            target: name("web-1"),
            taken_at: at,
            profile: Some(json!({"os": "Debian"})),
            snapshot: json!({"load": load, "users": ["alice"]}),
        };
        store.save_snapshot(snapshot).await.unwrap();
    }
    let counts = ConnectionCounts {
        accepted: 3,
        ..ConnectionCounts::default()
    };
    store
        .count_connections("2026-11-22".parse().unwrap(), counts)
        .await
        .unwrap();
    let end = SessionEnd {
        at: Some(at),
        reason: "the user left".to_owned(),
    };
    store.end_session(fixture.session, end).await.unwrap();
    store.close().await;
    fixture
}

fn rated() -> Feedback {
    Feedback {
        by: Rater::User {
            name: name("alice"),
            roles: vec![name("sre")],
        },
        rating: 2.try_into().unwrap(),
        comment: Comment::new("it took \"nginx\" down").unwrap(),
        at: "2026-11-22T14:00:00Z".parse().unwrap(),
    }
}

/// A command that was asked about because of what a rule says, and no model.
async fn asked_by_its_rule(fixture: &Fixture) {
    let held = NewCommand {
        scoring: Some(scoring(Level::Medium)),
        ..fixture.held("rm -rf ./b")
    };
    let id = fixture.store.record(held).await.unwrap();
    fixture.store.resolve(id, confirmed()).await.unwrap();
    fixture.store.finish(id, exited(0)).await.unwrap();
}

/// A script whose second line was not understood, with scores that are not short in decimals.
async fn scripted(fixture: &Fixture) {
    let reader = fixture.store.record(fixture.running("sh")).await.unwrap();
    let read = NewCommand {
        parent_id: Some(reader),
        is_read: true,
        scoring: Some(Scoring {
            final_risk_score: 0.1 + 0.2,
            initial_risk_score: 1.0 / 3.0,
            features: vec![0.1, 1.0 / 3.0, -1.0, 1e-7],
            ..scoring(Level::Low)
        }),
        ..fixture.running("ls \u{1b}\0 \u{fffd}")
    };
    let id = fixture.store.record(read).await.unwrap();
    let rest = InputRest {
        id,
        length: 5,
        sha256: [7; 32],
    };
    let end = InputEnd {
        rest: Some(rest),
        lost: None,
    };
    fixture.store.end_input(reader, end).await.unwrap();
    fixture.store.finish(reader, exited(0)).await.unwrap();
}

async fn recorded(fixture: &Fixture) {
    for channel in [1, 2] {
        let recording = NewRecording {
            id: recording(fixture, channel),
            path: format!("2026-11-22/{channel}.cast.zst"),
            started_at: "2026-11-22T13:30:00Z".parse().unwrap(),
        };
        fixture.store.begin_recording(recording).await.unwrap();
    }
    let seal = Seal {
        bytes: 100,
        sha256: "ab".repeat(32),
    };
    fixture.store.seal_recording(recording(fixture, 1), seal).await.unwrap();
    let end = RecordingEnd {
        at: Some("2026-11-22T13:40:00Z".parse().unwrap()),
        bytes: Some(512),
        sha256: Some("cd".repeat(32)),
        state: RecordingState::Complete,
    };
    fixture.store.end_recording(recording(fixture, 2), end).await.unwrap();
}

/// The files of a closed record, to be copied and tampered with.
pub(super) struct Pristine {
    database: Vec<u8>,
    key: Vec<u8>,
}

impl Pristine {
    pub(super) fn of(fixture: &Fixture) -> Self {
        Self {
            database: fs::read(fixture.path()).unwrap(),
            key: fs::read(fixture.dir.path().join("record.signing.key")).unwrap(),
        }
    }

    pub(super) fn copy(&self) -> (TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("opspilot.db");
        fs::write(&path, &self.database).unwrap();
        let key = dir.path().join("record.signing.key");
        fs::write(&key, &self.key).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        (dir, path)
    }

    /// What is found after somebody has written to a copy of the file and left no trace in its schema.
    pub(super) fn after(&self, tamper: impl FnOnce(&Connection)) -> Vec<Finding> {
        let (_dir, path) = self.copy();
        unnoticed(&path, tamper);
        verified(&path, None).findings
    }
}

/// Writes past constraints and triggers, which are as before afterwards.
pub(super) fn unnoticed(path: &Path, tamper: impl FnOnce(&Connection)) {
    let database = Connection::open(path).unwrap();
    database
        .execute_batch("PRAGMA ignore_check_constraints = true; PRAGMA foreign_keys = false; PRAGMA synchronous = off")
        .unwrap();
    let triggers = texts(&database, "SELECT sql FROM sqlite_schema WHERE type = 'trigger'");
    for name in texts(&database, "SELECT name FROM sqlite_schema WHERE type = 'trigger'") {
        database.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
    }
    tamper(&database);
    for sql in triggers {
        database.execute_batch(&sql).unwrap();
    }
}

fn texts(database: &Connection, sql: &str) -> Vec<String> {
    let mut statement = database.prepare(sql).unwrap();
    let texts = statement.query_map([], |row| row.get(0)).unwrap();
    texts.map(Result::unwrap).collect()
}

/// A table with its rows.
struct Table {
    name: String,
    columns: Vec<String>,
    /// The places of the columns that rows are told apart by.
    keys: Vec<usize>,
    rows: Vec<Vec<Value>>,
}

/// All tables with rows that were written; `erasing` never has any, and `shipping_cursors` follows from no event.
fn tables(path: &Path) -> Vec<Table> {
    let database = Connection::open(path).unwrap();
    let names = texts(
        &database,
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT IN ('erasing', 'shipping_cursors')
            AND name NOT LIKE 'command_texts%'",
    );
    let read = |name: String| {
        let columns = texts(
            &database,
            &format!("SELECT name FROM pragma_table_xinfo('{name}') WHERE hidden = 0 ORDER BY cid"),
        );
        let keys = texts(
            &database,
            &format!("SELECT name FROM pragma_table_xinfo('{name}') WHERE pk > 0 ORDER BY pk"),
        );
        let mut statement = database
            .prepare(&format!("SELECT {} FROM {name}", columns.join(", ")))
            .unwrap();
        let row = |row: &rusqlite::Row<'_>| (0..columns.len()).map(|column| row.get(column)).collect();
        let rows = statement.query_map([], row).unwrap().map(Result::unwrap).collect();
        let keys = keys
            .iter()
            .map(|key| columns.iter().position(|column| column == key).unwrap());
        Table {
            keys: if name == "sqlite_sequence" {
                vec![0]
            } else {
                keys.collect()
            },
            columns,
            rows,
            name,
        }
    };
    names.into_iter().map(read).collect()
}

impl Table {
    /// An event of each kind, two commands, and a row of any other table.
    fn samples(&self) -> Vec<&Vec<Value>> {
        if self.name != "events" {
            let count = if self.name == "command_executions" { 2 } else { 1 };
            return self.rows.iter().take(count).collect();
        }
        let kind = self.columns.iter().position(|column| column == "kind").unwrap();
        let mut seen = Vec::new();
        let mut is_new = |row: &&Vec<Value>| {
            !seen.contains(&row[kind]) && {
                seen.push(row[kind].clone());
                true
            }
        };
        self.rows.iter().filter(|row| is_new(row)).collect()
    }

    fn put(&self, database: &Connection, row: &[Value]) {
        let places = vec!["?"; row.len()].join(", ");
        let sql = format!(
            "INSERT INTO {} ({}) VALUES ({places})",
            self.name,
            self.columns.join(", ")
        );
        database.execute(&sql, params_from_iter(row)).unwrap();
    }

    fn take(&self, database: &Connection, row: &[Value]) {
        let keys: Vec<String> = self
            .keys
            .iter()
            .map(|key| format!("{} = ?", self.columns[*key]))
            .collect();
        let sql = format!("DELETE FROM {} WHERE {}", self.name, keys.join(" AND "));
        let values = self.keys.iter().map(|key| &row[*key]);
        assert_eq!(database.execute(&sql, params_from_iter(values)).unwrap(), 1, "{sql}");
    }

    /// The row under another key.
    fn copy(&self, row: &[Value]) -> Vec<Value> {
        let mut copy = row.to_vec();
        for (place, column) in self.columns.iter().enumerate() {
            if self.keys.contains(&place) || column == "uid" {
                copy[place] = flipped(&row[place]);
            }
        }
        copy
    }
}

/// Another value: one bit of one byte is different, or there is one where there was none.
fn flipped(value: &Value) -> Value {
    match value {
        Value::Null => Value::Integer(1),
        Value::Integer(number) => Value::Integer(number ^ (1 << 30)),
        Value::Real(number) => Value::Real(f64::from_bits(number.to_bits() ^ 1)),
        Value::Text(text) => {
            let mut bytes = text.clone().into_bytes();
            match bytes.iter().rposition(u8::is_ascii_alphanumeric) {
                Some(place) => bytes[place] ^= 1,
                None => bytes.push(b'x'),
            }
            Value::Text(String::from_utf8(bytes).unwrap())
        }
        Value::Blob(bytes) => {
            let mut bytes = bytes.clone();
            bytes[0] ^= 1;
            Value::Blob(bytes)
        }
    }
}

#[tokio::test]
async fn a_record_that_nobody_touched_is_sound() {
    let fixture = rich().await;
    let verified = assert_sound(&fixture.path());
    assert_eq!(verified.signed_through, verified.events - 1, "its end is signed");
    assert!(verified.key_is_trusted);
    assert_eq!((verified.recordings, verified.recordings_without_digest), (2, 0));

    let store = Store::open(&fixture.path()).unwrap();
    assert_sound(&fixture.path());
    store.close().await;

    let empty = tempfile::tempdir().unwrap();
    let path = empty.path().join("opspilot.db");
    Store::open(&path).unwrap().close().await;
    assert_sound(&path);
}

#[tokio::test]
async fn a_flipped_byte_in_any_column_of_any_table_is_found() {
    let fixture = rich().await;
    let pristine = Pristine::of(&fixture);
    let mut tried = 0;
    for table in tables(&fixture.path()) {
        assert!(!table.rows.is_empty(), "{} has no row", table.name);
        for row in table.samples() {
            for (place, column) in table.columns.iter().enumerate() {
                let mut other = row.clone();
                other[place] = flipped(&row[place]);
                let found = pristine.after(|database| {
                    table.take(database, row);
                    table.put(database, &other);
                });
                assert!(
                    !found.is_empty(),
                    "{}.{column}: {:?} became {:?}",
                    table.name,
                    row[place],
                    other[place]
                );
                tried += 1;
            }
        }
    }
    assert!(tried > 250, "{tried}");
}

#[tokio::test]
async fn a_row_that_is_taken_out_put_in_or_moved_is_found() {
    let fixture = rich().await;
    let pristine = Pristine::of(&fixture);
    for table in tables(&fixture.path()) {
        // The last event is a signature, which is gone with nothing that it signed; only a head that was kept shows more.
        let last = usize::from(table.name == "events");
        for row in table.rows.iter().rev().skip(last) {
            let found = pristine.after(|database| table.take(database, row));
            assert!(!found.is_empty(), "taken from {}: {row:?}", table.name);
        }
        let copy = table.copy(&table.rows[0]);
        let found = pristine.after(|database| table.put(database, &copy));
        assert!(!found.is_empty(), "put into {}: {copy:?}", table.name);

        for pair in table.rows.windows(2) {
            let (mut one, mut other) = (pair[0].clone(), pair[1].clone());
            for key in &table.keys {
                std::mem::swap(&mut one[*key], &mut other[*key]);
            }
            if one[..] == pair[1][..] {
                continue;
            }
            let found = pristine.after(|database| {
                table.take(database, &one);
                table.take(database, &other);
                table.put(database, &one);
                table.put(database, &other);
            });
            assert!(!found.is_empty(), "swapped in {}: {one:?}", table.name);
        }
    }
}

#[tokio::test]
async fn a_trigger_or_an_index_that_is_gone_is_found() {
    let fixture = rich().await;
    let pristine = Pristine::of(&fixture);
    for name in ["TRIGGER events_are_never_removed", "INDEX commands_by_user"] {
        let (_dir, path) = pristine.copy();
        let database = Connection::open(&path).unwrap();
        database.execute_batch(&format!("DROP {name}")).unwrap();
        let found = verified(&path, None).findings;
        assert!(
            found.iter().any(|finding| finding.place.contains("sqlite_schema")),
            "{found:?}"
        );
    }
}

#[tokio::test]
async fn a_trigger_that_bears_a_name_of_sqlite_is_found() {
    let fixture = rich().await;
    let found = Pristine::of(&fixture).after(|database| {
        database
            .execute_batch(
                "PRAGMA writable_schema = ON;
                 INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql)
                 VALUES ('trigger', 'sqlite_own', 'command_executions', 0, 'CREATE TRIGGER sqlite_own
                     AFTER INSERT ON command_executions BEGIN DELETE FROM shipping_cursors; END');
                 PRAGMA writable_schema = RESET;",
            )
            .unwrap();
    });
    assert!(
        found.iter().any(|finding| finding.place.contains("sqlite_own")),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_place_that_is_said_to_have_what_is_not_there_is_found() {
    let fixture = rich().await;
    let pristine = Pristine::of(&fixture);
    let noted = |seq: i64| {
        pristine.after(|database| {
            let note = "INSERT INTO shipping_cursors (place, seq, at) VALUES ('siem', ?1, '')";
            database.execute(note, [seq]).unwrap();
        })
    };
    let last = assert_sound(&fixture.path()).events;
    assert_eq!(noted(last), []);
    let found = noted(i64::MAX);
    assert!(
        matches!(found.as_slice(), [only] if only.place == "shipping_cursors, place siem"),
        "{found:?}"
    );
}

/// The head of a record as it would be kept elsewhere.
pub(super) fn exported(path: &Path) -> ExportedHead {
    let head = Reader::open(path).unwrap().signed_head().unwrap().unwrap();
    head.to_string().parse().unwrap()
}

/// Whether something was found whose problem has these words.
pub(super) fn is_said(verified: &Verified, words: &str) -> bool {
    verified.findings.iter().any(|finding| finding.problem.contains(words))
}

#[tokio::test]
async fn an_exported_head_holds_later_and_shows_a_record_that_was_cut() {
    let fixture = rich().await;
    let (earlier, head_then) = (Pristine::of(&fixture), exported(&fixture.path()));
    let store = Store::open(&fixture.path()).unwrap();
    store.close().await;
    let head_now = exported(&fixture.path());
    assert!(head_now.seq() >= head_then.seq());
    assert_eq!(verified(&fixture.path(), Some(&head_then)).findings, []);

    let store = Store::open(&fixture.path()).unwrap();
    let session = begin_session(&store).await;
    store.record(running(session, "ls")).await.unwrap();
    store.close().await;
    let head_now = exported(&fixture.path());
    assert_eq!(verified(&fixture.path(), Some(&head_then)).findings, []);
    assert_eq!(verified(&fixture.path(), Some(&head_now)).findings, []);

    let (_dir, cut) = earlier.copy();
    assert_sound(&cut);
    let verified = verified(&cut, Some(&head_now));
    assert!(is_said(&verified, "its end was cut off"), "{verified:?}");
}

#[tokio::test]
async fn an_exported_head_of_another_record_or_one_that_was_changed_is_refused() {
    let (one, other) = (rich().await, rich().await);
    let verified = verified(&one.path(), Some(&exported(&other.path())));
    assert!(is_said(&verified, "the key beside the record"), "{verified:?}");
    assert!(is_said(&verified, "it is of bastion"), "{verified:?}");

    let text = exported(&one.path()).to_string();
    for (was, is) in [("seq ", "seq 9"), ("digest ", "digest 0"), ("bastion ", "bastion x")] {
        let changed = text.replacen(was, is, 1);
        assert_ne!(changed, text, "{was}");
        assert!(changed.parse::<ExportedHead>().is_err(), "{was}");
    }
    for nothing in ["", "opspilot head 1\n", "seq 1\n-----BEGIN SSH SIGNATURE-----\n"] {
        assert!(nothing.parse::<ExportedHead>().is_err());
    }
}

/// Rewrites the whole chain as somebody would who knows how it is made: each payload as `change` has it, all digests anew,
/// and signed by `key`; without one, signatures are left as they are.
fn rewrite(path: &Path, key: Option<&SigningKey>, change: impl Fn(&str) -> String) {
    unnoticed(path, |database| {
        let mut head = Head {
            seq: 0,
            digest: Digest::default(),
        };
        let sql = format!("SELECT {}, at FROM events ORDER BY seq", super::super::chain::COLUMNS);
        let mut statement = database.prepare(&sql).unwrap();
        let read = |row: &rusqlite::Row<'_>| Ok((StoredEvent::read(row)?, row.get::<_, String>(9)?));
        let events: Vec<_> = statement.query_map([], read).unwrap().map(Result::unwrap).collect();
        for (event, at) in events {
            let bastion_id = String::from_utf8(event.bastion_id.clone()).unwrap();
            let payload = String::from_utf8(event.payload.clone()).unwrap();
            let payload = match (head::statement(&event), key) {
                (Some(statement), Some(key)) => {
                    serde_json::to_string(&key.state(head, &bastion_id, statement.body).unwrap()).unwrap()
                }
                _ => change(&payload),
            };
            let sealed = Sealed {
                bastion_id: &event.bastion_id,
                kind: &event.kind,
                session_id: event.session_id.as_deref(),
                command_id: event.command_id,
                at: at.as_bytes(),
                payload_digest: sha256(payload.as_bytes()),
            };
            head = sealed.onto(head);
            let sql = "UPDATE events SET payload = ?2, payload_digest = ?3, digest = ?4 WHERE seq = ?1";
            let values = params![event.seq, payload, sealed.payload_digest, head.digest];
            assert_eq!(database.execute(sql, values).unwrap(), 1);
        }
        let sql = "UPDATE command_executions SET command = ?2 WHERE command = ?1";
        database.execute(sql, params!["reboot", change("reboot")]).unwrap();
    });
}

#[tokio::test]
async fn a_chain_that_was_made_anew_is_found_by_its_signatures() {
    let fixture = rich().await;
    let pristine = Pristine::of(&fixture);
    let head = exported(&fixture.path());
    let innocent = |text: &str| text.replace("reboot", "uptime");

    let (dir, path) = pristine.copy();
    rewrite(&path, None, innocent);
    assert!(is_said(&verified(&path, None), "it signs something else"));

    let another = tempfile::tempdir().unwrap();
    let key = SigningKey::open(&another.path().join("x")).unwrap();
    rewrite(&path, Some(&key), str::to_owned);
    let found = verified(&path, None);
    assert!(is_said(&found, "it is signed by"), "{found:?}");

    // Whoever has taken the key's place as well is found by what was kept elsewhere alone.
    fs::copy(
        another.path().join("record.signing.key"),
        dir.path().join("record.signing.key"),
    )
    .unwrap();
    assert_sound(&path);
    assert!(is_said(&verified(&path, Some(&head)), "the key beside the record"));

    // With the record's own key, too.
    let (dir, path) = pristine.copy();
    let own = SigningKey::open(&dir.path().join("opspilot.db")).unwrap();
    rewrite(&path, Some(&own), innocent);
    assert_sound(&path);
    assert!(is_said(&verified(&path, Some(&head)), "was rewritten up to here"));
}

#[tokio::test]
async fn signatures_that_were_taken_out_are_missed() {
    let fixture = rich().await;
    let (_dir, path) = Pristine::of(&fixture).copy();
    unnoticed(&path, |database| {
        database
            .execute("DELETE FROM events WHERE kind = 'head_signed'", [])
            .unwrap();
    });
    rewrite(&path, None, str::to_owned);
    let found = verified(&path, None);
    assert!(is_said(&found, "nothing in it is signed"), "{found:?}");
}

#[tokio::test]
async fn the_signature_is_one_that_others_understand() {
    let fixture = rich().await;
    let head = exported(&fixture.path()).to_string();
    let dir = fixture.dir.path();
    let (text, signature) = head.split_at(head.find("-----BEGIN").unwrap());
    fs::write(dir.join("head.sig"), signature).unwrap();
    let mut verify = std::process::Command::new("ssh-keygen")
        .args(["-Y", "check-novalidate", "-n", "opspilot-head", "-s"])
        .arg(dir.join("head.sig"))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut verify.stdin.take().unwrap(), text.as_bytes()).unwrap();
    let output = verify.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let key = assert_sound(&fixture.path()).key.unwrap();
    assert!(output.status.success() && said.contains(&key), "{said}");
}

#[tokio::test]
async fn a_file_of_a_recording_that_is_not_as_it_was_is_a_finding() {
    struct Elsewhere(Vec<SealedRecording>);
    impl Examine for Elsewhere {
        fn progress(&mut self, _: i64, _: i64) {}

        fn recording(&mut self, recording: &SealedRecording) -> Result<(), String> {
            self.0.push(recording.clone());
            Err("its file is missing".to_owned())
        }
    }
    let fixture = rich().await;
    let mut elsewhere = Elsewhere(Vec::new());
    let reader = Reader::open(&fixture.path()).unwrap();
    let verified = reader.verify(None, &mut elsewhere).unwrap();
    assert_eq!(verified.findings.len(), 2);
    assert!(is_said(&verified, "its file is missing"));
    let told: Vec<_> = elsewhere
        .0
        .iter()
        .map(|recording| (recording.seal.as_ref().unwrap().bytes, recording.is_whole))
        .collect();
    assert_eq!(
        told,
        [(100, false), (512, true)],
        "one was open when the record was closed"
    );
}

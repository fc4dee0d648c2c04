//! What a record costs to keep: its size, its copies, its free pages, its damage.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;
use serde_json::Value;

use super::super::fixtures::{Fixture, exited};
use super::super::keeper::back_up_when_due;
use super::super::payload::Payload;
use super::super::{BackupPlan, Existing, Reader, Store, StoreError};
use super::ChainState;
use super::{lives, number, outsider};

/// Bytes of the file for each of a thousand lives, at most.
const BYTES_A_LIFE: u64 = 4_200;

#[tokio::test]
async fn a_thousand_lives_with_contexts_features_and_events_take_little_room() {
    let fixture = Fixture::new().await;
    lives::play(&fixture, 1_000).await;
    fixture.store.close().await;
    let bytes = fs::metadata(fixture.path()).unwrap().len();
    let database = outsider(&fixture);
    let whole = "SELECT count(*) FROM command_executions WHERE json_array_length(features) > 100
        AND json_extract(system_context, '$.memory_usage.percent') IS NOT NULL
        AND json_extract(system_context_after, '$.os_info.distribution') IS NOT NULL AND actual_impact IS NOT NULL";
    assert_eq!(number(&database, whole), 1_000);
    assert!(
        bytes / 1_000 <= BYTES_A_LIFE,
        "{} bytes a life:\n{}",
        bytes / 1_000,
        parts(&database)
    );
}

/// Where the room goes, by table and index: bytes, and those among them that nothing is in.
fn parts(database: &Connection) -> String {
    let sql = "SELECT name || ': ' || sum(pgsize) || ', empty ' || sum(unused) FROM dbstat GROUP BY name ORDER BY sum(pgsize) DESC";
    let mut statement = database.prepare(sql).unwrap();
    let lines = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    lines.collect::<Result<Vec<_>, _>>().unwrap().join("\n")
}

#[tokio::test]
async fn a_snapshot_is_kept_whole_and_once() {
    let fixture = Fixture::new().await;
    lives::play(&fixture, 20).await;
    let database = outsider(&fixture);
    let payload = |sql: &str| {
        database
            .query_row(sql, [], |row| row.get(0))
            .map(|Payload(text)| text)
            .unwrap()
    };
    let snapshot = payload("SELECT snapshot FROM system_contexts ORDER BY id LIMIT 1");
    let snapshot: Value = serde_json::from_str(&snapshot).unwrap();
    assert!(snapshot["disk_usage"]["/"]["total"].is_u64(), "{snapshot}");
    let event = payload("SELECT payload FROM events WHERE kind = 'snapshot_saved' LIMIT 1");
    assert!(
        event.contains("snapshot_sha256") && !event.contains("disk_usage"),
        "{event}"
    );
}

#[tokio::test]
async fn what_was_written_as_text_is_read_as_before() {
    let fixture = Fixture::new().await;
    let id = fixture.eventful("rm -rf ./a").await;
    let reader = Reader::open(&fixture.path()).unwrap();
    let (chain, life) = (reader.verify_chain().unwrap(), reader.show(id).unwrap());
    as_an_older_version_wrote_it(&outsider(&fixture));
    assert!(matches!(chain, ChainState::Sound { .. }));
    assert_eq!(reader.verify_chain().unwrap(), chain);
    assert_eq!(reader.show(id).unwrap(), life);
}

fn as_an_older_version_wrote_it(database: &Connection) {
    let mut events = database.prepare("SELECT seq, payload FROM events").unwrap();
    let events: Vec<(i64, Payload)> = events
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    database.execute_batch("DROP TRIGGER events_are_never_changed").unwrap();
    let bastion = "UPDATE events SET bastion_id = (SELECT value FROM meta WHERE key = 'bastion_id')";
    database.execute(bastion, []).unwrap();
    for (seq, Payload(text)) in events {
        database
            .execute("UPDATE events SET payload = ?2 WHERE seq = ?1", (seq, text))
            .unwrap();
    }
}

#[tokio::test]
async fn a_damaged_payload_breaks_the_chain_where_it_is() {
    let fixture = Fixture::new().await;
    fixture.eventful("rm -rf ./a").await;
    outsider(&fixture)
        .execute_batch(
            "DROP TRIGGER events_are_never_changed;
             UPDATE events SET payload = CAST(substr(payload, 1, length(payload) - 4) AS BLOB) WHERE seq = 3",
        )
        .unwrap();
    assert_eq!(
        Reader::open(&fixture.path()).unwrap().verify_chain().unwrap(),
        ChainState::Broken { seq: 3 }
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_of_one_moment_while_others_write() {
    let fixture = Fixture::new().await;
    lives::play(&fixture, 300).await;
    let file = fixture.dir.path().join("copy.db");
    let reader = fixture.store.reader().unwrap();
    let (store, command) = (fixture.store.clone(), fixture.running("true"));
    let (begun, step) = tokio::sync::oneshot::channel();
    let to = file.clone();
    let copying = tokio::task::spawn_blocking(move || {
        let mut begun = Some(begun);
        reader.back_up(&to, Existing::Keep, |_, _| {
            if let Some(begun) = begun.take() {
                begun.send(()).unwrap();
            }
        })
    });
    step.await.unwrap();
    store.record(command).await.unwrap();
    let done = copying.await.unwrap().unwrap();

    let copy = Reader::open(&file).unwrap();
    let ChainState::Sound { events, head } = copy.verify_chain().unwrap() else {
        panic!("the copy's chain is broken");
    };
    assert_eq!((events, head), (done.events, done.head));
    assert_eq!(copy.faults().unwrap(), Vec::<String>::new());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&file).unwrap().len(), done.bytes);
    let beside = fs::read_dir(fixture.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let beside: Vec<_> = beside.filter(|name| name.to_string_lossy().contains("copy")).collect();
    assert_eq!(beside, ["copy.db"], "one file, and no draft");
}

#[tokio::test]
async fn a_backup_serves_in_the_place_of_what_it_was_taken_of() {
    let fixture = Fixture::new().await;
    let id = fixture.eventful("rm -rf ./a").await;
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("opspilot.db");
    fixture
        .store
        .reader()
        .unwrap()
        .back_up(&file, Existing::Keep, |_, _| {})
        .unwrap();
    let restored = Store::open(&file).unwrap();
    assert_eq!(restored.bastion_id(), fixture.store.bastion_id());
    let life = restored.reader().unwrap().show(id).unwrap().unwrap();
    assert_eq!(life.columns["state"], "finished");
}

#[tokio::test]
async fn a_backup_goes_over_no_file_unless_it_is_told_to() {
    let fixture = Fixture::new().await;
    let reader = fixture.store.reader().unwrap();
    let (file, link) = (fixture.dir.path().join("mine"), fixture.dir.path().join("link"));
    fs::write(&file, "mine").unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    for taken in [&file, &link] {
        let error = reader.back_up(taken, Existing::Keep, |_, _| {}).unwrap_err();
        assert!(
            matches!(&error, StoreError::BackupExists(path) if path == taken),
            "{error}"
        );
    }
    reader.back_up(&link, Existing::Replace, |_, _| {}).unwrap();
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        "mine",
        "the link is replaced, not followed"
    );
    assert!(!fs::symlink_metadata(&link).unwrap().is_symlink());
}

#[tokio::test]
async fn scheduled_backups_are_taken_when_they_are_due_and_the_newest_are_kept() {
    let fixture = Fixture::new().await;
    let plan = BackupPlan {
        directory: fixture.dir.path().join("backups/here"),
        every: Duration::from_hours(1),
        keep: 2,
    };
    let start: Timestamp = "2026-11-22T13:00:00Z".parse().unwrap();
    let taken = |minutes: i64| {
        let now = start + SignedDuration::from_mins(minutes);
        back_up_when_due(&fixture.store, &plan, now).unwrap().is_some()
    };
    assert_eq!(
        [0, 59, 60, 61, 119, 120].map(taken),
        [true, false, true, false, false, true]
    );
    assert_eq!(
        names(&plan.directory),
        ["opspilot-2026-11-22T14-00-00Z.db", "opspilot-2026-11-22T15-00-00Z.db"]
    );
    assert!(taken(-600), "a clock that is set back does not stop them");
    assert_eq!(
        fs::metadata(&plan.directory).unwrap().permissions().mode() & 0o777,
        0o700
    );
}

#[tokio::test]
async fn a_file_that_is_no_scheduled_backup_puts_none_off_and_is_never_removed() {
    let fixture = Fixture::new().await;
    let plan = BackupPlan {
        directory: fixture.dir.path().to_owned(),
        every: Duration::from_hours(1),
        keep: 1,
    };
    let others = ["opspilot-.db", "opspilot-production.db"];
    for other in others {
        fs::write(fixture.dir.path().join(other), "").unwrap();
    }
    let start: Timestamp = "2026-11-22T13:00:00Z".parse().unwrap();
    let taken = |minutes: i64| {
        let now = start + SignedDuration::from_mins(minutes);
        back_up_when_due(&fixture.store, &plan, now).unwrap().is_some()
    };
    assert_eq!([0, 1, 60].map(taken), [true, false, true]);
    let left: Vec<_> = names(&plan.directory)
        .into_iter()
        .filter(|name| name.starts_with("opspilot-"))
        .collect();
    assert_eq!(left, [others[0], "opspilot-2026-11-22T14-00-00Z.db", others[1]]);
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn free_pages_go_back_to_the_disk_little_by_little() {
    let fixture = Fixture::new().await;
    let database = outsider(&fixture);
    database
        .execute_batch(
            "CREATE TABLE gone (filling); INSERT INTO gone
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1300) SELECT zeroblob(8000) FROM n;
             DROP TABLE gone",
        )
        .unwrap();
    let pages = || number(&database, "SELECT page_count FROM pragma_page_count");
    let before = pages();
    assert!(fixture.store.vacuum_a_little().await.unwrap(), "one step is not all");
    let first = before - pages();
    assert!((1..=100).contains(&first), "{first} pages in one step");
    while fixture.store.vacuum_a_little().await.unwrap() {}
    assert!((1_000..1_100).contains(&number(&database, "SELECT freelist_count FROM pragma_freelist_count")));
    fixture.store.record(fixture.running("true")).await.unwrap();
}

#[tokio::test]
async fn a_database_of_the_old_layout_serves_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("opspilot.db");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(include_str!("../../../migrations/0001_record.sql"))
        .unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    drop(old);
    let store = Store::open(&path).unwrap();
    assert!(!store.vacuum_a_little().await.unwrap());
    let session = super::super::fixtures::begin_session(&store).await;
    let id = store
        .record(super::super::fixtures::running(session, "true"))
        .await
        .unwrap();
    store.finish(id, exited(0)).await.unwrap();
    assert!(matches!(
        store.reader().unwrap().verify_chain().unwrap(),
        ChainState::Sound { events: 4, .. }
    ));
}

#[tokio::test]
async fn damage_in_the_middle_is_found_at_the_start_and_told() {
    let fixture = Fixture::new().await;
    lives::play(&fixture, 100).await;
    fixture.store.close().await;
    let mut bytes = fs::read(fixture.path()).unwrap();
    let middle = bytes.len() / 2 / 8192 * 8192;
    bytes[middle..middle + 8192].fill(0xa5);
    fs::write(fixture.path(), bytes).unwrap();
    let told = Store::open(&fixture.path()).unwrap_err().to_string();
    assert!(told.contains("damaged") && told.contains("restore a backup"), "{told}");
    let faults = Reader::open(&fixture.path()).unwrap().faults();
    assert!(faults.is_err() || !faults.unwrap().is_empty());
}

#[test]
fn a_check_that_takes_too_long_is_left_to_others() {
    let database = Connection::open_in_memory().unwrap();
    database
        .execute_batch(
            "CREATE TABLE t (x); INSERT INTO t
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) SELECT i FROM n",
        )
        .unwrap();
    super::super::health::refuse_damaged(&database, Duration::ZERO).unwrap();
    let rows = number(&database, "SELECT count(*) FROM t a");
    assert_eq!(rows, 50_000, "what comes after the check is not cut short");
}

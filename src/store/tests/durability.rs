//! What holds when the process dies, the disk fills, the writer stalls, or somebody tampers.

use std::fs;
use std::time::{Duration, Instant};

use super::super::fixtures::{Fixture, begin_session, confirmed, exited, running};
use super::super::{NewCommand, Reader, Store, StoreError};
use super::ChainState;
use super::{columns, number, outsider};
use crate::domain::{CommandId, History};

/// The files as they are at this moment, elsewhere: what a crash leaves.
fn crashed(fixture: &Fixture) -> tempfile::TempDir {
    let elsewhere = tempfile::tempdir().unwrap();
    for file in ["opspilot.db", "opspilot.db-wal", "record.key"] {
        fs::copy(fixture.dir.path().join(file), elsewhere.path().join(file)).unwrap();
    }
    elsewhere
}

/// The chain, without counting signatures.
fn chain(fixture: &Fixture) -> ChainState {
    match Reader::open(&fixture.path()).unwrap().verify_chain().unwrap() {
        ChainState::Sound { events, head } => {
            let signatures = "SELECT count(*) FROM events WHERE kind = 'head_signed'";
            let events = events - number(&outsider(fixture), signatures);
            ChainState::Sound { events, head }
        }
        broken @ ChainState::Broken { .. } => broken,
    }
}

#[tokio::test]
async fn a_crash_ends_what_was_open_and_loses_nothing() {
    let fixture = Fixture::new().await;
    let held = fixture.store.record(fixture.held("reboot")).await.unwrap();
    let running = fixture.store.record(fixture.running("make")).await.unwrap();
    let finished = fixture.eventful("rm -rf ./a").await;
    let elsewhere = crashed(&fixture);

    let after = Fixture {
        store: Store::open(&elsewhere.path().join("opspilot.db")).unwrap(),
        dir: elsewhere,
        session: fixture.session,
    };
    assert_eq!(after.store.bastion_id(), fixture.store.bastion_id());
    for (id, state) in [(held, "interrupted"), (running, "interrupted"), (finished, "finished")] {
        assert_eq!(columns(&after, id)["state"], state);
    }
    let session: String = outsider(&after)
        .query_row("SELECT state FROM sessions", [], |row| row.get(0))
        .unwrap();
    assert_eq!(session, "interrupted");
    assert!(
        matches!(chain(&after), ChainState::Sound { events: 10, .. }),
        "{:?}",
        chain(&after)
    );
    assert_eq!(after.store.mac(b"ls"), fixture.store.mac(b"ls"), "the key stays");
}

#[tokio::test]
async fn numbers_and_history_go_on_after_a_restart() {
    let fixture = Fixture::new().await;
    let first = fixture.eventful("rm -rf ./a").await;
    let command = fixture.running("rm -rf ./b");
    let before = fixture
        .store
        .history(&command.user, &command.target, &command.command_hash);
    assert_ne!(before, History::default());
    fixture.store.close().await;

    let store = Store::open(&fixture.path()).unwrap();
    assert_eq!(
        store.history(&command.user, &command.target, &command.command_hash),
        before
    );
    let session = begin_session(&store).await;
    let next = store.record(running(session, "ls")).await.unwrap();
    assert_eq!(next, CommandId(first.0 + 1));
    assert!(matches!(chain(&fixture), ChainState::Sound { .. }));
}

#[tokio::test]
async fn closing_writes_what_is_queued_and_refuses_what_comes_later() {
    let fixture = Fixture::new().await;
    let (recorded, ()) = tokio::join!(fixture.store.record(fixture.running("ls")), fixture.store.close());
    recorded.unwrap();
    let late = fixture.store.record(fixture.running("ls")).await.unwrap_err();
    assert!(matches!(late, StoreError::Closed), "{late}");
    fixture.store.close().await;
    Store::open(&fixture.path()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_at_once_are_all_recorded_each_under_its_own_number() {
    let fixture = Fixture::new().await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..1000 {
        let (store, command) = (fixture.store.clone(), fixture.held(&format!("echo {number}")));
        tasks.spawn(async move {
            let id = store.record(command).await.unwrap();
            store.resolve(id, confirmed()).await.unwrap();
            store.finish(id, exited(0)).await.unwrap();
        });
    }
    tasks.join_all().await;
    let database = outsider(&fixture);
    let finished = "SELECT count(*) FROM command_executions WHERE state = 'finished' AND exit_code = 0";
    assert_eq!(number(&database, finished), 1000);
    assert_eq!(
        number(&database, "SELECT count(DISTINCT command) FROM command_executions"),
        1000
    );
    assert_eq!(number(&database, "SELECT seen FROM command_patterns"), 1000);
    assert!(matches!(chain(&fixture), ChainState::Sound { events: 3001, .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_writer_makes_askers_wait_and_drops_nothing() {
    const COMMANDS: i64 = 3000;
    let fixture = Fixture::new().await;
    let stall = outsider(&fixture);
    stall.execute_batch("BEGIN IMMEDIATE").unwrap();

    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..COMMANDS {
        let (store, command) = (fixture.store.clone(), fixture.running("ls"));
        tasks.spawn(async move { store.record(command).await.map(drop) });
    }
    let early = tokio::time::timeout(Duration::from_millis(500), tasks.join_next()).await;
    assert!(early.is_err(), "nobody is answered before the commit");
    stall.execute_batch("ROLLBACK").unwrap();
    tasks.join_all().await.into_iter().collect::<Result<(), _>>().unwrap();
    assert_eq!(number(&stall, "SELECT count(*) FROM command_executions"), COMMANDS);
}

#[tokio::test]
async fn a_full_disk_fails_the_command_and_not_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("opspilot.db");
    let store = Store::open_tuned(&path, |connection| {
        Ok(connection.pragma_update(None, "max_page_count", 120)?)
    })
    .unwrap();
    let fixture = Fixture {
        session: begin_session(&store).await,
        store,
        dir,
    };

    let large = NewCommand {
        command: "x".repeat(1 << 20),
        ..fixture.running("")
    };
    let (large, small) = tokio::join!(fixture.store.record(large), fixture.store.record(fixture.running("ls")));
    assert!(matches!(large, Err(StoreError::Full)), "{large:?}");
    small.expect("what shared the transaction is written on its own");
    fixture.store.record(fixture.running("ls")).await.unwrap();
    assert_eq!(
        number(&outsider(&fixture), "SELECT count(*) FROM command_executions"),
        2
    );
    assert!(matches!(chain(&fixture), ChainState::Sound { events: 3, .. }));
}

#[tokio::test]
async fn a_database_that_stays_locked_fails_everybody_at_once_and_not_for_good() {
    const PATIENCE: Duration = Duration::from_millis(300);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("opspilot.db");
    let store = Store::open_tuned(&path, |connection| Ok(connection.busy_timeout(PATIENCE)?)).unwrap();
    let fixture = Fixture {
        session: begin_session(&store).await,
        store,
        dir,
    };
    let other = outsider(&fixture);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    let mut tasks = tokio::task::JoinSet::new();
    let start = Instant::now();
    for _ in 0..100 {
        let (store, command) = (fixture.store.clone(), fixture.running("ls"));
        tasks.spawn(async move { store.record(command).await });
    }
    for result in tasks.join_all().await {
        assert!(matches!(result, Err(StoreError::Busy)), "{result:?}");
    }
    assert!(
        start.elapsed() < PATIENCE * 10,
        "the wait is shared, not repeated: {:?}",
        start.elapsed()
    );
    other.execute_batch("ROLLBACK").unwrap();
    fixture.store.record(fixture.running("ls")).await.unwrap();
    assert_eq!(number(&other, "SELECT count(*) FROM command_executions"), 1);
}

#[tokio::test]
async fn events_cannot_be_changed_or_removed_in_passing() {
    let fixture = Fixture::new().await;
    let outsider = outsider(&fixture);
    for attempt in [
        "UPDATE events SET kind = 'x'",
        "DELETE FROM events",
        "INSERT OR REPLACE INTO events SELECT * FROM events",
    ] {
        let result = outsider.execute(attempt, []);
        assert!(result.is_err(), "{attempt}");
    }
}

#[tokio::test]
async fn whoever_forces_the_triggers_breaks_the_chain() {
    let tamperings = [
        (
            "UPDATE events SET payload = (SELECT payload FROM events WHERE seq = 2) WHERE seq = 3",
            3,
        ),
        ("UPDATE events SET kind = 'command_denied' WHERE seq = 3", 3),
        ("UPDATE events SET at = '2020-01-01T00:00:00.000000Z' WHERE seq = 4", 4),
        ("UPDATE events SET command_id = NULL WHERE seq = 3", 3),
        ("DELETE FROM events WHERE seq = 2", 3),
        ("DELETE FROM events WHERE seq = 1", 2),
        (
            "UPDATE events SET seq = -1 WHERE seq = 2; UPDATE events SET seq = 2 WHERE seq = 3;
             UPDATE events SET seq = 3 WHERE seq = -1",
            2,
        ),
        (
            "INSERT INTO events SELECT 99, bastion_id, kind, session_id, command_id, at, payload, payload_digest, digest FROM events WHERE seq = 2",
            99,
        ),
    ];
    for (tampering, broken_at) in tamperings {
        let fixture = Fixture::new().await;
        for _ in 0..4 {
            fixture.store.record(fixture.running("rm -rf ./build")).await.unwrap();
        }
        assert!(matches!(chain(&fixture), ChainState::Sound { events: 5, .. }));
        let outsider = outsider(&fixture);
        outsider
            .execute_batch("DROP TRIGGER events_are_never_changed; DROP TRIGGER events_are_never_removed")
            .unwrap();
        outsider.execute_batch(tampering).unwrap();
        assert_eq!(chain(&fixture), ChainState::Broken { seq: broken_at }, "{tampering}");
    }
}

#[tokio::test]
async fn cutting_the_end_off_changes_the_head() {
    let fixture = Fixture::new().await;
    fixture.store.record(fixture.running("ls")).await.unwrap();
    let whole = chain(&fixture);
    let outsider = outsider(&fixture);
    outsider
        .execute_batch("DROP TRIGGER events_are_never_removed; DELETE FROM events WHERE seq = 2")
        .unwrap();
    assert_ne!(chain(&fixture), whole);
}

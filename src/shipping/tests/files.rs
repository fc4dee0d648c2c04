//! Files, and what holds for every place.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::store::Store;
use crate::store::fixtures::begin_session;

#[tokio::test(flavor = "multi_thread")]
async fn every_event_comes_once_and_in_order() {
    let fixture = Fixture::new().await;
    let file = fixture.dir.path().join("events.jsonl");
    let shipping = ship(&fixture, "to = \"file:events.jsonl\"\nbacklog = true");
    let ids = commands(&fixture, 300).await;
    shipping.stop().await;

    let lines = lines_of(&file);
    assert_eq!(seqs(&lines), (1..=last(&fixture)).collect::<Vec<i64>>());
    let recorded: Vec<i64> = lines
        .iter()
        .filter(|line| line["kind"] == "command_recorded")
        .map(|line| line["command_id"].as_i64().unwrap())
        .collect();
    assert_eq!(recorded, ids, "each command once");
    assert_eq!(lines[2]["payload"]["command"], "echo 0");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_place_begins_with_what_comes_unless_it_wants_the_rest() {
    let fixture = Fixture::new().await;
    commands(&fixture, 2).await;
    let shipping = ship(&fixture, "to = \"file:events.jsonl\"");
    commands(&fixture, 1).await;
    shipping.stop().await;
    assert_eq!(seqs(&lines_of(&fixture.dir.path().join("events.jsonl"))), [7, 8]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_where_it_was() {
    let Fixture { dir, store, .. } = Fixture::new().await;
    let (path, file) = (dir.path().join("opspilot.db"), dir.path().join("events.jsonl"));
    let mut fixture = Fixture {
        session: begin_session(&store).await,
        dir,
        store,
    };
    let keys = "to = \"file:events.jsonl\"\nbacklog = true";
    let shipping = ship(&fixture, keys);
    commands(&fixture, 3).await;
    shipping.stop().await;
    commands(&fixture, 3).await;
    fixture.store.close().await;

    fixture.store = eventually("the lock", || Store::open(&path).ok());
    ship(&fixture, keys).stop().await;
    assert_eq!(seqs(&lines_of(&file)), (1..=last(&fixture)).collect::<Vec<i64>>());
    assert_eq!(mark(&fixture), last(&fixture));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_kinds_that_are_wanted_come_and_the_others_do_not_come_later() {
    let fixture = Fixture::new().await;
    let file = fixture.dir.path().join("events.jsonl");
    let shipping = ship(
        &fixture,
        "to = \"file:events.jsonl\"\nbacklog = true\nevents = [\"*_finished\"]",
    );
    commands(&fixture, 4).await;
    shipping.stop().await;
    let kinds: BTreeSet<String> = lines_of(&file).iter().map(|line| line["kind"].to_string()).collect();
    assert_eq!(kinds, BTreeSet::from(["\"command_finished\"".to_owned()]));
    assert_eq!((lines_of(&file).len(), mark(&fixture)), (4, last(&fixture)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_moved_away_is_made_anew_when_told() {
    let fixture = Fixture::new().await;
    let (file, rotated) = (
        fixture.dir.path().join("events.jsonl"),
        fixture.dir.path().join("events.1"),
    );
    let keys = "to = \"file:events.jsonl\"\nbacklog = true";
    let mut shipping = ship(&fixture, keys);
    commands(&fixture, 2).await;
    eventually("the first events", || has_all(&fixture, &lines_of(&file)).then_some(()));
    std::fs::rename(&file, &rotated).unwrap();
    let config = config(&fixture, keys);
    let shipping = std::thread::spawn(move || {
        shipping.apply(&config).unwrap();
        shipping
    })
    .join()
    .unwrap();
    eventually("the file to be let go", || {
        (mark(&fixture) == last(&fixture)).then_some(())
    });
    commands(&fixture, 2).await;
    shipping.stop().await;

    let [mut before, after] = [rotated, file].map(|file| seqs(&lines_of(&file)));
    before.extend(after);
    assert_eq!(before, (1..=last(&fixture)).collect::<Vec<i64>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_was_cut_short_is_ended_before_the_next() {
    let fixture = Fixture::new().await;
    let file = fixture.dir.path().join("events.jsonl");
    std::fs::write(&file, "{\"seq\":").unwrap();
    ship(&fixture, "to = \"file:events.jsonl\"\nbacklog = true")
        .stop()
        .await;
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "{\"seq\":");
    assert_eq!(
        serde_json::from_str::<Value>(lines[1]).unwrap()["kind"],
        "session_began"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_to_waits_and_holds_nobody_up() {
    let fixture = Fixture::new().await;
    let file = fixture.dir.path().join("events.jsonl");
    std::fs::create_dir(&file).unwrap();
    let shipping = ship(&fixture, "to = \"file:events.jsonl\"\nbacklog = true");
    commands(&fixture, 50).await;
    assert_eq!(mark(&fixture), 0);
    std::fs::remove_dir(&file).unwrap();
    eventually("all events", || has_all(&fixture, &lines_of(&file)).then_some(()));
    shipping.stop().await;
    assert_eq!(seqs(&lines_of(&file)), (1..=last(&fixture)).collect::<Vec<i64>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_text_is_a_line_of_printable_ascii() {
    let fixture = Fixture::new().await;
    let hostile = "printf '\u{1b}]0;x\u{7}\n\0\u{85}\u{202e}日'";
    let file = fixture.dir.path().join("events.jsonl");
    let shipping = ship(&fixture, "to = \"file:events.jsonl\"");
    fixture.store.record(fixture.running(hostile)).await.unwrap();
    shipping.stop().await;
    let bytes = std::fs::read(&file).unwrap();
    assert!(bytes.iter().all(|byte| *byte == b'\n' || (b' '..=b'~').contains(byte)));
    assert_eq!(lines_of(&file)[0]["payload"]["command"], hostile);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_gone_from_the_record_leave_a_line_that_says_so() {
    let fixture = Fixture::new().await;
    commands(&fixture, 2).await;
    let outsider = rusqlite::Connection::open(fixture.path()).unwrap();
    outsider
        .execute_batch("DROP TRIGGER events_are_never_removed; DELETE FROM events WHERE seq <= 3")
        .unwrap();
    ship(&fixture, "to = \"file:events.jsonl\"\nbacklog = true")
        .stop()
        .await;
    let lines = lines_of(&fixture.dir.path().join("events.jsonl"));
    assert_eq!(seqs(&lines), [1, 4, 5, 6]);
    assert_eq!(
        (lines[0]["kind"].as_str(), lines[0]["to_seq"].as_i64()),
        (Some("events_missing"), Some(3))
    );
}

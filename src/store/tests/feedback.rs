//! What people say of commands, and who may.

use jiff::Timestamp;
use serde_json::json;

use super::super::fixtures::{Fixture, name};
use super::super::{Comment, Feedback, LogFilter, Rater, Reader, StoreError};
use super::ChainState;
use super::{columns, detail, number, outsider};
use crate::domain::{CommandId, Rating};

fn user(user: &str, roles: &[&str]) -> Rater {
    Rater::User {
        name: name(user),
        roles: roles.iter().map(|role| name(role)).collect(),
    }
}

fn feedback(by: Rater, rating: u8, comment: &str) -> Feedback {
    Feedback {
        by,
        rating: Rating::try_from(rating).unwrap(),
        comment: Comment::new(comment).unwrap(),
        at: Timestamp::UNIX_EPOCH,
    }
}

#[tokio::test]
async fn a_rating_shows_with_its_author_wherever_the_command_does() {
    let fixture = Fixture::new().await;
    let id = fixture.eventful("rm -rf ./build").await;
    let given = feedback(user("alice", &["sre"]), 2, "it took nginx down");
    fixture.store.give_feedback(id, given).await.unwrap();

    let life = detail(&fixture, id);
    let at = json!("1970-01-01T00:00:00.000000Z");
    for (column, value) in [
        ("feedback_rating", json!(2)),
        ("user_feedback", json!("it took nginx down")),
        ("feedback_by", json!("alice")),
        ("feedback_at", at.clone()),
        ("ratings", json!({"alice": {"rating": 2, "roles": ["sre"], "at": at}})),
    ] {
        assert_eq!(life.columns[column], value, "{column}");
    }
    let event = life.events.last().unwrap();
    assert_eq!(event.kind, "feedback_given");
    let said = json!({"by": "alice", "roles": ["sre"], "rating": 2, "comment": "it took nginx down", "at": "1970-01-01T00:00:00Z"});
    assert_eq!(event.payload, said);
    let listed = Reader::open(&fixture.path())
        .unwrap()
        .log(&LogFilter::default())
        .unwrap();
    assert_eq!(
        (listed[0].feedback_rating, listed[0].feedback_by.as_deref()),
        (Some(2), Some("alice"))
    );
}

#[tokio::test]
async fn the_last_counts_and_everybodys_last_is_kept() {
    let fixture = Fixture::new().await;
    let id = fixture.store.record(fixture.running("reboot")).await.unwrap();
    for given in [
        feedback(user("alice", &[]), 5, "all well"),
        feedback(user("bob", &["admin", "trainer"]), 1, "no, it is still down"),
        feedback(Rater::Local { uid: 0 }, 3, ""),
        feedback(user("alice", &[]), 4, ""),
    ] {
        fixture.store.give_feedback(id, given).await.unwrap();
    }
    let row = columns(&fixture, id);
    assert_eq!(row["feedback_rating"], 4);
    assert_eq!(row["feedback_by"], "alice");
    assert_eq!(
        row["user_feedback"],
        json!(null),
        "what was said with an earlier rating went with it"
    );
    let ratings = row["ratings"].as_object().unwrap();
    let of = |author: &str| (&ratings[author]["rating"], &ratings[author]["roles"]);
    assert_eq!(ratings.len(), 3);
    assert_eq!(of("alice"), (&json!(4), &json!([])));
    assert_eq!(of("bob"), (&json!(1), &json!(["admin", "trainer"])));
    assert_eq!(of("uid:0"), (&json!(3), &json!(null)));
    let given = number(
        &outsider(&fixture),
        "SELECT count(*) FROM events WHERE kind = 'feedback_given'",
    );
    assert_eq!(given, 4, "every one is an event");
}

#[tokio::test]
async fn others_commands_and_those_that_are_not_there_are_refused_in_the_same_words() {
    let fixture = Fixture::new().await;
    let id = fixture.store.record(fixture.running("reboot")).await.unwrap();
    for (who, id) in [
        (user("bob", &["sre", "trainer"]), id),
        (user("bob", &["administrator"]), id),
        (user("alice", &[]), CommandId(id.0 + 1)),
        (user("bob", &["admin"]), CommandId(-1)),
        (Rater::Local { uid: 0 }, CommandId(i64::MAX)),
    ] {
        let refused = fixture
            .store
            .give_feedback(id, feedback(who.clone(), 1, ""))
            .await
            .unwrap_err();
        assert!(matches!(refused, StoreError::NotRateable(_)), "{refused}");
        assert_eq!(
            refused.to_string(),
            format!("there is no command {id} that you may rate"),
            "{who}"
        );
    }
    assert_eq!(columns(&fixture, id)["feedback_rating"], json!(null));
    let database = outsider(&fixture);
    assert_eq!(
        number(&database, "SELECT count(*) FROM events WHERE kind = 'feedback_given'"),
        0
    );
    let chain = Reader::open(&fixture.path()).unwrap().verify_chain().unwrap();
    assert!(matches!(chain, ChainState::Sound { .. }), "{chain:?}");
}

#[tokio::test]
async fn a_rating_is_whole_or_absent_whoever_writes_it() {
    let fixture = Fixture::new().await;
    fixture.store.record(fixture.running("ls")).await.unwrap();
    let outsider = outsider(&fixture);
    let write = |columns: &str| outsider.execute(&format!("UPDATE command_executions SET {columns}"), []);
    for half in [
        "feedback_rating = 3",
        "user_feedback = 'fine'",
        "feedback_by = 'a'",
        "feedback_at = 't'",
        "ratings = '{}'",
        "feedback_rating = 3, feedback_by = 'a', feedback_at = 't'",
        "feedback_rating = 3, feedback_by = 'a', ratings = '{}'",
        "feedback_rating = 3, feedback_by = 'a', feedback_at = 't', ratings = 'not json'",
    ] {
        assert!(write(half).is_err(), "{half}");
    }
    write("feedback_rating = 3, feedback_by = 'a', feedback_at = 't', ratings = '{}'").unwrap();
}

#[tokio::test]
async fn names_that_look_like_paths_keep_their_place() {
    let fixture = Fixture::new().await;
    let id = fixture.store.record(fixture.running("ls")).await.unwrap();
    for author in ["a.rating", "0", "a-b_c"] {
        let given = feedback(user(author, &["admin"]), 3, "");
        fixture.store.give_feedback(id, given).await.unwrap();
    }
    let row = columns(&fixture, id);
    let authors: Vec<_> = row["ratings"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(authors.len(), 3, "{authors:?}");
    assert_eq!(row["ratings"]["a.rating"]["rating"], 3);
}

#[test]
fn a_comment_is_bounded_printable_and_has_no_secrets() {
    assert_eq!(Comment::new(" \n\t "), Ok(None));
    assert!(Comment::new(&"x".repeat(Comment::MAX)).is_ok());
    let long = Comment::new(&"x".repeat(Comment::MAX + 1)).unwrap_err();
    assert_eq!(long.to_string(), "the comment has 2001 bytes; say it in 2000 at most");
    for (text, kept) in [
        ("  fine,\nreally ", "fine,\nreally"),
        ("\u{1b}]0;owned\u{7}\u{202e}\0", "\\x1b]0;owned\\x07\\u{202e}\\x00"),
        (
            "I didn't mean mysql -phunter2 here",
            "I didn't mean mysql -p[redacted] here",
        ),
        ("token=abcdef123456 was in it", "token=[redacted] was in it"),
    ] {
        assert_eq!(Comment::new(text).unwrap().unwrap().as_str(), kept, "{text:?}");
    }
}

//! A user who is forgotten is named nowhere but where an answer of theirs let somebody else's command run.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::change::Change;
use super::super::fixtures::{Fixture, answer, exited, name, resolution};
use super::super::training::tests::end as training;
use super::super::{
    Answer, Comment, Feedback, NewSession, NewToken, Prune, Pruned, Rater, Resolution, Revocation, SessionEnd, Store,
    StoreError, TokenGrant, TrainingEnd, TrainingOutcome, Verdict,
};
use super::evidence::assert_sound;
use super::retention::contains;
use super::{columns, number, outsider};
use crate::domain::{CommandId, Rating, Scope, SessionId};

/// Long, so that it is nothing else's by chance.
const BOB: &str = "bobthebuilder";

fn all_of(user: &str) -> Prune {
    Prune {
        before: None,
        recordings_before: None,
        user: Some(name(user)),
        ships: Vec::new(),
    }
}

async fn forget(store: &Store, user: &str) -> Pruned {
    store.prune(all_of(user), None).await.unwrap()
}

async fn rate(fixture: &Fixture, id: CommandId, by: &str, rating: u8) {
    let feedback = Feedback {
        by: Rater::User {
            name: name(by),
            roles: vec![name("admin")],
        },
        rating: Rating::try_from(rating).unwrap(),
        comment: Comment::new(&format!("{by} says {rating}")).unwrap(),
        at: Timestamp::UNIX_EPOCH,
    };
    fixture.store.give_feedback(id, feedback).await.unwrap();
}

async fn add_token(store: &Store, id: &str, user: &str) {
    let token = NewToken {
        grant: TokenGrant {
            id: id.parse().unwrap(),
            user: name(user),
            scopes: vec![Scope::Ask],
            digest: [7; 32],
            comment: None,
            expires_at: "2999-01-01T00:00:00Z".parse().unwrap(),
        },
        added_at: Timestamp::UNIX_EPOCH,
        added_by: "uid:0".to_owned(),
    };
    store.add_token(token).await.unwrap();
}

fn revocation(id: &str) -> Revocation {
    Revocation {
        id: id.parse().unwrap(),
        at: Timestamp::UNIX_EPOCH,
        by: "uid:0".to_owned(),
    }
}

fn asked_by(user: &str) -> TrainingEnd {
    TrainingEnd {
        requested_by: user.to_owned(),
        ..training(TrainingOutcome::Rejected, "2026-11-22T14:00:00Z")
    }
}

async fn begin(store: &Store, user: &str) -> SessionId {
    let id = SessionId::new();
    let session = NewSession {
        id,
        user: name(user),
        roles: Vec::new(),
        target: None,
        login: None,
        client_address: "192.0.2.8:50022".to_owned(),
        client_version: "SSH-2.0-x".to_owned(),
        channel_info: None,
        started_at: "2026-11-22T13:00:00Z".parse().unwrap(),
    };
    store.begin_session(session).await.unwrap();
    id
}

async fn leave(store: &Store, session: SessionId) {
    let end = SessionEnd {
        at: Some("2026-11-22T13:45:00Z".parse().unwrap()),
        reason: "the user left".to_owned(),
    };
    store.end_session(session, end).await.unwrap();
}

#[tokio::test]
async fn their_ratings_go_and_those_of_others_stand_as_if_there_had_been_no_other() {
    let fixture = Fixture::new().await;
    let (both, theirs) = (
        fixture.eventful("rm -rf ./a").await,
        fixture.eventful("rm -rf ./b").await,
    );
    rate(&fixture, both, BOB, 1).await;
    rate(&fixture, both, "alice", 4).await;
    let alone = columns(&fixture, both);
    rate(&fixture, both, BOB, 2).await;
    rate(&fixture, theirs, BOB, 3).await;
    assert_eq!(columns(&fixture, both)["feedback_by"], BOB);

    let pruned = forget(&fixture.store, BOB).await;
    assert_eq!(pruned.payloads, 3);
    let left = columns(&fixture, both);
    for column in ["feedback_rating", "user_feedback", "feedback_by", "feedback_at"] {
        assert_eq!(left[column], alone[column], "{column}");
        assert_eq!(columns(&fixture, theirs)[column], Value::Null, "{column}");
    }
    assert_eq!(
        left["ratings"].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["alice"]
    );
    assert_eq!(columns(&fixture, theirs)["ratings"], Value::Null);
    assert_sound(&fixture.path());
    fixture.store.close().await;
    assert!(!contains(&fixture.path(), BOB));
}

#[tokio::test]
async fn many_ratings_go_in_steps_after_each_of_which_the_record_is_sound() {
    let fixture = Fixture::new().await;
    let id = fixture.eventful("rm -rf ./a").await;
    for round in 0..200 {
        rate(&fixture, id, if round % 2 == 0 { BOB } else { "alice" }, 1 + round % 5).await;
    }
    for _ in 0..100 {
        rate(&fixture, id, BOB, 3).await;
    }
    let mut finder = fixture.store.finder(all_of(BOB)).await.unwrap();
    let mut steps = 0;
    loop {
        let erased;
        (finder, erased) = fixture
            .store
            .erase_next(finder, super::super::retention::Finder::next_said)
            .await
            .unwrap();
        assert_sound(&fixture.path());
        match erased {
            Some(payloads) => assert!(payloads <= 128, "{payloads} at once"),
            None => break,
        }
        steps += 1;
    }
    assert_eq!(steps, 2);
    assert_eq!(columns(&fixture, id)["feedback_by"], "alice");
}

#[tokio::test]
async fn their_tokens_are_gone_whether_they_were_revoked_or_not() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    for (id, user) in [("aaaa2345", BOB), ("bbbb2345", BOB), ("cccc2345", "alice")] {
        add_token(store, id, user).await;
    }
    store.revoke_token(revocation("bbbb2345")).await.unwrap();
    forget(store, BOB).await;

    let left: Vec<String> = store
        .reader()
        .unwrap()
        .tokens()
        .unwrap()
        .iter()
        .map(|token| token.id.to_string())
        .collect();
    assert_eq!(left, ["cccc2345"]);
    let gone = store.revoke_token(revocation("aaaa2345")).await;
    assert!(matches!(gone, Err(StoreError::NoToken(_))), "{gone:?}");
    assert_sound(&fixture.path());
    store.close().await;
    assert!(!contains(&fixture.path(), BOB));
}

#[tokio::test]
async fn a_token_that_is_revoked_meanwhile_is_not_erased_by_half() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    add_token(store, "aaaa2345", BOB).await;
    let finder = store.finder(all_of(BOB)).await.unwrap();
    let erasure = finder.next_tokens().unwrap().unwrap();
    store.revoke_token(revocation("aaaa2345")).await.unwrap();
    let late = store.write(Change::Erased(Box::new(erasure))).await;
    assert!(matches!(late, Err(StoreError::StillNeeded)), "{late:?}");
    assert_sound(&fixture.path());
    forget(store, BOB).await;
    assert_eq!(store.reader().unwrap().tokens().unwrap(), []);
    assert_sound(&fixture.path());
}

#[tokio::test]
async fn a_training_stays_and_who_asked_for_it_goes() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    for user in ["alice", BOB, "alice"] {
        store.end_training(asked_by(user)).await.unwrap();
    }
    forget(store, BOB).await;
    store.end_training(asked_by("carol")).await.unwrap();

    let trainings = store.reader().unwrap().trainings(10).unwrap();
    let mut asked: Vec<Option<&str>> = trainings
        .iter()
        .map(|training| training.requested_by.as_deref())
        .collect();
    asked.sort_unstable();
    assert_eq!(asked, [None, Some("alice"), Some("alice"), Some("carol")]);
    assert!(trainings.iter().all(|training| training.samples == 120));
    assert_sound(&fixture.path());
    store.close().await;
    assert!(!contains(&fixture.path(), BOB));
}

#[tokio::test]
async fn an_answer_for_somebody_elses_command_stays_as_long_as_that_and_is_told() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let id = store.record(fixture.held("reboot")).await.unwrap();
    let answer = Answer {
        by: name(BOB),
        ..answer()
    };
    let confirmed: Resolution = resolution(Verdict::Confirmed(answer));
    store.resolve(id, confirmed).await.unwrap();
    store.finish(id, exited(0)).await.unwrap();

    assert_eq!(forget(store, BOB).await.answers_left, 1);
    assert_eq!(columns(&fixture, id)["answered_by"], BOB);
    leave(store, fixture.session).await;
    assert_eq!(forget(store, "alice").await.answers_left, 0);
    assert_eq!(forget(store, BOB).await.answers_left, 0);
    assert_sound(&fixture.path());
    store.close().await;
    assert!(!contains(&fixture.path(), BOB));
}

#[tokio::test]
async fn who_is_there_is_not_forgotten_also_where_they_ran_nothing() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let session = begin(store, BOB).await;
    let open = store.prune(all_of(BOB), None).await;
    assert!(matches!(open, Err(StoreError::StillNeeded)), "{open:?}");
    leave(store, session).await;
    forget(store, BOB).await;
    assert_eq!(number(&outsider(&fixture), "SELECT count(*) FROM sessions"), 1);
    assert_sound(&fixture.path());
}

#[tokio::test]
async fn what_they_were_used_to_is_forgotten_at_once() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let id = store.record(fixture.running("uptime")).await.unwrap();
    store.finish(id, exited(0)).await.unwrap();
    leave(store, fixture.session).await;
    let command = fixture.running("uptime");
    let seen = || {
        store
            .history(&command.user, &command.target, &command.command_hash)
            .user_seen
    };
    assert_eq!(seen(), 1);
    forget(store, "alice").await;
    assert_eq!(seen(), 0);
}

#[tokio::test]
async fn nothing_but_an_age_leaves_what_they_said_and_hold() {
    let fixture = Fixture::new().await;
    let id = fixture.eventful("rm -rf ./a").await;
    rate(&fixture, id, BOB, 2).await;
    add_token(&fixture.store, "aaaa2345", BOB).await;
    let aged = Prune {
        before: Some("2026-11-22T20:00:00Z".parse().unwrap()),
        ..all_of(BOB)
    };
    assert_eq!(fixture.store.prune(aged, None).await.unwrap().payloads, 0);
    assert_eq!(columns(&fixture, id)["ratings"][BOB]["rating"], json!(2));
    assert_eq!(fixture.store.reader().unwrap().tokens().unwrap().len(), 1);
}

#[tokio::test]
async fn one_thing_is_erased_at_a_time() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let first = store.shared.pruning.try_acquire().unwrap();
    let second = store.prune(all_of(BOB), None).await;
    assert!(matches!(second, Err(StoreError::Pruning)), "{second:?}");
    drop(first);
    forget(store, BOB).await;
}

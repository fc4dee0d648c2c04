//! Commands that another one reads on its standard input: recorded together, and ended with it.

use serde_json::json;

use super::super::fixtures::Fixture;
use super::super::{InputEnd, InputRest, NewCommand, StoreError};
use super::detail;
use crate::domain::{CommandId, SessionId};

/// A script of three commands, and the one that reads it.
async fn script(fixture: &Fixture) -> (CommandId, Vec<CommandId>) {
    let reader = fixture.store.record(fixture.running("bash -s")).await.unwrap();
    let read = ["ls", "pwd", "id"].map(|text| NewCommand {
        parent_id: Some(reader),
        is_read: true,
        ..fixture.running(text)
    });
    let recorded = fixture.store.record_all(read.into()).await;
    (reader, recorded.into_iter().map(Result::unwrap).collect())
}

#[tokio::test]
async fn what_is_recorded_together_is_in_order() {
    let fixture = Fixture::new().await;
    let (reader, read) = script(&fixture).await;
    let commands: Vec<_> = read
        .iter()
        .map(|id| detail(&fixture, *id).columns["command"].clone())
        .collect();
    assert_eq!(commands, [json!("ls"), json!("pwd"), json!("id")]);
    assert!(read.is_sorted() && reader < read[0]);
    assert_eq!(detail(&fixture, read[2]).columns["parent_id"], json!(reader.0));
}

#[tokio::test]
async fn one_that_is_refused_does_not_spoil_the_others() {
    let fixture = Fixture::new().await;
    let stray = NewCommand {
        session_id: SessionId::new(),
        ..fixture.running("stray")
    };
    let together = vec![fixture.running("first"), stray, fixture.running("last")];
    let recorded = fixture.store.record_all(together).await;
    assert!(matches!(
        recorded.as_slice(),
        [Ok(_), Err(StoreError::Rejected { .. }), Ok(_)]
    ));
}

#[tokio::test]
async fn the_end_of_the_reader_is_the_end_of_what_it_was_sent() {
    let fixture = Fixture::new().await;
    let (reader, read) = script(&fixture).await;
    let other = script(&fixture).await.1[0];
    let denied = NewCommand {
        parent_id: Some(reader),
        is_read: true,
        ..fixture.denied("rm -rf /")
    };
    let denied = fixture.store.record(denied).await.unwrap();
    let rest = InputRest {
        id: read[2],
        length: 5,
        sha256: [0xab; 32],
    };
    let end = InputEnd {
        rest: Some(rest),
        lost: None,
    };
    fixture.store.end_input(reader, end).await.unwrap();

    for id in &read {
        let columns = detail(&fixture, *id).columns;
        assert_eq!(columns["state"], json!("finished"));
        assert_eq!(
            (&columns["execution_success"], &columns["exit_code"]),
            (&json!(null), &json!(null))
        );
    }
    let state = |id| detail(&fixture, id).columns["state"].clone();
    assert_eq!(
        (state(reader), state(denied), state(other)),
        (json!("running"), json!("denied"), json!("running"))
    );
    let last = detail(&fixture, read[2]).columns;
    assert_eq!(
        (&last["input_length"], &last["input_sha256"]),
        (&json!(5), &json!("ab".repeat(32)))
    );
    let event = detail(&fixture, reader).events.pop().unwrap();
    assert_eq!(event.kind, "command_input_ended");
    assert_eq!(event.payload["rest"]["sha256"], json!("ab".repeat(32)));
}

#[tokio::test]
async fn an_end_that_was_not_seen_is_none_for_what_was_sent_either() {
    let fixture = Fixture::new().await;
    let (reader, read) = script(&fixture).await;
    let end = InputEnd {
        rest: None,
        lost: Some("the connection ended".to_owned()),
    };
    fixture.store.end_input(reader, end).await.unwrap();
    let columns = detail(&fixture, read[0]).columns;
    assert_eq!(
        (&columns["state"], &columns["state_reason"]),
        (&json!("interrupted"), &json!("the connection ended"))
    );
}

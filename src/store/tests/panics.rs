//! A writer that panics: what it was at is refused, and nothing is half written.

use super::super::fixtures::Fixture;
use super::super::writer::{Chore, Request};
use super::super::{Store, StoreError};
use super::{ChainState, columns, number, outsider};

/// Has the writer panic amid a transaction.
async fn fail(store: &Store) -> Result<(), StoreError> {
    let (reply, answer) = tokio::sync::oneshot::channel();
    let chore = Chore::Fail(
        Box::new(|connection| {
            let transaction = connection.unchecked_transaction().unwrap();
            transaction.execute("DELETE FROM sessions", []).unwrap();
            panic!("a defect");
        }),
        reply,
    );
    store.shared.requests.send(Request::Chore(chore)).await.unwrap();
    super::super::durable(Ok(answer)).await
}

#[tokio::test]
async fn what_the_writer_panics_over_is_refused_and_undone_and_all_else_goes_on() {
    let fixture = Fixture::new().await;
    let before = fixture.store.record(fixture.running("true")).await.unwrap();
    assert!(matches!(fail(&fixture.store).await, Err(StoreError::Failed)));
    let after = fixture.store.record(fixture.running("true")).await.unwrap();
    assert_eq!(after.0, before.0 + 1);
    assert_eq!(number(&outsider(&fixture), "SELECT count(*) FROM sessions"), 1);
    fixture.store.close().await;
    let chain = fixture.store.reader().unwrap().verify_chain().unwrap();
    assert!(matches!(chain, ChainState::Sound { .. }), "{chain:?}");
}

#[tokio::test]
async fn what_a_session_has_left_open_is_ended_and_no_others() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let other = super::super::fixtures::begin_session(store).await;
    let running = store.record(fixture.running("sleep 60")).await.unwrap();
    let held = store.record(fixture.held("reboot")).await.unwrap();
    let others = store
        .record(super::super::fixtures::running(other, "sleep 60"))
        .await
        .unwrap();
    store.end_left_open(fixture.session, "internal error").await.unwrap();
    for id in [running, held] {
        let columns = columns(&fixture, id);
        assert_eq!(columns["state"], "interrupted");
        assert_eq!(columns["state_reason"], "internal error");
    }
    assert_eq!(columns(&fixture, others)["state"], "running");
}

//! The table of recordings: what is being written, how it ended, and what a crash left.

use super::super::fixtures::Fixture;
use super::super::{
    NewRecording, Reader, RecordingEnd, RecordingId, RecordingState, RecordingSummary, Store, StoreError,
};
use super::{number, outsider};
use crate::domain::SessionId;

fn begun(fixture: &Fixture, channel: u32) -> NewRecording {
    NewRecording {
        id: RecordingId {
            session_id: fixture.session,
            channel,
        },
        path: format!("2026-11-22/{channel}.cast.zst"),
        started_at: "2026-11-22T13:30:00Z".parse().unwrap(),
    }
}

fn ended(state: RecordingState) -> RecordingEnd {
    RecordingEnd {
        at: Some("2026-11-22T13:40:00Z".parse().unwrap()),
        bytes: Some(512),
        sha256: Some("00".repeat(32)),
        state,
    }
}

fn recordings(fixture: &Fixture) -> Vec<RecordingSummary> {
    let reader = Reader::open(&fixture.path()).unwrap();
    reader.recordings(fixture.session).unwrap()
}

#[tokio::test]
async fn each_channel_has_a_row_that_says_how_its_recording_ended() {
    let fixture = Fixture::new().await;
    let failed = RecordingState::Failed {
        reason: "no room".to_owned(),
        went_on: true,
    };
    for channel in [1, 2, 3] {
        fixture.store.begin_recording(begun(&fixture, channel)).await.unwrap();
    }
    for (channel, state) in [(1, RecordingState::Complete), (2, failed)] {
        let id = begun(&fixture, channel).id;
        fixture.store.end_recording(id, ended(state)).await.unwrap();
    }

    let rows = recordings(&fixture);
    let told: Vec<_> = rows
        .iter()
        .map(|row| (row.state.as_str(), row.state_reason.as_deref(), row.bytes, row.went_on))
        .collect();
    assert_eq!(
        told,
        [
            ("complete", None, Some(512), None),
            ("failed", Some("no room"), Some(512), Some(true)),
            ("open", None, None, None),
        ]
    );
    let of_events = "SELECT count(*) FROM events WHERE kind IN ('recording_began', 'recording_ended')
                     AND session_id = (SELECT id FROM sessions)";
    assert_eq!(number(&outsider(&fixture), of_events), 5);
}

#[tokio::test]
async fn a_recording_ends_once_and_only_if_it_began() {
    let fixture = Fixture::new().await;
    let id = begun(&fixture, 1).id;
    let early = fixture.store.end_recording(id, ended(RecordingState::Complete)).await;
    assert!(matches!(early, Err(StoreError::RecordingNotOpen(_))), "{early:?}");

    fixture.store.begin_recording(begun(&fixture, 1)).await.unwrap();
    fixture
        .store
        .end_recording(id, ended(RecordingState::Complete))
        .await
        .unwrap();
    let twice = fixture.store.end_recording(id, ended(RecordingState::Complete)).await;
    assert!(matches!(twice, Err(StoreError::RecordingNotOpen(_))), "{twice:?}");
}

#[tokio::test]
async fn a_recording_belongs_to_a_session_on_record() {
    let fixture = Fixture::new().await;
    let mut stray = begun(&fixture, 1);
    stray.id.session_id = SessionId::new();
    let refused = fixture.store.begin_recording(stray).await;
    assert!(matches!(refused, Err(StoreError::Rejected(_))), "{refused:?}");
}

#[tokio::test]
async fn what_a_crash_left_open_is_cut() {
    let fixture = Fixture::new().await;
    fixture.store.begin_recording(begun(&fixture, 1)).await.unwrap();
    fixture.store.close().await;

    Store::open(&fixture.path()).unwrap();
    let rows = recordings(&fixture);
    assert_eq!(
        (rows[0].state.as_str(), rows[0].ended_at.as_deref(), rows[0].bytes),
        ("cut", None, None)
    );
    assert!(
        rows[0]
            .state_reason
            .as_deref()
            .is_some_and(|reason| reason.contains("stopped"))
    );
}

//! A command's life, step by step, and the steps that are refused.

use serde_json::{Value, json};

use super::super::fixtures::{Fixture, answer, confirmed, exited, name, resolution, scoring};
use super::super::payload::Payload;
use super::super::{
    Aftermath, End, NewCommand, NewSnapshot, Outcome, Resolution, Scoring, SessionEnd, StoreError, Verdict,
};
use super::{columns, detail, number, outsider};
use crate::domain::{CommandId, History, Impact, Level, SessionId, State};

#[tokio::test]
async fn a_whole_life_is_on_record_with_every_event() {
    let fixture = Fixture::new().await;
    let id = fixture.eventful("rm -rf ./build").await;

    let life = detail(&fixture, id);
    let expected = [
        ("bastion_id", json!(fixture.store.bastion_id().to_string())),
        ("user_id", json!("alice")),
        ("timestamp", json!("2026-11-22T13:30:00.250000Z")),
        ("command", json!("rm -rf ./build")),
        ("features", json!([0, 1, 0.5])),
        ("state", json!("finished")),
        ("user_confirmed", json!(true)),
        ("confirmation_time_ms", json!(2400)),
        ("answered_by", json!("alice")),
        ("answer_channel", json!("terminal")),
        ("execution_success", json!(false)),
        ("exit_code", json!(3)),
        ("stdout_length", json!(4096)),
        ("stderr_length", json!(0)),
        ("actual_impact", json!("severe")),
        ("impact_evidence", json!({"failed_units": ["nginx.service"]})),
    ];
    for (column, value) in expected {
        assert_eq!(life.columns[column], value, "{column}");
    }
    let kinds: Vec<_> = life.events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "command_recorded",
            "command_resolved",
            "command_finished",
            "command_amended"
        ]
    );
}

#[tokio::test]
async fn what_is_not_known_is_null() {
    let fixture = Fixture::new().await;
    let quiet = NewCommand {
        scoring: None,
        cwd: None,
        ..fixture.running("ls")
    };
    let id = fixture.store.record(quiet).await.unwrap();
    fixture
        .store
        .finish(
            id,
            Outcome {
                end: End::Unreported,
                stderr_length: None,
                ..exited(0)
            },
        )
        .await
        .unwrap();

    let row = columns(&fixture, id);
    for column in [
        "ml_risk_level",
        "ml_confidence",
        "user_confirmed",
        "confirmation_time_ms",
        "execution_success",
        "exit_code",
        "stderr_length",
        "actual_impact",
        "cwd",
        "user_feedback",
    ] {
        assert_eq!(row[column], Value::Null, "{column}");
    }
    assert_eq!(row["state"], "finished");
}

#[tokio::test]
async fn what_went_to_the_target_is_counted_with_a_digest_or_without() {
    let fixture = Fixture::new().await;
    for (sha256, shown) in [(None, Value::Null), (Some([0xab; 32]), json!("ab".repeat(32)))] {
        let id = fixture.store.record(fixture.running("write /etc/hosts")).await.unwrap();
        let outcome = Outcome {
            input_length: Some(7),
            input_sha256: sha256,
            ..exited(0)
        };
        fixture.store.finish(id, outcome).await.unwrap();
        let row = columns(&fixture, id);
        assert_eq!((&row["input_length"], &row["input_sha256"]), (&json!(7), &shown));
    }
}

#[tokio::test]
async fn every_way_out_of_a_question_is_its_own_state() {
    let fixture = Fixture::new().await;
    let verdicts = [
        (Verdict::Confirmed(answer()), "running", json!(true)),
        (Verdict::Released("now allowed".to_owned()), "running", Value::Null),
        (Verdict::Refused(answer()), "refused", json!(false)),
        (
            Verdict::Unanswerable("the robot has no owner".to_owned()),
            "refused",
            Value::Null,
        ),
        (Verdict::Expired, "expired", Value::Null),
        (Verdict::Abandoned, "abandoned", Value::Null),
        (Verdict::Denied("policy `freeze`".to_owned()), "denied", Value::Null),
    ];
    for (verdict, state, confirmed) in verdicts {
        let id = fixture.store.record(fixture.held("reboot")).await.unwrap();
        fixture.store.resolve(id, resolution(verdict)).await.unwrap();
        let row = columns(&fixture, id);
        assert_eq!((&row["state"], &row["user_confirmed"]), (&json!(state), &confirmed));
    }
}

#[tokio::test]
async fn a_fresher_context_replaces_the_first_and_the_features_stay() {
    let fixture = Fixture::new().await;
    let held = NewCommand {
        system_context: None,
        context_missing: Some("never probed".to_owned()),
        ..fixture.held("x")
    };
    let id = fixture.store.record(held).await.unwrap();
    let fresh = Resolution {
        system_context: Some(json!({"age_ms": 3})),
        ..confirmed()
    };
    fixture.store.resolve(id, fresh).await.unwrap();

    let row = columns(&fixture, id);
    assert_eq!(row["system_context"], json!({"age_ms": 3}));
    assert_eq!(row["context_missing"], Value::Null);
    assert_eq!(row["features"], json!([0, 1, 0.5]));
}

#[tokio::test]
async fn steps_out_of_order_are_refused_and_leave_no_event() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let id = store.record(fixture.held("reboot")).await.unwrap();

    let early = store.finish(id, exited(0)).await.unwrap_err();
    assert!(
        matches!(
            early,
            StoreError::Transition {
                from: Some(State::Held),
                to: State::Finished,
                ..
            }
        ),
        "{early}"
    );
    store.resolve(id, confirmed()).await.unwrap();
    let twice = store.resolve(id, resolution(Verdict::Expired)).await.unwrap_err();
    assert!(
        matches!(
            twice,
            StoreError::Transition {
                from: Some(State::Running),
                ..
            }
        ),
        "{twice}"
    );
    let amended = store.amend_context_after(id, Aftermath::default()).await.unwrap_err();
    assert!(matches!(amended, StoreError::NotAmendable(_)), "{amended}");
    store.finish(id, exited(0)).await.unwrap();
    let again = store.finish(id, exited(1)).await.unwrap_err();
    assert_eq!(
        again.to_string(),
        format!("command {id} is finished, so it cannot become finished")
    );
    let nobody = store.finish(CommandId(999), exited(0)).await.unwrap_err();
    assert!(matches!(nobody, StoreError::Transition { from: None, .. }), "{nobody}");

    assert_eq!(detail(&fixture, id).events.len(), 3, "recorded, resolved, finished");
    assert_eq!(columns(&fixture, id)["exit_code"], 0);
}

#[tokio::test]
async fn contradictions_are_refused() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let plain = || fixture.running("ls");
    let contradictions = [
        NewCommand {
            session_id: SessionId::new(),
            ..plain()
        },
        NewCommand {
            decision: crate::domain::Decision::Deny,
            ..plain()
        },
        NewCommand {
            decision: crate::domain::Decision::Allow,
            ..fixture.held("ls")
        },
        NewCommand {
            scoring: Some(Scoring {
                final_risk_score: 1.5,
                ..scoring(Level::Low)
            }),
            ..plain()
        },
        NewCommand {
            scoring: Some(Scoring {
                initial_risk_score: f64::NAN,
                ..scoring(Level::Low)
            }),
            ..plain()
        },
        NewCommand {
            context_missing: Some("but it is there".to_owned()),
            ..plain()
        },
    ];
    for contradiction in contradictions {
        let error = store.record(contradiction).await.unwrap_err();
        assert!(matches!(error, StoreError::Rejected(_)), "{error}");
    }
    assert_eq!(
        number(&outsider(&fixture), "SELECT count(*) FROM command_executions"),
        0
    );
}

#[tokio::test]
async fn columns_cannot_contradict_the_state_whoever_writes_them() {
    let fixture = Fixture::new().await;
    fixture.store.record(fixture.held("reboot")).await.unwrap();
    let outsider = outsider(&fixture);
    for contradiction in [
        "user_confirmed = 1",
        "user_confirmed = 1, confirmation_time_ms = 5, answered_by = 'a', answer_channel = 'stdin'",
        "exit_code = 0",
        "execution_success = 1",
        "state = 'interrupted', exit_code = 0",
        "state = 'finished', exit_code = 0, exit_signal = 'KILL'",
        "actual_impact = 'none'",
        "state = 'gone'",
        "feedback_rating = 6, feedback_by = 'a', feedback_at = 't', ratings = '{}'",
        "reasons = 'not json'",
    ] {
        let result = outsider.execute(&format!("UPDATE command_executions SET {contradiction}"), []);
        assert!(result.is_err(), "{contradiction}");
    }
}

#[tokio::test]
async fn sessions_begin_and_end_once() {
    let fixture = Fixture::new().await;
    let end = || SessionEnd {
        at: Some("2026-11-22T14:00:00Z".parse().unwrap()),
        reason: "closed by the user".to_owned(),
    };
    fixture.store.end_session(fixture.session, end()).await.unwrap();
    let again = fixture.store.end_session(fixture.session, end()).await.unwrap_err();
    assert!(matches!(again, StoreError::SessionNotOpen(_)), "{again}");
}

#[tokio::test]
async fn history_counts_what_became_of_a_pattern() {
    let fixture = Fixture::new().await;
    let (alice, bob, web, db) = (name("alice"), name("bob"), name("web-1"), name("db-1"));
    let hash = fixture.running("").command_hash;
    assert_eq!(fixture.store.history(&alice, &web, &hash), History::default());

    fixture.eventful("rm -rf ./a").await;
    let refused = fixture.store.record(fixture.held("rm -rf ./b")).await.unwrap();
    fixture
        .store
        .resolve(refused, resolution(Verdict::Refused(answer())))
        .await
        .unwrap();
    fixture
        .store
        .record(NewCommand {
            user: bob.clone(),
            ..fixture.running("rm -rf ./c")
        })
        .await
        .unwrap();
    fixture
        .store
        .record(NewCommand {
            target: db.clone(),
            ..fixture.running("rm -rf ./d")
        })
        .await
        .unwrap();

    let on_web = History {
        user_seen: 2,
        target_seen: 2,
        confirmed: 1,
        refused: 1,
        failed: 1,
        harmful: 1,
    };
    assert_eq!(fixture.store.history(&alice, &web, &hash), on_web);
    assert_eq!(
        fixture.store.history(&bob, &web, &hash),
        History { user_seen: 1, ..on_web }
    );
    let on_db = History {
        user_seen: 2,
        target_seen: 1,
        ..History::default()
    };
    assert_eq!(fixture.store.history(&alice, &db, &hash), on_db);
}

#[tokio::test]
async fn an_amended_impact_replaces_the_first_in_the_counts() {
    let fixture = Fixture::new().await;
    let id = fixture.store.record(fixture.running("rm -rf ./a")).await.unwrap();
    let impact = |impact| Aftermath {
        impact: Some(impact),
        ..Aftermath::default()
    };
    fixture
        .store
        .finish(
            id,
            Outcome {
                aftermath: impact(Impact::Minor),
                ..exited(1)
            },
        )
        .await
        .unwrap();
    fixture
        .store
        .amend_context_after(id, impact(Impact::Moderate))
        .await
        .unwrap();

    let counts = outsider(&fixture)
        .query_row(
            "SELECT impact_minor, impact_moderate, durations, duration_ms_max FROM command_patterns",
            [],
            |row| Ok([row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?, row.get(3)?]),
        )
        .unwrap();
    assert_eq!(counts, [0, 1, 1, 120]);
}

#[tokio::test]
async fn behaviour_is_counted_for_the_user_and_for_each_role() {
    let fixture = Fixture::new().await;
    fixture.eventful("rm -rf ./a").await;
    let refused = fixture.store.record(fixture.held("rm -rf ./b")).await.unwrap();
    fixture
        .store
        .resolve(refused, resolution(Verdict::Refused(answer())))
        .await
        .unwrap();
    fixture.store.record(fixture.denied("rm -rf /")).await.unwrap();

    for (scope, name) in [("user", "alice"), ("role", "sre"), ("role", "dba")] {
        let counts: (i64, i64, i64, i64, i64, f64, f64, f64) = outsider(&fixture)
            .query_row(
                "SELECT commands, ran, asked, denied, json_extract(hours, '$[13]'), refusal_rate, failure_rate,
                        confirmation_ms_mean
                 FROM user_behavior WHERE scope = ?1 AND name = ?2",
                [scope, name],
                |row| {
                    Ok((
                        row.get(0)?,
                        row.get(1)?,
                        row.get(2)?,
                        row.get(3)?,
                        row.get(4)?,
                        row.get(5)?,
                        row.get(6)?,
                        row.get(7)?,
                    ))
                },
            )
            .unwrap();
        assert_eq!(counts, (3, 1, 2, 1, 3, 0.5, 1.0, 2400.0), "{scope} {name}");
    }
}

#[tokio::test]
async fn a_snapshot_is_stored_once_and_its_digest_chained() {
    let fixture = Fixture::new().await;
    let snapshot = NewSnapshot {
        target: name("web-1"),
        taken_at: "2026-11-22T13:00:00Z".parse().unwrap(),
        profile: Some(json!({"os": "Debian"})),
        snapshot: json!({"users": 3}),
    };
    fixture.store.save_snapshot(snapshot).await.unwrap();
    let database = outsider(&fixture);
    let Payload(stored) = database
        .query_row("SELECT snapshot FROM system_contexts", [], |row| row.get(0))
        .unwrap();
    assert_eq!(stored, r#"{"users":3}"#);
    let Payload(payload) = database
        .query_row("SELECT payload FROM events WHERE kind = 'snapshot_saved'", [], |row| {
            row.get(0)
        })
        .unwrap();
    let digest = super::super::chain::hex(&super::super::chain::sha256(stored.as_bytes()));
    assert!(payload.contains(&digest) && !payload.contains("users"), "{payload}");
}

//! The record: what is known is there, what is not known is NULL, and a crash loses nothing.

use std::os::unix::fs::PermissionsExt as _;

use crate::harness::{RISKY, Row, World};

#[test]
fn a_run_is_recorded_with_everything_that_is_known() {
    let world = World::new();
    assert_eq!(world.alice().run("echo known").code, 0);
    let row = world.bastion.row();

    assert_eq!(
        (row.command.as_str(), row.state.as_str(), row.exactness.as_str()),
        ("echo known", "finished", "exact")
    );
    assert_eq!(
        (row.uid.len(), row.uid.as_bytes()[14]),
        (36, b'7'),
        "a UUID of version 7: {}",
        row.uid
    );
    for (column, text) in [
        ("bastion_id", &row.bastion_id),
        ("session_id", &row.session_id),
        ("command_mac", &row.command_mac),
        ("command_hash", &row.command_hash),
    ] {
        assert!(!text.is_empty(), "{column} is empty");
    }
    assert!(
        row.timestamp.ends_with('Z') && row.timestamp.contains('T'),
        "RFC 3339 in UTC: {}",
        row.timestamp
    );
    assert_eq!(row.host_info["target"], "web-1");
    assert_eq!(row.host_info["address"], format!("127.0.0.1:{}", world.target.port));
    assert!(row.execution_time_ms.is_some());
    assert_eq!((row.exit_code, row.execution_success), (Some(0), Some(true)));
    assert_eq!((row.stdout_length, row.stderr_length), (Some(6), Some(0)));
    assert_eq!((row.user_feedback, row.feedback_rating), (None, None));
}

#[test]
fn both_judges_are_recorded() {
    let world = World::new();
    assert_eq!(world.alice().run("echo known").code, 0);
    let row = world.bastion.row();

    assert_eq!(row.initial_risk_level.as_deref(), Some("low"));
    for score in [row.initial_risk_score, row.final_risk_score, row.ml_confidence] {
        assert!((0.0..=1.0).contains(&score.unwrap()), "{score:?}");
    }
    assert!(["low", "medium", "high", "critical"].contains(&row.ml_risk_level.as_deref().unwrap()));
    assert!(row.feature_digest.is_some());
    let features = row
        .features
        .as_ref()
        .and_then(serde_json::Value::as_array)
        .expect("an array");
    assert!(
        features.len() > 10 && features.iter().all(serde_json::Value::is_number),
        "{features:?}"
    );
}

#[test]
fn without_a_model_the_forests_view_is_not_known() {
    let world = World::with(|config| {
        let root = env!("CARGO_MANIFEST_DIR");
        config.risk = format!("rules = [\"{root}/config/rules.toml\"]\nmodel = \"\"\n");
    });
    assert_eq!(world.alice().run("echo known").code, 0);
    let row = world.bastion.row();
    assert_eq!((row.ml_risk_level, row.ml_confidence), (None, None));
    assert_eq!(row.final_risk_level.as_deref(), Some("low"));
}

#[test]
fn what_did_not_run_has_no_outcome() {
    let world = World::with(|config| config.policies = config.policies.replace("\"confirm\"", "\"deny\""));
    world.alice().run(RISKY).assert_refused();
    let row = world.bastion.row();

    assert_eq!(row.state, "denied");
    assert_eq!((row.user_confirmed, row.confirmation_time_ms), (None, None));
    assert_eq!(
        (row.execution_success, row.exit_code, row.execution_time_ms),
        (None, None, None)
    );
    assert_eq!((row.stdout_length, row.stderr_length), (None, None));
    assert_eq!((row.actual_impact, row.system_context_after), (None, None));
}

#[test]
fn the_row_is_durable_before_the_target_gets_the_command() {
    let world = World::new();
    let database = world.bastion.database();
    let database = database.display();
    // The command looks for itself in the files of the record.
    let output = world.alice().run(format!(
        "grep -qsa find-me-8231 {database} {database}-wal && echo recorded"
    ));
    assert_eq!(output.text(), "recorded\n", "{output:?}");
}

#[test]
fn the_context_before_and_after_is_the_targets() {
    let world = World::new();
    assert_eq!(world.alice().run("echo first").code, 0);
    world.bastion.rows_when("a snapshot after the first command", |rows| {
        rows.first().is_some_and(|row| row.system_context_after.is_some())
    });
    assert_eq!(world.alice().run("echo second").code, 0);
    let row = world.bastion.rows(2).remove(1);

    let context = row.system_context.expect("the first command's snapshot");
    assert!(context["os_info"]["distribution"].is_string(), "{context}");
    assert!(context["memory_usage"]["percent"].is_number(), "{context}");
    assert!(context["load_avg"]["1min"].is_number(), "{context}");
    assert!(context["disk_usage"]["/"]["percent"].is_number(), "{context}");
    assert!(context["age_ms"].is_number(), "{context}");
}

#[test]
fn an_impact_is_classified_between_two_snapshots() {
    let world = World::new();
    assert_eq!(world.alice().run("echo first").code, 0);
    let rows = world.bastion.rows_when("a snapshot after the first command", |rows| {
        rows.first().is_some_and(|row| row.system_context_after.is_some())
    });
    assert_eq!(rows[0].actual_impact, None, "nothing is known of the state before it");
    assert_eq!(world.alice().run("echo second").code, 0);
    let rows = world.bastion.rows_when("a snapshot after the second command", |rows| {
        rows.get(1).is_some_and(|row| row.system_context_after.is_some())
    });
    // The target is the machine that runs all the other tests meanwhile: its load may show.
    assert!(
        matches!(rows[1].actual_impact.as_deref(), Some("none" | "minor")),
        "{:?}",
        rows[1]
    );
    assert!(rows[1].impact_evidence.is_some());
}

#[test]
fn with_probes_off_the_context_is_null_with_a_reason() {
    let world = World::with(|config| config.targets += "probe = \"off\"\n");
    assert_eq!(world.alice().run("echo one").code, 0);
    let row = world.bastion.row();
    assert_eq!((row.system_context, row.actual_impact), (None, None));
    assert!(row.context_missing.is_some());
    assert_eq!(world.target.sessions(), 1, "the command alone");
}

#[test]
fn equal_kinds_of_commands_share_a_pattern() {
    let world = World::new();
    for command in ["ls ./one", "ls ./two", "ls /etc"] {
        world.alice().run(command);
    }
    let rows = world.bastion.rows(3);
    assert_eq!(rows[0].command_hash, rows[1].command_hash);
    assert_ne!(rows[0].command_hash, rows[2].command_hash);
    assert_ne!(rows[0].command_mac, rows[1].command_mac, "the exact bytes differ");
}

#[test]
fn secrets_are_redacted_before_they_are_kept() {
    let world = World::new();
    world
        .alice()
        .run("curl -u admin:hunter2-8231 http://127.0.0.1:9/; echo after");
    let row = world.bastion.row();
    assert!(
        row.command.starts_with("curl -u ") && row.command.ends_with("; echo after"),
        "{}",
        row.command
    );

    let state = world.bastion.dir().join("state");
    for name in ["opspilot.db", "opspilot.db-wal"] {
        let bytes = std::fs::read(state.join(name)).unwrap_or_default();
        assert!(
            !bytes.windows(12).any(|part| part == b"hunter2-8231"),
            "the secret is in {name}"
        );
    }
    assert!(!world.bastion.log().contains("hunter2-8231"));
}

#[test]
fn the_record_is_readable_by_its_owner_only() {
    let world = World::new();
    let mode = |path: std::path::PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(world.bastion.database()), 0o600);
    assert_eq!(mode(world.bastion.dir().join("state/ssh_host_ed25519_key")), 0o600);
}

#[test]
fn what_a_crash_left_open_is_interrupted_at_the_next_start() {
    let mut world = World::new();
    let mut runs = world.alice().start("echo up; cat");
    runs.stdout.expect("up\n");
    let mut asks = world.alice().start(RISKY);
    asks.code();
    let states = |rows: &[Row]| rows.iter().map(|row| row.state.clone()).collect::<Vec<_>>();
    assert_eq!(states(&world.bastion.rows_now()), ["running", "held"]);

    world.bastion.crash();
    world.bastion.restart();
    assert_eq!(states(&world.bastion.rows(2)), ["interrupted", "interrupted"]);
    let open: i64 = world
        .bastion
        .sql()
        .query_row("SELECT count(*) FROM sessions WHERE state = 'open'", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(open, 0);
    assert_eq!(world.alice().run("echo again").text(), "again\n");
}

#[test]
fn a_command_that_cannot_be_recorded_is_not_run() {
    let world = World::new();
    assert_eq!(world.alice().run("true").code, 0);
    world.bastion.row();
    // What a full disk would do, without one.
    let other = rusqlite::Connection::open(world.bastion.database()).unwrap();
    other
        .execute_batch("CREATE TRIGGER full BEFORE INSERT ON command_executions BEGIN SELECT RAISE(ABORT, 'full'); END")
        .unwrap();

    let trace = world.trace("ran");
    let output = world.alice().run(format!("touch {}", trace.display()));
    output.assert_failed();
    assert!(!trace.exists());
}

#[test]
fn a_drained_daemon_leaves_no_row_open() {
    let mut world = World::with(|config| "drain_timeout = \"1s\"".clone_into(&mut config.server));
    let mut running = world.alice().start("echo up; cat");
    running.stdout.expect("up\n");
    assert_eq!(world.bastion.stop(), 0);
    assert_eq!(running.finish().code, 255);
    assert!(world.bastion.rows_now().iter().all(Row::is_final));
}

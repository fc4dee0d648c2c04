//! The forest trained anew: what is recorded, what is put in force, and how `opspilot model train` exits.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use jiff::{SignedDuration, Timestamp};
use opspilot::command;
use opspilot::config;
use opspilot::control::{Retention, Socket};
use opspilot::domain::{Channel, CommandUid, Decision, Dialect, Exactness, Impact, Level, Name, SessionId};
use opspilot::learning::{Queue, Request};
use opspilot::risk::{Assessor, Circumstances, features};
use opspilot::store::{
    Aftermath, End, HostInfo, NewCommand, NewSession, Outcome, Reader, Scoring, Start, Store, TrainingOutcome,
    TrainingSummary,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::harness::opspilot;

/// A record and a configuration, without a daemon.
struct Place {
    dir: TempDir,
}

impl Place {
    /// The trainer is this project's own.
    fn new() -> Self {
        Self::with(&house("models"), "")
    }

    /// With this trainer, and more lines of `[risk]`, which may name another model.
    fn with(trainer: &Path, risk: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let model = format!("model = \"{}\"\n", house("models/risk.onnx").display());
        let model = if risk.contains("model =") { "" } else { &model };
        let text = format!(
            "[server]\nstate_dir = \"state\"\n[risk]\nrules = [\"{}\"]\n{model}{risk}\n[learning]\ntrainer = \"{}\"\n",
            house("config/rules.toml").display(),
            trainer.display(),
        );
        fs::create_dir(dir.path().join("state")).unwrap();
        fs::write(dir.path().join("opspilot.toml"), text).unwrap();
        Self { dir }
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn train(&self, arguments: &[&str]) -> Output {
        let mut all = vec!["model", "train"];
        all.extend(arguments);
        self.opspilot(&all).output().unwrap()
    }

    fn opspilot(&self, arguments: &[&str]) -> Command {
        let mut command = opspilot(arguments);
        command.arg("-c").arg(self.dir.path().join("opspilot.toml"));
        command
    }

    fn status(&self) -> Value {
        let output = self.opspilot(&["model", "status", "--json"]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }

    fn open(&self) -> Store {
        Store::open(&self.state().join("opspilot.db")).unwrap()
    }

    /// The attempts that are on record, newest first.
    fn trainings(&self) -> Vec<TrainingSummary> {
        let reader = Reader::open(&self.state().join("opspilot.db")).unwrap();
        reader.trainings(10).unwrap()
    }

    /// How they ended, newest first.
    fn outcomes(&self) -> Vec<&'static str> {
        let outcomes = self.trainings().into_iter().filter_map(|training| training.outcome);
        outcomes.map(TrainingOutcome::as_str).collect()
    }

    /// Records `count` commands of the last days: every third, where `some_harm`, is a loss, and the others did nothing.
    fn record(&self, count: usize, some_harm: bool) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let store = self.open();
            let session = begin_session(&store).await;
            let assessor = rules_alone();
            for number in 0..count {
                let harm = some_harm && number % 3 == 0;
                let command = ran(&assessor, session, number, count, harm);
                let id = store.record(command).await.unwrap();
                store.finish(id, ended(harm)).await.unwrap();
            }
            store.close().await;
        });
    }
}

fn house(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn rules_alone() -> Assessor {
    let settings = config::Risk {
        rules: vec![house("config/rules.toml")],
        model: None,
        installed: None,
        shadow_model: None,
        bounds: config::ModelBounds::default(),
    };
    Assessor::load(&settings).unwrap()
}

async fn begin_session(store: &Store) -> SessionId {
    let id = SessionId::new();
    let session = NewSession {
        id,
        user: name("alice"),
        roles: Vec::new(),
        target: Some(name("web-1")),
        login: Some("deploy".to_owned()),
        client_address: "192.0.2.7:50022".to_owned(),
        client_version: "SSH-2.0-test".to_owned(),
        channel_info: None,
        started_at: Timestamp::now(),
    };
    store.begin_session(session).await.unwrap();
    id
}

/// The `number`-th of `count` commands, evenly over the last 60 days; two in a row share their pattern.
fn ran(assessor: &Assessor, session_id: SessionId, number: usize, count: usize, harm: bool) -> NewCommand {
    let program = if harm { "ledgerctl retire" } else { "ledgerctl list" };
    let text = format!("{program} --shard s{number}");
    let seen = assessor.assess(&command::parse(&text, Dialect::Bash), &Circumstances::default());
    let age =
        SignedDuration::from_hours(24) * 60 * i32::try_from(count - number).unwrap() / i32::try_from(count).unwrap();
    NewCommand {
        uid: CommandUid::new(),
        session_id,
        parent_id: None,
        is_read: false,
        timestamp: Timestamp::now() - age,
        user: name(["alice", "bob", "carol", "dave"][number % 4]),
        target: name(["web-1", "web-2", "db-1", "db-2", "db-3"][number % 5]),
        login: "deploy".to_owned(),
        channel: Channel::Exec,
        host_info: HostInfo {
            target: name("web-1"),
            address: "127.0.0.1:22".to_owned(),
            host_key: None,
        },
        cwd: None,
        command: text,
        aliases: std::collections::BTreeMap::new(),
        command_mac: "00".repeat(32),
        exactness: Exactness::Exact,
        command_hash: format!("{harm} {}", number / 6),
        pattern: program.to_owned(),
        pattern_version: command::PATTERN_VERSION,
        scoring: Some(Scoring {
            initial_risk_level: seen.rule_level,
            initial_risk_score: seen.rule_score,
            forecast: None,
            final_risk_level: Level::Low,
            final_risk_score: 0.1,
            reasons: json!([]),
            features: seen.features,
            feature_digest: features::digest().to_owned(),
            model_digest: None,
            shadow: None,
        }),
        decision: Decision::Allow,
        policy: None,
        system_context: None,
        context_missing: None,
        start: Start::Running,
        state_reason: None,
    }
}

fn ended(harm: bool) -> Outcome {
    Outcome {
        end: End::Exited(0),
        execution_time_ms: Some(10),
        stdout_length: Some(0),
        stderr_length: Some(0),
        input_length: None,
        input_sha256: None,
        cwd_after: None,
        pipe_status: Vec::new(),
        aftermath: Aftermath {
            system_context: Some(json!({})),
            context_missing: None,
            impact: Some(if harm { Impact::Severe } else { Impact::None }),
            evidence: Some(
                json!({"signs": [{"sign": "mount_gone", "impact": "severe"}], "confidence": 1.0, "concurrent": 0}),
            ),
        },
    }
}

/// A trainer whose interpreter is a shell script.
fn trainer(script: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let python = dir.path().join(".venv/bin/python");
    fs::create_dir_all(python.parent().unwrap()).unwrap();
    fs::write(&python, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

/// A trainer that leaves the shipped model under another digest, and figures that say it is better, but for those that `change`
/// sets.
fn kind_trainer(change: impl FnOnce(&mut Value)) -> TempDir {
    let mut model = fs::read(house("models/risk.onnx")).unwrap();
    // A comment of its own (field 6 of an ONNX model).
    model.extend(b"\x32\x05other");
    let digest = Sha256::digest(&model)
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    let mut card: Value = serde_json::from_slice(&fs::read(house("models/risk.json")).unwrap()).unwrap();
    card["model"]["sha256"] = json!(digest);
    let figures = |brier: f64| json!({"recall": 0.9, "false_positives": 0.01, "brier": brier});
    let mut outcome = json!({
        "outcome": "trained", "model_digest": digest, "rows": {"read": 60, "labelled": 55}, "positives": 20,
        "figures": {"both": {"champion": figures(0.3), "challenger": figures(0.2)}},
        "golden_fallen": [], "irreversible_fallen": 0,
    });
    change(&mut outcome);
    let dir = trainer("echo training >&2; cp \"${0%/.venv/*}/left/\"* \"${5%/*}\"");
    let left = dir.path().join("left");
    fs::create_dir(&left).unwrap();
    fs::write(left.join("risk.onnx"), model).unwrap();
    fs::write(left.join("risk.json"), card.to_string()).unwrap();
    fs::write(left.join("outcome.json"), outcome.to_string()).unwrap();
    dir
}

fn said(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    write!(text, "{}", String::from_utf8_lossy(&output.stderr)).unwrap();
    text
}

#[test]
fn too_few_commands_are_said_and_recorded_and_no_trainer_is_started() {
    let place = Place::with(Path::new("/nonexistent"), "");
    place.record(10, true);
    let output = place.train(&[]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(
        said(&output).contains("the record has 10 such commands; 50 are needed"),
        "{output:?}"
    );
    let recorded = &place.trainings()[0];
    assert_eq!(place.outcomes(), ["too_few"]);
    assert_eq!(recorded.rows_read, Some(10));
}

#[test]
fn a_trainer_that_cannot_run_is_told_apart_from_one_that_fails() {
    let missing = tempfile::tempdir().unwrap();
    let cases = [
        (missing, 5, "run "),
        (
            trainer("echo \"ImportError: libgomp.so.1\" >&2; exit 1"),
            5,
            "is broken (ImportError: libgomp.so.1)",
        ),
        (
            trainer("echo MemoryError >&2; exit 1"),
            6,
            "exit status: 1): MemoryError",
        ),
        (trainer("kill -9 $$"), 6, "signal: 9"),
        (trainer("exit 0"), 6, "left no outcome"),
    ];
    for (trainer, code, expected) in cases {
        let place = Place::with(trainer.path(), "");
        place.record(50, true);
        let output = place.train(&[]);
        assert_eq!(output.status.code(), Some(code), "{expected}: {output:?}");
        assert!(said(&output).contains(expected), "{expected}: {output:?}");
        let recorded = &place.trainings()[0];
        assert_eq!(place.outcomes(), ["failed"]);
        assert!(recorded.reason.contains(expected), "{recorded:?}");
        assert!(
            !place.state().join("training/work").exists(),
            "it holds the record's commands"
        );
    }
}

#[test]
fn only_one_trains_at_a_time() {
    let place = Place::new();
    place.record(1, false);
    fs::create_dir(place.state().join("training")).unwrap();
    let lock = fs::File::create(place.state().join("training/lock")).unwrap();
    lock.try_lock().unwrap();
    let output = place.train(&[]);
    assert_eq!(output.status.code(), Some(8), "{output:?}");
    assert!(said(&output).contains("another training is running"), "{output:?}");
    assert_eq!(place.trainings(), []);
}

#[test]
fn rules_alone_have_nothing_to_be_better_than() {
    let place = Place::with(&house("models"), "model = \"\"");
    place.record(1, false);
    let output = place.train(&[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(said(&output).contains("rules alone score"), "{output:?}");
}

#[test]
fn what_waits_is_done_once_and_in_the_name_of_who_asked() {
    let place = Place::with(Path::new("/nonexistent"), "");
    place.record(10, true);
    let queue = Queue::of(&place.state());
    for asked_by in ["alice", "bob"] {
        queue.push(&Request::by(asked_by)).unwrap();
        let output = place.train(&["--queued", "--if-due"]);
        assert_eq!(output.status.code(), Some(3), "{output:?}");
    }
    let recorded = place.trainings();
    let names: Vec<_> = recorded
        .iter()
        .filter_map(|training| training.requested_by.as_deref())
        .collect();
    assert_eq!(names, ["bob", "alice"], "newest first");
    let again = place.train(&["--queued"]);
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    assert_eq!(place.trainings().len(), 2);
}

#[test]
fn the_timer_trains_when_it_is_due() {
    let place = Place::with(Path::new("/nonexistent"), "");
    place.record(10, true);
    // The record began 60 days ago.
    let output = place.train(&["--queued", "--if-due"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert_eq!(place.trainings()[0].requested_by.as_deref(), Some("timer"));
    let fresh = Place::new();
    fresh.record(0, true);
    let output = fresh.train(&["--if-due"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(said(&output).contains("nothing is recorded yet"), "{output:?}");
}

#[test]
fn a_better_model_is_put_in_force_and_kept_where_that_is_asked() {
    let trainer = kind_trainer(|_| {});
    let place = Place::with(trainer.path(), "");
    place.record(60, true);
    let kept = place.train(&["--no-install"]);
    assert_eq!(kept.status.code(), Some(0), "{kept:?}");
    assert!(said(&kept).contains("opspilot: training\n"), "{kept:?}");
    assert_eq!(place.status()["source"], "configured");

    let output = place.train(&[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(said(&output).contains("installed as number 1"), "{output:?}");
    let status = place.status();
    assert_eq!(
        (&status["source"], &status["error"]),
        (&json!("installed"), &Value::Null)
    );
    assert_eq!(status["learning"]["samples"], 55);
    assert_eq!(status["learning"]["due"]["is_due"], false);
    assert_eq!(place.outcomes(), ["installed", "kept"]);
    assert_eq!(place.trainings()[0].model_digest.as_deref(), status["digest"].as_str());
}

#[test]
fn a_training_is_recorded_by_the_daemon_that_serves() {
    let trainer = kind_trainer(|_| {});
    let place = Place::with(trainer.path(), "");
    place.record(60, true);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    let socket = Socket::bind(&place.state()).unwrap();
    runtime.spawn(socket.serve(place.open(), Retention::default, CancellationToken::new()));
    let output = place.train(&[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(place.outcomes(), ["installed"]);
    assert_eq!(place.status()["source"], "installed");
}

#[test]
fn what_nobody_could_record_is_not_begun() {
    let trainer = kind_trainer(|_| {});
    let place = Place::with(trainer.path(), "");
    place.record(60, true);
    let store = place.open();
    let output = place.train(&[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(said(&output).contains("another opspilot is using it"), "{output:?}");
    assert!(!said(&output).contains("opspilot: training"), "{output:?}");
    drop(store);
    assert_eq!(place.trainings(), []);
}

#[test]
fn a_model_that_is_not_better_is_not_installed_and_the_reason_is_on_record() {
    let trainer = kind_trainer(|outcome| outcome["positives"] = json!(19));
    let place = Place::with(trainer.path(), "");
    place.record(60, true);
    let output = place.train(&[]);
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert!(
        said(&output).contains("not installed: only 19 of the held-out commands"),
        "{output:?}"
    );
    assert_eq!(place.status()["source"], "configured");
    assert!(place.trainings()[0].reason.contains("only 19"));
}

#[test]
fn what_nobody_watches_is_put_in_force_only_where_the_configuration_says_so() {
    let trainer = kind_trainer(|_| {});
    let place = Place::with(trainer.path(), "");
    place.record(60, true);
    Queue::of(&place.state()).push(&Request::by("alice")).unwrap();
    let output = place.train(&["--queued"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(place.outcomes(), ["kept"]);

    let file = place.dir.path().join("opspilot.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text + "promote = true\n").unwrap();
    Queue::of(&place.state()).push(&Request::by("alice")).unwrap();
    assert_eq!(place.train(&["--queued"]).status.code(), Some(0));
    assert_eq!(place.outcomes(), ["installed", "kept"]);
}

#[test]
fn a_trainer_that_speaks_of_another_model_than_it_left_installs_nothing() {
    let trainer = kind_trainer(|outcome| outcome["model_digest"] = json!("00".repeat(32)));
    let place = Place::with(trainer.path(), "");
    place.record(60, true);
    let output = place.train(&[]);
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    assert!(said(&output).contains("another model than it left"), "{output:?}");
    assert_eq!(place.status()["source"], "configured");
}

#[test]
fn rows_go_all_the_way_to_a_model_in_force() {
    let made = Command::new(house("models/environment")).output().unwrap();
    assert!(made.status.success(), "{made:?}");

    let alike = Place::new();
    alike.record(60, false);
    let output = alike.train(&["--quick"]);
    assert_eq!(output.status.code(), Some(4), "one class only: {output:?}");
    assert!(
        said(&output).contains("all 60 recorded commands that say something say low"),
        "{output:?}"
    );

    let place = Place::new();
    place.record(420, true);
    let output = place.train(&["--quick"]);
    // Even a toy is better than the shipped forest, by half, on what that could not know.
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let recorded = &place.trainings()[0];
    assert_eq!((recorded.rows_read, recorded.samples), (Some(420), 420));
    assert!(
        recorded.positives.is_some_and(|positives| positives >= 20),
        "{recorded:?}"
    );
    assert!(!place.state().join("training/work").exists());
    let status = place.status();
    assert_eq!(
        (&status["source"], &status["error"]),
        (&json!("installed"), &Value::Null)
    );
    assert_eq!(status["digest"].as_str(), recorded.model_digest.as_deref());
    assert!(
        status["training"]["recorded"].as_u64().is_some_and(|rows| rows > 100),
        "{status}"
    );
    assert!(status["learning"]["trained_at"].is_string(), "{status}");

    let again = place.train(&["--quick"]);
    assert_eq!(again.status.code(), Some(7), "it is not better than itself: {again:?}");
    assert!(said(&again).contains("Brier score is not better"), "{again:?}");
}

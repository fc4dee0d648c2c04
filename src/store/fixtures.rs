//! What tests of the record, and of what reads it, start from.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::json;

use super::{
    Aftermath, Answer, End, Forecast, HostInfo, NewCommand, NewSession, Outcome, Reader, Resolution, Scoring, Start,
    Store, StoreError, Verdict,
};
use crate::command::PATTERN_VERSION;
use crate::domain::{
    AnswerChannel, Channel, CommandId, CommandUid, Decision, Exactness, Impact, Level, Name, SessionId,
};

/// A record in a directory of its own, with one open session.
pub(crate) struct Fixture {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) store: Store,
    pub(crate) session: SessionId,
}

/// A question without an end.
pub(crate) fn endless(reader: &Reader) -> Result<(), StoreError> {
    let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
    Ok(reader.connection.query_row(sql, [], |_| Ok(()))?)
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("opspilot.db")).unwrap();
        let session = begin_session(&store).await;
        Self { dir, store, session }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("opspilot.db")
    }

    /// A command that is about to run.
    pub(crate) fn running(&self, text: &str) -> NewCommand {
        running(self.session, text)
    }

    /// A command that the user is about to be asked about.
    pub(crate) fn held(&self, text: &str) -> NewCommand {
        NewCommand {
            start: Start::Held,
            decision: Decision::Confirm,
            scoring: Some(scoring(Level::High)),
            ..self.running(text)
        }
    }

    /// A command that the policy denies.
    pub(crate) fn denied(&self, text: &str) -> NewCommand {
        NewCommand {
            start: Start::Denied,
            decision: Decision::Deny,
            scoring: Some(scoring(Level::Critical)),
            ..self.running(text)
        }
    }

    /// A whole life: asked, confirmed, run, failed, seen to have done harm.
    pub(crate) async fn eventful(&self, text: &str) -> CommandId {
        let id = self.store.record(self.held(text)).await.unwrap();
        self.store.resolve(id, confirmed()).await.unwrap();
        self.store.finish(id, exited(3)).await.unwrap();
        let aftermath = Aftermath {
            system_context: Some(json!({"memory_usage": {"percent": 71.5}})),
            impact: Some(Impact::Severe),
            evidence: Some(json!({"failed_units": ["nginx.service"]})),
            ..Aftermath::default()
        };
        self.store.amend_context_after(id, aftermath).await.unwrap();
        id
    }
}

pub(crate) async fn begin_session(store: &Store) -> SessionId {
    let id = SessionId::new();
    let session = NewSession {
        id,
        user: name("alice"),
        roles: vec![name("sre"), name("dba")],
        target: Some(name("web-1")),
        login: Some("deploy".to_owned()),
        client_address: "192.0.2.7:50022".to_owned(),
        client_version: "SSH-2.0-OpenSSH_9.9".to_owned(),
        channel_info: Some(json!({"authentication": "publickey"})),
        started_at: "2026-11-22T13:00:00Z".parse().unwrap(),
    };
    store.begin_session(session).await.unwrap();
    id
}

pub(crate) fn running(session_id: SessionId, text: &str) -> NewCommand {
    NewCommand {
        uid: CommandUid::new(),
        session_id,
        parent_id: None,
        is_read: false,
        timestamp: "2026-11-22T13:30:00.25Z".parse().unwrap(),
        user: name("alice"),
        target: name("web-1"),
        login: "deploy".to_owned(),
        channel: Channel::Exec,
        host_info: HostInfo {
            target: name("web-1"),
            address: "10.0.0.11:22".to_owned(),
            host_key: Some("SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU".to_owned()),
        },
        cwd: Some("/srv/www".to_owned()),
        command: text.to_owned(),
        aliases: BTreeMap::new(),
        command_mac: "00".repeat(32),
        exactness: Exactness::Exact,
        command_hash: "9f86d081884c7d659a2feaa0c55ad015".to_owned(),
        pattern: "rm -rf <relative>".to_owned(),
        pattern_version: PATTERN_VERSION,
        scoring: Some(scoring(Level::Medium)),
        decision: Decision::Allow,
        policy: Some("production".to_owned()),
        system_context: Some(json!({"memory_usage": {"percent": 40.0}, "load_avg": {"1min": 0.2}, "age_ms": 900})),
        context_missing: None,
        start: Start::Running,
        state_reason: None,
    }
}

/// What scoring said, with this final level.
pub(crate) fn scoring(level: Level) -> Scoring {
    Scoring {
        initial_risk_level: Level::Medium,
        initial_risk_score: 0.4,
        forecast: Some(Forecast {
            level: Level::Low,
            confidence: 0.75,
        }),
        final_risk_level: level,
        final_risk_score: 0.45,
        reasons: json!([{"rule": "rm-recursive", "level": "medium", "sentence": "removes whole directories"}]),
        features: vec![0.0, 1.0, 0.5],
        feature_digest: "11".repeat(32),
        model_digest: Some("22".repeat(32)),
        shadow: None,
    }
}

pub(crate) fn answer() -> Answer {
    Answer {
        by: name("alice"),
        channel: AnswerChannel::Terminal,
        time_ms: 2_400,
    }
}

pub(crate) fn confirmed() -> Resolution {
    resolution(Verdict::Confirmed(answer()))
}

pub(crate) fn resolution(verdict: Verdict) -> Resolution {
    Resolution {
        verdict,
        system_context: None,
    }
}

/// The end of a run over exec: two streams, nothing known yet of the target afterwards.
pub(crate) fn exited(code: u32) -> Outcome {
    Outcome {
        end: End::Exited(code),
        execution_time_ms: Some(120),
        stdout_length: Some(4_096),
        stderr_length: Some(0),
        input_length: None,
        input_sha256: None,
        cwd_after: None,
        pipe_status: Vec::new(),
        aftermath: Aftermath::default(),
    }
}

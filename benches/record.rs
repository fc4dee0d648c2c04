//! What the record's writer does: whole lives of commands a second, and the time until one is durable.
//!
//! ```text
//! cargo bench --bench record            # all of it, in the directory for temporary files
//! cargo bench --bench record -- DIR     # on the disk of DIR
//! ```
//!
//! Printed are the median and the 99th of 100 of: a sync of that disk by itself, after a write of 32 KiB; the time from asking to
//! having a command recorded, at 500 lives a second and with everything that can wait waiting. A life is a command with its
//! features and contexts recorded, finished and amended, so three durable events. At the end the writer is held up for 10
//! seconds under 100,000 events, and the rows are counted.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench says what failed by panicking; the figures are small"
)]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use opspilot::domain::{Channel, CommandUid, Decision, Exactness, Impact, Level, Name, SessionId};
use opspilot::store::{Aftermath, End, Forecast, HostInfo, NewCommand, NewSession, Outcome, Scoring, Start, Store};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Each measurement takes so long.
const TIME: Duration = Duration::from_secs(10);
/// Commands that wait at once, where as many as can do: as much as the queue of the writer and one batch.
const WAITING: usize = 1280;
/// Lives a second where there is room for more.
const STEADY: u32 = 500;
/// The hold-up at the end, and what is asked meanwhile.
const STALL: Duration = Duration::from_secs(10);
const EVENTS: usize = 100_000;

#[tokio::main]
async fn main() {
    let given = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let dir = tempfile::tempdir_in(given.map_or_else(std::env::temp_dir, PathBuf::from)).unwrap();
    let syncs = syncs(dir.path());
    report("a sync of the disk", &syncs);
    let path = dir.path().join("opspilot.db");
    let bench = Bench::new(&path).await;
    report(&format!("recorded, at {STEADY} lives/s"), &bench.steadily().await);
    let (lives, times) = bench.at_once().await;
    report("recorded, with all that can waiting", &times);
    println!(
        "{:.0} lives/s, so {:.0} events/s",
        lives / TIME.as_secs_f64(),
        3.0 * lives / TIME.as_secs_f64()
    );
    bench.stalled(&path).await;
    bench.store.close().await;
}

/// What the disk takes for a commit by itself.
fn syncs(dir: &Path) -> Vec<Duration> {
    let mut file = std::fs::File::create(dir.join("synced")).unwrap();
    let mut sync = || {
        file.write_all(&vec![7; 32 << 10]).unwrap();
        let start = Instant::now();
        file.sync_data().unwrap();
        start.elapsed()
    };
    (0..300).map(|_| sync()).collect()
}

fn report(what: &str, times: &[Duration]) {
    let mut times = times.to_vec();
    times.sort();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    println!(
        "{what}: p50 {:.2} ms, p99 {:.2} ms, {} times",
        at(50),
        at(99),
        times.len()
    );
}

#[derive(Clone)]
struct Bench {
    store: Store,
    session: SessionId,
}

impl Bench {
    async fn new(path: &Path) -> Self {
        let (store, session) = (Store::open(path).unwrap(), SessionId::new());
        store.begin_session(begun(session)).await.unwrap();
        Self { store, session }
    }

    /// One life; how long it took until it was recorded.
    async fn live(&self, number: usize) -> Duration {
        let command = self.command(number);
        let start = Instant::now();
        let id = self.store.record(command).await.unwrap();
        let recorded = start.elapsed();
        self.store.finish(id, outcome()).await.unwrap();
        self.store.amend_context_after(id, aftermath()).await.unwrap();
        recorded
    }

    async fn steadily(&self) -> Vec<Duration> {
        let mut lives = JoinSet::new();
        let mut beats = tokio::time::interval(Duration::from_secs(1) / STEADY);
        for number in 0..usize::try_from(u64::from(STEADY) * TIME.as_secs()).unwrap() {
            beats.tick().await;
            let bench = self.clone();
            lives.spawn(async move { bench.live(number).await });
        }
        lives.join_all().await
    }

    async fn at_once(&self) -> (f64, Vec<Duration>) {
        let (end, next) = (Instant::now() + TIME, Arc::new(AtomicUsize::new(0)));
        let mut people = JoinSet::new();
        for _ in 0..WAITING {
            let (bench, next) = (self.clone(), Arc::clone(&next));
            people.spawn(async move {
                let mut times = Vec::new();
                while Instant::now() < end {
                    times.push(bench.live(next.fetch_add(1, Ordering::Relaxed)).await);
                }
                times
            });
        }
        let times = people.join_all().await.concat();
        (times.len() as f64, times)
    }

    async fn stalled(&self, path: &Path) {
        let database = rusqlite::Connection::open(path).unwrap();
        let rows = || -> u32 {
            database
                .query_row("SELECT count(*) FROM command_executions", [], |row| row.get(0))
                .unwrap()
        };
        let before = rows();
        database.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut asked = JoinSet::new();
        for number in 0..EVENTS {
            let bench = self.clone();
            asked.spawn(async move { bench.store.record(bench.command(number)).await.is_ok() });
        }
        tokio::time::sleep(STALL).await;
        database.execute_batch("ROLLBACK").unwrap();
        let said_yes = asked.join_all().await.into_iter().filter(|yes| *yes).count();
        println!(
            "held up for {STALL:?}: {EVENTS} asked, {said_yes} told that it is durable, {} rows",
            rows() - before
        );
    }

    fn command(&self, number: usize) -> NewCommand {
        let pattern = number % 300;
        NewCommand {
            uid: CommandUid::new(),
            session_id: self.session,
            parent_id: None,
            is_read: false,
            timestamp: jiff::Timestamp::now(),
            user: name("alice"),
            target: name(&format!("web-{}", number % 20)),
            login: "deploy".to_owned(),
            channel: Channel::Shell,
            host_info: HostInfo {
                target: name("web-1"),
                address: "10.0.0.11:22".to_owned(),
                host_key: Some("SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU".to_owned()),
            },
            cwd: Some("/srv/www".to_owned()),
            command: format!("systemctl status nginx-{pattern}.service"),
            aliases: BTreeMap::new(),
            command_mac: self.store.mac(&number.to_be_bytes()),
            exactness: Exactness::Exact,
            command_hash: format!("9f86d081884c7d659a2feaa0{pattern:08x}"),
            pattern: "systemctl status relative".to_owned(),
            pattern_version: 1,
            scoring: Some(scoring(number)),
            decision: Decision::Allow,
            policy: Some("production".to_owned()),
            system_context: Some(context()),
            context_missing: None,
            start: Start::Running,
            state_reason: None,
        }
    }
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn begun(id: SessionId) -> NewSession {
    NewSession {
        id,
        user: name("alice"),
        roles: vec![name("sre")],
        target: Some(name("web-1")),
        login: Some("deploy".to_owned()),
        client_address: "192.0.2.7:50022".to_owned(),
        client_version: "SSH-2.0-OpenSSH_9.9".to_owned(),
        channel_info: None,
        started_at: jiff::Timestamp::now(),
    }
}

/// As many features as there are, a fifth of them other than nought.
fn scoring(number: usize) -> Scoring {
    let features = (0_u16..123).map(|index| if index % 5 == 0 { f32::from(index) / 7.0 } else { 0.0 });
    Scoring {
        initial_risk_level: Level::Low,
        initial_risk_score: 0.0,
        forecast: Some(Forecast {
            level: Level::Low,
            confidence: 0.9 + (number % 97) as f64 / 1000.0,
        }),
        final_risk_level: Level::Low,
        final_risk_score: 0.016,
        reasons: json!([]),
        features: features.collect(),
        feature_digest: "11".repeat(32),
        model_digest: Some("22".repeat(32)),
        shadow: None,
    }
}

fn context() -> Value {
    json!({
        "age_ms": 900, "os_info": {"distribution": "Debian GNU/Linux 12 (bookworm)"}, "load_avg": {"1min": 0.2},
        "memory_usage": {"percent": 40.1}, "disk_usage": {"/": {"percent": 26.8}, "/var": {"percent": 60.5}}, "users": 2
    })
}

fn outcome() -> Outcome {
    Outcome {
        end: End::Exited(0),
        execution_time_ms: Some(120),
        stdout_length: Some(4_096),
        stderr_length: None,
        input_length: None,
        input_sha256: None,
        cwd_after: Some("/srv/www".to_owned()),
        pipe_status: vec![0],
        aftermath: Aftermath {
            context_missing: Some("not taken yet".to_owned()),
            ..Aftermath::default()
        },
    }
}

fn aftermath() -> Aftermath {
    Aftermath {
        system_context: Some(context()),
        impact: Some(Impact::None),
        evidence: Some(json!({"signs": [], "concurrent": 0, "confidence": 1.0})),
        ..Aftermath::default()
    }
}

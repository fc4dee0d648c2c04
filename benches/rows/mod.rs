//! A record with any number of rows, as real sessions would have left them: what benches of the record stand on.
//!
//! The commands are those of `tests/data`, scored as the daemon does, once each; users, targets, answers, ends and times are
//! drawn by a fixed seed. Everything goes through [`Store`], a batch of sessions at a time, so that the chain of events, the
//! tallies and the indexes are what they would be.

use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use opspilot::command::{self, PATTERN_VERSION};
use opspilot::config::{ModelBounds, Risk};
use opspilot::context::{LoadAvg, OsInfo, Snapshot, Usage};
use opspilot::domain::{
    AnswerChannel, Channel, CommandId, CommandUid, Decision, Dialect, Exactness, Impact, Level, Name, SessionId,
};
use opspilot::risk::{Assessor, Circumstances, features};
use opspilot::store::{
    Aftermath, Answer, End, Forecast, HostInfo, NewCommand, NewSession, Outcome, Resolution, Scoring, SessionEnd,
    Start, Store, StoreError, Verdict,
};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::task::{JoinHandle, JoinSet};

/// Commands that are written at a time, and those of one session.
const BATCH: u64 = 1_000;
const COMMANDS: usize = 20;

const USERS: u32 = 40;
const TARGETS: u32 = 120;

/// The share of commands that are not ordinary work.
const RISKY: f64 = 0.03;

const ORDINARY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sessions");
const WRITTEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/written");
const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/rules.toml");
const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/risk.onnx");

/// What a record is to hold.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Commands.
    pub rows: u64,
    /// Days before now over which they are spread evenly, in order.
    pub days: u32,
}

/// Writes what `plan` says to `store`. `told` hears how many commands are written.
pub async fn fill(store: &Store, plan: Plan, mut told: impl FnMut(u64)) -> anyhow::Result<()> {
    let mut drawing = Drawing::new(plan)?;
    let mut drawn = 0;
    let mut writing: Option<JoinHandle<anyhow::Result<()>>> = None;
    while drawn < plan.rows {
        let wanted = (plan.rows - drawn).min(BATCH);
        // The next batch is drawn while the last one is written.
        let batch = drawing.batch(usize::try_from(wanted)?);
        if let Some(last) = writing.take() {
            last.await??;
            told(drawn);
        }
        writing = Some(tokio::spawn(write(store.clone(), batch)));
        drawn += wanted;
    }
    if let Some(last) = writing {
        last.await??;
        told(drawn);
    }
    Ok(())
}

/// Sessions with their commands and what is to become of each, in order.
struct Batch {
    sessions: Vec<NewSession>,
    commands: Vec<NewCommand>,
    fates: Vec<Fate>,
    ended_at: Timestamp,
}

/// What becomes of a command after it was recorded.
struct Fate {
    resolution: Option<Resolution>,
    outcome: Option<Outcome>,
}

async fn write(store: Store, batch: Batch) -> anyhow::Result<()> {
    let sessions: Vec<SessionId> = batch.sessions.iter().map(|session| session.id).collect();
    at_once(&store, batch.sessions, |store, session| async move {
        store.begin_session(session).await
    })
    .await?;
    let ids = store
        .record_all(batch.commands)
        .await
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    let (mut resolutions, mut outcomes) = (Vec::new(), Vec::new());
    for (id, fate) in ids.into_iter().zip(batch.fates) {
        resolutions.extend(fate.resolution.map(|resolution| (id, resolution)));
        outcomes.extend(fate.outcome.map(|outcome| (id, outcome)));
    }
    at_once(&store, resolutions, |store, (id, how): (CommandId, _)| async move {
        store.resolve(id, how).await
    })
    .await?;
    at_once(&store, outcomes, |store, (id, how): (CommandId, _)| async move {
        store.finish(id, how).await
    })
    .await?;
    let end = SessionEnd {
        at: Some(batch.ended_at),
        reason: "the client closed the connection".to_owned(),
    };
    let ends = sessions.into_iter().map(|id| (id, end.clone())).collect();
    at_once(&store, ends, |store, (id, end)| async move {
        store.end_session(id, end).await
    })
    .await
}

/// Asks for all changes before it awaits the first, so that they share transactions.
async fn at_once<T, F>(store: &Store, changes: Vec<T>, change: impl Fn(Store, T) -> F) -> anyhow::Result<()>
where
    F: Future<Output = Result<(), StoreError>> + Send + 'static,
{
    let mut asked: JoinSet<_> = changes.into_iter().map(|one| change(store.clone(), one)).collect();
    while let Some(answer) = asked.join_next().await {
        answer??;
    }
    Ok(())
}

/// A command that has been scored.
struct Scored {
    text: String,
    hash: String,
    pattern: String,
    scoring: Scoring,
}

/// What is drawn from, and how far it has come.
struct Drawing {
    random: StdRng,
    ordinary: Vec<Scored>,
    risky: Vec<Scored>,
    now: Timestamp,
    step: SignedDuration,
}

impl Drawing {
    fn new(plan: Plan) -> anyhow::Result<Self> {
        let assessor = Assessor::load(&Risk {
            rules: vec![RULES.into()],
            model: Some(MODEL.into()),
            installed: None,
            shadow_model: None,
            bounds: ModelBounds::default(),
        })?;
        let span = SignedDuration::from_hours(24 * i64::from(plan.days));
        let rows = i128::from(plan.rows.max(1));
        Ok(Self {
            random: StdRng::seed_from_u64(20_261_122),
            ordinary: scored(&assessor, Path::new(ORDINARY))?,
            risky: scored(&assessor, Path::new(WRITTEN))?,
            now: Timestamp::now() - span,
            step: SignedDuration::from_nanos((span.as_nanos() / rows).try_into()?),
        })
    }

    fn batch(&mut self, wanted: usize) -> Batch {
        let mut batch = Batch {
            sessions: Vec::new(),
            commands: Vec::with_capacity(wanted),
            fates: Vec::with_capacity(wanted),
            ended_at: self.now,
        };
        while batch.commands.len() < wanted {
            let session = self.session();
            for _ in 0..COMMANDS.min(wanted - batch.commands.len()) {
                let (command, fate) = self.command(&session);
                batch.commands.push(command);
                batch.fates.push(fate);
            }
            batch.sessions.push(session);
        }
        batch.ended_at = self.now;
        batch
    }

    fn session(&mut self) -> NewSession {
        let (user, target) = (self.skewed(USERS), self.skewed(TARGETS));
        NewSession {
            id: SessionId::new(),
            user: name(&format!("user-{user}")),
            roles: vec![name(if user % 4 == 0 { "dba" } else { "sre" })],
            target: Some(name(&format!("host-{target}"))),
            login: Some("deploy".to_owned()),
            client_address: format!("192.0.2.{}:{}", user + 1, self.random.random_range(1024..65_535)),
            client_version: "SSH-2.0-OpenSSH_9.9".to_owned(),
            channel_info: Some(json!({"authentication": "publickey"})),
            started_at: self.now,
        }
    }

    /// Some are met far more often than others.
    fn skewed(&mut self, count: u32) -> u32 {
        let (one, other) = (self.random.random_range(0..count), self.random.random_range(0..count));
        one.min(other)
    }

    fn command(&mut self, session: &NewSession) -> (NewCommand, Fate) {
        self.now += self.step;
        let list = if self.random.random_bool(RISKY) {
            &self.risky
        } else {
            &self.ordinary
        };
        let scored = &list[self.random.random_range(0..list.len())];
        let decision = match scored.scoring.final_risk_level {
            Level::Low => Decision::Allow,
            Level::Medium => Decision::Warn,
            Level::High => Decision::Confirm,
            Level::Critical => Decision::Deny,
        };
        let start = match decision {
            Decision::Allow | Decision::Warn => Start::Running,
            Decision::Confirm => Start::Held,
            Decision::Deny => Start::Denied,
        };
        let target = session.target.clone().unwrap_or_else(|| name("none"));
        let command = NewCommand {
            uid: CommandUid::new(),
            session_id: session.id,
            parent_id: None,
            is_read: false,
            timestamp: self.now,
            user: session.user.clone(),
            host_info: HostInfo {
                target: target.clone(),
                address: "10.0.0.11:22".to_owned(),
                host_key: Some("SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU".to_owned()),
            },
            target,
            login: "deploy".to_owned(),
            channel: Channel::Shell,
            cwd: Some("/srv/app".to_owned()),
            command: scored.text.clone(),
            aliases: BTreeMap::new(),
            command_mac: format!("{:064x}", self.random.random::<u128>()),
            exactness: Exactness::Exact,
            command_hash: scored.hash.clone(),
            pattern: scored.pattern.clone(),
            pattern_version: PATTERN_VERSION,
            scoring: Some(scored.scoring.clone()),
            decision,
            policy: Some("production".to_owned()),
            system_context: Some(context(&mut self.random)),
            context_missing: None,
            start,
            state_reason: None,
        };
        (command, self.fate(start, &session.user))
    }

    fn fate(&mut self, start: Start, user: &Name) -> Fate {
        let resolution = (start == Start::Held).then(|| self.resolution(user));
        let runs = match &resolution {
            Some(resolution) => matches!(resolution.verdict, Verdict::Confirmed(_)),
            None => start == Start::Running,
        };
        Fate {
            resolution,
            outcome: runs.then(|| self.outcome()),
        }
    }

    fn resolution(&mut self, user: &Name) -> Resolution {
        let answer = Answer {
            by: user.clone(),
            channel: AnswerChannel::Terminal,
            time_ms: self.random.random_range(600..20_000),
        };
        let verdict = match self.random.random_range(0..20) {
            0 => Verdict::Expired,
            1 | 2 => Verdict::Refused(answer),
            _ => Verdict::Confirmed(answer),
        };
        Resolution {
            verdict,
            system_context: None,
        }
    }

    fn outcome(&mut self) -> Outcome {
        let failed = self.random.random_bool(0.06);
        let impact = match self.random.random_range(0..1_000) {
            0 => Impact::Severe,
            1..5 => Impact::Moderate,
            _ if failed => Impact::Minor,
            _ => Impact::None,
        };
        Outcome {
            end: End::Exited(u32::from(failed)),
            execution_time_ms: Some(self.random.random_range(2..4_000)),
            stdout_length: Some(self.random.random_range(0..20_000)),
            stderr_length: None,
            input_length: None,
            input_sha256: None,
            cwd_after: Some("/srv/app".to_owned()),
            pipe_status: vec![i32::from(failed)],
            aftermath: Aftermath {
                system_context: Some(context(&mut self.random)),
                context_missing: None,
                impact: Some(impact),
                evidence: Some(
                    json!({"signs": [], "exit_code": u32::from(failed), "concurrent": 0, "confidence": 1.0}),
                ),
            },
        }
    }
}

fn context(random: &mut StdRng) -> Value {
    let usage = |percent: u32| Usage {
        percent: Some(f64::from(percent) / 10.0),
        ..Usage::default()
    };
    let snapshot = Snapshot {
        os_info: OsInfo {
            distribution: Some("Debian GNU/Linux 12 (bookworm)".to_owned()),
            ..OsInfo::default()
        },
        uptime_s: Some(random.random_range(1_000..10_000_000)),
        load_avg: LoadAvg {
            one: Some(f64::from(random.random_range(0..800)) / 100.0),
            ..LoadAvg::default()
        },
        cpus: Some(8),
        memory_usage: usage(random.random_range(100..980)),
        disk_usage: ["/", "/srv"]
            .map(|mount| (mount.to_owned(), usage(random.random_range(50..990))))
            .into(),
        users: Some(random.random_range(0..5)),
        failed_units: Some(Vec::new()),
        ..Snapshot::default()
    };
    snapshot.compact(random.random_range(0..60_000))
}

/// The commands of all files in a directory, a line each, where `%0A` stands for a newline.
fn scored(assessor: &Assessor, directory: &Path) -> anyhow::Result<Vec<Scored>> {
    let mut files = fs::read_dir(directory)?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file)?;
        let commands = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        all.extend(commands.map(|line| score(assessor, &line.replace("%0A", "\n"))));
    }
    Ok(all)
}

fn score(assessor: &Assessor, text: &str) -> Scored {
    let assessment = assessor.assess(&command::parse(text, Dialect::Bash), &Circumstances::default());
    Scored {
        text: assessment.redacted.to_string(),
        hash: assessment.pattern.hash,
        pattern: assessment.pattern.text,
        scoring: Scoring {
            initial_risk_level: assessment.rule_level,
            initial_risk_score: assessment.rule_score,
            forecast: assessment.prediction.map(|prediction| Forecast {
                level: prediction.level,
                confidence: prediction.confidence,
            }),
            final_risk_level: assessment.level,
            final_risk_score: assessment.score,
            reasons: json!(assessment.reasons),
            features: assessment.features,
            feature_digest: features::digest().to_owned(),
            model_digest: Some("22".repeat(32)),
            shadow: None,
        },
    }
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

//! One command on its way: what was submitted, what scoring says, what the policy makes of it. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use russh::keys::HashAlg;
use serde_json::Value;

use crate::command::{self, Pattern, Script};
use crate::config::{HostKeys, Target};
use crate::context::{Evidence, Snapshot, classify};
use crate::domain::{CommandId, CommandUid, Decision, Dialect, Exactness, Level, Name, whole_millis};
use crate::policy::{self, Matter};
use crate::risk::{Assessment, Circumstances, features};
use crate::store::{
    Aftermath, End, Forecast, HostInfo, NewCommand, NewSnapshot, Outcome, Scoring, Shadow, Start, Store,
};
use crate::terminal::{Assessed, Expect, Question};

use super::engine::Engine;
use super::hosts::Seen;
use super::intercept::{Asked, Ending, Refusal, Request, Session, Submission, Unseen};
use super::pending::{Claim, Confirmed};
use super::permit::Permit;
use super::readings;
use super::remembered::{Same, What};

/// The word that a critical command asks for, where the policy lets it be confirmed at all.
const CRITICAL_WORD: &str = "run-it";

/// What was seen beside a command while it ran.
#[derive(Debug, Clone, Copy)]
pub(super) struct Meanwhile {
    /// Other commands that ran on the target.
    pub concurrent: u32,
    /// Whether every connection to the target ended before it did.
    pub connection_lost: bool,
}

/// Why there is no context of a file operation, a forward or a subsystem.
pub(super) const COMMANDS_ONLY: &str = "taken for commands only";

/// One command on its way.
#[derive(Debug)]
pub(super) struct Case {
    pub uid: CommandUid,
    pub request: Request,
    /// Whether it is sent as a part of a script, and its end will not be seen.
    pub is_read: bool,
    pub engine: Arc<Engine>,
    /// The aliases in it and what they stand for, without their secrets.
    aliases: BTreeMap<String, String>,
    /// `None` where there is nothing to score: what runs is not known.
    assessment: Option<Assessment>,
    /// The programs that the exit code may come from.
    programs: Vec<String>,
    mac: String,
    host: HostInfo,
    submitted_at: Timestamp,
    pub verdict: policy::Verdict,
    /// Where its life starts.
    pub start: Start,
    /// What is shown and stored: never the secrets.
    shown: Arc<str>,
    seen_at_submission: Option<(Seen, u64)>,
    /// A fresher snapshot, taken while the question was open.
    pub context_before: Option<Seen>,
}

impl Case {
    /// Assesses and decides; `None` where user or target are not configured any longer.
    pub(super) fn assess(engine: Arc<Engine>, store: &Store, request: Request, seen: Option<Seen>) -> Option<Self> {
        let session = &request.session;
        let target = engine.target(&session.target)?;
        let address = format!("{}:{}", target.address.host, target.address.port);
        let host = HostInfo {
            target: session.target.clone(),
            address,
            host_key: host_key(session, target),
        };
        let seen = seen
            .filter(|_| !matches!(request.submission, Submission::Access { .. }))
            .map(|seen| (seen.age_ms(Instant::now()), seen))
            .map(|(age, seen)| (seen, age));
        let circumstances = |script: &Script| Circumstances {
            history: store.history(&session.user, &session.target, &command::pattern(script).hash),
            snapshot: seen.as_ref().map(|(seen, _)| &seen.snapshot),
            snapshot_age_ms: seen.as_ref().map(|(_, age)| *age),
            environment: target.labels.get("env").map(String::as_str),
            now_ms: Some(Timestamp::now().as_millisecond()),
        };
        let (assessment, programs) = readings::assess(&request.submission, &engine, circumstances).unzip();
        let verdict = decide(&engine, &request, assessment.as_ref())?;
        let shown = shown(&request.submission, assessment.as_ref());
        let mac = match &request.submission {
            Submission::Access { .. } => store.mac(shown.as_bytes()),
            submission => store.mac(bytes(submission)),
        };
        Some(Self {
            uid: CommandUid::new(),
            programs: programs.unwrap_or_default(),
            start: start(verdict.decision),
            submitted_at: Timestamp::now(),
            shown,
            seen_at_submission: seen,
            context_before: None,
            aliases: readings::redacted_aliases(&request.submission),
            request,
            is_read: false,
            engine,
            assessment,
            mac,
            host,
            verdict,
        })
    }

    /// The level that it was judged to have; `None` where there was nothing to score.
    pub(super) fn level(&self) -> Option<Level> {
        self.assessment.as_ref().map(|assessment| assessment.level)
    }

    /// What scoring says of it.
    pub(super) fn into_assessment(self) -> Option<Assessment> {
        self.assessment
    }

    /// The right to run it. Called once, after the record is durable and the question answered.
    pub(super) fn permit(&mut self, recorded: Option<CommandId>) -> Permit {
        let bytes = match &mut self.request.submission {
            Submission::Command { bytes, .. }
            | Submission::AnyShell { bytes }
            | Submission::Text { bytes, .. }
            | Submission::Transfer { bytes, .. }
            | Submission::Access { bytes, .. } => std::mem::take(bytes),
            Submission::Ran { .. } | Submission::Opaque { .. } => Vec::new(),
        };
        Permit::new(bytes, recorded)
    }

    /// The row as it is first written.
    pub(super) fn new_command(&self) -> NewCommand {
        let session = &self.request.session;
        let pattern = self.pattern();
        NewCommand {
            uid: self.uid,
            session_id: session.id,
            parent_id: self.request.parent,
            is_read: self.is_read,
            timestamp: self.submitted_at,
            user: session.user.clone(),
            target: session.target.clone(),
            login: session.login.clone(),
            channel: self.request.channel,
            host_info: self.host.clone(),
            cwd: self.request.cwd.clone(),
            command: self.shown.to_string(),
            aliases: self.aliases.clone(),
            command_mac: self.mac.clone(),
            exactness: self.exactness(),
            command_hash: pattern.hash,
            pattern: pattern.text,
            pattern_version: command::PATTERN_VERSION,
            scoring: self.assessment.as_ref().map(|assessment| self.scoring(assessment)),
            decision: self.verdict.decision,
            policy: self.verdict.rule.clone(),
            system_context: self.context_at_submission(),
            context_missing: self.context_missing().map(str::to_owned),
            start: self.start,
            state_reason: self.state_reason(),
        }
    }

    fn scoring(&self, assessment: &Assessment) -> Scoring {
        Scoring {
            initial_risk_level: assessment.rule_level,
            initial_risk_score: assessment.rule_score,
            forecast: assessment.prediction.map(|prediction| Forecast {
                level: prediction.level,
                confidence: prediction.confidence,
            }),
            final_risk_level: assessment.level,
            final_risk_score: assessment.score,
            reasons: serde_json::to_value(&assessment.reasons).unwrap_or_default(),
            features: assessment.features.clone(),
            feature_digest: features::digest().to_owned(),
            model_digest: self.engine.model_digest().map(str::to_owned),
            shadow: self.shadow(assessment),
        }
    }

    fn shadow(&self, assessment: &Assessment) -> Option<Shadow> {
        Some(Shadow {
            shadow_risk_level: assessment.shadow?,
            shadow_model_digest: self.engine.shadow_digest()?.to_owned(),
        })
    }

    /// The question, for people.
    pub(super) fn question(&self) -> Question {
        let session = &self.request.session;
        let assessment = self.assessment.as_ref();
        Question {
            command: self.shown.to_string(),
            user: session.user.to_string(),
            target: session.target.to_string(),
            login: session.login.clone(),
            assessed: assessment.map(|assessment| Assessed {
                level: assessment.level,
                score: assessment.score,
                rule_level: assessment.rule_level,
                model: assessment
                    .prediction
                    .map(|prediction| (prediction.level, prediction.confidence)),
            }),
            reasons: self.reasons(),
            expect: match assessment.map(|assessment| assessment.level) {
                Some(Level::Critical) => Expect::Word(CRITICAL_WORD.to_owned()),
                _ => Expect::Yes,
            },
        }
    }

    fn reasons(&self) -> Vec<String> {
        match &self.assessment {
            Some(assessment) => assessment
                .reasons
                .iter()
                .map(|reason| reason.sentence.clone())
                .chain(
                    self.aliases
                        .iter()
                        .map(|(name, value)| format!("`{name}` stands for `{value}` here.")),
                )
                .collect(),
            None if matches!(self.request.submission, Submission::Access { .. }) => {
                vec![match &self.verdict.tree {
                    Some(tree) => format!("The policy asks once a session about files in {tree}."),
                    None => "The policy wants this to be confirmed.".to_owned(),
                }]
            }
            None => vec!["The bastion cannot know which commands run in it.".to_owned()],
        }
    }

    /// The question as it is put to `answerer`.
    pub(super) fn asked(&self, code: &str, answerer: Name) -> Asked {
        let here = answerer == self.request.session.user;
        Asked {
            question: self.question(),
            code: code.to_owned(),
            answerer,
            here,
        }
    }

    /// What a confirmation at the console is about.
    pub(super) fn about(&self) -> Confirmed {
        Confirmed {
            command: self.shown.to_string(),
            target: self.request.session.target.clone(),
            user: self.request.session.user.clone(),
            login: self.request.session.login.clone(),
        }
    }

    /// What a policy decides about.
    pub(super) fn claim(&self) -> Claim {
        claim(&self.request, self.assessment.as_ref())
    }

    /// What counts as the same command while a yes is remembered.
    pub(super) fn same(&self) -> Same {
        Same {
            session: self.request.session.id,
            cwd: self.request.cwd.clone(),
            what: match &self.verdict.tree {
                Some(tree) => What::Files(tree.clone()),
                None => What::Command(self.mac.clone()),
            },
        }
    }

    /// Why the policy refuses it.
    pub(super) fn denial(&self) -> Refusal {
        denial(&self.verdict, self.assessment.as_ref())
    }

    /// Why another engine would refuse it; `None` where it would not.
    pub(super) fn denied_by(&self, engine: &Engine) -> Option<Refusal> {
        match decide(engine, &self.request, self.assessment.as_ref()) {
            None => Some(Refusal::NoPolicy),
            Some(verdict) if verdict.decision == Decision::Deny => Some(denial(&verdict, self.assessment.as_ref())),
            Some(_) => None,
        }
    }

    /// The snapshot taken while the question was open, compact.
    pub(super) fn fresh_context(&self) -> Option<Value> {
        let seen = self.context_before.as_ref()?;
        Some(seen.snapshot.compact(seen.age_ms(Instant::now())))
    }

    /// What is known of the target after the command, and what that shows.
    pub(super) fn aftermath(
        &self,
        ending: &Ending,
        after: Result<&Snapshot, &Unseen>,
        meanwhile: Meanwhile,
    ) -> Aftermath {
        let programs: Vec<&str> = self.programs.iter().map(String::as_str).collect();
        let before = self
            .context_before
            .as_ref()
            .or(self.seen_at_submission.as_ref().map(|(seen, _)| seen));
        let evidence = Evidence {
            ran: true,
            started_at_ms: self.submitted_at.as_millisecond(),
            exit_code: ending.exit_code,
            signal: ending.exit_signal.as_deref(),
            programs: &programs,
            stderr_length: ending.stderr_length,
            connection_lost: meanwhile.connection_lost,
            unreachable: after.err().is_some_and(|unseen| unseen.unreachable),
            before: before.map(|seen| &seen.snapshot),
            after: after.ok(),
            concurrent: meanwhile.concurrent,
        };
        let (impact, evidence) = classify(&self.engine.config.impact, &evidence);
        Aftermath {
            system_context: after.ok().map(|snapshot| snapshot.compact(0)),
            context_missing: after.err().map(|unseen| unseen.reason.clone()),
            impact,
            evidence: Some(evidence),
        }
    }

    fn state_reason(&self) -> Option<String> {
        match (&self.request.submission, self.verdict.decision, self.start) {
            (Submission::Ran { .. }, _, _) => Some("the shell ran it unasked".to_owned()),
            (_, Decision::Confirm, Start::Running) => Some("confirmed a short while ago".to_owned()),
            (_, Decision::Confirm, Start::Denied) => Some("not confirmed when this session was asked".to_owned()),
            _ => self.verdict.because.clone(),
        }
    }

    fn exactness(&self) -> Exactness {
        match &self.request.submission {
            Submission::Command { exactness, .. } => *exactness,
            Submission::AnyShell { .. }
            | Submission::Text { .. }
            | Submission::Transfer { .. }
            | Submission::Access { .. } => Exactness::Exact,
            Submission::Ran { bytes, .. } if !bytes.is_empty() => Exactness::Exact,
            Submission::Ran { .. } | Submission::Opaque { .. } => Exactness::Unknown,
        }
    }

    fn pattern(&self) -> Pattern {
        match &self.assessment {
            Some(assessment) => assessment.pattern.clone(),
            None => command::pattern(&command::parse(&self.shown, Dialect::Sh)),
        }
    }

    fn context_at_submission(&self) -> Option<Value> {
        self.seen_at_submission
            .as_ref()
            .map(|(seen, age)| seen.snapshot.compact(*age))
    }

    fn context_missing(&self) -> Option<&'static str> {
        match self.request.submission {
            _ if self.seen_at_submission.is_some() => None,
            Submission::Access { .. } => Some(COMMANDS_ONLY),
            _ => Some("no snapshot of this target yet"),
        }
    }
}

fn shown(submission: &Submission, assessment: Option<&Assessment>) -> Arc<str> {
    match (assessment, submission) {
        (Some(assessment), _) => assessment.redacted.clone(),
        (None, Submission::Opaque { description, .. }) => (*description).into(),
        (None, Submission::Access { access, .. }) => access.to_string().into(),
        (None, Submission::Ran { .. }) => "line that is not known".into(),
        (
            None,
            Submission::Command { .. }
            | Submission::AnyShell { .. }
            | Submission::Text { .. }
            | Submission::Transfer { .. },
        ) => "".into(),
    }
}

/// The end of a run as the record takes it.
pub(super) fn outcome(ending: &Ending, aftermath: Aftermath) -> Outcome {
    let end = match (&ending.lost, &ending.exit_signal, ending.exit_code) {
        (Some(why), _, _) => End::Interrupted(why.clone()),
        (None, Some(signal), _) => End::Killed(signal.clone()),
        (None, None, Some(code)) => End::Exited(code.cast_unsigned()),
        (None, None, None) => End::Unreported,
    };
    Outcome {
        end,
        execution_time_ms: Some(whole_millis(ending.duration)),
        stdout_length: ending.stdout_length,
        stderr_length: ending.stderr_length,
        input_length: ending.input_length,
        input_sha256: ending.input_sha256,
        cwd_after: ending.cwd.clone(),
        pipe_status: ending.pipe_status.clone(),
        aftermath,
    }
}

/// A snapshot as the record takes it.
pub(super) fn new_snapshot(target: &Name, snapshot: &Snapshot) -> NewSnapshot {
    NewSnapshot {
        target: target.clone(),
        taken_at: Timestamp::from_millisecond(snapshot.taken_at_ms).unwrap_or_else(|_| Timestamp::now()),
        profile: serde_json::to_value(&snapshot.os_info).ok(),
        snapshot: snapshot.full(),
    }
}

fn decide(engine: &Engine, request: &Request, assessment: Option<&Assessment>) -> Option<policy::Verdict> {
    let mut verdict = engine.decide(&claim(request, assessment))?;
    match request.submission {
        Submission::Opaque { judged: false, .. } if verdict.decision != Decision::Deny => {
            verdict.decision = Decision::Allow;
        }
        Submission::Ran { .. } => verdict.decision = Decision::Allow,
        Submission::Command { .. }
        | Submission::AnyShell { .. }
        | Submission::Text { .. }
        | Submission::Opaque { .. }
        | Submission::Transfer { .. }
        | Submission::Access { .. } => {}
    }
    Some(verdict)
}

fn claim(request: &Request, assessment: Option<&Assessment>) -> Claim {
    Claim {
        user: request.session.user.clone(),
        target: request.session.target.clone(),
        login: request.session.login.clone(),
        channel: request.channel,
        matter: match &request.submission {
            Submission::Access { access, .. } => Matter::Access(access.clone()),
            Submission::Transfer { touches, .. } => {
                Matter::Transfer(assessment.map(|assessment| assessment.level), touches.clone())
            }
            _ => Matter::Command(assessment.map(|assessment| assessment.level)),
        },
    }
}

fn start(decision: Decision) -> Start {
    match decision {
        Decision::Allow | Decision::Warn => Start::Running,
        Decision::Confirm => Start::Held,
        Decision::Deny => Start::Denied,
    }
}

fn denial(verdict: &policy::Verdict, assessment: Option<&Assessment>) -> Refusal {
    let because = assessment
        .and_then(|assessment| assessment.reasons.first())
        .map(|reason| reason.sentence.clone())
        .or_else(|| verdict.because.clone());
    match (&verdict.rule, because) {
        (Some(rule), because) => Refusal::Denied {
            rule: rule.clone(),
            because,
        },
        (None, Some(why)) => Refusal::Never(why),
        (None, None) => Refusal::NoPolicy,
    }
}

/// The host key that the target showed, or has to show: known beforehand where only one is trusted.
fn host_key(session: &Session, target: &Target) -> Option<String> {
    session.host_key.clone().or_else(|| match &target.host_keys {
        HostKeys::Pinned { keys, authorities } => match (keys.as_slice(), authorities.as_slice()) {
            ([only], []) => Some(only.fingerprint(HashAlg::Sha256).to_string()),
            _ => None,
        },
        HostKeys::KnownHosts(_) => None,
    })
}

fn bytes(submission: &Submission) -> &[u8] {
    match submission {
        Submission::Command { bytes, .. }
        | Submission::AnyShell { bytes }
        | Submission::Text { bytes, .. }
        | Submission::Transfer { bytes, .. }
        | Submission::Ran { bytes, .. }
        | Submission::Access { bytes, .. } => bytes,
        Submission::Opaque { .. } => &[],
    }
}

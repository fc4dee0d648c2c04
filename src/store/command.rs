//! What is asked of the record about a command, step by step of its life.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::domain::{
    AnswerChannel, Channel, CommandId, CommandUid, Decision, Exactness, Impact, Level, Name, SessionId, State,
};

/// Where a command's life starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// The user is about to be asked.
    Held,
    /// The policy says no.
    Denied,
    /// It is about to be sent to the target.
    Running,
}

impl From<Start> for State {
    fn from(start: Start) -> Self {
        match start {
            Start::Held => Self::Held,
            Start::Denied => Self::Denied,
            Start::Running => Self::Running,
        }
    }
}

/// The machine that a command is for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HostInfo {
    /// The target's name.
    pub target: Name,
    /// `host:port`.
    pub address: String,
    /// The fingerprint of the host key that it showed; `None` before the first connection.
    pub host_key: Option<String>,
}

/// What the forest said.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Forecast {
    /// The most probable level.
    pub level: Level,
    /// Its probability, 0 to 1.
    pub confidence: f64,
}

/// What scoring said of a command.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Scoring {
    /// The rules' level.
    pub initial_risk_level: Level,
    /// The rules' score, 0 to 1.
    pub initial_risk_score: f64,
    /// The forest's view; `None` without a model.
    pub forecast: Option<Forecast>,
    /// The joined level.
    pub final_risk_level: Level,
    /// The joined score, 0 to 1.
    pub final_risk_score: f64,
    /// The rules that hit, as JSON.
    pub reasons: Value,
    /// The forest's input, in order; finite.
    #[serde(serialize_with = "super::numbers::serialize")]
    pub features: Vec<f32>,
    /// The digest of the list of features.
    pub feature_digest: String,
    /// The digest of the model; `None` without one.
    pub model_digest: Option<String>,
    /// What another model would have said; `None` where none runs in the shadow.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Shadow>,
}

/// What a model said that decides nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Shadow {
    /// The level that it would have led to.
    pub shadow_risk_level: Level,
    /// Its digest.
    pub shadow_model_digest: String,
}

/// A command that has been assessed and decided upon, before anything of it reaches the target.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewCommand {
    /// Its identity across bastions.
    pub uid: CommandUid,
    /// The session that it belongs to; must be on record.
    pub session_id: SessionId,
    /// The command whose input it is: the reader of a script, or what opened the inner shell of a line.
    pub parent_id: Option<CommandId>,
    /// Whether it is sent as a part of a script: nobody sees it run or end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_read: bool,
    /// When it was submitted.
    pub timestamp: Timestamp,
    /// Who submitted it.
    pub user: Name,
    /// Where it is to run.
    pub target: Name,
    /// As whom.
    pub login: String,
    /// Through what it came.
    pub channel: Channel,
    /// The machine.
    pub host_info: HostInfo,
    /// The working directory, as the target reported it: a claim.
    pub cwd: Option<String>,
    /// The redacted text; see [`recordable`](super::recordable) for bytes that are not UTF-8.
    pub command: String,
    /// The aliases in it and what they stand for, redacted.
    #[serde(default)]
    pub aliases: BTreeMap<String, String>,
    /// [`Store::mac`](super::Store::mac) of the exact bytes.
    pub command_mac: String,
    /// How surely this is the line that was run.
    pub exactness: Exactness,
    /// The pattern's hash.
    pub command_hash: String,
    /// The pattern's text.
    pub pattern: String,
    /// The version of the normalisation ([`PATTERN_VERSION`](crate::command::PATTERN_VERSION)).
    pub pattern_version: u32,
    /// What scoring said; `None` where it is not known what runs.
    #[serde(flatten)]
    pub scoring: Option<Scoring>,
    /// What the policy made of it.
    pub decision: Decision,
    /// The policy that decided; `None` where none matched.
    pub policy: Option<String>,
    /// The target before, compact.
    pub system_context: Option<Value>,
    /// Why there is no `system_context`; must be `None` where there is one.
    pub context_missing: Option<String>,
    /// Where its life starts.
    pub start: Start,
    /// Why it starts there, where that is not plain from decision and reasons.
    pub state_reason: Option<String>,
}

/// What became of a held command.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Resolution {
    /// The answer, or why there is none.
    pub verdict: Verdict,
    /// A fresher context from before the run, taken while the question was open. It replaces the recorded one; the
    /// features stay as they were.
    pub system_context: Option<Value>,
}

/// How a question ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The user said yes: it runs.
    Confirmed(Answer),
    /// The user said no.
    Refused(Answer),
    /// There is nobody who could answer; the reason in plain words.
    Unanswerable(String),
    /// Nobody answered in time.
    Expired,
    /// The session ended before an answer.
    Abandoned,
    /// The bastion ended before an answer.
    Interrupted(String),
    /// A new policy denies it; its name or the reason.
    Denied(String),
    /// A new policy lets it run without an answer; its name or the reason.
    Released(String),
}

/// An answer to a question.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Answer {
    /// Who gave it.
    pub by: Name,
    /// Through what.
    pub channel: AnswerChannel,
    /// Milliseconds between question and answer.
    pub time_ms: u64,
}

impl Verdict {
    /// Where the command goes.
    #[must_use]
    pub fn state(&self) -> State {
        match self {
            Self::Confirmed(_) | Self::Released(_) => State::Running,
            Self::Refused(_) | Self::Unanswerable(_) => State::Refused,
            Self::Expired => State::Expired,
            Self::Abandoned => State::Abandoned,
            Self::Denied(_) => State::Denied,
            Self::Interrupted(_) => State::Interrupted,
        }
    }

    /// The answer that was given, and whether it was yes.
    #[must_use]
    pub fn answer(&self) -> Option<(bool, &Answer)> {
        match self {
            Self::Confirmed(answer) => Some((true, answer)),
            Self::Refused(answer) => Some((false, answer)),
            _ => None,
        }
    }

    /// Why, where it is not plain.
    pub(super) fn reason(&self) -> Option<&str> {
        match self {
            Self::Unanswerable(reason) | Self::Interrupted(reason) | Self::Denied(reason) | Self::Released(reason) => {
                Some(reason)
            }
            _ => None,
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// The end itself.
    pub end: End,
    /// Milliseconds from the first byte sent to the end.
    pub execution_time_ms: Option<u64>,
    /// Bytes of standard output, or of the terminal.
    pub stdout_length: Option<u64>,
    /// Bytes of standard error; `None` on a PTY.
    pub stderr_length: Option<u64>,
    /// Bytes written to a file or through a forward; `None` for commands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_length: Option<u64>,
    /// The SHA-256 of those bytes; `None` where they did not go in order, or for forwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_sha256: Option<[u8; 32]>,
    /// The working directory afterwards, as the target reported it.
    pub cwd_after: Option<String>,
    /// The exit codes of the last pipeline's commands, as the shell reported them; empty where it did not.
    #[serde(default)]
    pub pipe_status: Vec<i32>,
    /// The target afterwards; may follow later ([`Store::amend_context_after`](super::Store::amend_context_after)).
    pub aftermath: Aftermath,
}

impl Outcome {
    /// The outcome of a run whose end was not seen, and why.
    #[must_use]
    pub fn unseen(reason: &str) -> Self {
        Self {
            end: End::Interrupted(reason.to_owned()),
            execution_time_ms: None,
            stdout_length: None,
            stderr_length: None,
            input_length: None,
            input_sha256: None,
            cwd_after: None,
            pipe_status: Vec::new(),
            aftermath: Aftermath::default(),
        }
    }
}

/// How a run ended, as far as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It exited with this code.
    Exited(u32),
    /// A signal ended it; its name without `SIG`, as the target reported it.
    Killed(String),
    /// It ended, and the shell could not say how.
    Unreported,
    /// Its end was not seen; why, in plain words.
    Interrupted(String),
}

impl End {
    /// Where the command goes.
    #[must_use]
    pub fn state(&self) -> State {
        match self {
            Self::Interrupted(_) => State::Interrupted,
            Self::Exited(_) | Self::Killed(_) | Self::Unreported => State::Finished,
        }
    }

    /// Whether it succeeded; `None` where that is not known.
    #[must_use]
    pub fn success(&self) -> Option<bool> {
        match self {
            Self::Exited(code) => Some(*code == 0),
            Self::Killed(_) => Some(false),
            Self::Unreported | Self::Interrupted(_) => None,
        }
    }
}

/// The target after a command, and what that shows. The default: nothing is known.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Aftermath {
    /// The target afterwards, compact.
    pub system_context: Option<Value>,
    /// Why there is none; must be `None` where there is one.
    pub context_missing: Option<String>,
    /// What the command did.
    pub impact: Option<Impact>,
    /// What that is concluded from.
    pub evidence: Option<Value>,
}

/// The end of a command that read others on its standard input: theirs was not seen one by one, and is known to be past.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct InputEnd {
    /// What passed without having been understood; `None` where nothing did.
    pub rest: Option<InputRest>,
    /// Why the end was not seen; `None` where it was.
    pub lost: Option<String>,
}

/// The rest of an input that was not understood, and passed as a whole.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InputRest {
    /// The row that stands for it; one of those that were read.
    pub id: CommandId,
    /// Its length, bytes.
    pub length: u64,
    /// Its SHA-256.
    #[serde(serialize_with = "hexadecimal", deserialize_with = "from_hexadecimal")]
    pub sha256: [u8; 32],
}

fn hexadecimal<S: Serializer>(digest: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&super::chain::hex(digest))
}

fn from_hexadecimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
    let text = String::deserialize(deserializer)?;
    super::chain::from_hex(&text).ok_or_else(|| D::Error::custom("not a SHA-256 digest in hexadecimal"))
}

//! What the gate and whoever intercepts a command say to each other.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::command::Interpreted;
use crate::context::Snapshot;
use crate::domain::{Access, Channel, CommandId, Dialect, Exactness, Name, SessionId, Touch};
use crate::terminal::Question;

use super::pending::Answer;
use super::permit::Permit;

/// One SSH connection of a user to one target, as the gate sees it.
#[derive(Debug, Clone)]
pub struct Session {
    /// The session's identity.
    pub id: SessionId,
    /// Who is connected.
    pub user: Name,
    /// To where.
    pub target: Name,
    /// As whom.
    pub login: String,
    /// SHA-256 fingerprint of the host key that the target showed; `None` before it was reached.
    pub host_key: Option<String>,
}

/// Something that wants to reach the target.
#[derive(Debug, Clone)]
pub struct Request {
    /// In which session.
    pub session: Session,
    /// Through which channel.
    pub channel: Channel,
    /// What it is.
    pub submission: Submission,
    /// The working directory on the target, where it is known.
    pub cwd: Option<String>,
    /// The command whose input it is: a script's reader, or what opened the inner shell of a line. `None` where there is none,
    /// or none on record.
    pub parent: Option<CommandId>,
}

/// What wants to reach the target.
#[derive(Debug, Clone)]
pub enum Submission {
    /// A command, known.
    Command {
        /// Its exact bytes.
        bytes: Vec<u8>,
        /// The language that it is written in.
        dialect: Dialect,
        /// How surely these are the bytes that will run.
        exactness: Exactness,
        /// The aliases in it and what they stand for, as the shell says.
        aliases: Vec<(String, String)>,
    },
    /// A command, known, for a shell that is not: judged as the shell would read it to which it is the gravest.
    AnyShell {
        /// Its exact bytes.
        bytes: Vec<u8>,
    },
    /// A text that another interpreter reads on its standard input, judged as the call that takes it as an argument.
    Text {
        /// Its exact bytes.
        bytes: Vec<u8>,
        /// What reads it.
        interpreted: Interpreted,
    },
    /// A line that a shell ran without asking: it is put on record, and nothing else can be done about it.
    Ran {
        /// Its text; empty where it is not known.
        bytes: Vec<u8>,
        /// The language that it is written in.
        dialect: Dialect,
    },
    /// Something whose commands cannot be known, described for people: `interactive shell`.
    Opaque {
        /// What it is.
        description: &'static str,
        /// Whether the policy's `unknown` applies; where it does not, it is recorded only.
        judged: bool,
    },
    /// A command that moves files and does no more, exactly known: judged as a command and by the files that it touches.
    Transfer {
        /// Its exact bytes.
        bytes: Vec<u8>,
        /// What it does to which files.
        touches: Vec<Touch>,
    },
    /// What needs no command; see [`Gate::pass_access`](super::Gate::pass_access).
    Access {
        /// What it is.
        access: Access,
        /// The exact bytes that ask the target for it; empty where that is not one message.
        bytes: Vec<u8>,
    },
}

/// Why a command did not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The policy said no.
    #[error("denied by policy `{rule}`{}", because.as_deref().map(|why| format!(": {why}")).unwrap_or_default())]
    Denied {
        /// The policy's name.
        rule: String,
        /// The gravest reason, where scoring gave one.
        because: Option<String>,
    },
    /// No policy applies.
    #[error("denied: no policy allows this")]
    NoPolicy,
    /// No policy could allow it.
    #[error("denied: {0}")]
    Never(String),
    /// The user said no.
    #[error("cancelled")]
    Refused,
    /// Nobody answered in time.
    #[error("nobody answered within {} s: not run", .0.as_secs())]
    Expired(Duration),
    /// The session ended before an answer.
    #[error("the session ended before an answer: not run")]
    Abandoned,
    /// Nobody may answer for this robot.
    #[error("a robot cannot confirm, and no owner is configured who could")]
    NoOwner,
    /// Too many questions are open.
    #[error("{0}")]
    TooManyPending(String),
    /// The command could not be recorded.
    #[error("cannot record the command, so it is not run; ask the bastion's admin to look at its log")]
    Unrecorded,
}

/// How a command ended, as far as it was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ending {
    /// The exit code, where there was one.
    pub exit_code: Option<i32>,
    /// The signal that ended it, by its SSH name (`TERM`).
    pub exit_signal: Option<String>,
    /// Exit codes of the pipeline's stages, where the shell reports them.
    pub pipe_status: Vec<i32>,
    /// From the first byte sent to the end seen.
    pub duration: Duration,
    /// Bytes of standard output; on a PTY, of the one stream that there is.
    pub stdout_length: Option<u64>,
    /// Bytes of standard error; `None` on a PTY.
    pub stderr_length: Option<u64>,
    /// Bytes that went to the target, where they are counted: what was written to a file, or through a forward.
    pub input_length: Option<u64>,
    /// The SHA-256 of those bytes, where they went in order.
    pub input_sha256: Option<[u8; 32]>,
    /// The working directory afterwards.
    pub cwd: Option<String>,
    /// Why the end was not seen; `None` where it was.
    pub lost: Option<String>,
}

impl Ending {
    /// An end that was not seen.
    pub fn lost(why: impl Into<String>, duration: Duration) -> Self {
        Self {
            lost: Some(why.into()),
            duration,
            ..Self::default()
        }
    }
}

/// A question as it is put: what to show, and who may answer where.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What to show.
    pub question: Question,
    /// The code that answers it from the console.
    pub code: String,
    /// Who answers.
    pub answerer: Name,
    /// Whether that is the session's own user, so that the session's own input may answer.
    pub here: bool,
}

/// Whoever holds a command between a user and a target: it can speak with the user and run what has a permit.
///
/// The futures may be dropped at any await: the gate does so when the answer comes from elsewhere or never.
pub trait Intercept: Send {
    /// Tells the user what was seen, and goes on.
    fn warn(&mut self, question: &Question) -> impl Future<Output = ()> + Send;

    /// Puts a question in the session; `None` means that the session is gone.
    fn ask(&mut self, asked: &Asked) -> impl Future<Output = Option<Answer>> + Send;

    /// Sends what the permit owns, and waits for the end.
    fn run(&mut self, permit: Permit) -> impl Future<Output = Ending> + Send;
}

/// A future that a trait object can return.
pub type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Takes snapshots of the session's target.
pub trait Observe: Send + Sync {
    /// A fresh snapshot, or why there is none.
    fn snapshot(&self) -> Boxed<Result<Snapshot, Unseen>>;

    /// Whether every connection to the target has ended.
    fn is_cut_off(&self) -> bool;
}

/// Why there is no snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unseen {
    /// In plain words.
    pub reason: String,
    /// Whether the target did not answer at all.
    pub unreachable: bool,
}

impl From<&str> for Unseen {
    fn from(reason: &str) -> Self {
        Self {
            reason: reason.to_owned(),
            unreachable: false,
        }
    }
}

/// A shared observer.
pub type Observer = Arc<dyn Observe>;

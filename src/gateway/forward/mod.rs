//! What passes through a session beside its programs: connections to and from the target's side, the user's agent, and X11.
//!
//! No handler of a connection waits for any of it: each is decided, opened and moved in a task of its own. Only the answer to
//! `ssh -R` has to be waited for, because the SSH library takes it from the handler and nowhere else; that wait is bounded.

mod address;
mod agent;
mod agent_protocol;
mod banner;
mod direct;
mod invited;
mod lent;
mod listener;
mod pump;
mod sign;
mod visit;
mod x11;

use std::sync::Arc;
use std::time::{Duration, Instant};

use russh::{Channel, ChannelId, ChannelMsg, ChannelOpenFailure};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::domain::{self, Access, CommandId, printable_line};
use crate::gate::{Answer, Asked, Ending, Intercept, Permit, Refusal, Request, Submission};
use crate::terminal::Question;

use super::session::TargetSession;
use pump::Passed;

pub(super) use address::{Address, AddressError};
pub(super) use agent::lend as lend_agent;
pub(super) use direct::connect;
pub(super) use invited::{Invited, Purpose, Visitor};
pub(super) use lent::Lent;
pub(super) use listener::{forget, listen};
pub(super) use x11::{X11Request, show as show_x11};

/// How long either side may take to open a channel.
const OPEN_TIMEOUT: Duration = Duration::from_mins(1);
/// Channels that a target may have open to the user at once.
pub(super) const MAX_VISITORS: usize = 64;

/// Why a channel is not opened, as SSH clients show it: `administratively prohibited: REASON`.
pub(super) fn prohibited(reason: &str) -> ChannelOpenFailure {
    const CODE: u32 = 1;
    const LONGEST: usize = 200;
    ChannelOpenFailure::Other {
        code: CODE,
        reason: printable_line(reason).chars().take(LONGEST).collect(),
    }
}

/// Something that runs no command and wants to happen.
struct Wish {
    /// What the policy must list.
    channel: domain::Channel,
    /// What it is.
    access: Access,
    /// The row that it belongs to.
    parent: Option<CommandId>,
}

/// A wish on its way through the gate: let through or denied, never asked about. `run` is what happens to the subject then.
struct Passage<S, R> {
    held: Option<(S, R)>,
}

impl<S, R, F> Intercept for Passage<S, R>
where
    S: Send,
    R: FnOnce(S, Option<CommandId>) -> F + Send,
    F: Future<Output = Ending> + Send,
{
    async fn warn(&mut self, _question: &Question) {}

    async fn ask(&mut self, _asked: &Asked) -> Option<Answer> {
        None
    }

    async fn run(&mut self, permit: Permit) -> Ending {
        let recorded = permit.recorded();
        // It stands for the right to do this, and owns no bytes.
        permit.redeem();
        match self.held.take() {
            Some((subject, run)) => run(subject, recorded).await,
            None => Ending::lost("it has run already", Duration::ZERO),
        }
    }
}

/// Lets `run` happen to the subject if the policy allows it; it is told the number of its row.
///
/// # Errors
/// The subject, and why not in words for the user. It is on record and logged.
async fn pass<S, R, F>(session: &Arc<TargetSession>, wish: Wish, subject: S, run: R) -> Result<(), (S, String)>
where
    S: Send,
    R: FnOnce(S, Option<CommandId>) -> F + Send,
    F: Future<Output = Ending> + Send,
{
    let mut passage = Passage {
        held: Some((subject, run)),
    };
    let submitted = submit(session, wish, &mut passage).await;
    match (submitted, passage.held) {
        (Err(refusal), Some((subject, _run))) => Err((subject, refusal.to_string())),
        _ => Ok(()),
    }
}

/// Submits a wish to the gate. A refusal is on record, as far as there is one, and logged.
async fn submit<I: Intercept>(session: &Arc<TargetSession>, wish: Wish, intercept: &mut I) -> Result<Ending, Refusal> {
    let (channel, what) = (wish.channel, wish.access.to_string());
    let request = Request {
        session: session.seen_by_gate(),
        channel,
        submission: Submission::Access {
            access: wish.access,
            bytes: Vec::new(),
        },
        cwd: None,
        parent: wish.parent,
    };
    let submitted = async {
        session.begin().await.map_err(|error| {
            tracing::error!(%error, "cannot record a session");
            Refusal::Unrecorded
        })?;
        session
            .gate()
            .pass_access(request, &session.observer(), intercept)
            .await
    };
    submitted.await.inspect_err(|refusal| {
        let what = &*printable_line(&what);
        tracing::info!(user = %session.user, host = %session.target, %channel, what, %refusal, "refused");
    })
}

/// The end of something that has no exit code: it ended, or `why` it did not as it should have.
fn ended(began: Instant, why: Option<String>) -> Ending {
    Ending {
        duration: began.elapsed(),
        lost: why,
        ..Ending::default()
    }
}

/// The end of a connection that was forwarded.
fn ended_after(passed: Passed, began: Instant) -> Ending {
    let why = match passed {
        Passed { is_ssh: true, .. } => Some("closed: one side spoke SSH, which belongs through the bastion"),
        Passed { is_lost: true, .. } => Some("the connection ended before this did"),
        Passed { .. } => None,
    };
    Ending {
        input_length: Some(passed.up),
        stdout_length: Some(passed.down),
        ..ended(began, why.map(str::to_owned))
    }
}

/// Why a channel did not open.
#[derive(Debug, thiserror::Error)]
enum OpenError {
    /// The other side said no.
    #[error("not opened: {0}")]
    Refused(#[from] russh::Error),
    /// It said nothing.
    #[error("not opened within {} s", OPEN_TIMEOUT.as_secs())]
    TimedOut,
    /// The session ended.
    #[error("the session ended before it was opened")]
    Ended,
}

/// Waits for a channel to open, but not for ever. One that opens too late is closed again.
async fn in_time<M, O>(session: &TargetSession, opening: O) -> Result<Channel<M>, OpenError>
where
    M: From<(ChannelId, ChannelMsg)> + Send + Sync + 'static,
    O: Future<Output = Result<Channel<M>, russh::Error>> + Send + 'static,
{
    let (opened, waiting) = oneshot::channel();
    tokio::spawn(async move {
        if let Err(Ok(late)) = opened.send(opening.await)
            && late.close().await.is_err()
        {
            tracing::debug!("a connection ended before a channel of it was closed");
        }
    });
    tokio::select! {
        answer = timeout(OPEN_TIMEOUT, waiting) => match answer {
            Ok(Ok(opened)) => Ok(opened?),
            Ok(Err(_)) => Err(OpenError::Ended),
            Err(_) => Err(OpenError::TimedOut),
        },
        () = session.ended.cancelled() => Err(OpenError::Ended),
    }
}

/// Puts on record that variables beyond the usual ones are set; `false` where the policy denies it. Their values are not
/// recorded: they may be secrets.
pub(super) async fn set_variables(session: &Arc<TargetSession>, names: String) -> bool {
    let wish = Wish {
        channel: domain::Channel::Env,
        access: Access::Channel {
            verb: "set",
            name: names,
        },
        parent: None,
    };
    let run = |(), _row| async { Ending::default() };
    pass(session, wish, (), run).await.is_ok()
}

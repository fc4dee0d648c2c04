//! The bastion's own small read-only commands on targets: the login shell, and snapshots.
//!
//! On an account with a forced command any exec runs that command. So the first exec carries a marker, the verdict is
//! remembered, and where the marker did not come back no exec of the bastion's own is sent again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use russh::ChannelMsg;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout_at;

use crate::context::{self, ProbeError, Snapshot};
use crate::domain::Name;
use crate::terminal::{LoginShell, probe};

use super::environment::Environment;
use super::target::Connection;
use super::target_channel::{StartError, TargetChannel, TargetEar, TargetVoice};

/// How long one of the bastion's own commands may take.
const TIME_LIMIT: Duration = Duration::from_secs(2);
/// The shortest time between two snapshots of one target.
const INTERVAL: Duration = Duration::from_secs(5);
/// Snapshots asked for and not yet taken, per account; each holds its connection open.
const MAX_WAITING: usize = 64;

/// Why one of the bastion's own commands gave nothing. The texts are stored beside what is then not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum OwnExecError {
    /// The account does not run what it is given.
    #[error("the account has a forced command or no POSIX shell, so the bastion runs nothing there")]
    Forced,
    /// It took too long.
    #[error("no answer within {} s", TIME_LIMIT.as_secs())]
    TimedOut,
    /// The target refused or the connection failed.
    #[error("{0}")]
    Failed(String),
    /// Too many are waiting.
    #[error("too many snapshots are being waited for")]
    Busy,
}

impl From<StartError> for OwnExecError {
    fn from(error: StartError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// An account on a target.
type Account = (Name, String);

/// What is known of each account, and who takes its snapshots.
#[derive(Default)]
pub(super) struct OwnExecs {
    // A std mutex: held for map operations, never across an await.
    accounts: Mutex<HashMap<Account, Known>>,
}

#[derive(Default)]
struct Known {
    /// Whether the marker came back; `None` before the first try.
    runs_what_it_is_given: Option<bool>,
    login_shell: Option<LoginShell>,
    snapshots: Option<mpsc::Sender<Wanted>>,
}

/// A wish for a snapshot that is taken after this moment.
struct Wanted {
    connection: Arc<Connection>,
    reply: oneshot::Sender<Result<Snapshot, OwnExecError>>,
}

impl OwnExecs {
    /// Forgets all verdicts, so that accounts are tried anew: an admin's way back after a mistake.
    pub(super) fn forget(&self) {
        for known in self.lock().values_mut() {
            known.runs_what_it_is_given = None;
            known.login_shell = None;
        }
    }

    /// The login shell of an account.
    pub(super) async fn login_shell(&self, account: &Account, on: &Connection) -> Result<LoginShell, OwnExecError> {
        self.check(account)?;
        if let Some(known) = self.lock().get(account).and_then(|known| known.login_shell) {
            return Ok(known);
        }
        let marker = new_marker();
        let output = run(on, probe::command(&marker).into_bytes()).await;
        let shell = output.map(|output| probe::parse(&output, &marker));
        self.judge(account, matches!(shell, Ok(Some(_))), &shell);
        let shell = shell?.ok_or(OwnExecError::Forced)?;
        self.lock().entry(account.clone()).or_default().login_shell = Some(shell);
        Ok(shell)
    }

    /// A snapshot taken from now on. One at a time, at most every five seconds: who asks meanwhile shares the next one.
    pub(super) async fn snapshot(
        self: &Arc<Self>,
        account: &Account,
        connection: Arc<Connection>,
    ) -> Result<Snapshot, OwnExecError> {
        self.check(account)?;
        let (reply, taken) = oneshot::channel();
        let asked = self.taker(account).try_send(Wanted { connection, reply });
        asked.map_err(|_| OwnExecError::Busy)?;
        taken.await.map_err(|_| OwnExecError::Busy)?
    }

    fn check(&self, account: &Account) -> Result<(), OwnExecError> {
        match self.lock().get(account).and_then(|known| known.runs_what_it_is_given) {
            Some(false) => Err(OwnExecError::Forced),
            Some(true) | None => Ok(()),
        }
    }

    /// Remembers whether the marker came back. A failed connection says nothing about the account.
    fn judge<T>(&self, account: &Account, marker_came_back: bool, outcome: &Result<T, OwnExecError>) {
        if matches!(outcome, Err(OwnExecError::Failed(_) | OwnExecError::Busy)) {
            return;
        }
        let mut accounts = self.lock();
        let known = accounts.entry(account.clone()).or_default();
        known.runs_what_it_is_given.get_or_insert(marker_came_back);
    }

    fn taker(self: &Arc<Self>, account: &Account) -> mpsc::Sender<Wanted> {
        let mut accounts = self.lock();
        let known = accounts.entry(account.clone()).or_default();
        // One that panicked takes no more: another begins.
        let serving = known.snapshots.take().filter(|taker| !taker.is_closed());
        let taker = serving.unwrap_or_else(|| {
            let (taker, wanted) = mpsc::channel(MAX_WAITING);
            tokio::spawn(take_snapshots(self.clone(), account.clone(), wanted));
            taker
        });
        known.snapshots = Some(taker.clone());
        taker
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Account, Known>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes snapshots of one account for as long as the daemon runs: accounts are as many as are configured.
async fn take_snapshots(own_execs: Arc<OwnExecs>, account: Account, mut wanted: mpsc::Receiver<Wanted>) {
    while let Some(first) = wanted.recv().await {
        let began = Instant::now();
        let mut waiting = vec![first];
        while let Ok(another) = wanted.try_recv() {
            waiting.push(another);
        }
        let outcome = take_snapshot(&own_execs, &account, &waiting).await;
        for Wanted { reply, .. } in waiting {
            // Who no longer waits for the answer does not need it.
            drop(reply.send(outcome.clone()));
        }
        tokio::time::sleep(INTERVAL.saturating_sub(began.elapsed())).await;
    }
}

async fn take_snapshot(own_execs: &OwnExecs, account: &Account, waiting: &[Wanted]) -> Result<Snapshot, OwnExecError> {
    own_execs.check(account)?;
    let alive = waiting.iter().find(|wanted| !wanted.connection.is_closed());
    let on = alive.ok_or_else(|| OwnExecError::Failed("the connection to the target has ended".to_owned()))?;
    let marker = new_marker();
    let outcome = match run(&on.connection, context::command(&marker)).await {
        Ok(output) => context::parse(&output, &marker, Timestamp::now().as_millisecond())
            .map_err(|ProbeError::NoMarker| OwnExecError::Forced),
        Err(error) => Err(error),
    };
    own_execs.judge(account, outcome.is_ok(), &outcome);
    outcome
}

/// Runs a command without a PTY and collects its standard output, within limits.
async fn run(connection: &Connection, command: Vec<u8>) -> Result<Vec<u8>, OwnExecError> {
    let deadline = Instant::now() + TIME_LIMIT;
    let alone = Environment::default();
    let opening = TargetChannel::open(connection, 1, None, &alone);
    let channel = timeout_at(deadline.into(), opening)
        .await
        .map_err(|_| OwnExecError::TimedOut)??;
    let (mut ear, voice) = channel.split();
    let output = timeout_at(deadline.into(), collect(&mut ear, &voice, command)).await;
    // Closed in any case: an open channel counts against the target's limit.
    voice.close().await.map_err(StartError::from)?;
    output.map_err(|_| OwnExecError::TimedOut)?
}

async fn collect(ear: &mut TargetEar, voice: &TargetVoice, command: Vec<u8>) -> Result<Vec<u8>, OwnExecError> {
    voice.exec(ear, command).await?;
    voice.end_of_input().await.map_err(StartError::from)?;
    let mut output = Vec::new();
    while let Some(message) = ear.hear().await {
        if let ChannelMsg::Data { data } = message {
            let room = context::MAX_OUTPUT.saturating_sub(output.len());
            output.extend_from_slice(&data[..data.len().min(room)]);
        }
    }
    Ok(output)
}

/// A word that nobody can have prepared an answer for.
fn new_marker() -> String {
    format!("opspilot-{:032x}", rand::random::<u128>())
}

//! One SSH connection of a user to one target: what its channels share.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use russh::server::Handle;
use serde::Serialize;
use serde_json::json;
use tokio::runtime;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::config::{LoginWith, ProbeMode, Target};
use crate::context::Snapshot;
use crate::domain::{Channel, Name, SessionId, sheltered};
use crate::gate::{self, Boxed, Gate, Observe, Observer, Unseen};
use crate::store::{NewSession, SessionEnd, Store, StoreError};
use crate::terminal::LoginShell;

use super::Shared;
use super::drain::{Work, Works};
use super::fault::{Fault, INTERNAL};
use super::forward::{Invited, MAX_VISITORS};
use super::login::Means;
use super::own_exec::OwnExecError;
use super::pool::{Offer, Place, Pool};
use super::target::{Caller, ConnectError, Connection};

/// Where a connection comes from.
#[derive(Clone)]
pub(super) struct Origin {
    /// The client's address.
    pub peer: SocketAddr,
    /// What the client calls itself, made printable.
    pub client_version: String,
    /// What proved who they are, in words.
    pub proved_by: Vec<String>,
    /// How they name the target.
    pub way: Way,
    /// The connection itself, to open channels on.
    pub handle: Handle,
    /// Noted where a part of the connection panics.
    pub fault: Fault,
    /// What runs in its channels.
    pub works: Works,
}

/// How a user names the target that they come to.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Way {
    /// In the user name of the connection.
    Name,
    /// As the destination of a `ProxyJump`.
    ProxyJump,
    /// In the menu of the console.
    Console,
}

/// One SSH connection of a user to one target.
pub(super) struct TargetSession {
    pub(super) shared: Arc<Shared>,
    pub(super) id: SessionId,
    pub(super) user: Name,
    pub(super) target: Name,
    pub(super) login: String,
    origin: Origin,
    /// Cancelled when the session must end: the user left, was removed, or the daemon stops.
    pub(super) ended: CancellationToken,
    recorded: OnceCell<()>,
    /// Channels that were recorded, or should have been.
    recordings: AtomicU32,
    /// The first connection for programs; it is in the pool, as others are.
    connection: OnceCell<Arc<Connection>>,
    pool: Pool<Connection>,
    /// The connection of forwards, on which no program runs: one whose output nobody takes would stop them.
    forwards: OnceCell<Arc<Connection>>,
    /// The user's connection, once they have offered their agent on it.
    agent: OnceLock<Handle>,
    /// What the target may open channels for.
    pub(super) invited: Invited,
    /// Places for the channels that it opens.
    pub(super) visitors: Arc<Semaphore>,
}

impl TargetSession {
    /// A session that has not reached its target yet.
    pub(super) fn new(
        shared: Arc<Shared>,
        user: Name,
        target: Name,
        login: String,
        origin: Origin,
        ended: CancellationToken,
    ) -> Self {
        Self {
            shared,
            id: SessionId::new(),
            user,
            target,
            login,
            origin,
            ended,
            recorded: OnceCell::new(),
            recordings: AtomicU32::new(0),
            connection: OnceCell::new(),
            pool: Pool::default(),
            forwards: OnceCell::new(),
            agent: OnceLock::new(),
            invited: Invited::default(),
            visitors: Arc::new(Semaphore::new(MAX_VISITORS)),
        }
    }

    /// Where the user connects from.
    pub(super) fn peer(&self) -> SocketAddr {
        self.origin.peer
    }

    /// The user's connection, to open channels on.
    pub(super) fn user_handle(&self) -> &Handle {
        &self.origin.handle
    }

    /// Something runs in a channel that the target has opened.
    pub(super) fn work(&self) -> Work {
        Work::among([&self.origin.works, &self.shared.works], self.ended.clone())
    }

    /// Takes the user's agent, where the target is logged in to with it. Says whether it is.
    pub(super) fn offer_agent(&self) -> bool {
        let wanted = self.with_target(|target| target.login_with == LoginWith::Agent) == Some(true);
        if wanted {
            self.agent.get_or_init(|| self.user_handle().clone());
        }
        wanted
    }

    /// Whether the policy lists a channel here, for anything at all.
    pub(super) fn permits(&self, channel: Channel) -> bool {
        self.gate()
            .engine()
            .permits(&self.user, &self.target, &self.login, channel)
    }

    /// The number of the next channel that is recorded, from 1.
    pub(super) fn next_recording(&self) -> u32 {
        self.recordings.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// Puts the session on record before anything happens in it; its end follows when it ends.
    pub(super) async fn begin(self: &Arc<Self>) -> Result<(), StoreError> {
        let begin = || async {
            let store = self.gate().store();
            store.begin_session(self.new_session()).await?;
            let ending = record_end(
                self.gate().clone(),
                self.id,
                self.ended.clone(),
                self.origin.fault.clone(),
            );
            self.shared.tasks.spawn(ending);
            Ok(())
        };
        self.recorded.get_or_try_init(begin).await.copied()
    }

    fn new_session(&self) -> NewSession {
        let engine = self.gate().engine();
        NewSession {
            id: self.id,
            user: self.user.clone(),
            roles: engine
                .user(&self.user)
                .map(|user| user.roles.clone())
                .unwrap_or_default(),
            target: Some(self.target.clone()),
            login: Some(self.login.clone()),
            client_address: self.origin.peer.to_string(),
            client_version: self.origin.client_version.clone(),
            channel_info: Some(json!({ "way": self.origin.way, "authentication": self.origin.proved_by })),
            started_at: Timestamp::now(),
        }
    }

    /// The gate that everything of this session passes.
    pub(super) fn gate(&self) -> &Arc<Gate> {
        &self.shared.gate
    }

    /// The session as the gate sees it.
    pub(super) fn seen_by_gate(&self) -> gate::Session {
        gate::Session {
            id: self.id,
            user: self.user.clone(),
            target: self.target.clone(),
            login: self.login.clone(),
            host_key: self.made().next().map(|connection| connection.host_key().to_owned()),
        }
    }

    /// The connections that were made for programs, and for forwards.
    fn made(&self) -> impl Iterator<Item = &Arc<Connection>> {
        self.connection.get().into_iter().chain(self.forwards.get())
    }

    /// A connection to the target; the first is made at the first call. Where all have ended, the session does.
    pub(super) async fn connection(&self) -> Result<Arc<Connection>, ConnectError> {
        self.connection_if_any().await?.ok_or_else(|| self.end())
    }

    /// As [`Self::connection`]; `None` where all have ended.
    async fn connection_if_any(&self) -> Result<Option<Arc<Connection>>, ConnectError> {
        let connect = || async {
            let connection = Box::pin(self.connect()).await?;
            drop(self.pool.add(connection.clone()));
            Ok(connection)
        };
        let first = self.connection.get_or_try_init(connect).await?;
        if is_usable(first) {
            return Ok(Some(first.clone()));
        }
        Ok(self.remaining())
    }

    /// A connection to see how the target is. Where all have ended, one is made anew: that shows whether it is still there. The
    /// session stays: its user is about to be told.
    async fn connection_to_look_at(&self) -> Result<Arc<Connection>, ConnectError> {
        match self.connection_if_any().await? {
            Some(connection) => Ok(connection),
            None => Box::pin(self.connect()).await,
        }
    }

    /// The connection to the target that forwards use; made at the first call.
    pub(super) async fn forwards_connection(&self) -> Result<Arc<Connection>, ConnectError> {
        match self.forwards.get_or_try_init(|| Box::pin(self.connect())).await {
            Ok(connection) if is_usable(connection) => Ok(connection.clone()),
            Ok(_ended) => self.remaining().ok_or_else(|| self.end()),
            Err(error) => {
                // A target may limit the connections that it takes.
                tracing::info!(host = %self.target, %error, "no connection for forwards: they share one");
                self.remaining().ok_or(error)
            }
        }
    }

    /// A connection that has not ended.
    fn remaining(&self) -> Option<Arc<Connection>> {
        let pooled = self.pool.share(is_usable).map(|place| place.connection.clone());
        pooled.or_else(|| self.made().find(|connection| is_usable(connection)).cloned())
    }

    /// Ends the session, all of whose connections have: a client that shares it among many programs connects anew then.
    fn end(&self) -> ConnectError {
        self.ended.cancel();
        ConnectError::Ended(self.target.to_string())
    }

    /// A place for a channel, where nothing else runs if that can be had.
    pub(super) async fn place(&self) -> Result<Place<Connection>, ConnectError> {
        self.connection().await?;
        let opening = match self.pool.offer(is_usable) {
            Offer::Place(place) => return Ok(place),
            Offer::Open(opening) => opening,
        };
        match self.connect().await {
            Ok(connection) => Ok(opening.made(connection)),
            Err(error) => {
                // A target may limit the connections that it takes.
                tracing::info!(host = %self.target, %error, "no further connection: channels share one");
                self.pool.share(is_usable).ok_or(error)
            }
        }
    }

    async fn connect(&self) -> Result<Arc<Connection>, ConnectError> {
        let engine = self.gate().engine();
        let target = engine
            .target(&self.target)
            .ok_or_else(|| ConnectError::Removed(self.target.to_string()))?;
        let caller = Caller {
            settings: &engine.config.server,
            own_keys: self.shared.keys.public_host_keys(),
            login: &self.login,
            means: Means {
                user_ca: &self.shared.keys.user_ca,
                key_id: format!("{}@{}", self.user, self.id),
                agent: self.agent.get(),
            },
            invited: self.invited.clone(),
        };
        Ok(Arc::new(Connection::open(target, caller).await?))
    }

    /// Does something of the session in a task of its own. Where that panics, the session ends, and no other.
    pub(super) fn spawn(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        let session = self.clone();
        self.shared.tasks.spawn(async move {
            if sheltered(task).await.is_err() {
                session.fault().note();
                // The channels that are open tell their users first.
                sleep(LAST_WORDS).await;
                session.ended.cancel();
            }
        });
    }

    /// Whether a part of the connection has panicked.
    pub(super) fn fault(&self) -> &Fault {
        &self.origin.fault
    }

    /// The target as it is configured now.
    pub(super) fn with_target<T>(&self, read: impl FnOnce(&Target) -> T) -> Option<T> {
        self.gate().engine().target(&self.target).map(read)
    }

    /// The login shell of the account, if the bastion may ask and learnt it.
    pub(super) async fn login_shell(&self, on: &Connection) -> Option<LoginShell> {
        if self.with_target(|target| target.probe) != Some(ProbeMode::Auto) {
            return None;
        }
        let account = (self.target.clone(), self.login.clone());
        let learnt = self.shared.own_execs.login_shell(&account, on).await;
        learnt
            .inspect_err(|error| tracing::info!(host = %self.target, %error, "login shell not known"))
            .ok()
    }

    /// Returns when the session has ended, and everything in it had the time for its last words.
    pub(super) async fn over(&self) {
        self.ended.cancelled().await;
        sleep(LAST_WORDS).await;
    }

    /// Who takes snapshots of the target for the gate.
    pub(super) fn observer(self: &Arc<Self>) -> Observer {
        Arc::new(TargetObserver(self.clone()))
    }
}

fn is_usable(connection: &Connection) -> bool {
    !connection.is_closed()
}

/// What panicked may have left rows open, which nobody else will end.
impl Drop for TargetSession {
    fn drop(&mut self) {
        if self.origin.fault.is_noted() && runtime::Handle::try_current().is_ok() {
            let ending = end_left_open(self.shared.gate.store().clone(), self.id);
            self.shared.tasks.spawn(ending);
        }
    }
}

async fn end_left_open(store: Store, id: SessionId) {
    if let Err(error) = store.end_left_open(id, INTERNAL).await {
        tracing::error!(%id, %error, "cannot record the end of what a panic left open");
    }
}

async fn record_end(gate: Arc<Gate>, id: SessionId, ended: CancellationToken, fault: Fault) {
    ended.cancelled().await;
    let reason = if fault.is_noted() {
        INTERNAL
    } else {
        gate.stopped().unwrap_or("the connection ended")
    };
    let end = SessionEnd {
        at: Some(Timestamp::now()),
        reason: reason.to_owned(),
    };
    if let Err(error) = gate.store().end_session(id, end).await {
        tracing::error!(%id, %error, "cannot record the end of a session");
    }
}

struct TargetObserver(Arc<TargetSession>);

impl Observe for TargetObserver {
    fn snapshot(&self) -> Boxed<Result<Snapshot, Unseen>> {
        let session = self.0.clone();
        Box::pin(async move {
            if session.with_target(|target| target.probe) != Some(ProbeMode::Auto) {
                return Err("probes are off for this target".into());
            }
            let account = (session.target.clone(), session.login.clone());
            let was_there = session.made().next().is_some();
            let connection = session.connection_to_look_at().await;
            let connection = connection.map_err(|error| unseen(&error, was_there))?;
            let taken = session.shared.own_execs.snapshot(&account, connection).await;
            taken.map_err(|error: OwnExecError| error.to_string().as_str().into())
        })
    }

    fn is_cut_off(&self) -> bool {
        self.0.made().next().is_some() && self.0.remaining().is_none()
    }
}

/// Why a target was not looked at. One that was never reached is not gone.
fn unseen(error: &ConnectError, was_there: bool) -> Unseen {
    let silent = matches!(error, ConnectError::Unreachable { .. } | ConnectError::TimedOut { .. });
    Unseen {
        reason: error.to_string(),
        unreachable: was_there && silent,
    }
}

/// How long a target may take to say how a command ended after its user has left.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(2);

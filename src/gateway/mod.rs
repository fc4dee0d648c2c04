//! SSH in and out: who connects, where they may go, and the channels between them and their targets.

mod address;
mod ask;
mod auth;
mod authority;
mod channel;
mod client;
mod console;
mod counters;
mod door;
mod drain;
mod environment;
mod exec;
mod fault;
mod forward;
#[cfg(fuzzing)]
mod fuzzing;
mod gated;
mod heard;
mod held;
mod host_check;
mod idle;
mod inherited;
mod intake;
mod jump;
mod jump_stream;
mod live;
mod login;
mod own_exec;
mod own_keys;
mod pool;
mod ration;
mod read_ahead;
mod refusals;
mod script;
mod session;
mod sftp;
mod shell;
mod ssh;
mod submitted;
mod tape;
mod target;
mod target_channel;
mod target_writer;
mod user;

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use russh::Disconnect;
use russh::server as ssh_server;
use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Config, Server};
use crate::domain::{Seldom, sheltered};
use crate::gate::{Engine, Gate};

pub use drain::Stop;
pub use inherited::{Inherited, InheritedError};
pub(crate) use login::read_password;
pub use own_keys::is_strong as host_key_is_strong;

use auth::{Guard, Source};
use client::{Arrival, Client, Life};
use counters::Counters;
use door::{Door, Limits, Stranger};
use drain::{Drain, Works};
use live::LiveSessions;
use own_exec::OwnExecs;
use own_keys::OwnKeys;
use ration::Rationed;
use read_ahead::ReadAhead;
use refusals::Refusals;

/// Pause after a failed accept: the process may be out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Between the kernel's probes of a silent peer, and how many go unanswered until it counts as gone.
const TCP_PROBE_INTERVAL: Duration = Duration::from_secs(15);
const TCP_PROBES: u32 = 4;

/// How long sessions may take to end once they have been told to.
const LAST_MOMENTS: Duration = Duration::from_secs(5);

/// How long a client may take to take the reason why its connection ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// Why the gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}; is another daemon running there? change server.listen otherwise")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A key of the bastion's own cannot be read or made.
    #[error("cannot use the key {}: {reason}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// No host key is configured.
    #[error("no host key is configured; set server.host_keys")]
    NoHostKey,
}

/// The SSH side of the daemon.
pub struct Gateway {
    shared: Arc<Shared>,
    listeners: Vec<TcpListener>,
}

/// What all connections share.
struct Shared {
    gate: Arc<Gate>,
    server_config: Arc<ssh_server::Config>,
    keys: OwnKeys,
    door: Door,
    guard: Guard,
    refusals: Refusals,
    counters: Arc<Counters>,
    live: LiveSessions,
    own_execs: Arc<OwnExecs>,
    /// The users whom forwarded agents were asked to log in as.
    lent: forward::Lent,
    tasks: TaskTracker,
    /// What runs in the channels of all connections.
    works: Works,
    /// Begun when the daemon is about to stop.
    drain: Drain,
    /// Cancelled when every connection must end.
    stopping: CancellationToken,
}

impl Shared {
    /// Where what clients send faster than it is taken waits.
    fn spill_directory(&self) -> PathBuf {
        self.gate.engine().config.server.state_dir.clone()
    }

    /// Ends all connections: each when nothing runs on it any longer, when the time is over, or `at_once`.
    async fn leave(&self, at_once: &CancellationToken) {
        self.tasks.close();
        let limit = self.gate.engine().config.server.drain_timeout;
        tracing::info!(sessions = self.live.count(), limit_s = limit.as_secs(), "draining");
        self.drain.begin(limit);
        tokio::select! {
            () = self.tasks.wait() => return,
            () = sleep(limit) => {}
            () = at_once.cancelled() => {}
        }
        tracing::info!(sessions = self.live.count(), "ending what still runs");
        self.gate.stop();
        self.stopping.cancel();
        if timeout(LAST_MOMENTS, self.tasks.wait()).await.is_err() {
            tracing::warn!("sessions that did not end in time are cut off");
        }
    }
}

impl Gateway {
    /// Reads or makes the host keys, and listens: on sockets of the service manager's where it has opened them.
    ///
    /// # Errors
    /// A host key that cannot be used, an address that cannot be listened on.
    pub async fn bind(gate: Arc<Gate>, inherited: &mut Inherited) -> Result<Self, GatewayError> {
        let engine = gate.engine();
        let settings = &engine.config.server;
        let keys = OwnKeys::load(settings)?;
        let mut listeners = Vec::new();
        for address in &settings.listen {
            let listen = |source| GatewayError::Listen {
                address: *address,
                source,
            };
            listeners.push(inherited.listen(*address).await.map_err(listen)?);
        }
        let shared = Shared {
            lent: forward::Lent::default(),
            server_config: ssh::server_config(settings, keys.host.clone()),
            keys,
            gate,
            door: Door::default(),
            guard: Guard::default(),
            refusals: Refusals::default(),
            counters: Arc::default(),
            live: LiveSessions::default(),
            own_execs: Arc::default(),
            tasks: TaskTracker::new(),
            works: Works::none(),
            drain: Drain::default(),
            stopping: CancellationToken::new(),
        };
        Ok(Self {
            shared: Arc::new(shared),
            listeners,
        })
    }

    /// Where it listens: the real ports, where the configuration says 0.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners
            .iter()
            .filter_map(|listener| listener.local_addr().ok())
            .collect()
    }

    /// Accepts connections until `stop` says to drain. Then nothing new begins, and what runs may come to its end, but no longer
    /// than `server.drain_timeout`, and not where `stop` says to end at once.
    pub async fn serve(self, stop: Stop) {
        let (counters, store) = (self.shared.counters.clone(), self.shared.gate.store().clone());
        let counted = CancellationToken::new();
        let counting = tokio::spawn(counters.keep(store, counted.clone()));
        let mut accepting = JoinSet::new();
        for listener in self.listeners {
            accepting.spawn(keep_accepting(self.shared.clone(), listener, stop.drain.clone()));
        }
        while accepting.join_next().await.is_some() {}
        drop(accepting);
        self.shared.leave(&stop.at_once).await;
        counted.cancel();
        if let Err(error) = counting.await {
            tracing::error!(%error, "the last connections are not counted");
        }
    }

    /// A handle that applies new settings while the gateway serves.
    pub fn control(&self) -> Control {
        Control {
            shared: self.shared.clone(),
        }
    }
}

/// Applies new settings while the gateway serves.
#[derive(Clone)]
pub struct Control {
    shared: Arc<Shared>,
}

impl Control {
    /// How many connections are authenticated now.
    pub fn open_sessions(&self) -> usize {
        self.shared.live.count()
    }

    /// Returns in a moment in which nothing runs on any connection.
    pub async fn quiet(&self) {
        self.shared.works.over().await;
    }

    /// Decides by `engine` from the next command on, and ends the sessions whose user, key or target it does not know.
    pub fn apply(&self, engine: Engine) {
        let (old, new) = (self.shared.gate.engine().config.clone(), engine.config.clone());
        for setting in needs_restart(&old, &new) {
            tracing::warn!(setting, "has changed, which takes effect at the next restart only");
        }
        let model = engine.model_digest().unwrap_or("none").to_owned();
        self.shared.gate.replace_engine(engine);
        self.shared.own_execs.forget();
        let ended = self.shared.live.end_unknown(&new);
        tracing::info!(ended, model, "the new configuration is in force");
    }
}

fn needs_restart<'a>(old: &Config, new: &Config) -> impl Iterator<Item = &'a str> {
    let changed = [
        ("server.listen", old.server.listen != new.server.listen),
        ("server.state_dir", old.server.state_dir != new.server.state_dir),
        ("server.host_keys", old.server.host_keys != new.server.host_keys),
        ("server.host_ca", old.server.host_ca != new.server.host_ca),
        ("server.user_ca", old.server.user_ca != new.server.user_ca),
        ("server.algorithms", old.server.algorithms != new.server.algorithms),
        ("store.path", old.store.path != new.store.path),
        ("http.listen", old.http.listen != new.http.listen),
        (
            "http.max_connections",
            old.http.max_connections != new.http.max_connections,
        ),
        ("http.tls_certificate", old.http.tls.is_some() != new.http.tls.is_some()),
    ];
    changed
        .into_iter()
        .filter_map(|(setting, changed)| changed.then_some(setting))
}

/// Accepts until `drain` is cancelled, whatever panics over one that comes.
async fn keep_accepting(shared: Arc<Shared>, listener: TcpListener, drain: CancellationToken) {
    while sheltered(accept(&shared, &listener, &drain)).await.is_err() {
        sleep(ACCEPT_PAUSE).await;
    }
}

async fn accept(shared: &Arc<Shared>, listener: &TcpListener, drain: &CancellationToken) {
    let mut complaints = Seldom::default();
    loop {
        let accepted = tokio::select! {
            () = drain.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => welcome(shared, socket, peer),
            Err(error) => {
                if complaints.is_time(Instant::now()) {
                    tracing::error!(%error, "cannot accept connections: who comes has to wait");
                }
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Lets a connection in, unless its address has failed too often or others have a better right to stand at the door.
fn welcome(shared: &Arc<Shared>, socket: TcpStream, peer: SocketAddr) {
    let engine = shared.gate.engine();
    let server = &engine.config.server;
    let life = Life::within(&shared.stopping);
    let Some(stranger) = enter(shared, server, peer, life.ended.clone()) else {
        shared.counters.refused.count();
        shared.refusals.note(peer);
        return;
    };
    shared.counters.accepted.count();
    if let Err(error) = keep_alive(&socket, server.tcp_keepalive) {
        tracing::debug!(%peer, %error, "cannot have the kernel watch a connection");
    }
    let serving = shared.clone();
    shared.tasks.spawn(async move {
        if let Err(error) = serve_connection(serving, socket, peer, stranger, life).await {
            tracing::debug!(%peer, %error, "a connection ended");
        }
    });
}

/// A place at the door for a connection that `end` ends.
fn enter(shared: &Shared, server: &Server, peer: SocketAddr, end: CancellationToken) -> Option<Stranger> {
    let source = Source::from(peer.ip());
    let limits = Limits {
        in_all: server.max_unauthenticated,
        per_address: server.max_unauthenticated_per_ip,
    };
    if shared.guard.refuses(source) {
        return None;
    }
    shared.door.enter(source, end, limits)
}

async fn serve_connection(
    shared: Arc<Shared>,
    socket: TcpStream,
    peer: SocketAddr,
    stranger: Stranger,
    life: Life,
) -> Result<(), russh::Error> {
    ssh::give_up_on_the_stalled(&socket, &shared.gate.engine().config.server)?;
    socket.set_nodelay(true)?;
    let grace = shared.gate.engine().config.server.login_grace;
    let hang_up = timeout(grace, handle_in_time(&socket)).await.map_err(io::Error::from)?;
    let client = Client::new(shared.clone(), peer, Arrival::Door(stranger), life.clone());
    let config = shared.server_config.clone();
    let socket = ReadAhead::new(Rationed::until(life.proved.clone(), socket));
    // The session loop may stand still in a write: only the socket's end wakes it for sure.
    let hang_up = || {
        if let Err(error) = hang_up.shutdown(Shutdown::Both) {
            tracing::debug!(%peer, %error, "the connection was gone before it was ended");
        }
    };
    let (left, outcome) = converse(config, socket, client, &shared, hang_up).await;
    match left {
        Left::TooLate => shared.counters.timed_out.count(),
        // The end of a client's own making cancels `ended` too, and either may be heard first.
        Left::ByThemselves | Left::Ended if !life.authenticated.is_cancelled() && !shared.drain.has_begun() => {
            shared.counters.unauthenticated.count();
        }
        Left::ByThemselves | Left::Ended | Left::Idle | Left::Drained => {}
    }
    outcome
}

/// By what a connection ended.
enum Left {
    /// The client left, or broke the protocol.
    ByThemselves,
    /// It was ended.
    Ended,
    /// It was not authenticated in time.
    TooLate,
    /// It was not used for too long.
    Idle,
    /// The daemon is about to stop, and nothing ran on it any longer.
    Drained,
}

/// Speaks SSH on a stream until it ends, must end, or has had its time. `hang_up` ends the stream from outside.
async fn converse<S>(
    config: Arc<ssh_server::Config>,
    stream: S,
    client: Client,
    shared: &Shared,
    hang_up: impl FnOnce(),
) -> (Left, Result<(), russh::Error>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (peer, life, (login_grace, idle_timeout)) = (client.peer(), client.life(), client.times());
    let handle = OnceLock::new();
    let conversation = async {
        let running = ssh_server::run_stream(config, stream, client).await?;
        handle.get_or_init(|| running.handle());
        running.await
    };
    tokio::pin!(conversation);
    let left = tokio::select! {
        outcome = &mut conversation => return (Left::ByThemselves, outcome),
        () = life.ended.cancelled() => Left::Ended,
        () = too_late(login_grace, &life.authenticated) => {
            tracing::info!(%peer, "not authenticated in time");
            Left::TooLate
        }
        () = idle(idle_timeout, &life) => {
            tracing::info!(%peer, "not used for too long");
            Left::Idle
        }
        () = shared.drain.leaves_unused(&life.works) => Left::Drained,
    };
    if shared.drain.has_begun()
        && let Some(handle) = handle.get()
        && let Ok(outcome) = timeout(FAREWELL, part(handle, &mut conversation)).await
    {
        return (left, outcome);
    }
    hang_up();
    // The session loop may wait for a channel's task, which ends in the same moments.
    (left, timeout(LAST_MOMENTS, conversation).await.unwrap_or(Ok(())))
}

/// Ends a conversation with the reason, which clients show beside whatever goes on in their channels.
async fn part(
    handle: &ssh_server::Handle,
    conversation: impl Future<Output = Result<(), russh::Error>>,
) -> Result<(), russh::Error> {
    handle
        .disconnect(Disconnect::ByApplication, drain::LEFT.to_owned(), String::new())
        .await?;
    conversation.await
}

/// Returns when the time to authenticate is over, and never for who did.
async fn too_late(login_grace: Duration, authenticated: &CancellationToken) {
    if timeout(login_grace, authenticated.cancelled()).await.is_ok() {
        std::future::pending::<()>().await;
    }
}

/// Returns when somebody who has authenticated has not used the connection for too long.
async fn idle(limit: Duration, life: &Life) {
    life.authenticated.cancelled().await;
    life.usage.idle_for(limit).await;
}

/// Has the kernel notice a peer that is gone without a word, where the limit is not zero.
fn keep_alive(socket: &TcpStream, silence: Duration) -> io::Result<()> {
    if silence.is_zero() {
        return Ok(());
    }
    sockopt::set_tcp_keepidle(socket, silence)?;
    sockopt::set_tcp_keepintvl(socket, TCP_PROBE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(socket, TCP_PROBES)?;
    sockopt::set_socket_keepalive(socket, true)?;
    Ok(())
}

/// A second handle on the socket, by which the connection can be ended whatever its owner is doing.
fn second_handle(socket: &TcpStream) -> io::Result<std::net::TcpStream> {
    Ok(socket.as_fd().try_clone_to_owned()?.into())
}

/// As [`second_handle`], once there is a file descriptor for it.
async fn handle_in_time(socket: &TcpStream) -> std::net::TcpStream {
    loop {
        match second_handle(socket) {
            Ok(handle) => return handle,
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

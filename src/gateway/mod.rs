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
mod environment;
mod exec;
mod forward;
mod gated;
mod heard;
mod held;
mod host_check;
mod idle;
mod intake;
mod jump;
mod jump_stream;
mod live;
mod login;
mod own_exec;
mod own_keys;
mod pool;
mod read_ahead;
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
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use russh::server as ssh_server;
use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::gate::{Engine, Gate};

pub(crate) use login::read_password;
pub use own_keys::is_strong as host_key_is_strong;

use auth::{Guard, Source};
use client::{Arrival, Client, Life};
use counters::Counters;
use door::{Door, Stranger};
use live::LiveSessions;
use own_exec::OwnExecs;
use own_keys::OwnKeys;
use read_ahead::ReadAhead;

/// Pause after a failed accept: the process may be out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Between the kernel's probes of a silent peer, and how many go unanswered until it counts as gone.
const TCP_PROBE_INTERVAL: Duration = Duration::from_secs(15);
const TCP_PROBES: u32 = 4;

/// How long sessions may take to end once they have been told to.
const LAST_MOMENTS: Duration = Duration::from_secs(5);

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
    counters: Arc<Counters>,
    live: LiveSessions,
    own_execs: Arc<OwnExecs>,
    /// The users whom forwarded agents were asked to log in as.
    lent: forward::Lent,
    tasks: TaskTracker,
    /// Cancelled when every connection must end.
    stopping: CancellationToken,
}

impl Shared {
    /// Where what clients send faster than it is taken waits.
    fn spill_directory(&self) -> PathBuf {
        self.gate.engine().config.server.state_dir.clone()
    }
}

impl Gateway {
    /// Reads or makes the host keys, and listens.
    ///
    /// # Errors
    /// A host key that cannot be used, an address that cannot be listened on.
    pub async fn bind(gate: Arc<Gate>) -> Result<Self, GatewayError> {
        let engine = gate.engine();
        let settings = &engine.config.server;
        let keys = OwnKeys::load(settings)?;
        let mut listeners = Vec::new();
        for address in &settings.listen {
            let listen = |source| GatewayError::Listen {
                address: *address,
                source,
            };
            listeners.push(TcpListener::bind(address).await.map_err(listen)?);
        }
        let shared = Shared {
            lent: forward::Lent::default(),
            server_config: ssh::server_config(settings, keys.host.clone()),
            keys,
            gate,
            door: Door::default(),
            guard: Guard::default(),
            counters: Arc::default(),
            live: LiveSessions::default(),
            own_execs: Arc::default(),
            tasks: TaskTracker::new(),
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

    /// Accepts connections until `drain` is cancelled, then waits for the sessions that are open, but no longer than
    /// `server.drain_timeout`.
    pub async fn serve(self, drain: CancellationToken) {
        let (counters, store) = (self.shared.counters.clone(), self.shared.gate.store().clone());
        let counted = CancellationToken::new();
        let counting = tokio::spawn(counters.keep(store, counted.clone()));
        let mut accepting = JoinSet::new();
        for listener in self.listeners {
            accepting.spawn(accept(self.shared.clone(), listener, drain.clone()));
        }
        while accepting.join_next().await.is_some() {}
        drop(accepting);
        self.shared.tasks.close();
        let limit = self.shared.gate.engine().config.server.drain_timeout;
        tracing::info!(
            sessions = self.shared.live.count(),
            limit_s = limit.as_secs(),
            "draining"
        );
        if timeout(limit, self.shared.tasks.wait()).await.is_err() {
            self.shared.stopping.cancel();
            if timeout(LAST_MOMENTS, self.shared.tasks.wait()).await.is_err() {
                tracing::warn!("sessions that did not end in time are cut off");
            }
        }
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

async fn accept(shared: Arc<Shared>, listener: TcpListener, drain: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = drain.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => welcome(&shared, socket, peer),
            Err(error) => {
                tracing::error!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Lets a connection in, unless its address has failed too often or too many strangers stand at the door already.
fn welcome(shared: &Arc<Shared>, socket: TcpStream, peer: SocketAddr) {
    let source = Source::from(peer.ip());
    if shared.guard.refuses(source) {
        tracing::debug!(%peer, "refused for its failures to authenticate");
        return;
    }
    let engine = shared.gate.engine();
    let server = &engine.config.server;
    let entered = shared
        .door
        .enter(source, server.max_unauthenticated, server.max_unauthenticated_per_ip);
    let Some(stranger) = entered else {
        shared.counters.refused.count();
        tracing::warn!(%peer, "too many connections that have not authenticated");
        return;
    };
    shared.counters.accepted.count();
    if let Err(error) = keep_alive(&socket, server.tcp_keepalive) {
        tracing::debug!(%peer, %error, "cannot have the kernel watch a connection");
    }
    let serving = shared.clone();
    shared.tasks.spawn(async move {
        if let Err(error) = serve_connection(serving, socket, peer, stranger).await {
            tracing::debug!(%peer, %error, "a connection ended");
        }
    });
}

async fn serve_connection(
    shared: Arc<Shared>,
    socket: TcpStream,
    peer: SocketAddr,
    stranger: Stranger,
) -> Result<(), russh::Error> {
    let (socket, hang_up) = split_off_hang_up(socket)?;
    let life = Life::within(&shared.stopping);
    let client = Client::new(shared.clone(), peer, Arrival::Door(stranger), life.clone());
    let config = shared.server_config.clone();
    let socket = ReadAhead::new(socket);
    // The session loop may stand still in a write: only the socket's end wakes it for sure.
    let hang_up = || {
        if let Err(error) = hang_up.shutdown(Shutdown::Both) {
            tracing::debug!(%peer, %error, "the connection was gone before it was ended");
        }
    };
    let (left, outcome) = converse(config, socket, client, hang_up).await;
    match left {
        Left::TooLate => shared.counters.timed_out.count(),
        // The end of a client's own making cancels `ended` too, and either may be heard first.
        Left::ByThemselves | Left::Ended if !life.authenticated.is_cancelled() && !shared.stopping.is_cancelled() => {
            shared.counters.unauthenticated.count();
        }
        Left::ByThemselves | Left::Ended | Left::Idle => {}
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
}

/// Speaks SSH on a stream until it ends, must end, or has had its time. `hang_up` ends the stream from outside.
async fn converse<S>(
    config: Arc<ssh_server::Config>,
    stream: S,
    client: Client,
    hang_up: impl FnOnce(),
) -> (Left, Result<(), russh::Error>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (peer, life, (login_grace, idle_timeout)) = (client.peer(), client.life(), client.times());
    let conversation = async { ssh_server::run_stream(config, stream, client).await?.await };
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
    };
    hang_up();
    // The session loop may wait for a channel's task, which ends in the same moments.
    (left, timeout(LAST_MOMENTS, conversation).await.unwrap_or(Ok(())))
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
fn split_off_hang_up(socket: TcpStream) -> io::Result<(TcpStream, std::net::TcpStream)> {
    socket.set_nodelay(true)?;
    let socket = socket.into_std()?;
    let hang_up = socket.try_clone()?;
    Ok((TcpStream::from_std(socket)?, hang_up))
}

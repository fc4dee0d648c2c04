//! Connections: accepted up to a limit, spoken with in HTTP/1.1, and ended when they take too long.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::stall::Stall;
use crate::config::HttpAddress;
use crate::domain::Seldom;
use crate::gateway::Inherited;

/// Time for a TLS handshake, and for the head of a request from when the one before was answered.
const HEAD: Duration = Duration::from_secs(10);

/// Bytes of a request's head, and of what is read ahead of its body.
const MAX_HEAD: usize = 16 * 1024;

/// How long a client may take nothing of an answer.
const STALL: Duration = Duration::from_secs(30);

/// Pause after a failed accept: the process may be out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long requests that have begun may take once the daemon stops.
const LAST_MOMENTS: Duration = Duration::from_secs(5);

/// The user and the group of the daemon may connect; a token is needed all the same.
const SOCKET_MODE: u32 = 0o660;

/// One place where it listens.
pub(super) enum Listener {
    /// An IP address and a port.
    Tcp(TcpListener),
    /// A Unix socket, removed at the end.
    Unix(UnixListener, SocketFile),
}

/// The file of a Unix socket; gone when dropped.
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::debug!(path = %self.0.display(), %error, "cannot remove a socket");
        }
    }
}

impl Listener {
    /// Listens. A socket that nobody listens on any longer is replaced.
    pub(super) async fn bind(address: &HttpAddress, inherited: &mut Inherited) -> io::Result<Self> {
        match address {
            HttpAddress::Tcp(address) => inherited.listen(*address).await.map(Self::Tcp),
            HttpAddress::Unix(path) => {
                clear(path).await?;
                let listener = UnixListener::bind(path)?;
                let file = SocketFile(path.clone());
                fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE))?;
                Ok(Self::Unix(listener, file))
            }
        }
    }

    async fn accept(&self) -> io::Result<Connection> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(socket, _)| Connection::Tcp(socket)),
            Self::Unix(listener, _) => listener.accept().await.map(|(socket, _)| Connection::Unix(socket)),
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(listener) => match listener.local_addr() {
                Ok(address) => address.fmt(f),
                Err(_) => f.write_str("an address that the system does not tell"),
            },
            Self::Unix(_, file) => write!(f, "unix:{}", file.0.display()),
        }
    }
}

/// Removes what a daemon that was killed has left, and nothing else.
async fn clear(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    if is_socket
        && let Err(error) = UnixStream::connect(path).await
        && error.kind() == io::ErrorKind::ConnectionRefused
    {
        return fs::remove_file(path);
    }
    Ok(())
}

enum Connection {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// What all connections share.
pub(super) struct Door {
    places: Arc<Semaphore>,
    /// `None` where plain text is spoken.
    pub(super) tls: Arc<ArcSwapOption<ServerConfig>>,
    conversations: TaskTracker,
}

impl Door {
    /// Lets `places` connections in at once.
    pub(super) fn new(places: usize, tls: Option<Arc<ServerConfig>>) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
            tls: Arc::new(ArcSwapOption::from(tls)),
            conversations: TaskTracker::new(),
        }
    }

    /// Accepts until `drain` is cancelled. Beyond the limit, connections wait in the system's queue.
    pub(super) async fn accept(&self, listener: &Listener, router: &Router, drain: &CancellationToken) {
        let accepting = async {
            let mut complaints = Seldom::default();
            while let Ok(place) = self.places.clone().acquire_owned().await {
                match listener.accept().await {
                    Ok(connection) => self.welcome(connection, place, router.clone(), drain.clone()),
                    Err(error) => {
                        if complaints.is_time(Instant::now()) {
                            tracing::error!(%error, "cannot accept HTTP connections");
                        }
                        sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        tokio::select! {
            () = drain.cancelled() => {}
            () = accepting => {}
        }
    }

    /// Waits for the conversations that are going on, which know that it is time.
    pub(super) async fn close(&self) {
        self.conversations.close();
        self.conversations.wait().await;
    }

    fn welcome(&self, connection: Connection, place: OwnedSemaphorePermit, router: Router, drain: CancellationToken) {
        let tls = self.tls.load_full();
        self.conversations.spawn(async move {
            let conversing = async {
                match (connection, tls) {
                    (Connection::Unix(socket), _) => converse(socket, router, &drain).await,
                    (Connection::Tcp(socket), None) => converse(socket, router, &drain).await,
                    (Connection::Tcp(socket), Some(tls)) => {
                        let handshake = TlsAcceptor::from(tls).accept(socket);
                        converse(timeout(HEAD, handshake).await??, router, &drain).await
                    }
                }
            };
            if let Err(error) = conversing.await {
                tracing::debug!(%error, "an HTTP connection ended");
            }
            drop(place);
        });
    }
}

/// Why a conversation ended before its time.
type Broken = Box<dyn std::error::Error + Send + Sync>;

async fn converse<S>(socket: S, router: Router, drain: &CancellationToken) -> Result<(), Broken>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let conversation = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(MAX_HEAD)
        .serve_connection(
            TokioIo::new(Stall::new(socket, STALL)),
            TowerToHyperService::new(router),
        );
    let mut conversation = pin!(conversation);
    tokio::select! {
        ended = conversation.as_mut() => return Ok(ended?),
        () = drain.cancelled() => {}
    }
    conversation.as_mut().graceful_shutdown();
    Ok(timeout(LAST_MOMENTS, conversation).await??)
}

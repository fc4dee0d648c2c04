//! The connection to a target: reached, its host key checked, logged in.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use russh::client::{self, ChannelOpenHandle, Msg};
use russh::keys::{PublicKey, PublicKeyOrCertificate};
use russh::{Channel, ChannelOpenFailure, Names};
use rustix::io::Errno;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::config::{Address, HostTrust, LoginWith, Server, Target};

use super::forward::{self, Invited, Purpose, Visitor};
use super::host_check::{Distrust, Expected};
use super::login::{Credential, LoginError, Means};
use super::read_ahead::ReadAhead;
use super::second_handle;
use super::session::LAST_WORDS;
use super::ssh;

/// Time to connect, exchange keys and log in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Why a target cannot be used. The texts go to the user: they name no secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    /// Nothing answers at the address.
    #[error("target {target} is unreachable at {address}: {source}")]
    Unreachable {
        target: String,
        address: String,
        source: io::Error,
    },
    /// The bastion cannot open a connection.
    #[error("the bastion cannot open a connection to target {target}: {source}; try again later")]
    OutOfFiles { target: String, source: io::Error },
    /// It did not answer in time.
    #[error("target {target} did not answer within {} s", CONNECT_TIMEOUT.as_secs())]
    TimedOut { target: String },
    /// It showed a host key that is not trusted.
    #[error(
        "target {target} showed {shown}: somebody may be in between; \
         if the host was reinstalled, ask the bastion's admin to update its host_key"
    )]
    WrongHostKey { target: String, shown: Distrust },
    /// What it has to show is not known.
    #[error("the bastion cannot read what target {target} has to show as its host key; ask its admin")]
    HostKeys { target: String },
    /// The bastion could not log in.
    #[error("cannot log in to target {target} as {login}: {source}")]
    Login {
        target: String,
        login: String,
        source: LoginError,
    },
    /// It is no longer configured.
    #[error("target {0} was removed from the configuration")]
    Removed(String),
    /// The connection has ended.
    #[error("the connection to target {0} has ended; connect again")]
    Ended(String),
    /// The SSH conversation failed.
    #[error("cannot talk SSH with target {target}: {source}")]
    Protocol { target: String, source: russh::Error },
}

/// A logged-in connection to a target.
pub(super) struct Connection {
    handle: client::Handle<Verifier>,
    host_key: String,
    software: String,
    ended: CancellationToken,
    /// Dropped when nobody needs it any longer.
    _held: DropGuard,
}

/// Who connects, and with what.
pub(super) struct Caller<'a> {
    /// The settings of the daemon.
    pub settings: &'a Server,
    /// The bastion's own host keys.
    pub own_keys: Vec<PublicKey>,
    /// As whom.
    pub login: &'a str,
    /// What is at hand to log in with.
    pub means: Means<'a>,
    /// Who attends to the channels that the target opens.
    pub invited: Invited,
}

impl Connection {
    /// Connects and logs in.
    pub(super) async fn open(target: &Target, caller: Caller<'_>) -> Result<Self, ConnectError> {
        let opening = Self::open_unbounded(target, caller);
        let too_late = |_| ConnectError::TimedOut {
            target: target.name.to_string(),
        };
        timeout(CONNECT_TIMEOUT, opening).await.map_err(too_late)?
    }

    async fn open_unbounded(target: &Target, caller: Caller<'_>) -> Result<Self, ConnectError> {
        let name = || target.name.to_string();
        let login_failed = |source| ConnectError::Login {
            target: name(),
            login: caller.login.to_owned(),
            source,
        };
        let prepared = Credential::prepare(&target.login_with, caller.login, caller.means).await;
        let credential = prepared.map_err(login_failed)?;
        let trust = trust(target).await?;
        let config = ssh::client_config(caller.settings, !trust.authorities.is_empty());
        // An agent signs for whoever is at the other end: not for a bastion that would take the user in again.
        let never = match target.login_with {
            LoginWith::Agent => caller.own_keys,
            _ => Vec::new(),
        };
        let ended = CancellationToken::new();
        let visitors = Visitors {
            invited: caller.invited,
            _ended: ended.clone().drop_guard(),
        };
        let verifier = Verifier::new(Expected::of(target, trust, never), visitors);
        let (shown, software) = (verifier.shown.clone(), verifier.software.clone());
        let (socket, hang_up) = connect(target, caller.settings).await?;
        let abandoned = CancellationToken::new();
        let held = abandoned.clone().drop_guard();
        tokio::spawn(end_abandoned(hang_up, abandoned, ended.clone()));
        let connecting = client::connect_stream(config, ReadAhead::new(socket), verifier).await;
        let mut handle = connecting.map_err(|error| refused_host(name(), &shown, error))?;
        credential
            .log_in(&mut handle, caller.login)
            .await
            .map_err(login_failed)?;
        let host_key = take(&shown).and_then(Result::ok).unwrap_or_default();
        let software = software.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Self {
            handle,
            host_key,
            software,
            ended,
            _held: held,
        })
    }

    /// Whether its shells are those of a Unix host, by the software that its server says it is.
    pub(super) fn has_unix_shells(&self) -> bool {
        is_unix_server(&self.software)
    }

    /// SHA-256 fingerprint of the host key that was shown and trusted.
    pub(super) fn host_key(&self) -> &str {
        &self.host_key
    }

    /// Whether the connection has ended.
    pub(super) fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// Cancelled when the connection has ended.
    pub(super) fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    /// Opens a session channel.
    pub(super) async fn open_session(&self) -> Result<Channel<Msg>, russh::Error> {
        self.handle.channel_open_session().await
    }

    /// Opens a connection from the target to a host and port, for a user who comes from `origin`.
    pub(super) async fn open_tcp(
        &self,
        host: String,
        port: u16,
        origin: SocketAddr,
    ) -> Result<Channel<Msg>, russh::Error> {
        let (from, from_port) = (origin.ip().to_string(), u32::from(origin.port()));
        self.handle
            .channel_open_direct_tcpip(host, u32::from(port), from, from_port)
            .await
    }

    /// Opens a connection to a socket on the target.
    pub(super) async fn open_socket(&self, path: String) -> Result<Channel<Msg>, russh::Error> {
        self.handle.channel_open_direct_streamlocal(path).await
    }

    /// Has the target listen on a port; port 0 leaves it the choice, which is the answer.
    pub(super) async fn listen_tcp(&self, host: &str, port: u16) -> Result<u16, russh::Error> {
        let chosen = self.handle.tcpip_forward(host, u32::from(port)).await?;
        u16::try_from(chosen).map_err(|_| russh::Error::Inconsistent)
    }

    /// Has it listen there no longer.
    pub(super) async fn unlisten_tcp(&self, host: &str, port: u16) -> Result<(), russh::Error> {
        self.handle.cancel_tcpip_forward(host, u32::from(port)).await
    }

    /// Has the target listen on a socket.
    pub(super) async fn listen_socket(&self, path: &str) -> Result<(), russh::Error> {
        self.handle.streamlocal_forward(path).await
    }

    /// Has it listen there no longer.
    pub(super) async fn unlisten_socket(&self, path: &str) -> Result<(), russh::Error> {
        self.handle.cancel_streamlocal_forward(path).await
    }
}

/// Windows and network gear have line editors of their own, which nothing here knows.
fn is_unix_server(identification: &str) -> bool {
    let software = identification.strip_prefix("SSH-2.0-").unwrap_or_default();
    let is_unix = software.starts_with("OpenSSH_") || software.starts_with("dropbear");
    is_unix && !software.starts_with("OpenSSH_for_Windows")
}

/// A socket to the target, and what ends it from outside.
async fn connect(target: &Target, settings: &Server) -> Result<(TcpStream, std::net::TcpStream), ConnectError> {
    let Address { host, port } = &target.address;
    let connecting = async {
        let socket = TcpStream::connect((host.as_str(), *port)).await?;
        ssh::give_up_on_the_stalled(&socket, settings)?;
        socket.set_nodelay(true)?;
        let hang_up = second_handle(&socket)?;
        Ok((socket, hang_up))
    };
    let failed = |source: io::Error| match Errno::from_io_error(&source) {
        Some(Errno::MFILE | Errno::NFILE) => ConnectError::OutOfFiles {
            target: target.name.to_string(),
            source,
        },
        _ => ConnectError::Unreachable {
            target: target.name.to_string(),
            address: format!("{host}:{port}"),
            source,
        },
    };
    connecting.await.map_err(failed)
}

/// Ends a connection that nobody needs any longer: the SSH library would go on for as long as the target takes nothing, or does
/// not come to the end of a key exchange.
async fn end_abandoned(socket: std::net::TcpStream, abandoned: CancellationToken, ended: CancellationToken) {
    abandoned.cancelled().await;
    if timeout(LAST_WORDS, ended.cancelled()).await.is_err()
        && let Err(error) = socket.shutdown(Shutdown::Both)
    {
        tracing::debug!(%error, "a connection to a target was gone before it was ended");
    }
}

async fn trust(target: &Target) -> Result<HostTrust, ConnectError> {
    let (keys, address) = (target.host_keys.clone(), target.address.clone());
    let read = tokio::task::spawn_blocking(move || keys.trust(&address).map_err(|error| error.to_string())).await;
    let error = match read {
        Ok(Ok(trust)) => return Ok(trust),
        Ok(Err(error)) => error,
        Err(error) => error.to_string(),
    };
    tracing::error!(host = %target.name, %error, "cannot use a known_hosts file");
    Err(ConnectError::HostKeys {
        target: target.name.to_string(),
    })
}

/// What host key the target showed: its fingerprint, or why it is not trusted; `None` before it showed any.
type Shown = Option<Result<String, Distrust>>;

fn take(shown: &Mutex<Shown>) -> Shown {
    shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn refused_host(target: String, shown: &Mutex<Shown>, source: russh::Error) -> ConnectError {
    match take(shown) {
        Some(Err(shown)) => ConnectError::WrongHostKey { target, shown },
        Some(Ok(_)) | None => ConnectError::Protocol { target, source },
    }
}

/// Leads the channels that a target opens to who invited them. Dropped when the connection has ended.
struct Visitors {
    invited: Invited,
    _ended: DropGuard,
}

impl Visitors {
    async fn visit(&self, purpose: Purpose, visitor: Visitor) -> Result<(), russh::Error> {
        self.invited.visit(&purpose, visitor).await;
        Ok(())
    }
}

/// A channel that a target opens, from the host and port that it tells.
fn visitor(channel: Channel<Msg>, reply: ChannelOpenHandle, host: &str, port: u32) -> Visitor {
    let from = (host.to_owned(), port);
    Visitor { channel, reply, from }
}

/// Refuses a channel that nothing invites: the SSH library would accept it.
async fn uninvited(reply: ChannelOpenHandle) -> Result<(), russh::Error> {
    tracing::info!("a target wanted to open a channel of a kind that only clients open");
    reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
    Ok(())
}

/// Accepts the host keys that are trusted and nothing else, and the channels that are invited.
pub(super) struct Verifier {
    expected: Expected,
    // A std mutex: written once in the handshake and read after it.
    shown: Arc<Mutex<Shown>>,
    /// Its server's identification string, from RFC 4253, section 4.2. A std mutex as above.
    software: Arc<Mutex<String>>,
    visitors: Visitors,
}

impl Verifier {
    fn new(expected: Expected, visitors: Visitors) -> Self {
        Self {
            expected,
            shown: Arc::default(),
            software: Arc::default(),
            visitors,
        }
    }
}

impl client::Handler for Verifier {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let verdict = self.expected.judge(shown, now.as_secs());
        let accepted = verdict.is_ok();
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(verdict);
        Ok(accepted)
    }

    async fn kex_done(
        &mut self,
        _shared_secret: Option<&[u8]>,
        _names: &Names,
        session: &mut client::Session,
    ) -> Result<(), Self::Error> {
        let software = String::from_utf8_lossy(session.remote_sshid()).into_owned();
        *self.software.lock().unwrap_or_else(PoisonError::into_inner) = software;
        Ok(())
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        channel: Channel<Msg>,
        connected_address: &str,
        connected_port: u32,
        originator_address: &str,
        originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut client::Session,
    ) -> Result<(), Self::Error> {
        let Ok(address) = forward::Address::listened_on(connected_address, connected_port) else {
            return uninvited(reply).await;
        };
        let visitor = visitor(channel, reply, originator_address, originator_port);
        self.visitors.visit(Purpose::Listener(address), visitor).await
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        channel: Channel<Msg>,
        socket_path: &str,
        reply: ChannelOpenHandle,
        _session: &mut client::Session,
    ) -> Result<(), Self::Error> {
        let Ok(address) = forward::Address::socket(socket_path) else {
            return uninvited(reply).await;
        };
        let visitor = visitor(channel, reply, "", 0);
        self.visitors.visit(Purpose::Listener(address), visitor).await
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut client::Session,
    ) -> Result<(), Self::Error> {
        self.visitors
            .visit(Purpose::Agent, visitor(channel, reply, "", 0))
            .await
    }

    async fn server_channel_open_x11(
        &mut self,
        channel: Channel<Msg>,
        originator_address: &str,
        originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut client::Session,
    ) -> Result<(), Self::Error> {
        let visitor = visitor(channel, reply, originator_address, originator_port);
        self.visitors.visit(Purpose::X11, visitor).await
    }

    async fn server_channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut client::Session,
    ) -> Result<(), Self::Error> {
        uninvited(reply).await
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _channel: Channel<Msg>,
        _host: &str,
        _port: u32,
        _originator_address: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut client::Session,
    ) -> Result<(), Self::Error> {
        uninvited(reply).await
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _channel: Channel<Msg>,
        _path: &str,
        reply: ChannelOpenHandle,
        _session: &mut client::Session,
    ) -> Result<(), Self::Error> {
        uninvited(reply).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_hosts_are_told_by_their_software() {
        for unix in [
            "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3",
            "SSH-2.0-dropbear_2022.83",
            "SSH-2.0-dropbear",
        ] {
            assert!(is_unix_server(unix), "{unix}");
        }
        for other in [
            "SSH-2.0-OpenSSH_for_Windows_9.5",
            "SSH-2.0-Cisco-1.25",
            "SSH-2.0-x OpenSSH_9.2",
            "",
            "OpenSSH_9.2",
        ] {
            assert!(!is_unix_server(other), "{other}");
        }
    }
}

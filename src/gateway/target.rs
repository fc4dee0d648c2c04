//! The connection to a target: reached, its host key checked, logged in.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::Names;
use russh::client::{self, AuthResult};
use russh::keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate, known_hosts};
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::{Address, HostKeys, Target};

use super::ssh::READ_BUFFER;

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
        source: std::io::Error,
    },
    /// It did not answer in time.
    #[error("target {target} did not answer within {} s", CONNECT_TIMEOUT.as_secs())]
    TimedOut { target: String },
    /// It showed a host key that is not trusted.
    #[error(
        "target {target} showed the host key {shown}, which is not the one configured: somebody may be in between; \
         if the host was reinstalled, ask the bastion's admin to update its host_key"
    )]
    WrongHostKey { target: String, shown: String },
    /// It showed a host certificate, which is not supported.
    #[error("target {target} showed a host certificate; configure its plain host key")]
    HostCertificate { target: String },
    /// It did not accept the bastion's key.
    #[error("target {target} refused the bastion's key for login {login}; add the key to its authorized_keys")]
    LoginRefused { target: String, login: String },
    /// The bastion's own key cannot be used.
    #[error("the bastion cannot use its key for target {target}: {reason}; ask its admin")]
    Identity { target: String, reason: String },
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
}

impl Connection {
    /// Connects as `login`.
    pub(super) async fn open(config: Arc<client::Config>, target: &Target, login: &str) -> Result<Self, ConnectError> {
        let opening = Self::open_unbounded(config, target, login);
        let too_late = |_| ConnectError::TimedOut {
            target: target.name.to_string(),
        };
        timeout(CONNECT_TIMEOUT, opening).await.map_err(too_late)?
    }

    async fn open_unbounded(config: Arc<client::Config>, target: &Target, login: &str) -> Result<Self, ConnectError> {
        let name = target.name.to_string();
        let identity = load_identity(target).await?;
        let socket = connect(target).await?;
        let shown = Arc::new(Mutex::new(Shown::Nothing));
        let software = Arc::new(Mutex::new(String::new()));
        let verifier = Verifier {
            trusted: trusted_keys(target).await?,
            shown: shown.clone(),
            software: software.clone(),
        };
        let connecting = client::connect_stream(config, BufReader::with_capacity(READ_BUFFER, socket), verifier);
        let mut handle = connecting.await.map_err(|error| refused_host(&name, &shown, error))?;
        log_in(&mut handle, &name, login, identity).await?;
        let host_key = match take(&shown) {
            Shown::Trusted(fingerprint) => fingerprint,
            _ => String::new(),
        };
        let software = software.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Self {
            handle,
            host_key,
            software,
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

    /// Opens a session channel.
    pub(super) async fn open_session(&self) -> Result<russh::Channel<client::Msg>, russh::Error> {
        self.handle.channel_open_session().await
    }
}

/// Windows and network gear have line editors of their own, which nothing here knows.
fn is_unix_server(identification: &str) -> bool {
    let software = identification.strip_prefix("SSH-2.0-").unwrap_or_default();
    let is_unix = software.starts_with("OpenSSH_") || software.starts_with("dropbear");
    is_unix && !software.starts_with("OpenSSH_for_Windows")
}

async fn connect(target: &Target) -> Result<TcpStream, ConnectError> {
    let Address { host, port } = &target.address;
    let unreachable = |source| ConnectError::Unreachable {
        target: target.name.to_string(),
        address: format!("{host}:{port}"),
        source,
    };
    let socket = TcpStream::connect((host.as_str(), *port)).await.map_err(unreachable)?;
    socket.set_nodelay(true).map_err(unreachable)?;
    Ok(socket)
}

async fn load_identity(target: &Target) -> Result<PrivateKey, ConnectError> {
    let path = target.identity.clone();
    let loaded = tokio::task::spawn_blocking(move || read_private_key(&path)).await;
    let failed = |reason| ConnectError::Identity {
        target: target.name.to_string(),
        reason,
    };
    loaded
        .map_err(|_| failed("reading it failed".to_owned()))?
        .map_err(failed)
}

fn read_private_key(path: &Path) -> Result<PrivateKey, String> {
    // The path stays out of what users see; the admin finds it with `opspilot check`.
    russh::keys::load_secret_key(path, None).map_err(|error| {
        tracing::error!(path = %path.display(), %error, "cannot load an identity");
        "its file cannot be read".to_owned()
    })
}

async fn trusted_keys(target: &Target) -> Result<Vec<PublicKey>, ConnectError> {
    let file = match &target.host_keys {
        HostKeys::Pinned(keys) => return Ok(keys.clone()),
        HostKeys::KnownHosts(file) => file.clone(),
    };
    let Address { host, port } = target.address.clone();
    let read = tokio::task::spawn_blocking(move || known_hosts::known_host_keys_path(&host, port, file)).await;
    match read {
        Ok(Ok(keys)) => Ok(keys.into_iter().map(|(_line, key)| key).collect()),
        _ => Err(ConnectError::Identity {
            target: target.name.to_string(),
            reason: "its known_hosts file cannot be read".to_owned(),
        }),
    }
}

async fn log_in(
    handle: &mut client::Handle<Verifier>,
    target: &str,
    login: &str,
    identity: PrivateKey,
) -> Result<(), ConnectError> {
    let protocol = |source| ConnectError::Protocol {
        target: target.to_owned(),
        source,
    };
    let hash = if identity.algorithm().is_rsa() {
        handle
            .best_supported_rsa_hash()
            .await
            .map_err(protocol)?
            .flatten()
            .or(Some(HashAlg::Sha256))
    } else {
        None
    };
    let key = PrivateKeyWithHashAlg::new(Arc::new(identity), hash);
    match handle.authenticate_publickey(login, key).await.map_err(protocol)? {
        AuthResult::Success => Ok(()),
        AuthResult::Failure { .. } => Err(ConnectError::LoginRefused {
            target: target.to_owned(),
            login: login.to_owned(),
        }),
    }
}

/// What host key the target showed, and what came of it.
#[derive(Debug, Clone)]
enum Shown {
    Nothing,
    Trusted(String),
    Untrusted(String),
    Certificate,
}

fn take(shown: &Mutex<Shown>) -> Shown {
    shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn refused_host(target: &str, shown: &Mutex<Shown>, source: russh::Error) -> ConnectError {
    let target = target.to_owned();
    match take(shown) {
        Shown::Untrusted(shown) => ConnectError::WrongHostKey { target, shown },
        Shown::Certificate => ConnectError::HostCertificate { target },
        Shown::Nothing | Shown::Trusted(_) => ConnectError::Protocol { target, source },
    }
}

/// Accepts the configured host keys and nothing else. Channels that a target would open are refused by default.
pub(super) struct Verifier {
    trusted: Vec<PublicKey>,
    // A std mutex: written once in the handshake and read after it.
    shown: Arc<Mutex<Shown>>,
    /// Its server's identification string, from RFC 4253, section 4.2. A std mutex as above.
    software: Arc<Mutex<String>>,
}

impl client::Handler for Verifier {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let verdict = match shown {
            PublicKeyOrCertificate::Certificate(_) => Shown::Certificate,
            PublicKeyOrCertificate::PublicKey { key, .. } => {
                let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
                if self.trusted.iter().any(|trusted| trusted.key_data() == key.key_data()) {
                    Shown::Trusted(fingerprint)
                } else {
                    Shown::Untrusted(fingerprint)
                }
            }
        };
        let accepted = matches!(verdict, Shown::Trusted(_));
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = verdict;
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

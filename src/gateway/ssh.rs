//! The SSH settings of both sides, in one place.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::{Algorithm, Certificate, EcdsaCurve, HashAlg, PrivateKey};
use russh::{MethodKind, MethodSet, Preferred, SshId, cipher, client, compression, kex, mac, server};

use rustix::net::sockopt;
use tokio::net::TcpStream;

use crate::config::{Algorithms, Server};

/// Channel window, bytes: larger ones slow uploads down.
const WINDOW: u32 = 2 * 1024 * 1024;
/// Failed attempts at authentication on one connection: six, and the one of `none` that every client begins with.
const MAX_AUTH_ATTEMPTS: usize = 7;
/// Keepalives without an answer before the connection counts as dead.
const KEEPALIVE_MAX: u8 = 3;

/// The settings of the side that users connect to.
pub(super) fn server_config(settings: &Server, keys: Vec<PrivateKey>) -> Arc<server::Config> {
    Arc::new(server_settings(settings, keys))
}

/// The settings of a connection inside one of a user's: who they are is known, so `none` is enough.
pub(super) fn inner_server_config(
    settings: &Server,
    keys: Vec<PrivateKey>,
    certificates: Vec<Certificate>,
) -> Arc<server::Config> {
    Arc::new(server::Config {
        methods: MethodSet::from(&[MethodKind::None][..]),
        certificates,
        ..server_settings(settings, keys)
    })
}

fn server_settings(settings: &Server, keys: Vec<PrivateKey>) -> server::Config {
    server::Config {
        server_id: SshId::Standard(Cow::Borrowed("SSH-2.0-opspilot")),
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        // A wrong secret is answered after a while by `auth`; keys that are not accepted need not wait, nor what was right.
        auth_rejection_time: Duration::ZERO,
        keys,
        window_size: WINDOW,
        preferred: for_users(settings.algorithms),
        max_auth_attempts: MAX_AUTH_ATTEMPTS,
        // The library counts the answers to its own keepalives as activity: see `idle`.
        inactivity_timeout: None,
        keepalive_interval: non_zero(settings.keepalive),
        keepalive_max: usize::from(KEEPALIVE_MAX),
        nodelay: true,
        ..server::Config::default()
    }
}

/// The settings of the side that connects to a target; host certificates are asked for only where some CA is trusted.
pub(super) fn client_config(settings: &Server, takes_certificates: bool) -> Arc<client::Config> {
    Arc::new(client::Config {
        client_id: SshId::Standard(Cow::Borrowed("SSH-2.0-opspilot")),
        window_size: WINDOW,
        preferred: Preferred {
            host_key_certificates: if takes_certificates {
                Cow::Owned(key_algorithms())
            } else {
                Cow::Borrowed(&[])
            },
            ..for_targets()
        },
        keepalive_interval: non_zero(settings.keepalive),
        keepalive_max: usize::from(KEEPALIVE_MAX),
        nodelay: true,
        ..client::Config::default()
    })
}

/// Ends a connection whose other side takes nothing for as long as keepalives would go unanswered. The SSH library sends none while
/// it waits in a write.
pub(super) fn give_up_on_the_stalled(socket: &TcpStream, settings: &Server) -> io::Result<()> {
    let patience = settings.keepalive.saturating_mul(u32::from(KEEPALIVE_MAX) + 1);
    // Zero is the kernel's own patience: as long as the other side says that it is there.
    let milliseconds = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
    Ok(sockopt::set_tcp_user_timeout(socket, milliseconds)?)
}

fn non_zero(length: Duration) -> Option<Duration> {
    (!length.is_zero()).then_some(length)
}

/// What users' clients may choose from. Neither list has what `ssh-audit` calls a failure: no SHA-1, no CBC, no NIST curves in
/// the key exchange, encrypt-then-MAC where a MAC is needed at all. The strict one has nothing that it warns of either, so no
/// key exchange that a quantum computer could break.
fn for_users(algorithms: Algorithms) -> Preferred {
    let mut kex = vec![kex::MLKEM768X25519_SHA256];
    if algorithms == Algorithms::Compatible {
        kex.extend([kex::CURVE25519, kex::CURVE25519_PRE_RFC_8731]);
    }
    kex.extend([
        kex::EXTENSION_SUPPORT_AS_SERVER,
        kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
    ]);
    preferred(kex)
}

/// What targets may choose from: older servers too, but still neither SHA-1 nor CBC.
fn for_targets() -> Preferred {
    preferred(vec![
        kex::MLKEM768X25519_SHA256,
        kex::CURVE25519,
        kex::CURVE25519_PRE_RFC_8731,
        kex::ECDH_SHA2_NISTP256,
        kex::DH_G16_SHA512,
        kex::DH_G14_SHA256,
        kex::EXTENSION_SUPPORT_AS_CLIENT,
        kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
    ])
}

/// What both sides have in common.
fn preferred(kex: Vec<kex::Name>) -> Preferred {
    Preferred {
        kex: Cow::Owned(kex),
        // Towards users, the signatures that their keys may make too; the host keys are chosen when they are loaded.
        key: Cow::Owned(key_algorithms()),
        cipher: Cow::Owned(vec![
            cipher::AES_128_GCM,
            cipher::AES_256_GCM,
            cipher::CHACHA20_POLY1305,
            cipher::AES_256_CTR,
            cipher::AES_128_CTR,
        ]),
        mac: Cow::Owned(vec![mac::HMAC_SHA512_ETM, mac::HMAC_SHA256_ETM]),
        compression: Cow::Owned(vec![compression::NONE]),
        ..Preferred::DEFAULT
    }
}

fn key_algorithms() -> Vec<Algorithm> {
    vec![
        Algorithm::Ed25519,
        Algorithm::Ecdsa {
            curve: EcdsaCurve::NistP256,
        },
        Algorithm::Ecdsa {
            curve: EcdsaCurve::NistP384,
        },
        Algorithm::Ecdsa {
            curve: EcdsaCurve::NistP521,
        },
        Algorithm::Rsa {
            hash: Some(HashAlg::Sha512),
        },
        Algorithm::Rsa {
            hash: Some(HashAlg::Sha256),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_weak_is_offered_to_users() {
        for algorithms in [Algorithms::Strict, Algorithms::Compatible] {
            let offered = for_users(algorithms);
            assert_eq!(
                offered.kex.first(),
                Some(&kex::MLKEM768X25519_SHA256),
                "post-quantum first"
            );
            assert!(offered.kex.contains(&kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER));
            let kex: Vec<&str> = offered.kex.iter().map(AsRef::as_ref).collect();
            assert!(
                !kex.iter().any(|name| name.contains("sha1") || name.contains("nistp")),
                "{kex:?}"
            );
            assert!(
                !offered.key.contains(&Algorithm::Rsa { hash: None }),
                "SHA-1 signatures"
            );
            assert!(offered.cipher.iter().all(|name| !name.as_ref().contains("cbc")));
            assert!(offered.mac.iter().all(|name| name.as_ref().contains("-etm@")));
            assert_eq!(*offered.compression, [compression::NONE]);
        }
        assert!(!for_users(Algorithms::Strict).kex.contains(&kex::CURVE25519));
    }
}

//! The SSH settings of both sides, in one place.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::{Algorithm, Certificate, EcdsaCurve, HashAlg, PrivateKey};
use russh::{MethodKind, MethodSet, Preferred, SshId, cipher, client, compression, kex, mac, server};

use crate::config::Server;

/// Size of the read buffers around sockets, bytes: a fifth of the system calls at this size.
pub(super) const READ_BUFFER: usize = 256 * 1024;
/// Channel window, bytes: larger ones slow uploads down.
const WINDOW: u32 = 2 * 1024 * 1024;
/// Failed attempts at authentication on one connection: six, and the one of `none` that every client begins with.
const MAX_AUTH_ATTEMPTS: usize = 7;
/// Keepalives without an answer before the connection counts as dead.
const KEEPALIVE_MAX: usize = 3;

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
        preferred: preferred(
            kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
            kex::EXTENSION_SUPPORT_AS_SERVER,
        ),
        max_auth_attempts: MAX_AUTH_ATTEMPTS,
        inactivity_timeout: non_zero(settings.idle_timeout),
        keepalive_interval: non_zero(settings.keepalive),
        keepalive_max: KEEPALIVE_MAX,
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
                Cow::Owned(host_key_algorithms())
            } else {
                Cow::Borrowed(&[])
            },
            ..preferred(
                kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
                kex::EXTENSION_SUPPORT_AS_CLIENT,
            )
        },
        keepalive_interval: non_zero(settings.keepalive),
        keepalive_max: KEEPALIVE_MAX,
        nodelay: true,
        ..client::Config::default()
    })
}

fn non_zero(length: Duration) -> Option<Duration> {
    (!length.is_zero()).then_some(length)
}

/// No SHA-1, no CBC, no compression; encrypt-then-MAC where a MAC is needed at all.
fn preferred(strict: kex::Name, extensions: kex::Name) -> Preferred {
    Preferred {
        kex: Cow::Owned(vec![
            kex::MLKEM768X25519_SHA256,
            kex::CURVE25519,
            kex::CURVE25519_PRE_RFC_8731,
            kex::ECDH_SHA2_NISTP256,
            extensions,
            strict,
        ]),
        key: Cow::Owned(host_key_algorithms()),
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

fn host_key_algorithms() -> Vec<Algorithm> {
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

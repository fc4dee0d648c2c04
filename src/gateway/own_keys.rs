//! The bastion's own keys, for its hosts and its two CAs: read, or made on the first start.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, PrivateKey, PublicKey};

use crate::config::{Server, is_credential};

use super::GatewayError;
use super::login::read_private_key;

/// Bits of an RSA host key at least.
const MIN_RSA_BITS: u32 = 3072;

/// The keys that stand for the bastion.
pub(super) struct OwnKeys {
    /// What it shows to users.
    pub host: Vec<PrivateKey>,
    /// The public halves of those, as they stand in SSH messages.
    pub host_blobs: Vec<Vec<u8>>,
    /// Signs host certificates for those who come by `ProxyJump`.
    pub host_ca: PrivateKey,
    /// Signs user certificates for targets.
    pub user_ca: PrivateKey,
}

impl OwnKeys {
    /// Reads those that are there, and makes the others.
    pub(super) fn load(settings: &Server) -> Result<Self, GatewayError> {
        if settings.host_keys.is_empty() {
            return Err(GatewayError::NoHostKey);
        }
        let load = |path: &PathBuf| {
            load_or_make(path).map_err(|reason| GatewayError::Key {
                path: path.clone(),
                reason,
            })
        };
        let load_host_key = |path: &PathBuf| match load(path) {
            Ok(key) if !is_strong(&key) => Err(GatewayError::Key {
                path: path.clone(),
                reason: format!(
                    "it is neither Ed25519 nor RSA with {MIN_RSA_BITS} bits; name a new file, and a key is made there"
                ),
            }),
            loaded => loaded,
        };
        let host: Vec<_> = settings.host_keys.iter().map(load_host_key).collect::<Result<_, _>>()?;
        let blobs = host.iter().filter_map(|key| key.public_key().to_bytes().ok());
        Ok(Self {
            host_blobs: blobs.collect(),
            host,
            host_ca: load(&settings.host_ca)?,
            user_ca: load(&settings.user_ca)?,
        })
    }

    /// The public halves of the host keys.
    pub(super) fn public_host_keys(&self) -> Vec<PublicKey> {
        self.host.iter().map(|key| key.public_key().clone()).collect()
    }
}

/// Whether a host key is worth as much as the key exchange that it signs: Ed25519, or RSA with 3,072 bits or more.
pub fn is_strong(key: &PrivateKey) -> bool {
    match key.public_key().key_data() {
        KeyData::Ed25519(_) => true,
        KeyData::Rsa(key) => key.key_size() >= MIN_RSA_BITS,
        _ => false,
    }
}

/// Reads a key; makes an Ed25519 key where there is no file. The error says what to do.
fn load_or_make(path: &Path) -> Result<PrivateKey, String> {
    let missing = path
        .metadata()
        .is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    // Whoever named a credential has a key already, and would look for it elsewhere.
    if missing && !is_credential(path) {
        make(path)
    } else {
        read_private_key(path)
    }
}

fn make(path: &Path) -> Result<PrivateKey, String> {
    let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).map_err(|e| e.to_string())?;
    let text = key.to_openssh(LineEnding::LF).map_err(|error| error.to_string())?;
    let line = key.public_key().to_openssh().map_err(|error| error.to_string())?;
    write_new(path, text.as_bytes(), 0o600).map_err(|error| error.to_string())?;
    // For people and `TrustedUserCAKeys`; nothing here reads it, so one that is there already may stay.
    if let Err(error) = write_new(&path.with_added_extension("pub"), format!("{line}\n").as_bytes(), 0o644) {
        tracing::warn!(path = %path.display(), %error, "cannot write the public half of a key");
    }
    tracing::info!(path = %path.display(), "made a key");
    Ok(key)
}

fn write_new(path: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

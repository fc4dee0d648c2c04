//! The key with which the record signs where its chain stands, and what is signed.

use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use russh::keys::ssh_key::{HashAlg, LineEnding, SshSig};
use russh::keys::{Algorithm, PrivateKey, PublicKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::StoreError;
use super::chain::{Head, from_hex, hex, sha256};
use super::sql::rfc3339;

/// Keeps these signatures apart from any other of the same key (`ssh-keygen -Y verify -n`).
const NAMESPACE: &str = "opspilot-head";

/// What the bastion states by signing it: how far its chain had come, and what it did then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Statement {
    /// The last event before the statement.
    pub(super) seq: i64,
    /// Its digest, in hexadecimal: it stands for all before it.
    pub(super) digest: String,
    /// When it was signed, RFC 3339.
    pub(super) signed_at: String,
    /// What else is stated; null where nothing is.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(super) body: Value,
    /// An SSH signature of all this, in PEM.
    pub(super) signature: String,
}

impl Statement {
    /// The text that is signed, which says on its own what it stands for.
    pub(super) fn text(&self, bastion_id: &str) -> String {
        let body = match &self.body {
            Value::Null => String::new(),
            body => format!("states {}\n", hex(&sha256(body.to_string().as_bytes()))),
        };
        let Self {
            seq, digest, signed_at, ..
        } = self;
        format!("opspilot head 1\nbastion {bastion_id}\nseq {seq}\ndigest {digest}\nsigned {signed_at}\n{body}")
    }

    /// Whether it is a statement about `head`.
    pub(super) fn is_about(&self, head: Head) -> bool {
        self.seq == head.seq && from_hex(&self.digest) == Some(head.digest)
    }

    /// The key that signed it; `None` where nobody did.
    pub(super) fn signer(&self, bastion_id: &str) -> Option<PublicKey> {
        signer(&self.text(bastion_id), &self.signature)
    }
}

/// The key whose signature of `text` this is; `None` where it is none.
pub(super) fn signer(text: &str, signature: &str) -> Option<PublicKey> {
    let signature = SshSig::from_pem(signature).ok()?;
    let key = PublicKey::from(signature.public_key().clone());
    key.verify(NAMESPACE, text.as_bytes(), &signature).ok()?;
    Some(key)
}

/// The record's own key: Ed25519, in a file beside the database.
pub(super) struct SigningKey(PrivateKey);

impl SigningKey {
    /// Reads the key beside the database, or makes one. The caller holds the database's lock.
    pub(super) fn open(database: &Path) -> Result<Self, StoreError> {
        let path = path(database);
        match path.metadata() {
            Ok(metadata) => read(&path, metadata.permissions().mode() & 0o777).map(Self),
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(&path).map(Self),
            Err(source) => Err(StoreError::File { path, source }),
        }
    }

    /// The key's public half.
    pub(super) fn public(&self) -> PublicKey {
        self.0.public_key().clone()
    }

    /// States that the chain stands at `head`, and `body`.
    pub(super) fn state(&self, head: Head, bastion_id: &str, body: Value) -> Result<Statement, StoreError> {
        let mut statement = Statement {
            seq: head.seq,
            digest: hex(&head.digest),
            signed_at: rfc3339(Timestamp::now()),
            body,
            signature: String::new(),
        };
        let text = statement.text(bastion_id);
        let signed = self.0.sign(NAMESPACE, HashAlg::Sha512, text.as_bytes());
        statement.signature = signed
            .and_then(|signature| signature.to_pem(LineEnding::LF))
            .map_err(StoreError::Sign)?;
        Ok(statement)
    }
}

/// The public half of the key beside the database, for who may read it; `None` where there is no key.
pub(super) fn trusted(database: &Path) -> Result<Option<PublicKey>, StoreError> {
    let path = path(database);
    match path.try_exists() {
        Ok(false) => Ok(None),
        Ok(true) => SigningKey::open(database).map(|key| Some(key.public())),
        Err(source) => Err(StoreError::File { path, source }),
    }
}

fn path(database: &Path) -> PathBuf {
    database.with_file_name("record.signing.key")
}

fn read(path: &Path, mode: u32) -> Result<PrivateKey, StoreError> {
    if mode & 0o077 != 0 {
        let path = path.to_owned();
        return Err(StoreError::KeyExposed { path, mode });
    }
    let key = russh::keys::load_secret_key(path, None).ok();
    key.filter(|key| key.algorithm() == Algorithm::Ed25519)
        .ok_or_else(|| StoreError::SigningKeyMalformed { path: path.to_owned() })
}

/// Written under another name first: a crash leaves a whole key or none.
fn make(path: &Path) -> Result<PrivateKey, StoreError> {
    let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).map_err(StoreError::Sign)?;
    let text = key.to_openssh(LineEnding::LF).map_err(StoreError::Sign)?;
    let file_error = |source| StoreError::File {
        path: path.to_owned(),
        source,
    };
    write(path, text.as_bytes()).map_err(file_error)?;
    Ok(key)
}

fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("key.new");
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::rename(&draft, path)
}

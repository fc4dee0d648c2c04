//! A signed head of the chain outside of the record: what a later record is held against.

use std::fmt;
use std::str::FromStr;

use rusqlite::OptionalExtension as _;
use russh::keys::{HashAlg, PublicKey};
use serde_json::Value;

use super::chain::{COLUMNS, Digest, StoredEvent, from_hex};
use super::signing::{self, Statement};
use super::{Reader, StoreError};

/// Where the signature begins in a file.
const SIGNATURE: &str = "-----BEGIN SSH SIGNATURE-----";

/// Why a text is no signed head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// It does not look like one.
    #[error("it is not a head that `opspilot verify --export-head` wrote")]
    Malformed,
    /// It was changed, or made up.
    #[error("its signature does not hold: it was changed after it was exported")]
    Unsigned,
}

/// A head of the chain that was signed and exported. As text: what was signed, and an SSH signature of it in PEM, so that
/// `ssh-keygen -Y verify -n opspilot-head` understands the two as well.
#[derive(Debug, Clone)]
pub struct ExportedHead {
    text: String,
    signature: String,
    pub(super) key: PublicKey,
    pub(super) bastion_id: String,
    pub(super) seq: i64,
    pub(super) digest: Digest,
}

impl ExportedHead {
    /// The number of the event that it is about.
    pub fn seq(&self) -> i64 {
        self.seq
    }

    fn new(text: String, signature: String) -> Result<Self, HeadError> {
        let field = |name: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned))
        };
        let is_head = text.starts_with("opspilot head 1\n");
        let seq = field("seq").and_then(|seq| seq.parse().ok());
        let digest = field("digest").and_then(|digest| from_hex(&digest));
        let (Some(seq), Some(digest), Some(bastion_id), true) = (seq, digest, field("bastion"), is_head) else {
            return Err(HeadError::Malformed);
        };
        Ok(Self {
            key: signing::signer(&text, &signature).ok_or(HeadError::Unsigned)?,
            text,
            signature,
            bastion_id,
            seq,
            digest,
        })
    }
}

impl FromStr for ExportedHead {
    type Err = HeadError;

    fn from_str(text: &str) -> Result<Self, HeadError> {
        let (text, signature) = text.split_at(text.find(SIGNATURE).ok_or(HeadError::Malformed)?);
        Self::new(text.to_owned(), signature.to_owned())
    }
}

impl fmt::Display for ExportedHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.text, self.signature)
    }
}

/// A key as people compare it.
pub(super) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// The newest statement whose payload is whole.
const NEWEST: &str = "WHERE kind IN ('head_signed', 'payloads_erased', 'user_forgotten') AND payload <> 'null'
    ORDER BY seq DESC LIMIT 1";

impl Reader {
    /// The newest signed head; `None` where nothing was signed yet.
    ///
    /// # Errors
    /// As [`Reader::log`].
    pub fn signed_head(&self) -> Result<Option<ExportedHead>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM events {NEWEST}");
        let event = self.connection.query_row(&sql, [], StoredEvent::read).optional()?;
        Ok(event.and_then(|event| exported(&event)))
    }
}

fn exported(event: &StoredEvent) -> Option<ExportedHead> {
    let statement: Statement = statement(event)?;
    let bastion_id = std::str::from_utf8(&event.bastion_id).ok()?;
    let text = statement.text(bastion_id);
    ExportedHead::new(text, statement.signature).ok()
}

/// The statement that an event is.
pub(super) fn statement(event: &StoredEvent) -> Option<Statement> {
    let payload: Value = serde_json::from_slice(&event.payload).ok()?;
    serde_json::from_value(payload).ok()
}

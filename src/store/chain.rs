//! The append-only truth: events, each sealed together with all before it.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};
use sha2::{Digest as _, Sha256};

use super::StoreError;
use super::change::Change;
use super::payload::Payload;
use super::sql::rfc3339;

/// A SHA-256 digest.
pub(super) type Digest = [u8; 32];

/// Keeps these digests apart from any other SHA-256 of the same bytes.
const DOMAIN: &[u8] = b"opspilot event 1";

/// The last event: what the next one is sealed onto.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) seq: i64,
    pub(super) digest: Digest,
}

/// Before the first event.
const GENESIS: Head = Head {
    seq: 0,
    digest: [0; 32],
};

/// Everything of an event that its digest covers.
struct Sealed<'a> {
    bastion_id: &'a str,
    kind: &'a str,
    session_id: Option<&'a str>,
    command_id: Option<i64>,
    at: &'a str,
    payload_digest: Digest,
}

/// The last event of the database.
pub(super) fn head(connection: &Connection) -> Result<Head, StoreError> {
    let last = connection
        .query_row("SELECT seq, digest FROM events ORDER BY seq DESC LIMIT 1", [], |row| {
            Ok(Head {
                seq: row.get(0)?,
                digest: row.get(1)?,
            })
        })
        .optional()?;
    Ok(last.unwrap_or(GENESIS))
}

/// Appends `change` behind `head` and gives the new head.
pub(super) fn append(
    connection: &Connection,
    head: Head,
    bastion_id: &str,
    change: &Change,
) -> Result<Head, StoreError> {
    let payload = Payload(change.payload()?);
    let (session_id, at) = (change.session_id().map(|id| id.to_string()), rfc3339(Timestamp::now()));
    let sealed = Sealed {
        bastion_id,
        kind: change.kind(),
        session_id: session_id.as_deref(),
        command_id: change.command_id().map(|id| id.0),
        at: &at,
        payload_digest: sha256(payload.0.as_bytes()),
    };
    let next = sealed.onto(head);
    connection
        .prepare_cached(
            "INSERT INTO events (seq, kind, session_id, command_id, at, payload, payload_digest, digest)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            next.seq,
            sealed.kind,
            sealed.session_id,
            sealed.command_id,
            sealed.at,
            payload,
            sealed.payload_digest,
            next.digest
        ])?;
    Ok(next)
}

impl Sealed<'_> {
    fn onto(&self, previous: Head) -> Head {
        let seq = previous.seq.saturating_add(1);
        let command_id = self.command_id.map(i64::to_be_bytes);
        let mut hasher = Sha256::new();
        hasher.update(DOMAIN);
        hasher.update(previous.digest);
        hasher.update(seq.to_be_bytes());
        hasher.update(self.payload_digest);
        for field in [Some(self.bastion_id), Some(self.kind), self.session_id, Some(self.at)] {
            seal_field(&mut hasher, field.map(str::as_bytes));
        }
        seal_field(&mut hasher, command_id.as_ref().map(<[u8; 8]>::as_slice));
        Head {
            seq,
            digest: hasher.finalize().into(),
        }
    }
}

/// Length first, so that no two lists of fields share their bytes; an absent field is not an empty one.
fn seal_field(hasher: &mut Sha256, field: Option<&[u8]>) {
    let length = field.map_or(u64::MAX, |bytes| bytes.len() as u64);
    hasher.update(length.to_be_bytes());
    hasher.update(field.unwrap_or_default());
}

/// What a walk over the chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChainState {
    /// Every event is the one that was written, in its place.
    Sound {
        /// Events in the chain.
        events: i64,
        /// The digest of the last, in hexadecimal: it stands for the whole record.
        head: String,
    },
    /// The chain does not hold.
    Broken {
        /// The first event that is changed, out of place, or follows one that is missing.
        seq: i64,
    },
}

/// Walks over all events, in constant memory.
pub(super) fn verify(connection: &Connection) -> Result<ChainState, StoreError> {
    let mut statement = connection.prepare(
        "SELECT seq, coalesce(bastion_id, (SELECT value FROM meta WHERE key = 'bastion_id')), kind, session_id, command_id,
             at, payload, payload_digest, digest FROM events ORDER BY seq",
    )?;
    let mut rows = statement.query([])?;
    let mut head = GENESIS;
    while let Some(row) = rows.next()? {
        let stored = Head {
            seq: row.get(0)?,
            digest: row.get(8)?,
        };
        let (bastion_id, kind, session_id): (String, String, Option<String>) = (row.get(1)?, row.get(2)?, row.get(3)?);
        let at: String = row.get(5)?;
        let Ok(Payload(payload)) = row.get(6) else {
            return Ok(ChainState::Broken { seq: stored.seq });
        };
        let payload_digest = sha256(payload.as_bytes());
        let sealed = Sealed {
            bastion_id: &bastion_id,
            kind: &kind,
            session_id: session_id.as_deref(),
            command_id: row.get(4)?,
            at: &at,
            payload_digest,
        };
        if sealed.onto(head) != stored || row.get::<_, Digest>(7)? != payload_digest {
            return Ok(ChainState::Broken { seq: stored.seq });
        }
        head = stored;
    }
    Ok(ChainState::Sound {
        events: head.seq,
        head: hex(&head.digest),
    })
}

pub(super) fn sha256(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap_or_default();
            text
        })
}

//! The append-only truth: events, each sealed together with all before it.

use jiff::Timestamp;
use rusqlite::types::{FromSql as _, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use sha2::{Digest as _, Sha256};

use super::StoreError;
use super::change::Change;
use super::payload::{Packed, Payload};
use super::sql::rfc3339;

/// A SHA-256 digest.
pub(super) type Digest = [u8; 32];

/// What stands in the place of a payload that was erased; no change has it as its payload.
pub(super) const ERASED: &[u8] = b"null";

/// Keeps these digests apart from any other SHA-256 of the same bytes.
const DOMAIN: &[u8] = b"opspilot event 1";

/// The last event: what the next one is sealed onto.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) seq: i64,
    pub(super) digest: Digest,
}

/// Before the first event.
pub(super) const GENESIS: Head = Head {
    seq: 0,
    digest: [0; 32],
};

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

/// When the last event was written, by the clock of then; `None` where there is none, or that is no time.
pub(super) fn last_at(connection: &Connection) -> Result<Option<Timestamp>, StoreError> {
    let sql = "SELECT at FROM events ORDER BY seq DESC LIMIT 1";
    let at: Option<String> = connection.query_row(sql, [], |row| row.get(0)).optional()?;
    Ok(at.and_then(|at| at.parse().ok()))
}

/// The number of the last event that is a signature; 0 where there is none.
pub(super) fn last_signed(connection: &Connection) -> Result<i64, StoreError> {
    let sql =
        "SELECT ifnull(max(seq), 0) FROM events WHERE kind IN ('head_signed', 'payloads_erased', 'user_forgotten')";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

/// Appends an event about `change` with this payload behind `head`, and gives the new head.
pub(super) fn append(
    connection: &Connection,
    head: Head,
    bastion_id: &str,
    change: &Change,
    payload: &Packed,
) -> Result<Head, StoreError> {
    let (session_id, command_id) = change.about();
    let (session_id, at) = (session_id.map(|id| id.to_string()), rfc3339(Timestamp::now()));
    let sealed = Sealed {
        bastion_id: bastion_id.as_bytes(),
        kind: change.kind().as_bytes(),
        session_id: session_id.as_deref().map(str::as_bytes),
        command_id: command_id.map(|id| id.0),
        at: at.as_bytes(),
        payload_digest: payload.digest,
    };
    let next = sealed.onto(head);
    connection
        .prepare_cached(
            "INSERT INTO events (seq, kind, session_id, command_id, at, payload, payload_digest, digest)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            next.seq,
            change.kind(),
            session_id,
            sealed.command_id,
            at,
            payload.bytes,
            sealed.payload_digest,
            next.digest
        ])?;
    Ok(next)
}

/// Everything of an event that its digest covers; bytes, since what is read may have been tampered with.
pub(super) struct Sealed<'a> {
    pub(super) bastion_id: &'a [u8],
    pub(super) kind: &'a [u8],
    pub(super) session_id: Option<&'a [u8]>,
    pub(super) command_id: Option<i64>,
    pub(super) at: &'a [u8],
    pub(super) payload_digest: Digest,
}

impl Sealed<'_> {
    /// Where the chain stands with this event behind `previous`.
    pub(super) fn onto(&self, previous: Head) -> Head {
        let seq = previous.seq.saturating_add(1);
        let command_id = self.command_id.map(i64::to_be_bytes);
        let mut hasher = Sha256::new();
        hasher.update(DOMAIN);
        hasher.update(previous.digest);
        hasher.update(seq.to_be_bytes());
        hasher.update(self.payload_digest);
        for field in [Some(self.bastion_id), Some(self.kind), self.session_id, Some(self.at)] {
            seal_field(&mut hasher, field);
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

/// An event as it stands in the database, whatever that is.
#[derive(Debug)]
pub(super) struct StoredEvent {
    pub(super) seq: i64,
    pub(super) bastion_id: Vec<u8>,
    pub(super) kind: Vec<u8>,
    pub(super) session_id: Option<Vec<u8>>,
    pub(super) command_id: Option<i64>,
    at: Vec<u8>,
    pub(super) payload: Vec<u8>,
    payload_digest: Vec<u8>,
    digest: Vec<u8>,
}

/// The columns of [`StoredEvent`], in order.
pub(super) const COLUMNS: &str =
    "seq, ifnull(bastion_id, (SELECT value FROM meta WHERE key = 'bastion_id')), kind, session_id,
    command_id, at, payload, payload_digest, digest";

/// Why an event is not the one that was written there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// Events before it are gone.
    #[error("events are missing: {0} to {1}")]
    Missing(i64, i64),
    /// Its payload is another.
    #[error("its payload was changed")]
    Payload,
    /// Something else of it is another, or it is out of place.
    #[error("it was changed, inserted or moved, or what stood before it was")]
    Seal,
}

impl StoredEvent {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let bytes = |column| Ok::<_, rusqlite::Error>(raw(row.get_ref(column)?).unwrap_or_default());
        Ok(Self {
            seq: row.get(0)?,
            bastion_id: bytes(1)?,
            kind: bytes(2)?,
            session_id: raw(row.get_ref(3)?),
            command_id: row.get(4)?,
            at: bytes(5)?,
            payload: text_of(row.get_ref(6)?),
            payload_digest: bytes(7)?,
            digest: bytes(8)?,
        })
    }

    /// Whether its payload was erased, lawfully or not.
    pub(super) fn is_erased(&self) -> bool {
        self.payload == ERASED
    }

    /// # Errors
    /// Its payload is not the one that its digest is of.
    pub(super) fn must_be_whole(&self) -> Result<(), StoreError> {
        if sha256(&self.payload).as_slice() == self.payload_digest {
            return Ok(());
        }
        let reason = "its payload was changed".to_owned();
        Err(StoreError::Unreadable { seq: self.seq, reason })
    }

    /// Its own digest; zeros where that is none.
    pub(super) fn digest(&self) -> Digest {
        Digest::try_from(self.digest.as_slice()).unwrap_or_default()
    }

    /// Where the chain stands with it, by its own account, and what is wrong with it behind `previous`.
    pub(super) fn check(&self, previous: Head) -> (Head, Option<Fault>) {
        let payload_digest = Digest::try_from(self.payload_digest.as_slice()).unwrap_or_default();
        let sealed = Sealed {
            bastion_id: &self.bastion_id,
            kind: &self.kind,
            session_id: self.session_id.as_deref(),
            command_id: self.command_id,
            at: &self.at,
            payload_digest,
        };
        let due = sealed.onto(previous);
        let stands = Head {
            seq: self.seq,
            digest: self.digest(),
        };
        (stands, self.fault(due, stands, payload_digest))
    }

    fn fault(&self, due: Head, stands: Head, payload_digest: Digest) -> Option<Fault> {
        if stands.seq != due.seq {
            Some(Fault::Missing(due.seq, stands.seq.saturating_sub(1)))
        } else if !self.is_erased() && sha256(&self.payload) != payload_digest {
            Some(Fault::Payload)
        } else {
            (stands != due).then_some(Fault::Seal)
        }
    }
}

/// What a payload says; what cannot be read is left as it is, and does not have the digest.
fn text_of(payload: ValueRef<'_>) -> Vec<u8> {
    let text = Payload::column_result(payload).map(|Payload(text)| text.into_bytes());
    text.unwrap_or_else(|_| raw(payload).unwrap_or_default())
}

fn raw(value: ValueRef<'_>) -> Option<Vec<u8>> {
    value.as_bytes_or_null().ok().flatten().map(<[u8]>::to_vec)
}

/// Shows every event in order to `visit`, with where the chain stood before it and what is wrong with it; gives the last.
/// In constant memory.
pub(super) fn walk(
    connection: &Connection,
    mut visit: impl FnMut(&StoredEvent, Head, Option<Fault>) -> Result<(), StoreError>,
) -> Result<Head, StoreError> {
    let mut statement = connection.prepare(&format!("SELECT {COLUMNS} FROM events ORDER BY seq"))?;
    let mut rows = statement.query([])?;
    let mut head = GENESIS;
    while let Some(row) = rows.next()? {
        let event = StoredEvent::read(row)?;
        let (stands, fault) = event.check(head);
        visit(&event, head, fault)?;
        head = stands;
    }
    Ok(head)
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

/// The digest that `text` spells in lower-case hexadecimal.
pub(super) fn from_hex(text: &str) -> Option<Digest> {
    let decoded = data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?;
    decoded.try_into().ok()
}

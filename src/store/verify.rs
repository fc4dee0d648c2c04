//! The record held against itself: its chain, its signatures, its tables, its recordings, and a head that was kept elsewhere.

use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension as _, Row};
use russh::keys::PublicKey;
use serde::Serialize;

use super::chain::{self, COLUMNS, Fault, Head, StoredEvent, hex};
use super::compare;
use super::erase::Erasure;
use super::head::{self, ExportedHead, fingerprint};
use super::schema::{self, Place};
use super::scratch::Scratch;
use super::signing;
use super::writer::SIGN_EVERY;
use super::{Reader, RecordingId, StoreError};
use crate::domain::{Seal, SessionId};

/// Findings that are kept; those beyond are counted.
const MAX_FINDINGS: usize = 1_000;

/// Events between two signatures beyond which some were taken out: what is committed at once may add to [`SIGN_EVERY`].
const MAX_UNSIGNED: i64 = 2 * SIGN_EVERY;

/// Events after which progress is told.
const PROGRESS_EVERY: i64 = 1_000;

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Where: an event, a row, a recording. Hostile text.
    pub place: String,
    /// What, in plain words.
    pub problem: String,
}

/// What [`Reader::verify`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Events of the chain.
    pub events: i64,
    /// The digest of the last, in hexadecimal.
    pub head: String,
    /// The last event that a signature covers; 0 where nothing is signed.
    pub signed_through: i64,
    /// The key that signed, as its fingerprint.
    pub key: Option<String>,
    /// Whether that key was known beforehand: beside the record, or by the head that was given.
    pub key_is_trusted: bool,
    /// Events whose payloads were erased lawfully.
    pub erased: i64,
    /// Recordings that were held against their digests.
    pub recordings: i64,
    /// Recordings of which no digest is known: being written, of a crash, or of an older version.
    pub recordings_without_digest: i64,
    /// What is wrong, at most 1,000; none where the record is sound.
    pub findings: Vec<Finding>,
    /// Findings beyond those.
    pub more_findings: u64,
}

impl Verified {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    fn tell(&mut self, place: impl Into<String>, problem: impl Into<String>) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Finding {
                place: place.into(),
                problem: problem.into(),
            });
        } else {
            self.more_findings += 1;
        }
    }
}

/// A recording as its file should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRecording {
    /// Its name on record.
    pub path: String,
    /// What it begins with; `None` where that is not known, so that it need only be there.
    pub seal: Option<Seal>,
    /// Whether there is nothing behind that.
    pub is_whole: bool,
}

/// Who is told how far it has come, and looks at the files that the record does not know how to find.
pub trait Examine {
    /// So many of so many events were looked at.
    fn progress(&mut self, events: i64, of: i64);

    /// Looks at the file of a recording.
    ///
    /// # Errors
    /// What is wrong with it, in plain words.
    fn recording(&mut self, recording: &SealedRecording) -> Result<(), String>;
}

impl Reader {
    /// Holds the record against itself, and against a head of it that was kept elsewhere; as it stood when this began. In
    /// constant memory, with a scratch database beside it.
    ///
    /// # Errors
    /// As [`Reader::log`]; what is wrong with the record is not an error but a finding.
    pub fn verify(&self, kept: Option<&ExportedHead>, examine: &mut dyn Examine) -> Result<Verified, StoreError> {
        let live = &self.connection;
        let _snapshot = live.unchecked_transaction()?;
        let mut examination = Examination::new(live, kept)?;
        let (events, mut seen): (i64, i64) = (live.query_row("SELECT count(*) FROM events", [], |row| row.get(0))?, 0);
        let last = chain::walk(live, |event, before, fault| {
            if seen % PROGRESS_EVERY == 0 {
                examine.progress(seen, events);
            }
            seen += 1;
            examination.event(event, before, fault)
        })?;
        examine.progress(events, events);
        let mut verified = examination.end(live, last)?;
        recordings(live, examine, &mut verified)?;
        Ok(verified)
    }
}

/// What is known while the chain is walked.
struct Examination<'a> {
    verified: Verified,
    kept: Option<&'a ExportedHead>,
    /// Whose signatures count.
    key: Option<PublicKey>,
    scratch: Scratch,
    /// A range of events that were erased lawfully: where the walk is, or before.
    lawful: (i64, i64),
    bastion_id: Option<Vec<u8>>,
    /// The last event that is a signature.
    signature: i64,
    last_command: i64,
    /// Whether the events so far are those that were written, so that tables may be recomputed from them.
    sound: bool,
}

impl<'a> Examination<'a> {
    fn new(live: &Connection, kept: Option<&'a ExportedHead>) -> Result<Self, StoreError> {
        let beside = live
            .path()
            .map(|path| signing::trusted(path.as_ref()))
            .transpose()?
            .flatten();
        let mut verified = Verified::default();
        if let (Some(kept), Some(key)) = (kept, &beside)
            && kept.key.key_data() != key.key_data()
        {
            let (theirs, ours) = (fingerprint(&kept.key), fingerprint(key));
            verified.tell(
                "the exported head",
                format!("it is signed by {theirs}, and the key beside the record is {ours}"),
            );
        }
        let key = kept.map(|kept| kept.key.clone()).or(beside);
        verified.key_is_trusted = key.is_some();
        let mut examination = Self {
            verified,
            kept,
            key,
            scratch: Scratch::new(Place::Disk)?,
            lawful: (0, 0),
            bastion_id: None,
            signature: 0,
            last_command: 0,
            sound: true,
        };
        examination.gather_erasures(live)?;
        Ok(examination)
    }

    /// Notes which payloads were erased lawfully: those that a signed erasure names.
    fn gather_erasures(&mut self, live: &Connection) -> Result<(), StoreError> {
        let scratch = self.scratch.connection();
        scratch.execute_batch("CREATE TEMP TABLE lawful (first INTEGER PRIMARY KEY, last INTEGER NOT NULL)")?;
        let mut note = scratch.prepare("INSERT OR IGNORE INTO lawful VALUES (?1, ?2)")?;
        let sql =
            format!("SELECT {COLUMNS} FROM events WHERE kind = 'payloads_erased' AND payload <> 'null' ORDER BY seq");
        let mut erasures = live.prepare(&sql)?;
        let mut erasures = erasures.query([])?;
        while let Some(row) = erasures.next()? {
            let event = StoredEvent::read(row)?;
            for (first, last) in self.signed_erasure(&event).into_iter().flat_map(ranges) {
                note.execute([first, last])?;
            }
        }
        Ok(())
    }

    fn signed_erasure(&self, event: &StoredEvent) -> Option<Erasure> {
        let statement = head::statement(event)?;
        let signer = statement.signer(std::str::from_utf8(&event.bastion_id).ok()?)?;
        let is_ours = self.key.as_ref().is_none_or(|key| key.key_data() == signer.key_data());
        is_ours.then(|| serde_json::from_value(statement.body).ok()).flatten()
    }

    fn event(&mut self, event: &StoredEvent, before: Head, fault: Option<Fault>) -> Result<(), StoreError> {
        if let Some(fault) = fault {
            self.verified.tell(place(event), fault.to_string());
            self.sound = false;
        }
        self.identity(event)?;
        self.kept_head(event);
        if event.kind == b"command_recorded" {
            self.last_command = self.last_command.max(event.command_id.unwrap_or_default());
        }
        if event.is_erased() {
            self.erased(event)?;
        } else {
            self.whole(event, before);
        }
        if is_statement(event) {
            self.signature = event.seq;
        } else if self.signature > 0 && event.seq - self.signature == MAX_UNSIGNED {
            let problem =
                format!("{MAX_UNSIGNED} events before it are not signed: signatures were taken out, or events put in");
            self.verified.tell(place(event), problem);
        }
        Ok(())
    }

    /// All events are of one bastion.
    fn identity(&mut self, event: &StoredEvent) -> Result<(), StoreError> {
        if let Some(first) = &self.bastion_id {
            if *first != event.bastion_id {
                self.verified
                    .tell(place(event), "it is of another bastion than the first event");
            }
            return Ok(());
        }
        self.bastion_id = Some(event.bastion_id.clone());
        let id = String::from_utf8_lossy(&event.bastion_id).into_owned();
        if let Some(kept) = self.kept.filter(|kept| kept.bastion_id != id) {
            let problem = format!("it is of bastion {}, and this is the record of {id}", kept.bastion_id);
            self.verified.tell("the exported head", problem);
        }
        self.scratch.identify(&id)
    }

    fn kept_head(&mut self, event: &StoredEvent) {
        if let Some(kept) = self.kept.filter(|kept| kept.seq == event.seq)
            && event.digest() != kept.digest
        {
            let problem = "it is another than when the head was exported: the record was rewritten up to here";
            self.verified.tell(place(event), problem);
        }
    }

    fn erased(&mut self, event: &StoredEvent) -> Result<(), StoreError> {
        if event.seq > self.lawful.1 {
            self.lawful = self
                .scratch
                .connection()
                .prepare_cached("SELECT first, last FROM lawful WHERE first <= ?1 ORDER BY first DESC LIMIT 1")?
                .query_row([event.seq], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?
                .unwrap_or_default();
        }
        if event.seq <= self.lawful.1 {
            self.verified.erased += 1;
        } else {
            self.verified
                .tell(place(event), "its payload was erased, and no signed erasure says so");
        }
        Ok(())
    }

    fn whole(&mut self, event: &StoredEvent, before: Head) {
        if is_statement(event) {
            self.statement(event, before);
        }
        if self.sound
            && let Err(error) = self.scratch.apply(event)
        {
            self.verified.tell(place(event), error.to_string());
        }
    }

    fn statement(&mut self, event: &StoredEvent, before: Head) {
        let problem = match head::statement(event) {
            Some(statement) if !statement.is_about(before) => {
                "it signs something else than the events before it".to_owned()
            }
            Some(statement) => match statement.signer(&String::from_utf8_lossy(&event.bastion_id)) {
                Some(key) => return self.signed(event, before, &key),
                None => "its signature does not hold".to_owned(),
            },
            None => "it is no signature".to_owned(),
        };
        self.verified.tell(place(event), problem);
    }

    fn signed(&mut self, event: &StoredEvent, before: Head, by: &PublicKey) {
        let key = self.key.get_or_insert_with(|| by.clone());
        if key.key_data() == by.key_data() {
            self.verified.signed_through = before.seq;
        } else {
            let problem = format!("it is signed by {}, and not by {}", fingerprint(by), fingerprint(key));
            self.verified.tell(place(event), problem);
        }
    }

    /// Judges the whole.
    fn end(mut self, live: &Connection, last: Head) -> Result<Verified, StoreError> {
        (self.verified.events, self.verified.head) = (last.seq, hex(&last.digest));
        if last.seq > 0 && self.signature == 0 {
            self.verified.tell(
                "the chain",
                "nothing in it is signed: signatures were taken out, or all of it was made anew",
            );
        }
        if let Some(kept) = self.kept.filter(|kept| kept.seq > last.seq) {
            let problem = format!(
                "its end was cut off: the exported head is of event {}, and the last is {}",
                kept.seq, last.seq
            );
            self.verified.tell("the chain", problem);
        }
        self.verified.key = self.key.as_ref().map(fingerprint);
        if self.bastion_id.is_none() {
            // There is nothing yet that could be of another.
            self.scratch.identify(&schema::identity(live)?.unwrap_or_default())?;
        }
        let verified = &mut self.verified;
        let numbers = schema::last_command_id(live)?;
        if numbers != self.last_command {
            let problem = format!(
                "the last command's number is {}, and {numbers} is noted",
                self.last_command
            );
            verified.tell("sqlite_sequence", problem);
        }
        let stray =
            "SELECT name FROM sqlite_sequence WHERE name NOT IN (SELECT name FROM sqlite_schema WHERE type = 'table')";
        if live.prepare(stray)?.exists([])? {
            verified.tell("sqlite_sequence", "it has a row for a table that is not there");
        }
        let mut tell = |(place, problem): (String, String)| verified.tell(place, problem);
        compare::integrity(live, &mut tell)?;
        compare::cursors(live, last.seq, &mut tell)?;
        if self.sound {
            compare::compare(live, self.scratch.connection(), &mut tell)?;
        } else {
            tell((
                "the tables".to_owned(),
                "not compared: what they should hold is not known while the chain is broken".to_owned(),
            ));
        }
        Ok(self.verified)
    }
}

fn is_statement(event: &StoredEvent) -> bool {
    matches!(
        event.kind.as_slice(),
        b"head_signed" | b"payloads_erased" | b"user_forgotten"
    )
}

fn ranges(erasure: Erasure) -> impl Iterator<Item = (i64, i64)> {
    erasure.events.into_iter().chain(erasure.taken_over)
}

fn place(event: &StoredEvent) -> String {
    let kind = String::from_utf8_lossy(&event.kind);
    match event.command_id {
        Some(id) => format!("event {} ({kind} of command {id})", event.seq),
        None => format!("event {} ({kind})", event.seq),
    }
}

impl Reader {
    /// Whether the file of the recording with this name is kept.
    ///
    /// # Errors
    /// As [`Reader::log`].
    pub fn keeps_recording(&self, path: &str) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM recordings WHERE path = ?1 AND removed_at IS NULL)";
        Ok(self.connection.query_row(sql, [path], |row| row.get(0))?)
    }

    /// Recordings that a crash cut and that are not sealed to their ends.
    ///
    /// # Errors
    /// As [`Reader::log`].
    pub fn cut_recordings(&self) -> Result<Vec<(RecordingId, SealedRecording)>, StoreError> {
        let sql = format!("{KEPT} AND state = 'cut' AND bytes IS NULL");
        let mut statement = self.connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        let mut cut = Vec::new();
        while let Some(row) = rows.next()? {
            let session_id: String = row.get(0)?;
            let session_id = session_id.parse().map(SessionId).map_err(|_| StoreError::Corrupt)?;
            let channel = row.get(1)?;
            cut.extend(sealed(row).map(|recording| (RecordingId { session_id, channel }, recording)));
        }
        Ok(cut)
    }
}

/// Recordings whose files are kept, for [`sealed`].
const KEPT: &str =
    "SELECT session_id, channel, path, sealed_bytes, sha256, bytes FROM recordings WHERE removed_at IS NULL";

/// Has every file looked at that is still kept. One that could not be made holds nothing.
fn recordings(live: &Connection, examine: &mut dyn Examine, verified: &mut Verified) -> Result<(), StoreError> {
    let mut statement = live.prepare(&format!("{KEPT} AND bytes IS NOT 0 ORDER BY session_id, channel"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        // What cannot be read was told where the tables were compared.
        let Some(recording) = sealed(row) else {
            continue;
        };
        let known = if recording.seal.is_some() {
            &mut verified.recordings
        } else {
            &mut verified.recordings_without_digest
        };
        *known += 1;
        if let Err(problem) = examine.recording(&recording) {
            verified.tell(format!("recording {}", recording.path), problem);
        }
    }
    Ok(())
}

fn sealed(row: &Row<'_>) -> Option<SealedRecording> {
    let (sealed_bytes, sha256): (Option<i64>, Option<String>) = (cell(row, 3)?, cell(row, 4)?);
    let bytes: Option<i64> = cell(row, 5)?;
    Some(SealedRecording {
        path: cell(row, 2)?,
        is_whole: sealed_bytes.is_some() && sealed_bytes == bytes,
        seal: sealed_bytes.zip(sha256).map(|(bytes, sha256)| Seal {
            bytes: bytes.unsigned_abs(),
            sha256,
        }),
    })
}

fn cell<T: FromSql>(row: &Row<'_>, column: usize) -> Option<T> {
    row.get(column).ok()
}

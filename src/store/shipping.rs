//! The events as a queue to be sent elsewhere, and how far each place has been served.

use std::ops::ControlFlow;

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::chain::{self, ERASED, hex};
use super::payload::Payload;
use super::sql::rfc3339;
use super::{Reader, StoreError, question};
use crate::domain::Name;

/// An event as it is sent: as stored, and whom it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Its place in the chain, from 1.
    pub seq: i64,
    /// Of which bastion.
    pub bastion_id: String,
    /// What happened.
    pub kind: String,
    /// When it was written, RFC 3339.
    pub at: String,
    /// The session that it is about, also of a command.
    pub session_id: Option<String>,
    /// The number of the command that it is about.
    pub command_id: Option<i64>,
    /// The UUID of that command.
    pub uid: Option<String>,
    /// The user whom it is about.
    pub user_id: Option<String>,
    /// The target.
    pub target: Option<String>,
    /// What was asked of the record, as JSON; `None` where it is longer than was asked for, or was removed.
    pub payload: Option<String>,
    /// Bytes of the payload; 0 where it was removed.
    pub payload_length: u64,
    /// Its digest, in hexadecimal.
    pub digest: String,
}

/// How many events are taken at once.
#[derive(Debug, Clone, Copy)]
pub struct Batch {
    /// Events at most.
    pub events: u32,
    /// Bytes of payload from which no more are taken.
    pub bytes: usize,
    /// Bytes of one payload at most; a longer one is left out.
    pub payload: u32,
}

/// What a place has.
pub(super) struct Mark {
    pub(super) place: Name,
    pub(super) seq: i64,
}

impl Mark {
    pub(super) fn keep(&self, connection: &Connection) -> Result<(), StoreError> {
        connection
            .prepare_cached(
                "INSERT INTO shipping_cursors (place, seq, at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (place) DO UPDATE SET seq = excluded.seq, at = excluded.at WHERE excluded.seq > seq",
            )?
            .execute(params![self.place.as_str(), self.seq, rfc3339(Timestamp::now())])?;
        Ok(())
    }
}

impl Reader {
    /// The events behind the event `seq`, in order; as many as `batch` says, and one at least where there is one.
    ///
    /// # Errors
    /// As [`Reader::log`].
    pub fn events_after(&self, seq: i64, batch: Batch) -> Result<Vec<Outgoing>, StoreError> {
        let (mut events, mut bytes) = (Vec::new(), 0);
        self.rows_until(question::EVENTS_AFTER, (seq, batch.events), |row| {
            let event = outgoing(row, batch.payload)?;
            bytes += event.payload.as_ref().map_or(0, String::len);
            events.push(event);
            let is_full = bytes >= batch.bytes;
            Ok(if is_full {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
        Ok(events)
    }

    /// The number of the last event; 0 before the first.
    ///
    /// # Errors
    /// As [`Reader::log`].
    pub fn last_event(&self) -> Result<i64, StoreError> {
        Ok(chain::head(&self.connection)?.seq)
    }

    /// The place among these that is least far, and up to which event it has everything; 0 where it was never served.
    pub(super) fn shipped_to_all(&self, places: &[Name]) -> Result<Option<(Name, i64)>, StoreError> {
        let mut least: Option<(Name, i64)> = None;
        for place in places {
            let seq = self.shipped_to(place)?.unwrap_or_default();
            if least.as_ref().is_none_or(|(_, other)| seq < *other) {
                least = Some((place.clone(), seq));
            }
        }
        Ok(least)
    }

    /// How far a place has been served; `None` where it never was.
    ///
    /// # Errors
    /// As [`Reader::log`].
    pub fn shipped_to(&self, place: &Name) -> Result<Option<i64>, StoreError> {
        Ok(self
            .rows(question::SHIPPED_TO, [place.as_str()], |row| row.get(0))?
            .pop())
    }
}

fn outgoing(row: &Row<'_>, longest: u32) -> rusqlite::Result<Outgoing> {
    let Payload(payload) = row.get("payload")?;
    let payload = (payload.as_bytes() != ERASED).then_some(payload);
    let payload_length = payload.as_ref().map_or(0, |payload| payload.len() as u64);
    Ok(Outgoing {
        seq: row.get("seq")?,
        bastion_id: row.get("bastion_id")?,
        kind: row.get("kind")?,
        at: row.get("at")?,
        session_id: row.get("session_id")?,
        command_id: row.get("command_id")?,
        uid: row.get("uid")?,
        user_id: row.get("user_id")?,
        target: row.get("target")?,
        payload: payload.filter(|_| payload_length <= u64::from(longest)),
        payload_length,
        digest: hex(&row.get::<_, [u8; 32]>("digest")?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixtures::{Fixture, name};

    const ALL: Batch = Batch {
        events: 100,
        bytes: 1 << 20,
        payload: 1 << 20,
    };

    fn marked(fixture: &Fixture, place: &str, seq: i64) {
        let (store, place) = (fixture.store.clone(), name(place));
        let marking = std::thread::spawn(move || store.mark_shipped(&place, seq));
        marking.join().unwrap().unwrap();
    }

    #[tokio::test]
    async fn every_event_says_whom_it_is_about() {
        let fixture = Fixture::new().await;
        let id = fixture.eventful("rm -rf ./build").await;
        let events = fixture.store.reader().unwrap().events_after(0, ALL).unwrap();

        let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
        assert_eq!(
            kinds,
            [
                "session_began",
                "head_signed",
                "command_recorded",
                "command_resolved",
                "command_finished",
                "command_amended"
            ]
        );
        assert_eq!(
            events.iter().map(|event| event.seq).collect::<Vec<_>>(),
            [1, 2, 3, 4, 5, 6]
        );
        let session = Some(fixture.session.to_string());
        let (of_nobody, of_alice): (Vec<_>, Vec<_>) = events.iter().partition(|event| event.kind == "head_signed");
        assert!(of_nobody.iter().all(|event| event.user_id.is_none()));
        assert!(of_alice.iter().all(|event| event.session_id == session));
        assert!(of_alice.iter().all(|event| event.user_id.as_deref() == Some("alice")));
        assert!(of_alice.iter().all(|event| event.target.as_deref() == Some("web-1")));
        assert!(
            of_alice[1..]
                .iter()
                .all(|event| event.command_id == Some(id.0) && event.uid.is_some())
        );
    }

    #[tokio::test]
    async fn a_batch_is_bounded_by_events_and_by_bytes_and_is_never_empty_before_the_end() {
        let fixture = Fixture::new().await;
        fixture.eventful("one").await;
        let reader = fixture.store.reader().unwrap();
        let seqs = |after, batch| -> Vec<i64> {
            let events = reader.events_after(after, batch).unwrap();
            events.iter().map(|event| event.seq).collect()
        };
        assert_eq!(seqs(1, Batch { events: 2, ..ALL }), [2, 3]);
        assert_eq!(seqs(1, Batch { bytes: 1, ..ALL }), [2]);
        assert_eq!(seqs(6, ALL), [0_i64; 0]);
        assert_eq!(reader.last_event().unwrap(), 6);
    }

    #[tokio::test]
    async fn a_payload_that_is_too_long_is_left_out_and_its_length_told() {
        let fixture = Fixture::new().await;
        let id = fixture.store.record(fixture.running(&"x".repeat(5000))).await.unwrap();
        let events = fixture
            .store
            .reader()
            .unwrap()
            .events_after(2, Batch { payload: 4000, ..ALL })
            .unwrap();
        assert_eq!((events[0].command_id, &events[0].payload), (Some(id.0), &None));
        assert!(events[0].payload_length > 5000);
    }

    #[tokio::test]
    async fn a_payload_that_was_removed_is_none() {
        let fixture = Fixture::new().await;
        let removed = "INSERT INTO events (seq, bastion_id, kind, at, payload, payload_digest, digest)
            VALUES (3, 'b', 'command_recorded', '', 'null', zeroblob(32), zeroblob(32))";
        let database = Connection::open(fixture.path()).unwrap();
        database.execute(removed, []).unwrap();
        let events = fixture.store.reader().unwrap().events_after(2, ALL).unwrap();
        assert_eq!((&events[0].payload, events[0].payload_length), (&None, 0));
    }

    #[tokio::test]
    async fn a_mark_stays_never_goes_back_and_is_no_event() {
        let fixture = Fixture::new().await;
        let reader = fixture.store.reader().unwrap();
        let place = name("siem");
        assert_eq!(reader.shipped_to(&place).unwrap(), None);
        for (seq, kept) in [(7, 7), (5, 7), (9, 9)] {
            marked(&fixture, "siem", seq);
            assert_eq!(reader.shipped_to(&place).unwrap(), Some(kept));
        }
        marked(&fixture, "file", 0);
        assert_eq!(reader.shipped_to(&name("file")).unwrap(), Some(0));
        assert_eq!(reader.shipped_to(&place).unwrap(), Some(9));
        assert_eq!(reader.last_event().unwrap(), 2, "the session and its signature alone");
    }
}

//! The way to a place: opened, written to, and settled, which is to know that everything was taken.

mod datagram;
mod file;
mod stream;

use std::io::{self, Write as _};
use std::time::Duration;

use crate::config::{Ship, ShipTo, Syslog, Transport};
use crate::store::Outgoing;

use super::error::ShipError;
use super::event;
use super::syslog::{Header, frame, severity};
use datagram::Datagrams;
use file::EventFile;
use stream::Stream;

/// What a stream has not been seen to take may not grow beyond this: it would be sent again. 16 MiB.
const MAX_UNSETTLED: usize = 16 << 20;

/// One way to one place.
pub(super) enum Link {
    Stdout,
    File(EventFile),
    Stream(Stream),
    Datagrams(Datagrams),
}

/// What is about to be sent.
pub(super) enum Parcel {
    /// Bytes of a stream.
    Bytes(Vec<u8>),
    /// Messages by themselves.
    Messages(Vec<Message>),
}

/// A message that is taken as a whole or not at all.
pub(super) struct Message {
    whole: String,
    /// What is sent where the whole is too long.
    bare: Option<String>,
}

impl Parcel {
    /// Bytes.
    pub(super) fn length(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Messages(messages) => messages.iter().map(|message| message.whole.len()).sum(),
        }
    }
}

/// Bytes of a line that every receiver of messages should take (RFC 5424, 6.1).
const SHORT: usize = 2048;

/// One line about an event.
pub(super) struct Entry {
    pub(super) at: String,
    pub(super) kind: String,
    pub(super) line: String,
    /// The line without the payload; `None` where it is short with it.
    pub(super) bare: Option<String>,
}

impl Entry {
    pub(super) fn of(event: &Outgoing) -> Result<Self, ShipError> {
        let line = event::line(event).map_err(crate::store::StoreError::from)?;
        let bare = (line.len() > SHORT).then(|| event::bare(event)).transpose();
        Ok(Self {
            at: event.at.clone(),
            kind: event.kind.clone(),
            line,
            bare: bare.map_err(crate::store::StoreError::from)?,
        })
    }
}

impl Link {
    pub(super) fn open(ship: &Ship) -> Result<Self, ShipError> {
        match &ship.to {
            ShipTo::Stdout => Ok(Self::Stdout),
            ShipTo::File(path) => EventFile::open(path).map(Self::File),
            ShipTo::Syslog(Syslog { transport, .. }) => match transport {
                Transport::Tcp(address) => Stream::tcp(address, ship.timeout).map(Self::Stream),
                Transport::Tls(tls) => Stream::tls(tls, ship.timeout).map(Self::Stream),
                Transport::Unix(path) => match Stream::unix(path, ship.timeout)? {
                    Some(stream) => Ok(Self::Stream(stream)),
                    None => Datagrams::open(path, ship.timeout).map(Self::Datagrams),
                },
            },
        }
    }

    /// The form that entries take on this way.
    pub(super) fn pack(&self, ship: &Ship, header: Option<&Header>, entries: &[Entry]) -> Parcel {
        let (ShipTo::Syslog(Syslog { framing, .. }), Some(header)) = (&ship.to, header) else {
            return Parcel::Bytes(
                entries
                    .iter()
                    .flat_map(|entry| [entry.line.as_str(), "\n"])
                    .collect::<String>()
                    .into(),
            );
        };
        let message = |entry: &Entry, text: &str| {
            header.message(severity(&entry.kind, &entry.line), &entry.at, &entry.kind, text)
        };
        if matches!(self, Self::Datagrams(_)) {
            let messages = entries.iter().map(|entry| Message {
                whole: message(entry, &entry.line),
                bare: entry.bare.as_deref().map(|bare| message(entry, bare)),
            });
            return Parcel::Messages(messages.collect());
        }
        let mut stream = Vec::new();
        for entry in entries {
            frame(*framing, &message(entry, &entry.line), &mut stream);
        }
        Parcel::Bytes(stream)
    }

    /// Sends all of it. Blocks for as long as the other side takes some of it now and then.
    pub(super) fn send(&mut self, parcel: &Parcel) -> Result<(), ShipError> {
        match (self, parcel) {
            (Self::Datagrams(datagrams), Parcel::Messages(messages)) => datagrams.send(messages),
            (_, Parcel::Messages(_)) => Err(io::Error::other("messages on a stream").into()),
            (Self::Datagrams(_), Parcel::Bytes(_)) => Err(io::Error::other("a stream of datagrams").into()),
            (Self::Stdout, Parcel::Bytes(bytes)) => {
                let mut stdout = io::stdout().lock();
                stdout
                    .write_all(bytes)
                    .and_then(|()| stdout.flush())
                    .map_err(ShipError::from)
            }
            (Self::File(file), Parcel::Bytes(bytes)) => file.append(bytes),
            (Self::Stream(stream), Parcel::Bytes(bytes)) => stream.send(bytes),
        }
    }

    /// Fails where the other side is known to be gone.
    pub(super) fn check(&self) -> Result<(), ShipError> {
        match self {
            Self::Stream(stream) => stream.check(),
            Self::Stdout | Self::File(_) | Self::Datagrams(_) => Ok(()),
        }
    }

    /// Whether what was sent should be settled: after so many bytes, and so long after the first of them.
    pub(super) fn is_due(&self, unsettled: usize, since: Duration) -> bool {
        let patience = match self {
            // A connection is closed to settle it.
            Self::Stream(_) => Duration::from_secs(30),
            Self::Stdout | Self::File(_) | Self::Datagrams(_) => Duration::from_secs(1),
        };
        unsettled >= MAX_UNSETTLED || since >= patience
    }

    /// Makes sure that everything was taken. A stream is at its end then: the way back is `None`.
    pub(super) fn settle(self) -> Result<Option<Self>, ShipError> {
        match self {
            Self::Stream(stream) => stream.settle().map(|()| None),
            Self::File(file) => {
                file.sync()?;
                Ok(Some(Self::File(file)))
            }
            // What the system took is all that can be known.
            Self::Stdout | Self::Datagrams(_) => Ok(Some(self)),
        }
    }
}

//! A stream cut into packets, whose bulk is never gathered.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::fault::{Fault, Side};
use super::wire::{Fields, kind};

/// The longest packet, bytes after its length: 256 KiB, as OpenSSH has it, and some room.
pub(super) const MAX_PACKET: u32 = 256 * 1024 + 1024;

/// The longest handle, bytes.
pub(super) const MAX_HANDLE: usize = 256;

/// The length of a packet, as it stands before it.
const LENGTH: usize = 4;
/// Length, type and number.
const HEAD: usize = LENGTH + 1 + 4;

/// Cuts what one side sends.
pub(super) struct Frames {
    side: Side,
    /// The beginning of a packet whose rest has not come.
    gathered: BytesMut,
    /// What is to come of the data of the last packet.
    data_left: usize,
}

/// A part of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) bytes: Bytes,
    /// Where it stands in what came last; `None` where some of it had come before.
    pub(super) place: Option<Range<usize>>,
}

/// What a stream is cut into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    /// A packet: whole, but for one that carries the data of a file all that stands before the data.
    Packet(Piece),
    /// Data of the last packet.
    Data(Piece),
}

impl Frames {
    /// Cuts what `side` sends.
    pub(super) fn of(side: Side) -> Self {
        Self {
            side,
            gathered: BytesMut::new(),
            data_left: 0,
        }
    }

    /// Whether a packet has been begun that is let through before its end.
    pub(super) fn is_amid_data(&self) -> bool {
        self.data_left > 0
    }

    /// The next part of what came, from `at` on, which moves behind it; `None` when all has been looked at.
    pub(super) fn next(&mut self, came: &Bytes, at: &mut usize) -> Result<Option<Frame>, Fault> {
        let rest = came.get(*at..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        if self.data_left > 0 {
            let length = rest.len().min(self.data_left);
            self.data_left -= length;
            return Ok(Some(Frame::Data(cut(came, at, length))));
        }
        if !self.gathered.is_empty() {
            return self.gather(came, at);
        }
        let wanted = self.wanted(rest)?;
        if rest.len() < wanted {
            self.gathered.extend_from_slice(rest);
            *at = came.len();
            return Ok(None);
        }
        let piece = cut(came, at, wanted);
        self.packet(piece).map(Some)
    }

    /// Adds to a packet whose beginning came before.
    fn gather(&mut self, came: &Bytes, at: &mut usize) -> Result<Option<Frame>, Fault> {
        loop {
            let wanted = self.wanted(&self.gathered)?;
            let missing = wanted.saturating_sub(self.gathered.len());
            if missing == 0 {
                let bytes = self.gathered.split().freeze();
                return self.packet(Piece { bytes, place: None }).map(Some);
            }
            let rest = came.get(*at..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(None);
            }
            let (more, _) = rest.split_at(missing.min(rest.len()));
            self.gathered.extend_from_slice(more);
            *at += more.len();
        }
    }

    /// How long what begins like this has to be before it can be looked at: more than there is while that is not known.
    fn wanted(&self, begun: &[u8]) -> Result<usize, Fault> {
        let mut fields = Fields(begun);
        let Some(length) = fields.number() else {
            return Ok(LENGTH);
        };
        if !(5..=MAX_PACKET).contains(&length) {
            return Err(Fault::Length(self.side, length));
        }
        let Some(kind) = fields.byte() else {
            return Ok(LENGTH + 1);
        };
        let whole = LENGTH + length as usize;
        let before_data = match (self.side, kind) {
            (Side::Client, kind::WRITE) => {
                let Some(handle) = fields.number().and_then(|_id| fields.number()) else {
                    return self.within(HEAD + 4, whole, kind);
                };
                let handle = handle as usize;
                if handle > MAX_HANDLE {
                    return Err(Fault::Malformed(self.side, kind));
                }
                HEAD + 4 + handle + 8 + 4
            }
            (Side::Target, kind::DATA) => HEAD + 4,
            _ => whole,
        };
        self.within(before_data, whole, kind)
    }

    fn within(&self, wanted: usize, whole: usize, kind: u8) -> Result<usize, Fault> {
        (wanted <= whole)
            .then_some(wanted)
            .ok_or(Fault::Malformed(self.side, kind))
    }

    fn packet(&mut self, piece: Piece) -> Result<Frame, Fault> {
        let mut fields = Fields(&piece.bytes);
        let length = fields.number().map_or(0, |length| LENGTH + length as usize);
        let kind = fields.byte().unwrap_or_default();
        self.data_left = length.saturating_sub(piece.bytes.len());
        if self.data_left > 0
            || matches!(
                (self.side, kind),
                (Side::Client, kind::WRITE) | (Side::Target, kind::DATA)
            )
        {
            let told = piece.bytes.last_chunk().map(|told| u32::from_be_bytes(*told) as usize);
            if told != Some(self.data_left) {
                return Err(Fault::Malformed(self.side, kind));
            }
        }
        Ok(Frame::Packet(piece))
    }
}

fn cut(came: &Bytes, at: &mut usize, length: usize) -> Piece {
    let place = *at..*at + length;
    *at += length;
    Piece {
        bytes: came.slice(place.clone()),
        place: Some(place),
    }
}

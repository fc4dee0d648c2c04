//! JSON as it lies in the database where nobody asks for a part of it: compressed against what all of it has in common.
//!
//! Events and whole snapshots repeat the same keys thousands of times and are too short to be compressed one by one. So
//! they share a dictionary, which is a part of the format: a changed one is another format, and needs another first byte.
//! What stood in the database as text before that stays text, and is read the same way. Digests are over the text.

use std::cell::RefCell;
use std::io;
use std::sync::LazyLock;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};

use super::chain::{Digest, sha256};

/// The first byte of what is compressed against [`DICTIONARY`].
const FORMAT: u8 = 1;

/// Trained by `zstd --train` over invented payloads, so that nothing of any installation is in it. Never changed.
const DICTIONARY: &[u8] = include_bytes!("payload.dict");

/// What every frame of zstd begins with (RFC 8878); not worth four bytes of each.
const MAGIC: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();

/// Nine tenths of what the best level saves, at a third of its time.
const LEVEL: i32 = 6;

/// Bytes of one text at most; a longer one in the database was not written by this program.
const MAX_TEXT: u64 = 256 << 20;

static ENCODER: LazyLock<EncoderDictionary<'static>> = LazyLock::new(|| EncoderDictionary::copy(DICTIONARY, LEVEL));
static DECODER: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(DICTIONARY));

thread_local! {
    // Made once a thread: making one takes longer than to compress a payload.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// A text of JSON that is stored compressed, and may be stored as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Payload(pub(super) String);

impl ToSql for Payload {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Packed::of(&self.0).map(|packed| ToSqlOutput::from(packed.bytes))
    }
}

impl FromSql for Payload {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Blob(packed) => unpack(packed).map_err(FromSqlError::other),
            text => text.as_str().map(str::to_owned),
        }
        .map(Self)
    }
}

/// A payload as it is stored, with the digest of its text.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) bytes: Vec<u8>,
    pub(super) digest: Digest,
}

impl Packed {
    pub(super) fn of(text: &str) -> rusqlite::Result<Self> {
        let bytes = pack(text).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        let digest = sha256(text.as_bytes());
        Ok(Self { bytes, digest })
    }
}

fn pack(text: &str) -> io::Result<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|slot| {
        let compressor = match slot {
            Some(compressor) => compressor,
            None => slot.insert(Compressor::with_prepared_dictionary(&ENCODER)?),
        };
        let frame = compressor.compress(text.as_bytes())?;
        let body = frame.strip_prefix(&MAGIC).ok_or(io::ErrorKind::InvalidData)?;
        Ok([&[FORMAT], body].concat())
    })
}

fn unpack(packed: &[u8]) -> io::Result<String> {
    let body = packed.strip_prefix(&[FORMAT]).ok_or(io::ErrorKind::InvalidData)?;
    let frame = [&MAGIC, body].concat();
    let length = zstd::zstd_safe::get_frame_content_size(&frame).ok().flatten();
    let length = length
        .filter(|length| *length <= MAX_TEXT)
        .ok_or(io::ErrorKind::InvalidData)?;
    let bytes = DECOMPRESSOR.with_borrow_mut(|slot| {
        let decompressor = match slot {
            Some(decompressor) => decompressor,
            None => slot.insert(Decompressor::with_prepared_dictionary(&DECODER)?),
        };
        decompressor.decompress(&frame, usize::try_from(length).map_err(io::Error::other)?)
    })?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_comes_back_as_it_was() {
        for text in [
            "",
            "{}",
            "\0\u{1b}[2J 日本",
            &"x".repeat(1 << 20),
            &"{\"uid\":".repeat(9),
        ] {
            let packed = pack(text).unwrap();
            assert_eq!(unpack(&packed).unwrap(), text);
        }
    }

    #[test]
    fn the_dictionary_is_the_one_that_old_records_were_written_with() {
        let digest = super::super::chain::hex(&sha256(DICTIONARY));
        assert_eq!(
            digest,
            "7f492c8bc3c429a5391cf3881bd0479a345bdaea5a92c7070b0679db5ed2abe5"
        );
    }

    #[test]
    fn damage_is_an_error_and_takes_no_memory() {
        let packed = pack("{\"uid\":\"1\",\"session_id\":\"2\"}").unwrap();
        let vast = [&[FORMAT, 0xe0][..], &[0xff; 7], &[0x0f]].concat();
        for damaged in [
            &packed[..packed.len() - 1],
            &packed[1..],
            &[],
            &[FORMAT],
            &[9, 9, 9],
            &vast,
        ] {
            assert!(unpack(damaged).is_err(), "{damaged:?}");
        }
    }
}

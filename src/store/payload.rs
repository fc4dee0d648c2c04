//! JSON as it lies in the database where nobody asks for a part of it: compressed against what all of it has in common.
//!
//! Events and whole snapshots repeat the same keys thousands of times and are too short to be compressed one by one. So
//! they share a dictionary, which is a part of the format: a changed one is another format, and needs another first byte.
//! What stood in the database as text before that stays text, and is read the same way. Digests are over the text.

use std::io;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

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

static COMPRESSORS: Idle<Compressor<'static>> = Idle::new();
static DECOMPRESSORS: Idle<Decompressor<'static>> = Idle::new();

/// What nobody uses at the moment. Making one takes longer than to compress a payload; but each keeps 2 MiB once it has met a
/// long one, so that every thread of a runtime cannot have its own.
struct Idle<T>(Mutex<Vec<T>>);

impl<T> Idle<T> {
    /// So many are kept: more at once than processors are an exception.
    const KEPT: usize = 4;

    const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Works with one that is there, or else with one that is made. One that has failed is not used again.
    fn with<R>(&self, make: impl Fn() -> io::Result<T>, work: impl FnOnce(&mut T) -> io::Result<R>) -> io::Result<R> {
        let idle = self.lock().pop();
        let mut used = idle.map_or_else(make, Ok)?;
        let done = work(&mut used)?;
        let mut idle = self.lock();
        if idle.len() < Self::KEPT {
            idle.push(used);
        }
        Ok(done)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    let frame = COMPRESSORS.with(
        || Compressor::with_prepared_dictionary(&ENCODER),
        |compressor| compressor.compress(text.as_bytes()),
    )?;
    let body = frame.strip_prefix(&MAGIC).ok_or(io::ErrorKind::InvalidData)?;
    Ok([&[FORMAT], body].concat())
}

fn unpack(packed: &[u8]) -> io::Result<String> {
    let body = packed.strip_prefix(&[FORMAT]).ok_or(io::ErrorKind::InvalidData)?;
    let frame = [&MAGIC, body].concat();
    let length = zstd::zstd_safe::get_frame_content_size(&frame).ok().flatten();
    let length = length
        .filter(|length| *length <= MAX_TEXT)
        .ok_or(io::ErrorKind::InvalidData)?;
    let length = usize::try_from(length).map_err(io::Error::other)?;
    let bytes = DECOMPRESSORS.with(
        || Decompressor::with_prepared_dictionary(&DECODER),
        |decompressor| decompressor.decompress(&frame, length),
    )?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

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
    fn few_are_kept_however_many_were_used_at_once() {
        const AT_ONCE: usize = 3 * Idle::<()>::KEPT;
        let (idle, together) = (Idle::new(), Barrier::new(AT_ONCE));
        std::thread::scope(|threads| {
            for _ in 0..AT_ONCE {
                threads.spawn(|| idle.with(|| Ok(()), |()| Ok(together.wait())).unwrap());
            }
        });
        assert_eq!(idle.lock().len(), Idle::<()>::KEPT);
    }

    #[test]
    fn what_has_failed_is_not_used_again() {
        let (idle, count) = (Idle::new(), AtomicUsize::new(0));
        let make = || Ok(count.fetch_add(1, Ordering::Relaxed));
        let failed = idle.with(make, |_| Err::<(), _>(io::ErrorKind::Other.into()));
        assert!(failed.is_err());
        assert_eq!(idle.with(make, |used| Ok(*used)).unwrap(), 1);
        assert_eq!(idle.with(make, |used| Ok(*used)).unwrap(), 1);
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

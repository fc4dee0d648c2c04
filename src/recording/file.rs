//! The file of a recording: private, compressed as it grows, and whole up to the last flush whatever happens.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};
use zstd::stream::raw::CParameter;
use zstd::stream::write::Encoder;

use super::RecordingError;
use super::cast::{Action, Event, Header};
use super::seal::sealed;
use super::utf8::Utf8;
use crate::domain::{Seal, SessionId};

/// How much may be lost to a crash of the bastion.
pub(super) const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// How much may be lost to a crash of the machine. Syncing is what costs, and hundreds of sessions share one disk.
const SYNC_EVERY: Duration = Duration::from_secs(5);
/// How much may be changed without a trace if the bastion stops before the end. Each seal is an event of the record.
const SEAL_EVERY: Duration = Duration::from_secs(30);
/// The level of compression: terminals repeat themselves, and more is not worth its time.
const LEVEL: i32 = 3;
/// The compressor looks back over 256 KiB, and its tables are of the same size together: hundreds of sessions share one memory.
const WINDOW_LOG: u32 = 18;
const TABLE_LOG: u32 = 15;

/// Where a recording lies below the directory of all: by the day (UTC) on which it began, the session and the channel.
#[must_use]
pub fn file_name(began: Timestamp, session: SessionId, channel: u32) -> String {
    format!("{}/{session}-{channel}.cast.zst", began.strftime("%Y-%m-%d"))
}

/// Where the recording lies that is called `name` on record, below `directory`.
///
/// # Errors
/// [`RecordingError::Astray`] where the name would lead out of the directory, as none does that [`file_name`] gave.
pub fn locate(directory: &Path, name: &str) -> Result<PathBuf, RecordingError> {
    let name = Path::new(name);
    let is_below = name.components().all(|part| matches!(part, Component::Normal(_)));
    if is_below {
        Ok(directory.join(name))
    } else {
        Err(RecordingError::Astray(name.to_owned()))
    }
}

/// Opens a recording to be read: the file itself, and nothing that somebody put in its place to hold a reader up.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "it is no regular file"))
    }
}

/// A recording being written.
pub(super) struct CastFile {
    encoder: Encoder<'static, Counted>,
    /// Bytes of the file beyond which nothing more is written.
    limit: Option<u64>,
    text: Utf8,
    /// The last event's time: times never run backwards.
    at: Duration,
    line: Vec<u8>,
    /// Whether something was written after the last flush ...
    dirty: bool,
    flushed: Instant,
    /// ... and after the last sync.
    unsynced: bool,
    synced: Instant,
    /// What was on disk when it was last sealed, until it is taken.
    seal: Option<Seal>,
    sealed: Instant,
}

impl CastFile {
    /// Makes a new file, and its directory where there is none; for the owner only. The header is in it at once.
    ///
    /// The event with which the file outgrows `limit`, in bytes, is its last one; what the compressor holds may exceed it.
    pub(super) fn create(path: &Path, header: &Header, limit: Option<u64>) -> io::Result<Self> {
        let directory = path.parent().unwrap_or(path);
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        File::open(directory)?.sync_all()?;
        Self::over(file, header, limit)
    }

    fn over(file: File, header: &Header, limit: Option<u64>) -> io::Result<Self> {
        let mut encoder = Encoder::new(Counted::over(file), LEVEL)?;
        encoder.window_log(WINDOW_LOG)?;
        encoder.set_parameter(CParameter::HashLog(TABLE_LOG))?;
        encoder.set_parameter(CParameter::ChainLog(TABLE_LOG))?;
        encoder.include_checksum(true)?;
        encoder.write_all(&header.line()?)?;
        encoder.flush()?;
        Ok(Self {
            encoder,
            limit,
            text: Utf8::default(),
            at: Duration::ZERO,
            line: Vec::new(),
            dirty: false,
            flushed: Instant::now(),
            unsynced: true,
            synced: Instant::now(),
            seal: None,
            sealed: Instant::now(),
        })
    }

    /// Writes what was shown.
    pub(super) fn output(&mut self, at: Duration, bytes: &[u8]) -> io::Result<()> {
        let text = self.text.push(bytes);
        if text.is_empty() {
            return Ok(());
        }
        self.event(at, Action::Output(text))
    }

    /// Writes an event, and flushes where that is due.
    pub(super) fn event(&mut self, at: Duration, action: Action) -> io::Result<()> {
        self.at = self.at.max(at);
        self.line.clear();
        Event { at: self.at, action }.write(&mut self.line)?;
        self.encoder.write_all(&self.line)?;
        self.dirty = true;
        if self.limit.is_some_and(|limit| self.size() > limit) {
            self.encoder.do_finish()?;
            return Err(io::Error::other("it has outgrown store.recordings_max_bytes"));
        }
        if self.flushed.elapsed() >= FLUSH_EVERY {
            self.flush()?;
        }
        Ok(())
    }

    /// Hands everything to the system, and every few seconds to the disk.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.flushed = Instant::now();
        if self.file().metadata()?.nlink() == 0 {
            return Err(io::Error::other("its file was removed"));
        }
        if std::mem::take(&mut self.dirty) {
            self.encoder.flush()?;
            self.unsynced = true;
        }
        if self.unsynced && self.synced.elapsed() >= SYNC_EVERY {
            self.file().sync_data()?;
            (self.unsynced, self.synced) = (false, Instant::now());
            if self.sealed.elapsed() >= SEAL_EVERY {
                (self.seal, self.sealed) = (Some(self.seal()), Instant::now());
            }
        }
        Ok(())
    }

    /// A seal that is due to be recorded: what it stands for is on disk.
    pub(super) fn take_seal(&mut self) -> Option<Seal> {
        self.seal.take()
    }

    /// Ends the file.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        let rest = self.text.finish();
        if !rest.is_empty() {
            self.event(self.at, Action::Output(rest))?;
        }
        self.flush()?;
        self.encoder.do_finish()?;
        self.file().sync_all()
    }

    /// The seal of everything that was written.
    pub(super) fn seal(&self) -> Seal {
        sealed(self.size(), self.encoder.get_ref().hasher.clone())
    }

    /// Bytes of the file.
    pub(super) fn size(&self) -> u64 {
        self.encoder.get_ref().bytes
    }

    fn file(&self) -> &File {
        &self.encoder.get_ref().file
    }
}

/// A file that knows what was written to it, also when the system cannot be asked any longer.
struct Counted {
    file: File,
    bytes: u64,
    hasher: Sha256,
}

impl Counted {
    fn over(file: File) -> Self {
        Self {
            file,
            bytes: 0,
            hasher: Sha256::new(),
        }
    }
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::Player;
    use super::*;

    fn header() -> Header {
        Header::new((80, 24), "xterm", "alice on web-1", Timestamp::UNIX_EPOCH)
    }

    fn shown(path: &Path) -> (String, bool) {
        let mut player = Player::open(path).unwrap();
        let mut text = String::new();
        while let Some(event) = player.next_event().unwrap() {
            if let Action::Output(part) = event.action {
                text.push_str(&part);
            }
        }
        (text, player.is_cut())
    }

    #[test]
    fn files_and_directories_are_the_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("recordings/2026-11-22/x.cast.zst");
        CastFile::create(&path, &header(), None).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        for directory in path.ancestors().skip(1).take(2) {
            assert_eq!(mode(directory), 0o700, "{}", directory.display());
        }
        assert!(
            CastFile::create(&path, &header(), None).is_err(),
            "what is there is never overwritten"
        );
    }

    #[test]
    fn a_name_is_made_of_the_day_the_session_and_the_channel() {
        let began = "2026-11-22T23:59:59.9Z".parse().unwrap();
        let session = SessionId(uuid::Uuid::nil());
        assert_eq!(
            file_name(began, session, 3),
            "2026-11-22/00000000-0000-0000-0000-000000000000-3.cast.zst"
        );
    }

    #[test]
    fn what_was_flushed_survives_a_writer_that_vanishes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.cast.zst");
        let mut file = CastFile::create(&path, &header(), None).unwrap();
        file.output(Duration::from_secs(1), b"first ").unwrap();
        file.flush().unwrap();
        file.output(Duration::from_secs(2), b"second").unwrap();
        assert_eq!(
            shown(&path),
            ("first ".to_owned(), true),
            "as it is read while it grows"
        );
        drop(file);
        assert_eq!(shown(&path), ("first ".to_owned(), true));
    }

    #[test]
    fn a_finished_file_is_whole_and_times_never_run_backwards() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.cast.zst");
        let mut file = CastFile::create(&path, &header(), None).unwrap();
        file.output(Duration::from_secs(2), b"caf\xc3").unwrap();
        file.output(Duration::from_secs(1), b"\xa9 \xe6\x97").unwrap();
        file.finish().unwrap();
        assert_eq!(shown(&path), ("café \u{fffd}".to_owned(), false));
        assert_eq!(file.seal(), super::super::seal(&path).unwrap());

        let mut player = Player::open(&path).unwrap();
        while let Some(event) = player.next_event().unwrap() {
            assert_eq!(event.at, Duration::from_secs(2));
        }
    }

    #[test]
    fn a_file_cut_anywhere_plays_up_to_there() {
        let dir = tempfile::tempdir().unwrap();
        let (path, short) = (dir.path().join("x.cast.zst"), dir.path().join("cut.cast.zst"));
        let mut file = CastFile::create(&path, &header(), None).unwrap();
        let first = file.size();
        for number in 0..50 {
            file.output(Duration::from_secs(number), format!("line {number}\r\n").as_bytes())
                .unwrap();
            file.flush().unwrap();
        }
        file.finish().unwrap();
        let (whole, bytes) = (shown(&path).0, std::fs::read(&path).unwrap());
        let first = usize::try_from(first).unwrap();
        for cut in first..bytes.len() {
            std::fs::write(&short, &bytes[..cut]).unwrap();
            let (text, is_cut) = shown(&short);
            assert!(is_cut && whole.starts_with(&text), "cut at {cut}: {text:?}");
        }
    }

    #[test]
    fn a_file_that_outgrows_its_limit_says_so_and_plays_to_its_last_event() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.cast.zst");
        let mut file = CastFile::create(&path, &header(), Some(64 * 1024)).unwrap();
        let mut noise = 1_u64;
        let mut written = String::new();
        let full = std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let text = format!("{noise:x}");
            written.push_str(&text);
            file.output(Duration::ZERO, text.as_bytes())
        });
        let full = full.take(1_000_000).find_map(Result::err).unwrap();
        assert!(full.to_string().contains("recordings_max_bytes"), "{full}");
        assert_eq!(shown(&path), (written, false));
        assert_eq!(file.size(), path.metadata().unwrap().len());
        assert!(file.size() < 256 * 1024, "{} bytes", file.size());
    }

    #[test]
    fn the_size_is_known_whatever_the_system_says_of_the_file() {
        let device = OpenOptions::new().write(true).open("/dev/null").unwrap();
        assert_eq!(device.metadata().unwrap().len(), 0);
        let file = CastFile::over(device, &header(), None).unwrap();
        assert!(file.size() > 0);
    }

    #[test]
    fn a_name_on_record_leads_nowhere_but_below_the_directory() {
        let directory = Path::new("/var/lib/recordings");
        let name = file_name(Timestamp::UNIX_EPOCH, SessionId(uuid::Uuid::nil()), 1);
        assert_eq!(locate(directory, &name).unwrap(), directory.join(&name));
        for astray in ["/etc/passwd", "../x", "2026-11-22/../../x", "./../x"] {
            assert!(
                matches!(locate(directory, astray), Err(RecordingError::Astray(_))),
                "{astray}"
            );
        }
    }

    #[test]
    fn a_full_disk_and_a_file_that_was_removed_are_errors() {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        assert!(CastFile::over(full, &header(), None).is_err());

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.cast.zst");
        let mut file = CastFile::create(&path, &header(), None).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(file.flush().is_err());
    }
}

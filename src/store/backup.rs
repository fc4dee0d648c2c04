//! Copies of the record, taken while it is written.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use tempfile::NamedTempFile;

use super::chain::{self, Head, hex};
use super::{Reader, StoreError, health};

/// Pages that are copied at once: 8 MiB, so that progress is told and a stop is heard.
const PAGES: i32 = 1024;

/// What a copy that is not whole yet is called, so that a crash leaves nothing that looks like a backup.
pub(super) const DRAFT: &str = ".opspilot-backup-";

/// What happens to a file that stands where the copy is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and there is no copy.
    Keep,
    /// It is replaced once the copy is whole and sound.
    Replace,
}

/// A copy that has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackedUp {
    /// Its length, bytes.
    pub bytes: u64,
    /// The events in it.
    pub events: i64,
    /// The digest of the last of them, in hexadecimal: it stands for the whole.
    pub head: String,
}

impl Reader {
    /// Copies the record, as it is at this moment, to `file` (mode 0600), and checks the copy. Writers are not held up, and what
    /// they write meanwhile is not in it. `progress` hears after each step how many pages of how many are done.
    ///
    /// The key of the MACs is not in it: it is a file of its own, and has to be kept elsewhere.
    ///
    /// # Errors
    /// [`StoreError::BackupExists`], [`StoreError::File`] and [`StoreError::Full`] for the copy, [`StoreError::Damaged`] where
    /// it is not sound, and as [`Reader::log`]. There is no copy then, and what stood in its place still does.
    pub fn back_up(
        &self,
        file: &Path,
        existing: Existing,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<BackedUp, StoreError> {
        if existing == Existing::Keep && fs::symlink_metadata(file).is_ok() {
            return Err(StoreError::BackupExists(file.to_owned()));
        }
        let draft = draft(directory(file))?;
        // One read transaction around all steps: a copy of one moment, however much is written between them.
        let moment = self.connection.unchecked_transaction()?;
        let head = chain::head(&moment)?;
        copy(&moment, draft.path(), &mut progress)?;
        moment.finish()?;
        check(draft.path(), head)?;
        let bytes = put_in_place(draft, file, existing)?;
        Ok(BackedUp {
            bytes,
            events: head.seq,
            head: hex(&head.digest),
        })
    }
}

fn draft(directory: &Path) -> Result<NamedTempFile, StoreError> {
    tempfile::Builder::new()
        .prefix(DRAFT)
        .tempfile_in(directory)
        .map_err(|source| StoreError::File {
            path: directory.to_owned(),
            source,
        })
}

fn copy(source: &Connection, to: &Path, progress: &mut impl FnMut(u64, u64)) -> Result<(), StoreError> {
    let mut copy = Connection::open(to)?;
    {
        let backup = Backup::new(source, &mut copy)?;
        let mut done = false;
        while !done {
            // A lock has been waited for already.
            done = match backup.step(PAGES)? {
                StepResult::Done => true,
                StepResult::Busy | StepResult::Locked => return Err(StoreError::Busy),
                _ => false,
            };
            let pages = backup.progress();
            let total = u64::try_from(pages.pagecount).unwrap_or_default();
            progress(
                total.saturating_sub(u64::try_from(pages.remaining).unwrap_or_default()),
                total,
            );
        }
    }
    // A copy is one file: without this, whoever reads it would make a journal beside it.
    copy.pragma_update(None, "journal_mode", "delete")?;
    Ok(())
}

/// Reads the whole copy back.
fn check(copy: &Path, head: Head) -> Result<(), StoreError> {
    let copy = Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let faults = health::faults(&copy, "integrity_check")?;
    if let Some(fault) = faults.into_iter().next() {
        return Err(StoreError::Damaged(fault));
    }
    if chain::head(&copy)? == head {
        Ok(())
    } else {
        Err(StoreError::Damaged("the copy ends with another event".to_owned()))
    }
}

/// Gives the checked copy its name, durably; its length.
fn put_in_place(draft: NamedTempFile, file: &Path, existing: Existing) -> Result<u64, StoreError> {
    let at = |source| StoreError::File {
        path: file.to_owned(),
        source,
    };
    draft.as_file().sync_all().map_err(at)?;
    let placed = match existing {
        Existing::Keep => draft.persist_noclobber(file),
        Existing::Replace => draft.persist(file),
    };
    let placed = placed.map_err(|error| match error.error.kind() {
        std::io::ErrorKind::AlreadyExists => StoreError::BackupExists(file.to_owned()),
        _ => at(error.error),
    })?;
    File::open(directory(file))
        .and_then(|directory| directory.sync_all())
        .map_err(at)?;
    Ok(placed.metadata().map_err(at)?.len())
}

/// Where the file is; what is written relative to nothing is here.
pub(super) fn directory(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The backups of a directory that bear a name of ours, oldest first.
pub(super) fn scheduled(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with(SCHEDULED.0) && name.ends_with(SCHEDULED.1) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// What the name of a scheduled backup begins and ends with; its time (UTC) stands between, and sorts as text.
pub(super) const SCHEDULED: (&str, &str) = ("opspilot-", ".db");

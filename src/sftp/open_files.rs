//! The files that are open on the target.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

use super::conversation::Ticket;
use super::wire::status;

/// A file's number in this conversation: its handle may be given again when it is closed.
pub(super) type FileKey = u64;

/// What is open.
#[derive(Default)]
pub(super) struct OpenFiles {
    by_handle: HashMap<Vec<u8>, FileKey>,
    open: HashMap<FileKey, Opened>,
    last_key: FileKey,
}

/// Something that a handle stands for.
#[derive(Debug)]
pub(super) enum Opened {
    Directory,
    File(Box<OpenFile>),
}

/// A file that is open.
#[derive(Debug)]
pub(super) struct OpenFile {
    /// What was decided when it was opened.
    pub(super) ticket: Ticket,
    /// As the client gave it.
    pub(super) path: String,
    /// All that its path may stand for; `None` in it for what cannot be known.
    pub(super) known_as: Vec<Option<String>>,
    pub(super) can_read: bool,
    pub(super) can_write: bool,
    /// Bytes that were read; `None` where it cannot be.
    pub(super) read: u64,
    pub(super) written: Written,
    /// The first status that was not well.
    pub(super) failed: Option<u32>,
}

/// What was written to a file.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) length: u64,
    /// What was written from the beginning on without a gap; `None` where that is not how it was.
    digest: Option<Sha256>,
}

impl Written {
    pub(super) fn nothing() -> Self {
        Self {
            length: 0,
            digest: Some(Sha256::new()),
        }
    }

    /// Data is going to be written at `offset`.
    pub(super) fn begin(&mut self, offset: u64) {
        if offset != self.length {
            self.digest = None;
        }
    }

    /// Data is written.
    pub(super) fn add(&mut self, data: &[u8]) {
        self.length = self.length.saturating_add(data.len() as u64);
        if let Some(digest) = &mut self.digest {
            digest.update(data);
        }
    }

    /// What is in the file is not what was written.
    pub(super) fn spoil(&mut self) {
        self.digest = None;
    }

    /// The digest of all that was written, where it went in order.
    pub(super) fn sha256(&self) -> Option<[u8; 32]> {
        self.digest.clone().map(|digest| digest.finalize().into())
    }
}

impl OpenFiles {
    /// How many there are, those that are being closed included.
    pub(super) fn count(&self) -> usize {
        self.open.len()
    }

    /// Takes a handle; `None` where it is taken already.
    pub(super) fn insert(&mut self, handle: &[u8], opened: Opened) -> Option<()> {
        if self.by_handle.contains_key(handle) {
            return None;
        }
        self.last_key += 1;
        self.by_handle.insert(handle.to_vec(), self.last_key);
        self.open.insert(self.last_key, opened);
        Some(())
    }

    /// The file that a handle stands for.
    pub(super) fn file(&mut self, handle: &[u8]) -> Option<(FileKey, &mut OpenFile)> {
        let key = *self.by_handle.get(handle)?;
        Some((key, self.by_key(key)?))
    }

    /// The file of that number, also while it is being closed.
    pub(super) fn by_key(&mut self, key: FileKey) -> Option<&mut OpenFile> {
        match self.open.get_mut(&key)? {
            Opened::File(file) => Some(file),
            Opened::Directory => None,
        }
    }

    /// Gives a handle up: what comes with it from now on means nothing.
    pub(super) fn release(&mut self, handle: &[u8]) -> Option<FileKey> {
        self.by_handle.remove(handle)
    }

    /// Takes what is closed.
    pub(super) fn remove(&mut self, key: FileKey) -> Option<Opened> {
        self.open.remove(&key)
    }

    /// Takes all that is open.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = OpenFile> {
        self.by_handle.clear();
        self.open.drain().filter_map(|(_, opened)| match opened {
            Opened::File(file) => Some(*file),
            Opened::Directory => None,
        })
    }
}

impl OpenFile {
    /// Notes how the target answered something that was asked of it.
    pub(super) fn note(&mut self, code: u32) {
        if code != status::OK && code != status::EOF {
            self.failed.get_or_insert(code);
        }
    }
}

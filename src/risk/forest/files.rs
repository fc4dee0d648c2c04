//! The two files of a model: the forest in ONNX, and its card beside it.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};

use super::ForestError;
use super::card::Facts;

/// Largest model that is read, in bytes.
pub(super) const MAX_MODEL_BYTES: u64 = 8 * 1024 * 1024;
/// Largest card that is read, in bytes.
pub(super) const MAX_CARD_BYTES: u64 = 4 * 1024 * 1024;

/// A model and its card as they were read; nothing of them has been checked but their sizes.
pub struct ModelFiles {
    /// Where the model was.
    pub(super) path: PathBuf,
    pub(super) model: Vec<u8>,
    pub(super) card: Vec<u8>,
}

impl ModelFiles {
    /// Reads the model at `path` and the card beside it (same name, `.json`).
    ///
    /// # Errors
    /// [`ForestError::Read`] and [`ForestError::TooLarge`].
    pub fn read(path: &Path) -> Result<Self, ForestError> {
        Ok(Self {
            path: path.to_owned(),
            model: read(path, MAX_MODEL_BYTES)?,
            card: read(&path.with_extension("json"), MAX_CARD_BYTES)?,
        })
    }

    /// Writes both for their owner only and durably as `path` and the card beside it, where nothing may be yet.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        write_new(path, &self.model)?;
        write_new(&path.with_extension("json"), &self.card)
    }

    /// SHA-256 of the model, in hexadecimal.
    #[must_use]
    pub fn digest(&self) -> String {
        hex(&Sha256::digest(&self.model))
    }

    /// What the card says for people; nothing of it where it is no card.
    #[must_use]
    pub fn facts(&self) -> Facts {
        serde_json::from_slice(&self.card).unwrap_or_default()
    }

    pub(super) fn card_path(&self) -> PathBuf {
        self.path.with_extension("json")
    }
}

/// The whole of a regular file that is no larger than `limit` bytes.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ForestError> {
    let bytes = read_capped(path, limit).map_err(|cause| ForestError::Read {
        path: path.to_owned(),
        cause,
    })?;
    bytes.ok_or_else(|| ForestError::TooLarge {
        path: path.to_owned(),
        limit,
    })
}

/// The whole of a regular file; `None` where it is larger than `limit` bytes.
pub(in crate::risk) fn read_capped(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    // What is asked is the file that was opened, and to open a pipe waits for nobody.
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

/// Writes a file for its owner only and durably where nothing may be yet.
pub(in crate::risk) fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_regular_file_is_refused_and_waits_for_nobody() {
        let place = tempfile::tempdir().unwrap();
        let pipe = place.path().join("risk.onnx");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        for path in [pipe.as_path(), place.path()] {
            assert!(read_capped(path, 1).is_err(), "{}", path.display());
        }
        let file = place.path().join("file");
        std::fs::write(&file, "ab").unwrap();
        assert_eq!(read_capped(&file, 2).unwrap(), Some(b"ab".to_vec()));
        assert_eq!(read_capped(&file, 1).unwrap(), None);
    }
}

//! A file of events, appended to.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

use crate::shipping::error::ShipError;

/// A file that ends with a whole line.
pub(in crate::shipping) struct EventFile(File);

impl EventFile {
    /// Opens it, readable by its owner alone where it is made. A line that was cut short before is ended.
    pub(super) fn open(path: &Path) -> Result<Self, ShipError> {
        let place = path.display().to_string();
        let opened = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            // A pipe without a reader would hold the thread up for good.
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path);
        let file = opened.map_err(|source| ShipError::Open { place, source })?;
        if !file.metadata()?.is_file() {
            return Err(ShipError::NotAFile(path.display().to_string()));
        }
        let mut file = Self(file);
        if !file.ends_whole()? {
            file.append(b"\n")?;
        }
        Ok(file)
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), ShipError> {
        Ok(self.0.write_all(bytes)?)
    }

    pub(super) fn sync(&self) -> Result<(), ShipError> {
        Ok(self.0.sync_data()?)
    }

    fn ends_whole(&mut self) -> Result<bool, ShipError> {
        if self.0.metadata()?.len() == 0 {
            return Ok(true);
        }
        let mut last = [0];
        self.0.seek(SeekFrom::End(-1))?;
        self.0.read_exact(&mut last)?;
        Ok(last == *b"\n")
    }
}

//! Recordings held against the digests that are on record, and removed when their time has come.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::file::open;
use crate::domain::Seal;

/// Bytes that are read at a time.
const PIECE: usize = 64 * 1024;

/// Why a recording is not the one that was written.
#[derive(Debug, thiserror::Error)]
pub enum Unsealed {
    /// It is not there.
    #[error("its file is missing")]
    Missing,
    /// It cannot be read.
    #[error("its file cannot be read: {0}")]
    Unreadable(io::Error),
    /// Something of it is gone.
    #[error("its file was cut: {found} bytes, and {due} were written")]
    Short {
        /// Bytes of the file.
        found: u64,
        /// Bytes that are on record.
        due: u64,
    },
    /// There is something behind its end.
    #[error("something was added to its file: {found} bytes, and {due} were written")]
    Long {
        /// Bytes of the file.
        found: u64,
        /// Bytes that are on record.
        due: u64,
    },
    /// It is another.
    #[error("its file was changed within the first {0} bytes")]
    Changed(u64),
}

/// The seal of a file as it is, once that is on disk. Blocks.
///
/// # Errors
/// It cannot be read.
pub fn seal(path: &Path) -> io::Result<Seal> {
    let mut file = open(path)?;
    file.sync_all()?;
    digest(&mut file)
}

fn digest(bytes: &mut impl Read) -> io::Result<Seal> {
    let (mut hasher, mut piece, mut total) = (Sha256::new(), vec![0; PIECE], 0);
    loop {
        let length = bytes.read(&mut piece)?;
        if length == 0 {
            return Ok(sealed(total, hasher));
        }
        hasher.update(piece.get(..length).unwrap_or_default());
        total += length as u64;
    }
}

pub(super) fn sealed(bytes: u64, hasher: Sha256) -> Seal {
    Seal {
        bytes,
        sha256: HEXLOWER.encode(&hasher.finalize()),
    }
}

/// Holds a file against its seal; `None` where it need only be there. Where it `is_whole`, nothing may follow. Blocks, in
/// constant memory.
///
/// # Errors
/// What is wrong with it.
pub fn check(path: &Path, seal: Option<&Seal>, is_whole: bool) -> Result<(), Unsealed> {
    let file = open(path).map_err(unreadable)?;
    let Some(seal) = seal else {
        return Ok(());
    };
    let (due, found) = (seal.bytes, file.metadata().map_err(Unsealed::Unreadable)?.len());
    if found < due {
        return Err(Unsealed::Short { found, due });
    }
    if found > due && is_whole {
        return Err(Unsealed::Long { found, due });
    }
    let is = digest(&mut file.take(due)).map_err(Unsealed::Unreadable)?;
    if is == *seal {
        Ok(())
    } else {
        Err(Unsealed::Changed(due))
    }
}

fn unreadable(error: io::Error) -> Unsealed {
    match error.kind() {
        io::ErrorKind::NotFound => Unsealed::Missing,
        _ => Unsealed::Unreadable(error),
    }
}

/// Removes the file of a recording durably, and its directory where it was the last in it. One that is gone is no error.
///
/// # Errors
/// It could not be removed.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        removed => removed?,
    }
    let Some(directory) = path.parent() else {
        return Ok(());
    };
    File::open(directory)?.sync_all()?;
    match fs::remove_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_change_of_a_sealed_file_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.cast.zst");
        let content: Vec<u8> = (0..=255).cycle().take(2_000).collect();
        fs::write(&path, &content).unwrap();
        let seal = seal(&path).unwrap();
        check(&path, Some(&seal), true).unwrap();

        for place in 0..content.len() {
            let mut flipped = content.clone();
            flipped[place] ^= 1;
            fs::write(&path, &flipped).unwrap();
            assert!(
                matches!(check(&path, Some(&seal), true), Err(Unsealed::Changed(2_000))),
                "{place}"
            );
        }
        let mut swapped = content.clone();
        swapped[..512].rotate_left(100);
        fs::write(&path, &swapped).unwrap();
        assert!(matches!(check(&path, Some(&seal), true), Err(Unsealed::Changed(_))));
        fs::write(&path, &content[..1_999]).unwrap();
        assert!(matches!(check(&path, Some(&seal), false), Err(Unsealed::Short { .. })));
        fs::write(&path, [content.as_slice(), b"x"].concat()).unwrap();
        assert!(matches!(check(&path, Some(&seal), true), Err(Unsealed::Long { .. })));
        check(&path, Some(&seal), false).expect("it may have grown where its end is not known");
        fs::remove_file(&path).unwrap();
        assert!(matches!(check(&path, None, false), Err(Unsealed::Missing)));
    }

    #[test]
    fn what_was_put_in_the_place_of_a_file_holds_nobody_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.cast.zst");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(matches!(check(&path, None, true), Err(Unsealed::Unreadable(_))));
        assert!(seal(&path).is_err());
        fs::remove_file(&path).unwrap();

        let elsewhere = dir.path().join("elsewhere");
        fs::write(&elsewhere, "not a recording").unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert!(seal(&path).is_err());
    }

    #[test]
    fn the_last_file_of_a_day_takes_its_directory_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let day = dir.path().join("2026-11-22");
        fs::create_dir(&day).unwrap();
        for name in ["a", "b"] {
            fs::write(day.join(name), "").unwrap();
        }
        remove(&day.join("a")).unwrap();
        assert!(day.join("b").exists());
        remove(&day.join("b")).unwrap();
        assert!(!day.exists());
        remove(&day.join("b")).expect("once more after a crash");
    }
}

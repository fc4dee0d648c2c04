//! Files that hold a secret: nobody but their owner may read them, and what was read of them is wiped.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::credentials::is_credential;

/// The largest file that is read, in bytes: an RSA key of 16,384 bits takes 13 KiB.
const MAX_SECRET: usize = 64 * 1024;

/// What others may do with a file, of which none may be.
const OTHERS: u32 = 0o077;

/// The same for a credential: the service manager lets the service's user read it by an ACL, whose mask stands where the
/// group's rights do. Its directory is nobody else's.
const OTHERS_THAN_THE_SERVICE: u32 = 0o037;

/// Why a secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// It cannot be read.
    #[error("cannot read {}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Others than its owner may read or write it.
    #[error("others may read {} (mode {mode:04o})", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is too large to be a secret.
    #[error("{} holds more than {MAX_SECRET} bytes", path.display())]
    Large {
        /// The file.
        path: PathBuf,
    },
}

impl SecretFileError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Read { path, .. } if is_credential(path) => {
                "hand it to the service: LoadCredential=NAME:FILE in its unit".to_owned()
            }
            Self::Read { .. } => "check the path, and that the user who runs this may read it".to_owned(),
            Self::Exposed { path, .. } => format!("chmod 600 {}", path.display()),
            Self::Large { .. } => "name the file that holds the secret and nothing else".to_owned(),
        }
    }
}

/// The text of a file that nobody else may read. Blocks.
///
/// # Errors
/// It cannot be read, holds more than 64 KiB, or is open to others.
pub fn read_secret(path: &Path) -> Result<Zeroizing<String>, SecretFileError> {
    let unreadable = |cause| SecretFileError::Read {
        path: path.to_owned(),
        cause,
    };
    let file = File::open(path).map_err(unreadable)?;
    // Asked of what is open, so that nobody can put another file there in between.
    let mode = file.metadata().map_err(unreadable)?.mode() & 0o7777;
    let others = if is_credential(path) {
        OTHERS_THAN_THE_SERVICE
    } else {
        OTHERS
    };
    if mode & others != 0 {
        let path = path.to_owned();
        return Err(SecretFileError::Exposed { path, mode });
    }
    // Room for all that is read, so that no copy is left behind by growing.
    let mut text = Zeroizing::new(String::with_capacity(MAX_SECRET + 1));
    let read = file.take(MAX_SECRET as u64 + 1).read_to_string(&mut text);
    if read.map_err(unreadable)? > MAX_SECRET {
        return Err(SecretFileError::Large { path: path.to_owned() });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_others_may_read_or_write_is_no_secret() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        std::fs::write(&file, "word").unwrap();
        for (mode, is_secret) in [
            (0o600, true),
            (0o400, true),
            (0o640, false),
            (0o620, false),
            (0o610, false),
            (0o604, false),
            (0o602, false),
            (0o644, false),
        ] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read_secret(&file).is_ok(), is_secret, "{mode:o}");
        }
        let error = read_secret(&file).unwrap_err();
        assert!(error.to_string().contains("mode 0644") && !error.to_string().contains("word"));
        assert_eq!(error.remedy(), format!("chmod 600 {}", file.display()));
    }

    #[test]
    fn a_secret_is_bounded_and_there() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        for (length, expected) in [(0, true), (MAX_SECRET, true), (MAX_SECRET + 1, false)] {
            std::fs::write(&file, "x".repeat(length)).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
            let read = read_secret(&file).map(|text| text.len());
            assert_eq!(read.is_ok_and(|read| read == length), expected, "{length}");
        }
        let missing = read_secret(&dir.path().join("none")).unwrap_err();
        assert!(matches!(missing, SecretFileError::Read { .. }) && missing.remedy().contains("path"));
    }
}

//! Private keys on disk: nobody else may read them, and nothing is ever overwritten.

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use russh::keys::ssh_key::{Error as SshKeyError, LineEnding};
use russh::keys::{Algorithm, PrivateKey, decode_secret_key};

use crate::config::{SecretFileError, is_credential, read_secret};

/// Why a private key cannot be used, or a file not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyFileError {
    #[error(transparent)]
    Secret(#[from] SecretFileError),
    #[error("{} is not a private key that can be used: {source}", path.display())]
    Parse { path: PathBuf, source: russh::keys::Error },
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot make a key: {0}")]
    Make(#[from] SshKeyError),
}

impl KeyFileError {
    /// What to do about it.
    pub(crate) fn remedy(&self) -> String {
        match self {
            Self::Secret(SecretFileError::Read { path, .. }) if !is_credential(path) => format!(
                "check the path, or make a key: ssh-keygen -t ed25519 -N '' -f {}",
                path.display()
            ),
            Self::Secret(error) => error.remedy(),
            Self::Parse { .. } => "give an OpenSSH private key without a passphrase".into(),
            Self::Write { .. } | Self::Make(_) => "check the directory and the space that is left".into(),
        }
    }
}

/// Reads a private key that only its owner may read.
pub(crate) fn read_private(path: &Path) -> Result<PrivateKey, KeyFileError> {
    decode_secret_key(&read_secret(path)?, None).map_err(|source| KeyFileError::Parse {
        path: path.to_owned(),
        source,
    })
}

/// Makes an ed25519 key, writes both halves (`path` and `path.pub`), and returns the public line.
pub(crate) fn generate(path: &Path, comment: &str) -> Result<String, KeyFileError> {
    let mut key = PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519)?;
    key.set_comment(comment);
    let line = key.public_key().to_openssh()?;
    write_new(path, key.to_openssh(LineEnding::LF)?.as_bytes(), 0o600)?;
    write_new(&public_path(path), format!("{line}\n").as_bytes(), 0o644)?;
    Ok(line)
}

/// Where the public half of a key stands.
pub(crate) fn public_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

/// Writes a file that must not exist yet, durably.
pub(crate) fn write_new(path: &Path, content: &[u8], mode: u32) -> Result<(), KeyFileError> {
    let write = || {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path)?;
        file.write_all(content)?;
        file.sync_all()
    };
    write().map_err(|source| KeyFileError::Write {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_generated_key_reads_back_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let line = generate(&path, "opspilot").unwrap();
        assert!(line.starts_with("ssh-ed25519 ") && line.ends_with(" opspilot"));
        let key = read_private(&path).unwrap();
        assert_eq!(key.public_key().to_openssh().unwrap(), line);
        assert_eq!(std::fs::read_to_string(public_path(&path)).unwrap(), line + "\n");
    }

    #[test]
    fn nothing_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, "precious").unwrap();
        assert!(matches!(generate(&path, "x"), Err(KeyFileError::Write { .. })));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn keys_that_others_can_read_are_refused_with_the_command_that_helps() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        generate(&path, "x").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = read_private(&path).unwrap_err();
        assert!(error.to_string().contains("0640"), "{error}");
        assert_eq!(error.remedy(), format!("chmod 600 {}", path.display()));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        write_new(
            &path,
            b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
            0o600,
        )
        .unwrap();
        assert!(matches!(read_private(&path), Err(KeyFileError::Parse { .. })));
        assert!(matches!(
            read_private(dir.path().join("none").as_path()),
            Err(KeyFileError::Secret(SecretFileError::Read { .. }))
        ));
    }
}

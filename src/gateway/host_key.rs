//! The bastion's own host keys: read, or made on the first start.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey};

/// Reads a host key; makes an Ed25519 key where there is no file. The error says what to do.
pub(super) fn load_or_make(path: &Path) -> Result<PrivateKey, String> {
    match path.metadata() {
        Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => {
            Err(format!("others may read it; run chmod 600 {}", path.display()))
        }
        Ok(_) => russh::keys::load_secret_key(path, None).map_err(|error| error.to_string()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path),
        Err(error) => Err(error.to_string()),
    }
}

fn make(path: &Path) -> Result<PrivateKey, String> {
    let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).map_err(|e| e.to_string())?;
    let text = key.to_openssh(LineEnding::LF).map_err(|error| error.to_string())?;
    write_private(path, text.as_bytes()).map_err(|error| error.to_string())?;
    tracing::info!(path = %path.display(), "made a host key");
    Ok(key)
}

fn write_private(path: &Path, text: &[u8]) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

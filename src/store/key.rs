//! The key with which the record proves the exact bytes of a command without holding them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::StoreError;
use super::chain::hex;

/// Bytes of a key.
const KEY_LEN: usize = 32;

/// HMAC pads its key with zeros to a block of SHA-256.
const BLOCK_LEN: usize = 64;

/// A secret of the bastion, kept in a file of its own so that a copy of the database does not hold it.
pub(super) struct RecordKey(Zeroizing<[u8; BLOCK_LEN]>);

impl std::fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecordKey(..)")
    }
}

impl RecordKey {
    /// Reads the key beside the database, or makes one. The caller holds the database's lock.
    pub(super) fn open(database: &Path) -> Result<Self, StoreError> {
        let path = database.with_file_name("record.key");
        match File::open(&path) {
            Ok(file) => Self::read(file, path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(&path).map_err(at(&path)),
            Err(error) => Err(at(&path)(error)),
        }
    }

    /// HMAC-SHA-256 over `bytes`, in hexadecimal.
    pub(super) fn mac(&self, bytes: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new((&*self.0).into());
        mac.update(bytes);
        hex(&mac.finalize().into_bytes())
    }

    fn read(mut file: File, path: PathBuf) -> Result<Self, StoreError> {
        let mode = file.metadata().map_err(at(&path))?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(StoreError::KeyExposed { path, mode });
        }
        let mut block = Zeroizing::new([0; BLOCK_LEN]);
        let read = file.read(&mut block[..]).map_err(at(&path))?;
        if read == KEY_LEN {
            Ok(Self(block))
        } else {
            Err(StoreError::KeyMalformed { path })
        }
    }

    /// Written under another name first: a crash leaves a whole key or none.
    fn create(path: &Path) -> io::Result<Self> {
        let mut block = Zeroizing::new([0; BLOCK_LEN]);
        let (key, _) = block.split_at_mut(KEY_LEN);
        rand::fill(key);
        let draft = path.with_extension("key.new");
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(key)?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        Ok(Self(block))
    }
}

fn at(path: &Path) -> impl Fn(io::Error) -> StoreError + '_ {
    |source| StoreError::File {
        path: path.to_owned(),
        source,
    }
}

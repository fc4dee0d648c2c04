//! Key pairs, made by `ssh-keygen`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// An ed25519 key pair on disk.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    /// The private key's file.
    pub(crate) path: PathBuf,
    /// The public key as `authorized_keys` and `host_key` take it: type and base64, no comment.
    pub(crate) public: String,
}

impl Key {
    /// A new pair, `dir/name` and `dir/name.pub`.
    pub(crate) fn generate(dir: &Path, name: &str) -> Self {
        let path = dir.join(name);
        let status = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"])
            .arg(&path)
            .status()
            .expect("ssh-keygen is needed: install openssh-client");
        assert!(status.success(), "ssh-keygen failed");
        Self::read(path)
    }

    /// The pair whose private key is in the file `path`.
    pub(crate) fn read(path: PathBuf) -> Self {
        let output = Command::new("ssh-keygen")
            .arg("-y")
            .arg("-f")
            .arg(&path)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}: {output:?}", path.display());
        let line = String::from_utf8(output.stdout).unwrap();
        let public = line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        Self { path, public }
    }
}

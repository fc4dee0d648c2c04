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
        Self::generate_as(dir, name, &["-t", "ed25519"])
    }

    /// As [`Self::generate`], of the kind that these arguments of `ssh-keygen` name.
    pub(crate) fn generate_as(dir: &Path, name: &str, kind: &[&str]) -> Self {
        let path = dir.join(name);
        let status = Command::new("ssh-keygen")
            .args(kind)
            .args(["-q", "-N", "", "-C", "", "-f"])
            .arg(&path)
            .status()
            .expect("ssh-keygen is needed: install openssh-client");
        assert!(status.success(), "ssh-keygen failed");
        Self::read(path)
    }

    /// Has this key, as a CA, sign `key`, with more arguments of `ssh-keygen`; `ssh` finds the certificate beside the key.
    pub(crate) fn sign(&self, key: &Key, arguments: &[&str]) {
        let status = Command::new("ssh-keygen")
            .args(["-q", "-s"])
            .arg(&self.path)
            .args(["-I", "id of the key", "-z", "42"])
            .args(arguments)
            .arg(key.path.with_extension("pub"))
            .status()
            .unwrap();
        assert!(status.success(), "ssh-keygen failed: {arguments:?}");
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

//! The directory that a demo lives in.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// A directory of the demo's own; a temporary one is removed with this value.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
    temporary: bool,
}

impl Scratch {
    /// The directory that was asked for, which must be empty or not there yet, or a temporary one.
    pub(super) fn new(asked: Option<&Path>) -> anyhow::Result<Self> {
        match asked {
            Some(path) => Self::lasting(path),
            None => Self::temporary(),
        }
    }

    fn lasting(path: &Path) -> anyhow::Result<Self> {
        let path = std::path::absolute(path).context("the directory's path cannot be resolved")?;
        if !is_free(&path).with_context(|| format!("cannot look into {}", path.display()))? {
            bail!(
                "{} is not empty; choose another directory for the demo, or leave --dir out",
                path.display()
            );
        }
        make(&path, true)?;
        Ok(Self { path, temporary: false })
    }

    fn temporary() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("opspilot-demo-{:016x}", rand::random::<u64>()));
        make(&path, false)?;
        Ok(Self { path, temporary: true })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it goes when the demo ends.
    pub(super) fn is_temporary(&self) -> bool {
        self.temporary
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.temporary
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the demo's directory");
        }
    }
}

fn is_free(path: &Path) -> io::Result<bool> {
    match path.read_dir() {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

/// Makes a directory that nobody else can enter.
fn make(path: &Path, recursive: bool) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(recursive)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("cannot make {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_temporary_directory_is_private_and_goes() {
        let scratch = Scratch::new(None).unwrap();
        let path = scratch.path().to_owned();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        std::fs::write(path.join("file"), "x").unwrap();
        drop(scratch);
        assert!(!path.exists());
    }

    #[test]
    fn a_directory_that_was_asked_for_stays() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        drop(Scratch::new(Some(&path)).unwrap());
        assert!(path.is_dir());
    }

    #[test]
    fn what_is_there_already_is_not_touched() {
        let parent = tempfile::tempdir().unwrap();
        std::fs::write(parent.path().join("precious"), "x").unwrap();
        let error = Scratch::new(Some(parent.path())).unwrap_err();
        assert!(error.to_string().contains("--dir"), "{error}");
    }
}

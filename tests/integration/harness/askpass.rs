//! What answers the questions of an `ssh` without a terminal.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use tempfile::TempDir;

/// A program for `SSH_ASKPASS`, which keeps what it was asked.
pub(crate) struct Askpass {
    dir: TempDir,
}

impl Askpass {
    /// Gives `password` where a password is asked for, and `code` where a code is.
    pub(crate) fn new(password: &str, code: &str) -> Self {
        let dir = TempDir::with_prefix("askpass-").unwrap();
        let asked = dir.path().join("asked");
        let script = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$1\" >>'{}'\ncase $1 in\n*assword:*) printf '%s\\n' '{password}' ;;\n\
             *code:*) printf '%s\\n' '{code}' ;;\n*) exit 1 ;;\nesac\n",
            asked.display()
        );
        fs::write(dir.path().join("askpass"), script).unwrap();
        fs::set_permissions(dir.path().join("askpass"), fs::Permissions::from_mode(0o700)).unwrap();
        Self { dir }
    }

    /// The program.
    pub(crate) fn program(&self) -> PathBuf {
        self.dir.path().join("askpass")
    }

    /// What it was asked so far, a question a line.
    pub(crate) fn asked(&self) -> String {
        fs::read_to_string(self.dir.path().join("asked")).unwrap_or_default()
    }
}

//! Child processes that never outlive their test.

use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use super::wait::eventually;

/// A child process, killed by its own id and reaped when dropped.
#[derive(Debug)]
pub(crate) struct Child(std::process::Child);

impl Child {
    /// Starts a server: nothing on standard input, everything that it says in the file `log`.
    pub(crate) fn server(command: &mut Command, log: &Path) -> Self {
        let log = File::options().create(true).append(true).open(log).unwrap();
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        Self(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    /// Sends a signal by its name (`TERM`, `HUP`, `KILL`).
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, "--", &self.0.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success(), "kill -s {name} failed");
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Whether it has not ended.
    pub(crate) fn runs(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    /// The ids of the processes that it has started and that have not ended.
    pub(crate) fn children(&self) -> Vec<String> {
        let id = self.0.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        children.split_whitespace().map(str::to_owned).collect()
    }

    /// Awaits its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        eventually("a process to end", || self.0.try_wait().unwrap())
    }

    /// Awaits its end: the exit code, or 128 and the signal as a shell would say it.
    pub(crate) fn code(&mut self) -> i32 {
        let status = self.wait();
        status.code().or(status.signal().map(|signal| 128 + signal)).unwrap()
    }
}

impl From<std::process::Child> for Child {
    fn from(child: std::process::Child) -> Self {
        Self(child)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // An error says that it has ended already.
        if self.0.kill().is_ok() {
            self.0.wait().map(drop).unwrap_or_default();
        }
    }
}

/// The binary under test, with nothing from the environment that would change what it does.
pub(crate) fn opspilot(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_opspilot"));
    command.args(arguments);
    for variable in [
        "OPSPILOT_LOG",
        "NOTIFY_SOCKET",
        "SSH_AUTH_SOCK",
        "CREDENTIALS_DIRECTORY",
        "SQLITE_TMPDIR",
        "TMPDIR",
    ] {
        command.env_remove(variable);
    }
    command
}

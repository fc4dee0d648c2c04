//! The target: OpenSSH's server on a free loopback port, as the user who runs the tests.

use std::fs::File;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::client::Ssh;
use super::key::Key;
use super::process::Child;
use super::wait::{eventually, free_port};

/// A running `sshd` with a home directory of its own.
///
/// `HOME` is set by `SetEnv`, which sshd applies after the password database's: shells read the rc files of the temporary home
/// and write their history there, and the account's own files are left alone. A session still starts in the account's directory.
pub(crate) struct Sshd {
    // Before `dir`: the server ends before its files go.
    server: Child,
    dir: TempDir,
    /// Where it listens, on 127.0.0.1.
    pub(crate) port: u16,
    /// Its host key.
    pub(crate) host_key: Key,
    /// The key that may log in.
    pub(crate) client_key: Key,
    /// The account.
    pub(crate) login: String,
}

impl Sshd {
    /// Starts one and awaits that it accepts.
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// As [`Self::start`], with more lines before those of its configuration: the first of a kind counts.
    pub(crate) fn start_with(more: &str) -> Self {
        let dir = TempDir::with_prefix("target-").unwrap();
        let host_key = Key::generate(dir.path(), "host");
        let client_key = Key::generate(dir.path(), "client");
        let port = free_port();
        furnish(dir.path(), &client_key);
        std::fs::write(
            dir.path().join("sshd_config"),
            more.to_owned() + &config(dir.path(), port),
        )
        .unwrap();
        let mut server = listen(dir.path());
        eventually("sshd to accept", || {
            assert!(server.runs(), "sshd ended: {}", log(dir.path()));
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()
        });
        Self {
            server,
            port,
            host_key,
            client_key,
            login: login(),
            dir,
        }
    }

    /// The home directory of its sessions.
    pub(crate) fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// An `ssh` straight to it.
    pub(crate) fn direct(&self) -> Ssh {
        self.direct_by(self.port)
    }

    /// As [`Self::direct`], by another port of 127.0.0.1 that leads to it.
    pub(crate) fn direct_by(&self, port: u16) -> Ssh {
        let trusted = self.dir.path().join(format!("known_hosts_{port}"));
        let line = format!("[127.0.0.1]:{port} {}\n", self.host_key.public);
        std::fs::write(&trusted, line).unwrap();
        Ssh::new(&self.login, port, &self.client_key.path, &trusted)
    }

    /// Lets one more key log in.
    pub(crate) fn authorize(&self, key: &Key) {
        let line = format!("{}\n", key.public);
        let mut file = File::options()
            .append(true)
            .open(self.dir.path().join("authorized_keys"))
            .unwrap();
        file.write_all(line.as_bytes()).unwrap();
    }

    /// Everything that it has logged.
    pub(crate) fn log(&self) -> String {
        log(self.dir.path())
    }

    /// How many sessions were asked of it so far, by its own log: commands, shells and subsystems.
    pub(crate) fn sessions(&self) -> usize {
        log(self.dir.path()).matches("Starting session:").count()
    }

    /// How many logins it has accepted so far, by its own log.
    pub(crate) fn logins(&self) -> usize {
        log(self.dir.path()).matches("Accepted publickey").count()
    }

    /// Ends the processes that serve its sessions, as a host does that goes down; it goes on listening.
    pub(crate) fn end_sessions(&self) {
        for connection in self.server.children() {
            let status = Command::new("kill")
                .args(["-s", "KILL", "--", &connection])
                .status()
                .unwrap();
            assert!(status.success(), "kill failed");
        }
    }

    /// Ends it.
    pub(crate) fn stop(&mut self) {
        self.server.signal("TERM");
        self.server.wait();
    }
}

/// The account's files: who may log in, and an interactive bash with a plain prompt.
fn furnish(dir: &Path, client_key: &Key) {
    std::fs::write(dir.join("authorized_keys"), format!("{}\n", client_key.public)).unwrap();
    let home = dir.join("home");
    std::fs::create_dir(&home).unwrap();
    let profile = format!("PS1='{}'\nunset PROMPT_COMMAND\n", super::READY);
    std::fs::write(home.join(".bash_profile"), profile).unwrap();
    // Without the markers of a bracketed paste, so that a test sees what a plain terminal would.
    std::fs::write(home.join(".inputrc"), "set enable-bracketed-paste off\n").unwrap();
}

fn config(dir: &Path, port: u16) -> String {
    let dir = dir.display();
    format!(
        "ListenAddress 127.0.0.1:{port}\n\
         HostKey {dir}/host\n\
         AuthorizedKeysFile {dir}/authorized_keys\n\
         PidFile none\n\
         StrictModes no\n\
         UsePAM no\n\
         UseDNS no\n\
         PermitRootLogin yes\n\
         PasswordAuthentication no\n\
         KbdInteractiveAuthentication no\n\
         PermitUserRC no\n\
         PrintMotd no\n\
         PrintLastLog no\n\
         AcceptEnv LANG LC_* LD_PRELOAD\n\
         SetEnv HOME={dir}/home\n\
         Subsystem sftp internal-sftp\n\
         MaxStartups 200\n\
         LogLevel VERBOSE\n"
    )
}

fn listen(dir: &Path) -> Child {
    let program = program();
    // Only root separates privileges, and then the directory must be there; packages leave it to the init system.
    if is_root() {
        std::fs::create_dir_all("/run/sshd").unwrap();
    }
    let mut command = Command::new(program);
    command.args(["-D", "-e", "-f"]).arg(dir.join("sshd_config"));
    Child::server(&mut command, &dir.join("log"))
}

/// The server's path: it wants to be started by an absolute one, and stands outside many a PATH.
fn program() -> PathBuf {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")])
        .map(|dir| dir.join("sshd"))
        .find(|path| path.is_absolute() && path.is_file())
        .expect("sshd is needed: install openssh-server")
}

fn log(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("log")).unwrap_or_default()
}

fn login() -> String {
    id("-un")
}

fn is_root() -> bool {
    id("-u") == "0"
}

fn id(option: &str) -> String {
    let output = Command::new("id").arg(option).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

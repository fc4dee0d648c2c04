//! The bastion: the binary under test, serving in a directory of its own.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;

use super::client::Ssh;
use super::config::Config;
use super::key::Key;
use super::process::{Child, opspilot};
use super::record::{self, Row};
use super::sshd::Sshd;
use super::wait::{eventually, free_port};

/// A running `opspilot serve`; what it logged is shown when its test fails.
pub(crate) struct Bastion {
    // Before `dir`: the daemon ends before its files go.
    daemon: Child,
    dir: TempDir,
    /// What it was started with, or reloaded last.
    pub(crate) config: Config,
}

impl Bastion {
    /// Starts one in front of `target` and awaits that it accepts.
    pub(crate) fn start(target: &Sshd, change: impl FnOnce(&mut Config)) -> Self {
        let (dir, mut config) = Self::prepare(target);
        change(&mut config);
        std::fs::write(dir.path().join("opspilot.toml"), config.render()).unwrap();
        let daemon = serve(dir.path(), config.port, config.log);
        let bastion = Self { daemon, dir, config };
        bastion.trust_host_key();
        bastion
    }

    /// A directory with the users' keys, and the ordinary configuration for it, not yet written.
    pub(crate) fn prepare(target: &Sshd) -> (TempDir, Config) {
        let dir = TempDir::with_prefix("opspilot-bastion-").unwrap();
        std::fs::create_dir(dir.path().join("state")).unwrap();
        let [alice, bob, robot] = ["alice", "bob", "robot"].map(|name| Key::generate(dir.path(), name));
        let config = Config::ordinary(free_port(), target, &alice, &bob, &robot);
        (dir, config)
    }

    /// The configuration's file.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.dir.path().join("opspilot.toml")
    }

    /// The directory with the configuration and the users' private keys.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The database's file.
    pub(crate) fn database(&self) -> PathBuf {
        self.dir.path().join("state/opspilot.db")
    }

    /// How many files it holds open beside its record that have no name.
    pub(crate) fn unnamed_files(&self) -> usize {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.daemon.id())).unwrap();
        // One may be closed while this looks.
        let files = open.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
        let state = self.dir.path().join("state");
        let is_unnamed = |file: &PathBuf| file.starts_with(&state) && file.to_string_lossy().ends_with(" (deleted)");
        files.filter(is_unnamed).count()
    }

    /// Everything that the daemon has logged.
    pub(crate) fn log(&self) -> String {
        log(self.dir.path())
    }

    /// The processor time that it has taken so far, in user and in kernel mode.
    #[allow(dead_code, reason = "for the benches")]
    pub(crate) fn cpu_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.daemon.id())).unwrap();
        // Behind the name in parentheses; the fields are numbered from 3 there, and these are 14 and 15.
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let ticks: u64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|field| field.parse::<u64>().unwrap())
            .sum();
        // Linux counts these in hundredths of a second, whatever its clock does.
        Duration::from_millis(ticks * 10)
    }

    /// Its resident memory, kB.
    #[allow(dead_code, reason = "for the benches")]
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.daemon.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// An `ssh` that logs in as `login` (`alice@web-1`, `alice`, ...) with the key of the user in it.
    pub(crate) fn ssh(&self, login: &str) -> Ssh {
        let user = login.split(['@', '+']).next().unwrap_or(login);
        self.ssh_with_key_of(user, login)
    }

    /// An `ssh` with the key of `user`, whatever it logs in as.
    pub(crate) fn ssh_with_key_of(&self, user: &str, login: &str) -> Ssh {
        self.ssh_with_key(&self.dir.path().join(user), login)
    }

    /// An `ssh` with the private key in a file.
    pub(crate) fn ssh_with_key(&self, key: &Path, login: &str) -> Ssh {
        Ssh::new(login, self.config.port, key, &self.known_hosts())
    }

    /// Runs `opspilot` with `-c` and this bastion's configuration.
    pub(crate) fn opspilot(&self, arguments: &[&str]) -> Output {
        opspilot(arguments).arg("-c").arg(self.config_file()).output().unwrap()
    }

    /// The record's rows as they stand, oldest first.
    pub(crate) fn rows_now(&self) -> Vec<Row> {
        record::rows(&self.database()).unwrap()
    }

    /// The record's rows as soon as there are `count` and all are final.
    pub(crate) fn rows(&self, count: usize) -> Vec<Row> {
        let rows = self.rows_when(&format!("{count} final rows"), |rows| {
            rows.len() >= count && rows.iter().all(Row::is_final)
        });
        assert_eq!(rows.len(), count, "{rows:#?}");
        rows
    }

    /// The only row, as soon as it is final.
    pub(crate) fn row(&self) -> Row {
        self.rows(1).remove(0)
    }

    /// The record's rows as soon as they satisfy `condition`.
    pub(crate) fn rows_when(&self, what: &str, condition: impl Fn(&[Row]) -> bool) -> Vec<Row> {
        eventually(what, || Some(self.rows_now()).filter(|rows| condition(rows)))
    }

    /// A connection to the database that cannot write.
    pub(crate) fn sql(&self) -> Connection {
        record::open(&self.database()).unwrap()
    }

    /// Writes the changed configuration and sends SIGHUP.
    pub(crate) fn reload(&mut self, change: impl FnOnce(&mut Config)) {
        change(&mut self.config);
        self.reload_text(&self.config.render());
    }

    /// Writes `text` as the configuration and sends SIGHUP.
    pub(crate) fn reload_text(&self, text: &str) {
        std::fs::write(self.config_file(), text).unwrap();
        self.daemon.signal("HUP");
    }

    /// Kills the daemon as a crash would, and awaits its end.
    pub(crate) fn crash(&mut self) {
        self.daemon.signal("KILL");
        self.daemon.wait();
    }

    /// Asks the daemon to end and awaits it; gives its exit code.
    pub(crate) fn stop(&mut self) -> i32 {
        self.daemon.signal("TERM");
        self.daemon.code()
    }

    /// Starts the daemon again after [`Self::crash`] or [`Self::stop`].
    pub(crate) fn restart(&mut self) {
        self.daemon = serve(self.dir.path(), self.config.port, self.config.log);
    }

    fn known_hosts(&self) -> PathBuf {
        self.dir.path().join("known_hosts")
    }

    /// Takes the host key from where the daemon keeps it, so that no client ever trusts on first use.
    pub(crate) fn trust_host_key(&self) {
        let host_key = Key::read(self.dir.path().join("state/ssh_host_ed25519_key"));
        let line = format!("[127.0.0.1]:{} {}\n", self.config.port, host_key.public);
        std::fs::write(self.known_hosts(), line).unwrap();
    }
}

impl Drop for Bastion {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the bastion's log ---\n{}", self.log());
            eprintln!("--- the record ---\n{:#?}", record::rows(&self.database()));
        }
    }
}

/// Runs the daemon on the configuration in `dir` and awaits that it accepts on `port`. An empty `log` is the default one.
pub(crate) fn serve(dir: &Path, port: u16, log_filter: &str) -> Child {
    let mut command = opspilot(&["serve", "-c"]);
    command.arg(dir.join("opspilot.toml"));
    if !log_filter.is_empty() {
        command.env("OPSPILOT_LOG", log_filter);
    }
    preload_faults(&mut command, dir);
    let mut daemon = Child::server(&mut command, &dir.join("log"));
    eventually("the bastion to accept", || {
        assert!(daemon.runs(), "the bastion ended:\n{}", log(dir));
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()
    });
    daemon
}

/// Has the daemon's calls to the system fail as a test says, where its directory holds what does that.
fn preload_faults(command: &mut Command, dir: &Path) {
    let library = dir.join("faults.so");
    if library.exists() {
        command.env("LD_PRELOAD", library).env("FAULTS", dir.join("faults"));
    }
}

fn log(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("log")).unwrap_or_default()
}

//! The bastion: the binary under test, serving in a directory of its own.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

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
        let daemon = serve_logging(dir.path(), &config);
        let bastion = Self { daemon, dir, config };
        bastion.trust_host_key();
        bastion
    }

    /// As [`Self::start`], on a socket that stays: whenever the daemon ends well, another begins.
    pub(crate) fn activated(target: &Sshd, change: impl FnOnce(&mut Config)) -> Self {
        let (dir, mut config) = Self::prepare(target);
        change(&mut config);
        std::fs::write(dir.path().join("opspilot.toml"), config.render()).unwrap();
        let daemon = activate(dir.path(), config.port);
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

    /// The daemon's process id.
    pub(crate) fn id(&self) -> u32 {
        self.daemon.id()
    }

    /// The database's file.
    pub(crate) fn database(&self) -> PathBuf {
        self.dir.path().join("state/opspilot.db")
    }

    /// The file descriptors that it has open.
    pub(crate) fn open_files(&self) -> Vec<usize> {
        std::fs::read_dir(format!("/proc/{}/fd", self.daemon.id()))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap())
            .collect()
    }

    /// How many file descriptors it has open, once that has not changed for a second.
    pub(crate) fn settled_files(&self) -> usize {
        let (mut last, mut since) = (0, Instant::now());
        eventually("the file descriptors to settle", || {
            let open = self.open_files().len();
            if open != last {
                (last, since) = (open, Instant::now());
            }
            (since.elapsed() >= Duration::from_secs(1)).then_some(open)
        })
    }

    /// Returns once it has at most so many file descriptors open.
    pub(crate) fn files_down_to(&self, most: usize) {
        eventually("file descriptors to be closed", || {
            (self.open_files().len() <= most).then_some(())
        });
    }

    /// Starts the daemon anew with a library before the system's, compiled from this source below tests/integration. It reads
    /// what to do in the file of [`Self::fault`].
    pub(crate) fn preload(&mut self, source: &str) {
        self.stop();
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/integration")
            .join(source);
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-o"])
            .arg(self.dir.path().join("faults.so"))
            .arg(source);
        assert!(cc.status().unwrap().success(), "cc failed");
        self.restart();
    }

    /// Has the preloaded library do something, as it understands it.
    pub(crate) fn fault(&self, what: &str) {
        let draft = self.dir.path().join("faults.new");
        std::fs::write(&draft, what).unwrap();
        std::fs::rename(draft, self.dir.path().join("faults")).unwrap();
    }

    /// Has it do nothing more.
    pub(crate) fn mend(&self) {
        std::fs::remove_file(self.dir.path().join("faults")).unwrap();
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

    /// Sends the daemon a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        self.daemon.signal(name);
    }

    /// Sends a signal to the daemon that serves now, of those that [`Self::activated`] starts.
    pub(crate) fn signal_served(&self, name: &str) {
        let serving = self.daemon.children();
        let status = Command::new("kill").args(["-s", name, "--"]).args(serving).status();
        assert!(status.unwrap().success(), "kill -s {name} failed");
    }

    /// Awaits the daemon's end; gives its exit code.
    pub(crate) fn code(&mut self) -> i32 {
        self.daemon.code()
    }

    /// Asks the daemon to end and awaits it; gives its exit code.
    pub(crate) fn stop(&mut self) -> i32 {
        self.signal("TERM");
        self.code()
    }

    /// Starts the daemon again after [`Self::crash`] or [`Self::stop`].
    pub(crate) fn restart(&mut self) {
        self.daemon = serve_logging(self.dir.path(), &self.config);
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
    serve_with(dir, port, log_filter, "text")
}

fn serve_logging(dir: &Path, config: &Config) -> Child {
    serve_with(dir, config.port, config.log, config.log_format)
}

fn serve_with(dir: &Path, port: u16, log_filter: &str, log_format: &str) -> Child {
    let mut command = opspilot(&["serve", "--log-format", log_format, "-c"]);
    command.arg(dir.join("opspilot.toml"));
    if !log_filter.is_empty() {
        command.env("OPSPILOT_LOG", log_filter);
    }
    // As the unit has it.
    command.env("MALLOC_ARENA_MAX", "2");
    preload_faults(&mut command, dir);
    let mut daemon = Child::server(&mut command, &dir.join("log"));
    eventually("the bastion to accept", || {
        assert!(daemon.runs(), "the bastion ended:\n{}", log(dir));
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()
    });
    daemon
}

/// Keeps a socket on `port` and runs daemons on it one after another, as a service manager does; awaits the first.
fn activate(dir: &Path, port: u16) -> Child {
    // The shell is the one who was passed the socket, so each daemon is told anew that it is meant; none outlives the shell.
    const AGAIN: &str = r#"while sh -c 'LISTEN_PID=$$ exec setpriv --pdeathsig KILL "$@"' sh "$@"; do :; done"#;
    let daemon = opspilot(&["serve", "-c"]);
    let mut command = Command::new("systemd-socket-activate");
    command
        .arg(format!("--listen=127.0.0.1:{port}"))
        .args(["sh", "-c", AGAIN, "sh"])
        .arg(daemon.get_program())
        .args(daemon.get_args())
        .arg(dir.join("opspilot.toml"));
    let mut keeper = Child::server(&mut command, &dir.join("log"));
    // It is a connection that starts the first.
    eventually("the bastion to be ready", || {
        assert!(keeper.runs(), "the bastion ended:\n{}", log(dir));
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
        log(dir).contains(" ready ").then_some(())
    });
    keeper
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

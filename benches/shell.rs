//! How long a key takes to be echoed and a line to show its output, through the bastion and directly.
//!
//! ```text
//! cargo bench --bench shell                     # bash, zsh, fish and dash
//! cargo bench --bench shell -- bash fish        # these
//! ```
//!
//! Through the real client, daemon, server and shells on loopback; the record is where temporary files are, on a real disk
//! for honest figures (`TMPDIR`). The bastion scores with the shipped rules and model. Two sessions of each shell, one direct
//! and one through the bastion, take turns, so that whatever else the machine does meets both. Printed are medians: of the
//! time from a key to its echo, and from Enter to the first output of a line, in microseconds; directly, through the
//! bastion, and the difference. `far` has 25 ms added in each direction between bastion and target, or client and target.
//! Also printed is the median of one write of 4 KiB and its fsync in the record's directory.

#![allow(dead_code, unused_imports, reason = "what the tests stand on is used in part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "as in the tests"
)]
#![allow(unreachable_pub, reason = "as in the tests")]

#[path = "../tests/integration/harness/mod.rs"]
mod harness;
#[path = "../tests/integration/matrix/mod.rs"]
mod matrix;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use pty_process::blocking::Pty;

use harness::client::on_terminal;
use harness::{Child, Config, Ssh, delayed};
use matrix::Shell;
use matrix::driver::Stage;

/// Samples of each kind, of each of the two sessions.
const SAMPLES: usize = 200;
/// The same where bytes are on their way for long.
const FAR_SAMPLES: usize = 40;
/// What the far target is away, in each direction.
const FAR: Duration = Duration::from_millis(25);
/// Nothing comes for so long once a terminal has said what it had to.
const QUIET: Duration = Duration::from_millis(30);
/// What must come comes within this time.
const PATIENCE: Duration = Duration::from_secs(20);

const PROMPT: &[u8] = b"ready> ";

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    println!(
        "{:<6}{:<6}{:<7}{:>10}{:>10}{:>10}",
        "shell", "link", "what", "direct", "bastion", "added"
    );
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Dash] {
        if wanted.is_empty() || wanted.iter().any(|name| name == shell.name()) {
            measure(shell);
        }
    }
}

/// Measures one shell, near and far, and prints a row for each figure.
fn measure(shell: Shell) {
    let mut far_port = 0;
    let stage = Stage::set_with(shell, 1, |config, target| {
        let house = env!("CARGO_MANIFEST_DIR");
        config.risk = format!("rules = [\"{house}/config/rules.toml\"]\nmodel = \"{house}/models/risk.onnx\"\n");
        far_port = delayed(target.port, FAR);
        config.targets += &Config::target_at("slow-1", far_port, &target.host_key.public, target, "");
    });
    stage.furnish(0);
    let near_port = stage.world.target.port;
    for (link, name, port, samples) in [
        ("near", "web-1", near_port, SAMPLES),
        ("far", "slow-1", far_port, FAR_SAMPLES),
    ] {
        let mut bastion = Wire::open(&stage.ssh_to(0, name));
        let mut direct = Wire::open(&stage.ssh_directly(0, port));
        let echo = interleaved(samples, &mut direct, &mut bastion, Wire::echo);
        report(shell, link, "echo", echo);
        let enter = interleaved(samples, &mut direct, &mut bastion, Wire::enter);
        report(shell, link, "Enter", enter);
    }
    println!(
        "{:<6}{:<6}{:<7}{:>10}",
        shell.name(),
        "",
        "fsync",
        micros(fsync(stage.world.bastion.dir()))
    );
}

/// Medians of `sample`, taken of both in turns.
fn interleaved(
    samples: usize,
    direct: &mut Wire,
    bastion: &mut Wire,
    sample: impl Fn(&mut Wire, usize) -> Duration,
) -> (Duration, Duration) {
    let (mut directly, mut through): (Vec<_>, Vec<_>) = (0..samples)
        .map(|number| (sample(direct, number), sample(bastion, number)))
        .unzip();
    (median(&mut directly), median(&mut through))
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn micros(time: Duration) -> String {
    format!("{} us", time.as_micros())
}

fn report(shell: Shell, link: &str, what: &str, (direct, bastion): (Duration, Duration)) {
    let added = bastion.saturating_sub(direct);
    println!(
        "{:<6}{link:<6}{what:<7}{:>10}{:>10}{:>10}",
        shell.name(),
        micros(direct),
        micros(bastion),
        micros(added)
    );
}

/// The median of writing 4 KiB and waiting until they are on disk.
fn fsync(dir: &Path) -> Duration {
    let mut file = File::create(dir.join("fsync")).unwrap();
    let mut times: Vec<_> = (0..SAMPLES)
        .map(|_| {
            let began = Instant::now();
            file.write_all(&[0; 4096]).unwrap();
            file.sync_data().unwrap();
            began.elapsed()
        })
        .collect();
    median(&mut times)
}

/// A shell on a terminal, whose bytes come with the time at which they came.
struct Wire {
    pty: Arc<Pty>,
    heard: Receiver<(Instant, Vec<u8>)>,
    /// What came and was not looked for yet.
    unread: Vec<u8>,
    _child: Child,
}

impl Wire {
    /// Logs in and awaits the prompt.
    fn open(ssh: &Ssh) -> Self {
        let mut command = ssh.command(OsStr::new(""));
        command.arg("-tt");
        let (pty, child) = on_terminal(&command);
        let pty = Arc::new(pty);
        let (sender, heard) = mpsc::channel();
        let reader = Arc::clone(&pty);
        thread::spawn(move || {
            let mut chunk = [0; 16 * 1024];
            while let Ok(count @ 1..) = (&*reader).read(&mut chunk) {
                if sender.send((Instant::now(), chunk[..count].to_vec())).is_err() {
                    return;
                }
            }
        });
        let mut wire = Self {
            pty,
            heard,
            unread: Vec::new(),
            _child: child.into(),
        };
        wire.until(PROMPT);
        wire.drain();
        wire
    }

    fn send(&self, keys: &[u8]) -> Instant {
        let at = Instant::now();
        (&*self.pty).write_all(keys).unwrap();
        at
    }

    /// When `needle` was complete.
    fn until(&mut self, needle: &[u8]) -> Instant {
        let mut at = Instant::now();
        loop {
            if let Some(found) = memchr::memmem::find(&self.unread, needle) {
                self.unread.drain(..found + needle.len());
                return at;
            }
            let bytes;
            (at, bytes) = self.heard.recv_timeout(PATIENCE).unwrap_or_else(|error| {
                let unread = String::from_utf8_lossy(&self.unread);
                panic!("{error}: {} after {unread:?}", String::from_utf8_lossy(needle))
            });
            self.unread.extend(bytes);
        }
    }

    /// Takes what still comes.
    fn drain(&mut self) {
        while self.heard.recv_timeout(QUIET).is_ok() {}
        self.unread.clear();
    }

    /// From a key to its echo.
    fn echo(&mut self, _number: usize) -> Duration {
        let sent = self.send(b"z");
        let echoed = self.until(b"z").duration_since(sent);
        self.drain();
        self.send(b"\x7f");
        self.drain();
        echoed
    }

    /// From Enter to the first output.
    fn enter(&mut self, number: usize) -> Duration {
        self.send(format!("printf 'out%s\\n' {number}x").as_bytes());
        self.until(format!("{number}x").as_bytes());
        self.drain();
        let sent = self.send(b"\r");
        let shown = self.until(format!("out{number}x").as_bytes()).duration_since(sent);
        self.until(PROMPT);
        self.drain();
        shown
    }
}

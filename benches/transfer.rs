//! How fast bytes pass, and how long a command takes from start to end: directly, through OpenSSH's server as a jump host,
//! through the bastion, and through it by a `ProxyJump` that it sees into.
//!
//! ```text
//! cargo bench --bench transfer                  # 1 GiB each way and more; 20 minutes
//! cargo bench --bench transfer -- 128 7 down up # with 128 MiB, 7 rounds, and these only
//! ```
//!
//! Through real clients and servers on loopback, with aes256-gcm and curve25519. The ways take turns in every round, so that
//! whatever else the machine does meets all of them. Printed are, for each way: the median rate (or time), the median of its
//! ratio to the direct way of the same round with the interval that holds 95% of 2,000 resampled medians, and the processor
//! time of the bastion.
//! `down 1G` and `up 1G` move no more than 1 Gbit/s.

#![allow(dead_code, unused_imports, reason = "what the tests stand on is used in part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "as in the tests; the figures are small"
)]
#![allow(unreachable_pub, reason = "as in the tests")]

#[path = "../tests/integration/harness/mod.rs"]
mod harness;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rand::RngExt as _;

use harness::{Config, Ssh, Sshd, World};

/// What is moved at once, MiB, unless the command line says otherwise; scp and sftp move half of it.
const SIZE: u64 = 1024;
/// Rounds, unless the command line says otherwise.
const ROUNDS: usize = 7;
/// Commands that one round starts one after the other where set-up is measured.
const COMMANDS: u32 = 10;

/// What a paced job moves, bytes a second: 1 Gbit/s.
const PACE: f64 = 125e6;

const CIPHER: &str = "aes256-gcm@openssh.com";
/// The same for every way: OpenSSH's own first choice takes it longer, and the bastion does not have it.
const KEX: &str = "KexAlgorithms=curve25519-sha256";

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let mut numbers = arguments.iter().filter_map(|argument| argument.parse::<u64>().ok());
    let size = numbers.next().unwrap_or(SIZE) << 20;
    let rounds = numbers.next().map_or(ROUNDS, |rounds| rounds as usize);
    let wanted = |job: &Job| {
        let mut names = arguments
            .iter()
            .filter(|argument| argument.parse::<u64>().is_err())
            .peekable();
        names.peek().is_none() || names.any(|name| name == job.name)
    };
    let bench = Bench::set_up(size);
    println!("load {}", std::fs::read_to_string("/proc/loadavg").unwrap().trim());
    println!(
        "{:<10}{:<9}{:>12}{:>8}{:>16}{:>16}",
        "what", "way", "median", "ratio", "95% of medians", "bastion CPU"
    );
    for job in JOBS.iter().filter(|job| wanted(job)) {
        bench.measure(job, rounds);
    }
}

/// Something that is done by every way.
struct Job {
    name: &'static str,
    /// Bytes that pass, as a part of the size; none where the time counts.
    moves: Option<u64>,
    run: fn(&Bench, &Way) -> Command,
    /// The end of the client that no more than [`PACE`] passes.
    paced: Option<End>,
    times: u32,
}

#[derive(Clone, Copy)]
enum End {
    Input,
    Output,
}

const fn job(name: &'static str, moves: Option<u64>, run: fn(&Bench, &Way) -> Command) -> Job {
    Job {
        name,
        moves,
        run,
        paced: None,
        times: 1,
    }
}

impl Job {
    const fn paced(self, end: End) -> Self {
        Self {
            paced: Some(end),
            ..self
        }
    }
}

const JOBS: &[Job] = &[
    job("down", Some(1), |bench, way| {
        way.ssh(&format!("head -c {} /dev/zero", bench.size))
    }),
    job("up", Some(1), |bench, way| fed(way.ssh("cat >/dev/null"), &bench.whole)),
    job("scp put", Some(2), |bench, way| {
        way.scp(&[bench.half.as_os_str(), &way.remote("/dev/null")])
    }),
    job("scp get", Some(2), |bench, way| {
        way.scp(&[&way.remote(&bench.half.display().to_string()), OsStr::new("/dev/null")])
    }),
    job("sftp put", Some(2), |bench, way| {
        bench.sftp(way, &format!("put {} /dev/null", bench.half.display()))
    }),
    job("sftp get", Some(2), |bench, way| {
        bench.sftp(way, &format!("get {} /dev/null", bench.half.display()))
    }),
    job("down 1G", Some(2), |bench, way| {
        way.ssh(&format!("head -c {} /dev/zero", bench.size / 2))
    })
    .paced(End::Output),
    job("up 1G", Some(2), |_, way| way.ssh("cat >/dev/null")).paced(End::Input),
    Job {
        times: COMMANDS,
        ..job("true", None, |_, way| way.ssh("true"))
    },
];

/// One way from the client to the target.
struct Way {
    name: &'static str,
    options: Vec<OsString>,
    destination: String,
    by_bastion: bool,
}

impl Way {
    fn new(name: &'static str, ssh: &Ssh, by_bastion: bool) -> Self {
        let mut options: Vec<OsString> = ssh.command(OsStr::new("")).get_args().map(OsStr::to_owned).collect();
        let destination = options.pop().unwrap().into_string().unwrap();
        options.extend(["-c", CIPHER, "-o", KEX].map(OsString::from));
        Self {
            name,
            options,
            destination,
            by_bastion,
        }
    }

    /// The target by its name, reached with `ProxyJump` through the bastion, which answers in its place.
    fn seen(world: &World) -> Self {
        let console = Self::new("", &world.bastion.ssh("alice"), true);
        let mut inner = Self::new("", &world.bastion.ssh("alice"), true);
        let port = inner
            .options
            .iter()
            .position(|option| option.to_string_lossy().starts_with("Port="));
        inner.options[port.unwrap()] = format!("HostKeyAlias=[127.0.0.1]:{}", world.bastion.config.port).into();
        inner.destination = format!("{}@web-1", world.target.login);
        inner.through("seen -J", &console)
    }

    /// The same destination, reached through another.
    fn through(mut self, name: &'static str, jump: &Self) -> Self {
        let words: Vec<_> = jump.options.iter().map(|word| word.to_str().unwrap()).collect();
        let proxy = format!("ProxyCommand=ssh {} -W %h:%p {}", words.join(" "), jump.destination);
        self.options.extend(["-o".into(), proxy.into()]);
        self.name = name;
        self
    }

    fn program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command
    }

    fn ssh(&self, remote: &str) -> Command {
        let mut ssh = self.program("ssh");
        ssh.arg(&self.destination).arg("--").arg(remote);
        ssh
    }

    fn scp(&self, files: &[&OsStr]) -> Command {
        let mut scp = self.program("scp");
        scp.arg("-q").args(files);
        scp
    }

    fn remote(&self, path: &str) -> OsString {
        format!("{}:{path}", self.destination).into()
    }
}

fn fed(mut command: Command, input: &Path) -> Command {
    command.stdin(File::open(input).unwrap());
    command
}

/// Everything that runs, and the files that are moved.
struct Bench {
    size: u64,
    world: World,
    _jump: Sshd,
    whole: PathBuf,
    half: PathBuf,
    batch: PathBuf,
    ways: Vec<Way>,
}

/// What one way took in one round.
struct Sample {
    time: Duration,
    bastion: Duration,
}

impl Bench {
    fn set_up(size: u64) -> Self {
        let world = World::with(|config| {
            config.allow_everything();
            config.policies = config.policies.replace("\"exec\"]", "\"exec\", \"sftp\", \"scp\"]");
        });
        let jump = Sshd::start();
        let dir = world.bastion.dir();
        let (whole, half) = (sparse(dir, "whole", size), sparse(dir, "half", size / 2));
        let direct = || Way::new("direct", &world.target.direct(), false);
        let ways = vec![
            direct(),
            direct().through("ssh -J", &Way::new("", &jump.direct(), false)),
            Way::new("bastion", &world.alice(), true),
            Way::seen(&world),
        ];
        let batch = dir.join("batch");
        Self {
            size,
            _jump: jump,
            whole,
            half,
            batch,
            ways,
            world,
        }
    }

    /// `sftp` with one line of its own language.
    fn sftp(&self, way: &Way, line: &str) -> Command {
        std::fs::write(&self.batch, format!("{line}\n")).unwrap();
        let mut sftp = way.program("sftp");
        sftp.arg("-q").arg("-b").arg(&self.batch).arg(&way.destination);
        sftp
    }

    /// Runs a job by every way in turns, and prints a row for each.
    fn measure(&self, job: &Job, rounds: usize) {
        for way in &self.ways {
            self.sample(job, way);
        }
        let round = |_| self.ways.iter().map(|way| self.sample(job, way)).collect();
        let rounds: Vec<Vec<Sample>> = (0..rounds).map(round).collect();
        for (number, way) in self.ways.iter().enumerate() {
            let seconds = |round: &Vec<Sample>| round[number].time.as_secs_f64();
            let ratios: Vec<f64> = rounds
                .iter()
                .map(|round| round[0].time.as_secs_f64() / seconds(round))
                .collect();
            let time = median(rounds.iter().map(seconds).collect());
            let cpu = median(rounds.iter().map(|round| round[number].bastion.as_secs_f64()).collect());
            let (figure, cpu) = self.figures(job, time, cpu);
            let cpu = if way.by_bastion { cpu } else { String::new() };
            let (low, high) = interval(&ratios);
            println!(
                "{:<10}{:<9}{figure:>12}{:>8.2}{:>16}{cpu:>16}",
                job.name,
                way.name,
                median(ratios),
                format!("{low:.2}-{high:.2}"),
            );
        }
    }

    /// Seconds of wall and of processor time in the unit of the job.
    fn figures(&self, job: &Job, time: f64, cpu: f64) -> (String, String) {
        let Some(part) = job.moves else {
            let each = 1e3 / f64::from(job.times);
            return (format!("{:.1} ms", time * each), format!("{:.1} ms", cpu * each));
        };
        let mebibytes = ((self.size / part) >> 20) as f64;
        (
            format!("{:.0} MiB/s", mebibytes / time),
            format!("{:.2} s/GiB", cpu * 1024.0 / mebibytes),
        )
    }

    /// Runs a client and moves half of the size through one of its ends at the pace.
    fn at_pace(&self, mut command: Command, end: End) -> io::Result<ExitStatus> {
        match end {
            End::Input => {
                let mut client = command.stdin(Stdio::piped()).spawn()?;
                copy_at_pace(io::repeat(0).take(self.size / 2), client.stdin.take().unwrap())?;
                client.wait()
            }
            End::Output => {
                let mut client = command.stdout(Stdio::piped()).spawn()?;
                copy_at_pace(client.stdout.take().unwrap(), io::sink())?;
                client.wait()
            }
        }
    }

    fn sample(&self, job: &Job, way: &Way) -> Sample {
        let (began, cpu) = (Instant::now(), self.world.bastion.cpu_time());
        for _ in 0..job.times {
            let mut command = (job.run)(self, way);
            let status = match job.paced {
                None => command.status(),
                Some(end) => self.at_pace(command, end),
            };
            let status = status.unwrap();
            assert!(status.success(), "{} by {}: {status}", job.name, way.name);
        }
        Sample {
            time: began.elapsed(),
            bastion: self.world.bastion.cpu_time().saturating_sub(cpu),
        }
    }
}

/// Copies until the end, no faster than [`PACE`].
fn copy_at_pace(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    let (began, mut moved) = (Instant::now(), 0);
    let mut piece = vec![0; 64 * 1024];
    loop {
        let length = from.read(&mut piece)?;
        if length == 0 {
            return Ok(());
        }
        to.write_all(&piece[..length])?;
        moved += length;
        let due = Duration::from_secs_f64(moved as f64 / PACE);
        harness::pause(due.saturating_sub(began.elapsed()));
    }
}

/// A file of zeros that takes no room.
fn sparse(dir: &Path, name: &str, size: u64) -> PathBuf {
    let path = dir.join(name);
    File::create(&path).unwrap().set_len(size).unwrap();
    path
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
}

/// The interval that holds 95% of the medians of samples drawn anew from these.
fn interval(values: &[f64]) -> (f64, f64) {
    const DRAWS: usize = 2_000;
    let mut random = rand::rng();
    let draw = |random: &mut rand::rngs::ThreadRng| values[random.random_range(0..values.len())];
    let mut medians: Vec<f64> = (0..DRAWS)
        .map(|_| median(values.iter().map(|_| draw(&mut random)).collect()))
        .collect();
    medians.sort_unstable_by(f64::total_cmp);
    (medians[DRAWS / 40], medians[DRAWS - DRAWS / 40 - 1])
}

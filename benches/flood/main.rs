//! What a flood at the door costs those who log in.
//!
//! ```text
//! cargo bench --bench flood                     # 200 logins each way, 1,000 slow connections; 6 minutes
//! cargo bench --bench flood -- 50 500           # 50 logins each way, 500 slow connections
//! ```
//!
//! Each scenario has a bastion of its own. First `ssh host true` runs through it, one after the other, with nobody else there;
//! then the same while the door is flooded:
//!
//! - `elsewhere`: slow connections from a hundred addresses of ten networks, none of them the login's, that say nothing, a byte a
//!   second, half a message, or exchange keys and guess slowly or not at all, and that come back a second after they were cut off;
//! - `dheat`: `ssh-audit --dheat`, which has the server exchange keys as often as it will;
//! - `same, once`: slow connections from the address of the login itself, which do not come back;
//! - `same, again`: the same, and they come back. Nothing that the bastion sees tells them from the login.
//!
//! The attackers are processes of the lowest priority, for they stand for other machines: what they take of this one is printed
//! apart. Memory and descriptors are the daemon's, before, the most under the flood, and after. The flood is to make the 99th of
//! 100 logins take no more than twice as long, and the daemon no more than 64 MiB larger.

#![allow(dead_code, unused_imports, reason = "what the tests stand on is used in part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "as in the tests; the figures are small"
)]

mod attack;
#[path = "../../tests/integration/harness/mod.rs"]
mod harness;

use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use attack::Origin;
use harness::{World, pause};

/// Logins of each kind, unless the command line says otherwise.
const LOGINS: usize = 200;
/// Slow connections, likewise.
const CONNECTIONS: usize = 1_000;
/// Sockets of `ssh-audit --dheat`, each of which is a process.
const DHEAT: &str = "--dheat=10:curve25519-sha256";

/// Where the logins come from: no network that anybody else comes from.
const HERE: Ipv4Addr = Ipv4Addr::new(127, 20, 0, 1);

/// After so long, a flood is in full flow, and what it left is cleared away.
const FLOW: Duration = Duration::from_secs(5);
/// Between two looks at the daemon.
const LOOK: Duration = Duration::from_millis(100);

/// An attack, by the name that it is printed with.
#[derive(Debug, Clone, Copy)]
enum Flood {
    Slow { origin: Origin, stays_away: bool },
    Dheat,
}

const FLOODS: [(&str, Flood); 4] = [
    (
        "elsewhere",
        Flood::Slow {
            origin: Origin::Many,
            stays_away: false,
        },
    ),
    ("dheat", Flood::Dheat),
    (
        "same, once",
        Flood::Slow {
            origin: Origin::One(HERE),
            stays_away: true,
        },
    ),
    (
        "same, again",
        Flood::Slow {
            origin: Origin::One(HERE),
            stays_away: false,
        },
    ),
];

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    if let [word, port, number, origin, stays_away] = arguments.as_slice()
        && word == "attack"
    {
        let origin = origin.parse().map_or(Origin::Many, Origin::One);
        attack::run(
            port.parse().unwrap(),
            number.parse().unwrap(),
            origin,
            stays_away == "true",
        );
    }
    let mut numbers = arguments.iter().filter_map(|argument| argument.parse().ok());
    let (logins, connections) = (numbers.next().unwrap_or(LOGINS), numbers.next().unwrap_or(CONNECTIONS));
    make_environment();
    println!("load {}", std::fs::read_to_string("/proc/loadavg").unwrap().trim());
    for (name, flood) in FLOODS {
        measure(name, flood, logins, connections);
    }
}

/// Has the environment made that `ssh-audit` is in.
fn make_environment() {
    let made = Command::new(house("tests/clients/environment")).status().unwrap();
    assert!(made.success(), "tests/clients/environment failed");
}

fn house(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Measures logins without a flood and with it, and prints what came of both.
fn measure(name: &str, flood: Flood, logins: usize, connections: usize) {
    let mut world = World::with(harness::Config::allow_everything);
    log_in(&world, 5);
    let idle = log_in(&world, logins);
    let before = Look::at(&world);
    let watch = Watch::over(&world);
    let (mut attackers, began) = (
        Attackers::start(flood, world.bastion.config.port, connections),
        Instant::now(),
    );
    pause(FLOW);
    let cpu = world.bastion.cpu_time();
    let (flooded, took) = timed(|| log_in(&world, logins));
    let cpu = world.bastion.cpu_time().saturating_sub(cpu);
    let theirs = attackers.cpu_time().as_secs_f64() / began.elapsed().as_secs_f64();
    attackers.end();
    let most = watch.most();
    pause(FLOW);
    let after = Look::at(&world);

    println!("\n{name}");
    idle.print("idle");
    flooded.print("flooded");
    println!(
        "  p99 {:.2} times idle; processors taken: bastion {:.2}, attackers {theirs:.2}",
        flooded.percentile(99) / idle.percentile(99),
        cpu.as_secs_f64() / took.as_secs_f64(),
    );
    println!("  before {before}; most {most}; after {after}");
    println!("  {}", counted(&mut world));
}

/// What the record says of the door, once the daemon has ended.
fn counted(world: &mut World) -> String {
    assert_eq!(world.bastion.stop(), 0);
    let sql = "SELECT 'let in ' || sum(accepted) || ', refused ' || sum(refused) || ', gone ' || sum(unauthenticated)
        || ', too slow ' || sum(timed_out) || ', authenticated ' || sum(authenticated) FROM connection_counts";
    world.bastion.sql().query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Commands that ran, by the time that they took, and how many did not.
struct Logins {
    times: Vec<Duration>,
    failed: usize,
}

fn log_in(world: &World, logins: usize) -> Logins {
    let mut done = Logins {
        times: Vec::new(),
        failed: 0,
    };
    for _ in 0..logins {
        let ssh = world.alice().arg("-b").arg(&HERE.to_string());
        let (output, time) = timed(|| ssh.run("true"));
        if output.code == 0 {
            done.times.push(time);
        } else {
            done.failed += 1;
        }
    }
    done.times.sort_unstable();
    done
}

impl Logins {
    /// Milliseconds; not a number where nobody got in.
    fn percentile(&self, percent: usize) -> f64 {
        let time = self.times.get(self.times.len() * percent / 100);
        time.map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    }

    fn print(&self, what: &str) {
        println!(
            "  {what:<8} p50 {:>6.0} ms, p99 {:>6.0} ms; {} logins, {} failed",
            self.percentile(50),
            self.percentile(99),
            self.times.len() + self.failed,
            self.failed,
        );
    }
}

fn timed<T>(act: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    (act(), began.elapsed())
}

/// What the daemon holds.
#[derive(Debug, Clone, Copy)]
struct Look {
    /// Resident memory, kB.
    resident: u64,
    descriptors: u64,
}

impl Look {
    fn at(world: &World) -> Self {
        Self::at_process(world.bastion.id())
    }

    fn at_process(id: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        Self {
            resident: resident.split_whitespace().next().unwrap().parse().unwrap(),
            descriptors: std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().count() as u64,
        }
    }
}

impl std::fmt::Display for Look {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mebibytes = self.resident as f64 / 1024.0;
        write!(f, "{mebibytes:.1} MiB, {} descriptors", self.descriptors)
    }
}

/// Looks at the daemon again and again, in a thread of its own.
struct Watch {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Look>,
}

impl Watch {
    fn over(world: &World) -> Self {
        let (id, over) = (world.bastion.id(), Arc::new(AtomicBool::new(false)));
        let told = over.clone();
        let thread = thread::spawn(move || {
            let mut most = Look::at_process(id);
            while !told.load(Ordering::Relaxed) {
                let look = Look::at_process(id);
                most.resident = most.resident.max(look.resident);
                most.descriptors = most.descriptors.max(look.descriptors);
                pause(LOOK);
            }
            most
        });
        Self { over, thread }
    }

    fn most(self) -> Look {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Processes of the lowest priority, in a group of their own.
struct Attackers(Child);

impl Attackers {
    fn start(flood: Flood, port: u16, connections: usize) -> Self {
        let mut command = Command::new("nice");
        command.args(["-n", "19"]);
        match flood {
            Flood::Slow { origin, stays_away } => {
                let origin = match origin {
                    Origin::Many => "many".to_owned(),
                    Origin::One(address) => address.to_string(),
                };
                command.arg(std::env::current_exe().unwrap()).args([
                    "attack",
                    &port.to_string(),
                    &connections.to_string(),
                    &origin,
                    &stays_away.to_string(),
                ]);
            }
            Flood::Dheat => {
                let ssh_audit = house("target/clients/bin/ssh-audit");
                command
                    .arg(ssh_audit)
                    .args([DHEAT, "-p", &port.to_string(), "127.0.0.1"]);
            }
        }
        let child = command.process_group(0).stdout(Stdio::null()).spawn().unwrap();
        Self(child)
    }

    /// The processor time that all of them have taken so far.
    fn cpu_time(&self) -> Duration {
        let group = self.0.id().to_string();
        let processes = std::fs::read_dir("/proc").unwrap();
        // One may end while this looks.
        let stats = processes.filter_map(|process| std::fs::read_to_string(process.ok()?.path().join("stat")).ok());
        let ticks: u64 = stats
            .filter_map(|stat| {
                // Behind the name in parentheses; the fields are numbered from 3 there: 5 is the group, 14 and 15 its time.
                let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
                (fields[2] == group).then(|| fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap())
            })
            .sum();
        Duration::from_millis(ticks * 10)
    }

    fn end(&mut self) {
        let group = format!("-{}", self.0.id());
        Command::new("kill")
            .args(["-s", "KILL", "--", &group])
            .status()
            .unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Attackers {
    fn drop(&mut self) {
        if self.0.try_wait().unwrap().is_none() {
            self.end();
        }
    }
}

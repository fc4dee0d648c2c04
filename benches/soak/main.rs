//! Sessions of mixed work for a while: whether any fails, and whether the daemon holds more and more.
//!
//! ```text
//! cargo bench --bench soak                      # a minute
//! cargo bench --bench soak -- 10                # ten minutes
//! cargo bench --bench soak -- 10 8 soak.html    # eight sessions at a time; the report in this file
//! ```
//!
//! Several workers, each with one kind of work after another (see `work`), through real clients, a real server and the daemon, with
//! recordings on, while its configuration is read again and again. Each second the daemon is looked at: its memory, descriptors,
//! threads, open sessions, and the size of its record. It exits with 1 where any work failed, where its memory is more, or
//! grows more, by least squares over the last two thirds of the time, than the report says is allowed, or where it holds more
//! descriptors once all work has ended than at rest before. The report is one HTML file with plots; a summary is printed.

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

#[path = "../../tests/integration/harness/mod.rs"]
mod harness;
mod report;
mod samples;
mod work;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use harness::pause;
use samples::{Open, Sample, Trend};
use work::{Stage, WORK};

/// What the command line may change: minutes, sessions at a time, and the report's file.
const MINUTES: f64 = 1.0;
const WORKERS: usize = 4;
const REPORT: &str = "target/soak.html";

/// Between two looks at the daemon.
const LOOK: Duration = Duration::from_secs(1);
/// The daemon comes to rest in this time: connections to targets that nobody uses are closed by then.
const REST: Duration = Duration::from_secs(3);

/// What came of all work of one kind.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) done: u64,
    pub(crate) failed: u64,
    pub(crate) longest: Duration,
}

/// The same for all kinds.
type Tallies = Mutex<BTreeMap<&'static str, Tally>>;

/// What came of everything.
pub(crate) struct Outcome {
    pub(crate) tallies: BTreeMap<&'static str, Tally>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) trend: Trend,
    /// What the daemon holds open at rest, before and after.
    pub(crate) open: (Open, Open),
    pub(crate) workers: usize,
}

impl Outcome {
    pub(crate) fn failures(&self) -> u64 {
        self.tallies.values().map(|tally| tally.failed).sum()
    }

    pub(crate) fn done(&self) -> u64 {
        self.tallies.values().map(|tally| tally.done).sum()
    }

    pub(crate) fn is_good(&self) -> bool {
        self.failures() == 0 && self.trend.is_bounded() && self.open.1.count() <= self.open.0.count()
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let minutes = arguments.next().map_or(MINUTES, |text| text.parse().unwrap());
    let workers = arguments.next().map_or(WORKERS, |text| text.parse().unwrap());
    let file = arguments.next().map_or_else(|| PathBuf::from(REPORT), PathBuf::from);

    let outcome = soak(Duration::from_secs_f64(minutes * 60.0), workers);
    report::print(&outcome);
    std::fs::write(&file, report::page(&outcome)).unwrap();
    println!("report: {}", file.display());
    if outcome.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn soak(time: Duration, workers: usize) -> Outcome {
    let stage = Stage::set();
    let tallies = Tallies::default();
    // Everything once by each, so that what is made at first use is there before anything is measured.
    work_through(&stage, workers, &tallies, &|done| done < WORK.len());
    pause(REST);
    let before = Open::of(&stage);
    let (end, over) = (Instant::now() + time, AtomicBool::new(false));
    let samples = thread::scope(|scope| {
        let watching = scope.spawn(|| watch(&stage, &tallies, &over));
        work_through(&stage, workers, &tallies, &|_| Instant::now() < end);
        over.store(true, Ordering::Relaxed);
        watching.join().unwrap()
    });
    let after = came_to_rest(&stage, &before);
    Outcome {
        tallies: tallies.into_inner().unwrap_or_else(PoisonError::into_inner),
        trend: Trend::of(&samples),
        samples,
        open: (before, after),
        workers,
    }
}

/// Has each worker do one piece after the other while it `goes_on`, by how many it has done; they begin at different ones.
fn work_through(stage: &Stage, workers: usize, tallies: &Tallies, goes_on: &(dyn Fn(usize) -> bool + Sync)) {
    thread::scope(|scope| {
        for worker in 0..workers {
            let first = worker * WORK.len() / workers;
            scope.spawn(move || {
                let done = (0..).take_while(|done| goes_on(*done));
                done.for_each(|done| one(stage, (first + done) % WORK.len(), tallies));
            });
        }
    });
}

/// Does one piece of work, and counts how it went; what failed says so on standard error.
fn one(stage: &Stage, index: usize, tallies: &Tallies) {
    let (name, work) = WORK[index];
    let began = Instant::now();
    let ended_well = catch_unwind(AssertUnwindSafe(|| work(stage))).is_ok();
    let mut tallies = tallies.lock().unwrap();
    let tally = tallies.entry(name).or_default();
    tally.done += 1;
    tally.longest = tally.longest.max(began.elapsed());
    if !ended_well {
        tally.failed += 1;
        eprintln!("failed: {name}");
    }
}

fn watch(stage: &Stage, tallies: &Tallies, over: &AtomicBool) -> Vec<Sample> {
    let (mut samples, began) = (Vec::new(), Instant::now());
    while !over.load(Ordering::Relaxed) {
        let failures = tallies.lock().unwrap().values().map(|tally: &Tally| tally.failed).sum();
        let sample = Sample::of(stage, failures);
        samples.push(sample.at(began.elapsed()));
        pause(LOOK);
    }
    samples
}

/// What the daemon holds open once all work has ended: as soon as it is no more than before, or after a while.
fn came_to_rest(stage: &Stage, before: &Open) -> Open {
    let end = Instant::now() + harness::DEADLINE;
    loop {
        let now = Open::of(stage);
        if now.count() <= before.count() || Instant::now() > end {
            return now;
        }
        pause(LOOK);
    }
}

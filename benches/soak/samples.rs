//! Looks at the daemon, and what they say of it over time.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::work::Stage;

/// MiB by which memory may grow over the last two thirds, by least squares: a reload holds the old model beside the new one for a
/// moment, and allocators give back late.
const MARGIN: f64 = 24.0;
/// Until then, seconds, memory only grows: pools, caches, and what a reload takes for a moment, which allocators keep.
const WARM_UP: f64 = 60.0;
/// MiB that no run may take, however short.
const MOST: f64 = 384.0;

/// One look at the daemon.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Seconds since the beginning.
    pub(crate) time: f64,
    /// Resident memory, MiB.
    pub(crate) resident: f64,
    pub(crate) descriptors: u64,
    pub(crate) threads: u64,
    /// Open sessions, by the record.
    pub(crate) sessions: u64,
    /// The record with its log, MiB.
    pub(crate) record: f64,
    /// Pieces of work that have failed so far.
    pub(crate) failures: u64,
}

impl Sample {
    pub(crate) fn of(stage: &Stage, failures: u64) -> Self {
        let bastion = &stage.world.bastion;
        let process = format!("/proc/{}", bastion.id());
        let status = std::fs::read_to_string(format!("{process}/status")).unwrap();
        let number = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        let open = "SELECT count(*) FROM sessions WHERE state = 'open'";
        Self {
            time: 0.0,
            resident: number("VmRSS:") as f64 / 1024.0,
            descriptors: std::fs::read_dir(format!("{process}/fd")).unwrap().count() as u64,
            threads: number("Threads:"),
            sessions: bastion
                .sql()
                .query_row(open, [], |row| row.get(0))
                .map(|open: u32| open.into())
                .unwrap(),
            record: ["opspilot.db", "opspilot.db-wal"]
                .iter()
                .filter_map(|file| std::fs::metadata(bastion.dir().join("state").join(file)).ok())
                .map(|file| file.len() as f64 / 1_048_576.0)
                .sum(),
            failures,
        }
    }

    pub(crate) fn at(self, time: Duration) -> Self {
        Self {
            time: time.as_secs_f64(),
            ..self
        }
    }
}

/// What the daemon's descriptors stand for, and how many for each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Open(BTreeMap<String, u64>);

impl Open {
    pub(crate) fn of(stage: &Stage) -> Self {
        let mut open = Self::default();
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", stage.world.bastion.id())).unwrap();
        // One may be closed while this looks.
        for link in descriptors.filter_map(|descriptor| std::fs::read_link(descriptor.ok()?.path()).ok()) {
            let link = link.to_string_lossy();
            let kind = link.split_once(":[").map_or(&*link, |(kind, _)| kind);
            *open.0.entry(kind.to_owned()).or_default() += 1;
        }
        open
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.values().sum()
    }

    /// What there is more of than there was.
    pub(crate) fn more_than(&self, before: &Self) -> Vec<String> {
        let grown = self.0.iter().filter_map(|(kind, number)| {
            let more = number.saturating_sub(before.0.get(kind).copied().unwrap_or_default());
            (more > 0).then(|| format!("{more} {kind}"))
        });
        grown.collect()
    }
}

/// How memory and descriptors went over the last two thirds of the time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trend {
    /// How long that was, seconds.
    pub(crate) time: f64,
    /// What the line through the samples rises by in that time, MiB.
    pub(crate) resident: f64,
    pub(crate) descriptors: f64,
    /// The most that was resident at any time, MiB.
    pub(crate) most: f64,
    /// Whether warming up was over before that time.
    is_warm: bool,
}

impl Trend {
    pub(crate) fn of(samples: &[Sample]) -> Self {
        let last = samples.get(samples.len() / 3..).unwrap_or_default();
        let time = last
            .first()
            .zip(last.last())
            .map_or(0.0, |(first, last)| last.time - first.time);
        let rise = |of: fn(&Sample) -> f64| slope(last, of) * time;
        Self {
            time,
            resident: rise(|sample| sample.resident),
            descriptors: rise(|sample| sample.descriptors as f64),
            most: samples.iter().map(|sample| sample.resident).fold(0.0, f64::max),
            is_warm: last.first().is_some_and(|first| first.time >= WARM_UP),
        }
    }

    /// What memory may do, in words.
    pub(crate) fn allowed(&self) -> String {
        if self.is_warm {
            format!("+{MARGIN:.0} MiB and {MOST:.0} MiB are allowed")
        } else {
            format!("{MOST:.0} MiB are allowed, and it is too soon to judge a rise")
        }
    }

    pub(crate) fn is_bounded(&self) -> bool {
        self.most <= MOST && (!self.is_warm || self.resident <= MARGIN)
    }
}

/// The slope of the line through the samples, by least squares, a second.
fn slope(samples: &[Sample], of: fn(&Sample) -> f64) -> f64 {
    let count = samples.len() as f64;
    let mean = |of: &dyn Fn(&Sample) -> f64| samples.iter().map(of).sum::<f64>() / count;
    let (mean_time, mean_value) = (mean(&|sample| sample.time), mean(&of));
    let (mut products, mut squares) = (0.0, 0.0);
    for sample in samples {
        let away = sample.time - mean_time;
        products += away * (of(sample) - mean_value);
        squares += away * away;
    }
    if squares > 0.0 { products / squares } else { 0.0 }
}

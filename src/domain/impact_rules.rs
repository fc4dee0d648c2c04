//! What evidence shows which impact: the rules of `[impact]`, and the thresholds from which they hold.

use std::time::Duration;

use super::Impact;

/// Programs for which a non-zero status is an answer, and that status.
const ANSWERS: &[(&str, i32)] = &[
    ("[", 1),
    ("[[", 1),
    ("ack", 1),
    ("ag", 1),
    ("cmp", 1),
    ("command", 1),
    ("diff", 1),
    ("egrep", 1),
    ("expr", 1),
    ("false", 1),
    ("fgrep", 1),
    ("getent", 2),
    ("grep", 1),
    ("mountpoint", 1),
    ("mountpoint", 32),
    ("pgrep", 1),
    ("pidof", 1),
    ("ping", 1),
    ("rg", 1),
    ("service", 3),
    ("systemctl", 3),
    ("systemctl", 4),
    ("test", 1),
    ("type", 1),
    ("which", 1),
    ("zgrep", 1),
];

/// What evidence shows which impact. A sign whose impact is `none` is kept as evidence and shows nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct ImpactRules {
    /// A snapshot that was taken longer than this before the start says nothing of the moment before.
    pub before_max_age: Duration,
    /// Programs and a status of theirs that is an answer and no failure.
    pub answers: Vec<(String, i32)>,
    /// A non-zero exit code that is no answer; minor at most.
    pub exit_code: Impact,
    /// An end by a signal; minor at most.
    pub signal: Impact,
    /// Standard error of `stderr_bytes` or more; minor at most.
    pub stderr: Impact,
    /// Bytes.
    pub stderr_bytes: u64,
    /// Every connection to the target ended while the command ran.
    pub connection_lost: Impact,
    /// The target does not answer any longer.
    pub unreachable: Impact,
    /// The target was started anew.
    pub restarted: Impact,
    /// A file system is not mounted any longer.
    pub mounts_gone: Impact,
    /// A unit of systemd failed that had not before.
    pub units_failed: Impact,
    /// So many logged-in users fewer, and half of them or more.
    pub users_gone: Impact,
    /// Users.
    pub users_gone_count: u32,
    /// So many processes fewer, and half of them or more.
    pub processes_gone: Impact,
    /// Processes.
    pub processes_gone_count: u32,
    /// A file system that was not full is: `disk_full_percent` of its room or of its inodes.
    pub disk_full: Impact,
    /// Percent in use.
    pub disk_full_percent: f64,
    /// A file system's use rose or fell by `disk_use_bytes`, or by more than `disk_use_points`.
    pub disk_use: Impact,
    /// Bytes.
    pub disk_use_bytes: u64,
    /// Percentage points.
    pub disk_use_points: f64,
    /// A file system's use rose or fell by `disk_touched_bytes`, and by less than the above.
    pub disk_touched: Impact,
    /// Bytes: beyond what logs do meanwhile.
    pub disk_touched_bytes: u64,
    /// The load of a minute for each processor has at least doubled, to `load_high` or above.
    pub load: Impact,
    /// Load average of one minute by the number of processors.
    pub load_high: f64,
    /// Memory that was not short is: `memory_short_percent` in use.
    pub memory_short: Impact,
    /// Percent in use.
    pub memory_short_percent: f64,
    /// The use of memory rose or fell by `memory_use_points` or more.
    pub memory_use: Impact,
    /// Percentage points.
    pub memory_use_points: f64,
}

impl Default for ImpactRules {
    fn default() -> Self {
        Self {
            before_max_age: Duration::from_mins(5),
            answers: ANSWERS
                .iter()
                .map(|(program, code)| ((*program).to_owned(), *code))
                .collect(),
            exit_code: Impact::Minor,
            signal: Impact::Minor,
            stderr: Impact::None,
            stderr_bytes: 1,
            connection_lost: Impact::Moderate,
            unreachable: Impact::Severe,
            restarted: Impact::Severe,
            mounts_gone: Impact::Severe,
            units_failed: Impact::Moderate,
            users_gone: Impact::Moderate,
            users_gone_count: 2,
            processes_gone: Impact::Moderate,
            processes_gone_count: 20,
            disk_full: Impact::Severe,
            disk_full_percent: 99.0,
            disk_use: Impact::Moderate,
            disk_use_bytes: 1 << 30,
            disk_use_points: 5.0,
            disk_touched: Impact::Minor,
            disk_touched_bytes: 64 << 20,
            load: Impact::Minor,
            load_high: 4.0,
            memory_short: Impact::Moderate,
            memory_short_percent: 95.0,
            memory_use: Impact::Minor,
            memory_use_points: 25.0,
        }
    }
}

impl ImpactRules {
    /// Whether `code` is what one of these programs answers with.
    #[must_use]
    pub fn is_answer(&self, programs: &[&str], code: i32) -> bool {
        let mut answers = self.answers.iter();
        answers.any(|(program, answer)| *answer == code && programs.contains(&program.as_str()))
    }
}

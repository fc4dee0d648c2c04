//! The lines of a target's report, hostile until parsed, as a snapshot.

use std::collections::BTreeMap;

use super::{LoadAvg, OsInfo, Snapshot, Usage};
use crate::domain::printable_line;

/// Most file systems of one host that are kept.
const MAX_MOUNTS: usize = 64;
/// Most failed units of one host that are kept.
const MAX_UNITS: usize = 64;
/// Longest text that is kept, in characters.
const MAX_TEXT: usize = 200;
/// Largest load average that is believed.
const MAX_LOAD: f64 = 1_000_000.0;
/// Largest number of seconds since boot that is believed: a hundred years.
const MAX_UPTIME_S: f64 = 3_155_760_000.0;
/// Largest distance of local time from UTC that is believed, in minutes.
const MAX_UTC_OFFSET: i32 = 26 * 60;

/// The lines of one report, sorted by what they speak of.
#[derive(Debug, Default)]
pub(super) struct Report<'a> {
    values: BTreeMap<&'a str, &'a str>,
    sysctl: BTreeMap<&'a str, &'a str>,
    disks: Vec<&'a str>,
    units: Vec<&'a str>,
    complete: bool,
}

impl<'a> Report<'a> {
    /// Takes in one line; what is not `key=value` is passed over.
    pub(super) fn read(&mut self, line: &'a str) {
        match line.split_once('=') {
            Some(("disk", row)) => self.disks.push(row),
            Some(("unit", row)) => self.units.push(row.trim()),
            Some(("sysctl", setting)) => {
                if let Some((name, value)) = setting.split_once([':', '=']) {
                    self.sysctl.insert(name, value.trim());
                }
            }
            Some((key, value)) => {
                self.values.insert(key, value.trim());
            }
            None => {}
        }
    }

    /// Notes that the report came to its end.
    pub(super) fn close(&mut self) {
        self.complete = true;
    }

    pub(super) fn into_snapshot(self, taken_at_ms: i64) -> Snapshot {
        let mut snapshot = Snapshot {
            taken_at_ms,
            os_info: self.os_info(),
            uptime_s: self.uptime_s(),
            load_avg: self.load_avg(),
            cpus: self.count("cpus").filter(|cpus| *cpus > 0),
            memory_usage: self.memory(),
            swap_usage: self.swap(),
            disk_usage: self
                .disks
                .iter()
                .filter_map(|row| file_system(row))
                .take(MAX_MOUNTS)
                .collect(),
            users: self.count("users"),
            processes: self.count("processes"),
            failed_units: self.failed_units(),
            utc_offset_minutes: self.utc_offset_minutes(),
            missing: BTreeMap::new(),
        };
        snapshot.missing = self.missing(&snapshot);
        snapshot
    }

    fn os_info(&self) -> OsInfo {
        let (kernel, architecture) = self
            .values
            .get("uname")
            .and_then(|uname| uname.rsplit_once(' '))
            .unzip();
        let distribution = self
            .values
            .get("distribution")
            .map(|name| name.trim_matches(['"', '\'']));
        OsInfo {
            distribution: distribution.or(kernel).and_then(text),
            kernel: kernel.and_then(text),
            architecture: architecture.and_then(text),
        }
    }

    fn uptime_s(&self) -> Option<u64> {
        let seconds = match self.values.get("uptime") {
            Some(seconds) => number(seconds, MAX_UPTIME_S)?,
            None => self.seconds_since_boot()?,
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to MAX_UPTIME_S"
        )]
        Some(seconds as u64)
    }

    /// `kern.boottime: { sec = 1763800000, usec = 0 } Sat Nov 22 ...` against the target's own clock.
    fn seconds_since_boot(&self) -> Option<f64> {
        let boot = self
            .sysctl
            .get("kern.boottime")?
            .split("sec = ")
            .nth(1)?
            .split(',')
            .next()?;
        let now = self.values.get("clock")?.split(' ').next()?;
        let seconds = now.parse::<i64>().ok()?.checked_sub(boot.trim().parse().ok()?)?;
        number(&seconds.to_string(), MAX_UPTIME_S)
    }

    /// `0.1 0.2 0.3`, or on BSD `{ 0.1 0.2 0.3 }`.
    fn load_avg(&self) -> LoadAvg {
        let line = self
            .values
            .get("load")
            .or_else(|| self.sysctl.get("vm.loadavg"))
            .copied()
            .unwrap_or_default();
        let mut loads = line
            .split_whitespace()
            .filter(|word| !"{}".contains(word))
            .map(|word| number(word, MAX_LOAD));
        LoadAvg {
            one: loads.next().flatten(),
            five: loads.next().flatten(),
            fifteen: loads.next().flatten(),
        }
    }

    fn memory(&self) -> Usage {
        let linux = self.kib("memory_total").zip(self.kib("memory_available"));
        used_of(linux.or_else(|| self.sysctl_memory()))
    }

    /// Total and available bytes, on macOS or FreeBSD.
    fn sysctl_memory(&self) -> Option<(u64, u64)> {
        let total = self.setting("hw.memsize").or_else(|| self.setting("hw.physmem"))?;
        let free = self
            .setting("vm.page_free_count")
            .or_else(|| self.setting("vm.stats.vm.v_free_count"))?;
        let reclaimable = self.setting("vm.stats.vm.v_inactive_count").unwrap_or_default();
        Some((
            total,
            free.saturating_add(reclaimable)
                .saturating_mul(self.setting("hw.pagesize")?),
        ))
    }

    fn swap(&self) -> Usage {
        used_of(self.kib("swap_total").zip(self.kib("swap_free")))
    }

    /// The failed units, if the list is whole.
    fn failed_units(&self) -> Option<Vec<String>> {
        let (last, rows) = self.units.split_last()?;
        let names = rows.iter().filter_map(|row| text(row.split_whitespace().next()?));
        (*last == ".").then(|| names.take(MAX_UNITS).collect())
    }

    /// `+0530` as 330.
    fn utc_offset_minutes(&self) -> Option<i32> {
        let offset = self.values.get("clock")?.split(' ').nth(1)?;
        let digits: i32 = offset.get(1..5)?.parse().ok()?;
        let minutes = digits / 100 * 60 + digits % 100;
        (minutes <= MAX_UTC_OFFSET).then_some(if offset.starts_with('-') { -minutes } else { minutes })
    }

    /// Why something was not had, by field.
    fn missing(&self, snapshot: &Snapshot) -> BTreeMap<String, String> {
        let reason = if self.complete {
            "the target did not say"
        } else {
            "the report was cut short"
        };
        let fields = [
            ("os_info", snapshot.os_info.kernel.is_none()),
            ("uptime_s", snapshot.uptime_s.is_none()),
            ("load_avg", snapshot.load_avg.one.is_none()),
            ("cpus", snapshot.cpus.is_none()),
            ("memory_usage", snapshot.memory_usage.total.is_none()),
            ("swap_usage", snapshot.swap_usage.total.is_none()),
            (
                "disk_usage",
                snapshot.disk_usage.is_empty() || !self.complete && self.units.is_empty(),
            ),
            ("users", snapshot.users.is_none()),
            ("processes", snapshot.processes.is_none()),
            ("failed_units", snapshot.failed_units.is_none()),
            ("utc_offset_minutes", snapshot.utc_offset_minutes.is_none()),
        ];
        let mut missing: BTreeMap<_, _> = fields
            .iter()
            .filter(|(_, absent)| *absent)
            .map(|(field, _)| ((*field).to_owned(), reason.to_owned()))
            .collect();
        if snapshot.disk_usage.len() == MAX_MOUNTS {
            missing.insert(
                "disk_usage".to_owned(),
                format!("only the first {MAX_MOUNTS} file systems were kept"),
            );
        }
        missing
    }

    fn count(&self, key: &str) -> Option<u32> {
        self.values.get(key)?.parse().ok()
    }

    /// A number of kilobytes (`24684084 kB`) in bytes.
    fn kib(&self, key: &str) -> Option<u64> {
        self.values
            .get(key)?
            .split(' ')
            .next()?
            .parse::<u64>()
            .ok()?
            .checked_mul(1024)
    }

    fn setting(&self, name: &str) -> Option<u64> {
        self.sysctl.get(name)?.parse().ok()
    }
}

fn used_of(total_and_available: Option<(u64, u64)>) -> Usage {
    total_and_available
        .map(|(total, available)| Usage::of(total, total.saturating_sub(available)))
        .unwrap_or_default()
}

/// One row of `df -P -k`: `/dev/vda1 1024 512 512 50% /srv/a b`. `None` for headings and what holds no data.
fn file_system(row: &str) -> Option<(String, Usage)> {
    let words: Vec<&str> = row.split_whitespace().collect();
    // The device may hold spaces: the percentage is what tells the columns.
    let capacity = words
        .iter()
        .position(|word| word.strip_suffix('%').is_some_and(|value| value.parse::<u64>().is_ok()))?;
    let kib = |column: usize| words.get(column)?.parse::<u64>().ok()?.checked_mul(1024);
    let total = kib(capacity.checked_sub(3)?)?;
    let usage = Usage::of_disk(total, kib(capacity.checked_sub(2)?)?, kib(capacity.checked_sub(1)?)?);
    let mount = words.get(capacity + 1..)?.join(" ");
    let worth_keeping = total > 0 && mount.starts_with('/') && !is_transient(&mount);
    worth_keeping.then(|| Some((text(&mount)?, usage)))?
}

/// Where mounts come and go by themselves: the kernel's, session managers', automounters' and containers'.
const TRANSIENT: &[&str] = &[
    "/dev",
    "/media",
    "/proc",
    "/run",
    "/snap",
    "/sys",
    "/var/lib/containers",
    "/var/lib/docker",
    "/var/lib/kubelet",
];

/// Whether a mount there says nothing of the host when it goes.
pub(super) fn is_transient(mount: &str) -> bool {
    let below = |root: &&str| mount.strip_prefix(*root).is_some_and(|rest| rest.starts_with('/'));
    TRANSIENT.contains(&mount) || TRANSIENT.iter().any(below)
}

/// A number from 0 to `most`; what is not one is not a number.
fn number(word: &str, most: f64) -> Option<f64> {
    let value: f64 = word.parse().ok()?;
    (0.0..=most).contains(&value).then_some(value)
}

/// Text of a hostile host, fit to be stored and shown.
pub(super) fn text(raw: &str) -> Option<String> {
    let text: String = printable_line(raw).chars().take(MAX_TEXT).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn snapshot(report: &str) -> Snapshot {
        let mut read = Report::default();
        report.lines().for_each(|line| read.read(line));
        read.close();
        read.into_snapshot(42)
    }

    #[test]
    fn a_linux_host() {
        let snapshot = snapshot(
            "distribution=\"Debian GNU/Linux 12 (bookworm)\"\nuname=Linux 6.1.0-28-amd64 x86_64\nclock=1763800000 -0330\n\
             cpus=4\nusers=2\nuptime=86401.25\nload=0.10 0.20 0.30\nmemory_total=       4000 kB\nmemory_available= 1000 kB\n\
             swap_total=0 kB\nswap_free=0 kB\nprocesses=120\ndisk=Filesystem 1024-blocks Used Available Capacity Mounted on\n\
             disk=/dev/vda1 1000 450 450 50% /\ndisk=tmpfs 10 1 9 10% /run/lock\nunit=nginx.service loaded failed failed x\n\
             unit=.",
        );

        assert_eq!(snapshot.taken_at_ms, 42);
        assert_eq!(
            snapshot.os_info.distribution.as_deref(),
            Some("Debian GNU/Linux 12 (bookworm)")
        );
        assert_eq!(snapshot.os_info.kernel.as_deref(), Some("Linux 6.1.0-28-amd64"));
        assert_eq!(snapshot.os_info.architecture.as_deref(), Some("x86_64"));
        assert_eq!(snapshot.utc_offset_minutes, Some(-210));
        assert_eq!(
            (snapshot.cpus, snapshot.users, snapshot.processes),
            (Some(4), Some(2), Some(120))
        );
        assert_eq!(snapshot.uptime_s, Some(86401));
        assert_eq!(snapshot.load_avg.fifteen, Some(0.3));
        assert_eq!(snapshot.memory_usage.percent, Some(75.0));
        assert_eq!(snapshot.swap_usage.percent, None, "there is no swap to be used");
        assert_eq!(snapshot.disk_usage.keys().collect::<Vec<_>>(), ["/"]);
        assert_eq!(snapshot.disk_usage["/"].percent, Some(50.0));
        assert_eq!(snapshot.failed_units, Some(vec!["nginx.service".to_owned()]));
        assert_eq!(snapshot.missing, BTreeMap::new());
    }

    #[test]
    fn a_freebsd_host_and_a_mac() {
        let freebsd = snapshot(
            "distribution=\"FreeBSD 14.1-RELEASE\"\nuname=FreeBSD 14.1-RELEASE amd64\nclock=1763800100 +0100\nusers=       1\n\
             sysctl=kern.boottime: { sec = 1763800000, usec = 1 } Sat Nov 22 08:26:40 2025\n\
             sysctl=vm.loadavg: { 0.50 0.40 0.30 }\nsysctl=hw.physmem: 40960\nsysctl=hw.pagesize: 4096\n\
             sysctl=vm.stats.vm.v_free_count: 3\nsysctl=vm.stats.vm.v_inactive_count: 2\nprocesses=      31",
        );
        assert_eq!(freebsd.uptime_s, Some(100));
        assert_eq!(freebsd.load_avg.one, Some(0.5));
        assert_eq!(freebsd.memory_usage.percent, Some(50.0));
        assert_eq!((freebsd.users, freebsd.processes), (Some(1), Some(31)));
        assert_eq!(freebsd.missing["failed_units"], "the target did not say");

        let mac = snapshot(
            "uname=Darwin 24.1.0 arm64\ndisk=map auto_home 0 0 0 100% /System/Volumes/Data/home\ndisk=/dev/disk3s1 10 5 5 50% /Volumes/My Disk",
        );
        assert_eq!(mac.os_info.distribution.as_deref(), Some("Darwin 24.1.0"));
        assert_eq!(mac.disk_usage.keys().collect::<Vec<_>>(), ["/Volumes/My Disk"]);
    }

    #[test]
    fn impossible_numbers_are_missing_and_not_believed() {
        let hostile = snapshot(
            "cpus=0\nusers=-1\nuptime=NaN\nload=inf -1 1e99\nmemory_total=18446744073709551615 kB\nmemory_available=1 kB\n\
             processes=99999999999\nclock=x +9999\ndisk=a 99999999999999999999 1 1 1% /\ndisk=a 1 9 0 900% /b",
        );

        assert_eq!(
            (hostile.cpus, hostile.users, hostile.uptime_s, hostile.processes),
            (None, None, None, None)
        );
        assert_eq!(hostile.load_avg, LoadAvg::default());
        assert_eq!(hostile.memory_usage, Usage::default());
        assert_eq!(hostile.utc_offset_minutes, None);
        assert_eq!(hostile.disk_usage.keys().collect::<Vec<_>>(), ["/b"]);
        assert_eq!(hostile.disk_usage["/b"].percent, Some(100.0));
        assert_eq!(hostile.missing["uptime_s"], "the target did not say");
    }

    proptest! {
        #[test]
        fn whatever_a_host_says_is_within_bounds(lines in vec(hostile_line(), 0..40)) {
            let snapshot = snapshot(&lines.join("\n"));

            let usages = snapshot.disk_usage.values().chain([&snapshot.memory_usage, &snapshot.swap_usage]);
            for percent in usages.filter_map(|usage| usage.percent) {
                prop_assert!((0.0..=100.0).contains(&percent));
            }
            for load in [snapshot.load_avg.one, snapshot.load_avg.five].into_iter().flatten() {
                prop_assert!((0.0..=MAX_LOAD).contains(&load));
            }
            prop_assert!(snapshot.utc_offset_minutes.is_none_or(|minutes| minutes.abs() <= MAX_UTC_OFFSET));
            prop_assert!(snapshot.full().to_string().len() < 64 * 1024);
        }
    }

    /// A line with a key of the report and a value that is nearly one, or anything at all.
    fn hostile_line() -> impl Strategy<Value = String> {
        prop_oneof![
            "(uptime|load|cpus|users|processes|clock|memory_total|memory_available|swap_total|swap_free)=[-+.0-9eNaif kB]{0,24}",
            "disk=[a-z ]{0,8} [0-9]{1,22} [0-9]{1,22} [0-9]{1,22} [0-9]{1,6}% /\\PC{0,300}",
            "sysctl=(kern.boottime|hw.memsize|hw.pagesize|vm.page_free_count|vm.loadavg): [{} =,a-z0-9]{0,40}",
            "unit=\\PC{0,300}",
            ".{0,40}",
        ]
    }

    #[test]
    fn texts_and_lists_are_bounded_and_harmless() {
        let rows = (0..200)
            .map(|n| format!("disk=d 2 1 1 50% /m\u{202e}{n}\nunit=u{n}.service\n"))
            .collect::<Vec<_>>()
            .concat();
        let snapshot = snapshot(&format!("distribution=\u{1b}[2J{}\n{rows}unit=.", "x".repeat(1000)));

        let distribution = snapshot.os_info.distribution.unwrap();
        assert!(
            distribution.starts_with("\\x1b[2Jxx") && distribution.len() == MAX_TEXT,
            "{distribution}"
        );
        assert_eq!(snapshot.disk_usage.len(), MAX_MOUNTS);
        assert!(snapshot.disk_usage.keys().all(|mount| mount.starts_with("/m\\u{202e}")));
        assert_eq!(
            snapshot.missing["disk_usage"],
            "only the first 64 file systems were kept"
        );
        assert_eq!(snapshot.failed_units.unwrap().len(), MAX_UNITS);
    }

    #[test]
    fn a_list_of_units_without_its_end_is_not_known() {
        assert_eq!(snapshot("unit=a.service x").failed_units, None);
        assert_eq!(snapshot("unit=.").failed_units, Some(Vec::new()));
    }

    #[test]
    fn only_what_is_made_and_unmade_by_itself_is_left_out() {
        assert!(
            is_transient("/run/user/1000") && is_transient("/dev") && is_transient("/var/lib/docker/overlay2/x/merged")
        );
        assert!(!is_transient("/development") && !is_transient("/") && !is_transient("/var/run"));
    }
}

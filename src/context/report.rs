//! The lines of a target's report, hostile until parsed, as a snapshot.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use jiff::tz::Offset;

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
/// Largest size of the swap space that is believed, in MiB: a pebibyte.
const MAX_MEGABYTES: f64 = 1_073_741_824.0;
/// Largest distance of local time from UTC that is believed, in minutes.
const MAX_UTC_OFFSET: i32 = 26 * 60;

/// The lines of one report, sorted by what they speak of.
#[derive(Debug, Default)]
pub(super) struct Report<'a> {
    values: BTreeMap<&'a str, &'a str>,
    sysctl: BTreeMap<&'a str, &'a str>,
    disks: Vec<&'a str>,
    inodes: Vec<Inodes<'a>>,
    /// Lines of `vm_stat` and `vmstat -s`, of `swapinfo -k` and `swapctl -s`.
    pages: Vec<&'a str>,
    swap: Vec<&'a str>,
    units: Vec<&'a str>,
    complete: bool,
}

/// A row of `df -i`.
#[derive(Debug)]
enum Inodes<'a> {
    /// Of Linux, with one percentage.
    Linux(&'a str),
    /// Of BSD and macOS, with one of bytes before it.
    Bsd(&'a str),
}

impl<'a> Report<'a> {
    /// Takes in one line; what is not `key=value` is passed over.
    pub(super) fn read(&mut self, line: &'a str) {
        match line.split_once('=') {
            Some(("disk", row)) => self.disks.push(row),
            Some(("inode", row)) => self.inodes.push(Inodes::Linux(row)),
            Some(("bsd_inode", row)) => self.inodes.push(Inodes::Bsd(row)),
            Some(("vm", row)) => self.pages.push(row.trim()),
            Some(("swap", row)) => self.swap.push(row.trim()),
            Some(("unit", row)) => self.units.push(row.trim()),
            Some(("sysctl" | "sw_vers", setting)) => {
                if let Some((name, value)) = setting.split_once([':', '=']) {
                    self.sysctl.insert(name.trim(), value.trim());
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
            inode_usage: self.inodes.iter().filter_map(Inodes::usage).take(MAX_MOUNTS).collect(),
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
            distribution: self.product().or(distribution.or(kernel).and_then(text)),
            kernel: kernel.and_then(text),
            architecture: architecture.and_then(text),
        }
    }

    /// `macOS 15.1`.
    fn product(&self) -> Option<String> {
        let (name, version) = (self.sysctl.get("ProductName")?, self.sysctl.get("ProductVersion")?);
        text(&format!("{name} {version}"))
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

    /// When it was started, against the target's own clock.
    fn seconds_since_boot(&self) -> Option<f64> {
        let boot = self.sysctl.get("kern.boottime")?;
        let booted = seconds_of(boot).or_else(|| self.local_time(boot))?;
        let now = self.values.get("clock")?.split(' ').next()?;
        let seconds = now.parse::<i64>().ok()?.checked_sub(booted)?;
        number(&seconds.to_string(), MAX_UPTIME_S)
    }

    /// OpenBSD's and NetBSD's `Sat Nov 22 09:26:40 2025`, in the target's own time.
    fn local_time(&self, boot: &str) -> Option<i64> {
        let boot = boot.split_whitespace().collect::<Vec<_>>().join(" ");
        let civil = DateTime::strptime("%a %b %d %H:%M:%S %Y", &boot).ok()?;
        let offset = Offset::from_seconds(self.utc_offset_minutes()?.checked_mul(60)?).ok()?;
        Some(offset.to_timestamp(civil).ok()?.as_second())
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

    /// Total and available bytes, on BSD and macOS.
    fn sysctl_memory(&self) -> Option<(u64, u64)> {
        let totals = ["hw.memsize", "hw.physmem64", "hw.physmem"];
        let total = totals
            .iter()
            .find_map(|name| self.setting(name).filter(|total| *total > 0))?;
        let free = self
            .pages("free")
            .or_else(|| self.setting("vm.stats.vm.v_free_count"))?;
        let inactive = self
            .pages("inactive")
            .or_else(|| self.setting("vm.stats.vm.v_inactive_count"));
        let reclaimable = inactive
            .unwrap_or(0)
            .saturating_add(self.pages("speculative").unwrap_or(0));
        let available = free
            .saturating_add(reclaimable)
            .saturating_mul(self.setting("hw.pagesize")?);
        Some((total, available))
    }

    /// A number of pages: `Pages free:  12288.` of macOS, or `12288 pages free` of BSD.
    fn pages(&self, kind: &str) -> Option<u64> {
        self.pages.iter().find_map(|row| {
            let (label, number) = if let Some(rest) = row.strip_prefix("Pages ") {
                rest.split_once(':')?
            } else {
                let (number, label) = row.split_once(" pages ")?;
                (label, number)
            };
            (label.trim() == kind).then(|| number.trim().trim_end_matches('.').parse().ok())?
        })
    }

    fn swap(&self) -> Usage {
        let linux = self.kib("swap_total").zip(self.kib("swap_free"));
        match linux {
            Some(_) => used_of(linux),
            None => self
                .swap_in_megabytes()
                .or_else(|| self.swap_devices())
                .unwrap_or_default(),
        }
    }

    /// macOS's `total = 2048.00M  used = 512.00M  free = 1536.00M  (encrypted)`.
    fn swap_in_megabytes(&self) -> Option<Usage> {
        let words: Vec<&str> = self.sysctl.get("vm.swapusage")?.split_whitespace().collect();
        let bytes = |name: &str| {
            let at = words.iter().position(|word| *word == name)?;
            let megabytes = number(words.get(at + 2)?.strip_suffix('M')?, MAX_MEGABYTES)?;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "from 0 to MAX_MEGABYTES"
            )]
            Some((megabytes * 1024.0 * 1024.0) as u64)
        };
        Some(Usage::of(bytes("total")?, bytes("used")?))
    }

    /// The sum of FreeBSD's devices (`/dev/ada0p3 2097152 524288 1572864 25%`), or the one line of OpenBSD and NetBSD:
    /// `total: 1048576k bytes allocated = 262144k used, 786432k available`.
    fn swap_devices(&self) -> Option<Usage> {
        let (mut total, mut used, mut known) = (0_u64, 0_u64, false);
        for row in &self.swap {
            let words: Vec<&str> = row.split_whitespace().collect();
            let columns = match words.as_slice() {
                ["total:", total, "bytes", "allocated", "=", used, "used,", ..] => Some((*total, *used)),
                [device, total, used, _, _, ..] if device.starts_with('/') => Some((*total, *used)),
                // The heading, after which there may be no device at all.
                ["no", "swap", "devices", "configured"] | ["Device", ..] => Some(("0", "0")),
                _ => None,
            };
            let Some((in_all, in_use)) = columns else { continue };
            total = total.checked_add(kilobytes(in_all)?)?;
            used = used.checked_add(kilobytes(in_use)?)?;
            known = true;
        }
        known.then(|| Usage::of(total, used))
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
            ("inode_usage", snapshot.inode_usage.is_empty()),
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
        if self.values.get("systemd") == Some(&"no") {
            missing.insert("failed_units".to_owned(), "the target does not run systemd".to_owned());
        }
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

/// FreeBSD's and macOS's `{ sec = 1763800000, usec = 0 } Sat Nov 22 ...`.
fn seconds_of(boot: &str) -> Option<i64> {
    let seconds = boot.split("sec = ").nth(1)?.split(',').next()?;
    seconds.trim().parse().ok()
}

impl Inodes<'_> {
    /// Where it is mounted, and how many of its inodes are in use; `None` for headings and what has none.
    fn usage(&self) -> Option<(String, Usage)> {
        let (row, percentages_before) = match self {
            Self::Linux(row) => (row, 0),
            Self::Bsd(row) => (row, 1),
        };
        let words: Vec<&str> = row.split_whitespace().collect();
        let mut percentages = (0..words.len()).filter(|at| words.get(*at).is_some_and(|word| is_percentage(word)));
        let at = percentages.nth(percentages_before)?;
        let count = |column: usize| words.get(column)?.parse::<u64>().ok();
        let (used, free) = (count(at.checked_sub(2)?)?, count(at.checked_sub(1)?)?);
        let total = used.checked_add(free).filter(|total| *total > 0)?;
        let mount = words.get(at + 1..)?.join(" ");
        let worth_keeping = mount.starts_with('/') && !is_transient(&mount);
        worth_keeping.then(|| Some((text(&mount)?, Usage::of(total, used))))?
    }
}

fn is_percentage(word: &str) -> bool {
    word.strip_suffix('%').is_some_and(|value| value.parse::<u64>().is_ok())
}

/// `1048576k`, or `1048576`, in bytes.
fn kilobytes(word: &str) -> Option<u64> {
    word.trim_end_matches('k').parse::<u64>().ok()?.checked_mul(1024)
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
    let capacity = words.iter().position(|word| is_percentage(word))?;
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
mod tests;

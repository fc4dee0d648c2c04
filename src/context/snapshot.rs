//! How a host was at one moment.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A host at one moment. What could not be had is `None`, and [`Snapshot::missing`] says why.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// When it was taken, milliseconds since the Unix epoch, on the bastion's clock.
    pub taken_at_ms: i64,
    /// Distribution, version, kernel, architecture.
    pub os_info: OsInfo,
    /// Seconds since boot.
    pub uptime_s: Option<u64>,
    /// Load averages.
    pub load_avg: LoadAvg,
    /// Number of processors.
    pub cpus: Option<u32>,
    /// Memory.
    pub memory_usage: Usage,
    /// Swap.
    pub swap_usage: Usage,
    /// Use by mount point.
    pub disk_usage: BTreeMap<String, Usage>,
    /// Inodes by mount point, where the file system has a fixed number of them.
    #[serde(default)]
    pub inode_usage: BTreeMap<String, Usage>,
    /// Logged-in users.
    pub users: Option<u32>,
    /// Processes.
    pub processes: Option<u32>,
    /// Names of failed systemd units.
    pub failed_units: Option<Vec<String>>,
    /// Minutes east of UTC of the host's local time.
    pub utc_offset_minutes: Option<i32>,
    /// Why something is missing, by field name.
    pub missing: BTreeMap<String, String>,
}

/// What runs the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OsInfo {
    /// `Debian GNU/Linux 12`, `FreeBSD 14.1`, ...
    pub distribution: Option<String>,
    /// `uname -sr`.
    pub kernel: Option<String>,
    /// `uname -m`.
    pub architecture: Option<String>,
}

/// Load averages over 1, 5 and 15 minutes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct LoadAvg {
    /// Over one minute.
    #[serde(rename = "1min")]
    pub one: Option<f64>,
    /// Over five minutes.
    #[serde(rename = "5min")]
    pub five: Option<f64>,
    /// Over fifteen minutes.
    #[serde(rename = "15min")]
    pub fifteen: Option<f64>,
}

/// How much of something is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Bytes, or inodes, in all.
    pub total: Option<u64>,
    /// Bytes, or inodes, in use.
    pub used: Option<u64>,
    /// 0 to 100.
    pub percent: Option<f64>,
}

impl Snapshot {
    /// The few values that are stored beside a command: `system_context`.
    ///
    /// Whatever else is known of that moment stands in `system_contexts`, once for all commands around it.
    ///
    /// `age_ms` is how old the snapshot was when the command was assessed, in milliseconds. What is not known is null.
    #[must_use]
    pub fn compact(&self, age_ms: u64) -> Value {
        let disks: BTreeMap<_, _> = self
            .disk_usage
            .iter()
            .map(|(mount, usage)| (mount, json!({ "percent": usage.percent })))
            .collect();
        json!({
            "age_ms": age_ms,
            "os_info": { "distribution": self.os_info.distribution },
            "load_avg": { "1min": self.load_avg.one },
            "memory_usage": { "percent": self.memory_usage.percent },
            "disk_usage": disks,
            "missing": self.missing,
        })
    }

    /// Everything: what `system_contexts` keeps.
    #[must_use]
    pub fn full(&self) -> Value {
        json!(self)
    }
}

impl Usage {
    /// `used` of `total` bytes.
    pub(super) fn of(total: u64, used: u64) -> Self {
        let used = used.min(total);
        Self {
            total: Some(total),
            used: Some(used),
            percent: percent(used, total),
        }
    }

    /// A file system, of which a part may be kept back for root: the percentage is of what users can have, as `df`
    /// has it.
    pub(super) fn of_disk(total: u64, used: u64, available: u64) -> Self {
        let used = used.min(total);
        Self {
            percent: percent(used, used.saturating_add(available)),
            ..Self::of(total, used)
        }
    }
}

/// `part` of `whole` from 0 to 100, to one decimal; `None` of nothing.
fn percent(part: u64, whole: u64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a percentage needs no more than 53 bits")]
    let ratio = (whole > 0).then(|| part as f64 / whole as f64)?;
    Some((ratio * 1000.0).round().clamp(0.0, 1000.0) / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> Snapshot {
        Snapshot {
            os_info: OsInfo {
                distribution: Some("Debian GNU/Linux 12".into()),
                ..OsInfo::default()
            },
            load_avg: LoadAvg {
                one: Some(0.5),
                ..LoadAvg::default()
            },
            memory_usage: Usage::of(1000, 255),
            disk_usage: BTreeMap::from([("/".into(), Usage::of_disk(100, 45, 45))]),
            ..Snapshot::default()
        }
    }

    #[test]
    fn compact_has_the_values_that_the_record_promises() {
        let compact = snapshot().compact(1500);

        assert_eq!(compact["age_ms"], 1500);
        assert_eq!(compact["os_info"]["distribution"], "Debian GNU/Linux 12");
        assert_eq!(compact["memory_usage"]["percent"], 25.5);
        assert_eq!(compact["disk_usage"]["/"]["percent"], 50.0);
        assert_eq!(compact["load_avg"]["1min"], 0.5);
    }

    #[test]
    fn what_is_not_known_is_null_and_not_nought() {
        let compact = Snapshot::default().compact(0);

        for pointer in ["/os_info/distribution", "/memory_usage/percent", "/load_avg/1min"] {
            assert_eq!(compact.pointer(pointer), Some(&Value::Null), "{pointer}");
        }
        assert_eq!(Usage::of(0, 0).percent, None);
    }

    #[test]
    fn full_reads_back_as_the_same_snapshot() {
        assert_eq!(
            serde_json::from_value::<Snapshot>(snapshot().full()).unwrap(),
            snapshot()
        );
    }

    #[test]
    fn a_percentage_stays_between_0_and_100() {
        assert_eq!(Usage::of(10, 99).percent, Some(100.0));
        assert_eq!(Usage::of_disk(u64::MAX, u64::MAX, u64::MAX).percent, Some(100.0));
    }
}

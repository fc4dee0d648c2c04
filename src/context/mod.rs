//! Snapshots of a host, and what a command did by the evidence. No I/O but the bastion's own `sysinfo`.

use serde::{Deserialize, Serialize};

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
    pub disk_usage: std::collections::BTreeMap<String, Usage>,
    /// Logged-in users.
    pub users: Option<u32>,
    /// Processes.
    pub processes: Option<u32>,
    /// Names of failed systemd units.
    pub failed_units: Option<Vec<String>>,
    /// Minutes east of UTC of the host's local time.
    pub utc_offset_minutes: Option<i32>,
    /// Why something is missing, by field name.
    pub missing: std::collections::BTreeMap<String, String>,
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
    /// Bytes in all.
    pub total: Option<u64>,
    /// Bytes in use.
    pub used: Option<u64>,
    /// 0 to 100.
    pub percent: Option<f64>,
}

//! The bastion's own snapshot.

use std::collections::BTreeMap;

use sysinfo::{Disks, MemoryRefreshKind, RefreshKind, System};

use super::report::{is_transient, text};
use super::{LoadAvg, OsInfo, Snapshot, Usage};

/// How the bastion itself is, now. It reads files and blocks for some milliseconds: call it where that is allowed.
#[must_use]
pub fn local_snapshot() -> Snapshot {
    let now = jiff::Zoned::now();
    let mut snapshot = Snapshot {
        taken_at_ms: now.timestamp().as_millisecond(),
        os_info: os_info(),
        uptime_s: System::uptime().ok(),
        load_avg: System::load_average().as_ref().map(load_avg).unwrap_or_default(),
        cpus: std::thread::available_parallelism()
            .ok()
            .and_then(|cpus| cpus.get().try_into().ok()),
        disk_usage: disk_usage(),
        utc_offset_minutes: Some(now.offset().seconds() / 60),
        missing: not_asked(),
        ..Snapshot::default()
    };
    let memory = RefreshKind::nothing().with_memory(MemoryRefreshKind::everything());
    match System::new_with_specifics(memory) {
        Ok(system) => {
            snapshot.memory_usage = Usage::of(system.total_memory(), system.used_memory());
            snapshot.swap_usage = Usage::of(system.total_swap(), system.used_swap());
        }
        Err(error) => {
            snapshot.missing.insert("memory_usage".to_owned(), error.to_string());
        }
    }
    snapshot
}

fn os_info() -> OsInfo {
    OsInfo {
        distribution: System::long_os_version().ok().as_deref().and_then(text),
        kernel: System::kernel_long_version().ok().as_deref().and_then(text),
        architecture: text(&System::cpu_arch()),
    }
}

fn load_avg(load: &sysinfo::LoadAvg) -> LoadAvg {
    LoadAvg {
        one: Some(load.one),
        five: Some(load.five),
        fifteen: Some(load.fifteen),
    }
}

fn disk_usage() -> BTreeMap<String, Usage> {
    let disks = Disks::new_with_refreshed_list().map(|disks| disks.iter().filter_map(file_system).collect());
    disks.unwrap_or_default()
}

fn file_system(disk: &sysinfo::Disk) -> Option<(String, Usage)> {
    let mount = disk.mount_point().to_string_lossy();
    let (total, available) = (disk.total_space(), disk.available_space());
    let worth_keeping = total > 0 && !is_transient(&mount);
    worth_keeping.then(|| Some((text(&mount)?, Usage::of(total, total.saturating_sub(available)))))?
}

/// Logins and units are nobody's business here, and a hardened service sees no processes but its own.
fn not_asked() -> BTreeMap<String, String> {
    ["inode_usage", "users", "processes", "failed_units"]
        .map(|field| (field.to_owned(), "not asked of the bastion itself".to_owned()))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_is_known() {
        let snapshot = local_snapshot();

        assert!(snapshot.taken_at_ms > 1_700_000_000_000);
        assert!(snapshot.os_info.distribution.is_some());
        assert!(snapshot.uptime_s.unwrap() > 0);
        assert!(snapshot.memory_usage.percent.is_some_and(|percent| percent > 0.0));
        assert!(snapshot.disk_usage.contains_key("/"), "{:?}", snapshot.disk_usage);
        assert!(snapshot.missing.contains_key("processes"));
    }
}

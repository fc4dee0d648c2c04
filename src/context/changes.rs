//! What differs between two snapshots of a host, and how much that matters.

use serde_json::{Value, json};

use super::{Snapshot, Usage};
use crate::domain::Impact;

/// A change of a file system's use that people notice, in percentage points.
const NOTICED_DISK_POINTS: f64 = 5.0;
/// A change of a file system's use that people notice, in bytes: 1 GiB.
const NOTICED_DISK_BYTES: u64 = 1 << 30;
/// A change of a file system's use beyond what logs do meanwhile, in bytes: 64 MiB.
const SLIGHT_DISK_BYTES: u64 = 64 << 20;
/// A file system with this percentage in use is full.
const FULL_DISK_PERCENT: f64 = 99.0;
/// So many processes fewer are noticed, if they are also half of all.
const NOTICED_PROCESSES: u32 = 20;

/// One thing that was seen.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sign {
    /// Its name in the stored evidence.
    pub(super) name: &'static str,
    /// The impact that it shows by itself.
    pub(super) impact: Impact,
    /// What exactly was seen.
    pub(super) detail: Value,
}

/// What the two snapshots show; of a host that has been restarted, nothing else is comparable.
pub(super) fn differences(before: &Snapshot, after: &Snapshot) -> Vec<Sign> {
    if let Some(restarted) = restarted(before, after) {
        return vec![restarted];
    }
    let mut signs: Vec<Sign> = mounts_gone(before, after).into_iter().collect();
    signs.extend(failed_units(before, after));
    signs.extend(processes_gone(before, after));
    signs.extend(disks_changed(before, after));
    signs
}

/// Whether two snapshots in which nothing differs show that nothing happened.
pub(super) fn conclusive(before: &Snapshot, after: &Snapshot) -> Result<(), &'static str> {
    let same_boot = before.uptime_s.is_some() && after.uptime_s.is_some();
    let disks = before
        .disk_usage
        .keys()
        .any(|mount| after.disk_usage.contains_key(mount));
    if same_boot && disks {
        Ok(())
    } else {
        Err("the snapshots say too little")
    }
}

fn restarted(before: &Snapshot, after: &Snapshot) -> Option<Sign> {
    let (before, after) = before.uptime_s.zip(after.uptime_s)?;
    (after < before).then(|| Sign {
        name: "restarted",
        impact: Impact::Severe,
        detail: json!({ "uptime_s_before": before, "uptime_s_after": after }),
    })
}

fn mounts_gone(before: &Snapshot, after: &Snapshot) -> Option<Sign> {
    let whole_list = !after.missing.contains_key("disk_usage");
    let gone: Vec<&String> = before
        .disk_usage
        .keys()
        .filter(|mount| !after.disk_usage.contains_key(*mount))
        .collect();
    (whole_list && !gone.is_empty()).then(|| Sign {
        name: "mounts_gone",
        impact: Impact::Severe,
        detail: json!(gone),
    })
}

fn failed_units(before: &Snapshot, after: &Snapshot) -> Option<Sign> {
    let (before, after) = before.failed_units.as_ref().zip(after.failed_units.as_ref())?;
    let new: Vec<&String> = after.iter().filter(|unit| !before.contains(unit)).collect();
    (!new.is_empty()).then(|| Sign {
        name: "units_failed",
        impact: Impact::Moderate,
        detail: json!(new),
    })
}

fn processes_gone(before: &Snapshot, after: &Snapshot) -> Option<Sign> {
    let (before, after) = before.processes.zip(after.processes)?;
    let gone = before.saturating_sub(after);
    (gone >= NOTICED_PROCESSES && gone >= before.div_ceil(2)).then(|| Sign {
        name: "processes_gone",
        impact: Impact::Moderate,
        detail: json!({ "before": before, "after": after }),
    })
}

fn disks_changed(before: &Snapshot, after: &Snapshot) -> impl Iterator<Item = Sign> {
    before
        .disk_usage
        .iter()
        .filter_map(|(mount, was)| disk_changed(mount, *was, *after.disk_usage.get(mount)?))
}

fn disk_changed(mount: &str, was: Usage, is: Usage) -> Option<Sign> {
    let (used_before, used_after) = was.used.zip(is.used)?;
    let (percent_before, percent_after) = was.percent.zip(is.percent)?;
    let bytes = used_before.abs_diff(used_after);
    let (name, impact) = if percent_before < FULL_DISK_PERCENT && percent_after >= FULL_DISK_PERCENT {
        ("disk_full", Impact::Severe)
    } else if bytes >= NOTICED_DISK_BYTES || (percent_before - percent_after).abs() > NOTICED_DISK_POINTS {
        ("disk_use", Impact::Moderate)
    } else if bytes >= SLIGHT_DISK_BYTES {
        ("disk_use", Impact::Minor)
    } else {
        return None;
    };
    let detail = json!({ "mount": mount, "used_before": used_before, "used_after": used_after });
    Some(Sign { name, impact, detail })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const GIB: u64 = 1 << 30;

    /// A host with a disk of 1000 GiB, half of it in use.
    fn host() -> Snapshot {
        Snapshot {
            uptime_s: Some(5000),
            processes: Some(100),
            failed_units: Some(vec!["old.service".to_owned()]),
            disk_usage: BTreeMap::from([disk("/", 500 * GIB), disk("/srv", 500 * GIB)]),
            ..Snapshot::default()
        }
    }

    fn disk(mount: &str, used: u64) -> (String, Usage) {
        (mount.to_owned(), Usage::of(1000 * GIB, used))
    }

    fn changed(change: impl FnOnce(&mut Snapshot)) -> Snapshot {
        let mut after = host();
        change(&mut after);
        after
    }

    fn gravest(before: &Snapshot, after: &Snapshot) -> Option<Impact> {
        differences(before, after).iter().map(|sign| sign.impact).max()
    }

    #[test]
    fn each_difference_has_its_weight() {
        let rows = [
            (changed(|_| ()), None, "nothing"),
            (
                changed(|host| host.load_avg.one = Some(99.0)),
                None,
                "load comes and goes",
            ),
            (
                changed(|host| host.disk_usage.extend([disk("/", 500 * GIB + (63 << 20))])),
                None,
                "63 MiB",
            ),
            (
                changed(|host| host.disk_usage.extend([disk("/", 500 * GIB + (64 << 20))])),
                Some(Impact::Minor),
                "64 MiB",
            ),
            (
                changed(|host| host.disk_usage.extend([disk("/", 499 * GIB)])),
                Some(Impact::Moderate),
                "1 GiB freed",
            ),
            (
                changed(|host| host.disk_usage.extend([disk("/", 501 * GIB)])),
                Some(Impact::Moderate),
                "1 GiB filled",
            ),
            (
                changed(|host| host.disk_usage.extend([disk("/srv", 990 * GIB)])),
                Some(Impact::Severe),
                "full",
            ),
            (
                changed(|host| host.failed_units = Some(vec![])),
                None,
                "a unit recovered",
            ),
            (
                changed(|host| host.failed_units = Some(vec!["new.service".into()])),
                Some(Impact::Moderate),
                "a unit failed",
            ),
            (changed(|host| host.processes = Some(51)), None, "fewer processes"),
            (
                changed(|host| host.processes = Some(50)),
                Some(Impact::Moderate),
                "half of the processes gone",
            ),
            (
                changed(|host| host.uptime_s = Some(30)),
                Some(Impact::Severe),
                "restarted",
            ),
            (
                changed(|host| host.disk_usage.retain(|mount, _| mount == "/")),
                Some(Impact::Severe),
                "mount gone",
            ),
        ];
        for (after, expected, why) in rows {
            assert_eq!(gravest(&host(), &after), expected, "{why}");
        }
    }

    #[test]
    fn more_than_five_points_of_a_small_disk_are_moderate() {
        let small = |used| changed(|host| host.disk_usage = BTreeMap::from([("/".into(), Usage::of(100_000, used))]));

        assert_eq!(gravest(&small(50_000), &small(55_000)), None);
        assert_eq!(gravest(&small(50_000), &small(55_100)), Some(Impact::Moderate));
    }

    #[test]
    fn what_the_target_did_not_say_is_neither_good_nor_bad() {
        let missing = BTreeMap::from([("disk_usage".into(), "the report was cut short".into())]);
        let cut_short = Snapshot {
            missing,
            ..Snapshot::default()
        };

        assert_eq!(differences(&host(), &cut_short), []);
        assert!(conclusive(&host(), &cut_short).is_err());
        assert!(conclusive(&host(), &host()).is_ok());
    }
}

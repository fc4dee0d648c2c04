//! What differs between two snapshots of a host, and how much that matters.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Snapshot, Usage};
use crate::domain::{Impact, ImpactRules};

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
pub(super) fn differences(rules: &ImpactRules, before: &Snapshot, after: &Snapshot) -> Vec<Sign> {
    if let Some(restarted) = restarted(rules, before, after) {
        return vec![restarted];
    }
    let single = [
        mounts_gone(rules, before, after),
        units_failed(rules, before, after),
        users_gone(rules, before, after),
        processes_gone(rules, before, after),
        load_risen(rules, before, after),
        memory_changed(rules, before.memory_usage, after.memory_usage),
    ];
    let mut signs: Vec<Sign> = single.into_iter().flatten().collect();
    signs.extend(disks_changed(rules, before, after));
    signs.extend(inodes_used_up(rules, before, after));
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

fn restarted(rules: &ImpactRules, before: &Snapshot, after: &Snapshot) -> Option<Sign> {
    let (before, after) = before.uptime_s.zip(after.uptime_s)?;
    (after < before).then(|| Sign {
        name: "restarted",
        impact: rules.restarted,
        detail: json!({ "uptime_s_before": before, "uptime_s_after": after }),
    })
}

fn mounts_gone(rules: &ImpactRules, before: &Snapshot, after: &Snapshot) -> Option<Sign> {
    let whole_list = !after.missing.contains_key("disk_usage");
    let gone: Vec<&String> = before
        .disk_usage
        .keys()
        .filter(|mount| !after.disk_usage.contains_key(*mount))
        .collect();
    (whole_list && !gone.is_empty()).then(|| Sign {
        name: "mounts_gone",
        impact: rules.mounts_gone,
        detail: json!(gone),
    })
}

fn units_failed(rules: &ImpactRules, before: &Snapshot, after: &Snapshot) -> Option<Sign> {
    let (before, after) = before.failed_units.as_ref().zip(after.failed_units.as_ref())?;
    let new: Vec<&String> = after.iter().filter(|unit| !before.contains(unit)).collect();
    (!new.is_empty()).then(|| Sign {
        name: "units_failed",
        impact: rules.units_failed,
        detail: json!(new),
    })
}

fn users_gone(rules: &ImpactRules, before: &Snapshot, after: &Snapshot) -> Option<Sign> {
    let detail = mostly_gone(before.users, after.users, rules.users_gone_count)?;
    Some(Sign {
        name: "users_gone",
        impact: rules.users_gone,
        detail,
    })
}

fn processes_gone(rules: &ImpactRules, before: &Snapshot, after: &Snapshot) -> Option<Sign> {
    let detail = mostly_gone(before.processes, after.processes, rules.processes_gone_count)?;
    Some(Sign {
        name: "processes_gone",
        impact: rules.processes_gone,
        detail,
    })
}

/// The two counts, where `noticed` are gone and half of all that were there.
fn mostly_gone(before: Option<u32>, after: Option<u32>, noticed: u32) -> Option<Value> {
    let (before, after) = before.zip(after)?;
    let gone = before.saturating_sub(after);
    (gone >= noticed && gone >= before.div_ceil(2)).then(|| json!({ "before": before, "after": after }))
}

fn load_risen(rules: &ImpactRules, before: &Snapshot, after: &Snapshot) -> Option<Sign> {
    let (was, is) = before.load_avg.one.zip(after.load_avg.one)?;
    let cpus = f64::from(after.cpus?.max(1));
    (is / cpus >= rules.load_high && is >= 2.0 * was).then(|| Sign {
        name: "load",
        impact: rules.load,
        detail: json!({ "before": was, "after": is, "cpus": cpus }),
    })
}

fn memory_changed(rules: &ImpactRules, was: Usage, is: Usage) -> Option<Sign> {
    let (was, is) = was.percent.zip(is.percent)?;
    let (name, impact) = if was < rules.memory_short_percent && is >= rules.memory_short_percent {
        ("memory_short", rules.memory_short)
    } else if (was - is).abs() >= rules.memory_use_points {
        ("memory_use", rules.memory_use)
    } else {
        return None;
    };
    let detail = json!({ "percent_before": was, "percent_after": is });
    Some(Sign { name, impact, detail })
}

fn disks_changed<'a>(rules: &'a ImpactRules, before: &'a Snapshot, after: &'a Snapshot) -> impl Iterator<Item = Sign> {
    pairs(&before.disk_usage, &after.disk_usage).filter_map(|(mount, was, is)| disk_changed(rules, mount, was, is))
}

fn disk_changed(rules: &ImpactRules, mount: &str, was: Usage, is: Usage) -> Option<Sign> {
    let (used_before, used_after) = was.used.zip(is.used)?;
    let (percent_before, percent_after) = was.percent.zip(is.percent)?;
    let bytes = used_before.abs_diff(used_after);
    let points = (percent_before - percent_after).abs();
    let (name, impact) = if has_filled(rules, was, is) {
        ("disk_full", rules.disk_full)
    } else if bytes >= rules.disk_use_bytes || points > rules.disk_use_points {
        ("disk_use", rules.disk_use)
    } else if bytes >= rules.disk_touched_bytes {
        ("disk_touched", rules.disk_touched)
    } else {
        return None;
    };
    let detail = json!({ "mount": mount, "used_before": used_before, "used_after": used_after });
    Some(Sign { name, impact, detail })
}

/// A file system without inodes takes no more files, whatever room it has.
fn inodes_used_up<'a>(rules: &'a ImpactRules, before: &'a Snapshot, after: &'a Snapshot) -> impl Iterator<Item = Sign> {
    let filled = pairs(&before.inode_usage, &after.inode_usage).filter(|(_, was, is)| has_filled(rules, *was, *is));
    filled.map(|(mount, was, is)| Sign {
        name: "inodes_full",
        impact: rules.disk_full,
        detail: json!({ "mount": mount, "used_before": was.used, "used_after": is.used }),
    })
}

fn has_filled(rules: &ImpactRules, was: Usage, is: Usage) -> bool {
    let percents = was.percent.zip(is.percent);
    percents.is_some_and(|(was, is)| was < rules.disk_full_percent && is >= rules.disk_full_percent)
}

/// What is in both, by its name.
fn pairs<'a>(
    before: &'a BTreeMap<String, Usage>,
    after: &'a BTreeMap<String, Usage>,
) -> impl Iterator<Item = (&'a str, Usage, Usage)> {
    before
        .iter()
        .filter_map(|(mount, was)| Some((mount.as_str(), *was, *after.get(mount)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::LoadAvg;

    const GIB: u64 = 1 << 30;

    /// A host with a disk of 1000 GiB, half of it in use.
    fn host() -> Snapshot {
        Snapshot {
            uptime_s: Some(5000),
            cpus: Some(4),
            users: Some(4),
            processes: Some(100),
            load_avg: LoadAvg {
                one: Some(8.0),
                ..LoadAvg::default()
            },
            memory_usage: Usage::of(1000, 500),
            inode_usage: BTreeMap::from([("/".to_owned(), Usage::of(1000, 500))]),
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
        let signs = differences(&ImpactRules::default(), before, after);
        signs.iter().map(|sign| sign.impact).max()
    }

    #[test]
    fn each_difference_has_its_weight() {
        let rows = [
            (changed(|_| ()), None, "nothing"),
            (
                changed(|host| host.load_avg.one = Some(15.9)),
                None,
                "a load of less than 4 for each processor",
            ),
            (
                changed(|host| host.load_avg.one = Some(16.0)),
                Some(Impact::Minor),
                "a load of 4, twice as much",
            ),
            (
                changed(|host| host.memory_usage = Usage::of(1000, 740)),
                None,
                "24 points of memory",
            ),
            (
                changed(|host| host.memory_usage = Usage::of(1000, 250)),
                Some(Impact::Minor),
                "25 points of memory freed",
            ),
            (
                changed(|host| host.memory_usage = Usage::of(1000, 950)),
                Some(Impact::Moderate),
                "memory is short",
            ),
            (
                changed(|host| host.inode_usage.extend([("/".into(), Usage::of(1000, 990))])),
                Some(Impact::Severe),
                "no inodes left",
            ),
            (changed(|host| host.users = Some(3)), None, "one logged out"),
            (
                changed(|host| host.users = Some(2)),
                Some(Impact::Moderate),
                "half of the users gone",
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
    fn what_is_already_so_is_no_change() {
        let full = changed(|host| {
            host.disk_usage.extend([disk("/", 999 * GIB)]);
            host.inode_usage.extend([("/".into(), Usage::of(1000, 999))]);
            host.memory_usage = Usage::of(1000, 970);
            host.load_avg.one = Some(40.0);
        });
        assert_eq!(differences(&ImpactRules::default(), &full, &full), []);
    }

    #[test]
    fn thresholds_and_impacts_are_the_rules() {
        let rules = ImpactRules {
            disk_use_bytes: 2 * GIB,
            units_failed: Impact::None,
            ..ImpactRules::default()
        };
        let grown = changed(|host| host.disk_usage.extend([disk("/", 501 * GIB)]));
        let failed = changed(|host| host.failed_units = Some(vec!["new.service".into()]));
        let signs = |after: &Snapshot| -> Vec<(&str, Impact)> {
            let signs = differences(&rules, &host(), after);
            signs.iter().map(|sign| (sign.name, sign.impact)).collect()
        };
        assert_eq!(signs(&grown), [("disk_touched", Impact::Minor)]);
        assert_eq!(
            signs(&failed),
            [("units_failed", Impact::None)],
            "seen, and shows nothing"
        );
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

        assert_eq!(differences(&ImpactRules::default(), &host(), &cut_short), []);
        assert!(conclusive(&host(), &cut_short).is_err());
        assert!(conclusive(&host(), &host()).is_ok());
    }
}

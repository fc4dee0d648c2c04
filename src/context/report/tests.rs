//! Reports of several systems, recorded or written (tests/data/probes), and hostile ones.

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
         inode=/dev/vda1 1000 250 750 25% /\ndisk=/dev/vda1 1000 450 450 50% /\ndisk=tmpfs 10 1 9 10% /run/lock\nunit=nginx.service loaded failed failed x\n\
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

/// What the snapshot of a recorded report says, in the units of people: MiB, percent and seconds.
fn in_short(report: &str) -> String {
    let host = snapshot(report);
    let disks: Vec<_> = host
        .disk_usage
        .iter()
        .map(|(mount, usage)| (mount.as_str(), usage.percent))
        .collect();
    let inodes: Vec<_> = host
        .inode_usage
        .iter()
        .map(|(mount, usage)| (mount.as_str(), usage.percent))
        .collect();
    format!(
        "{:?} up {:?} load {:?} cpus {:?} memory {:?} swap {:?} disks {disks:?} inodes {inodes:?} users {:?} \
         processes {:?} units {:?} offset {:?}",
        host.os_info.distribution.unwrap_or_default(),
        host.uptime_s,
        host.load_avg.five,
        host.cpus,
        host.memory_usage.percent,
        host.swap_usage.percent,
        host.users,
        host.processes,
        host.failed_units,
        host.utc_offset_minutes,
    )
    .replace("Some(", "")
    .replace(')', "")
}

#[test]
fn every_system_says_what_it_can() {
    let rows = [
        (
            include_str!("../../../tests/data/probes/debian.txt"),
            r#""Debian GNU/Linux 12 (bookworm" up 52076 load 6.47 cpus 2 memory 20.1 swap 25.0 disks [("/", 48.7, ("/boot/efi", 9.3] inodes [("/", 3.5] users 3 processes 123 units ["logrotate.service"] offset -210"#,
        ),
        (
            include_str!("../../../tests/data/probes/busybox.txt"),
            r#""Alpine Linux v3.20" up 77 load 0.2 cpus 1 memory 50.0 swap None disks [("/", 25.0] inodes [("/", 25.0] users 0 processes 61 units None offset 0"#,
        ),
        (
            include_str!("../../../tests/data/probes/freebsd.txt"),
            r#""FreeBSD 14.1-RELEASE" up 100 load 0.4 cpus 4 memory 50.0 swap 12.5 disks [("/", 20.0] inodes [("/", 25.0] users 1 processes 31 units None offset 60"#,
        ),
        (
            include_str!("../../../tests/data/probes/openbsd.txt"),
            r#""OpenBSD 7.6" up 100 load 0.2 cpus 2 memory 50.0 swap 25.0 disks [("/", 52.6, ("/home", 13.2] inodes [("/", 1.3, ("/home", 90.0] users 2 processes 44 units None offset 60"#,
        ),
        (
            include_str!("../../../tests/data/probes/netbsd.txt"),
            r#""NetBSD 10.0" up 100 load 0.25 cpus 1 memory 75.0 swap None disks [("/", 21.1] inodes [("/", 3.0] users 0 processes 29 units None offset 0"#,
        ),
        (
            include_str!("../../../tests/data/probes/macos.txt"),
            r#""macOS 15.1" up 86400 load 2.55 cpus 8 memory 75.0 swap 25.0 disks [("/", 5.0, ("/System/Volumes/Data", 54.5, ("/Volumes/My Disk", 15.5] inodes [("/", 0.0, ("/System/Volumes/Data", 0.1] users 2 processes 512 units None offset 330"#,
        ),
    ];
    for (report, expected) in rows {
        assert_eq!(in_short(report), expected);
    }
}

#[test]
fn what_a_system_does_not_have_is_missing_with_a_reason() {
    let missing = |report: &str| snapshot(report).missing;
    let nothing: BTreeMap<String, String> = BTreeMap::new();
    assert_eq!(missing(include_str!("../../../tests/data/probes/debian.txt")), nothing);
    let no_systemd = BTreeMap::from([("failed_units".to_owned(), "the target does not run systemd".to_owned())]);
    for report in [
        include_str!("../../../tests/data/probes/busybox.txt"),
        include_str!("../../../tests/data/probes/freebsd.txt"),
        include_str!("../../../tests/data/probes/openbsd.txt"),
        include_str!("../../../tests/data/probes/netbsd.txt"),
        include_str!("../../../tests/data/probes/macos.txt"),
    ] {
        assert_eq!(missing(report), no_systemd);
    }
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
        "sysctl=(kern.boottime|hw.memsize|hw.pagesize|vm.swapusage|vm.loadavg): [{} =,a-zA-Z0-9:]{0,40}",
        "(vm|swap)=(Pages free:|total:|/dev/a)[ 0-9k=a-z,]{0,40}",
        "(bsd_)?inode=[a-z ]{0,8} [0-9]{1,22} [0-9]{1,22} [0-9]{1,22} [0-9]{1,6}% /\\PC{0,300}",
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

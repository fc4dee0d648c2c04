//! What the service manager denies the services: measured by its own tool.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The exposure that a unit may have, in tenths: what a service that talks to the whole network and writes a directory cannot
/// do without.
const MOST_TENTHS: u32 = 12;

#[test]
fn every_unit_is_exposed_as_little_as_it_can_be() {
    let units = services();
    assert!(!units.is_empty());
    for unit in units {
        let output = Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager"])
            .arg(format!("--threshold={MOST_TENTHS}"))
            .arg(&unit)
            .output()
            .expect("systemd-analyze is needed: install systemd");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let overall = said.lines().find(|line| line.contains("Overall exposure level"));
        eprintln!("{}", overall.unwrap_or("no exposure level").trim());
        assert!(
            output.status.success() && overall.is_some(),
            "{}\n{said}",
            unit.display()
        );
    }
}

#[test]
fn the_daemon_may_confine_itself_under_its_unit() {
    let unit = std::fs::read_to_string(directory().join("opspilot.service")).unwrap();
    let allowed: Vec<_> = unit
        .lines()
        .filter_map(|line| line.strip_prefix("SystemCallFilter="))
        .collect();
    for call in [
        "landlock_create_ruleset",
        "landlock_add_rule",
        "landlock_restrict_self",
        "seccomp",
    ] {
        assert!(
            allowed.iter().any(|line| line.split(' ').any(|word| word == call)),
            "{call}"
        );
    }
}

#[test]
fn a_reload_is_refused_before_the_daemon_hears_of_what_cannot_be_used() {
    let unit = std::fs::read_to_string(directory().join("opspilot.service")).unwrap();
    let commands = unit.lines().filter_map(|line| line.strip_prefix("ExecReload="));
    let commands: Vec<_> = commands.collect();
    let [check, signal] = commands.as_slice() else {
        panic!("{commands:?}")
    };
    let check = check.strip_prefix("/usr/bin/opspilot ").unwrap();
    let broken = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&broken, "[server]\nlisten = 7\n").unwrap();
    let check = check.replace("/etc/opspilot/opspilot.toml", broken.path().to_str().unwrap());
    let check: Vec<_> = check.split(' ').collect();
    let checked = crate::harness::opspilot(&check).output().unwrap();
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    assert!(String::from_utf8_lossy(&checked.stderr).contains(":2"), "{checked:?}");
    assert_eq!(*signal, "/bin/kill -HUP $MAINPID");
}

#[test]
fn the_socket_is_where_the_shipped_configuration_listens() {
    let unit = std::fs::read_to_string(directory().join("opspilot.socket")).unwrap();
    let listened: Vec<_> = unit
        .lines()
        .filter_map(|line| line.strip_prefix("ListenStream="))
        .collect();
    let shipped = directory().parent().unwrap().join("config/opspilot.toml");
    let shipped = std::fs::read_to_string(shipped).unwrap();
    assert!(
        shipped.contains(&format!("\nlisten = [\"{}\"]", listened.join("\", \""))),
        "{listened:?}"
    );
}

fn services() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.extension().is_some_and(|end| end == "service"))
        .collect()
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd")
}

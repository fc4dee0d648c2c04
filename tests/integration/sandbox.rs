//! What the running daemon has denied itself.

use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use crate::harness::{Bastion, Key, Sshd, World, eventually};

/// Whether this kernel can confine at all; the daemon says so first of all.
fn is_confined(bastion: &Bastion) -> bool {
    let log = bastion.log();
    assert!(log.contains("confined"), "{log}");
    !log.contains("not confined")
}

#[test]
fn no_crash_leaves_a_core_and_no_program_brings_privileges() {
    let world = World::new();
    let limits = fs::read_to_string(format!("/proc/{}/limits", world.bastion.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size"));
    let core: Vec<_> = core.unwrap().split_whitespace().skip(4).take(2).collect();
    assert_eq!(core, ["0", "0"]);

    let status = fs::read_to_string(format!("/proc/{}/status", world.bastion.id())).unwrap();
    let may_gain = status.lines().find_map(|line| line.strip_prefix("NoNewPrivs:"));
    assert!(may_gain.unwrap().trim() == "1" || !is_confined(&world.bastion));
}

#[test]
fn a_new_configuration_that_leads_elsewhere_is_refused_with_the_line_that_does() {
    let mut world = World::new();
    if !is_confined(&world.bastion) {
        return;
    }
    let elsewhere = TempDir::with_prefix("elsewhere-").unwrap();
    let key = Key::generate(elsewhere.path(), "key");
    let old = format!("identity = \"{}\"", world.target.client_key.path.display());
    let new = format!("identity = \"{}\"", key.path.display());
    world
        .bastion
        .reload(|config| config.targets = config.targets.replace(&old, &new));
    let line = 1 + world
        .bastion
        .config
        .render()
        .lines()
        .position(|line| line == new)
        .unwrap();
    let expected = format!(
        "opspilot.toml:{line}: targets[0].identity: names {}",
        key.path.display()
    );
    eventually("the refusal in the log", || {
        world.bastion.log().contains(&expected).then_some(())
    });
    assert!(world.bastion.log().contains("stays as it was") && world.bastion.log().contains("restart the daemon"));
    assert_eq!(world.alice().run("echo as before").text(), "as before\n");
}

#[test]
fn a_key_beside_those_that_were_named_is_taken_by_a_reload() {
    let mut world = World::new();
    let beside = world.target.client_key.path.with_file_name("beside");
    fs::copy(&world.target.client_key.path, &beside).unwrap();
    let old = world.target.client_key.path.display().to_string();
    world
        .bastion
        .reload(|config| config.targets = config.targets.replace(&old, &beside.display().to_string()));
    eventually("the new configuration", || {
        world.bastion.log().contains("in force").then_some(())
    });
    assert_eq!(world.alice().run("echo here").text(), "here\n");
}

#[test]
fn a_link_that_was_bent_leads_the_daemon_nowhere() {
    let keys = TempDir::with_prefix("keys-").unwrap();
    let target = Sshd::start();
    let link = keys.path().join("identity");
    symlink(&target.client_key.path, &link).unwrap();
    let old = target.client_key.path.display().to_string();
    let bastion = Bastion::start(&target, |config| {
        config.targets = config.targets.replace(&old, &link.display().to_string());
    });
    if !is_confined(&bastion) {
        return;
    }
    assert_eq!(bastion.ssh("alice@web-1").run("echo here").text(), "here\n");

    let elsewhere = TempDir::with_prefix("elsewhere-").unwrap();
    let copy = elsewhere.path().join("key");
    fs::copy(&target.client_key.path, &copy).unwrap();
    fs::remove_file(&link).unwrap();
    symlink(&copy, &link).unwrap();
    let mut bastion = bastion;
    bastion.reload(|_| {});
    eventually("the refusal in the log", || {
        bastion.log().contains("denied itself").then_some(())
    });
    // What leads elsewhere after a reload was admitted is kept back by the kernel alone.
    let output = bastion.ssh("alice@web-1").run("echo here");
    output.assert_failed();
    assert!(bastion.log().contains("Permission denied"), "{}", bastion.log());
}

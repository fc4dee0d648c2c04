//! SIGHUP: the next command lives under the new configuration, and a broken one changes nothing.

use std::os::unix::net::UnixDatagram;

use crate::harness::{Bastion, Child, DEADLINE, RISKY, Sshd, World, eventually, opspilot};

/// Awaits that a harmless command of alice's is answered with `code`.
fn until_alice_gets(world: &World, code: i32) {
    eventually("the new policy", || {
        (world.alice().run("true").code == code).then_some(())
    });
}

#[test]
fn the_next_command_uses_the_new_policy() {
    let mut world = World::new();
    assert_eq!(world.alice().run("true").code, 0);
    world
        .bastion
        .reload(|config| config.policies = config.policies.replace("low = \"allow\"", "low = \"deny\""));
    until_alice_gets(&world, 126);
    world
        .bastion
        .reload(|config| config.policies = config.policies.replace("low = \"deny\"", "low = \"allow\""));
    until_alice_gets(&world, 0);
}

#[test]
fn a_broken_configuration_leaves_the_old_one_and_says_so() {
    let world = World::new();
    let broken = world
        .bastion
        .config
        .render()
        .replace("low = \"allow\"", "low = \"sometimes\"");
    let line = 1 + broken.lines().position(|line| line.contains("sometimes")).unwrap();
    world.bastion.reload_text(&broken);
    eventually("the error in the log", || {
        let log = world.bastion.log();
        (log.contains(&format!("opspilot.toml:{line}")) && log.contains("sometimes")).then_some(())
    });
    assert_eq!(world.alice().run("true").code, 0);
}

/// Awaits that the log says a problem with a remedy, and sees that the old configuration is still in force.
fn until_the_old_one_is_said_to_stay(world: &World, said: &[&str]) {
    eventually("the error in the log", || {
        let log = world.bastion.log();
        let (_, error) = log.split_once("the configuration stays as it was")?;
        said.iter().all(|words| error.contains(words)).then_some(())
    });
    assert_eq!(world.alice().run("true").code, 0);
}

#[test]
fn broken_rules_leave_the_old_ones() {
    let mut world = World::new();
    let rules = world.bastion.dir().join("rules.toml");
    std::fs::write(&rules, "[[rule]]\nid = \"x\"\nlevel = \"sometimes\"\n").unwrap();
    world
        .bastion
        .reload(|config| config.risk = format!("rules = [\"{}\"]\nmodel = \"\"\n", rules.display()));
    until_the_old_one_is_said_to_stay(&world, &["rules.toml:3", "sometimes"]);
}

#[test]
fn rules_that_have_vanished_leave_the_old_ones() {
    let mut world = World::new();
    world
        .bastion
        .reload(|config| config.risk = "rules = [\"vanished.toml\"]\nmodel = \"\"\n".to_owned());
    until_the_old_one_is_said_to_stay(&world, &["vanished.toml"]);
}

#[test]
fn a_broken_model_leaves_the_old_one() {
    let mut world = World::new();
    std::fs::write(world.bastion.dir().join("broken.onnx"), "no model").unwrap();
    world.bastion.reload(|config| {
        let (rules, _) = config.risk.split_once("model").unwrap();
        config.risk = format!("{rules}model = \"broken.onnx\"\n");
    });
    until_the_old_one_is_said_to_stay(&world, &["broken"]);
}

#[test]
fn a_file_of_keys_that_has_vanished_or_anybody_may_write_leaves_the_old_ones() {
    let mut world = World::new();
    world.bastion.reload(|config| {
        config.users = config
            .users
            .replacen("roles", "authorized_keys_file = \"vanished.keys\"\nroles", 1);
    });
    until_the_old_one_is_said_to_stay(&world, &["opspilot.toml:", "vanished.keys"]);
}

#[test]
fn a_configuration_that_has_vanished_leaves_the_old_one() {
    let world = World::new();
    std::fs::remove_file(world.bastion.config_file()).unwrap();
    world.bastion.signal("HUP");
    until_the_old_one_is_said_to_stay(&world, &["opspilot.toml"]);
}

#[test]
fn the_service_manager_is_told_what_is_wrong_until_it_is_mended() {
    let target = Sshd::start();
    let (dir, config) = Bastion::prepare(&target);
    let file = dir.path().join("opspilot.toml");
    std::fs::write(&file, config.render()).unwrap();
    let manager = UnixDatagram::bind(dir.path().join("notify")).unwrap();
    manager.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut daemon = opspilot(&["serve", "-c"]);
    daemon.arg(&file).env("NOTIFY_SOCKET", dir.path().join("notify"));
    let daemon = Child::server(&mut daemon, &dir.path().join("log"));
    let hear = || {
        let mut message = [0; 4096];
        let length = manager.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    };
    assert_eq!(hear(), "READY=1\n");

    std::fs::write(&file, "[server]\nlisten = 7\n").unwrap();
    daemon.signal("HUP");
    assert!(hear().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    let said = hear();
    let (ready, status) = said.trim_end().split_once('\n').unwrap();
    assert_eq!(ready, "READY=1");
    assert!(
        status.starts_with("STATUS=the configuration stays as it was: "),
        "{status}"
    );
    assert!(status.contains("opspilot.toml:2") && !status.contains('\n'), "{status}");

    std::fs::write(&file, config.render()).unwrap();
    daemon.signal("HUP");
    hear();
    assert_eq!(hear(), "READY=1\nSTATUS=\n");
}

#[test]
fn a_removed_users_session_ends() {
    let mut world = World::new();
    let mut bob = world.bastion.ssh("bob@web-1").start("echo up; cat");
    let mut alice = world.alice().start("echo up; cat");
    bob.stdout.expect("up\n");
    alice.stdout.expect("up\n");

    world
        .bastion
        .reload(|config| config.users = config.users.replace("name = \"bob\"", "name = \"robert\""));
    assert_eq!(bob.wait(), 255);
    alice.send(b"still here\n");
    assert_eq!(alice.finish().text(), "up\nstill here\n");
    assert_ne!(world.bastion.ssh("bob@web-1").run("true").code, 0);
}

#[test]
fn a_removed_keys_session_ends() {
    let mut world = World::new();
    let mut bob = world.bastion.ssh("bob@web-1").start("echo up; cat");
    bob.stdout.expect("up\n");
    let keys = tempfile::tempdir().unwrap();
    let other = crate::harness::Key::generate(keys.path(), "other");
    let old = crate::harness::Key::read(world.bastion.dir().join("bob"));
    world
        .bastion
        .reload(|config| config.users = config.users.replace(&old.public, &other.public));
    assert_eq!(bob.wait(), 255);
}

#[test]
fn a_removed_targets_sessions_end() {
    let mut world = World::new();
    let mut running = world.alice().start("echo up; cat");
    running.stdout.expect("up\n");
    world
        .bastion
        .reload(|config| config.targets = config.targets.replace("\"web-1\"", "\"web-9\""));
    assert_eq!(running.wait(), 255);
    assert_eq!(world.bastion.row().state, "interrupted");
}

#[test]
fn an_open_question_is_decided_again() {
    let mut world = World::new();
    let mut running = world.alice().start(RISKY);
    let code = running.code();
    world
        .bastion
        .reload(|config| config.policies = config.policies.replace("high = \"confirm\"", "high = \"deny\""));
    eventually("the new policy", || {
        world.bastion.log().contains("in force").then_some(())
    });
    assert_ne!(
        world.confirm("alice", &code).code,
        0,
        "the code does not outlive the policy"
    );
    assert_eq!(running.wait(), 126);
    assert_eq!(world.bastion.row().execution_success, None);
}

#[test]
fn what_needs_a_restart_is_said_to_need_one() {
    let mut world = World::new();
    let port = world.bastion.config.port;
    world.bastion.reload(|config| config.port = crate::harness::free_port());
    eventually("the word in the log", || {
        world.bastion.log().contains("restart").then_some(())
    });
    world.bastion.config.port = port;
    assert_eq!(world.alice().run("true").code, 0, "it still listens where it did");
}

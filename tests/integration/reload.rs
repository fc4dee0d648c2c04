//! SIGHUP: the next command lives under the new configuration, and a broken one changes nothing.

use crate::harness::{RISKY, World, eventually};

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

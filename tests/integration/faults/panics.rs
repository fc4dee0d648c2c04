//! Parts that panic: their session ends, with a row where there was one, and no other.

use crate::harness::{Ssh, World};

/// What a user types, which no log must show.
const TYPED: &str = "echo xyzzy-plugh";

/// A bastion a part of which panics, once, when it is told to: an id cannot be made.
fn brittle() -> World {
    let mut world = World::new();
    world.bastion.preload("faults/random.c");
    world
}

/// Why the sessions of a user ended, of those that have.
fn ends(world: &World, user: &str) -> Vec<String> {
    let sql = "SELECT end_reason FROM sessions WHERE user_id = ?1 AND state <> 'open' ORDER BY started_at";
    let connection = world.bastion.sql();
    let mut sessions = connection.prepare(sql).unwrap();
    let reasons = sessions.query_map([user], |row| row.get(0)).unwrap();
    reasons.map(Result::unwrap).collect()
}

/// Asserts that the log has one line about it, which says where, and that all else goes on.
#[track_caller]
fn assert_contained(world: &World) {
    let log = world.bastion.log();
    let panics: Vec<&str> = log.lines().filter(|line| line.contains("panicked")).collect();
    assert!(panics.len() == 1 && panics[0].contains(".rs:"), "{panics:#?}");
    assert!(!log.contains("xyzzy"), "{log}");
    assert_eq!(world.alice().run("echo again").text(), "again\n");
    let verified = world.bastion.opspilot(&["verify"]);
    assert!(verified.status.success(), "{verified:?}");
}

/// An `ssh` that shares a connection, or makes it.
fn shared(world: &World) -> Ssh {
    let socket = world.target.home().join("shared");
    world
        .alice()
        .arg("-o")
        .arg("ControlMaster=auto")
        .arg("-S")
        .arg(socket.to_str().unwrap())
}

#[test]
fn a_panic_in_a_command_ends_its_session_with_a_row_and_no_other() {
    let world = brittle();
    let mut others = world.bastion.ssh("bob@web-1").start("cat");
    let mut running = shared(&world).start("echo begun; cat");
    running.stdout.expect("begun");
    world.bastion.fault("once");
    let output = shared(&world).run(TYPED);
    assert_eq!(output.code, 255, "{output:?}");
    assert!(output.stderr.contains("opspilot: internal error"), "{output:?}");
    running.stderr.expect("opspilot: internal error");
    assert_eq!(running.wait(), 255);

    others.send(b"here\n");
    others.stdout.expect("here");
    let rows = world.bastion.rows_when("the end", |rows| {
        rows.iter()
            .any(|row| row.command.starts_with("echo begun") && row.state == "interrupted")
    });
    assert_eq!(rows.len(), 2, "nothing of the command was on record: {rows:#?}");
    let why = super::reason(&world.bastion, "echo begun; cat");
    assert!(why.contains("internal error"), "{why}");
    assert!(ends(&world, "alice").iter().all(|why| why.contains("internal error")));
    assert_contained(&world);
    assert_eq!(others.finish().code, 0);
}

#[test]
fn a_panic_over_a_line_ends_its_shell_and_no_other() {
    let world = brittle();
    let [mut shell, mut other] = [world.shell(), world.shell()];
    shell.run("echo one");
    world.bastion.fault("once");
    shell.line(TYPED);
    shell.expect("opspilot: internal error");
    assert_eq!(shell.finish(), 255);
    assert!(other.run("echo other").contains("other"));
    let rows = world.bastion.rows(2);
    assert!(rows.iter().all(|row| row.state == "finished"), "{rows:#?}");
    assert_contained(&world);
}

#[test]
fn a_panic_in_the_handler_of_a_connection_ends_that_connection() {
    let world = brittle();
    let mut other = world.shell();
    world.bastion.fault("once");
    assert_eq!(world.alice().run(TYPED).code, 255);
    assert!(other.run("echo other").contains("other"));
    assert_contained(&world);
}

#[test]
fn panics_unwind_in_every_profile() {
    let manifest = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest: toml::Table = std::fs::read_to_string(manifest).unwrap().parse().unwrap();
    for (name, profile) in manifest["profile"].as_table().unwrap() {
        let panic = profile.get("panic").and_then(toml::Value::as_str);
        assert!(
            panic.is_none_or(|panic| panic == "unwind"),
            "{name}: nothing could be contained"
        );
    }
}

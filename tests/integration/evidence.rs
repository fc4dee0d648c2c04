//! `opspilot verify` and `opspilot prune` on the record of real sessions.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use rusqlite::Connection;
use serde_json::Value;

use crate::harness::{RISKY, World, eventually};
use crate::recording::{directory, recording};

/// A record of a command, one that nobody answered for, and a recorded terminal; the daemon has stopped.
fn record() -> World {
    let mut world = World::with(|config| "1s".clone_into(&mut config.confirm_timeout));
    assert_eq!(world.alice().run("echo one").code, 0);
    world.alice().run(RISKY).assert_refused();
    let mut terminal = world.shell();
    terminal.run("echo find-me-5127");
    terminal.line("exit");
    terminal.finish();
    recording(&world, "complete");
    assert_eq!(world.bastion.stop(), 0);
    world
}

fn text(output: &Output) -> String {
    let (said, errors) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(said), String::from_utf8_lossy(errors))
}

#[track_caller]
fn assert_sound(world: &World, arguments: &[&str]) {
    let output = world.bastion.opspilot(&[&["verify"], arguments].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

#[track_caller]
fn assert_found(world: &World, arguments: &[&str], words: &[&str]) {
    let output = world.bastion.opspilot(&[&["verify"], arguments].concat());
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for word in words {
        assert!(said.contains(word), "no {word:?} in: {said}");
    }
}

fn tamper(world: &World, sql: &str) {
    let database = Connection::open(world.bastion.database()).unwrap();
    database.execute_batch(sql).unwrap();
}

fn recorded_file(world: &World) -> PathBuf {
    directory(world).join(recording(world, "complete").path)
}

#[test]
fn what_real_sessions_leave_is_sound_while_the_daemon_serves_and_after() {
    let mut world = record();
    assert_sound(&world, &[]);
    world.bastion.restart();
    let terminal = world.shell();
    assert_sound(&world, &[]);
    let json = world.bastion.opspilot(&["verify", "--json"]);
    let verified: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(verified["findings"], serde_json::json!([]));
    assert_eq!(
        (&verified["recordings"], &verified["recordings_without_digest"]),
        (&1.into(), &1.into())
    );
    terminal.vanish();
}

#[test]
fn a_row_that_was_changed_is_named() {
    let world = record();
    tamper(
        &world,
        "UPDATE command_executions SET command = 'echo two' WHERE command = 'echo one'",
    );
    assert_found(&world, &[], &["command_executions, id 1", "command", "NOT sound"]);
    tamper(
        &world,
        "UPDATE command_executions SET command = 'echo one' WHERE command = 'echo two'",
    );
    assert_sound(&world, &[]);
}

#[test]
fn a_recording_that_was_changed_cut_or_removed_is_named() {
    let world = record();
    let file = recorded_file(&world);
    let whole = fs::read(&file).unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    for place in [0, whole.len() / 2, whole.len() - 1] {
        let mut flipped = whole.clone();
        flipped[place] ^= 1;
        fs::write(&file, flipped).unwrap();
        assert_found(&world, &[], &[name, "was changed"]);
    }
    fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    assert_found(&world, &[], &[name, "was cut"]);
    fs::write(&file, [whole.as_slice(), b"more"].concat()).unwrap();
    assert_found(&world, &[], &[name, "was added"]);
    fs::remove_file(&file).unwrap();
    assert_found(&world, &[], &[name, "missing"]);
    fs::write(&file, whole).unwrap();
    assert_sound(&world, &[]);
}

#[test]
fn a_record_that_was_put_back_is_shown_by_a_head_that_was_exported() {
    let mut world = record();
    let earlier = fs::read(world.bastion.database()).unwrap();
    world.bastion.restart();
    assert_eq!(world.alice().run("echo incriminating").code, 0);
    assert_eq!(world.bastion.stop(), 0);
    let head = world.bastion.dir().join("head");
    let head = head.to_str().unwrap();
    let exported = world.bastion.opspilot(&["verify", "--export-head", head]);
    assert!(exported.status.success(), "{}", text(&exported));
    assert_sound(&world, &["--head", head]);

    fs::write(world.bastion.database(), earlier).unwrap();
    assert_sound(&world, &[]);
    assert_found(&world, &["--head", head], &["its end was cut off"]);

    let again = world.bastion.opspilot(&["verify", "--export-head", head]);
    assert_ne!(again.status.code(), Some(0), "a head that was kept is not written over");
    fs::write(head, "not a head").unwrap();
    let refused = world.bastion.opspilot(&["verify", "--head", head]);
    assert!(text(&refused).contains("is not a head"), "{}", text(&refused));
}

#[test]
fn what_is_pruned_is_gone_with_its_recordings_and_the_record_is_sound() {
    let mut world = record();
    let file = recorded_file(&world);
    assert!(file.exists());
    let kept = world.bastion.opspilot(&["prune"]);
    assert!(
        text(&kept).contains("Erased 0 payloads and 0 recordings"),
        "{}",
        text(&kept)
    );

    let pruned = world.bastion.opspilot(&["prune", "--keep-days", "0"]);
    assert!(pruned.status.success(), "{}", text(&pruned));
    assert!(!file.exists() && !file.parent().unwrap().exists());
    assert_eq!(world.bastion.rows_now().len(), 0);
    let bytes = fs::read(world.bastion.database()).unwrap();
    assert!(!bytes.windows(12).any(|window| window == b"find-me-5127"));
    assert_sound(&world, &[]);

    world.bastion.restart();
    assert_eq!(world.alice().run("echo after").code, 0);
    assert_sound(&world, &[]);
}

#[test]
fn the_daemon_is_asked_to_prune_while_it_serves_and_goes_by_its_own_configuration() {
    let mut world = record();
    let file = recorded_file(&world);
    world.bastion.restart();
    // Once what the daemon does by itself at its start is over.
    let pruned = eventually("a prune of its own", || {
        let pruned = world.bastion.opspilot(&["prune", "--keep-days", "0", "--json"]);
        let is_done = pruned.status.success();
        assert!(
            is_done || text(&pruned).contains("another prune is under way"),
            "{}",
            text(&pruned)
        );
        is_done.then_some(pruned)
    });
    let pruned: Value = serde_json::from_slice(&pruned.stdout).unwrap();
    assert_eq!(pruned["recordings"], 1, "{pruned}");
    assert!(!file.exists() && !file.parent().unwrap().exists());
    assert_eq!(world.bastion.rows_now().len(), 0);
    assert!(world.bastion.log().contains("asked over the control socket"));
    assert_eq!(world.alice().run("echo after").code, 0);
    assert_sound(&world, &[]);
}

#[test]
fn a_user_can_be_forgotten_while_the_daemon_serves() {
    let world = World::new();
    assert_eq!(world.alice().run("echo one").code, 0);
    assert_eq!(world.bastion.ssh("bob@web-1").run("echo two").code, 0);
    let granted = world
        .bastion
        .opspilot(&["token", "add", "--user", "bob", "--scope", "ask"]);
    assert!(granted.status.success(), "{}", text(&granted));
    eventually("the end of bob's session", || {
        let pruned = world.bastion.opspilot(&["prune", "--user", "bob"]);
        pruned.status.success().then_some(())
    });
    let tokens = world.bastion.opspilot(&["token", "list", "--json"]);
    assert_eq!(String::from_utf8_lossy(&tokens.stdout).trim(), "[]");
    let rows = world.bastion.rows_now();
    assert_eq!(
        rows.iter().map(|row| row.user_id.as_str()).collect::<Vec<_>>(),
        ["alice"]
    );
    assert_sound(&world, &[]);
}

#[test]
fn a_terminal_that_a_crash_cut_is_sealed_as_it_is_found() {
    let mut world = World::new();
    let mut terminal = world.shell();
    terminal.run("echo shown");
    let file = directory(&world).join(recording(&world, "open").path);
    eventually("something in the file", || {
        let replayed = world
            .bastion
            .opspilot(&["replay", "--cast", &recording(&world, "open").session_id]);
        String::from_utf8_lossy(&replayed.stdout)
            .contains("shown")
            .then_some(())
    });
    world.bastion.crash();
    terminal.finish();
    world.bastion.restart();
    eventually("the seal of what was cut", || {
        let sealed = "SELECT bytes FROM recordings WHERE state = 'cut' AND sha256 IS NOT NULL AND bytes = sealed_bytes";
        world
            .bastion
            .sql()
            .query_row(sealed, [], |row| row.get::<_, i64>(0))
            .ok()
    });
    assert_eq!(world.bastion.stop(), 0);
    assert_sound(&world, &[]);
    let mut content = fs::read(&file).unwrap();
    *content.last_mut().unwrap() ^= 1;
    fs::write(&file, content).unwrap();
    assert_found(&world, &[], &["was changed"]);
}

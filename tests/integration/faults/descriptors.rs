//! File descriptors that run out: who comes waits or is told, who is there goes on, and nothing is lost on record.

use std::process::Command;

use crate::harness::{Row, World, eventually};

/// Lets the daemon have so many file descriptors.
fn limit(world: &World, files: usize) {
    let status = Command::new("prlimit")
        .args(["--pid", &world.bastion.id().to_string(), &format!("--nofile={files}:")])
        .status()
        .expect("prlimit is needed: install util-linux");
    assert!(status.success());
}

const AMPLE: usize = 1024;

#[test]
fn without_file_descriptors_newcomers_wait_and_who_is_there_goes_on() {
    let world = World::new();
    let mut shell = world.shell();
    shell.run("echo before");
    limit(&world, world.bastion.settled_files());
    let waiting = world.alice().start("echo waited");
    eventually("a word in the log", || {
        world.bastion.log().contains("cannot accept connections").then_some(())
    });
    for _ in 0..3 {
        assert!(
            shell.run("echo meanwhile").contains("meanwhile"),
            "lines are recorded and run"
        );
    }
    let complaints = world.bastion.log().matches("cannot accept connections").count();
    assert_eq!(complaints, 1, "said seldom");
    limit(&world, AMPLE);
    let output = waiting.finish();
    assert_eq!((output.code, output.text().as_str()), (0, "waited\n"), "{output:?}");
    assert!(
        shell.run("echo after").contains("after"),
        "who was there is there still"
    );
    let rows = world.bastion.rows(6);
    assert!(rows.iter().all(|row| row.state == "finished"), "{rows:#?}");
}

#[test]
fn what_cannot_have_its_file_descriptors_is_refused_in_words() {
    let world = World::new();
    let at_rest = world.bastion.settled_files();
    assert_eq!(world.alice().run("echo before").code, 0);
    // The target is looked at once more after the command.
    let open = world.bastion.files_down_to(at_rest);
    // Enough for the user's own connection: its socket, and the handle that ends it.
    limit(&world, open + 2);
    let output = world.alice().run("echo short");
    output.assert_failed();
    assert!(output.stderr.contains("Too many open files"), "{output:?}");
    let mut terminal = world.alice().terminal("");
    terminal.expect("opspilot: ");
    assert_eq!(terminal.finish(), 255);
    limit(&world, AMPLE);
    assert_eq!(world.alice().run("echo after").text(), "after\n");
    let mut shell = world.shell();
    shell.run("echo shell");
    let rows = world.bastion.rows_when("all", |rows| {
        rows.iter().all(Row::is_final) && rows.iter().any(|row| row.command == "echo shell")
    });
    let short = rows.iter().find(|row| row.command == "echo short").unwrap();
    assert_eq!(short.state, "interrupted", "{short:#?}");
    let verified = world.bastion.opspilot(&["verify"]);
    assert!(verified.status.success(), "{verified:?}");
}

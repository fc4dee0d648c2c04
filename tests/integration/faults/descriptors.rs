//! File descriptors that run out: who comes waits or is told, who is there goes on, and nothing is lost on record.

use std::process::Command;

use crate::harness::{Row, World, eventually};

/// Lets the daemon open so many files more. The kernel limits the numbers that they may get, not how many there are, and what
/// the daemon inherited may have any number.
fn leave_room(world: &World, files: usize) {
    let open = world.bastion.open_files();
    let limit = (0..).filter(|number| !open.contains(number)).nth(files).unwrap();
    limit_files(world, limit);
}

/// Lets the daemon have files whose numbers are below this one.
fn limit_files(world: &World, limit: usize) {
    let status = Command::new("prlimit")
        .args(["--pid", &world.bastion.id().to_string(), &format!("--nofile={limit}:")])
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
    world.bastion.settled_files();
    leave_room(&world, 0);
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
    limit_files(&world, AMPLE);
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
    world
        .bastion
        .rows_when("the look at the target after the command", |rows| {
            rows.first().is_some_and(|row| row.system_context_after.is_some())
        });
    world.bastion.files_down_to(at_rest);
    // The user's own connection takes two: its socket, and the handle that ends it.
    let rooms = [(2, "the bastion cannot use its key"), (3, "Too many open files")];
    for (room, words) in rooms {
        leave_room(&world, room);
        let output = world.alice().run("echo short");
        output.assert_failed();
        assert!(output.stderr.contains(words), "{output:?}");
        let mut terminal = world.alice().terminal("");
        terminal.expect("opspilot: ");
        assert_eq!(terminal.finish(), 255);
        world.bastion.files_down_to(at_rest);
    }
    limit_files(&world, AMPLE);
    assert_eq!(world.alice().run("echo after").text(), "after\n");
    let mut shell = world.shell();
    shell.run("echo shell");
    let rows = world.bastion.rows_when("all", |rows| {
        rows.iter().all(Row::is_final) && rows.iter().any(|row| row.command == "echo shell")
    });
    let short: Vec<_> = rows.iter().filter(|row| row.command == "echo short").collect();
    assert_eq!(short.len(), 2, "{rows:#?}");
    assert!(short.iter().all(|row| row.state == "interrupted"), "{short:#?}");
    let verified = world.bastion.opspilot(&["verify"]);
    assert!(verified.status.success(), "{verified:?}");
}

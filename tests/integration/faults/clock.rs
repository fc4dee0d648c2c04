//! A clock that jumps by years, forward and back, under a daemon that serves.

use crate::harness::{READY, RISKY, World, eventually};

const TEN_YEARS: &str = "315360000";
const TEN_YEARS_BACK: &str = "-315360000";

/// A bastion whose clock is set as it is told.
fn world() -> World {
    let mut world = World::new();
    world.bastion.preload("faults/clock.c");
    world
}

#[test]
fn a_clock_that_jumps_ends_nothing_and_what_is_measured_stays_true() {
    let world = world();
    let mut shell = world.shell();
    shell.run("echo one");
    world.bastion.fault(TEN_YEARS);
    shell.run("echo two");
    shell.line(RISKY);
    shell.question();
    world.bastion.fault(TEN_YEARS_BACK);
    shell.line("y");
    shell.expect(READY);
    shell.run("echo three");
    assert_eq!(
        world.alice().run("echo four").text(),
        "four\n",
        "who comes now is let in"
    );
    world.bastion.mend();
    shell.run("echo five");

    let rows = world.bastion.rows(6);
    let commands: Vec<&str> = rows.iter().map(|row| row.command.as_str()).collect();
    assert_eq!(
        commands,
        ["echo one", "echo two", RISKY, "echo three", "echo four", "echo five"]
    );
    let decades: Vec<&str> = rows.iter().map(|row| &row.timestamp[..3]).collect();
    assert!(
        decades[0] < decades[1] && decades[3] < decades[0],
        "by the clock of then: {decades:?}"
    );
    assert!(rows.iter().all(|row| row.state == "finished"), "{rows:#?}");
    let minute = 0..60_000;
    assert!(
        rows.iter()
            .all(|row| row.execution_time_ms.is_some_and(|time| minute.contains(&time))),
        "{rows:#?}"
    );
    assert!(rows[2].confirmation_time_ms.is_some_and(|time| minute.contains(&time)));
    assert_eq!(rows[2].user_confirmed, Some(true));

    let listed = world.bastion.opspilot(&["log"]);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let places: Vec<_> = ["five", "four", "three", "two", "one"]
        .map(|word| listed.find(&format!("echo {word}")))
        .into();
    assert!(
        places.iter().all(Option::is_some) && places.is_sorted(),
        "newest first: {listed}"
    );
    let verified = world.bastion.opspilot(&["verify"]);
    assert!(verified.status.success(), "{verified:?}");
}

#[test]
fn a_clock_that_is_years_ahead_erases_nothing_at_once() {
    let mut world = World::with(|config| config.store.push_str("retention_days = 365\n"));
    world.bastion.preload("faults/clock.c");
    world.alice().run("true");
    world.bastion.row();
    for crash in [false, true] {
        if crash {
            world.bastion.crash();
        } else {
            world.bastion.stop();
        }
        world.bastion.fault(TEN_YEARS);
        world.bastion.restart();
        eventually("the look for what is old", || {
            world.bastion.log().contains("the clock has jumped").then_some(())
        });
        assert_eq!(world.bastion.rows_now().len(), 1, "crash: {crash}");
        world.bastion.mend();
    }
    let verified = world.bastion.opspilot(&["verify"]);
    assert!(verified.status.success(), "{verified:?}");
}

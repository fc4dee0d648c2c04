//! Keeping the record: copies while it is written, and a disk that fails under it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use rusqlite::Connection;

use crate::harness::{Config, RISKY, World, eventually};

/// Numbers of errors, as `errno` has them.
const NO_SPACE: &str = "28";
const INPUT_OUTPUT: &str = "5";
const READ_ONLY: &str = "30";
/// Every write waits.
const STALL: &str = "0";

/// A bastion whose disk fails when it is told to.
struct Faulty {
    world: World,
}

impl Faulty {
    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut world = World::with(change);
        world.bastion.preload("keeping/faults.c");
        Self { world }
    }

    fn fail(&self, number: &str) {
        self.world.bastion.fault(number);
    }

    fn mend(&self) {
        self.world.bastion.mend();
    }

    fn is_sound(&self) -> bool {
        let check = "SELECT group_concat(integrity_check) FROM pragma_integrity_check";
        let said: String = self.world.bastion.sql().query_row(check, [], |row| row.get(0)).unwrap();
        said == "ok"
    }
}

#[test]
fn on_a_disk_that_fails_nothing_runs_and_nothing_is_half_written() {
    for number in [NO_SPACE, INPUT_OUTPUT, READ_ONLY] {
        let faulty = Faulty::with(|_| {});
        let world = &faulty.world;
        let mut shell = world.shell();
        assert_eq!(world.alice().run("echo before").text(), "before\n");
        world
            .bastion
            .rows_when("an end", |rows| rows.iter().any(|row| row.state == "finished"));

        faulty.fail(number);
        let trace = world.trace("trace");
        shell.line(&format!("touch {}", trace.display()));
        shell.expect("cannot record the command");
        faulty.mend();
        assert!(!trace.exists(), "{number}: it ran unrecorded");
        assert_eq!(world.alice().run("echo after").text(), "after\n");
        let rows = world.bastion.rows_when("what came after", |rows| {
            rows.iter()
                .any(|row| row.command == "echo after" && row.state == "finished")
        });
        assert!(
            !rows.iter().any(|row| row.command.starts_with("touch")),
            "{number}: {rows:#?}"
        );
        assert!(faulty.is_sound(), "{number}");
    }
}

#[test]
fn where_availability_is_preferred_a_command_runs_although_the_disk_fails() {
    let faulty = Faulty::with(|config| config.store.push_str("on_failure = \"allow\"\n"));
    let mut shell = faulty.world.shell();
    faulty.fail(NO_SPACE);
    let trace = faulty.world.trace("trace");
    shell.line(&format!("touch {}", trace.display()));
    eventually("the command to run", || trace.exists().then_some(()));
    faulty.mend();
    assert!(
        faulty
            .world
            .bastion
            .log()
            .contains("the disk that holds the record is full")
    );
    assert!(faulty.is_sound());
}

#[test]
fn an_answer_that_cannot_be_recorded_does_not_run_the_command() {
    let faulty = Faulty::with(|_| {});
    let mut shell = faulty.world.shell();
    shell.line(RISKY);
    shell.question();
    faulty.fail(INPUT_OUTPUT);
    shell.line("y");
    shell.expect("cannot record the command");
    faulty.mend();
    let row = faulty.world.bastion.rows_now().pop().unwrap();
    assert_eq!((row.command.as_str(), row.user_confirmed), (RISKY, None));
}

#[test]
fn a_disk_that_stands_still_delays_commands_and_loses_none() {
    let faulty = Faulty::with(|_| {});
    faulty.fail(STALL);
    let world = &faulty.world;
    let waiting: Vec<_> = (0..8)
        .map(|number| world.alice().start(format!("echo {number}")))
        .collect();
    assert_eq!(world.bastion.rows_now().len(), 0);
    faulty.mend();
    for (number, command) in waiting.into_iter().enumerate() {
        assert_eq!(command.finish().text(), format!("{number}\n"));
    }
    world.bastion.rows(8);
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_backup_is_taken_while_sessions_go_on() {
    let world = World::new();
    let mut shell = world.shell();
    shell.run("echo one");
    let file = world.bastion.dir().join("copy.db");
    let file_name = file.to_str().unwrap();
    let done = world.bastion.opspilot(&["backup", file_name]);
    assert!(done.status.success(), "{}", said(&done));
    assert!(said(&done).contains("record.key"), "{}", said(&done));
    shell.run("echo two");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let copy = Connection::open(&file).unwrap();
    let of = |text| {
        copy.query_row(
            "SELECT count(*) FROM command_executions WHERE command = ?1",
            [text],
            |row| row.get(0),
        )
    };
    assert_eq!((of("echo one").unwrap(), of("echo two").unwrap()), (1, 0));

    let again = world.bastion.opspilot(&["backup", file_name]);
    assert!(
        !again.status.success() && said(&again).contains("--force"),
        "{}",
        said(&again)
    );
    assert!(
        world
            .bastion
            .opspilot(&["backup", "--force", file_name])
            .status
            .success()
    );
}

#[test]
fn the_daemon_takes_its_backups_by_itself() {
    let world = World::with(|config| {
        config
            .store
            .push_str("backup_dir = \"backups\"\nbackup_every = \"1h\"\n");
    });
    let directory = world.bastion.dir().join("state/backups");
    let file = eventually("a backup", || {
        fs::read_dir(&directory)
            .ok()?
            .map(|entry| entry.unwrap().path())
            .find(|path| path.extension().is_some_and(|extension| extension == "db"))
    });
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_damaged_record_keeps_the_daemon_from_starting_and_check_says_why() {
    let mut world = World::new();
    for number in 0..20 {
        world.alice().run(format!("echo {number}"));
    }
    world.bastion.rows(20);
    world.bastion.stop();
    let database = world.bastion.database();
    let mut bytes = fs::read(&database).unwrap();
    let middle = bytes.len() / 2 / 8192 * 8192;
    bytes[middle..middle + 8192].fill(0xa5);
    fs::write(&database, bytes).unwrap();

    for command in [&["serve"][..], &["check"]] {
        let output = world.bastion.opspilot(command);
        assert!(!output.status.success(), "{command:?}");
        assert!(
            said(&output).contains("damaged") && said(&output).contains("restore a backup"),
            "{}",
            said(&output)
        );
    }
}

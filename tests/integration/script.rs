//! Programs on standard input: each command is known, on record and allowed before a shell without a terminal has it.

use std::os::unix::fs::PermissionsExt as _;

use sha2::{Digest as _, Sha256};

use crate::harness::{Config, RISKY, Row, World, eventually};

/// Where nothing is known, nothing passes unasked.
fn ask_about_unknown(config: &mut Config) {
    config.policies = config.policies.replace("unknown = \"allow\"", "unknown = \"confirm\"");
}

/// What is risky is refused at once.
fn deny_high(config: &mut Config) {
    config.policies = config.policies.replace("high = \"confirm\"", "high = \"deny\"");
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// What the rows of the commands in a script say, in order.
fn commands(rows: &[Row]) -> Vec<&str> {
    rows.iter().skip(1).map(|row| row.command.as_str()).collect()
}

#[test]
fn each_command_of_a_script_is_a_row_of_the_one_that_reads_it() {
    let world = World::new();
    let script = "#!/bin/bash\nset -e\n\nfor x in 1 2; do\n  echo $x\ndone\ncat <<E # it's\nrm -rf /\nE\nf() { echo f\n}\nf; exit 3";
    let output = world.alice().stdin(script).run("bash -s -- a");
    assert_eq!(
        (output.text().as_str(), output.code),
        ("1\n2\nrm -rf /\nf\n", 3),
        "{output:?}"
    );

    let rows = world.bastion.rows(6);
    assert_eq!(
        commands(&rows),
        [
            "set -e\n",
            "for x in 1 2; do\n  echo $x\ndone\n",
            "cat <<E # it's\nrm -rf /\nE\n",
            "f() { echo f\n}\n",
            "f; exit 3",
        ]
    );
    assert_eq!((rows[0].command.as_str(), rows[0].exit_code), ("bash -s -- a", Some(3)));
    assert_eq!(rows[0].parent_id, None);
    for row in &rows[1..] {
        assert_eq!((row.parent_id, row.channel.as_str()), (Some(rows[0].id), "exec"));
        assert_eq!((row.state.as_str(), row.exactness.as_str()), ("finished", "exact"));
        assert_eq!(
            (row.exit_code, row.execution_success, row.execution_time_ms),
            (None, None, None)
        );
    }
    assert!(rows.is_sorted_by_key(|row| row.id));
}

#[test]
fn a_shell_without_a_terminal_is_read_alike() {
    let world = World::new();
    let output = world.alice().stdin("echo hello; exit 4\necho never\n").run("");
    assert_eq!((output.text().as_str(), output.code), ("hello\n", 4), "{output:?}");

    let rows = world.bastion.rows(3);
    assert_eq!(commands(&rows), ["echo hello; exit 4\n", "echo never\n"]);
    assert!(rows.iter().all(|row| row.channel == "shell"));
    assert_eq!(rows[1].parent_id, Some(rows[0].id));
}

#[test]
fn nothing_runs_after_a_refusal() {
    let world = World::with(deny_high);
    let trace = world.trace("ran");
    let script = format!("echo before\n{RISKY}\ntouch {0}\ntouch {0}\n", trace.display());
    let output = world.alice().stdin(script).run("bash");
    assert_eq!((output.code, output.text().as_str()), (126, "before\n"), "{output:?}");
    assert!(output.stderr.contains("opspilot: denied"), "{output:?}");
    assert!(!trace.exists());

    let rows = world.bastion.rows(3);
    let states: Vec<_> = rows.iter().map(|row| row.state.as_str()).collect();
    assert_eq!(states, ["finished", "finished", "denied"]);
}

#[test]
fn what_comes_later_does_not_run_after_a_refusal_either() {
    let world = World::with(deny_high);
    let trace = world.trace("ran");
    let mut running = world.alice().start("bash");
    running.send(format!("echo up\n{RISKY}\n").as_bytes());
    running.stdout.expect("up\n");
    running.send(format!("touch {}\n", trace.display()).as_bytes());
    assert_eq!(running.wait(), 126);
    assert!(!trace.exists());
    assert_eq!(world.bastion.rows(3).len(), 3);
}

#[test]
fn the_console_lets_a_command_of_a_script_run() {
    let world = World::new();
    let mut running = world.alice().start("bash");
    running.send(format!("echo one\n{RISKY}; echo two\necho three\n").as_bytes());
    let code = running.code();
    running.stdout.expect("one\n");
    assert!(
        running.stderr.text().contains("held until alice runs: "),
        "the script itself answers nothing"
    );
    running.send(format!("{code}\n").as_bytes());
    assert_eq!(world.bastion.rows_now()[2].state, "held");
    assert_eq!(world.confirm("alice", &code).code, 0);
    running.stdout.expect("two\nthree\n");
    let output = running.finish();
    assert_eq!(output.code, 127, "the code is a command like any other: {output:?}");

    let rows = world.bastion.rows(5);
    assert_eq!(
        (rows[2].user_confirmed, rows[2].answer_channel.as_deref()),
        (Some(true), Some("console"))
    );
    assert_eq!(commands(&rows).last().copied(), Some(format!("{code}\n").as_str()));
}

#[test]
fn what_follows_a_question_is_judged_by_the_configuration_of_its_answer() {
    let mut world = World::new();
    let mut running = world.alice().start("bash");
    running.send(format!("echo one\n{RISKY}\necho two\n").as_bytes());
    let code = running.code();
    world
        .bastion
        .reload(|config| config.policies = config.policies.replace("low = \"allow\"", "low = \"deny\""));
    eventually("the new policy", || {
        (world.alice().run("true").code == 126).then_some(())
    });
    assert_eq!(world.confirm("alice", &code).code, 0);
    let output = running.finish();
    assert_eq!((output.code, output.text().as_str()), (126, "one\n"), "{output:?}");
}

#[test]
fn a_question_about_a_script_ends_with_its_user() {
    let world = World::new();
    let mut running = world.alice().start("bash");
    running.send(format!("{RISKY}\n").as_bytes());
    running.code();
    running.vanish();
    let rows = world.bastion.rows(2);
    assert_eq!(rows[1].state, "abandoned");
}

#[test]
fn a_question_about_a_script_ends_with_its_shell() {
    let world = World::new();
    let output = world.alice().stdin(format!("exit 5\n{RISKY}\n")).run("bash");
    assert_eq!(output.code, 5, "{output:?}");
    assert_eq!(world.bastion.rows(3)[2].state, "abandoned");
}

#[test]
fn a_robots_script_waits_for_its_owner() {
    let world = World::new();
    let mut running = world.bastion.ssh("robot@web-1").start("sh");
    running.send(format!("{RISKY}; echo ran\n").as_bytes());
    let code = running.code();
    assert_ne!(world.confirm("robot", &code).code, 0);
    assert_eq!(world.confirm("alice", &code).code, 0);
    assert_eq!(running.finish().text(), "ran\n");
    assert_eq!(world.bastion.rows(2)[1].answered_by.as_deref(), Some("alice"));
}

#[test]
fn two_programs_that_answer_one_another_never_wait_for_the_bastion() {
    let world = World::with(ask_about_unknown);
    let mut running = world.alice().start("exec /bin/sh");
    for round in 0..20 {
        running.send(format!("echo round-{round} $((\n1 + {round}))\n").as_bytes());
        running.stdout.expect(&format!("round-{round} {}\n", round + 1));
    }
    assert_eq!(running.finish().code, 0);
    let rows = world.bastion.rows(21);
    assert!(
        rows.iter()
            .all(|row| row.exactness == "exact" && row.state == "finished")
    );
}

#[test]
fn each_shell_is_read_in_its_own_language() {
    let world = World::with(ask_about_unknown);
    let cases = [
        ("dash", "if true\nthen echo 1\nfi\n", "echo \"${x:-}'\"\n", "1\n'\n"),
        (
            "zsh -f",
            "{ echo 1 } always {\necho 2\n}\n",
            "print ${(j:-:):-3}\n",
            "1\n2\n3\n",
        ),
        (
            "fish",
            "if true\n  echo 1\nelse if false\nend\n",
            "echo 'it\\'s'\n",
            "1\nit's\n",
        ),
        ("mksh", "case x in\nx) echo 1;;\nesac\n", "echo $((1<<2))\n", "1\n4\n"),
        ("busybox sh", "cat <<-E\n\t1\n\tE\n", "(echo 2)\n", "1\n2\n"),
    ];
    for (shell, first, second, printed) in cases {
        let output = world.alice().stdin(format!("{first}{second}")).run(shell);
        assert_eq!(
            (output.text().as_str(), output.code),
            (printed, 0),
            "{shell}: {output:?}"
        );
    }
    let rows = world.bastion.rows(3 * cases.len());
    for ((_, first, second, _), rows) in cases.iter().zip(rows.chunks(3)) {
        assert_eq!(commands(rows), [*first, *second]);
    }
}

#[test]
fn a_text_that_does_not_go_on_passes_as_unknown_with_its_length_and_digest() {
    let world = World::new();
    let mut running = world.alice().start("bash");
    running.send(b"echo up\n");
    running.stdout.expect("up\n");
    running.send(b"cat <<E\nheld ");
    let unknown = world.bastion.rows_when("an unknown row", |rows| rows.len() == 3);
    assert_eq!(
        (unknown[2].exactness.as_str(), unknown[2].state.as_str()),
        ("unknown", "running")
    );
    running.send(b"back\nE\necho '\n'\nrm -rf /etc/nothing-of-this-name\n");
    let output = running.finish();
    assert_eq!(
        (output.text().as_str(), output.code),
        ("up\nheld back\n\n\n", 0),
        "{output:?}"
    );

    let rows = world.bastion.rows(3);
    let rest = b"cat <<E\nheld back\nE\necho '\n'\nrm -rf /etc/nothing-of-this-name\n";
    assert_eq!(rows[2].command, "rest of the standard input");
    assert_eq!(rows[2].input_length, i64::try_from(rest.len()).ok());
    assert_eq!(rows[2].input_sha256, Some(hex(&Sha256::digest(rest))));
    assert_eq!((rows[1].input_length, rows[2].parent_id), (None, Some(rows[0].id)));
}

#[test]
fn what_some_shells_read_as_text_and_others_run_is_asked_about_as_unknown() {
    let world = World::with(ask_about_unknown);
    let trace = world.trace("ran");
    // To bash one text; to dash it ends in the first line, and the second runs.
    let script = format!("echo $'\\''\nx'; touch {}; : '\n'\n", trace.display());
    let mut running = world.alice().start("dash");
    running.send(script.as_bytes());
    let code = running.code();
    assert!(!trace.exists());
    assert_eq!(world.confirm("alice", &code).code, 0);
    running.finish();
    assert!(trace.exists());
    assert_eq!(world.bastion.rows(2)[1].exactness, "unknown");
}

#[test]
fn what_is_unknown_is_asked_about_once() {
    let world = World::with(ask_about_unknown);
    let mut running = world.alice().start("bash");
    running.send(b"echo '");
    let code = running.code();
    running.send(b"a'\necho 'b\n");
    assert_eq!(world.confirm("alice", &code).code, 0);
    running.send(b"'\n");
    assert_eq!(running.finish().text(), "a\nb\n\n");
    assert_eq!(world.bastion.rows(2)[1].user_confirmed, Some(true));
}

#[test]
fn a_command_of_more_than_64_kibibytes_is_unknown() {
    let world = World::with(ask_about_unknown);
    let mut running = world.alice().start("bash");
    running.send(format!("cat <<E\n{}E\necho end\n", "0123456789abcde\n".repeat(5_000)).as_bytes());
    let code = running.code();
    assert_eq!(world.confirm("alice", &code).code, 0);
    let output = running.finish();
    assert_eq!(output.stdout.len(), 80_004);
    let rows = world.bastion.rows(2);
    assert_eq!(rows[1].input_length, Some(80_000 + 8 + 2 + 9));
}

#[test]
fn binary_input_to_a_shell_is_unknown() {
    let world = World::with(ask_about_unknown);
    let mut running = world.alice().start("bash");
    running.send(b"echo one\necho t\0wo\n\xff\xfe\n");
    running.stdout.expect("one\n");
    let code = running.code();
    assert_eq!(world.confirm("alice", &code).code, 0);
    running.stdout.expect("two\n");
    running.finish();
    assert_eq!(world.bastion.rows(3)[2].exactness, "unknown");
}

#[test]
fn a_program_for_another_interpreter_is_judged_as_a_whole() {
    let world = World::with(deny_high);
    let trace = world.trace("ran");
    let touch = format!("open('{}', 'w')\n", trace.display());
    let program = format!("import os\n{touch}os.system('rm -rf /etc/nothing-of-this-name')\n");
    let output = world.alice().stdin(program).run("python3 -");
    output.assert_refused();
    assert!(!trace.exists());
    let rows = world.bastion.rows(2);
    assert!(
        rows[1].command.starts_with("python3 -c 'import os\n"),
        "{}",
        rows[1].command
    );
    assert_eq!(rows[1].state, "denied");
    let harmless = world.alice().stdin("import sys\nprint(sys.argv)\n").run("python3 - a");
    assert_eq!(harmless.text(), "['-', 'a']\n", "{harmless:?}");
}

/// A module as tools send them: a program with an archive in it, and `call` behind that.
fn module(call: &str) -> String {
    let archive = "UEsDBBQAAAAIAK1Xa0x4c2VjcmV0".repeat(5_000);
    let source = "if archive == 1:\n    print(archive)\n".repeat(1_600);
    format!("import os\narchive = '{archive}'\n{source}{call}\n{source}print(len(archive))\n")
}

#[test]
fn a_long_program_for_another_interpreter_is_no_question_for_its_length() {
    let world = World::with(ask_about_unknown);
    let output = world.alice().stdin(module("")).run("/bin/sh -c 'python3 && sleep 0'");
    assert_eq!(output.text(), "140000\n", "{output:?}");
    let rows = world.bastion.rows(2);
    assert_eq!(
        (rows[1].exactness.as_str(), rows[1].state.as_str()),
        ("exact", "finished")
    );
    assert!(
        rows[1].command.ends_with("bytes more, judged and not kept"),
        "{}",
        rows[1].command
    );
}

#[test]
fn what_a_long_program_runs_is_judged_wherever_it_stands() {
    let world = World::with(deny_high);
    let trace = world.trace("ran");
    let program = format!(
        "open('{}', 'w')\n{}",
        trace.display(),
        module("os.system('rm -rf /etc/nothing-of-this-name')")
    );
    world.alice().stdin(program).run("python3 -").assert_refused();
    assert!(!trace.exists());
}

#[test]
fn a_line_that_may_be_a_password_is_unknown_and_never_recorded() {
    const PASSWORD: &str = "canary-8431";
    let world = World::new();
    let sudo = world.trace("sudo");
    std::fs::write(&sudo, "#!/bin/sh\nread password; shift; exec \"$@\"\n").unwrap();
    std::fs::set_permissions(&sudo, std::fs::Permissions::from_mode(0o755)).unwrap();
    let output = world
        .alice()
        .stdin(format!("{PASSWORD}\necho in\n"))
        .run(format!("{} -S bash", sudo.display()));
    assert_eq!(output.text(), "in\n", "{output:?}");

    let rows = world.bastion.rows(3);
    assert_eq!(
        commands(&rows),
        ["line of the standard input, maybe a password", "echo in\n"]
    );
    assert_eq!((rows[1].exactness.as_str(), rows[1].input_length), ("unknown", None));
    assert_not_recorded(&world, &[PASSWORD]);
}

/// Fails where any of these is in a file of the record, or in the log.
fn assert_not_recorded(world: &World, secrets: &[&str]) {
    let database = world.bastion.database();
    let files = [database, world.bastion.dir().join("state/opspilot.db-wal")];
    for secret in secrets {
        for file in &files {
            let bytes = std::fs::read(file).unwrap();
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret}");
        }
        assert!(!world.bastion.log().contains(secret));
    }
}

#[test]
fn a_secret_that_a_script_reads_from_itself_is_never_recorded() {
    let world = World::new();
    let script =
        "read -rs a; echo got\ncanary-1\nread DB_PASSWORD\ncanary-2\necho end\nask() { read -s b\n}\nask\ncanary-3\n";
    let output = world.alice().stdin(script).run("bash");
    assert_eq!(output.text(), "got\nend\n", "{output:?}");

    let rows = world.bastion.rows(8);
    let password = "line of the standard input, maybe a password";
    assert_eq!(
        commands(&rows),
        [
            "read -rs a; echo got\n",
            password,
            "read DB_PASSWORD\n",
            password,
            "echo end\n",
            "ask() { read -s b\n}\n",
            "rest of the standard input",
        ]
    );
    let rest = rows.last().unwrap();
    assert_eq!(
        (rest.exactness.as_str(), &rest.input_sha256),
        ("unknown", &None),
        "not even a digest"
    );
    assert_not_recorded(&world, &["canary-1", "canary-2", "canary-3"]);
}

#[test]
fn what_reads_in_a_way_that_is_not_known_is_asked_about_before_it_has_anything() {
    let world = World::with(ask_about_unknown);
    let trace = world.trace("ran");
    let touch = format!("touch {}", trace.display());
    for command in ["bash -i", "bash -O extglob", "zsh -i -f"] {
        let mut running = world.alice().start(command);
        running.send(format!("{touch}\n").as_bytes());
        let code = running.code();
        assert!(!trace.exists(), "{command}");
        assert_eq!(world.confirm("alice", &code).code, 0);
        running.finish();
        assert!(trace.exists(), "{command}");
        std::fs::remove_file(&trace).unwrap();
    }
}

#[test]
fn a_shell_that_is_not_named_has_what_all_shells_read_alike() {
    let world = World::with(ask_about_unknown);
    let sudo = world.trace("sudo");
    std::fs::write(&sudo, "#!/bin/sh\nexec bash\n").unwrap();
    std::fs::set_permissions(&sudo, std::fs::Permissions::from_mode(0o755)).unwrap();
    let command = format!("{} -i", sudo.display());
    let mut running = world.alice().start(&command);
    running.send(b"echo one\necho 'two\nthree'\n");
    running.stdout.expect("one\ntwo\nthree\n");
    running.send(b"if true\nthen echo four\nfi\n");
    let code = running.code();
    assert_eq!(world.confirm("alice", &code).code, 0);
    assert_eq!(running.finish().text(), "one\ntwo\nthree\nfour\n");
}

#[test]
fn the_operands_of_xargs_are_judged() {
    let world = World::with(deny_high);
    let output = world.alice().stdin("/etc/nothing-of-this-name\n").run("xargs rm -rf");
    output.assert_refused();
    let output = world.alice().stdin("a\0b\0").run("xargs -0 echo");
    assert_eq!(output.text(), "a b\n", "{output:?}");
}

#[test]
fn what_was_recorded_behind_a_command_that_cannot_be_is_not_left_running() {
    let world = World::new();
    let fault = "CREATE TRIGGER fault BEFORE INSERT ON command_executions WHEN NEW.command LIKE '%poison%'
         BEGIN SELECT RAISE(ABORT, 'no'); END";
    let writer = rusqlite::Connection::open(world.bastion.database()).unwrap();
    writer.execute_batch(fault).unwrap();
    drop(writer);
    let script = format!("echo one\necho poison\necho two\n{RISKY}\n");
    let output = world.alice().stdin(script).run("bash");
    assert_eq!(output.text(), "one\n", "{output:?}");

    let rows = world.bastion.rows(4);
    let states: Vec<_> = rows
        .iter()
        .map(|row| (row.command.trim_end(), row.state.as_str()))
        .collect();
    assert_eq!(&states[1..3], [("echo one", "finished"), ("echo two", "interrupted")]);
    assert!(!["running", "held", "finished"].contains(&states[3].1), "{states:?}");
}

#[test]
fn input_that_is_no_program_is_never_touched() {
    let world = World::with(|config| {
        deny_high(config);
        ask_about_unknown(config);
    });
    let bytes: Vec<u8> = (0..3 << 20_u32)
        .map(|at: u32| (at.wrapping_mul(0x9e37_79b1) >> 24) as u8)
        .collect();
    let output = world.alice().stdin(bytes.clone()).run("cat");
    assert!(output.stdout == bytes, "{} bytes came back", output.stdout.len());
    let output = world
        .alice()
        .stdin(format!("{RISKY}\n'"))
        .run("bash -c 'cat; echo end'");
    assert_eq!(output.text(), format!("{RISKY}\n'end\n"));
    assert_eq!(world.bastion.rows(2).len(), 2, "rows of the commands alone");
}

#[test]
fn a_script_of_a_thousand_lines_is_a_thousand_rows_in_order() {
    let world = World::new();
    let lines: Vec<_> = (0..1_000).map(|number| format!("echo line {number}\n")).collect();
    let output = world.alice().stdin(lines.concat()).run("bash -s");
    assert_eq!(output.text().lines().count(), 1_000, "{}", output.stderr);
    let rows = world.bastion.rows(1_001);
    assert!(rows[1..].iter().zip(&lines).all(|(row, line)| row.command == *line));
}

//! One exec request: the target gets the very bytes, the client gets what the command gave, and the record says so.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use crate::harness::{Config, World};

#[test]
fn the_exit_code_is_the_commands_own() {
    let world = World::new();
    for code in [0, 3, 255] {
        assert_eq!(world.alice().run(format!("exit {code}")).code, code);
    }

    let rows = world.bastion.rows(3);
    let codes: Vec<_> = rows.iter().map(|row| row.exit_code).collect();
    assert_eq!(codes, [Some(0), Some(3), Some(255)]);
    let successes: Vec<_> = rows.iter().map(|row| row.execution_success).collect();
    assert_eq!(successes, [Some(true), Some(false), Some(false)]);
}

#[test]
fn a_low_command_runs_unasked() {
    let world = World::new();
    let output = world.alice().run("echo hello");
    assert_eq!(
        (output.code, output.text().as_str(), output.stderr.as_str()),
        (0, "hello\n", "")
    );

    let row = world.bastion.row();
    assert_eq!(
        (row.decision.as_str(), row.final_risk_level.as_deref()),
        ("allow", Some("low"))
    );
    assert_eq!(
        (row.user_confirmed, row.confirmation_time_ms, row.answered_by),
        (None, None, None),
        "nobody was asked"
    );
}

#[test]
fn standard_output_and_standard_error_stay_apart() {
    let world = World::new();
    let output = world.alice().run("printf 'to out\\n'; printf 'to err\\r' >&2");
    assert_eq!(
        (output.text().as_str(), output.stderr.as_str()),
        ("to out\n", "to err\r")
    );

    let row = world.bastion.row();
    assert_eq!((row.stdout_length, row.stderr_length), (Some(7), Some(7)));
}

#[test]
fn many_mebibytes_pass_both_ways_at_once_unchanged() {
    const LENGTH: u32 = 48 << 20;
    let world = World::new();
    let bytes: Vec<u8> = (0..LENGTH)
        .map(|at| (at.wrapping_mul(0x9e37_79b1) >> 24) as u8)
        .collect();
    let output = world.alice().stdin(bytes.clone()).run("cat");
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(output.stdout == bytes, "{} bytes came back", output.stdout.len());

    assert_eq!(world.bastion.row().stdout_length, Some(i64::from(LENGTH)));
}

#[test]
fn a_client_that_reads_nothing_for_a_while_loses_nothing() {
    let world = World::new();
    let output = world
        .alice()
        .run("head -c 3000000 /dev/zero; sleep 0.2; echo end >&2; exit 9");
    assert_eq!(
        (output.code, output.stdout.len(), output.stderr.as_str()),
        (9, 3_000_000, "end\n")
    );
}

#[test]
fn the_end_of_standard_input_reaches_the_command() {
    let world = World::new();
    let mut running = world.alice().start("cat; echo ended");
    running.send(b"first\n");
    running.stdout.expect("first\n");
    assert_eq!(running.finish().text(), "first\nended\n");
}

#[test]
fn a_death_by_signal_is_recorded_as_one() {
    let world = World::new();
    let output = world.alice().run("kill -s TERM $$");
    assert_eq!(
        output.code, 255,
        "what OpenSSH's client makes of an exit-signal: {}",
        output.stderr
    );

    let row = world.bastion.row();
    assert_eq!((row.exit_code, row.execution_success), (None, Some(false)));
    assert_eq!(row.exit_signal.as_deref(), Some("TERM"));
}

#[test]
fn the_language_is_passed_on_and_the_loaders_variables_are_not() {
    let world = World::new();
    let output = world.alice().set_env("LANG=C.UTF-8 LD_PRELOAD=/nothing.so").run("env");
    let lines: Vec<_> = output.text().lines().map(str::to_owned).collect();
    assert!(lines.contains(&"LANG=C.UTF-8".to_owned()), "{lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with("LD_PRELOAD")), "{lines:?}");
}

#[test]
fn the_target_gets_the_very_bytes_of_the_command() {
    let world = World::with(Config::allow_everything);
    let cases: [(&[u8], &[u8]); 4] = [
        (b"printf '%s' 'it'\\''s \"quoted\"'  \\$HOME", b"it's \"quoted\"$HOME"),
        (b"printf '%s' 'one\ntwo'\nprintf three", b"one\ntwothree"),
        (b"printf '%s' '\xff\xfe end'", b"\xff\xfe end"),
        (b"  printf '%s'\t'\xe6\x97\xa5 \x1b[0m'  ", "日 \u{1b}[0m".as_bytes()),
    ];
    for (command, printed) in cases {
        let output = world.alice().run(OsStr::from_bytes(command));
        assert_eq!(
            (output.stdout.as_slice(), output.code),
            (printed, 0),
            "{command:?}: {}",
            output.stderr
        );
    }
    assert!(
        world
            .bastion
            .rows(cases.len())
            .iter()
            .all(|row| row.state == "finished")
    );
}

#[test]
fn commands_on_one_connection_are_rows_of_one_session() {
    let world = World::new();
    let socket = world.bastion.dir().join("mux");
    let shared = format!("ControlPath={}", socket.display());
    let mut master = world.alice().arg("-M").arg("-o").arg(&shared).start("echo up; cat");
    master.stdout.expect("up\n");
    let output = world.alice().arg("-o").arg(&shared).run("echo beside");
    assert_eq!((output.text().as_str(), output.code), ("beside\n", 0));
    for code in [0, 7] {
        let output = world.alice().arg("-o").arg(&shared).run(format!("exit {code}"));
        assert_eq!(output.code, code, "the exit code comes before the channel closes");
    }
    assert_eq!(master.finish().code, 0);

    let rows = world.bastion.rows(4);
    assert!(rows.iter().all(|row| row.session_id == rows[0].session_id));
}

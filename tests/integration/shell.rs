//! Interactive shells: each line known exactly, held, asked about, cancelled or run.

use crate::harness::{READY, RISKY, Row, World, eventually};

fn commands(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| row.command.as_str()).collect()
}

/// A risky line that leaves a trace when it runs.
fn risky(world: &World) -> String {
    format!("{RISKY}; touch {}", world.trace("ran").display())
}

#[test]
fn harmless_lines_run_unasked_and_are_recorded_exactly() {
    let world = World::new();
    let mut terminal = world.shell();
    assert!(terminal.run("echo he\"\"llo").ends_with("hello\n"));
    terminal.run("cd /tmp");
    terminal.run("false");

    let rows = world.bastion.rows(3);
    assert_eq!(commands(&rows), ["echo he\"\"llo", "cd /tmp", "false"]);
    assert!(
        rows.iter()
            .all(|row| row.exactness == "exact" && row.channel == "shell" && row.decision == "allow")
    );
    assert_eq!(
        rows.iter().map(|row| row.exit_code).collect::<Vec<_>>(),
        [Some(0), Some(0), Some(1)]
    );
    assert_eq!(rows[2].cwd.as_deref(), Some("/tmp"));
    assert_eq!(rows[1].cwd_after.as_deref(), Some("/tmp"));
    assert!(
        rows.iter()
            .all(|row| row.session_id == rows[0].session_id && row.execution_time_ms.is_some())
    );
}

#[test]
fn a_risky_line_asks_and_y_runs_it() {
    let world = World::new();
    let mut terminal = world.shell();
    terminal.line(&risky(&world));
    let question = terminal.answer("y");
    for part in [RISKY, "web-1", "HIGH"] {
        assert!(question.contains(part), "{part} is not in:\n{question}");
    }
    terminal.expect(READY);
    assert!(world.trace("ran").exists());

    let row = world.bastion.row();
    assert_eq!(
        (row.state.as_str(), row.user_confirmed, row.exit_code),
        ("finished", Some(true), Some(0))
    );
    assert_eq!(
        (row.command.as_str(), row.answer_channel.as_deref()),
        (risky(&world).as_str(), Some("terminal"))
    );
}

#[test]
fn n_cancels_the_line_and_the_prompt_comes_back() {
    let world = World::new();
    let mut terminal = world.shell();
    terminal.line(&risky(&world));
    terminal.answer("n");
    terminal.expect(READY);
    assert!(terminal.run("echo still here").ends_with("still here\n"));
    assert!(!world.trace("ran").exists());

    let rows = world.bastion.rows(2);
    assert_eq!(
        (rows[0].state.as_str(), rows[0].user_confirmed, rows[0].exit_code),
        ("refused", Some(false), None)
    );
    assert_eq!(
        (rows[1].command.as_str(), rows[1].state.as_str()),
        ("echo still here", "finished")
    );
}

#[test]
fn control_c_at_the_question_cancels_the_line() {
    let world = World::new();
    let mut terminal = world.shell();
    terminal.line(&risky(&world));
    terminal.question();
    terminal.send("\u{3}");
    terminal.expect(READY);
    assert!(!world.trace("ran").exists());
    assert_eq!(world.bastion.row().state, "refused");
}

#[test]
fn a_cancelled_line_does_nothing_not_even_its_redirections_and_substitutions() {
    let world = World::new();
    let mut terminal = world.shell();
    let trace = world.trace("ran").display().to_string();
    for line in [
        format!("{{ {RISKY}; }} > {trace}"),
        format!("( {RISKY} ) > {trace}"),
        format!("for i in $(touch {trace}); do {RISKY}; done"),
        format!("touch {trace} && {RISKY}"),
        format!("{RISKY} $(touch {trace})"),
    ] {
        terminal.line(&line);
        terminal.answer("n");
        terminal.expect(READY);
        assert!(!world.trace("ran").exists(), "{line}");
    }
    assert!(world.bastion.rows(5).iter().all(|row| row.state == "refused"));
}

#[test]
fn a_denied_line_is_cancelled_with_its_reason() {
    let world = World::with(|config| {
        config.policies = config.policies.replace("high = \"confirm\"", "high = \"deny\"");
    });
    let mut terminal = world.shell();
    let shown = terminal.run(&risky(&world));
    let row = world.bastion.row();
    assert_eq!(row.state, "denied");
    assert!(shown.contains("opspilot:"), "{shown}");
    assert!(!world.trace("ran").exists());
}

#[test]
fn each_pasted_line_is_a_row() {
    let world = World::new();
    let mut terminal = world.shell();
    terminal.send("echo p1\recho p2\recho p3\r");
    terminal.expect("\np3\n");
    terminal.expect(READY);
    let rows = world.bastion.rows(3);
    assert_eq!(commands(&rows), ["echo p1", "echo p2", "echo p3"]);
}

#[test]
fn lines_typed_ahead_run_after_the_one_that_runs() {
    let world = World::new();
    let mut terminal = world.shell();
    terminal.send("sleep 1\r");
    world.bastion.rows_when("the first line to run", |rows| {
        rows.iter().any(|row| row.state == "running")
    });
    terminal.send("echo ta1\recho ta2\r");
    terminal.expect("\nta2\n");
    terminal.expect(READY);
    assert_eq!(commands(&world.bastion.rows(3)), ["sleep 1", "echo ta1", "echo ta2"]);
}

#[test]
fn a_risky_line_among_pasted_ones_is_held_and_the_rest_waits() {
    let world = World::new();
    let mut terminal = world.shell();
    terminal.send(format!("echo p1\r{}\recho p3\r", risky(&world)));
    terminal.question();
    let rows = world
        .bastion
        .rows_when("the risky line to be held", |rows| rows.len() == 2);
    assert_eq!((rows[0].state.as_str(), rows[1].state.as_str()), ("finished", "held"));
    terminal.line("n");
    terminal.expect(READY);
    assert!(!world.trace("ran").exists());
}

#[test]
fn what_is_typed_after_a_yes_reaches_the_shell() {
    let world = World::new();
    let mut terminal = world.shell();
    terminal.line(&risky(&world));
    terminal.question();
    terminal.send("y\recho typed ahead\r");
    terminal.expect("\ntyped ahead\n");
    assert_eq!(commands(&world.bastion.rows(2))[1], "echo typed ahead");
}

#[test]
fn what_is_typed_after_a_no_is_dropped() {
    let world = World::new();
    let mut terminal = world.shell();
    terminal.line(&risky(&world));
    terminal.question();
    terminal.send(format!("n\rtouch {}\r", world.trace("ran").display()));
    terminal.expect(READY);
    terminal.run("echo after");
    assert!(!world.trace("ran").exists());
    assert_eq!(commands(&world.bastion.rows(2))[1], "echo after");
}

#[test]
fn lines_are_recorded_as_they_were_edited_and_expanded() {
    let world = World::new();
    let mut terminal = world.shell();
    terminal.run("echo onex\u{7f}\u{7f}e2");
    terminal.run("rm -rf /q\u{15}echo safe");
    terminal.run("\u{1b}[A");
    terminal.run("foo bar\u{1}echo ");
    let rows = world.bastion.rows(4);
    assert_eq!(commands(&rows), ["echo one2", "echo safe", "echo safe", "echo foo bar"]);
}

#[test]
fn a_command_over_several_lines_is_one_row() {
    let world = World::new();
    let mut terminal = world.shell();
    terminal.send("for i in 1 2\rdo echo n$i\rdone\r");
    terminal.expect("\nn2\n");
    terminal.expect(READY);
    let row = world.bastion.row();
    assert_eq!((row.exactness.as_str(), row.exit_code), ("exact", Some(0)));
    assert!(
        row.command.contains("for i in 1 2") && row.command.contains("echo n$i"),
        "{}",
        row.command
    );
}

#[test]
fn a_secret_typed_at_a_prompt_is_nowhere_in_the_record() {
    let world = World::new();
    let mut terminal = world.shell();
    terminal.line("read -s secret");
    world
        .bastion
        .rows_when("read to run", |rows| rows.iter().any(|row| row.state == "running"));
    terminal.run("S3cretPw-8231");
    assert!(terminal.run("echo ${#secret}").contains("13"));

    assert_eq!(commands(&world.bastion.rows(2)), ["read -s secret", "echo ${#secret}"]);
    for file in std::fs::read_dir(world.bastion.dir().join("state")).unwrap() {
        let path = file.unwrap().path();
        let bytes = if path.is_file() {
            std::fs::read(&path).unwrap()
        } else {
            Vec::new()
        };
        assert!(
            !bytes.windows(13).any(|part| part == b"S3cretPw-8231"),
            "{}",
            path.display()
        );
    }
    assert!(!world.bastion.log().contains("S3cretPw-8231"));
}

#[test]
fn the_size_of_the_window_follows_the_clients() {
    let world = World::new();
    let mut terminal = world.shell();
    assert!(terminal.run("stty size").ends_with("24 100\n"));
    terminal.resize(40, 120);
    eventually("the new size", || {
        terminal.run("stty size").ends_with("40 120\n").then_some(())
    });
}

#[test]
fn control_c_reaches_what_runs() {
    let world = World::new();
    let mut terminal = world.shell();
    terminal.line("cat");
    world
        .bastion
        .rows_when("cat to run", |rows| rows.iter().any(|row| row.state == "running"));
    terminal.send("\u{3}");
    terminal.expect(READY);
    let row = world.bastion.row();
    assert_eq!((row.command.as_str(), row.exit_code), ("cat", Some(130)));
}

#[test]
fn the_sessions_exit_code_is_the_shells() {
    let world = World::new();
    let mut terminal = world.shell();
    terminal.line("exit 5");
    assert_eq!(terminal.finish(), 5);
}

#[test]
fn a_user_sees_no_mark_of_the_gate() {
    let world = World::new();
    let mut terminal = world.shell();
    terminal.run("echo plain");
    terminal.line("exit");
    assert_eq!(terminal.finish(), 0);
    let shown = terminal.screen.to_end();
    assert!(
        !shown.windows(4).any(|part| part == b"7717"),
        "{}",
        String::from_utf8_lossy(&shown)
    );
}

#[test]
fn a_connection_lost_in_a_shell_leaves_nothing_open() {
    let world = World::new();
    let mut terminal = world.shell();
    terminal.line("cat");
    world
        .bastion
        .rows_when("cat to run", |rows| rows.iter().any(|row| row.state == "running"));
    terminal.vanish();
    let row = world.bastion.row();
    assert_eq!((row.state.as_str(), row.exit_code), ("interrupted", None));
}

#[test]
fn a_shell_without_a_terminal_is_not_asked_about_as_a_whole() {
    let world = World::with(|config| {
        config.policies = config.policies.replace("unknown = \"allow\"", "unknown = \"confirm\"");
    });
    let output = world.alice().arg("-T").stdin("echo one\nexit 4\n").run("");
    assert_eq!((output.code, output.text().as_str()), (4, "one\n"), "{output:?}");

    let row = world.bastion.rows(3).remove(0);
    assert_eq!((row.channel.as_str(), row.exactness.as_str()), ("shell", "unknown"));
    assert_eq!(
        (row.state.as_str(), row.exit_code, row.user_confirmed),
        ("finished", Some(4), None)
    );
    assert_eq!(
        (row.final_risk_level, row.features),
        (None, None),
        "what runs in it is known of its commands only"
    );
}

/// A world whose target's shells are not gated, where what is unknown gets `decision`.
fn ungated(decision: &str) -> World {
    World::with(|config| {
        config.targets += "shell_gate = \"off\"\n";
        config.policies = config
            .policies
            .replace("unknown = \"allow\"", &format!("unknown = \"{decision}\""));
    })
}

#[test]
fn a_shell_that_is_not_gated_is_asked_about_once_at_its_start() {
    let world = ungated("confirm");
    let mut terminal = world.alice().terminal("");
    terminal.answer("y");
    terminal.expect(READY);
    terminal.run(&risky(&world));
    assert!(world.trace("ran").exists(), "its lines are not seen");
    terminal.line("exit 3");
    assert_eq!(terminal.finish(), 3);

    let row = world.bastion.row();
    assert_eq!(
        (row.channel.as_str(), row.exactness.as_str(), row.decision.as_str()),
        ("shell", "unknown", "confirm")
    );
    assert_eq!(
        (row.state.as_str(), row.user_confirmed, row.exit_code),
        ("finished", Some(true), Some(3))
    );
}

#[test]
fn a_shell_that_is_not_gated_does_not_start_after_a_no() {
    let world = ungated("confirm");
    let mut terminal = world.alice().terminal("");
    terminal.answer("n");
    assert_eq!(terminal.finish(), 126);
    assert_eq!(world.bastion.row().state, "refused");
}

#[test]
fn a_shell_that_is_not_gated_is_refused_where_the_unknown_is_denied() {
    let world = ungated("deny");
    let mut terminal = world.alice().terminal("");
    assert_eq!(terminal.finish(), 126);
    assert_eq!(world.bastion.row().state, "denied");
}

#[test]
fn the_end_of_the_input_comes_after_the_lines_before_it() {
    let world = World::new();
    let typed = "echo one\recho two\rsleep 1\recho three\rexit 5\r";
    let output = world.alice().arg("-tt").stdin(typed).run("");
    assert_eq!(output.code, 5, "{output:?}");
    let rows = world.bastion.rows(5);
    assert_eq!(
        commands(&rows),
        ["echo one", "echo two", "sleep 1", "echo three", "exit 5"]
    );
}

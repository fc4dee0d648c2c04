//! Shells that a line opens on its terminal: followed in their turn, or unknown and decided about.

use crate::harness::{Config, READY, RISKY, Row, Terminal, World};

/// The prompt of an inner shell.
const INNER: &str = "inner> ";
/// Opens one.
const OPEN: &str = "PS1='inner> ' bash --norc";

/// A login shell in which a line has opened another one that is followed: its prompt was drawn twice.
fn inner_shell(world: &World) -> Terminal {
    let mut terminal = world.shell();
    terminal.line(OPEN);
    terminal.expect(INNER);
    terminal.expect(INNER);
    terminal
}

fn said(row: &Row) -> (&str, &str, &str) {
    (&row.command, &row.exactness, &row.state)
}

#[test]
fn lines_of_an_inner_shell_are_known_one_by_one() {
    let world = World::new();
    let mut terminal = inner_shell(&world);
    terminal.line("echo one");
    terminal.expect(INNER);
    terminal.line(&format!("{RISKY}; touch {}", world.trace("ran").display()));
    terminal.answer("n");
    terminal.expect(INNER);
    terminal.line("exit 3");
    terminal.expect(READY);
    terminal.line("echo two");
    terminal.expect(READY);

    let rows = world.bastion.rows(5);
    let refused = format!("{RISKY}; touch {}", world.trace("ran").display());
    assert_eq!(
        rows.iter().map(said).collect::<Vec<_>>(),
        [
            (OPEN, "exact", "finished"),
            ("echo one", "exact", "finished"),
            (&refused, "exact", "refused"),
            ("exit 3", "exact", "finished"),
            ("echo two", "exact", "finished"),
        ]
    );
    assert_eq!(rows[0].exit_code, Some(3), "as the outer shell saw it");
    assert!(!world.trace("ran").exists());
}

#[test]
fn an_inner_shell_keeps_nothing_of_its_hook_in_its_history() {
    let world = World::new();
    let mut terminal = inner_shell(&world);
    terminal.line("history | grep -c [7]717; echo counted");
    let screen = terminal.expect("\ncounted");
    assert!(screen.ends_with("\n0"), "{screen:?}");
}

#[test]
fn what_is_typed_before_an_inner_shell_is_ready_waits_for_its_hook() {
    let world = World::new();
    let mut terminal = world.shell();
    terminal.send(format!("{OPEN}\r{RISKY}\r"));
    terminal.answer("n");
    terminal.expect(INNER);
    terminal.line("exit");
    terminal.expect(READY);
    let rows = world.bastion.rows(3);
    assert_eq!(said(&rows[1]), (RISKY, "exact", "refused"));
}

#[test]
fn an_exec_request_may_open_a_shell_too() {
    let world = World::new();
    let mut terminal = world.alice().terminal("PS1='inner> ' exec bash --norc");
    terminal.expect(INNER);
    terminal.expect(INNER);
    terminal.line(RISKY);
    terminal.answer("n");
    terminal.expect(INNER);
    terminal.line("exit 4");
    assert_eq!(terminal.finish(), 4);
    let rows = world.bastion.rows(3);
    assert_eq!(rows[0].exit_code, Some(4));
    assert_eq!(said(&rows[1]), (RISKY, "exact", "refused"));
    assert_eq!(rows[1].channel, "exec");
}

#[test]
fn a_program_that_is_no_shell_is_typed_nothing() {
    let world = World::new();
    let mut terminal = world.shell();
    terminal.line("bash -c 'read -p \"really$ \" answer; echo got=$answer'");
    terminal.expect("really$ ");
    terminal.line("yes");
    terminal.expect("got=yes");
    terminal.line("su --help >/dev/null; sh -c 'printf \"Password: \"; read -r answer; echo got=$answer'");
    terminal.expect("Password: ");
    terminal.line("secret");
    terminal.expect("got=secret");
}

#[test]
fn a_shell_that_cannot_be_followed_is_decided_about_and_the_outer_one_comes_back() {
    let world = World::with(Config::ask_about_the_unknown);
    let mut terminal = world.shell();
    // It looks like a shell at its prompt, by its words and by what it shows, and answers like none.
    std::fs::create_dir(world.trace("bin")).unwrap();
    std::fs::write(
        world.trace("bin/tcsh"),
        "#!/bin/sh\nprintf 'router> '\nread line\nread line\n",
    )
    .unwrap();
    let status = std::process::Command::new("chmod")
        .arg("+x")
        .arg(world.trace("bin/tcsh"))
        .status();
    assert!(status.unwrap().success());
    terminal.line(&format!("{}/tcsh", world.trace("bin").display()));
    let question = terminal.answer("y");
    assert!(
        question.contains("inner shell whose lines cannot be known"),
        "{question}"
    );
    terminal.line("show version");
    terminal.expect(READY);
    terminal.line("echo back");
    terminal.expect(READY);
    let rows = world.bastion.rows(3);
    assert_eq!(
        (rows[1].exactness.as_str(), rows[1].state.as_str()),
        ("unknown", "finished")
    );
    assert_eq!(said(&rows[2]), ("echo back", "exact", "finished"));
}

#[test]
fn a_multiplexer_is_decided_about_before_it_draws() {
    let world = World::with(Config::ask_about_the_unknown);
    let mut terminal = world.shell();
    terminal.line("tmux -L opspilot-test new -s x");
    let question = terminal.answer("n");
    assert!(question.contains("terminal multiplexer"), "{question}");
    terminal.expect(READY);
    let rows = world.bastion.rows(2);
    assert_eq!(
        (rows[1].exactness.as_str(), rows[1].state.as_str()),
        ("unknown", "refused")
    );
}

#[test]
fn an_alias_is_judged_by_what_it_stands_for() {
    let world = World::new();
    let mut terminal = world.shell();
    terminal.line("alias tidy='rm -rf'");
    terminal.expect(READY);
    terminal.line("tidy /etc/nothing-of-this-name");
    let question = terminal.answer("n");
    assert!(question.contains("`tidy` stands for `rm -rf`"), "{question}");
    terminal.expect(READY);
    let rows = world.bastion.rows(2);
    assert_eq!(said(&rows[1]), ("tidy /etc/nothing-of-this-name", "exact", "refused"));
    let aliases: Option<String> = world
        .bastion
        .sql()
        .query_one(
            "SELECT aliases FROM command_executions WHERE id = ?1",
            [rows[1].id],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(aliases.as_deref(), Some(r#"{"tidy":"rm -rf"}"#));
}

#[test]
fn an_inner_shell_that_was_stopped_is_followed_when_it_goes_on() {
    let world = World::new();
    let mut terminal = inner_shell(&world);
    terminal.line("suspend");
    terminal.expect(READY);
    terminal.line("fg");
    terminal.expect(INNER);
    terminal.line(RISKY);
    terminal.answer("n");
    terminal.expect(INNER);
    terminal.line("exit");
    terminal.expect(READY);
    let rows = world.bastion.rows(5);
    assert_eq!(said(&rows[3]), (RISKY, "exact", "refused"));
}

#[test]
fn a_shell_with_its_input_from_the_terminal_is_followed_too() {
    let world = World::new();
    let mut terminal = world.shell();
    terminal.line("PS1='inner> ' bash --norc </dev/tty");
    terminal.expect(INNER);
    terminal.expect(INNER);
    terminal.line(RISKY);
    terminal.answer("n");
    terminal.expect(INNER);
}

#[test]
fn a_shell_with_the_prompt_of_a_question_runs_nothing_unasked() {
    let world = World::with(Config::ask_about_the_unknown);
    let mut terminal = world.shell();
    terminal.line("PS1='what now: ' dash");
    terminal.expect("what now: ");
    terminal.line(&format!("touch {}", world.trace("ran").display()));
    let question = terminal.answer("n");
    assert!(
        question.contains("inner shell whose lines cannot be known"),
        "{question}"
    );
    terminal.finish();
    assert!(!world.trace("ran").exists());
}

#[test]
fn the_line_that_hooks_an_inner_shell_does_not_run_in_an_outer_one() {
    let world = World::new();
    let mut terminal = world.shell();
    let hook = include_str!("../../src/terminal/hooks/inner.sh");
    terminal.line(hook.lines().last().unwrap());
    terminal.expect(READY);
    terminal.line("echo still asked");
    terminal.expect(READY);
    assert_eq!(said(&world.bastion.row()), ("echo still asked", "exact", "finished"));
}

#[test]
fn an_exec_request_for_a_multiplexer_is_decided_about_before_it_starts() {
    let world = World::with(Config::ask_about_the_unknown);
    let trace = world.trace("started");
    let mut terminal = world
        .alice()
        .terminal(&format!("touch {}; tmux -L opspilot-test attach", trace.display()));
    let question = terminal.answer("n");
    assert!(question.contains("terminal multiplexer"), "{question}");
    assert_eq!(terminal.finish(), 126);
    assert!(!trace.exists());
    let rows = world.bastion.rows(2);
    assert_eq!(
        (rows[1].exactness.as_str(), rows[1].state.as_str()),
        ("unknown", "refused")
    );
}

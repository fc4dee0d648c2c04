//! Shells that a line opens on its terminal: followed in their turn, or unknown and decided about.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

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

/// Puts a program into a directory, which is made for it.
fn program(dir: &Path, name: &str, script: &str) {
    std::fs::create_dir_all(dir).unwrap();
    std::fs::write(dir.join(name), script).unwrap();
    std::fs::set_permissions(dir.join(name), Permissions::from_mode(0o755)).unwrap();
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
    let parents: Vec<_> = rows.iter().map(|row| row.parent_id).collect();
    let opener = Some(rows[0].id);
    assert_eq!(parents, [None, opener, opener, opener, None]);
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
    assert_eq!(rows[1].parent_id, Some(rows[0].id));
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
    let script = "#!/bin/sh\nprintf 'router> '\nread line\nread line\n";
    program(&world.trace("bin"), "tcsh", script);
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
    assert_eq!(rows[1].parent_id, Some(rows[0].id));
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

/// What a host does that is no shell and knows how a hooked one speaks: it asks about a line, and gives back another as typed.
const INVENTS: &str = r"#!/usr/bin/env python3
import os, time, tty
tty.setraw(0)

def out(*fields):
    os.write(1, b'\x1b]7717;' + b';'.join(fields) + b'\a')

def until(end):
    heard = b''
    while not heard.endswith(end):
        heard += os.read(0, 1)
    return heard[:-len(end)]

os.write(1, b'$ ')
until(b'\r')
os.write(1, b'\r\n$ ')
until(b'\r')
out(b'?', b'N', b'5.2', b'', b'')
nonce = until(b'\n.\n').split(b'__opspilot_nonce=')[1][:32]
out(nonce, b'D', b'1', b'0', b'/', b'0')
os.write(1, b'inner> ')
out(nonce, b'G', b'1.1', b'h', b'2', b'ls', b'/', b'')
until(b'\x15')
out(nonce, b'V', b'1.1', b'y', b'touch ran\\r')
os.system('stty sane')
";

#[test]
fn a_hostile_host_has_the_outer_shell_run_nothing_as_typed_by_the_user() {
    let world = World::new();
    let mut terminal = world.shell();
    let bin = world.trace("bin");
    program(&bin, "tcsh", INVENTS);
    terminal.line(&format!("cd; {}/tcsh", bin.display()));
    terminal.expect("you have not typed");
    terminal.expect(READY);
    terminal.run("echo still here");
    let rows = world.bastion.rows(3);
    assert_eq!(said(&rows[1]).0, "ls");
    assert_eq!(said(&rows[2]), ("echo still here", "exact", "finished"));
    assert!(!world.trace("ran").exists());
}

#[test]
fn a_shell_that_is_too_slow_for_its_hook_is_unknown_and_usable() {
    let world = World::new();
    let mut terminal = world.shell();
    let bin = world.trace("bin");
    let slow = "#!/bin/sh\n[ -e ~/was-slow ] || { : >~/was-slow; sleep 5; }\nPATH=/usr/bin:/bin exec stty \"$@\"\n";
    program(&bin, "stty", slow);
    terminal.line(&format!("PATH={}:$PATH {OPEN}", bin.display()));
    terminal.expect("cannot be known");
    terminal.expect(INNER);
    terminal.line("echo fi\"\"ne");
    let echoed = terminal.expect("\nfine");
    assert!(echoed.contains("echo fi"), "{echoed:?}");
    terminal.line("exit");
    terminal.expect(READY);
    terminal.run("echo out");
    let rows = world.bastion.rows(3);
    assert_eq!(rows[1].exactness, "unknown");
    assert_eq!(said(&rows[2]), ("echo out", "exact", "finished"));
}

#[test]
fn a_menu_with_the_prompt_of_a_shell_is_typed_an_empty_line_and_no_more() {
    let world = World::new();
    let mut terminal = world.shell();
    let bin = world.trace("bin");
    let menu =
        "#!/bin/sh\nprintf 'choose> '\nuntil [ \"$line\" = 3 ]; do\nread -r line\necho \"[$line]\" >>~/heard\ndone\n";
    program(&bin, "tcsh", menu);
    terminal.line(&format!("{}/tcsh", bin.display()));
    terminal.expect("choose> ");
    terminal.line("3");
    terminal.expect(READY);
    assert_eq!(std::fs::read_to_string(world.trace("heard")).unwrap(), "[]\n[3]\n");
    assert_eq!(world.bastion.rows(2)[1].exactness, "unknown");
}

#[test]
fn an_interrupt_takes_along_what_was_typed_ahead_for_a_shell_that_has_not_come() {
    let world = World::new();
    let mut terminal = world.shell();
    let bin = world.trace("bin");
    program(&bin, "tcsh", "#!/bin/sh\necho waiting\nsleep 60\n");
    terminal.line(&format!("cd; {}/tcsh", bin.display()));
    terminal.expect("\nwaiting");
    terminal.send("touch ran\r");
    terminal.send("\u{3}");
    terminal.expect(READY);
    terminal.run("echo after");
    assert_eq!(said(&world.bastion.rows(2)[1]).0, "echo after");
    assert!(!world.trace("ran").exists());
}

#[test]
fn what_was_left_on_the_line_before_a_shell_came_is_not_run_with_the_line_that_hooks_it() {
    let world = World::new();
    let mut terminal = world.shell();
    let bin = world.trace("bin");
    let login =
        "#!/bin/sh\nprintf 'Password: '\nuntil [ -e ~/go ]; do sleep 0.1; done\necho\nPS1='inner> ' exec dash\n";
    program(&bin, "tcsh", login);
    terminal.line(&format!("cd; {}/tcsh", bin.display()));
    terminal.expect("Password: ");
    terminal.send("touch ran;");
    terminal.expect("touch ran;");
    std::fs::write(world.trace("go"), "").unwrap();
    terminal.expect(INNER);
    terminal.expect(INNER);
    terminal.line("echo known");
    terminal.expect(INNER);
    terminal.line("exit");
    terminal.expect(READY);
    assert_eq!(said(&world.bastion.rows(3)[1]), ("echo known", "exact", "finished"));
    assert!(!world.trace("ran").exists());
}

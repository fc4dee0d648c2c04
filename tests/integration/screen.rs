//! Shells that take no hook, through the daemon: their lines are read off the screen, held, asked about, cancelled or run.

use crate::harness::{READY, RISKY, Sshd, World};

/// What no file of the bastion may ever hold.
const CANARY: &str = "canary-3f9a71c0";

/// A target whose account runs a tcsh and nothing else, whatever it is asked to run.
fn forced_tcsh() -> Sshd {
    let target = Sshd::start_with("ForceCommand exec tcsh -l\n");
    std::fs::write(target.home().join(".tcshrc"), format!("set prompt='{READY}'\n")).unwrap();
    let ask = "stty -echo; printf 'Password: '; read p; stty echo; echo; echo got ${#p}\n";
    std::fs::write(target.home().join("ask"), ask).unwrap();
    target
}

/// A risky line that leaves a trace when it runs.
fn risky(world: &World) -> String {
    format!("{RISKY} ; touch {}", world.trace("ran").display())
}

#[test]
fn lines_of_a_forced_tcsh_are_read_off_the_screen() {
    let world = World::on(forced_tcsh(), |_| {});
    let mut terminal = world.shell();
    assert!(terminal.run("echo one two").ends_with("one two\n"));
    terminal.send("echo onex\u{7f} three\r");
    terminal.expect(READY);
    terminal.line("exit");

    let rows = world.bastion.rows(3);
    let commands: Vec<_> = rows.iter().map(|row| row.command.as_str()).collect();
    assert_eq!(commands, ["echo one two", "echo one three", "exit"]);
    assert!(
        rows.iter()
            .all(|row| row.exactness == "screen" && row.state == "finished"),
        "{rows:#?}"
    );
    assert!(
        rows[..2].iter().all(|row| row.exit_code.is_none()),
        "the screen shows no exit codes"
    );
}

#[test]
fn a_refused_line_does_not_run_nor_what_was_pasted_behind_it() {
    let world = World::on(forced_tcsh(), |_| {});
    let mut terminal = world.shell();
    let trace = world.trace("behind").display().to_string();
    terminal.send(format!("{}\rtouch {trace}\r", risky(&world)));
    let question = terminal.answer("n");
    assert!(question.contains(RISKY), "{question}");
    terminal.expect(READY);
    assert!(terminal.run("echo still here").ends_with("still here\n"));
    assert!(!world.trace("ran").exists() && !world.trace("behind").exists());

    let rows = world.bastion.rows_when("both lines", |rows| rows.len() == 2);
    assert_eq!(
        (rows[0].state.as_str(), rows[0].exactness.as_str()),
        ("refused", "screen")
    );
    assert_eq!(rows[1].command, "echo still here");
}

#[test]
fn a_confirmed_line_runs() {
    let world = World::on(forced_tcsh(), |_| {});
    let mut terminal = world.shell();
    terminal.line(&risky(&world));
    terminal.answer("y");
    terminal.expect(READY);
    assert!(world.trace("ran").exists());
    assert_eq!(world.bastion.rows_now()[0].user_confirmed, Some(true));
}

#[test]
fn a_line_that_the_screen_cannot_tell_is_unknown_and_asked_about_by_policy() {
    let world = World::on(forced_tcsh(), |config| {
        config.policies = config.policies.replace("unknown = \"allow\"", "unknown = \"confirm\"");
    });
    let mut terminal = world.shell();
    terminal.run("echo one");
    terminal.line("!!");
    terminal.answer("n");
    terminal.expect(READY);

    let rows = world.bastion.rows_when("both lines", |rows| rows.len() == 2);
    assert_eq!(
        (rows[1].state.as_str(), rows[1].exactness.as_str()),
        ("refused", "unknown")
    );
}

#[test]
fn a_password_is_nowhere() {
    let world = World::on(forced_tcsh(), |_| {});
    let mut terminal = world.shell();
    terminal.line("sh $HOME/ask");
    terminal.expect("Password: ");
    terminal.line(CANARY);
    terminal.expect(&format!("got {}", CANARY.len()));
    terminal.expect(READY);
    terminal.line("exit");

    let rows = world.bastion.rows(2);
    assert_eq!(rows[0].command, "sh $HOME/ask");
    assert!(!world.bastion.log().contains(CANARY));
    for file in std::fs::read_dir(world.bastion.database().parent().unwrap()).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap_or_default();
        assert!(
            memchr::memmem::find(&bytes, CANARY.as_bytes()).is_none(),
            "{}",
            path.display()
        );
    }
}

#[test]
fn a_target_can_be_set_to_the_screen() {
    let world =
        World::with(|config| config.targets = config.targets.replace("labels =", "shell_gate = \"screen\"\nlabels ="));
    let mut terminal = world.shell();
    assert!(terminal.run("echo he\"\"llo").ends_with("hello\n"));
    terminal.line(&risky(&world));
    terminal.answer("n");
    terminal.expect(READY);
    assert!(!world.trace("ran").exists());

    let rows = world.bastion.rows_when("both lines", |rows| rows.len() == 2);
    assert_eq!(
        (rows[0].command.as_str(), rows[0].exactness.as_str()),
        ("echo he\"\"llo", "screen")
    );
    assert_eq!(
        (rows[1].state.as_str(), rows[1].exactness.as_str()),
        ("refused", "screen")
    );
}

#[test]
fn without_own_commands_on_the_target_the_screen_is_read() {
    let world = World::with(|config| config.targets = config.targets.replace("labels =", "probe = \"off\"\nlabels ="));
    let mut terminal = world.shell();
    terminal.run("echo one");
    terminal.line("exit");
    let rows = world.bastion.rows(2);
    assert_eq!(
        (rows[0].command.as_str(), rows[0].exactness.as_str()),
        ("echo one", "screen")
    );
}

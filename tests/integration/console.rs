//! The console: the menu on a terminal, which becomes the shell of a target, and its commands without one.

use crate::harness::{Bastion, Config, READY, RISKY, SETTLED, Sshd, Terminal, World, eventually, opspilot};

/// What the menu's line begins with.
const LINE: &str = "> ";

fn menu(world: &World, user: &str) -> Terminal {
    let mut menu = world.bastion.ssh(user).terminal("");
    menu.expect(&format!("targets for {user}"));
    menu.expect(LINE);
    menu
}

/// A world with two more targets, which are the same sshd by other names.
fn with_targets() -> World {
    let target = Sshd::start();
    let bastion = Bastion::start(&target, |config| {
        for name in ["db-1", "db-2"] {
            config.targets += &Config::target(name, &target, "");
        }
    });
    World { bastion, target }
}

#[test]
fn a_number_opens_the_shell_of_that_target_and_the_session_ends_with_it() {
    let world = with_targets();
    let mut terminal = menu(&world, "alice");
    assert!(
        terminal.screen.text().contains("3  web-1"),
        "{}",
        terminal.screen.text()
    );
    terminal.send("3\r");
    terminal.expect("recorded");
    terminal.expect(READY);
    assert!(terminal.run("stty size").ends_with("24 100\n"));
    terminal.line("exit 5");
    assert_eq!(terminal.finish(), 5);

    let rows = world.bastion.rows(2);
    assert!(
        rows.iter()
            .all(|row| row.user_id == "alice" && row.target == "web-1" && row.channel == "shell"),
        "{rows:#?}"
    );
    let ended = "SELECT count(*) FROM sessions JOIN recordings ON session_id = id WHERE sessions.state = 'closed'";
    eventually("the session and its recording to be closed", || {
        let count: i64 = world.bastion.sql().query_row(ended, [], |row| row.get(0)).unwrap();
        (count == 1).then_some(())
    });
}

#[test]
fn a_search_that_finds_one_target_opens_it_and_what_is_typed_ahead_is_for_its_shell() {
    let world = with_targets();
    let mut terminal = menu(&world, "alice");
    terminal.send("DB 2");
    terminal.expect("1 of 3");
    terminal.send("\recho typed-$((40 + 2))\r");
    terminal.expect("typed-42");
    terminal.expect(READY);
    terminal.line("exit");
    assert_eq!(terminal.finish(), 0);
    assert_eq!(world.bastion.rows(2)[0].target, "db-2");
}

#[test]
fn a_login_may_be_asked_for_and_another_is_refused_at_the_menu() {
    let world = with_targets();
    let mut terminal = menu(&world, "alice");
    terminal.send("nobody@3\r");
    terminal.expect("no target `web-1` that alice may reach as `nobody`");
    terminal.expect(LINE);
    terminal.send(format!("{}@web-1\r", world.target.login));
    terminal.expect(READY);
    terminal.line("exit");
    assert_eq!(terminal.finish(), 0);
}

#[test]
fn what_may_not_be_reached_is_not_listed() {
    let world = World::with(|config| config.policies = config.policies.replace("[\"*\"]", "[\"alice\"]"));
    let mut terminal = world.bastion.ssh("bob").terminal("");
    terminal.expect("no policy lets bob reach a target");
    terminal.send("web-1\r");
    terminal.expect("no target matches");
    terminal.send("\u{3}\u{4}");
    assert_eq!(terminal.finish(), 0);
    assert_eq!(world.target.logins(), 0);
}

#[test]
fn commands_answer_at_the_menu_as_they_do_without_it() {
    let world = World::new();
    world.alice().run("echo first");
    world.alice().run("echo second");
    world.bastion.ssh("bob@web-1").run("echo others");
    world.bastion.rows(3);
    let history = world.bastion.ssh("alice").run("history").text();
    let commands: Vec<&str> = history
        .lines()
        .filter_map(|line| line.split('\t').next_back())
        .collect();
    assert_eq!(
        commands,
        ["echo second", "echo first"],
        "one's own, newest first: {history}"
    );
    assert_eq!(world.bastion.ssh("alice").run("history 1").text().lines().count(), 1);

    let mut terminal = menu(&world, "alice");
    terminal.send("history\r");
    terminal.expect("echo second");
    terminal.expect("echo first");
    terminal.expect(LINE);
    terminal.send("whoami\r");
    terminal.expect("roles:");
    terminal.expect(LINE);
    terminal.send("exit\r");
    assert_eq!(terminal.finish(), 0);
}

/// Answers the question at the menu once it can be read.
fn answer(terminal: &mut Terminal, word: &str) {
    terminal.expect("run it? [y/N] ");
    terminal.screen.settle(SETTLED);
    terminal.line(word);
}

#[test]
fn a_code_is_confirmed_at_the_menu_after_its_command_was_shown() {
    let world = World::new();
    let mut waiting = world.alice().arg("-n").start(RISKY);
    let code = waiting.code();
    let mut terminal = menu(&world, "alice");
    // The answer that is typed ahead does not count.
    terminal.send(format!("confirm {code}\ry\r"));
    terminal.expect(&format!("alice on web-1 as {}: {RISKY}", world.target.login));
    answer(&mut terminal, "");
    terminal.expect("it still waits");
    terminal.send(format!("confirm {code}\r"));
    answer(&mut terminal, "y");
    terminal.expect("confirmed");
    waiting.finish();
    let row = world.bastion.row();
    assert_eq!(
        (row.answered_by.as_deref(), row.answer_channel.as_deref()),
        (Some("alice"), Some("console"))
    );
    terminal.send("\u{4}");
    assert_eq!(terminal.finish(), 0);
}

#[test]
fn a_session_from_the_menu_ends_when_its_target_is_removed() {
    let mut world = with_targets();
    let mut terminal = menu(&world, "alice");
    terminal.send("web-1\r");
    terminal.expect(READY);
    let without = world.bastion.config.targets.replace("\"web-1\"", "\"web-9\"");
    world.bastion.reload(|config| config.targets = without);
    terminal.expect("this session has been ended");
    assert_eq!(terminal.finish(), 255);
}

#[test]
fn without_a_terminal_there_are_commands_only() {
    let world = World::new();
    let shell = world.bastion.ssh("alice").arg("-T").stdin("web-1\n").run("");
    shell.assert_refused();
    assert_eq!(world.bastion.ssh("alice").run("targets db").code, 126);
    assert_eq!(world.bastion.ssh("alice").run("targets WEB").text().lines().count(), 1);
    assert_eq!(world.target.logins(), 0);
}

#[test]
fn a_dumb_terminal_is_sent_no_sequences() {
    let world = World::new();
    let mut ssh = world.bastion.ssh("alice").arg("-tt").command("".as_ref());
    let mut terminal = Terminal::start(ssh.env("TERM", "dumb"));
    terminal.expect(LINE);
    terminal.send("nothing\r");
    terminal.expect("no target matches");
    terminal.send("\u{3}\u{4}");
    terminal.finish();
    assert!(!terminal.screen.bytes().contains(&0x1b), "{}", terminal.screen.text());
}

#[test]
fn a_host_key_that_clients_should_not_trust_is_not_served() {
    let target = Sshd::start();
    let (dir, config) = Bastion::prepare(&target);
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f"])
        .arg(dir.path().join("state/ssh_host_ed25519_key"))
        .status()
        .unwrap();
    assert!(made.success());
    std::fs::write(dir.path().join("opspilot.toml"), config.render()).unwrap();
    for command in ["check", "serve"] {
        let output = opspilot(&[command, "-c"])
            .arg(dir.path().join("opspilot.toml"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{command}: {said}");
        assert!(said.contains("3072"), "{command}: {said}");
    }
}

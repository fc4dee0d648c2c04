//! Terminal multiplexers: decided about before they take the terminal where a line names them, and as soon as they take it where
//! nobody did.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::harness::{Config, READY, Sshd, World, eventually};

/// A world in which what cannot be known is asked about, and a tmux of its own that ends with it.
struct Stage {
    world: World,
    socket: PathBuf,
}

/// Asks about what cannot be known, and lets all else run.
fn only_the_unknown(config: &mut Config) {
    config.allow_everything();
    config.ask_about_the_unknown();
}

impl Stage {
    fn new() -> Self {
        Self::of(World::with(only_the_unknown))
    }

    /// With `rest` behind the first line of the login shell's profile.
    fn with_profile(rest: &str) -> Self {
        let target = Sshd::start();
        let stage = Self::of(World::on(target, only_the_unknown));
        let rest = rest.replace("TMUX", &stage.tmux());
        std::fs::write(stage.world.trace(".bash_profile"), format!("PS1='{READY}'\n{rest}\n")).unwrap();
        stage
    }

    fn of(world: World) -> Self {
        let socket = world.trace("tmux");
        Self { world, socket }
    }

    /// The words that call its tmux.
    fn tmux(&self) -> String {
        format!("tmux -S {} -f /dev/null", self.socket.display())
    }

    /// Makes a script in the home that runs `text`; gives its path.
    fn script(&self, name: &str, text: &str) -> String {
        let path = self.world.trace(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    }

    /// Asserts that the last of `count` rows is about a rest that is not known, and that it was refused.
    #[track_caller]
    fn assert_unknown_was_refused(&self, count: usize) {
        let rows = self.world.bastion.rows(count);
        let last = rows.last().map(|row| (row.exactness.as_str(), row.state.as_str()));
        assert_eq!(last, Some(("unknown", "refused")), "{rows:#?}");
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // There may be none.
        let end = Command::new("tmux")
            .arg("-S")
            .arg(&self.socket)
            .arg("kill-server")
            .output();
        assert!(end.is_ok() || std::thread::panicking(), "tmux is needed: install tmux");
    }
}

#[test]
fn what_a_line_names_is_decided_about_before_it_starts() {
    let stage = Stage::new();
    let mut terminal = stage.world.shell();
    let tmux = stage.tmux();
    // What it stands for has the name in it.
    terminal.line(&format!("alias work='{tmux} new -A'"));
    terminal.answer("y");
    terminal.expect(READY);
    for (number, line) in [
        format!("exec {tmux} new"),
        format!("{tmux} -CC new"),
        format!("cd / && {tmux}"),
        "work -s x".to_owned(),
        format!("bash -c '{tmux} new'"),
        "screen".to_owned(),
        "screen -r".to_owned(),
        "byobu".to_owned(),
        "zellij".to_owned(),
        "dtach -A ./socket bash".to_owned(),
        "abduco -c work".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        terminal.line(line);
        let question = terminal.answer("n");
        assert!(question.contains("terminal multiplexer"), "{line}: {question}");
        terminal.expect(READY);
        stage.assert_unknown_was_refused(2 + 2 * (number + 1));
    }
    assert!(!stage.socket.exists(), "none has started");
}

#[test]
fn what_nobody_named_is_decided_about_when_it_takes_the_terminal() {
    let stage = Stage::with_profile("work() { TMUX new; }");
    let tmux = stage.tmux();
    let dir = stage.world.target.home();
    let screen = format!(
        "mkdir -m 700 screens; echo autodetach off >screenrc; SCREENDIR={0}/screens exec screen -c {0}/screenrc",
        dir.display()
    );
    let openers = [
        "work".to_owned(),
        stage.script("by-script", &format!("{tmux} attach")),
        stage.script("by-control", &format!("{tmux} -CC attach")),
        stage.script("by-screen", &format!("cd {}; {screen}", dir.display())),
    ];
    for (number, opener) in openers.iter().enumerate() {
        let mut terminal = stage.world.shell();
        terminal.line(opener);
        let question = terminal.answer("n");
        assert!(question.contains("terminal multiplexer"), "{opener}: {question}");
        assert_eq!(terminal.finish(), 126, "{opener}");
        stage.assert_unknown_was_refused(2 * (number + 1));
    }
}

#[test]
fn a_profile_that_becomes_one_is_asked_about_as_a_whole() {
    let stage = Stage::with_profile("exec TMUX new sh");
    let mut terminal = stage.world.alice().terminal("");
    let question = terminal.answer("n");
    assert!(question.contains("not understood any longer"), "{question}");
    assert_eq!(terminal.finish(), 126);
    stage.assert_unknown_was_refused(1);
}

#[test]
fn a_profile_that_starts_one_is_known_again_after_it() {
    let stage = Stage::with_profile("TMUX new 'echo in''side; read line; touch ran'");
    let mut terminal = stage.world.alice().terminal("");
    terminal.answer("y");
    eventually("what it shows", || {
        terminal.screen.text().contains("inside").then_some(())
    });
    assert!(!stage.world.trace("ran").exists());
    terminal.line("go on");
    terminal.expect(READY);
    terminal.run("echo known");
    let rows = stage.world.bastion.rows(2);
    let told: Vec<_> = rows
        .iter()
        .map(|row| (row.exactness.as_str(), row.state.as_str()))
        .collect();
    assert_eq!(told, [("unknown", "finished"), ("exact", "finished")]);
    assert_eq!(rows[1].command, "echo known");
}

#[test]
fn no_hook_is_typed_into_one_that_an_inner_shell_has_become() {
    let stage = Stage::new();
    std::fs::write(
        stage.world.trace("rc"),
        format!("exec {} new 'PS1=\"in> \" bash --norc'\n", stage.tmux()),
    )
    .unwrap();
    let mut terminal = stage.world.shell();
    terminal.line(&format!("bash --rcfile {}", stage.world.trace("rc").display()));
    let question = terminal.answer("y");
    assert!(question.contains("terminal multiplexer"), "{question}");
    eventually("its shell", || terminal.screen.text().contains("in> ").then_some(()));
    terminal.line("exit");
    terminal.expect(READY);
    let hook = include_str!("../../src/terminal/hooks/inner.sh")
        .lines()
        .last()
        .unwrap();
    let shown = terminal.screen.text();
    assert!(!shown.contains(&hook.trim()[..16]), "{shown}");
    assert_eq!(stage.world.bastion.rows(2)[1].exactness, "unknown");
}

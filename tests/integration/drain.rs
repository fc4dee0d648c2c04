//! SIGTERM: nothing new begins, what runs is told how long it has, and whatever happens then is on record.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;

use crate::harness::{Child, RISKY, Running, Ssh, World};

/// What a session is told.
const NOTICE: &str = "opspilot: the bastion is about to stop; what runs here has ";
/// What a client is told whose connection ends.
const LEFT: &str = "opspilot: the bastion stops; connect again in a moment";
/// Why a row was left open.
const STOPPED: &str = "the bastion stopped before it ended";

/// A world whose sessions have so long from SIGTERM on.
fn with_limit(limit: &str) -> World {
    World::with(|config| config.server = format!("drain_timeout = \"{limit}\""))
}

/// A command of alice's that has begun, and ends with its standard input.
fn running(ssh: Ssh) -> Running {
    let mut running = ssh.start("echo up; cat");
    running.stdout.expect("up\n");
    running
}

/// Why the only row did not come to its end.
fn state_reason(world: &World) -> Option<String> {
    let sql = world.bastion.sql();
    let reason = sql.query_row("SELECT state_reason FROM command_executions", [], |row| row.get(0));
    reason.unwrap()
}

#[test]
fn what_runs_is_told_how_long_it_has_and_comes_to_its_end() {
    let mut world = with_limit("10m");
    let mut running = running(world.alice());
    world.bastion.signal("TERM");
    running.stderr.expect(NOTICE);
    running.stderr.expect("10 min left\n");

    running.send(b"to the end\n");
    let output = running.finish();
    assert_eq!((output.code, output.text().as_str()), (0, "up\nto the end\n"));
    assert_eq!(world.bastion.code(), 0, "it does not wait any longer than it must");
    let row = world.bastion.row();
    assert_eq!((row.state.as_str(), row.exit_code), ("finished", Some(0)));
}

#[test]
fn nobody_new_is_let_in() {
    let world = with_limit("10m");
    let mut running = running(world.alice());
    world.bastion.signal("TERM");
    running.stderr.expect(NOTICE);
    let refused = world.alice().run("true");
    assert_eq!(refused.code, 255);
    assert!(refused.stderr.contains("Connection refused"), "{refused:?}");
    assert_eq!(running.finish().code, 0);
}

#[test]
fn what_does_not_end_in_time_is_ended_with_a_word_and_on_record() {
    let mut world = with_limit("1s");
    let running = running(world.alice());
    assert_eq!(world.bastion.stop(), 0);
    let output = running.finish();
    assert_eq!(output.code, 255);
    assert!(
        output.stderr.contains(NOTICE) && output.stderr.contains(LEFT),
        "{output:?}"
    );
    assert_eq!(world.bastion.row().state, "interrupted");
    assert_eq!(state_reason(&world).as_deref(), Some(STOPPED));
    let sql = world.bastion.sql();
    let session = sql.query_row("SELECT state, end_reason FROM sessions", [], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    });
    assert_eq!(session.unwrap(), ("closed".to_owned(), STOPPED.to_owned()));
}

#[test]
fn a_second_signal_ends_everything_at_once() {
    let mut world = with_limit("10m");
    let mut running = running(world.alice());
    world.bastion.signal("TERM");
    running.stderr.expect(NOTICE);
    assert_eq!(world.bastion.stop(), 0);
    assert_eq!(running.finish().code, 255);
    assert_eq!(world.bastion.row().state, "interrupted");
    assert_eq!(state_reason(&world).as_deref(), Some(STOPPED));
}

#[test]
fn a_daemon_without_sessions_stops_at_once() {
    let mut world = with_limit("10m");
    assert_eq!(world.alice().run("true").code, 0);
    assert_eq!(world.bastion.stop(), 0);
}

#[test]
fn what_was_typed_at_a_prompt_goes_on_below_the_notice() {
    let mut world = with_limit("10m");
    let mut terminal = world.shell();
    terminal.send("echo o''n");
    terminal.expect("echo o''n");
    world.bastion.signal("TERM");
    terminal.expect("10 min left");
    terminal.send("e");
    terminal.expect("e");
    let mut screen = avt::Terminal::new(100, 24).unwrap();
    screen.feed(String::from_utf8(terminal.screen.bytes()).unwrap());
    let rows = screen
        .screen()
        .visible_lines()
        .map(|row| row.text().trim_end().to_owned());
    let rows: Vec<_> = rows.filter(|row| !row.is_empty()).collect();
    let [.., notice, prompt] = rows.as_slice() else {
        panic!("{rows:?}")
    };
    assert!(notice.starts_with(NOTICE), "{rows:?}");
    assert!(prompt.ends_with("ready> echo o''ne"), "{rows:?}");

    terminal.send("\r");
    terminal.expect("one");
    terminal.line("exit 3");
    assert_eq!(terminal.finish(), 3);
    assert_eq!(world.bastion.code(), 0);
    let rows = world.bastion.rows(2);
    assert!(rows.iter().all(|row| row.state == "finished"), "{rows:?}");
}

#[test]
fn an_open_question_is_answered_where_it_was_asked() {
    let mut world = with_limit("10m");
    let mut running = world.alice().start(RISKY);
    let code = running.code();
    let mut terminal = world.alice().terminal(RISKY);
    terminal.question();
    world.bastion.signal("TERM");
    running.stderr.expect(NOTICE);
    terminal.expect(NOTICE);

    running.send(format!("{code}\n").as_bytes());
    assert_eq!(running.finish().code, 0);
    terminal.line("y");
    assert_eq!(terminal.finish(), 0);
    assert_eq!(world.bastion.code(), 0);
    let rows = world.bastion.rows(2);
    assert!(rows.iter().all(|row| row.user_confirmed == Some(true)), "{rows:?}");
}

#[test]
fn a_question_that_nobody_answers_in_time_is_no_answer() {
    let mut world = with_limit("1s");
    let trace = world.trace("ran");
    let mut running = world.alice().start(format!("{RISKY}; touch {}", trace.display()));
    running.code();
    assert_eq!(world.bastion.stop(), 0);
    assert_eq!(running.wait(), 255);
    let row = world.bastion.row();
    assert_eq!((row.state.as_str(), row.user_confirmed), ("interrupted", None));
    assert_eq!(state_reason(&world).as_deref(), Some(STOPPED));
    assert!(!trace.exists());
}

/// The control socket of a connection for several programs, and who holds it.
fn share(world: &World) -> (PathBuf, Child, crate::harness::Stream) {
    let socket = world.target.home().join("control");
    let ssh = world.alice().arg("-MN").arg("-S").arg(socket.to_str().unwrap());
    let mut master = ssh.command("".as_ref());
    let mut master = master.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let said = crate::harness::Stream::gather(master.stderr.take().unwrap());
    crate::harness::eventually("the control socket", || socket.exists().then_some(()));
    (socket, master.into(), said)
}

#[test]
fn nothing_new_begins_on_a_connection_that_is_there() {
    let mut world = with_limit("10m");
    let (socket, mut master, _said) = share(&world);
    let on_it = || world.alice().arg("-S").arg(socket.to_str().unwrap());
    let mut running = running(on_it());
    world.bastion.signal("TERM");
    running.stderr.expect(NOTICE);

    let trace = world.trace("ran");
    let refused = on_it().run(format!("touch {}", trace.display()));
    refused.assert_failed();
    assert!(refused.stderr.contains("connect again in a moment"), "{refused:?}");
    assert!(!trace.exists());
    running.send(b"to the end\n");
    assert_eq!(running.finish().text(), "up\nto the end\n");
    assert_eq!(world.bastion.code(), 0);
    master.wait();
    assert_eq!(world.bastion.row().state, "finished");
}

#[test]
fn a_connection_on_which_nothing_runs_holds_nothing_up() {
    let mut world = with_limit("10m");
    let (_socket, mut master, mut said) = share(&world);
    assert_eq!(world.bastion.stop(), 0);
    said.expect(LEFT);
    assert_eq!(master.code(), 255);
}

#[test]
fn a_stranger_holds_nothing_up() {
    let mut world = with_limit("10m");
    let mut stranger = std::net::TcpStream::connect(("127.0.0.1", world.bastion.config.port)).unwrap();
    stranger.write_all(b"SSH-2.0-nobody\r\n").unwrap();
    assert_eq!(world.alice().run("true").code, 0, "it has been accepted before");
    assert_eq!(world.bastion.stop(), 0);
}

#[test]
fn files_go_on_unharmed() {
    let mut world = World::with(|config| {
        config.move_files("files", "\"sftp\"", "");
        config.server = "drain_timeout = \"10m\"".to_owned();
    });
    let file = world.trace("file");
    std::fs::write(&file, "content").unwrap();
    let got = world.bastion.dir().join("got");
    let ssh = world.alice();
    let mut sftp = ssh.program("sftp");
    sftp.args(["-b", "-", &ssh.place("")]).stdin(Stdio::piped());
    let mut sftp = sftp.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = sftp.stdin.take().unwrap();
    let mut said = crate::harness::Stream::gather(sftp.stdout.take().unwrap());
    let mut told = crate::harness::Stream::gather(sftp.stderr.take().unwrap());
    writeln!(input, "pwd").unwrap();
    said.expect("working directory");
    world.bastion.signal("TERM");
    told.expect(NOTICE);
    writeln!(input, "get {} {}", file.display(), got.display()).unwrap();
    drop(input);
    assert_eq!(Child::from(sftp).code(), 0);
    assert_eq!(std::fs::read(got).unwrap(), b"content");
    assert_eq!(world.bastion.code(), 0);
}

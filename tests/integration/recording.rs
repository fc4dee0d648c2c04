//! Recordings of terminals: what the user saw and nothing else, and on disk in time.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{READY, RISKY, Terminal, World, eventually};

/// A row of `recordings`.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) session_id: String,
    channel: i64,
    pub(crate) path: String,
    state: String,
    state_reason: Option<String>,
    bytes: Option<i64>,
    went_on: Option<bool>,
}

fn recordings(world: &World) -> Vec<Recording> {
    let record = world.bastion.sql();
    let mut rows = record
        .prepare("SELECT * FROM recordings ORDER BY started_at, channel")
        .unwrap();
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Recording {
            session_id: row.get("session_id")?,
            channel: row.get("channel")?,
            path: row.get("path")?,
            state: row.get("state")?,
            state_reason: row.get("state_reason")?,
            bytes: row.get("bytes")?,
            went_on: row.get("went_on")?,
        })
    };
    let recordings = rows.query_map([], read).unwrap().collect::<Result<_, _>>();
    recordings.unwrap()
}

/// The only recording, as soon as it is in `state`.
pub(crate) fn recording(world: &World, state: &str) -> Recording {
    eventually(&format!("a recording that is {state}"), || {
        let mut rows = recordings(world);
        assert!(rows.len() <= 1, "{rows:#?}");
        rows.pop().filter(|row| row.state == state)
    })
}

pub(crate) fn directory(world: &World) -> PathBuf {
    world.bastion.dir().join("state/recordings")
}

/// What `opspilot replay` writes where nobody watches, and what it says about it.
pub(crate) fn replay(world: &World, arguments: &[&str]) -> (String, String) {
    let output = world.bastion.opspilot(&[&["replay"], arguments].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {said}");
    (String::from_utf8(output.stdout).unwrap(), said)
}

/// The events of a recording with this code, in order.
fn events(cast: &str, code: &str) -> Vec<String> {
    let events = cast
        .lines()
        .skip(1)
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    events
        .filter(|event| event[1] == code)
        .map(|event| event[2].as_str().unwrap().to_owned())
        .collect()
}

/// A world whose `[store]` has these lines more.
fn world(store: &str) -> World {
    World::with(|config| store.clone_into(&mut config.store))
}

#[test]
fn a_recording_is_what_the_user_saw_questions_and_all() {
    let world = World::new();
    let mut terminal = world.shell();
    terminal.run("printf 'caf\\303\\251 \\377 \\033[1mbold\\033[0m\\n'");
    terminal.line(RISKY);
    terminal.answer("n");
    terminal.expect(READY);
    terminal.line("exit 3");
    assert_eq!(terminal.finish(), 3);
    let shown = terminal.screen.to_end();
    let shown = String::from_utf8_lossy(&shown);

    let row = recording(&world, "complete");
    let (cast, said) = replay(&world, &["--cast", &row.session_id]);
    assert_eq!(said, "");
    let recorded = events(&cast, "o").concat();
    let of_the_client = shown
        .strip_prefix(recorded.as_str())
        .expect("the same from the beginning");
    assert!(
        of_the_client.is_empty() || of_the_client.starts_with("Connection to"),
        "{of_the_client:?}"
    );
    assert!(
        recorded.contains("café \u{fffd}") && recorded.contains("┌─"),
        "{recorded}"
    );
    assert_eq!(events(&cast, "i"), [""; 0], "nothing that was typed");

    let header: Value = serde_json::from_str(cast.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&header["version"], &header["width"], &header["height"]),
        (&2.into(), &100.into(), &24.into())
    );
    assert_eq!(header["env"]["TERM"], "xterm");
    assert!(header["title"].as_str().unwrap().starts_with("alice on web-1"));
}

#[test]
fn files_are_private_and_their_size_is_on_record() {
    let world = World::new();
    let mut terminal = world.shell();
    terminal.line("exit");
    terminal.finish();
    let row = recording(&world, "complete");
    let file = directory(&world).join(&row.path);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&file), 0o600);
    assert_eq!((mode(file.parent().unwrap()), mode(&directory(&world))), (0o700, 0o700));
    assert_eq!(row.bytes, i64::try_from(file.metadata().unwrap().len()).ok());
    assert!(
        row.path.ends_with(&format!("/{}-1.cast.zst", row.session_id)),
        "{}",
        row.path
    );
}

#[test]
fn every_command_has_a_marker_and_replay_starts_there() {
    let world = World::new();
    let mut terminal = world.shell();
    terminal.run("echo fir''st");
    terminal.run("echo sec''ond");
    terminal.line("exit");
    terminal.finish();

    let row = recording(&world, "complete");
    let (cast, _) = replay(&world, &["--cast", &row.session_id]);
    assert_eq!(events(&cast, "m"), ["command 1", "command 2", "command 3"]);
    let (text, _) = replay(&world, &["2"]);
    assert!(text.contains("second") && !text.contains("first"), "{text}");
    let (whole, _) = replay(&world, &[&row.session_id]);
    assert!(whole.contains("first") && whole.contains("second"), "{whole}");
}

#[test]
fn what_is_typed_without_echo_is_not_in_it() {
    let world = World::new();
    let mut terminal = world.shell();
    terminal.line("read -sp 'Pass''word: ' secret");
    terminal.expect("Password: ");
    terminal.run("S3cretPw-4711");
    assert!(terminal.run("echo ${#secret}").contains("13"));
    terminal.line("exit");
    terminal.finish();

    let row = recording(&world, "complete");
    let (cast, _) = replay(&world, &["--cast", &row.session_id]);
    assert!(cast.contains("Password: ") && !cast.contains("S3cretPw"), "{cast}");
}

#[test]
fn an_exec_is_recorded_where_it_has_a_terminal() {
    let world = World::new();
    assert_eq!(world.alice().run("echo plain").code, 0);
    let mut terminal = world.alice().terminal("echo on''screen");
    assert_eq!(terminal.finish(), 0);
    let row = recording(&world, "complete");
    let (cast, _) = replay(&world, &["--cast", &row.session_id]);
    assert_eq!(events(&cast, "o").concat(), "onscreen\r\n");
    assert_eq!(events(&cast, "m"), ["command 2"]);
}

#[test]
fn the_size_of_the_window_is_recorded_as_it_changes() {
    let world = World::new();
    let wait = "echo up; until [ \"$(stty size)\" = '40 120' ]; do sleep 0.1; done; echo resized";
    let mut terminal = world.alice().terminal(wait);
    terminal.expect("up\n");
    terminal.resize(40, 120);
    terminal.expect("resized\n");
    assert_eq!(terminal.finish(), 0);
    let row = recording(&world, "complete");
    let (cast, _) = replay(&world, &["--cast", &row.session_id]);
    assert_eq!(events(&cast, "r"), ["120x40"]);
}

#[test]
fn several_terminals_of_one_connection_have_a_file_each() {
    let world = World::new();
    let socket = format!("ControlPath={}", world.bastion.dir().join("mux").display());
    let multiplexed = || world.alice().arg("-o").arg(&socket);
    let mut master = multiplexed().arg("-o").arg("ControlMaster=yes").terminal("");
    master.expect(READY);
    let mut second = multiplexed().terminal("echo sec''ond");
    assert_eq!(second.finish(), 0);
    master.line("exit");
    master.finish();

    let rows = eventually("two complete recordings", || {
        let rows = recordings(&world);
        (rows.len() == 2 && rows.iter().all(|row| row.state == "complete")).then_some(rows)
    });
    assert_eq!((rows[0].channel, rows[1].channel), (1, 2));
    assert_eq!(rows[0].session_id, rows[1].session_id);
    let (text, said) = replay(&world, &[&rows[0].session_id, "--channel", "2"]);
    assert!(text.contains("second"), "{text}");
    assert!(said.contains("2 of 2"), "{said}");
}

#[test]
fn without_a_directory_nothing_is_recorded() {
    let world = world("recordings = \"\"\n");
    let mut terminal = world.shell();
    terminal.line("exit");
    assert_eq!(terminal.finish(), 0);
    assert!(recordings(&world).is_empty() && !directory(&world).exists());
}

#[test]
fn a_terminal_that_cannot_be_recorded_does_not_open() {
    let world = World::new();
    std::fs::write(directory(&world), "in the way").unwrap();
    let mut terminal = world.alice().terminal("echo never");
    assert_eq!(terminal.finish(), 255);
    let shown = terminal.screen.text();
    assert!(shown.contains("opspilot: cannot record this terminal"), "{shown}");
    assert!(world.bastion.rows_now().is_empty(), "nothing was run");

    let row = recording(&world, "failed");
    assert_eq!(row.went_on, Some(false));
    assert!(
        row.state_reason
            .is_some_and(|reason| reason.contains("cannot make the recording"))
    );
    let verified = world.bastion.opspilot(&["verify"]);
    assert!(verified.status.success(), "no file is missed: {verified:?}");
    assert_eq!(
        world.alice().run("echo plain").text(),
        "plain\n",
        "without a terminal, there is nothing to record"
    );
}

#[test]
fn a_terminal_that_cannot_be_recorded_opens_where_that_is_preferred() {
    let world = world("recordings_on_failure = \"continue\"\n");
    std::fs::write(directory(&world), "in the way").unwrap();
    let mut terminal = world.shell();
    assert!(terminal.run("echo on").ends_with("on\n"));
    assert_eq!(recording(&world, "failed").went_on, Some(true));
}

#[test]
fn a_terminal_whose_recording_fails_is_ended_and_told_why() {
    let world = World::new();
    let mut terminal = world.shell();
    terminal.line("cat");
    world
        .bastion
        .rows_when("cat to run", |rows| rows.iter().any(|row| row.state == "running"));
    std::fs::remove_dir_all(directory(&world)).unwrap();
    terminal.expect("opspilot: the recording of this terminal cannot be written any longer");
    assert_eq!(terminal.finish(), 255);

    let row = recording(&world, "failed");
    assert_eq!(
        (row.went_on, row.state_reason.as_deref()),
        (Some(false), Some("its file was removed"))
    );
    assert_eq!(world.bastion.row().state, "interrupted");
}

#[test]
fn an_exec_whose_recording_fails_is_ended_and_told_why() {
    let world = World::new();
    let mut terminal = world.alice().terminal("echo up; exec cat");
    terminal.expect("up\n");
    std::fs::remove_dir_all(directory(&world)).unwrap();
    terminal.expect("opspilot: the recording of this terminal cannot be written any longer");
    assert_eq!(terminal.finish(), 255);
    assert_eq!(recording(&world, "failed").went_on, Some(false));
    assert_eq!(world.bastion.row().state, "interrupted");
}

#[test]
fn a_terminal_whose_recording_fails_goes_on_where_that_is_preferred() {
    let world = world("recordings_on_failure = \"continue\"\n");
    let mut terminal = world.shell();
    std::fs::remove_dir_all(directory(&world)).unwrap();
    assert_eq!(recording(&world, "failed").went_on, Some(true));
    assert!(terminal.run("echo on").ends_with("on\n"));
    terminal.line("exit 4");
    assert_eq!(terminal.finish(), 4);
}

/// A terminal that has shown more than its recording may hold, as a world with `store` has it.
fn outgrown(store: &str) -> (World, Terminal) {
    let world = world(&format!("recordings_max_bytes = 20_000\n{store}"));
    let mut terminal = world.shell();
    terminal.line("head -c 300000 /dev/urandom | base64; echo at the ''end");
    (world, terminal)
}

#[test]
fn a_terminal_whose_recording_outgrows_its_limit_is_ended_and_told_why() {
    let (world, mut terminal) = outgrown("");
    terminal.expect("opspilot: the recording of this terminal cannot be written any longer");
    assert_eq!(terminal.finish(), 255);

    let row = recording(&world, "failed");
    let reason = "it has outgrown store.recordings_max_bytes";
    assert_eq!((row.went_on, row.state_reason.as_deref()), (Some(false), Some(reason)));
    let file = directory(&world).join(&row.path).metadata().unwrap();
    assert_eq!(row.bytes, i64::try_from(file.len()).ok());
    assert!((20_000..200_000).contains(&file.len()), "{} bytes", file.len());
    let (text, said) = replay(&world, &[&row.session_id]);
    assert!(text.contains("head -c 300000"), "{text}");
    assert!(said.contains(reason), "{said}");
}

#[test]
fn a_terminal_whose_recording_outgrows_its_limit_goes_on_where_that_is_preferred() {
    let (world, mut terminal) = outgrown("recordings_on_failure = \"continue\"\n");
    terminal.expect("at the end\n");
    assert_eq!(recording(&world, "failed").went_on, Some(true));
    terminal.expect(READY);
    terminal.line("exit 4");
    assert_eq!(terminal.finish(), 4);
}

#[test]
fn a_crash_leaves_a_recording_that_plays_and_is_marked_as_cut() {
    let mut world = World::new();
    let mut terminal = world.shell();
    terminal.run("echo be''fore");
    let row = recording(&world, "open");
    // Also: a recording is read while it is being written.
    eventually("what was shown to be in the file", || {
        let (text, said) = replay(&world, &[&row.session_id]);
        assert!(said.contains("so far"), "{said}");
        text.contains("before").then_some(())
    });
    world.bastion.crash();
    world.bastion.restart();

    let row = recording(&world, "cut");
    let (text, said) = replay(&world, &[&row.session_id]);
    assert!(text.contains("before"), "{text}");
    assert!(
        said.contains("the recording is cut here: the bastion stopped"),
        "{said}"
    );
}

#[test]
fn a_drained_daemon_leaves_no_recording_open() {
    let mut world = World::with(|config| "drain_timeout = \"1s\"".clone_into(&mut config.server));
    let mut terminal = world.shell();
    terminal.run("echo be''fore");
    assert_eq!(world.bastion.stop(), 0);
    let row = recording(&world, "complete");
    let (text, said) = replay(&world, &[&row.session_id]);
    assert!(text.contains("before") && said.is_empty(), "{text}\n{said}");
}

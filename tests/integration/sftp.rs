//! SFTP: real clients through the bastion to a real server, and what is on record of it.

use std::io::Write as _;
use std::process::{Child, Stdio};

use crate::harness::{Config, Row, Stream, World};

/// Every way to move files is for everybody; `rules` are the policy's own about files.
fn files(rules: &str) -> impl FnOnce(&mut Config) {
    move |config| config.move_files("files", r#""exec", "sftp", "scp", "rsync", "git""#, rules)
}

/// How a program ended, and what it said.
#[derive(Debug)]
struct Batch {
    code: Option<i32>,
    said: String,
}

/// Starts `sftp` with these commands, of which one that begins with `-` may fail.
fn start(world: &World, commands: &str) -> Child {
    start_with(world, &[], commands)
}

fn start_with(world: &World, options: &[&str], commands: &str) -> Child {
    let ssh = world.alice();
    let mut child = ssh
        .program("sftp")
        .args(options)
        .args(["-b", "-", &ssh.place("")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(commands.as_bytes()).unwrap();
    child
}

/// Runs the commands in `sftp`, to its end.
fn sftp(world: &World, commands: &str) -> Batch {
    finish(start(world, commands))
}

fn finish(child: Child) -> Batch {
    let output = child.wait_with_output().unwrap();
    Batch {
        code: output.status.code(),
        said: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A rule of a policy about what is below a directory in the target's home, whose path is only known to the test.
fn with_rule(rule: &str) -> World {
    let target = crate::harness::Sshd::start();
    let rule = rule.replace("HOME", &target.home().display().to_string());
    World::on(target, files(&rule))
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::digest(bytes);
    digest
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// Bytes without a pattern that compresses or repeats at the lengths of packets.
fn noise(length: u32) -> Vec<u8> {
    (0..length)
        .map(|at| (at.wrapping_mul(0x9e37_79b1) >> 24) as u8)
        .collect()
}

fn row<'a>(rows: &'a [Row], command: &str) -> &'a Row {
    let mut found = rows.iter().filter(|row| row.command == command);
    let first = found.next();
    assert!(found.next().is_none(), "{command} is there twice: {rows:#?}");
    first.unwrap_or_else(|| panic!("no row {command}: {rows:#?}"))
}

#[test]
fn files_go_both_ways_unchanged_and_are_on_record() {
    let world = World::with(files(""));
    let bytes = noise(5_000_003);
    let (from, to, back) = (world.trace("from"), world.trace("to"), world.trace("back"));
    std::fs::write(&from, &bytes).unwrap();
    let batch = sftp(
        &world,
        &format!(
            "put {} {}\nget {} {}\n",
            from.display(),
            to.display(),
            to.display(),
            back.display()
        ),
    );
    assert_eq!(batch.code, Some(0), "{batch:?}");
    assert!(std::fs::read(&to).unwrap() == bytes && std::fs::read(&back).unwrap() == bytes);

    let rows = world.bastion.rows(3);
    let whole = row(&rows, "subsystem sftp");
    assert_eq!((whole.channel.as_str(), whole.exit_code), ("sftp", Some(0)));
    assert!(whole.input_length.unwrap() > 5_000_003 && whole.stdout_length.unwrap() > 5_000_003);
    let written = row(&rows, &format!("write {}", to.display()));
    assert_eq!(written.parent_id, Some(whole.id));
    assert_eq!((written.input_length, written.exit_code), (Some(5_000_003), Some(0)));
    assert_eq!(written.input_sha256.as_deref(), Some(sha256(&bytes).as_str()));
    let read = row(&rows, &format!("read {}", to.display()));
    assert_eq!((read.stdout_length, read.input_length), (Some(5_000_003), None));
    assert_eq!(read.context_missing.as_deref(), Some("taken for commands only"));
}

#[test]
fn every_change_is_a_row_that_ends_as_the_target_says() {
    let world = World::with(files(""));
    let home = world.target.home().display().to_string();
    std::fs::write(world.trace("old"), "x").unwrap();
    let commands = "mkdir HOME/d
chmod 600 HOME/old
rename HOME/old HOME/new
ln -s HOME/new HOME/soft
ln HOME/new HOME/hard
rm HOME/hard
-rm HOME/none
-rmdir HOME/none
rmdir HOME/d
ls HOME
stat HOME/new
";
    // A client that lacks a command of these would end with another code.
    let commands = commands.replace("stat HOME/new\n", "").replace("HOME", &home);
    let batch = sftp(&world, &commands);
    assert_eq!(batch.code, Some(0), "{batch:?}");
    assert!(world.trace("soft").is_symlink() && !world.trace("hard").exists());

    let rows = world.bastion.rows(10);
    let expected = [
        ("subsystem sftp", 0),
        ("mkdir HOME/d", 0),
        ("setstat HOME/old", 0),
        ("rename HOME/old HOME/new", 0),
        ("link HOME/new HOME/soft", 0),
        ("link HOME/new HOME/hard", 0),
        ("remove HOME/hard", 0),
        ("remove HOME/none", 2),
        ("rmdir HOME/none", 2),
        ("rmdir HOME/d", 0),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(command, code)| (command.replace("HOME", &home), Some(*code), Some(*code == 0)))
        .collect();
    let found: Vec<_> = rows
        .iter()
        .map(|row| (row.command.clone(), row.exit_code, row.execution_success))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn what_a_rule_denies_never_reaches_the_target_by_whatever_path() {
    let rule = "{ ops = [\"write\", \"remove\"], paths = [\"HOME/secret/**\"], action = \"deny\" }";
    let world = with_rule(rule);
    let home = world.target.home().display().to_string();
    std::fs::create_dir_all(world.trace("secret/deep")).unwrap();
    std::fs::create_dir(world.trace("open")).unwrap();
    std::fs::write(world.trace("secret/key"), "secret").unwrap();
    std::fs::write(world.trace("bait"), "bait").unwrap();
    std::os::unix::fs::symlink(world.trace("secret"), world.trace("way")).unwrap();
    std::os::unix::fs::symlink(world.trace("secret/key"), world.trace("open/link")).unwrap();
    // More links than the server follows for `REALPATH`, and fewer than the kernel does.
    std::os::unix::fs::symlink(world.trace("secret/key"), world.trace("chain0")).unwrap();
    for at in 1..30 {
        let before = world.trace(&format!("chain{}", at - 1));
        std::os::unix::fs::symlink(before, world.trace(&format!("chain{at}"))).unwrap();
    }
    let processes = "/proc/self/root".repeat(17);
    let commands = "-put HOME/bait HOME/secret/key
-put HOME/bait HOME/secret/new
-put HOME/bait HOME/open/../secret//deep/../key
-put HOME/bait HOME/way/key
-put HOME/bait HOME/open/link
-put HOME/bait HOME/chain29
-put HOME/bait PROCESSESHOME/secret/key
-rm HOME/secret/key
-rm HOME/way/key
-rename HOME/secret/key HOME/open/key
-rename HOME/bait HOME/secret/bait
-rename HOME/secret HOME/elsewhere
-ln HOME/secret/key HOME/open/hard
-ln -s /tmp HOME/secret/soft
get HOME/secret/key HOME/got
put HOME/bait HOME/open/fine
rename HOME/open HOME/opened
";
    let batch = sftp(
        &world,
        &commands.replace("PROCESSES", &processes).replace("HOME", &home),
    );
    assert_eq!(batch.code, Some(0), "{batch:?}");
    assert_eq!(
        batch.said.matches("opspilot: denied by policy `files`").count(),
        1,
        "{batch:?}"
    );
    assert_eq!(std::fs::read(world.trace("secret/key")).unwrap(), b"secret");
    assert_eq!(std::fs::read_dir(world.trace("secret")).unwrap().count(), 2);
    assert_eq!(std::fs::read(world.trace("opened/fine")).unwrap(), b"bait");
    assert!(!world.trace("opened/hard").exists());

    let rows = world.bastion.rows(18);
    let denied = rows.iter().filter(|row| row.state == "denied").count();
    assert_eq!(denied, 14, "{rows:#?}");
}

#[test]
fn the_server_by_its_own_name_is_read_like_the_subsystem() {
    let places = [
        "/usr/lib/openssh",
        "/usr/libexec/openssh",
        "/usr/lib/ssh",
        "/usr/libexec",
    ];
    let servers = places.map(|place| format!("{place}/sftp-server"));
    let server = servers.iter().find(|server| std::fs::exists(server).unwrap());
    let server = server.expect("there is no sftp-server here");
    let world = with_rule("{ ops = [\"write\"], paths = [\"HOME/secret/**\"], action = \"deny\" }");
    let home = world.target.home().display().to_string();
    std::fs::create_dir(world.trace("secret")).unwrap();
    std::fs::write(world.trace("bait"), "bait").unwrap();
    let commands = "-put HOME/bait HOME/secret/key\nput HOME/bait HOME/fine\n".replace("HOME", &home);
    let output = finish(start_with(&world, &["-s", server], &commands));
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(!world.trace("secret/key").exists());
    assert_eq!(std::fs::read(world.trace("fine")).unwrap(), b"bait");

    let rows = world.bastion.rows(3);
    let whole = row(&rows, &format!("exec {server}"));
    assert_eq!((whole.channel.as_str(), whole.exit_code), ("sftp", Some(0)));
    assert_eq!(row(&rows, &format!("write {home}/secret/key")).state, "denied");
    assert_eq!(row(&rows, &format!("write {home}/fine")).parent_id, Some(whole.id));
}

#[test]
fn a_question_is_put_once_for_a_tree_and_answered_at_the_console() {
    let rule = "{ ops = [\"write\"], paths = [\"HOME/asked/**\"], action = \"confirm\" }";
    let world = with_rule(rule);
    let home = world.target.home().display().to_string();
    std::fs::create_dir(world.trace("asked")).unwrap();
    std::fs::write(world.trace("from"), "text").unwrap();
    let commands = "put HOME/from HOME/asked/1\nput HOME/from HOME/asked/2\nput HOME/from HOME/other\n";
    let mut client = start(&world, &commands.replace("HOME", &home));
    let mut said = Stream::gather(client.stderr.take().unwrap());
    said.expect(" confirm ");
    let code = said.expect("\n");
    assert!(!world.trace("asked/1").exists());
    assert_eq!(world.confirm("alice", &code).code, 0);
    assert!(client.wait().unwrap().success());
    for name in ["asked/1", "asked/2", "other"] {
        assert_eq!(std::fs::read(world.trace(name)).unwrap(), b"text", "{name}");
    }

    let rows = world.bastion.rows(4);
    let asked: Vec<_> = rows
        .iter()
        .map(|row| (row.decision.as_str(), row.user_confirmed))
        .collect();
    let expected = [
        ("allow", None),
        ("confirm", Some(true)),
        ("confirm", None),
        ("allow", None),
    ];
    assert_eq!(asked, expected, "{rows:#?}");
    assert_eq!(rows[1].answer_channel.as_deref(), Some("console"));
}

#[test]
fn nobody_is_asked_again_about_a_tree_after_no_answer() {
    let target = crate::harness::Sshd::start();
    let home = target.home().display().to_string();
    let rule = "{ ops = [\"write\"], paths = [\"HOME/asked/**\"], action = \"confirm\" }".replace("HOME", &home);
    let world = World::on(target, |config| {
        files(&rule)(config);
        config.confirm_timeout = "1s".to_owned();
    });
    std::fs::create_dir(world.trace("asked")).unwrap();
    std::fs::write(world.trace("from"), "text").unwrap();
    let commands = "-put HOME/from HOME/asked/1\n-put HOME/from HOME/asked/2\n";
    let batch = sftp(&world, &commands.replace("HOME", &home));
    assert_eq!(batch.said.matches("confirm ").count(), 1, "{batch:?}");
    assert_eq!(std::fs::read_dir(world.trace("asked")).unwrap().count(), 0);

    let rows = world.bastion.rows(3);
    let states: Vec<_> = rows.iter().map(|row| row.state.as_str()).collect();
    assert_eq!(states, ["finished", "expired", "denied"], "{rows:#?}");
}

#[test]
fn a_warning_is_a_line_and_a_row() {
    let world = with_rule("{ ops = [\"read\"], paths = [\"/etc/**\"], action = \"warn\" }");
    let home = world.target.home().display().to_string();
    let batch = sftp(&world, &format!("get /etc/passwd {home}/got\n"));
    assert_eq!(batch.code, Some(0), "{batch:?}");
    assert_eq!(batch.said.matches("opspilot:").count(), 1, "{batch:?}");
    assert_eq!(world.bastion.rows(2)[1].decision, "warn");
}

#[test]
fn a_thousand_small_files_are_a_thousand_rows() {
    let world = World::with(files(""));
    let (from, to) = (world.trace("from"), world.trace("to"));
    std::fs::create_dir(&from).unwrap();
    for number in 0..1000 {
        std::fs::write(from.join(number.to_string()), number.to_string()).unwrap();
    }
    let batch = sftp(
        &world,
        &format!("mkdir {0}\nput {1}/* {0}/\n", to.display(), from.display()),
    );
    assert_eq!(batch.code, Some(0), "{batch:?}");
    for number in 0..1000 {
        let written = std::fs::read_to_string(to.join(number.to_string())).unwrap();
        assert_eq!(written, number.to_string());
    }
    let rows = world.bastion.rows(1002);
    let nineth = row(&rows, &format!("write {}/9", to.display()));
    assert_eq!(nineth.input_sha256.as_deref(), Some(sha256(b"9").as_str()));
}

#[test]
fn a_policy_without_sftp_lets_none_of_it_through() {
    let world = World::with(|config| {
        files("")(config);
        config.policies = config.policies.replace("\"sftp\", ", "");
    });
    let output = world.alice().arg("-s").run("sftp");
    output.assert_refused();
    assert_eq!(
        (world.bastion.row().state.as_str(), world.target.sessions()),
        ("denied", 0)
    );
}

/// A packet of a type, with what follows.
fn packet(kind: u8, rest: &[&[u8]]) -> Vec<u8> {
    let rest = rest.concat();
    let length = u32::try_from(rest.len() + 1).unwrap().to_be_bytes();
    [length.as_slice(), &[kind], &rest].concat()
}

fn string(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap().to_be_bytes();
    [length.as_slice(), text.as_bytes()].concat()
}

fn init() -> Vec<u8> {
    packet(1, &[&3_u32.to_be_bytes()])
}

fn open(id: u32, path: &str, flags: u32) -> Vec<u8> {
    packet(3, &[&id.to_be_bytes(), &string(path), &flags.to_be_bytes(), &[0; 4]])
}

/// The types of the packets in a stream.
fn kinds(mut stream: &[u8]) -> Vec<u8> {
    let mut kinds = Vec::new();
    while let Some((length, rest)) = stream.split_first_chunk() {
        let length = u32::from_be_bytes(*length) as usize;
        kinds.push(rest[0]);
        stream = rest.get(length..).unwrap_or_default();
    }
    kinds
}

#[test]
fn what_is_not_sftp_ends_the_channel_with_a_word_about_it() {
    let world = World::with(files(""));
    for bytes in [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        open(1, "/etc/passwd", 1),
        [init(), init()].concat(),
        [init(), vec![0xff; 4]].concat(),
        [init(), vec![0, 0, 0, 0, 0]].concat(),
        [init(), packet(13, &[&1_u32.to_be_bytes(), &[0xff; 4]])].concat(),
        [init(), open(1, "/etc/passwd", 1), open(1, "/etc/passwd", 1)].concat(),
    ] {
        let output = world.alice().arg("-s").stdin(bytes.clone()).run("sftp");
        assert_eq!(output.code, 255, "{bytes:?}: {output:?}");
        assert!(output.stderr.starts_with("opspilot: the client "), "{output:?}");
    }
    let rows = world
        .bastion
        .rows_when("all ends", |rows| rows.iter().all(Row::is_final));
    let whole: Vec<_> = rows.iter().filter(|row| row.command == "subsystem sftp").collect();
    assert!(
        whole.len() == 7 && whole.iter().all(|row| row.state == "interrupted"),
        "{rows:#?}"
    );
}

#[test]
fn a_client_that_opens_without_end_is_answered_and_bounded() {
    const OPENS: u32 = 100_000;
    let world = World::with(files(""));
    let mut stream = init();
    for id in 0..OPENS {
        stream.extend(open(id, "/dev/null", 1));
    }
    let output = world.alice().arg("-s").stdin(stream).run("sftp");
    let kinds = kinds(&output.stdout);
    let count = |kind| kinds.iter().copied().filter(|found| *found == kind).count();
    // A server that hears the end of its input does not send what it has not sent.
    let from_bastion = OPENS as usize - 1024;
    assert!(count(101) >= from_bastion, "{} answers: {}", count(101), output.stderr);
    assert!((1..=1024).contains(&count(102)), "{} handles", count(102));
    assert_eq!(output.code, 0, "{}", output.stderr);
}

#[test]
fn a_target_that_drops_leaves_what_is_known() {
    let world = World::with(files(""));
    let file = world.trace("file");
    let mut client = world.alice().arg("-s").start("sftp");
    client.send(&init());
    client.send(&open(1, &file.display().to_string(), 2 | 8));
    let rows = world.bastion.rows_when("the file's row", |rows| rows.len() == 2);
    assert_eq!(rows[1].state, "running");
    crate::harness::eventually("the file", || file.exists().then_some(()));
    world.target.end_sessions();
    let output = client.finish();
    assert_eq!(output.code, 255, "{output:?}");
    assert!(output.stderr.contains("opspilot:"), "{output:?}");
    let rows = world.bastion.rows(2);
    assert!(rows.iter().all(|row| row.state == "interrupted"), "{rows:#?}");
}

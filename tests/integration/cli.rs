//! The command line: set-up, scoring, and reading the record.

use std::io::Write as _;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::harness::{Config, Key, READY, RISKY, Ssh, Sshd, World, free_port, opspilot, serve};

#[track_caller]
fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Runs `opspilot score` with `arguments` on `input`; gives the JSON lines.
#[track_caller]
fn score(arguments: &[&str], input: &str) -> Vec<Value> {
    let root = env!("CARGO_MANIFEST_DIR");
    let mut command = opspilot(&["score", "--json"]);
    command
        .args(arguments)
        .current_dir(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    stdout(&child.wait_with_output().unwrap())
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect()
}

#[test]
fn check_accepts_what_serve_accepts() {
    let world = World::new();
    stdout(&world.bastion.opspilot(&["check"]));
}

#[test]
fn score_answers_each_line_of_json_with_one() {
    let input = "{\"cmd\": \"ls -l\"}\n{\"cmd\": \"rm -rf /etc/x\", \"more\": 1}\n{\"cmd\": \"echo 'a\\nb'\"}\n";
    let answers = score(&[], input);
    let commands: Vec<_> = answers.iter().map(|answer| answer["cmd"].as_str().unwrap()).collect();
    assert_eq!(commands, ["ls -l", "rm -rf /etc/x", "echo 'a\nb'"]);
    assert_eq!(answers[0]["level"], "low");
    for answer in &answers {
        for key in [
            "level",
            "score",
            "reasons",
            "rule_level",
            "ml_level",
            "ml_confidence",
            "understood",
            "redacted",
        ] {
            assert!(answer.get(key).is_some(), "{key} is not in {answer}");
        }
        assert!((0.0..=1.0).contains(&answer["score"].as_f64().unwrap()), "{answer}");
        assert_eq!(answer["understood"], true, "{answer}");
    }
    let risky = &answers[1];
    assert!(
        ["high", "critical"].contains(&risky["level"].as_str().unwrap()),
        "{risky}"
    );
    assert!(
        risky["reasons"].as_array().is_some_and(|reasons| !reasons.is_empty()),
        "{risky}"
    );
}

#[test]
fn score_takes_plain_lines_and_an_argument_too() {
    let lines = score(&[], "ls -l\nrm -rf /etc/x\n");
    assert_eq!(
        lines.iter().map(|line| line["cmd"].clone()).collect::<Vec<_>>(),
        ["ls -l", "rm -rf /etc/x"]
    );
    let one = score(&["rm -rf /etc/x"], "");
    assert_eq!(one, lines[1..]);
}

#[test]
fn score_by_rules_only_has_no_forest() {
    let answer = score(&["--rules-only", "ls"], "").remove(0);
    assert_eq!(
        (&answer["ml_level"], &answer["ml_confidence"]),
        (&Value::Null, &Value::Null)
    );
}

/// The rows that `opspilot log --json` gives, be they lines or one array.
fn log(world: &World, arguments: &[&str]) -> Vec<Value> {
    let text = stdout(&world.bastion.opspilot(&[&["log", "--json"], arguments].concat()));
    serde_json::from_str(&text)
        .unwrap_or_else(|_| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[test]
fn log_and_show_agree_with_the_record() {
    let world = World::new();
    assert_eq!(world.alice().run("echo one").code, 0);
    assert_eq!(world.bastion.ssh("bob@web-1").run("exit 3").code, 3);
    let rows = world.bastion.rows(2);

    let listed = log(&world, &[]);
    let ids: Vec<_> = listed.iter().map(|entry| entry["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, [rows[1].id, rows[0].id], "newest first");
    for (entry, row) in listed.iter().rev().zip(&rows) {
        let shown = stdout(&world.bastion.opspilot(&["show", "--json", &row.id.to_string()]));
        let shown: Value = serde_json::from_str(&shown).unwrap();
        for one in [entry, &shown] {
            assert_eq!(one["command"], row.command.as_str(), "{one}");
            assert_eq!(one["uid"], row.uid.as_str(), "{one}");
            assert_eq!(one["state"], row.state.as_str(), "{one}");
            assert_eq!(one["exit_code"], row.exit_code.unwrap(), "{one}");
            assert_eq!(one["user_confirmed"], Value::Null, "{one}");
        }
    }
}

#[test]
fn log_narrows_down() {
    let world = World::new();
    assert_eq!(world.alice().run("echo one").code, 0);
    assert_eq!(world.bastion.ssh("bob@web-1").run("echo two").code, 0);
    world.bastion.rows(2);
    let commands = |arguments: &[&str]| -> Vec<String> {
        log(&world, arguments)
            .iter()
            .map(|entry| entry["command"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(commands(&["--user", "alice"]), ["echo one"]);
    assert_eq!(commands(&["--limit", "1"]), ["echo two"]);
    assert_eq!(commands(&["one"]), ["echo one"]);
    assert_eq!(commands(&["--level", "critical"]), Vec::<String>::new());
}

#[test]
fn show_of_what_is_not_there_is_an_error() {
    let world = World::new();
    let output = world.bastion.opspilot(&["show", "999"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("999"), "{output:?}");
}

#[test]
fn the_tables_for_people_hold_no_escape_sequences_of_a_commands() {
    let world = World::with(Config::allow_everything);
    world.alice().run("echo '\u{1b}]0;owned\u{7}'");
    let id = world.bastion.row().id.to_string();
    for arguments in [&["log"][..], &["show", &id]] {
        let text = stdout(&world.bastion.opspilot(arguments));
        assert!(!text.contains("\u{1b}]0;owned"), "{text:?}");
    }
}

/// The lines for `known_hosts` in what `client-config` prints.
fn known_hosts(client_config: &str) -> String {
    client_config
        .lines()
        .map(str::trim)
        .filter(|line| line.contains(" ssh-ed25519 ") && !line.starts_with('#'))
        .fold(String::new(), |lines, line| lines + line + "\n")
}

#[test]
fn the_known_hosts_line_of_client_config_is_the_bastions() {
    let world = World::new();
    let lines = known_hosts(&stdout(&world.bastion.opspilot(&["client-config"])));
    let file = world.bastion.dir().join("from_client_config");
    std::fs::write(&file, lines).unwrap();
    let key = world.bastion.dir().join("alice");
    let output = Ssh::new("alice@web-1", world.bastion.config.port, &key, &file).run("echo trusted");
    assert_eq!(output.text(), "trusted\n", "{output:?}");
}

/// Runs `opspilot init` on `dir`, for carol and the target `web-9`, without a terminal.
fn init(dir: &Path, carol: &Key, target: &Sshd, port: u16) -> Output {
    opspilot(&[
        "init",
        "--user",
        "carol",
        "--target",
        "web-9",
        "--public-name",
        "127.0.0.1",
    ])
    .args(["--key", &carol.public])
    .args(["--address", &format!("127.0.0.1:{}", target.port)])
    .args(["--login", &target.login])
    .args(["--host-key", &target.host_key.public])
    .args(["--listen", &format!("127.0.0.1:{port}")])
    .arg(dir)
    .stdin(Stdio::null())
    .output()
    .unwrap()
}

#[test]
fn init_writes_what_serve_takes_and_the_first_risky_command_asks() {
    let target = Sshd::start();
    let scratch = tempfile::tempdir().unwrap();
    let (dir, trusted) = (scratch.path().join("bastion"), scratch.path().join("known_hosts"));
    let file = dir.join("opspilot.toml");
    let carol = Key::generate(scratch.path(), "carol");
    let port = free_port();
    stdout(&init(&dir, &carol, &target, port));
    stdout(&opspilot(&["check", "-c"]).arg(&file).output().unwrap());
    target.authorize(&Key::read(dir.join("keys/target")));
    let client_config = stdout(&opspilot(&["client-config", "-c"]).arg(&file).output().unwrap());
    std::fs::write(&trusted, known_hosts(&client_config)).unwrap();

    let _daemon = serve(&dir, port, "");
    let ssh = || Ssh::new("carol@web-9", port, &carol.path, &trusted);
    let mut exec = ssh().start(RISKY);
    exec.code();
    exec.vanish();
    let mut shell = ssh().terminal("");
    shell.expect(READY);
    shell.line(RISKY);
    shell.answer("n");
    shell.expect(READY);
}

#[test]
fn init_asks_for_nothing_that_it_cannot_be_told() {
    let scratch = tempfile::tempdir().unwrap();
    let output = opspilot(&["init"])
        .arg(scratch.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("--user"), "{output:?}");
    assert_eq!(
        std::fs::read_dir(scratch.path()).unwrap().count(),
        0,
        "nothing was written"
    );
}

#[test]
fn init_never_overwrites() {
    let target = Sshd::start();
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("bastion");
    let carol = Key::generate(scratch.path(), "carol");
    stdout(&init(&dir, &carol, &target, free_port()));
    let file = dir.join("opspilot.toml");
    std::fs::write(&file, "# mine\n").unwrap();
    assert_eq!(init(&dir, &carol, &target, free_port()).status.code(), Some(1));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "# mine\n");
}

//! `opspilot demo`: the whole way of a command, on one machine and with nothing to prepare.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn opspilot(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_opspilot"));
    command.args(arguments).env_remove("OPSPILOT_LOG").stdin(Stdio::null());
    command
}

fn script(arguments: &[&str], temp: &Path) -> Output {
    let output = opspilot(&["demo", "--script"])
        .args(arguments)
        .env("TMPDIR", temp)
        .output()
        .unwrap();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn entries(directory: &Path) -> usize {
    fs::read_dir(directory).unwrap().count()
}

#[test]
fn the_script_prints_its_rows_and_leaves_nothing_behind_however_often_it_runs() {
    let temp = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let printed = text(&script(&[], temp.path()).stdout);
        let rows: Vec<&str> = printed
            .lines()
            .filter(|line| line.starts_with(|first: char| first.is_ascii_digit()))
            .collect();
        assert_eq!(rows.len(), 7, "{printed}");
        assert!(rows[0].ends_with("PGPASSWORD=[redacted] ls releases"), "{printed}");
        assert!(!rows.concat().contains("hunter2"), "{printed}");
        assert_eq!(entries(temp.path()), 0);
    }
}

#[test]
fn a_directory_of_the_users_choice_keeps_everything_and_is_private() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("demo");
    let (config, path) = (dir.join("opspilot.toml"), dir.to_str().unwrap().to_owned());
    script(&["--dir", &path], temp.path());
    assert_eq!(dir.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(
        dir.join("keys/demo").metadata().unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(
        dir.join("home/customers.csv").exists(),
        "the refused line had no effect"
    );

    let log = opspilot(&["log", "--json", "-c", config.to_str().unwrap()])
        .output()
        .unwrap();
    let rows: serde_json::Value = serde_json::from_slice(&log.stdout).unwrap();
    assert_eq!(rows.as_array().map(Vec::len), Some(7), "{rows}");

    let again = opspilot(&["demo", "--script", "--dir", &path]).output().unwrap();
    assert!(!again.status.success(), "nothing there is overwritten");
    assert!(text(&again.stderr).contains("is not empty"), "{}", text(&again.stderr));
}

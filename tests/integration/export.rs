//! Exports: what sessions left in the record comes out, whole, harmless, and the same in both formats.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::harness::{Config, READY, RISKY, World, opspilot};

/// Reads both formats and compares them cell by cell; prints the number of rows.
const COMPARE: &str = r#"
import csv, json, sys, unicodedata

csv.field_size_limit(sys.maxsize)

def once(pairs):
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys)), keys
    return dict(pairs)

def acts(c):
    return unicodedata.category(c) == "Cc" or c == "\u202e"

def escaped(c):
    if c == "\r":
        return "\\r"
    return f"\\x{ord(c):02x}" if ord(c) < 0x100 else f"\\u{{{ord(c):x}}}"

def shown(text):
    text = "".join(escaped(c) if acts(c) and c not in "\n\t" else c for c in text)
    return "'" + text if text.startswith(("=", "+", "-", "@", "\t", "\n")) else text

def cell(value):
    return "" if value is None else shown(value) if isinstance(value, str) else None

lines_file, sheet_file = sys.argv[1:]
with open(lines_file, encoding="utf-8", newline="\n") as file:
    text = file.read()
assert not any(acts(c) for c in text if c != "\n")
lines = [json.loads(line, object_pairs_hook=once) for line in text.splitlines()]
with open(sheet_file, encoding="utf-8", newline="") as file:
    rows = list(csv.DictReader(file, strict=True))
assert len(lines) == len(rows), (len(lines), len(rows))
for line, row in zip(lines, rows):
    if "features_missing" in line:
        names = [name for name in row if name.startswith("features.")]
        features = line.pop("features") or dict.fromkeys(name.removeprefix("features.") for name in names)
        line |= {f"features.{name}": value for name, value in features.items()}
    assert list(row) == [key for key in sorted(line, key=list(row).index)], set(row) ^ set(line)
    for key, value in line.items():
        same = row[key] == cell(value) if cell(value) is not None else json.loads(row[key]) == value
        assert same, (key, value, row[key])
print(len(rows))
"#;

#[track_caller]
fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What `opspilot export` writes to standard output.
#[track_caller]
fn export(world: &World, arguments: &[&str]) -> String {
    stdout(&world.bastion.opspilot(&[&["export", "-o", "-"], arguments].concat()))
}

#[track_caller]
fn lines(world: &World, arguments: &[&str]) -> Vec<Value> {
    let text = export(world, &[&["--format", "json"], arguments].concat());
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The number of rows that Python reads, after it has found both formats to be the same.
#[track_caller]
fn compared(world: &World, arguments: &[&str]) -> String {
    let files = ["json", "csv"].map(|format| {
        let file = world.bastion.dir().join(format!("exported.{format}"));
        fs::write(&file, export(world, &[&["--format", format], arguments].concat())).unwrap();
        file
    });
    let output = Command::new("python3").args(["-c", COMPARE]).args(files).output();
    stdout(&output.expect("python3 is needed")).trim().to_owned()
}

/// The names of what is in a directory.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn rows_that_sessions_wrote_come_out_as_they_are() {
    let world = World::new();
    assert_eq!(world.alice().run("echo one").code, 0);
    assert_eq!(world.bastion.ssh("bob@web-1").run("exit 3").code, 3);
    let mut shell = world.shell();
    shell.line("echo two");
    shell.expect(READY);
    shell.line(RISKY);
    shell.answer("n");
    shell.expect(READY);
    drop(shell);
    let rows = world.bastion.rows_when("all ends", |rows| {
        rows.iter().any(|row| row.state == "refused") && rows.iter().all(crate::harness::Row::is_final)
    });

    let exported = lines(&world, &[]);
    assert_eq!(exported.len(), rows.len(), "oldest first: {exported:#?}");
    for (line, row) in exported.iter().zip(&rows) {
        assert_eq!(line["id"], row.id);
        assert_eq!(line["command"], row.command.as_str());
        assert_eq!(line["execution_success"], json!(row.execution_success));
        assert_eq!(line["user_confirmed"], json!(row.user_confirmed));
        assert_eq!(line["stderr_length"], json!(row.stderr_length));
        assert_eq!(line["host_info"], row.host_info);
        assert_eq!(line["reasons"], row.reasons);
        assert_eq!(Some(&line["features"]), row.features.as_ref());
    }
    let count = rows.len().to_string();
    assert_eq!(
        (compared(&world, &[]), compared(&world, &["--features"])),
        (count.clone(), count)
    );

    let bobs = lines(&world, &["--user", "bob", "--level", "low"]);
    assert_eq!(
        bobs.iter().map(|line| line["exit_code"].clone()).collect::<Vec<_>>(),
        [3]
    );
}

#[test]
fn features_have_the_names_that_score_gives_them() {
    let world = World::new();
    assert_eq!(world.alice().run("echo one").code, 0);
    world.bastion.row();
    let line = lines(&world, &["--features"]).remove(0);
    let root = env!("CARGO_MANIFEST_DIR");
    let card: Value = serde_json::from_slice(&fs::read(format!("{root}/models/risk.json")).unwrap()).unwrap();
    let names: Vec<&str> = card["features"]["names"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let features = line["features"].as_object().unwrap();
    assert_eq!(features.len(), names.len());
    assert_eq!(features["command_length"], 8.0);
    assert!(names.iter().all(|name| features[*name].is_number()), "{features:?}");
    assert_eq!(line["features_missing"], Value::Null);
}

#[test]
fn features_of_another_version_are_left_out_and_counted() {
    let mut world = World::new();
    for command in ["echo one", "echo two"] {
        assert_eq!(world.alice().run(command).code, 0);
    }
    world.bastion.rows(2);
    assert_eq!(world.bastion.stop(), 0);
    let database = Connection::open(world.bastion.database()).unwrap();
    let older = "UPDATE command_executions SET feature_digest = 'of an older list' WHERE id = 1";
    database.execute(older, []).unwrap();
    let output = world
        .bastion
        .opspilot(&["export", "-o", "-", "--format", "json", "--features"]);
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(
        message.contains("the features of 1 of 2 rows are left out"),
        "{message}"
    );
    assert_eq!(compared(&world, &["--features"]), "2");
    let lines = lines(&world, &["--features"]);
    assert!(lines[0]["features"].is_null() && lines[0]["features_missing"].is_string());
    assert!(lines[1]["features"].is_object() && lines[1]["features_missing"].is_null());
}

#[test]
fn hostile_commands_come_out_harmless() {
    let world = World::with(Config::allow_everything);
    let long = format!("true {}", "=\u{1b}x".repeat(30_000));
    let commands: [&[u8]; 6] = [
        b"echo '\x1b]0;owned\x07'",
        b"echo \xff\xfe",
        b"=1+1",
        b"@SUM(A1)",
        "echo \"a\", 'b' \u{202e}\necho c\r".as_bytes(),
        long.as_bytes(),
    ];
    for command in commands {
        world.alice().run(OsStr::from_bytes(command));
    }
    let rows = world.bastion.rows(commands.len());
    assert_eq!(compared(&world, &[]), "6");
    let exported = lines(&world, &[]);
    assert_eq!(exported[0]["command"], "echo '\u{1b}]0;owned\u{7}'");
    for (line, row) in exported.iter().zip(&rows) {
        assert_eq!(line["command"], row.command.as_str());
    }
    let sheet = export(&world, &["--format", "csv"]);
    assert!(sheet.contains(",'=1+1,") && sheet.contains(",'@SUM(A1),"), "{sheet}");
}

#[test]
fn hostile_text_in_other_columns_comes_out_harmless() {
    let mut world = World::new();
    assert_eq!(world.alice().run("echo one").code, 0);
    world.bastion.row();
    let rated = world.bastion.opspilot(&["feedback", "1", "--rating", "3"]);
    assert!(rated.status.success(), "{rated:?}");
    assert_eq!(world.bastion.stop(), 0);
    let database = Connection::open(world.bastion.database()).unwrap();
    database.pragma_update(None, "ignore_check_constraints", true).unwrap();
    let long = "+\u{1b}\0\r\n\"".repeat(200_000);
    for (column, text) in [
        ("login", "=1"),
        ("cwd", "\t=1"),
        ("cwd_after", "a\0b\u{1b}[2J"),
        ("pattern", "-1\r\n"),
        ("state_reason", "\u{202e}"),
        ("user_feedback", &long),
    ] {
        let sql = format!("UPDATE command_executions SET {column} = ?1");
        database.execute(&sql, [text]).unwrap();
    }
    let broken = "UPDATE command_executions SET policy = CAST(X'3DFFFE' AS TEXT)";
    database.execute(broken, []).unwrap();
    drop(database);
    assert_eq!(compared(&world, &[]), "1");
    let line = lines(&world, &[]).remove(0);
    assert_eq!(
        (&line["user_feedback"], &line["policy"]),
        (&long.into(), &"=\\xff\\xfe".into())
    );
}

#[test]
fn too_few_samples_have_an_exit_code_of_their_own() {
    let world = World::new();
    assert_eq!(world.alice().run("echo one").code, 0);
    let mut asked = world.alice().start(RISKY);
    asked.code();
    asked.vanish();
    world.bastion.rows(2);
    let file = world.bastion.dir().join("exported.json");
    let arguments = |wanted| {
        [
            "export",
            "--format",
            "json",
            "--min-samples",
            wanted,
            "-o",
            file.to_str().unwrap(),
        ]
    };
    let output = world.bastion.opspilot(&arguments("2"));
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(
        message.contains("1 have an outcome") && message.contains("asks for 2"),
        "{message}"
    );
    assert!(!file.exists());
    stdout(&world.bastion.opspilot(&arguments("1")));
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 2);
}

#[test]
fn a_file_is_its_owners_and_whole_or_not_there() {
    let world = World::new();
    for _ in 0..3 {
        assert_eq!(world.alice().run("echo one").code, 0);
    }
    world.bastion.rows(3);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("rows.json");
    let config = world.bastion.config_file();
    let arguments = [
        "export",
        "--features",
        "--format",
        "json",
        "-o",
        file.to_str().unwrap(),
        "-c",
    ];
    stdout(&opspilot(&arguments).arg(&config).output().unwrap());
    let whole = fs::read_to_string(&file).unwrap();
    assert_eq!(whole.lines().count(), 3);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    // As on a full disk: no file may grow beyond a few KiB.
    let full = Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\"",
            env!("CARGO_BIN_EXE_opspilot"),
        ])
        .args(arguments)
        .arg(&config)
        .output()
        .unwrap();
    assert_eq!(full.status.code(), Some(1), "{full:?}");
    assert!(
        String::from_utf8_lossy(&full.stderr).contains("cannot write"),
        "{full:?}"
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), whole);
    assert_eq!(names(directory.path()), ["rows.json"]);
}

#[test]
fn standard_output_may_be_closed_but_not_full() {
    let world = World::with(Config::allow_everything);
    assert_eq!(world.alice().run(format!("true {}", "x".repeat(100_000))).code, 0);
    world.bastion.row();
    let export = || {
        let mut command = opspilot(&["export", "--format", "json", "-o", "-", "-c"]);
        command.arg(world.bastion.config_file()).stderr(Stdio::piped());
        command
    };
    // More than a pipe holds, so that it meets a reader who has gone.
    let mut gone = export().stdout(Stdio::piped()).spawn().unwrap();
    drop(gone.stdout.take());
    let gone = gone.wait_with_output().unwrap();
    assert!(gone.status.success() && gone.stderr.is_empty(), "{gone:?}");

    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let full = export().stdout(full).output().unwrap();
    assert_eq!(full.status.code(), Some(1), "{full:?}");
    assert!(
        String::from_utf8_lossy(&full.stderr).contains("cannot write standard output"),
        "{full:?}"
    );
}

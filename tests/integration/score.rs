//! `opspilot score` on many lines: one at a time, none lost, and no more memory for more of them.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::process::{ChildStdin, Command, Stdio};

use crate::harness::{Child, Stream, Terminal, opspilot};

/// An `opspilot score --json` on the shipped rules and model that has not ended.
struct Scoring {
    stdin: Option<ChildStdin>,
    answers: Stream,
    told: Stream,
    id: u32,
    child: Child,
}

impl Scoring {
    fn start() -> Self {
        let mut child = opspilot(&["score", "--json"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            stdin: child.stdin.take(),
            answers: Stream::gather(child.stdout.take().unwrap()),
            told: Stream::gather(child.stderr.take().unwrap()),
            id: child.id(),
            child: child.into(),
        }
    }

    fn send(&mut self, text: &str) {
        self.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Ends the input: the answers, what was told on standard error, and the exit code.
    fn finish(mut self) -> (String, String, i32) {
        drop(self.stdin.take());
        let code = self.child.code();
        let text = |stream: &Stream| String::from_utf8(stream.to_end()).unwrap();
        (text(&self.answers), text(&self.told), code)
    }

    /// The most memory that it has had, in KiB.
    fn memory_peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }
}

#[test]
fn a_line_is_answered_before_the_next_is_there() {
    let mut scoring = Scoring::start();
    for command in ["ls -l", "rm -rf /etc"] {
        scoring.send(&format!("{command}\n"));
        scoring.answers.expect(&format!("{{\"cmd\":\"{command}\""));
        scoring.answers.expect("\n");
    }
    let (answers, told, code) = scoring.finish();
    assert_eq!((answers.lines().count(), told.as_str(), code), (2, "", 0));
}

#[test]
fn ten_thousand_lines_take_no_more_memory_than_a_thousand() {
    let mut scoring = Scoring::start();
    let lines = |numbers: std::ops::Range<u32>| {
        numbers.fold(String::new(), |mut text, number| {
            writeln!(
                text,
                "cp /srv/app/{number}.conf /srv/app/{number}.bak && ls -l /srv/app"
            )
            .unwrap();
            text
        })
    };
    scoring.send(&lines(0..1_000));
    scoring.answers.expect("/srv/app/999.conf");
    let early = scoring.memory_peak();
    scoring.send(&lines(1_000..10_000));
    scoring.answers.expect("/srv/app/9999.conf");
    let late = scoring.memory_peak();
    assert!(
        late <= early + 2 * 1024,
        "{early} KiB after 1,000 lines, {late} KiB after 10,000"
    );
    let (answers, told, code) = scoring.finish();
    assert_eq!((answers.lines().count(), told.as_str(), code), (10_000, "", 0));
}

#[test]
fn a_line_that_holds_no_command_is_named_and_costs_no_other_its_answer() {
    let mut scoring = Scoring::start();
    scoring.send("{\"cmd\": \"ls\"}\n{\"cmd\": 7}\n{\"cmd\": \"cut o\n");
    scoring.send(&"x".repeat(3 * 1024 * 1024));
    scoring.send("\n\n{\"cmd\": \"pwd\"}\n");
    let (answers, told, code) = scoring.finish();
    let found: Vec<serde_json::Value> = answers
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(found.iter().map(|one| &one["cmd"]).collect::<Vec<_>>(), ["ls", "pwd"]);
    assert_eq!(code, 1);
    for part in [
        "line 2: not a JSON",
        "line 3: not a JSON",
        "line 4: too long",
        "3 of 6 lines have no answer",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn each_part_of_an_assessment_is_shown() {
    let score = |arguments: &[&str]| {
        let mut command = opspilot(arguments);
        let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let answer: serde_json::Value = serde_json::from_str(&score(&["score", "--json", "rm -rf /etc"])).unwrap();
    let parts = format!(
        "rules: {}; model: {}, {:.2}",
        answer["rule_level"].as_str().unwrap(),
        answer["ml_level"].as_str().unwrap(),
        answer["ml_confidence"].as_f64().unwrap()
    );
    let text = score(&["score", "rm -rf /etc"]);
    assert!(text.contains(&parts), "{parts}: {text}");
    assert!(score(&["score", "--rules-only", "rm -rf /etc"]).contains("rules: critical; no model"));
}

#[test]
fn progress_is_shown_on_a_terminal_that_the_answers_do_not_go_to() {
    let dir = tempfile::tempdir().unwrap();
    let (input, answers) = (dir.path().join("in"), dir.path().join("out"));
    fs::write(&input, "ls\npwd\n").unwrap();
    let shown_by = |output: &str| {
        let line = format!(
            "cd '{}' && '{}' score < '{}' {output}; echo ended",
            env!("CARGO_MANIFEST_DIR"),
            env!("CARGO_BIN_EXE_opspilot"),
            input.display()
        );
        Terminal::start(Command::new("sh").args(["-c", &line])).expect("ended")
    };
    let shown = shown_by(&format!("> '{}'", answers.display()));
    assert!(shown.contains("1 lines") && !shown.contains("pwd"), "{shown:?}");
    assert!(fs::read_to_string(answers).unwrap().contains("pwd"));
    let shown = shown_by("");
    assert!(shown.contains("pwd") && !shown.contains("lines"), "{shown:?}");
}

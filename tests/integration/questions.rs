//! Who is asked, and how often: tools that run by themselves never, people at ordinary work seldom, attackers nearly always.
//!
//! The lines are in `tests/data`, scored by the program with the shipped rules and model, and taken by the shipped policy.

use std::fs;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::harness::opspilot;

/// Commands for each question that people may be asked.
const COMMANDS_PER_QUESTION: usize = 200;

/// Lists of commands, and the percentage of each that may be graver than medium.
const WRITTEN: &[(&str, RangeInclusive<usize>)] = &[
    ("attacks", 90..=100),
    ("destructive", 95..=100),
    ("hidden", 95..=100),
    ("everyday", 0..=1),
    ("near-misses", 0..=2),
];

/// What `mosh` sends; it opens a connection that the bastion is not part of.
const MOSH: &[&str] = &[
    "mosh-server",
    "mosh-server new -s -c 256 -l LANG=en_US.UTF-8",
    "MOSH_SERVER_NETWORK_TMOUT=600 mosh-server new -i 10.0.0.11 -p 60001",
    "/usr/local/bin/mosh-server new -s",
    "env LC_ALL=C.UTF-8 mosh-server new -c 8",
    "sh -c 'mosh-server new -s'",
    "sudo -u deploy mosh-server new",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The commands of a file below `tests/data`: its lines, `%0A` being a newline, without those that are blank or comments.
fn commands(file: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join("tests/data").join(file)).unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines.map(|line| line.replace("%0A", "\n")).collect()
}

fn sessions() -> Vec<String> {
    let entries = fs::read_dir(root().join("tests/data/sessions")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<String> = names.map(|name| format!("sessions/{name}")).collect();
    files.sort_unstable();
    files
}

/// The answers of `opspilot score` on the shipped configuration.
fn score(commands: &[String]) -> Vec<Value> {
    let input = commands
        .iter()
        .map(|command| json!({ "cmd": command }).to_string() + "\n");
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), input.collect::<String>()).unwrap();
    let output = opspilot(&["score", "--json", "-c", "config/opspilot.toml"])
        .current_dir(root())
        .stdin(file.reopen().unwrap())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), commands.len(), "one answer for each command");
    answers
}

/// The decisions of the shipped policy that are questions, by level.
fn asked_levels() -> Vec<String> {
    let text = fs::read_to_string(root().join("config/opspilot.toml")).unwrap();
    let config: toml::Table = text.parse().unwrap();
    let policy = config["policies"].as_array().unwrap().last().unwrap();
    let levels = ["low", "medium", "high", "critical"].into_iter();
    let asked = levels.filter(|level| policy[*level].as_str() == Some("confirm"));
    asked.map(str::to_owned).collect()
}

/// Those of the answers that the shipped policy makes a question of, a line each for whoever reads why a test failed.
fn questions(answers: &[Value]) -> Vec<String> {
    let levels = asked_levels();
    let is_asked = |answer: &&Value| levels.iter().any(|level| answer["level"] == level.as_str());
    answers.iter().filter(is_asked).map(line).collect()
}

fn line(answer: &Value) -> String {
    let reasons = answer["reasons"].as_array().unwrap().iter();
    let rules: Vec<String> = reasons
        .map(|reason| format!("{} {}", reason["level"], reason["rule"]))
        .collect();
    format!(
        "{} (rules: {}; model: {}, {}) {}: {}",
        answer["level"],
        answer["rule_level"],
        answer["ml_level"],
        answer["ml_confidence"],
        rules.join(", "),
        answer["cmd"]
    )
}

fn is_grave(answer: &Value) -> bool {
    answer["level"] == "high" || answer["level"] == "critical"
}

#[test]
fn what_tools_send_by_themselves_is_never_a_question() {
    let commands = commands("tools.txt");
    assert!(commands.len() >= 200, "{}", commands.len());
    let answers = score(&commands);
    let graver: Vec<String> = answers.iter().filter(|answer| is_grave(answer)).map(line).collect();
    assert!(graver.is_empty(), "\n{}", graver.join("\n"));
}

#[test]
fn a_mosh_server_is_critical_because_it_leaves_the_bastion() {
    let commands: Vec<String> = MOSH.iter().map(|command| (*command).to_owned()).collect();
    for answer in score(&commands) {
        assert_eq!(answer["level"], "critical", "{}", line(&answer));
    }
}

#[test]
fn in_ordinary_work_at_most_one_command_in_two_hundred_is_a_question() {
    let files = sessions();
    assert!(files.len() >= 20, "{}", files.len());
    let mut all = Vec::new();
    for file in &files {
        let commands = commands(file);
        assert!(commands.len() >= 60, "{file}: {} commands", commands.len());
        all.extend(commands);
    }
    let (total, asked) = (all.len(), questions(&score(&all)));
    assert!(total >= 1_200, "{total} commands");
    assert!(!asked.is_empty(), "sessions in which nothing is asked measure nothing");
    assert!(
        asked.len() * COMMANDS_PER_QUESTION <= total,
        "{} questions in {total} commands:\n{}",
        asked.len(),
        asked.join("\n")
    );
}

#[test]
fn what_is_grave_is_flagged_and_what_only_looks_so_is_not() {
    for (name, allowed) in WRITTEN {
        let answers = score(&commands(&format!("written/{name}.txt")));
        assert!(answers.len() >= 190, "{name}: {} commands", answers.len());
        let (grave, other): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| is_grave(answer));
        let share = 100 * grave.len();
        assert!(
            (allowed.start() * answers.len()..=allowed.end() * answers.len()).contains(&share),
            "{name}: {} of {} are flagged; flagged:\n{}\nnot flagged:\n{}",
            grave.len(),
            answers.len(),
            listed(&grave),
            listed(&other)
        );
    }
}

fn listed(answers: &[&Value]) -> String {
    answers.iter().map(|answer| line(answer) + "\n").collect()
}

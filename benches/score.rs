//! How long scoring takes: rules and forest are loaded once, and each command is parsed and assessed by itself.
//!
//! ```text
//! cargo bench --bench score                     # the examples of config/rules.toml
//! cargo bench --bench score -- FILE             # each line of FILE: a command, or an object with a "cmd" string
//! cargo bench --bench score -- - < FILE         # the same, from standard input
//! ```
//!
//! The same is measured twice: with the grammar in this process, as in `opspilot score`, and then through the processes that
//! the daemon has for it.
//!
//! Relative paths are taken from the root of the crate. Every command is scored once unmeasured, then once measured, on
//! one thread: parsing, features, rules, forest, redaction and pattern, as in the daemon and in `opspilot score`.
//! Printed are the time to load rules and model in milliseconds, and of the times for a command p50, p99 and the
//! longest in microseconds; then the milliseconds that each of some hostile lines takes, which should stay below 20.

use std::fs;
use std::hint::black_box;
use std::io::{self, Read as _, Write as _, stdin, stdout};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use opspilot::command;
use opspilot::config::{ModelBounds, Risk};
use opspilot::domain::Dialect;
use opspilot::helper::Helpers;
use opspilot::risk::{Assessor, Circumstances};
use serde::Deserialize;

const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/rules.toml");
const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/risk.onnx");

fn main() -> anyhow::Result<()> {
    // cargo adds `--bench` to the arguments of its own.
    let file = std::env::args().skip(1).find(|argument| argument != "--bench");
    let commands = commands(file.as_deref())?;
    ensure!(
        !commands.is_empty(),
        "there is no command to score; give a file with one a line"
    );
    let started = Instant::now();
    let assessor = Assessor::load(&Risk {
        rules: vec![RULES.into()],
        model: Some(MODEL.into()),
        installed: None,
        shadow_model: None,
        bounds: ModelBounds::default(),
    })?;
    let loading = started.elapsed();
    let mut output = stdout().lock();
    writeln!(output, "commands  {}", commands.len())?;
    writeln!(output, "load      {:.1} ms", loading.as_secs_f64() * 1e3)?;
    measure("in process", &assessor, &commands)?;
    let helpers = Helpers::start(Path::new(env!("CARGO_BIN_EXE_opspilot")))?;
    command::delegate_grammar(Box::new(helpers))?;
    measure("through a helper", &assessor, &commands)
}

fn measure(how: &str, assessor: &Assessor, commands: &[String]) -> anyhow::Result<()> {
    for command in commands {
        score(assessor, command);
    }
    let mut times: Vec<Duration> = commands.iter().map(|command| score(assessor, command)).collect();
    times.sort_unstable();
    report(how, &times).context("cannot write the figures")?;
    report_hostile(assessor).context("cannot write the figures")
}

fn score(assessor: &Assessor, command: &str) -> Duration {
    let started = Instant::now();
    let script = command::parse(black_box(command), Dialect::Bash);
    black_box(assessor.assess(&script, &Circumstances::default()));
    started.elapsed()
}

fn report(how: &str, sorted: &[Duration]) -> io::Result<()> {
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let mut output = stdout().lock();
    writeln!(output, "{how}")?;
    for (name, percent) in [("p50", 50), ("p99", 99), ("max", 100)] {
        writeln!(output, "{name}       {:.0} us", micros(percentile(sorted, percent)))?;
    }
    Ok(())
}

fn report_hostile(assessor: &Assessor) -> io::Result<()> {
    let mut output = stdout().lock();
    for (name, line) in hostile() {
        score(assessor, &line);
        let time = score(assessor, &line);
        writeln!(output, "{:7.1} ms  {name}", time.as_secs_f64() * 1e3)?;
    }
    Ok(())
}

/// Lines that are made to cost more than they look.
fn hostile() -> Vec<(&'static str, String)> {
    vec![
        ("64 KiB of commands", "rm x\n".repeat(13_000)),
        ("100,000 words", "x ".repeat(100_000)),
        ("10,000 nested $(", "$(".repeat(10_000)),
        (
            "10,000 nested $(, closed",
            format!("echo {}x{}", "$(".repeat(10_000), ")".repeat(10_000)),
        ),
        ("a pipe of 20,000 stages", vec!["a"; 20_000].join("|")),
        ("<<E$[ and two tabs", "<<E$[\t\t".to_owned()),
        ("26 parentheses", "(".repeat(26)),
        ("9,000 substitutions", "a $(b) ".repeat(9_000)),
        (
            "values that grow",
            format!("a=xxxxxxxx{}", "; a=$a$a$a$a".repeat(2_000)),
        ),
        (
            "1,500 patterns",
            format!("a={}; {}", "x".repeat(1_000), "echo ${a//*x*y/}; ".repeat(1_500)),
        ),
        (
            "2,000 calls",
            format!("f() {{ a $1; c=$2; }}; {}", "f x y; ".repeat(2_000)),
        ),
        ("1,900 loops", "for i in a b; do c=$c$i; done; ".repeat(1_900)),
        (
            "a tree of aliases",
            (0..500)
                .map(|n| format!("alias a{n}='a{0} a{0}'; ", n + 1))
                .chain(["a0".to_owned()])
                .collect(),
        ),
        ("1,500 here-documents", "sh <<E\nls $x\nE\n".repeat(1_500)),
        ("16,000 programs", numbered(16_000, |n| format!("{n:x};"))),
        ("6,000 assignments", numbered(6_000, |n| format!("a{n}=b;"))),
        ("30,000 words of docker", format!("docker {}", "x ".repeat(30_000))),
        (
            "2,500 secrets in SQL",
            format!("psql -c \"{}\"", "PASSWORD 'a b';".repeat(2_500)),
        ),
        (
            "2,500 secrets on standard input",
            "echo a | passwd --stdin x;".repeat(2_500),
        ),
        (
            "13,000 calls in one another",
            format!("python3 -c '{}'", "exec(".repeat(13_000)),
        ),
        (
            "3,000 calls in Python",
            format!("python3 -c '{}'", "system(a);a=\"x\";".repeat(3_000)),
        ),
    ]
}

/// So many texts in a row.
fn numbered(count: u32, text: impl Fn(u32) -> String) -> String {
    (0..count).map(text).collect()
}

/// The smallest time that at least `percent` of all do not exceed; zero of none.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

fn commands(file: Option<&str>) -> anyhow::Result<Vec<String>> {
    let Some(file) = file else { return examples() };
    let mut text = String::new();
    if file == "-" {
        stdin()
            .read_to_string(&mut text)
            .context("cannot read standard input")?;
    } else {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    }
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    Ok(lines.map(command_in).collect())
}

/// The command that a line is, or holds in JSON.
fn command_in(line: &str) -> String {
    #[derive(Deserialize)]
    struct Submission {
        cmd: String,
    }
    serde_json::from_str(line).map_or_else(|_| line.to_owned(), |submission: Submission| submission.cmd)
}

/// What the shipped rules say that they match, and what they do not.
fn examples() -> anyhow::Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Rules {
        rule: Vec<Rule>,
    }
    #[derive(Deserialize)]
    struct Rule {
        #[serde(default, rename = "match")]
        hits: Vec<String>,
        #[serde(default, rename = "no_match")]
        misses: Vec<String>,
    }
    let text = fs::read_to_string(RULES).with_context(|| format!("cannot read {RULES}"))?;
    let rules: Rules = toml::from_str(&text).with_context(|| format!("cannot read {RULES}"))?;
    Ok(rules
        .rule
        .into_iter()
        .flat_map(|rule| [rule.hits, rule.misses].concat())
        .collect())
}

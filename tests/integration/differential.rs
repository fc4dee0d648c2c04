//! What a real bash runs of random scripts, against what is seen of them: a program that runs without having been seen must be
//! one of a script that is known not to be understood.
//!
//! A longer run: `OPSPILOT_DIFFERENTIAL=20000 OPSPILOT_SEED=7 cargo test --release --test integration differential`.

mod scripts;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use opspilot::command::{self, Script};
use opspilot::config;
use opspilot::domain::{Dialect, Level};
use opspilot::risk::{Assessor, Circumstances};

use scripts::Scripts;

const RECORD: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/integration/differential/record.bash"
);
const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/rules.toml");

#[test]
fn every_program_that_bash_runs_is_seen_or_the_script_is_not_understood() {
    let setting = |name: &str, otherwise: u64| {
        let value = std::env::var(name).ok();
        value.map_or(otherwise, |value| value.parse().expect("a number"))
    };
    let mut generator = Scripts::new(setting("OPSPILOT_SEED", 1));
    let scripts: Vec<String> = (0..setting("OPSPILOT_DIFFERENTIAL", 300))
        .map(|_| generator.script())
        .collect();
    let ran = run(&scripts);
    assert_eq!(ran.len(), scripts.len(), "bash has run every script");
    let assessor = assessor();
    let (mut understood, mut programs, mut faults) = (0, 0, Vec::new());
    for (text, ran) in scripts.iter().zip(&ran) {
        let script = command::parse(text, Dialect::Bash);
        programs += ran.len();
        if script.understood() {
            understood += 1;
            let missed: Vec<_> = ran.difference(&seen(&script)).cloned().collect();
            faults.extend((!missed.is_empty()).then(|| format!("{missed:?} ran unseen in\n{text}")));
        } else {
            let level = assessor.assess(&script, &Circumstances::default()).level;
            faults.extend((level < Level::Medium).then(|| format!("not understood, yet {level:?}:\n{text}")));
        }
    }
    println!(
        "{} scripts, {understood} understood, {programs} programs",
        scripts.len()
    );
    assert!(
        faults.is_empty(),
        "{} faults, among them\n{}",
        faults.len(),
        faults[..faults.len().min(8)].join("\n")
    );
    assert!(understood * 3 > scripts.len(), "only {understood} understood");
    assert!(programs > scripts.len(), "the scripts run hardly anything");
}

/// The programs that each script runs.
fn run(scripts: &[String]) -> Vec<BTreeSet<String>> {
    let nowhere = tempfile::tempdir().expect("a directory of its own");
    let mut bash = Command::new("timeout")
        .args(["300", "bash", "--norc", "--noprofile", RECORD])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .current_dir(nowhere.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("bash runs");
    let input = scripts
        .iter()
        .flat_map(|script| [script.as_bytes(), b"\0"].concat())
        .collect::<Vec<u8>>();
    let mut stdin = bash.stdin.take().expect("its input");
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = bash.wait_with_output().expect("bash ends");
    writer.join().expect("no panic").expect("bash reads every script");
    names(&output.stdout)
}

/// The recorded names: one a line, and a NUL byte behind those of each script.
fn names(recorded: &[u8]) -> Vec<BTreeSet<String>> {
    let recorded = String::from_utf8_lossy(recorded);
    let scripts = recorded.split_terminator('\0');
    let names = scripts.map(|script| script.split('\n').filter(|name| !name.is_empty()));
    names
        .map(|names| names.map(|name| name.replace('\u{1}', "\n")).collect())
        .collect()
}

fn seen(script: &Script) -> BTreeSet<String> {
    let programs = script.commands.iter().filter_map(|command| command.words.first());
    programs.map(|word| word.text.clone()).collect()
}

fn assessor() -> Assessor {
    let settings = config::Risk {
        rules: vec![RULES.into()],
        model: None,
        installed: None,
        shadow_model: None,
        bounds: config::ModelBounds::default(),
    };
    Assessor::load(&settings).expect("the shipped rules")
}

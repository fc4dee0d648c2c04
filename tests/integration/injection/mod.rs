//! Injection: one corpus of hostile texts through every way in, and what comes out of every way out.
//!
//! Whoever adds a way in or out finds that a table here lacks it: handlers of SSH, subcommands and paths of HTTP are counted.

mod answers;
mod client;
mod corpus;
mod handlers;
mod sinks;
mod sources;
mod spoofing;
mod target;

use std::path::Path;

use tokio::runtime::Runtime;

use crate::harness::{Api, Config, Sshd};
use corpus::faults;
use sinks::Sink;
use sources::{Source, Stage};
use target::HostileTarget;

/// A token of alice, who is an admin, for everything.
const ALICE: &str = "--user alice --scope ask,feedback,read,export,train,metrics";

/// A rule whose sentence does what the language of rules lets it: no control characters, but all else.
const RULE: &str = "[[rule]]\nid = \"hostile.rule\"\nfamily = \"hostile\"\nlevel = \"high\"\n\
                    sentence = \"Turns \u{202e}around\u{202c} and hides\u{200b} </script><script>alert(1)</script>.\"\n\
                    when = [{ program = [\"hostile-rule\"] }]\nmatch = []\nno_match = []\n";

/// Nobody is kept out for having failed, or for coming before the daemon has noticed that others left.
const SERVER: &str = r#"
auth_penalty_max = "0s"
max_unauthenticated = 1000
max_unauthenticated_per_ip = 1000
max_sessions_per_user = 1000
login_grace = "10m"
"#;

/// For the hostile target: commands, and forwards that it refuses with its own words. For the other: everything, but that
/// forwards are denied, and a directory.
const POLICIES: &str = r#"
[[policies]]
name = "hostile"
users = ["*"]
targets = ["hostile"]
channels = ["exec", "local-forward"]
low = "allow"
medium = "allow"
high = "confirm"
critical = "confirm"
unknown = "confirm"

[[policies]]
name = "ask"
users = ["*"]
channels = ["shell", "exec", "sftp", "x11", "env"]
low = "allow"
medium = "allow"
high = "confirm"
critical = "deny"
unknown = "allow"
files = [{ ops = ["write", "read"], paths = ["/denied/**"], action = "deny" }]

[[ship]]
name = "file"
to = "file:state/events.jsonl"
backlog = true

[[ship]]
name = "syslog"
to = "unix:state/syslog"
backlog = true
"#;

/// What stands in the file of the configuration.
fn configure(config: &mut Config, hostile: u16, rules: &Path) {
    config.http.push_str("requests_per_minute = 100000\n");
    config.make_alice_admin();
    // What is disguised is asked about, and nobody answers.
    "1s".clone_into(&mut config.confirm_timeout);
    config.server += SERVER;
    config.risk = config
        .risk
        .replace("rules.toml\"]", &format!("rules.toml\", \"{}\"]", rules.display()));
    POLICIES.clone_into(&mut config.policies);
    // The same account and keys behind another address.
    let other = config.targets.lines().map(|line| match line.split_once(" = ") {
        Some(("name", _)) => "name = \"hostile\"".to_owned(),
        Some(("address", _)) => format!("address = \"127.0.0.1:{hostile}\""),
        Some(("labels", _)) => {
            "labels = { env = \"prod\", note = '<img src=x> =1+1 %n' }\nshell_gate = \"off\"".to_owned()
        }
        _ => line.to_owned(),
    });
    let other: Vec<String> = other.collect();
    config.targets += &other.join("\n");
}

/// A stage whose daemon logs in this format, and the hostile target behind it.
fn stage(log: &'static str, log_format: &'static str) -> (Stage, HostileTarget) {
    let target = Sshd::start();
    let hostile = HostileTarget::start(&target);
    let rules = target.home().join("hostile.toml");
    std::fs::write(&rules, RULE).unwrap();
    let api = Api::start_on(target, &[ALICE], |config| {
        configure(config, hostile.port, &rules);
        (config.log, config.log_format) = (log, log_format);
    });
    let runtime = Runtime::new().unwrap();
    (Stage { api, runtime }, hostile)
}

/// Asserts that there are no faults; all of them are told at once.
fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// Drives these sources; gives what is wrong with what the bastion said to them.
fn drive(stage: &Stage, sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        for said in source.drive(stage) {
            let place = format!("{source:?}, what {}", said.class);
            found.extend(faults(&place, &sinks::without_own_drawing(&said.bytes)));
        }
    }
    found
}

#[test]
fn nothing_that_anybody_says_acts_on_who_reads_it() {
    let (stage, _hostile) = stage("", "text");
    let syslog = sinks::Syslog::listen(&stage);
    let mut found = drive(&stage, &Source::ALL);
    for sink in Sink::ALL {
        for (place, bytes) in sink.read(&stage, &syslog) {
            found.extend(faults(&place, &bytes));
        }
    }
    assert_none(&found);
}

/// What others say at the door and from targets, in all that the log can tell, the SSH library's own lines too.
#[test]
fn nothing_that_anybody_says_acts_in_a_log_of_json() {
    let (stage, _hostile) = stage("info,opspilot=trace,russh=trace", "json");
    let mut found = drive(
        &stage,
        &[
            Source::Login,
            Source::ClientVersion,
            Source::Forward,
            Source::Subsystem,
            Source::Target,
        ],
    );
    let log = stage.api.world.bastion.log();
    found.extend(faults("log", log.as_bytes()));
    let is_event =
        |line: &&str| serde_json::from_str::<serde_json::Value>(line).is_ok_and(|event| event["timestamp"].is_string());
    let others = log
        .lines()
        .filter(|line| !is_event(line))
        .map(|line| format!("no event: {line:?}"));
    found.extend(others);
    assert!(log.contains("authentication failed"), "it logs");
    assert_none(&found);
}

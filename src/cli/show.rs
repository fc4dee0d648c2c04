//! `opspilot show`: one command's whole life.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::Value;

use super::{ConfigArg, print, table};
use crate::domain::{CommandId, printable, printable_line};
use crate::store::{CommandDetail, Reader};

/// Arguments of `opspilot show`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The command's number, as `opspilot log` lists it
    id: i64,
    /// Print a JSON object; its fields are the columns of the record, and `events`
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

/// Shows a command.
///
/// # Errors
/// The configuration or the record cannot be read, or there is no such command.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { id, json, config } = args;
    let reader = Reader::open(&config.load()?.store.path)?;
    let found = reader.show(CommandId(id)).context("cannot read the record")?;
    let command = found.with_context(|| format!("there is no command {id}; `opspilot log` lists them"))?;
    print(|out| {
        if json {
            table::json(out, &command)
        } else {
            page(out, &command)
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The page's sections, each with the columns that it shows.
const SECTIONS: &[(&str, &[&str])] = &[
    (
        "Who and where",
        &[
            "timestamp",
            "user_id",
            "target",
            "login",
            "channel",
            "cwd",
            "cwd_after",
            "host_info",
            "session_id",
            "parent_id",
        ],
    ),
    (
        "Assessment",
        &[
            "final_risk_level",
            "final_risk_score",
            "initial_risk_level",
            "initial_risk_score",
            "ml_risk_level",
            "ml_confidence",
            "exactness",
            "aliases",
            "pattern",
        ],
    ),
    ("Decision", &["decision", "policy", "state", "state_reason"]),
    (
        "Question",
        &[
            "user_confirmed",
            "confirmation_time_ms",
            "answered_by",
            "answer_channel",
        ],
    ),
    (
        "Run",
        &[
            "execution_success",
            "exit_code",
            "exit_signal",
            "pipe_status",
            "execution_time_ms",
            "stdout_length",
            "stderr_length",
            "input_length",
            "input_sha256",
        ],
    ),
    (
        "Impact",
        &[
            "actual_impact",
            "impact_evidence",
            "system_context",
            "context_missing",
            "system_context_after",
            "context_after_missing",
        ],
    ),
    (
        "Feedback",
        &[
            "feedback_rating",
            "user_feedback",
            "feedback_by",
            "feedback_at",
            "ratings",
        ],
    ),
    (
        "Record",
        &[
            "uid",
            "bastion_id",
            "command_mac",
            "command_hash",
            "pattern_version",
            "feature_digest",
            "model_digest",
            "shadow_risk_level",
            "shadow_model_digest",
            "features",
        ],
    ),
];

/// Writes the page: what is not known is left out.
fn page(out: &mut dyn Write, command: &CommandDetail) -> io::Result<()> {
    let column = |name: &str| command.columns.get(name).unwrap_or(&Value::Null);
    writeln!(out, "Command {}", text(column("id")))?;
    for line in column("command").as_str().unwrap_or_default().split('\n') {
        writeln!(out, "    {}", printable_line(line))?;
    }
    for (title, names) in SECTIONS {
        section(out, title, names.iter().map(|name| (*name, column(name))))?;
        if *title == "Assessment" {
            reasons(out, column("reasons"))?;
        }
    }
    events(out, command)
}

fn section<'a>(
    out: &mut dyn Write,
    title: &str,
    columns: impl Iterator<Item = (&'a str, &'a Value)>,
) -> io::Result<()> {
    let known: Vec<_> = columns.filter(|(_, value)| !value.is_null()).collect();
    if known.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{title}")?;
    for (name, value) in known {
        writeln!(out, "  {name:<24}{}", text(value))?;
    }
    Ok(())
}

/// Each rule that hit, in its own words.
fn reasons(out: &mut dyn Write, reasons: &Value) -> io::Result<()> {
    for reason in reasons.as_array().into_iter().flatten() {
        let part = |name: &str| reason.get(name).map(text).unwrap_or_default();
        writeln!(out, "  - {} ({}, {})", part("sentence"), part("rule"), part("level"))?;
    }
    Ok(())
}

fn events(out: &mut dyn Write, command: &CommandDetail) -> io::Result<()> {
    writeln!(out, "\nEvents")?;
    for event in &command.events {
        writeln!(
            out,
            "  {}  {:<18}  #{} {}",
            printable_line(&event.at),
            printable_line(&event.kind),
            event.seq,
            event.digest
        )?;
    }
    Ok(())
}

/// A value on one line.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => printable_line(text).into_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        other => printable(&other.to_string()).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::CommandId;
    use crate::store::fixtures::Fixture;

    /// Columns that have a place of their own on the page.
    const APART: &[&str] = &["id", "command", "reasons"];

    fn shown(fixture: &Fixture, id: CommandId) -> (CommandDetail, String) {
        let command = Reader::open(&fixture.path()).unwrap().show(id).unwrap().unwrap();
        let mut out = Vec::new();
        page(&mut out, &command).unwrap();
        (command, String::from_utf8(out).unwrap())
    }

    #[tokio::test]
    async fn the_page_has_a_place_for_every_column() {
        let fixture = Fixture::new().await;
        let id = fixture.eventful("rm -rf ./build").await;
        let (command, _) = shown(&fixture, id);
        let mut placed: Vec<&str> = SECTIONS
            .iter()
            .flat_map(|(_, names)| *names)
            .chain(APART)
            .copied()
            .collect();
        placed.sort_unstable();
        let columns: Vec<&str> = command.columns.keys().map(String::as_str).collect();
        assert_eq!(placed, columns);
    }

    #[tokio::test]
    async fn a_whole_life_is_told_in_order() {
        let fixture = Fixture::new().await;
        let id = fixture.eventful("rm -rf ./build").await;
        let (_, page) = shown(&fixture, id);
        let mut rest = page.as_str();
        for part in [
            "Command 1\n    rm -rf ./build\n",
            "user_id                 alice\n",
            "final_risk_level        high\n",
            "- removes whole directories (rm-recursive, medium)\n",
            "decision                confirm\n",
            "user_confirmed          yes\n",
            "exit_code               3\n",
            "actual_impact           severe\n",
            "command_recorded",
            "command_resolved",
            "command_finished",
            "command_amended",
        ] {
            let (_, after) = rest
                .split_once(part)
                .unwrap_or_else(|| panic!("{part:?} is missing in\n{rest}"));
            rest = after;
        }
    }

    #[tokio::test]
    async fn what_is_not_known_is_left_out() {
        let fixture = Fixture::new().await;
        let id = fixture.store.record(fixture.denied("rm -rf /")).await.unwrap();
        let (_, page) = shown(&fixture, id);
        for absent in ["Question", "Run", "Feedback", "null"] {
            assert!(!page.contains(absent), "{absent} in\n{page}");
        }
    }

    #[tokio::test]
    async fn hostile_text_does_nothing_wherever_it_stands() {
        let fixture = Fixture::new().await;
        let hostile = "x\u{1b}]0;owned\u{7}\u{202e}\r";
        let command = crate::store::NewCommand {
            cwd: Some(hostile.to_owned()),
            scoring: Some(crate::store::Scoring {
                reasons: serde_json::json!([{"sentence": hostile}]),
                ..crate::store::fixtures::scoring(crate::domain::Level::Low)
            }),
            system_context: Some(serde_json::json!({"users": hostile})),
            ..fixture.running(&format!("first\n{hostile}"))
        };
        let id = fixture.store.record(command).await.unwrap();
        let (_, page) = shown(&fixture, id);
        assert!(page.contains("    first\n    x\\x1b]0;owned"), "{page}");
        assert!(
            page.chars().all(|c| c == '\n' || !(c.is_control() || c == '\u{202e}')),
            "{page:?}"
        );
    }
}

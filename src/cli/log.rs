//! `opspilot log`: commands, newest first.

use std::io::{self, Write};
use std::process::ExitCode;

use super::listing::Listing;
use super::table::{self, cell};
use crate::domain::{Decision, Level};
use crate::store::{CommandSummary, LogFilter};

/// Arguments of `opspilot log`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only commands whose (redacted) text contains this
    text: Option<String>,
    /// Only of this level: low, medium, high or critical
    #[arg(long)]
    level: Option<Level>,
    /// Only with this decision: allow, warn, confirm or deny
    #[arg(long)]
    decision: Option<Decision>,
    #[command(flatten)]
    listing: Listing,
}

/// Lists commands.
///
/// # Errors
/// The configuration or the record cannot be read.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let listing = args.listing;
    let filter = LogFilter {
        user: listing.user.clone(),
        target: listing.target.clone(),
        level: args.level,
        decision: args.decision,
        since: listing.since,
        before: None,
        text: args.text,
        limit: listing.limit,
    };
    listing.run(|reader| reader.log(&filter), |out, commands| list(out, commands))
}

/// Writes commands as a table.
fn list(out: &mut dyn Write, commands: &[CommandSummary]) -> io::Result<()> {
    if commands.is_empty() {
        return writeln!(out, "No command matches.");
    }
    let mut table = table::new(&[
        "ID",
        "TIME (UTC)",
        "USER",
        "TARGET",
        "LEVEL",
        "DECISION",
        "STATE",
        "END",
        "COMMAND",
    ]);
    for command in commands {
        table.add_row([
            cell(&command.id.to_string()),
            table::time(&command.timestamp),
            cell(&command.user_id),
            cell(&command.target),
            cell(command.final_risk_level.map_or("unknown", Level::as_str)),
            cell(command.decision.as_str()),
            cell(command.state.as_str()),
            cell(&end(command)),
            cell(&command.command),
        ]);
    }
    writeln!(out, "{}", table.trim_fmt())
}

/// The exit code or the signal; `-` where there is none or it is not known.
fn end(command: &CommandSummary) -> String {
    match (command.exit_code, &command.exit_signal) {
        (Some(code), _) => code.to_string(),
        (None, Some(signal)) => signal.clone(),
        (None, None) => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Reader;
    use crate::store::fixtures::Fixture;

    async fn listed(fixture: &Fixture) -> String {
        fixture.store.close().await;
        let commands = Reader::open(&fixture.path())
            .unwrap()
            .log(&LogFilter::default())
            .unwrap();
        let mut out = Vec::new();
        list(&mut out, &commands).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[tokio::test]
    async fn one_line_a_command_newest_first() {
        let fixture = Fixture::new().await;
        fixture.store.record(fixture.denied("rm -rf /")).await.unwrap();
        fixture.eventful("rm -rf ./build").await;
        let text = listed(&fixture).await;
        let rows: Vec<Vec<&str>> = text
            .lines()
            .skip(1)
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(
            rows,
            [
                [
                    "2",
                    "2026-11-22",
                    "13:30:00",
                    "alice",
                    "web-1",
                    "high",
                    "confirm",
                    "finished",
                    "3",
                    "rm",
                    "-rf",
                    "./build"
                ]
                .as_slice(),
                [
                    "1",
                    "2026-11-22",
                    "13:30:00",
                    "alice",
                    "web-1",
                    "critical",
                    "deny",
                    "denied",
                    "-",
                    "rm",
                    "-rf",
                    "/"
                ]
                .as_slice(),
            ]
        );
    }

    #[tokio::test]
    async fn hostile_commands_stay_on_their_line_and_do_nothing() {
        let fixture = Fixture::new().await;
        fixture
            .store
            .record(fixture.running("echo \u{1b}[2J\0\r\nfake line \u{202e}"))
            .await
            .unwrap();
        let text = listed(&fixture).await;
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(
            text.chars()
                .all(|character| character == '\n' || !character.is_control()),
            "{text:?}"
        );
        assert!(text.contains("echo \\x1b[2J\\x00\\r\\nfake line \\u{202e}"), "{text}");
    }

    #[tokio::test]
    async fn an_endless_command_is_cut() {
        let fixture = Fixture::new().await;
        fixture
            .store
            .record(fixture.running(&"x".repeat(1 << 20)))
            .await
            .unwrap();
        let text = listed(&fixture).await;
        assert!(text.len() < 2_000 && text.contains('…'), "{} bytes", text.len());
    }
}

//! `opspilot log`: commands, newest first.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context as _;
use jiff::civil::Date;
use jiff::{Span, Timestamp, Zoned};

use super::table::{self, cell};
use super::{ConfigArg, print};
use crate::domain::{Decision, Level, Name};
use crate::store::{CommandSummary, LogFilter, Reader};

/// Arguments of `opspilot log`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only commands whose (redacted) text contains this
    text: Option<String>,
    /// Only this user's
    #[arg(long)]
    user: Option<Name>,
    /// Only on this target
    #[arg(long)]
    target: Option<Name>,
    /// Only of this level: low, medium, high or critical
    #[arg(long)]
    level: Option<Level>,
    /// Only with this decision: allow, warn, confirm or deny
    #[arg(long)]
    decision: Option<Decision>,
    /// Only since then: `2h`, `7d`, a date (UTC), or a time such as 2026-11-22T13:30:00Z
    #[arg(long, value_parser = moment)]
    since: Option<Timestamp>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Print a JSON array; its fields are the columns of the record
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

/// Lists commands.
///
/// # Errors
/// The configuration or the record cannot be read.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let reader = Reader::open(&args.config.load()?.store.path)?;
    let filter = LogFilter {
        user: args.user,
        target: args.target,
        level: args.level,
        decision: args.decision,
        since: args.since,
        before: None,
        text: args.text,
        limit: args.limit,
    };
    let commands = reader.log(&filter).context("cannot read the record")?;
    print(|out| {
        if args.json {
            table::json(out, &commands)
        } else {
            list(out, &commands)
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// A moment in the past: a span before now, a date, or a time with its offset.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    if let Ok(date) = text.parse::<Date>() {
        return date
            .in_tz("UTC")
            .map(|midnight| midnight.timestamp())
            .map_err(|error| error.to_string());
    }
    let ago: Span = text
        .parse()
        .map_err(|_| "give `2h`, `7d`, a date, or a time such as 2026-11-22T13:30:00Z".to_owned())?;
    Zoned::now()
        .checked_sub(ago.abs())
        .map(|then| then.timestamp())
        .map_err(|error| error.to_string())
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

    #[test]
    fn moments_are_spans_dates_or_times() {
        assert_eq!(
            moment("2026-11-22T14:00:00+01:00"),
            "2026-11-22T13:00:00Z".parse().map_err(|_| String::new())
        );
        assert_eq!(
            moment("2026-11-22"),
            "2026-11-22T00:00:00Z".parse().map_err(|_| String::new())
        );
        for (span, hours) in [("2h", 2), ("7d", 7 * 24)] {
            let ago = Timestamp::now().duration_since(moment(span).unwrap()).as_hours();
            assert!((hours - 2..=hours + 2).contains(&ago), "{span}: {ago}");
        }
        assert!(moment("yesterday-ish").is_err());
    }
}

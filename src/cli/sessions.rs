//! `opspilot sessions`: sessions, newest first.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context as _;
use jiff::Timestamp;

use super::table::{self, cell};
use super::{ConfigArg, log, print};
use crate::domain::Name;
use crate::store::{Reader, SessionFilter, SessionSummary};

/// Arguments of `opspilot sessions`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this user's
    #[arg(long)]
    user: Option<Name>,
    /// Only to this target
    #[arg(long)]
    target: Option<Name>,
    /// Only begun since then: `2h`, `7d`, a date (UTC), or a time such as 2026-11-22T13:30:00Z
    #[arg(long, value_parser = log::moment)]
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

/// Lists sessions.
///
/// # Errors
/// The configuration or the record cannot be read.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let reader = Reader::open(&args.config.load()?.store.path)?;
    let filter = SessionFilter {
        user: args.user,
        target: args.target,
        since: args.since,
        limit: args.limit,
    };
    let sessions = reader.sessions(&filter).context("cannot read the record")?;
    print(|out| {
        if args.json {
            table::json(out, &sessions)
        } else {
            list(out, &sessions)
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Writes sessions as a table.
fn list(out: &mut dyn Write, sessions: &[SessionSummary]) -> io::Result<()> {
    if sessions.is_empty() {
        return writeln!(out, "No session matches.");
    }
    let mut table = table::new(&[
        "ID",
        "BEGAN (UTC)",
        "USER",
        "TARGET",
        "LOGIN",
        "FROM",
        "STATE",
        "COMMANDS",
        "RECORDINGS",
    ]);
    for session in sessions {
        table.add_row([
            cell(&session.id),
            table::time(&session.started_at),
            cell(&session.user_id),
            cell(session.target.as_deref().unwrap_or("-")),
            cell(session.login.as_deref().unwrap_or("-")),
            cell(&session.client_address),
            cell(&session.state),
            cell(&session.commands.to_string()),
            cell(&session.recordings.to_string()),
        ]);
    }
    writeln!(out, "{}", table.trim_fmt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixtures::Fixture;

    #[tokio::test]
    async fn a_session_is_one_line_with_the_number_of_its_commands() {
        let fixture = Fixture::new().await;
        fixture.store.record(fixture.running("ls")).await.unwrap();
        let sessions = Reader::open(&fixture.path())
            .unwrap()
            .sessions(&SessionFilter::default())
            .unwrap();
        let mut out = Vec::new();
        list(&mut out, &sessions).unwrap();
        let text = String::from_utf8(out).unwrap();
        let row: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
        let id = fixture.session.to_string();
        assert_eq!(
            row,
            [
                &id,
                "2026-11-22",
                "13:00:00",
                "alice",
                "web-1",
                "deploy",
                "192.0.2.7:50022",
                "open",
                "1",
                "0"
            ]
        );
    }
}

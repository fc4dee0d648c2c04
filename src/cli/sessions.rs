//! `opspilot sessions`: sessions, newest first.

use std::io::{self, Write};
use std::process::ExitCode;

use super::listing::Listing;
use super::table::{self, cell};
use crate::store::{SessionFilter, SessionSummary};

/// Arguments of `opspilot sessions`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    listing: Listing,
}

/// Lists sessions.
///
/// # Errors
/// The configuration or the record cannot be read.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let listing = args.listing;
    let filter = SessionFilter {
        user: listing.user.clone(),
        target: listing.target.clone(),
        since: listing.since,
        limit: listing.limit,
    };
    listing.run(|reader| reader.sessions(&filter), |out, sessions| list(out, sessions))
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
    use crate::store::Reader;
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

//! The rows that a demo has made: read back from the record, shown, and held against what they must be.

use std::fmt::Debug;
use std::io;
use std::path::Path;

use crate::cli::table::{self, cell};
use crate::domain::{Channel, Decision, Exactness, Level, State};
use crate::store::{CommandSummary, LogFilter, Reader, StoreError};

/// What a row must be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    pub(super) channel: Channel,
    pub(super) command: &'static str,
    pub(super) level: Level,
    pub(super) decision: Decision,
    pub(super) state: State,
    pub(super) confirmed: Option<bool>,
    pub(super) exit_code: Option<u32>,
    pub(super) exactness: Exactness,
}

/// The commands on record, oldest first. Blocks.
pub(super) fn read(record: &Path) -> Result<Vec<CommandSummary>, StoreError> {
    let mut commands = Reader::open(record)?.log(&LogFilter::default())?;
    commands.reverse();
    Ok(commands)
}

/// Shows rows as a table.
pub(super) fn print(commands: &[CommandSummary]) -> io::Result<()> {
    let mut table = table::new(&[
        "ID",
        "CHANNEL",
        "LEVEL",
        "DECISION",
        "STATE",
        "CONFIRMED",
        "EXIT",
        "COMMAND",
    ]);
    for command in commands {
        table.add_row([
            cell(&command.id.to_string()),
            cell(command.channel.as_str()),
            cell(command.final_risk_level.map_or("-", Level::as_str)),
            cell(command.decision.as_str()),
            cell(command.state.as_str()),
            cell(command.user_confirmed.map_or("-", |yes| if yes { "yes" } else { "no" })),
            cell(&command.exit_code.map_or("-".to_owned(), |code| code.to_string())),
            cell(&command.command),
        ]);
    }
    crate::cli::print(|out| writeln!(out, "\nThe record of it:\n\n{}\n", table.trim_fmt()))
}

/// What is not as it must be, a sentence each.
pub(super) fn differences(commands: &[CommandSummary], expected: &[Expected]) -> Vec<String> {
    let count = (commands.len() != expected.len())
        .then(|| format!("there are {} rows, not {}", commands.len(), expected.len()));
    let rows = commands.iter().zip(expected);
    count
        .into_iter()
        .chain(rows.flat_map(|(command, expected)| difference(command, expected)))
        .collect()
}

fn difference(command: &CommandSummary, expected: &Expected) -> Vec<String> {
    let id = command.id;
    [
        differs("channel", &command.channel, &expected.channel),
        differs("command", &command.command.as_str(), &expected.command),
        differs("level", &command.final_risk_level, &Some(expected.level)),
        differs("decision", &command.decision, &expected.decision),
        differs("state", &command.state, &expected.state),
        differs("user_confirmed", &command.user_confirmed, &expected.confirmed),
        differs("exit_code", &command.exit_code, &expected.exit_code),
        differs("exactness", &command.exactness, &expected.exactness),
    ]
    .into_iter()
    .flatten()
    .map(|what| format!("row {id}: {what}"))
    .collect()
}

fn differs<T: PartialEq + Debug>(column: &str, is: &T, must_be: &T) -> Option<String> {
    (is != must_be).then(|| format!("{column} is {is:?}, not {must_be:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixtures::Fixture;

    const DENIED: Expected = Expected {
        channel: Channel::Exec,
        command: "rm -rf /",
        level: Level::Critical,
        decision: Decision::Deny,
        state: State::Denied,
        confirmed: None,
        exit_code: None,
        exactness: Exactness::Exact,
    };

    async fn recorded() -> Vec<CommandSummary> {
        let fixture = Fixture::new().await;
        fixture.store.record(fixture.denied("rm -rf /")).await.unwrap();
        read(&fixture.path()).unwrap()
    }

    #[tokio::test]
    async fn a_row_that_is_right_is_not_mentioned() {
        assert_eq!(differences(&recorded().await, &[DENIED]), [""; 0]);
    }

    #[tokio::test]
    async fn every_difference_is_named_with_its_row() {
        let wrong = Expected {
            state: State::Finished,
            exit_code: Some(0),
            ..DENIED
        };
        assert_eq!(
            differences(&recorded().await, &[wrong]),
            [
                "row 1: state is Denied, not Finished",
                "row 1: exit_code is None, not Some(0)"
            ]
        );
    }

    #[tokio::test]
    async fn a_missing_row_is_a_difference() {
        assert_eq!(
            differences(&recorded().await, &[DENIED, DENIED]),
            ["there are 1 rows, not 2"]
        );
    }
}

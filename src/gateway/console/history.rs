//! One's own last commands, as the console shows them.

use super::list::clipped;
use crate::domain::{Level, printable_line};
use crate::store::CommandSummary;

/// Of a time stamp, date and time to the second.
const SECONDS: usize = "2026-11-22T13:00:00".len();

/// For programs: number, time, target, level, state and command, between tabs.
pub(super) fn fields(commands: &[CommandSummary]) -> String {
    let line = |command: &CommandSummary| {
        format!(
            "{}\t{}\t{}\t{}\t{}\t{}\n",
            command.id.0,
            command.timestamp,
            printable_line(&command.target),
            level(command),
            command.state,
            printable_line(&command.command)
        )
    };
    commands.iter().map(line).collect()
}

/// For people: the same in rows that are not wider than `columns`.
pub(super) fn rows(commands: &[CommandSummary], columns: usize) -> String {
    let target = commands.iter().map(|command| command.target.len()).max().unwrap_or(0);
    let line = |command: &CommandSummary| {
        let row = format!(
            "{}  {}  {:target$}  {:8}  {:11}  {}",
            command.id.0,
            command.timestamp.get(..SECONDS).unwrap_or_default().replace('T', " "),
            printable_line(&command.target),
            level(command),
            command.state.as_str(),
            printable_line(&command.command)
        );
        clipped(&row, columns) + "\n"
    };
    commands.iter().map(line).collect()
}

fn level(command: &CommandSummary) -> &'static str {
    command.final_risk_level.map_or("unknown", Level::as_str)
}

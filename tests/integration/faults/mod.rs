//! Faults beside the record's: targets that die, hang and slow down, clocks that jump, parts that panic, resources that run out,
//! and clients that send what no honest one would.

mod clock;
mod descriptors;
mod memory;
mod panics;
mod target;

use crate::harness::Bastion;

/// Why the only row with this command is as it is.
fn reason(bastion: &Bastion, command: &str) -> String {
    let sql = "SELECT state_reason FROM command_executions WHERE command = ?1";
    let reason: Option<String> = bastion.sql().query_row(sql, [command], |row| row.get(0)).unwrap();
    reason.unwrap_or_default()
}

//! Snapshots of a host, and what a command did by the evidence. No I/O but the bastion's own `sysinfo`.
//!
//! A target's snapshot comes from one script that the gateway runs there: [`command`] is what to send, [`parse`]
//! reads what came back. [`local_snapshot`] is the bastion itself. [`classify`] compares what was before with what
//! is after.

mod changes;
mod impact;
mod local;
mod probe;
mod report;
mod snapshot;

pub use impact::{Evidence, classify};
pub use local::local_snapshot;
pub use probe::{MAX_OUTPUT, ProbeError, command, parse};
pub use snapshot::{LoadAvg, OsInfo, Snapshot, Usage};

//! Tests through the real parts: OpenSSH's client and server, real shells on a PTY, the opspilot binary and its record.
//!
//! Every test starts its own `sshd` and its own bastion on free loopback ports, in a directory of its own, and ends both by
//! their process ids. Nothing here sleeps for what can be awaited, and every wait has a deadline.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says what failed by panicking and on standard error, and so does its harness"
)]

mod harness;

mod bad_input;
mod check;
mod cli;
mod confirmation;
mod console;
mod containers;
mod crash;
mod demo;
mod differential;
mod drain;
mod evidence;
mod exec;
mod export;
mod faults;
mod feedback;
mod flood;
mod floors;
mod forward;
mod helper;
mod http;
mod injection;
mod inner_shells;
mod keeping;
mod lifecycle;
mod login;
mod matrix;
mod model;
mod multiplexers;
mod origins;
mod probe;
mod prompt;
mod proxyjump;
mod questions;
mod record;
mod recording;
mod reload;
mod replay;
mod routing;
mod sandbox;
mod score;
mod screen;
mod screen_gate;
mod script;
mod secrets;
mod sftp;
mod shell;
mod shipping;
mod stats;
mod stopped;
mod takeover;
mod target;
mod target_host_ca;
mod target_login;
mod training;
mod transfers;
mod units;
mod vulnerabilities;

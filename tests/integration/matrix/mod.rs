//! What the record says of interactive shells: bytes typed at a terminal on the one side, the rows on the other.
//!
//! Through the real client, daemon, server and shells. Every line with `rm -rf` in it is denied, every line with `ask-me`
//! is asked about, all others run. A [`Scenario`] is played in a home directory of its own, by a user of its own, and ends
//! with `exit`, so that its record is complete. Its rows are compared with the lines that really were run or refused:
//!
//! - **exact**: every line has its row, in order, with its very text;
//! - **unknown**: some lines are covered by rows that say they are not known, and every other row is right;
//! - **wrong**: anything else: a text that is not the line's, a line without a row, a line that ran unasked, a trace of a
//!   refused line.

#![allow(clippy::too_many_lines, reason = "tables of scenarios are long and flat")]

pub(crate) mod driver;
mod home;
mod hostile;
mod scenario;
mod verdict;

mod alone;
mod bash;
mod common;
mod fish;
mod nested;
mod paste;
mod posix;
mod secrets;
mod zsh;

pub(crate) use driver::play_all;
pub(crate) use home::Shell;
pub(crate) use scenario::Step::{Answer, Ended, More, Prompt, PromptIs, Quiet, Repeat, Resize, Runs, See, Type};
pub(crate) use scenario::{Scenario, Step, scenario};

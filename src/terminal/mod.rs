//! Shells and terminals: which line a shell is about to run, and how its user is asked. No I/O.
//!
//! [`ShellGate`] follows one interactive shell whose hook asks the bastion over its own terminal before it runs a line
//! (`hooks/`); [`marks`] is the language that the two speak. [`ScreenGate`] reads the lines off the screen of a shell that
//! takes no hook. [`prompt`] draws the question, [`AnswerReader`] and [`StdinCode`] read the answer. [`Shown`] knows how to say
//! something in between.

pub mod answer;
mod aside;
mod asking;
mod bootstrap;
pub mod code;
mod cooked;
mod drain;
pub mod effect;
mod greeting;
mod hooking;
mod interrupt;
mod keyboard;
mod layer;
pub mod lines;
mod lookout;
pub mod marks;
mod modes;
mod multiplexer;
mod pace;
pub mod probe;
pub mod prompt;
mod report;
pub mod screen;
mod sequences;
mod settings;
pub mod shell;
mod stake;
mod trail;
mod unfinished;

pub use answer::{Answer, AnswerReader, Fed};
pub use aside::Shown;
pub use bootstrap::is_own_line;
pub use code::{FirstLine, StdinCode, new_code, same_code};
pub use effect::{Effect, Line, LineEnd, Lost, Verdict};
pub use lines::LineGate;
pub use probe::LoginShell;
pub use prompt::{Assessed, ConsoleAddress, Expect, Question};
pub use screen::ScreenGate;
pub use shell::{NewNonce, ShellGate};

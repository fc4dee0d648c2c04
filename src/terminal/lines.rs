//! Whichever way the lines of a terminal are known.

use std::time::Instant;

use super::effect::{Effect, Verdict};
use super::screen::ScreenGate;
use super::shell::ShellGate;

/// A gate that knows lines before they run: by a hook in the shell, or by the screen.
///
/// It has no clock: the caller says what time it is, and calls [`LineGate::timed_out`] when [`LineGate::deadline`] has come.
#[derive(Debug)]
pub enum LineGate {
    /// The shell's hook asks.
    Hook(Box<ShellGate>),
    /// The screen is read.
    Screen(Box<ScreenGate>),
}

impl LineGate {
    /// Takes what the target wrote.
    pub fn from_target(&mut self, now: Instant, bytes: &[u8], out: &mut Vec<Effect>) {
        match self {
            Self::Hook(gate) => gate.from_target(now, bytes, out),
            Self::Screen(gate) => gate.from_target(now, bytes, out),
        }
    }

    /// Takes what the user typed.
    pub fn from_user(&mut self, now: Instant, bytes: &[u8], out: &mut Vec<Effect>) {
        match self {
            Self::Hook(gate) => gate.from_user(now, bytes, out),
            Self::Screen(gate) => gate.from_user(now, bytes, out),
        }
    }

    /// Whether the target may be told that no more input comes. A hook is answered by input, for as long as its shell lives; a
    /// screen may only wait to send what it holds.
    #[must_use]
    pub fn may_end_input(&self) -> bool {
        match self {
            Self::Hook(_) => false,
            Self::Screen(gate) => gate.holds_nothing(),
        }
    }

    /// Answers the question that stands. Without one, nothing happens.
    pub fn answer(&mut self, verdict: Verdict, out: &mut Vec<Effect>) {
        match self {
            Self::Hook(gate) => gate.answer(verdict, out),
            Self::Screen(gate) => gate.answer(verdict, out),
        }
    }

    /// Takes the size of the terminal, in characters.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        match self {
            Self::Hook(_) => {}
            Self::Screen(gate) => gate.resize(columns, rows),
        }
    }

    /// When [`LineGate::timed_out`] is to be called, unless something else happens before.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Hook(gate) => gate.deadline(),
            Self::Screen(gate) => gate.deadline(),
        }
    }

    /// Takes note that time has passed.
    pub fn timed_out(&mut self, now: Instant, out: &mut Vec<Effect>) {
        match self {
            Self::Hook(gate) => gate.timed_out(now, out),
            Self::Screen(gate) => gate.timed_out(now, out),
        }
    }
}

impl From<ShellGate> for LineGate {
    fn from(gate: ShellGate) -> Self {
        Self::Hook(Box::new(gate))
    }
}

impl From<ScreenGate> for LineGate {
    fn from(gate: ScreenGate) -> Self {
        Self::Screen(Box::new(gate))
    }
}

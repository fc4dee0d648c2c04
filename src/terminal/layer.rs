//! One of the programs that stand on a terminal on top of each other.

use std::ops::RangeInclusive;
use std::time::Instant;

use super::asking::{Asking, to_target};
use super::drain::Draining;
use super::effect::{Effect, Verdict};
use super::marks::Mark;
use super::probe::LoginShell;
use super::report::Report;
use crate::command::Opens;

/// Exit codes for SIGSTOP, SIGTSTP, SIGTTIN and SIGTTOU: 128 and the signal's number, which systems do not agree on.
const STOPPED: RangeInclusive<i32> = 145..=151;

/// A program that has the terminal, or has left it to the next layer.
#[derive(Debug)]
pub(super) enum Layer {
    /// A shell that asks before it runs a line.
    Asking(Box<Asking>),
    /// A shell that cannot ask, and is held at its prompt.
    Draining(Box<Draining>),
    /// A program that passed the gate as a whole, and what it opens.
    Program(Opens),
}

impl Layer {
    /// A shell whose hook will be told `nonce`.
    pub(super) fn hooked(nonce: String, shell: LoginShell, now: Instant) -> Self {
        match shell {
            LoginShell::Posix => Self::Draining(Box::new(Draining::new(nonce, now))),
            _ => Self::Asking(Box::new(Asking::new(nonce, shell.dialect()))),
        }
    }

    /// Whether a mark carries the nonce of this layer.
    pub(super) fn wrote(&self, mark: &Mark<'_>) -> bool {
        match self {
            Self::Asking(shell) => mark.carries(shell.nonce()),
            Self::Draining(shell) => mark.carries(shell.nonce()),
            Self::Program(_) => false,
        }
    }

    /// The number of its last prompt; 0 before the first.
    pub(super) fn last_prompt(&self) -> u64 {
        match self {
            Self::Asking(shell) => shell.last_prompt(),
            Self::Draining(shell) => shell.last_prompt(),
            Self::Program(_) => 0,
        }
    }

    /// Takes what a mark says that carries this layer's nonce.
    pub(super) fn report(&mut self, report: Report, out: &mut Vec<Effect>) {
        match self {
            Self::Asking(shell) => shell.report(report, out),
            Self::Draining(shell) => shell.report(report, out),
            Self::Program(_) => out.push(Effect::Forged),
        }
    }

    /// Takes what the user typed.
    pub(super) fn user_types(&mut self, bytes: &[u8], out: &mut Vec<Effect>) {
        match self {
            Self::Asking(shell) => shell.user_types(bytes, out),
            Self::Draining(shell) => shell.user_types(bytes, out),
            Self::Program(_) => to_target(bytes.to_vec(), out),
        }
    }

    /// Where it has read all that was typed before now: what it gives back of that.
    pub(super) fn strays(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::Asking(shell) => shell.strays(),
            Self::Draining(shell) => shell.strays(),
            Self::Program(_) => None,
        }
    }

    /// Takes the input that is not held back any longer.
    pub(super) fn released(&mut self) -> Vec<u8> {
        match self {
            Self::Asking(shell) => shell.released(),
            Self::Draining(shell) => shell.released(),
            Self::Program(_) => Vec::new(),
        }
    }

    /// Counts what the terminal shows.
    pub(super) fn shown(&mut self, bytes: &[u8]) {
        match self {
            Self::Asking(shell) => shell.shown(bytes.len()),
            Self::Draining(shell) => shell.shown(bytes),
            Self::Program(_) => {}
        }
    }

    /// Whether `count` bytes that it writes now are not for the user.
    pub(super) fn hides(&mut self, count: usize) -> bool {
        match self {
            Self::Asking(shell) => shell.hides(count),
            Self::Draining(shell) => shell.hides(),
            Self::Program(_) => false,
        }
    }

    /// Answers the question that stands.
    pub(super) fn answer(&mut self, verdict: Verdict, out: &mut Vec<Effect>) {
        match self {
            Self::Asking(shell) => shell.answer(verdict, out),
            Self::Draining(shell) => shell.answer(verdict, out),
            Self::Program(_) => {}
        }
    }

    /// The hook is being read and asks for its nonce.
    pub(super) fn hello(&mut self, out: &mut Vec<Effect>) {
        match self {
            Self::Asking(shell) => shell.hello(out),
            Self::Draining(shell) => shell.hello(out),
            Self::Program(_) => out.push(Effect::Forged),
        }
    }

    /// The hook could not be placed.
    pub(super) fn unhookable(&mut self, out: &mut Vec<Effect>) {
        match self {
            Self::Asking(shell) => shell.unhookable(out),
            Self::Draining(shell) => shell.unhookable(out),
            Self::Program(_) => out.push(Effect::Forged),
        }
    }

    /// What it leaves the terminal to now.
    pub(super) fn opens(&self) -> Option<Opens> {
        match self {
            Self::Asking(shell) => shell.opens(),
            Self::Draining(shell) => shell.opens(),
            Self::Program(opens) => Some(*opens),
        }
    }

    /// Whether a line is edited, of a shell that says what becomes of it.
    pub(super) fn is_at_prompt(&self) -> bool {
        matches!(self, Self::Asking(shell) if shell.is_at_prompt())
    }

    /// Whether a line that ended like this may only have been stopped: by a signal's number, which not every shell tells.
    pub(super) fn may_have_stopped(&self, exit_code: Option<i32>) -> bool {
        let tells = match self {
            Self::Asking(shell) => shell.tells_stops(),
            Self::Draining(_) | Self::Program(_) => false,
        };
        exit_code.is_none_or(|code| STOPPED.contains(&code) || (code == 0 && !tells))
    }

    /// Whether the first prompt is still awaited.
    pub(super) fn is_booting(&self) -> bool {
        match self {
            Self::Asking(shell) => shell.is_booting(),
            Self::Draining(shell) => shell.is_booting(),
            Self::Program(_) => false,
        }
    }

    /// No prompt came in time.
    pub(super) fn give_up_boot(&mut self, out: &mut Vec<Effect>) {
        match self {
            Self::Asking(shell) => shell.give_up_boot(out),
            Self::Draining(shell) => shell.give_up_boot(out),
            Self::Program(_) => {}
        }
    }

    /// It is gone: the layer below speaks.
    pub(super) fn left(&mut self, out: &mut Vec<Effect>) {
        match self {
            Self::Asking(shell) => shell.left(out),
            Self::Draining(shell) => shell.left(out),
            Self::Program(_) => {}
        }
    }

    /// When [`Layer::timed_out`] is to be called, unless something else happens before.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Draining(shell) => shell.deadline(),
            Self::Asking(_) | Self::Program(_) => None,
        }
    }

    /// Takes note that time has passed.
    pub(super) fn timed_out(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if let Self::Draining(shell) = self {
            shell.timed_out(now, out);
        }
    }
}

//! Interactive shells and their gates: which line a shell is about to run, held until the caller answers.

use std::time::{Duration, Instant};

use super::asking::Asking;
use super::bootstrap;
use super::effect::{Effect, Verdict};
use super::marks::MarkFilter;
use super::probe::LoginShell;

/// How long a hook may take to show its first prompt.
const BOOT_LIMIT: Duration = Duration::from_secs(10);

/// Follows one interactive shell between its user and its terminal.
///
/// It has no clock: the caller says what time it is, and calls [`ShellGate::timed_out`] when [`ShellGate::deadline`] has come.
#[derive(Debug)]
pub struct ShellGate {
    filter: MarkFilter,
    shell: Asking,
    boot_deadline: Option<Instant>,
}

impl ShellGate {
    /// A gate for a login shell, and the command line of the exec request, on a PTY, that starts it. `None` for a shell that
    /// has no hook. The nonce tells the hook's marks from others: at least 128 random bits, in hexadecimal.
    #[must_use]
    pub fn login(shell: LoginShell, nonce: String, now: Instant) -> Option<(Self, Vec<u8>)> {
        let command = bootstrap::command(shell)?;
        let gate = Self {
            filter: MarkFilter::new(&nonce),
            shell: Asking::new(nonce),
            boot_deadline: Some(now + BOOT_LIMIT),
        };
        Some((gate, command))
    }

    /// Takes what the target wrote.
    pub fn from_target(&mut self, _now: Instant, bytes: &[u8], out: &mut Vec<Effect>) {
        let shell = &mut self.shell;
        self.filter.feed(bytes, |segment| shell.segment(segment, out));
        if !self.shell.is_booting() {
            self.boot_deadline = None;
        }
    }

    /// Takes what the user typed. Held back until the first prompt, and while the shell waits for an answer.
    pub fn from_user(&mut self, _now: Instant, bytes: &[u8], out: &mut Vec<Effect>) {
        self.shell.user_types(bytes, out);
    }

    /// Answers the question that stands. Without one, or for the second time, nothing happens.
    pub fn answer(&mut self, verdict: Verdict, out: &mut Vec<Effect>) {
        self.shell.answer(verdict, out);
    }

    /// Takes the size of the terminal.
    pub fn resize(&mut self, _columns: u16, _rows: u16) {}

    /// When [`ShellGate::timed_out`] is to be called, unless something else happens before.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.boot_deadline
    }

    /// Takes note that time has passed.
    pub fn timed_out(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if self.boot_deadline.take_if(|deadline| *deadline <= now).is_some() {
            self.shell.give_up_boot(out);
        }
    }
}

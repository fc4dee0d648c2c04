//! Places a hook in a shell that runs already, by typing at its prompt.
//!
//! What looks like a prompt may be no shell's: a rest of some output, an editor, a menu. So an empty line is entered first. A
//! shell draws the same prompt again; only then the line is typed that will ask for the code of the hook.

use std::mem;
use std::time::{Duration, Instant};

use super::bootstrap;
use super::lookout::{Lookout, last_line};
use super::probe::LoginShell;

/// Erases what may stand on the line, and enters it.
pub(super) const TRY: &[u8] = b"\x15\r";

/// How long a prompt may take to be drawn again.
const TRY_LIMIT: Duration = Duration::from_secs(2);
/// How long the shell may take from there until it says which it is, and from the code of its hook until its hooked prompt.
const HOOK_LIMIT: Duration = Duration::from_secs(3);
/// The most output that is hidden meanwhile, bytes.
const MAX_HIDDEN: usize = 1024 * 1024;

#[derive(Debug)]
enum Stage {
    /// An empty line has been entered.
    Tried { prompt: String, lookout: Box<Lookout> },
    /// A line has been typed: it says which shell this is, and waits.
    Asked,
    /// The code was sent.
    Placed(LoginShell),
}

/// What comes of the time that is given.
#[derive(Debug)]
pub(super) enum Late {
    /// No prompt was drawn again: something may still come.
    NoShell(Box<Lookout>),
    /// The hook did not come up.
    NoHook,
}

/// A shell on its way to its hook. What it writes meanwhile is hidden.
#[derive(Debug)]
pub(super) struct Hooking {
    nonce: String,
    stage: Stage,
    hidden: Vec<u8>,
    deadline: Instant,
}

impl Hooking {
    /// Where `lookout` has found a prompt; [`TRY`] is to be typed.
    pub(super) fn new(nonce: String, lookout: Lookout, now: Instant) -> Self {
        let prompt = shape(&lookout.line());
        let lookout = Box::new(lookout);
        Self {
            nonce,
            stage: Stage::Tried { prompt, lookout },
            hidden: Vec::new(),
            deadline: now + TRY_LIMIT,
        }
    }

    /// Takes what the terminal shows. Gives what is to be typed then.
    pub(super) fn shown(&mut self, now: Instant, bytes: &[u8]) -> Option<Vec<u8>> {
        self.hidden.extend_from_slice(bytes);
        let Stage::Tried { prompt, .. } = &self.stage else {
            return None;
        };
        let is_drawn_again = self.hidden.contains(&b'\n') && shape(&last_line(&self.hidden)) == *prompt;
        if !is_drawn_again {
            return None;
        }
        self.stage = Stage::Asked;
        self.deadline = now + HOOK_LIMIT;
        Some(bootstrap::inner_line())
    }

    /// Whether more is hidden than can be of use.
    pub(super) fn is_flooded(&self) -> bool {
        self.hidden.len() > MAX_HIDDEN
    }

    /// Takes what was hidden.
    pub(super) fn reveal(&mut self) -> Vec<u8> {
        mem::take(&mut self.hidden)
    }

    /// Whether the line that was typed waits for a code.
    pub(super) fn wants_code(&self) -> bool {
        matches!(self.stage, Stage::Asked)
    }

    /// It is `shell` that waits. Gives the code of its hook; `None` where there is no hook for it.
    pub(super) fn place(&mut self, shell: LoginShell, now: Instant) -> Option<Vec<u8>> {
        self.stage = Stage::Placed(shell);
        self.deadline = now + HOOK_LIMIT;
        bootstrap::inner(shell, &self.nonce)
    }

    /// The nonce of the hook and its shell, once its code was sent.
    pub(super) fn placed(&self) -> Option<(&str, LoginShell)> {
        match self.stage {
            Stage::Placed(shell) => Some((&self.nonce, shell)),
            Stage::Tried { .. } | Stage::Asked => None,
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The deadline has come.
    pub(super) fn late(&mut self) -> Late {
        match mem::replace(&mut self.stage, Stage::Asked) {
            Stage::Tried { lookout, .. } => Late::NoShell(lookout),
            stage => {
                self.stage = stage;
                Late::NoHook
            }
        }
    }
}

/// A prompt without what may change from one to the next: its numbers.
fn shape(line: &str) -> String {
    let is_digit = |character: char| character.is_ascii_digit();
    line.split(is_digit)
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("0")
}

//! What a gate asks of its caller, and what it is told.

use crate::command::Opens;
use crate::domain::{Dialect, Exactness};

/// What the caller has to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Show these bytes to the user.
    ToUser(Vec<u8>),
    /// Write these bytes to the target's terminal.
    ToTarget(Vec<u8>),
    /// The hook is in place and a prompt is about to show: for the first time, or again after [`Effect::Lost`].
    Ready,
    /// The shell waits: decide, then give the gate its answer.
    Asking(Line),
    /// The shell has begun to run the line asked about.
    Started,
    /// The line asked about will not run.
    Cancelled,
    /// The line that was started has ended.
    Ended(LineEnd),
    /// A line ran that was not asked about.
    Unasked {
        /// Its text, empty where it is not known.
        text: String,
        /// The language that it is written in.
        dialect: Dialect,
    },
    /// The target wrote a mark that the hook did not write now. It was stripped.
    Forged,
    /// A shell gave back, as typed before its answer, what the user has not typed. It was dropped.
    Invented,
    /// What runs is not known from here on, until [`Effect::Ready`].
    Lost(Lost),
}

/// Why it is not known what runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The hook did not come up, or its shell is not understood any longer.
    Shell,
    /// A shell was opened in which no hook could be placed.
    InnerShell,
    /// Several shells share the terminal.
    Multiplexer,
    /// A container or a console was opened: whatever reads there.
    Console,
}

impl Lost {
    /// What runs then, for the record and for people.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Shell => "interactive shell, not understood any longer",
            Self::InnerShell => "inner shell whose lines cannot be known",
            Self::Multiplexer => "terminal multiplexer: shells whose lines cannot be known",
            Self::Console => "console or container whose input cannot be known",
        }
    }

    /// Why it will not be known what runs once something is opened; `None` where that can be followed.
    #[must_use]
    pub const fn by_opening(opens: Opens) -> Option<Self> {
        match opens {
            Opens::Multiplexer => Some(Self::Multiplexer),
            Opens::Console => Some(Self::Console),
            Opens::Shell | Opens::Stopped => None,
        }
    }
}

/// A line that a shell is about to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The line as text; bytes that are not UTF-8 are replaced. Empty if `exactness` is unknown.
    pub text: String,
    /// The very bytes. Empty if `exactness` is unknown.
    pub bytes: Vec<u8>,
    /// The language that it is written in.
    pub dialect: Dialect,
    /// Exact, read off the screen, or unknown.
    pub exactness: Exactness,
    /// The shell's working directory, by its own account.
    pub cwd: Option<String>,
    /// Aliases of words in the line, and what they stand for.
    pub aliases: Vec<(String, String)>,
    /// What it opens on its terminal, as far as its text tells.
    pub opens: Option<Opens>,
}

/// How a line ended, by the shell's own account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LineEnd {
    /// `$?`; `None` where the shell did not say.
    pub exit_code: Option<i32>,
    /// The working directory afterwards.
    pub cwd: Option<String>,
    /// The exit code of each command of the last pipeline.
    pub pipe_status: Vec<i32>,
    /// Bytes that the terminal showed meanwhile, without marks.
    pub output_bytes: u64,
}

/// The answer to [`Effect::Asking`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Run the line.
    Run,
    /// Do not run it, and forget what was typed ahead.
    Cancel,
}

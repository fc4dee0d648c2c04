//! One command parsed, cooked, unwrapped, redacted and abstracted. No I/O.
//!
//! [`parse`] brings a line down to a flat list of [`SimpleCommand`]s: substitutions, the arms of control structures, what
//! wrappers (`sudo`, `xargs`, `sh -c`, ...) would run, here-documents fed to a shell. Everything is bounded in length,
//! depth and number; what could not be followed is said in [`Script::doubts`] and is never an error.

mod alias;
mod arithmetic;
mod brace;
mod code;
mod cook;
mod decode;
mod feed;
mod filters;
mod flatten;
mod follow;
mod grammar;
mod guess;
mod heredoc;
mod launch;
mod opens;
mod operand;
mod options;
mod parameter;
mod pattern;
mod redact;
mod rescue;
mod scan;
mod splitter;
mod stdin;
mod token;
mod transfer;
mod tree;
mod unwrap;
mod variables;
mod walk;
mod wild;
mod wrappers;

use std::ops::Range;

use crate::domain::Dialect;

pub use alias::expand_aliases;
pub use flatten::{MAX_PARSED, parse};
pub use grammar::{AlreadyDelegated, Grammar, InProcess, NoTree, delegate_grammar};
pub use opens::{Opens, opens};
pub use operand::{OperandClass, operand_class};
pub use pattern::{pattern, pattern_of_redacted};
pub use redact::{redact, redact_prose, redacted};
pub use splitter::{MAX_UNIT, Piece, Splitter};
pub use stdin::{Interpreted, MAX_TEXT, Stdin, password_on_stdin, program_on_stdin};
pub use transfer::{Transfer, serves_sftp, transfer};
pub use tree::{MAX_TREE_LENGTH, NotATree, Tree};

/// One submitted command, brought down to what it would run.
#[derive(Debug, Clone)]
pub struct Script {
    /// The exact text.
    pub text: String,
    /// The language that it was read as.
    pub dialect: Dialect,
    /// Every simple command found, in order of appearance; a wrapper stands before what it wraps.
    pub commands: Vec<SimpleCommand>,
    /// Why the text was not fully understood; empty when it was.
    pub doubts: Vec<Doubt>,
}

impl Script {
    /// Whether the whole text was understood: the grammar held and no part is opaque.
    #[must_use]
    pub fn understood(&self) -> bool {
        self.doubts.is_empty()
    }
}

/// A reason why a text was not fully understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Doubt {
    /// The grammar reported an error or a missing piece.
    Grammar,
    /// A limit of length, depth or number was met, and the rest was not looked at.
    Limit,
    /// The dialect is not one that the grammar covers in full.
    Dialect,
    /// A command name is not constant.
    DynamicProgram,
    /// Text that will be run as a program could not be computed.
    Opaque,
    /// Here-documents as POSIX finds them and as the grammar finds them differ.
    HereDocument,
    /// Who was to ask the grammar failed on it, or on a part before it.
    Unread,
}

/// One simple command: a program with its words.
#[derive(Debug, Clone)]
pub struct SimpleCommand {
    /// `NAME=value` before the program.
    pub assignments: Vec<Assignment>,
    /// The program and its arguments, cooked; empty for a bare assignment or redirection.
    pub words: Vec<Word>,
    /// Redirections, in order.
    pub redirections: Vec<Redirection>,
    /// Where it was found.
    pub origin: Origin,
    /// Number of the pipeline it belongs to, within the script.
    pub pipeline: usize,
    /// Its place in that pipeline, from 0.
    pub stage: usize,
    /// Substitutions, wrappers and inner languages around it.
    pub depth: usize,
    /// Where its redirections are those of a compound command: the place in [`Script::commands`] from which on the commands
    /// before it stand in that.
    pub encloses_from: Option<usize>,
}

impl SimpleCommand {
    /// The program's base name (`/bin/rm` is `rm`), if it is constant and can name one.
    ///
    /// An option (`if --token x`) and a quoted assignment (`nice 'TOKEN=x'`) name none, and may hold a secret.
    #[must_use]
    pub fn program(&self) -> Option<&str> {
        let first = self.words.first().filter(|word| word.constant)?;
        let name = first.text.rsplit('/').next().unwrap_or(&first.text);
        // An interactive zsh runs `rm` for `=rm`.
        let assigns = name.find('=').is_some_and(|at| at > 0);
        (!first.text.starts_with('-') && !assigns).then_some(name)
    }

    /// The words after the program.
    #[must_use]
    pub fn arguments(&self) -> &[Word] {
        self.words.get(1..).unwrap_or_default()
    }
}

/// Where a simple command was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In the text itself.
    Direct,
    /// In a command or process substitution.
    Substitution,
    /// In the operands of a wrapper, named here (`sudo`, `xargs`, `find`).
    Wrapped(String),
    /// In text that another program runs (`sh -c`, `eval`, a here-document to a shell), named here.
    Inner(String),
}

/// A word after quote removal and the expansions that can be computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The cooked text; an expansion that is not known stands as it was written (`$x`, `$(date)`).
    pub text: String,
    /// Where the raw word stands in the text that it was parsed from; empty for what was computed.
    pub span: Range<usize>,
    /// Whether the cooked text holds no expansion that is not known.
    pub constant: bool,
    /// Whether any part was quoted or escaped.
    pub quoted: bool,
    /// Whether an unquoted `*`, `?` or `[` makes it a pattern.
    pub glob: bool,
    /// Whether the raw form hides a plain word (`r\m`, `'r''m'`, `$'\x72m'`).
    pub disguised: bool,
}

impl Word {
    /// A word that stands nowhere in the text: it was computed.
    fn computed(text: String) -> Self {
        Self {
            text,
            span: 0..0,
            constant: true,
            quoted: true,
            glob: false,
            disguised: false,
        }
    }
}

/// `NAME=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The variable.
    pub name: String,
    /// The cooked value.
    pub value: Word,
}

/// A redirection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirection {
    /// The operator without its file descriptor: `>`, `>>`, `<`, `>|`, `&>`, `<>`, `<<`, `<<<`, `>&`.
    pub operator: String,
    /// The file, descriptor, here-string, or here-document body.
    pub target: Word,
}

impl Redirection {
    /// Whether it can change the file that it names.
    #[must_use]
    pub fn writes(&self) -> bool {
        matches!(self.operator.as_str(), ">" | ">>" | ">|" | "&>" | "&>>" | "<>")
    }
}

/// The abstraction of a command under which equal kinds meet: programs, flags and classes of operands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// The normalised text.
    pub text: String,
    /// SHA-256 over version and text, the first 16 bytes in hexadecimal: `command_hash`.
    pub hash: String,
}

/// The version of the normalisation that [`Pattern`] follows; stored as `pattern_version`.
pub const PATTERN_VERSION: u32 = 1;

#[cfg(test)]
mod disguises;
#[cfg(test)]
mod tests;

//! Commands out of bytes as they come: what a shell that reads its standard input takes in and runs at once.
//!
//! A shell reads up to a newline that completes a command, runs it, and reads on. [`Splitter`] finds these ends, in one pass
//! over the bytes and whatever the reads were: a byte is looked at once, so that a long incomplete text costs no more than a
//! short one.

mod after;
mod differences;
mod documents;
mod lexer;
mod words;

use crate::domain::Dialect;

pub(super) use after::lines_of as secret_lines_of;
use after::{After, after};
use lexer::{Found, Lexer};

/// Longest unit, in bytes; the input is lost to understanding from the beginning of a longer one on.
pub const MAX_UNIT: usize = 64 * 1024;

/// A piece of the input. All pieces, and what is pending after them, are the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// What the shell runs as one, with the newline that completes it.
    Unit(Vec<u8>),
    /// A line without a command: blanks, or a comment.
    Blank(Vec<u8>),
    /// A line that a command before it may read as a password. It may as well be a command.
    Secret(Vec<u8>),
}

/// Splits the standard input of a shell into units.
#[derive(Debug)]
pub struct Splitter {
    /// Those that read it, which must agree; one for each dialect of the shell, as far as it is known.
    lexers: Vec<Lexer>,
    dialects: Vec<Dialect>,
    /// What came and belongs to no unit yet.
    pending: Vec<u8>,
    /// How many of the next lines may be passwords.
    secrets: usize,
    lost: bool,
    hidden: bool,
}

impl Splitter {
    /// A splitter at the beginning of the input of a shell of this dialect.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self::of(&[dialect])
    }

    /// A splitter for a shell that is not known: what shells of all dialects read alike is understood.
    #[must_use]
    pub fn of_any_shell() -> Self {
        Self::of(&[Dialect::Bash, Dialect::Sh, Dialect::Zsh, Dialect::Fish])
    }

    fn of(dialects: &[Dialect]) -> Self {
        Self {
            lexers: dialects.iter().map(|dialect| Lexer::new(*dialect)).collect(),
            dialects: dialects.to_vec(),
            pending: Vec::new(),
            secrets: 0,
            lost: false,
            hidden: false,
        }
    }

    /// The same, before an input whose first line may be a password.
    #[must_use]
    pub fn after_password(self) -> Self {
        Self { secrets: 1, ..self }
    }

    /// The dialect that it reads; `None` where the shell is not known.
    #[must_use]
    pub fn dialect(&self) -> Option<Dialect> {
        match self.dialects.as_slice() {
            [dialect] => Some(*dialect),
            _ => None,
        }
    }

    /// Takes bytes, and gives the pieces that they complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Piece> {
        self.pending.extend_from_slice(bytes);
        let (pending, mut start) = (std::mem::take(&mut self.pending), 0);
        let mut pieces = Vec::new();
        while let Some(piece) = self.next(pending.get(start..).unwrap_or_default()) {
            start += piece.bytes().len();
            pieces.push(piece);
        }
        self.pending = pending;
        self.pending.drain(..start);
        pieces
    }

    /// The piece at the beginning of what is left.
    fn next(&mut self, text: &[u8]) -> Option<Piece> {
        if self.lost {
            return None;
        }
        if self.secrets > 0 {
            return self.secret(text);
        }
        match self.run(text) {
            Found::End { at, blank } if at <= MAX_UNIT => {
                let piece = text.get(..at)?.to_vec();
                if blank {
                    return Some(Piece::Blank(piece));
                }
                self.look_after(&piece);
                Some(Piece::Unit(piece))
            }
            Found::More if text.len() <= MAX_UNIT => None,
            Found::More | Found::End { .. } | Found::Lost => {
                self.lost = true;
                None
            }
        }
    }

    /// What all lexers find.
    fn run(&mut self, text: &[u8]) -> Found {
        let found = self.lexers.iter_mut().map(|lexer| lexer.run(text));
        found.reduce(Found::agreed).unwrap_or(Found::Lost)
    }

    /// What follows a unit in the same input may be no command.
    fn look_after(&mut self, unit: &[u8]) {
        match after(unit, &self.dialects) {
            After::Commands => {}
            After::Secrets(lines) => self.secrets = lines,
            After::Program => self.lost = true,
            After::Hidden => (self.lost, self.hidden) = (true, true),
        }
    }

    /// A line that may be a password, and is otherwise a command: only if that is a whole one is known what comes after it.
    fn secret(&mut self, text: &[u8]) -> Option<Piece> {
        let Some(newline) = memchr::memchr(b'\n', text) else {
            if text.len() > MAX_UNIT {
                (self.lost, self.hidden) = (true, true);
            }
            return None;
        };
        let line = text.get(..=newline)?;
        self.secrets -= 1;
        let is_whole = matches!(self.run(line), Found::End { at, .. } if at == line.len());
        if !is_whole || after(line, &self.dialects) != After::Commands {
            (self.lost, self.hidden) = (true, true);
        }
        Some(Piece::Secret(line.to_vec()))
    }

    /// Whether a unit is too long, too deeply nested, holds a NUL byte, which shells drop or stop at, or something that one
    /// shell reads as commands and another does not; or whether something else reads what follows: from there on, nothing is
    /// split any more.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// Whether what is pending, and what follows it, may be or hold a password.
    #[must_use]
    pub fn hides_secrets(&self) -> bool {
        self.hidden || self.secrets > 0
    }

    /// Whether what is pending can be judged as it stands where the input ends. A shell that stops at a fault runs nothing of
    /// what is incomplete; a zsh may.
    #[must_use]
    pub fn is_known_at_end(&mut self) -> bool {
        let text = [self.pending.as_slice(), b"\n"].concat();
        let stops = !matches!(self.dialects.as_slice(), [Dialect::Zsh] | [_, _, ..]);
        stops || self.pending.is_empty() || matches!(self.run(&text), Found::End { at, .. } if at == text.len())
    }

    /// What came and belongs to no piece: the beginning of a unit.
    #[must_use]
    pub fn pending(&self) -> &[u8] {
        &self.pending
    }

    /// Takes what is pending: nothing of it is split any more.
    #[must_use]
    pub fn into_pending(self) -> Vec<u8> {
        self.pending
    }
}

impl Piece {
    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Unit(bytes) | Self::Blank(bytes) | Self::Secret(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests;

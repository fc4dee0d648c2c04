//! Commands out of bytes as they come: what a shell that reads its standard input takes in and runs at once.
//!
//! A shell reads up to a newline that completes a command, runs it, and reads on. [`Splitter`] finds these ends, in one pass
//! over the bytes and whatever the reads were: a byte is looked at once, so that a long incomplete text costs no more than a
//! short one.

mod differences;
mod documents;
mod lexer;
mod words;

use crate::domain::Dialect;

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
}

/// Splits the standard input of a shell into units.
#[derive(Debug)]
pub struct Splitter {
    lexer: Lexer,
    /// What came and belongs to no unit yet.
    pending: Vec<u8>,
    lost: bool,
}

impl Splitter {
    /// A splitter at the beginning of the input of a shell of this dialect.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self {
            lexer: Lexer::new(dialect),
            pending: Vec::new(),
            lost: false,
        }
    }

    /// The dialect that it reads.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.lexer.dialect()
    }

    /// Takes bytes, and gives the pieces that they complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Piece> {
        self.pending.extend_from_slice(bytes);
        let (mut pieces, mut start) = (Vec::new(), 0);
        while !self.lost {
            let text = self.pending.get(start..).unwrap_or_default();
            match self.lexer.run(text) {
                Found::End { at, blank } if at <= MAX_UNIT => {
                    let piece = text.get(..at).unwrap_or_default().to_vec();
                    pieces.push(if blank { Piece::Blank(piece) } else { Piece::Unit(piece) });
                    start += at;
                }
                Found::More if text.len() <= MAX_UNIT => break,
                Found::More | Found::End { .. } | Found::Lost => self.lost = true,
            }
        }
        self.pending.drain(..start);
        pieces
    }

    /// Whether a unit is too long, too deeply nested, holds a NUL byte, which shells drop or stop at, or something that one
    /// shell reads as commands and another does not: from its beginning on, nothing is split any more.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost
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

#[cfg(test)]
mod tests;

//! Steps within quotes, expansions, comments and groups: what stands between the words and operators of commands.

use super::super::differences::is_alike_in_subshells;
use super::super::words::{Closing, Commands};
use super::{Frame, Group, Lexer, Stepped, after_blank};
use crate::domain::Dialect;

impl Lexer {
    pub(super) fn in_escaped(&mut self, text: &[u8], byte: u8) -> Stepped {
        // It ends there where the shell knows no `$'...'`.
        if self.dialect == Dialect::Sh && byte == b'\\' && *text.get(self.at + 1)? == b'\'' {
            return self.differs();
        }
        self.until_unescaped(text, byte, b'\'')
    }

    pub(super) fn until(&mut self, byte: u8, end: u8) -> Stepped {
        if byte == end { self.pop(1) } else { self.moved(1) }
    }

    pub(super) fn until_unescaped(&mut self, text: &[u8], byte: u8, end: u8) -> Stepped {
        if byte == b'\\' {
            text.get(self.at + 1)?;
            return self.moved(2);
        }
        self.until(byte, end)
    }

    pub(super) fn in_comment(&mut self, byte: u8) -> Stepped {
        if byte == b'\n' { self.pop(0) } else { self.moved(1) }
    }

    pub(super) fn in_double(&mut self, text: &[u8], byte: u8) -> Stepped {
        match byte {
            b'"' => self.pop(1),
            b'\'' => self.moved(1),
            _ => self.element(text, byte, true),
        }
    }

    pub(super) fn in_brackets(&mut self, text: &[u8], byte: u8, end: u8, literal: bool) -> Stepped {
        match byte {
            _ if byte == end => self.pop(1),
            // After `#` and `%` it is a quote, after `:-` it is none, or the other way round.
            b'\'' if literal && self.dialect == Dialect::Sh => self.differs(),
            b'\'' if literal => self.moved(1),
            b'[' if end == b']' => self.push(Frame::Bracket, 1),
            _ => self.element(text, byte, literal),
        }
    }

    pub(super) fn in_group(&mut self, text: &[u8], byte: u8, group: Group) -> Stepped {
        match byte {
            b'(' | b';' | b'&' | b'|' | b'<' | b'>' if group == Group::Array && self.dialect != Dialect::Zsh => {
                self.in_array(text, byte)
            }
            b'(' => self.push(Frame::Group(Group::Pattern), 1),
            b')' => {
                self.frames.pop();
                if let Some(commands) = self.commands().filter(|_| group == Group::Function) {
                    commands.group_closed(true);
                }
                self.moved(1)
            }
            // In zsh a flag of a pattern, or a comment.
            b'#' if self.dialect == Dialect::Zsh && self.before(text) == Some(b'(') => self.differs(),
            b'#' if after_blank(text, self.at) => self.push(Frame::Comment, 1),
            _ => self.element(text, byte, false),
        }
    }

    /// At an operator in an array a shell finds a fault, and bash runs the next line then.
    fn in_array(&mut self, text: &[u8], byte: u8) -> Stepped {
        match byte {
            b'<' | b'>' if *text.get(self.at + 1)? == b'(' => self.substitution(2),
            _ => self.differs(),
        }
    }

    pub(super) fn in_arithmetic(&mut self, text: &[u8], byte: u8) -> Stepped {
        let dialect = self.dialect;
        let Some(Frame::Arithmetic { open, around, start }) = self.frames.last_mut() else {
            return self.moved(1);
        };
        let is_group = *around == Closing::Subshell;
        match byte {
            // Not a quote to all of them; and dash knows no `((`.
            b'\'' | b'"' if dialect != Dialect::Bash => return self.differs(),
            b'#' if dialect == Dialect::Sh && is_group => return self.differs(),
            b'<' if dialect == Dialect::Sh && is_group && *text.get(self.at + 1)? == b'<' => return self.differs(),
            b'(' => *open += 1,
            b')' if *open == 2 && *text.get(self.at + 1)? != b')' => {
                // Two subshells after all: one is closed, and the other goes on.
                if !is_alike_in_subshells(text.get(*start..self.at).unwrap_or_default()) {
                    return self.differs();
                }
                let mut commands = Commands::new(Some(*around));
                commands.begin();
                self.frames.pop();
                return self.push(Frame::Commands(commands), 1);
            }
            b')' if *open == 2 => {
                let around = *around;
                self.frames.pop();
                self.closed(around, false);
                return self.moved(2);
            }
            b')' => *open -= 1,
            _ => return self.element(text, byte, false),
        }
        self.moved(1)
    }

    /// A quote, an escape, an expansion, or one byte.
    pub(super) fn element(&mut self, text: &[u8], byte: u8, in_double: bool) -> Stepped {
        match byte {
            b'\\' => {
                let joins = *text.get(self.at + 1)? == b'\n';
                if joins && self.before(text) == Some(b'$') {
                    return self.differs();
                }
                self.holds_lines |= joins;
                self.moved(2)
            }
            b'\'' if self.dialect == Dialect::Fish => self.push(Frame::Escaped, 1),
            b'\'' => self.push(Frame::Single, 1),
            b'"' => self.push(Frame::Double, 1),
            b'`' if self.dialect != Dialect::Fish => self.push(Frame::Backtick, 1),
            b'$' => self.dollar(text, in_double),
            _ => self.moved(1),
        }
    }

    fn dollar(&mut self, text: &[u8], in_double: bool) -> Stepped {
        let is_fish = self.dialect == Dialect::Fish;
        match *text.get(self.at + 1)? {
            b'(' if !is_fish && *text.get(self.at + 2)? == b'(' => {
                let (around, start) = (Closing::Substitution, self.at);
                self.push(Frame::Arithmetic { open: 2, around, start }, 3)
            }
            b'(' => self.push(Frame::Commands(Commands::new(Some(Closing::Substitution))), 2),
            // A substitution to some.
            b'{' if !is_fish && b" \t\n|".contains(text.get(self.at + 2)?) => self.differs(),
            b'{' => {
                // bash takes single quotes for quotes there, even between double ones.
                let literal = in_double && self.dialect != Dialect::Bash;
                self.push(Frame::Parameter { literal }, 2)
            }
            b'\'' if !in_double && !is_fish => self.push(Frame::Escaped, 2),
            b'[' if self.dialect == Dialect::Sh => self.differs(),
            b'[' if !is_fish => self.push(Frame::Bracket, 2),
            _ => self.moved(1),
        }
    }
}

//! What somebody types at the menu: bytes in, keys out.

use crate::domain::printable_line;

/// Bytes of a control sequence's parameters that are kept; a longer one is no key that the menu knows.
const MAX_PARAMETERS: usize = 4;

/// A key as the menu knows it. Whatever is not here does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// A character that can be seen.
    Text(char),
    /// Takes the last character away.
    Erase,
    /// Takes the whole line away.
    EraseLine,
    /// Ends the line.
    Enter,
    /// `^C`.
    Interrupt,
    /// `^D`.
    End,
    /// Page down.
    NextPage,
    /// Page up.
    PreviousPage,
}

/// Puts bytes together to keys, whatever the packets are that they come in.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// The bytes so far of a character of several.
    character: Vec<u8>,
    escape: Escape,
    after_return: bool,
}

/// How far an escape sequence has come.
#[derive(Debug, Default)]
enum Escape {
    #[default]
    None,
    /// `ESC`.
    Begun,
    /// `ESC O`: one more byte.
    Single,
    /// `ESC [`, and parameters up to a final byte.
    Control(Vec<u8>),
}

impl Keys {
    /// The key that `byte` completes.
    pub(super) fn key(&mut self, byte: u8) -> Option<Key> {
        let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
        match std::mem::take(&mut self.escape) {
            Escape::None => {}
            Escape::Begun => return self.begun(byte),
            Escape::Single => return None,
            Escape::Control(parameters) => return self.control(parameters, byte),
        }
        if byte >= 0x80 {
            return self.part_of_character(byte);
        }
        self.character.clear();
        match byte {
            b'\n' if after_return => None,
            b'\r' | b'\n' => Some(Key::Enter),
            0x03 => Some(Key::Interrupt),
            0x04 => Some(Key::End),
            0x08 | 0x7f => Some(Key::Erase),
            0x15 => Some(Key::EraseLine),
            0x1b => {
                self.escape = Escape::Begun;
                None
            }
            0x20..=0x7e => Some(Key::Text(char::from(byte))),
            _ => None,
        }
    }

    fn begun(&mut self, byte: u8) -> Option<Key> {
        match byte {
            b'[' => self.escape = Escape::Control(Vec::new()),
            b'O' => self.escape = Escape::Single,
            // An interrupt counts wherever it stands.
            0x03 => return Some(Key::Interrupt),
            _ => {}
        }
        None
    }

    fn control(&mut self, mut parameters: Vec<u8>, byte: u8) -> Option<Key> {
        match byte {
            0x03 => Some(Key::Interrupt),
            0x40..=0x7e => match (parameters.as_slice(), byte) {
                (b"5", b'~') => Some(Key::PreviousPage),
                (b"6", b'~') => Some(Key::NextPage),
                _ => None,
            },
            _ => {
                if parameters.len() < MAX_PARAMETERS {
                    parameters.push(byte);
                }
                self.escape = Escape::Control(parameters);
                None
            }
        }
    }

    fn part_of_character(&mut self, byte: u8) -> Option<Key> {
        if byte >= 0xc0 {
            self.character.clear();
        }
        self.character.push(byte);
        match std::str::from_utf8(&self.character) {
            Ok(text) => {
                let seen = text.chars().next().filter(|_| printable_line(text) == text);
                self.character.clear();
                seen.map(Key::Text)
            }
            // More of it has to come.
            Err(error) if error.error_len().is_none() => None,
            Err(_) => {
                self.character.clear();
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut keys = Keys::default();
        bytes.iter().filter_map(|byte| keys.key(*byte)).collect()
    }

    fn text(bytes: &[u8]) -> String {
        let letters = keys(bytes).into_iter().filter_map(|key| match key {
            Key::Text(letter) => Some(letter),
            _ => None,
        });
        letters.collect()
    }

    #[test]
    fn characters_of_several_bytes_are_one_key() {
        assert_eq!(text("ü日b".as_bytes()), "ü日b");
        assert_eq!(
            text(b"a\xc3b\xff\xc3\xbcc"),
            "abüc",
            "what is cut or is none is left out"
        );
    }

    #[test]
    fn what_acts_on_a_terminal_is_no_text() {
        assert_eq!(text("a\u{202e}b\u{200b}c\u{9b}2J".as_bytes()), "abc2J");
    }

    #[test]
    fn keys_that_send_sequences_leave_no_letters() {
        assert_eq!(keys(b"\x1b[A\x1bOP\x1b[1;5C\x1b[200~\x1bx"), []);
        assert_eq!(keys(b"\x1b[6~\x1b[5~"), [Key::NextPage, Key::PreviousPage]);
    }

    #[test]
    fn a_line_ends_once_whatever_ends_it() {
        assert_eq!(keys(b"\r\n\n\r"), [Key::Enter, Key::Enter, Key::Enter]);
    }

    #[test]
    fn an_interrupt_is_heard_within_a_sequence() {
        assert_eq!(keys(b"\x1b\x03\x1b[\x03"), [Key::Interrupt, Key::Interrupt]);
    }

    proptest! {
        #[test]
        fn text_is_always_fit_to_be_shown(bytes: Vec<u8>) {
            let text = text(&bytes);
            prop_assert_eq!(printable_line(&text), text.as_str());
        }
    }
}

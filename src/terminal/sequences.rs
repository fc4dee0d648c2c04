//! What a person typed, told apart from what a terminal sends by itself and from pastes.

const ESC: u8 = 0x1b;

/// `^C`, which is meant for what is on the screen wherever it comes but in a paste.
const INTERRUPT: u8 = 0x03;

/// The most bytes of a control sequence's parameters that are kept; the marks of a paste have three.
const MAX_PARAMETERS: usize = 8;

/// Follows input byte for byte, however it is cut into reads.
///
/// Sequences are followed in both spellings that terminals have for their controls: seven bits (ESC and a character) and eight
/// (C1), these as bytes and as characters of UTF-8. A target can switch a terminal from one to the other.
#[derive(Debug, Default)]
pub(super) struct Sequences {
    state: State,
    is_pasting: bool,
    character: Character,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    /// In none.
    #[default]
    Ground,
    /// After ESC.
    Escape,
    /// After ESC and intermediate bytes, or SS2 or SS3: one more byte.
    One,
    /// In a CSI, whose parameters are kept as far as they tell a paste.
    Control(Vec<u8>),
    /// In a report of the mouse as X10 has it (`CSI M` and three characters): so many are left.
    Mouse(u8),
    /// In a string (OSC, DCS, SOS, PM, APC), up to its terminator.
    String,
    /// In a string, after an ESC that may begin the terminator.
    StringEscape,
}

/// How far a character of several bytes has come.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Character {
    first: u8,
    /// Bytes that are left of it.
    left: u8,
}

/// What a byte is beside its place in a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// A byte of ASCII, the first byte of another character, or one that is part of none.
    Whole,
    /// Another byte of a character.
    Rest,
    /// A C1 control, by the second character of its spelling in seven bits.
    Control(u8),
}

impl Sequences {
    /// Takes the next byte; whether a person may have typed it.
    pub(super) fn is_typed(&mut self, byte: u8) -> bool {
        if byte == INTERRUPT && !self.is_pasting {
            // Whoever is caught in a string without an end gets out of it.
            self.state = State::Ground;
            return true;
        }
        let piece = self.character.take(byte);
        let state = std::mem::take(&mut self.state);
        let is_within = state != State::Ground;
        self.state = match (state, piece) {
            (State::StringEscape, _) if byte == b'\\' => State::Ground,
            (State::String | State::StringEscape, _) => in_string(byte, piece),
            (_, Piece::Control(second)) => after_escape(second),
            (State::Mouse(left), _) if byte >= b' ' => self.mouse(left),
            (state @ (State::Control(_) | State::One), Piece::Rest) => state,
            (State::Escape, _) => after_escape(byte),
            (State::Control(parameters), _) => self.control(parameters, byte),
            (State::Ground | State::One | State::Mouse(_), _) if byte == ESC => State::Escape,
            (State::Ground | State::One | State::Mouse(_), _) => State::Ground,
        };
        !(is_within || self.state != State::Ground || self.is_pasting)
    }

    /// A byte of a report of the mouse, of which `left` characters were left.
    fn mouse(&self, left: u8) -> State {
        match (self.character.left, left) {
            (0, 0 | 1) => State::Ground,
            (0, _) => State::Mouse(left - 1),
            _ => State::Mouse(left),
        }
    }

    fn control(&mut self, mut parameters: Vec<u8>, byte: u8) -> State {
        match byte {
            ESC => State::Escape,
            b'M' if parameters.is_empty() => State::Mouse(3),
            0x40..=0x7e => {
                self.is_pasting = match (parameters.as_slice(), byte) {
                    (b"200", b'~') => true,
                    (b"201", b'~') => false,
                    _ => self.is_pasting,
                };
                State::Ground
            }
            _ => {
                if parameters.len() < MAX_PARAMETERS {
                    parameters.push(byte);
                }
                State::Control(parameters)
            }
        }
    }
}

impl Character {
    fn take(&mut self, byte: u8) -> Piece {
        let Self { first, left } = *self;
        let is_rest = left > 0 && matches!(byte, 0x80..=0xbf);
        *self = if is_rest {
            Self { first, left: left - 1 }
        } else {
            Self {
                first: byte,
                left: bytes_behind(byte),
            }
        };
        match byte {
            0x80..=0x9f if !is_rest || first == 0xc2 => Piece::Control(byte - 0x40),
            _ if is_rest => Piece::Rest,
            _ => Piece::Whole,
        }
    }
}

/// How many bytes a character has behind its first one, in UTF-8.
fn bytes_behind(first: u8) -> u8 {
    match first {
        0xc2..=0xdf => 1,
        0xe0..=0xef => 2,
        0xf0..=0xf4 => 3,
        _ => 0,
    }
}

fn after_escape(byte: u8) -> State {
    match byte {
        b'[' => State::Control(Vec::new()),
        b']' | b'P' | b'X' | b'^' | b'_' => State::String,
        b'N' | b'O' | 0x20..=0x2f => State::One,
        ESC => State::Escape,
        _ => State::Ground,
    }
}

/// What ends a string: BEL, CAN, SUB, or ST in either spelling.
fn in_string(byte: u8, piece: Piece) -> State {
    match (byte, piece) {
        (0x07 | 0x18 | 0x1a, _) | (_, Piece::Control(b'\\')) => State::Ground,
        (ESC, _) => State::StringEscape,
        _ => State::String,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What of the input a person may have typed.
    fn typed(input: &[u8]) -> Vec<u8> {
        let mut sequences = Sequences::default();
        input.iter().copied().filter(|byte| sequences.is_typed(*byte)).collect()
    }

    #[test]
    fn nothing_of_a_sequence_is_typed_in_either_spelling() {
        for (introducer, rest) in [
            ('[', "?64;1y"),
            (']', "10;y\r\u{7}"),
            (']', "10;y\r\u{1b}\\"),
            (']', "10;y\r\u{9c}"),
            ('P', "1$ry\r\u{1b}\\"),
            ('X', "y\r\u{1b}\\"),
            ('^', "y\r\u{1b}\\"),
            ('_', "y\r\u{1b}\\"),
            ('N', "y"),
            ('O', "y"),
        ] {
            let control = u8::try_from(u32::from(introducer)).unwrap() + 0x40;
            let seven = format!("a\u{1b}{introducer}{rest}b").into_bytes();
            let eight = [b"a", [control].as_slice(), rest.as_bytes(), b"b"].concat();
            let in_utf_8 = [b"a\xc2", [control].as_slice(), rest.as_bytes(), b"b"].concat();
            assert_eq!(typed(&seven), b"ab", "{introducer}{rest:?}");
            assert_eq!(typed(&eight), b"ab", "{introducer}{rest:?}, in eight bits");
            assert_eq!(typed(&in_utf_8), b"a\xc2b", "{introducer}{rest:?}, in UTF-8");
        }
    }

    #[test]
    fn the_bytes_of_a_string_that_look_like_its_end_do_not_end_it() {
        // U+071C ends in the byte of an ST.
        assert_eq!(typed("a\u{1b}]0;\u{71c}y\r\u{7}b".as_bytes()), b"ab");
        assert_eq!(typed(b"a\x1b]0;\x1b]y\r\x07b"), b"ab");
    }

    #[test]
    fn characters_of_several_bytes_are_typed() {
        let text = "gr\u{fc}\u{df}e \u{db}\u{65e5}\u{1f600}";
        assert_eq!(typed(text.as_bytes()), text.as_bytes());
    }

    #[test]
    fn a_report_of_the_mouse_has_three_characters() {
        assert_eq!(typed(b"a\x1b[Myesb"), b"ab");
        assert_eq!(typed("a\u{1b}[M \u{e9}\u{e9}b".as_bytes()), b"ab");
        assert_eq!(typed(b"a\x1b[1Myes"), b"ayes");
    }

    #[test]
    fn an_interrupt_is_typed_and_ends_any_sequence() {
        for begun in ["\x1b", "\x1b[1", "\x1b]0;x", "\x1bX", "\x1b[M", "\x1bO", "\u{9d}"] {
            let all = format!("{begun}\x03b").into_bytes();
            assert!(typed(&all).ends_with(b"\x03b"), "{begun:?}");
        }
    }

    #[test]
    fn a_paste_is_not_typed() {
        assert_eq!(typed(b"a\x1b[200~yes\r\x1b[A\x03\x1b[201~b"), b"ab");
        assert_eq!(typed(b"a\x9b200~yes\r\x9b201~b"), b"ab");
    }
}

//! Reading the answer to a question from a terminal.

use super::prompt::Expect;
use super::sequences::Sequences;

/// How long after the question was drawn input does not count, in milliseconds: nobody has read it by then.
const BLIND_MS: u64 = 250;

/// How long the terminal must be quiet until what was begun before that is over, in milliseconds: a paste comes in many reads,
/// and a slow line may take longer over it than [`BLIND_MS`].
const QUIET_MS: u64 = 100;

/// The longest answer, in bytes; what is typed on top of it is neither shown nor forgiven.
const MAX_ANSWER: usize = 64;

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Run it.
    Yes,
    /// Anything else.
    No,
}

/// What became of some input.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Fed {
    /// To show to the user.
    pub echo: Vec<u8>,
    /// Not part of the answer: for the shell after a yes, to be dropped after a no.
    pub type_ahead: Vec<u8>,
    /// The answer, once it is complete. What is fed afterwards is type-ahead.
    pub answer: Option<Answer>,
}

/// Reads one answer, byte for byte.
///
/// What is no key of a person never counts: escape sequences, which are a terminal's reports as much as arrow keys, and
/// pastes. They are dropped, however they are cut into reads.
#[derive(Debug)]
pub struct AnswerReader {
    expect: Expect,
    /// Until when input does not count.
    blind_until_ms: u64,
    line: Vec<u8>,
    overlong: bool,
    sequences: Sequences,
    answered: bool,
}

impl AnswerReader {
    /// A reader for a question drawn at `drawn_at_ms`, on the same clock as [`AnswerReader::feed`]'s `now_ms`.
    #[must_use]
    pub fn new(expect: Expect, drawn_at_ms: u64) -> Self {
        Self {
            expect,
            blind_until_ms: drawn_at_ms.saturating_add(BLIND_MS),
            line: Vec::new(),
            overlong: false,
            sequences: Sequences::default(),
            answered: false,
        }
    }

    /// Takes the user's next bytes, read at `now_ms`.
    pub fn feed(&mut self, bytes: &[u8], now_ms: u64) -> Fed {
        let mut fed = Fed::default();
        let early = now_ms < self.blind_until_ms;
        if early {
            self.blind_until_ms = self.blind_until_ms.max(now_ms.saturating_add(QUIET_MS));
        }
        for byte in bytes {
            if self.answered {
                fed.type_ahead.push(*byte);
            } else if early {
                self.overlook(*byte, &mut fed);
            } else {
                self.byte(*byte, &mut fed);
            }
        }
        fed
    }

    /// Early input is for the shell, but for an interrupt, which is always meant for what is on the screen. Sequences
    /// are followed all the same, so that the end of one that began early is not taken for keys.
    fn overlook(&mut self, byte: u8, fed: &mut Fed) {
        fed.type_ahead.push(byte);
        if self.sequences.is_typed(byte) && byte == 0x03 {
            self.answer(Answer::No, fed);
        }
    }

    fn byte(&mut self, byte: u8, fed: &mut Fed) {
        if !self.sequences.is_typed(byte) {
            return;
        }
        match byte {
            b'\r' | b'\n' => self.answer(self.judge(), fed),
            0x03 | 0x04 => self.answer(Answer::No, fed),
            0x7f | 0x08 => self.erase(1, fed),
            0x15 => self.erase(self.line.len(), fed),
            0x20..0x7f if self.line.len() < MAX_ANSWER => {
                self.line.push(byte);
                fed.echo.push(byte);
            }
            // A byte that cannot be shown, or does not fit, makes the line another one than what is seen: it cannot be a yes.
            _ => self.overlong = true,
        }
    }

    fn judge(&self) -> Answer {
        let line = self.line.trim_ascii();
        let agrees = match &self.expect {
            Expect::Yes => line.eq_ignore_ascii_case(b"y") || line.eq_ignore_ascii_case(b"yes"),
            Expect::Word(word) => !word.is_empty() && line == word.as_bytes(),
        };
        if agrees && !self.overlong {
            Answer::Yes
        } else {
            Answer::No
        }
    }

    fn answer(&mut self, answer: Answer, fed: &mut Fed) {
        self.answered = true;
        fed.echo.extend(b"\r\n");
        fed.answer = Some(answer);
    }

    fn erase(&mut self, count: usize, fed: &mut Fed) {
        let kept = self.line.len().saturating_sub(count);
        for _ in self.line.drain(kept..) {
            fed.echo.extend(b"\x08 \x08");
        }
        self.overlong &= !self.line.is_empty();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const READ: u64 = 1000 + BLIND_MS;

    fn reader(expect: Expect) -> AnswerReader {
        AnswerReader::new(expect, 1000)
    }

    fn answer(input: &[u8]) -> Option<Answer> {
        reader(Expect::Yes).feed(input, READ).answer
    }

    #[test]
    fn y_and_yes_run_and_anything_else_cancels() {
        for yes in ["y\r", "Y\n", "yes\r", "YES\r", "yex\x7fs\r", "no\x15yes\r", " y \r"] {
            assert_eq!(answer(yes.as_bytes()), Some(Answer::Yes), "{yes:?}");
        }
        for no in [
            "\r",
            "n\r",
            "no\r",
            "ye\r",
            "yess\r",
            "y y\r",
            "\u{e9}y\r",
            "y\0\r",
            "yes\x03",
            "\x04",
            "y\x04",
        ] {
            assert_eq!(answer(no.as_bytes()), Some(Answer::No), "{no:?}");
        }
        assert_eq!(answer(b"yes"), None, "the answer is a line");
    }

    #[test]
    fn a_word_is_typed_exactly() {
        let word = || reader(Expect::Word("delete".to_owned()));
        assert_eq!(word().feed(b"delete\r", READ).answer, Some(Answer::Yes));
        for no in ["y\r", "yes\r", "Delete\r", "delet\r", "deletes\r", "\r"] {
            assert_eq!(word().feed(no.as_bytes(), READ).answer, Some(Answer::No), "{no:?}");
        }
        assert_eq!(
            reader(Expect::Word(String::new())).feed(b"\r", READ).answer,
            Some(Answer::No)
        );
    }

    #[test]
    fn input_before_the_question_can_be_read_is_type_ahead() {
        let mut reader = reader(Expect::Yes);
        let fed = reader.feed(b"y\r", READ - 1);
        assert_eq!(
            fed,
            Fed {
                type_ahead: b"y\r".to_vec(),
                ..Fed::default()
            }
        );
        assert_eq!(
            reader.feed(b"\r", READ + QUIET_MS).answer,
            Some(Answer::No),
            "the early y is not part of the answer"
        );
    }

    #[test]
    fn what_began_before_the_question_can_be_read_is_early_to_its_end() {
        let mut reader = reader(Expect::Yes);
        let mut now_ms = READ - 1;
        for _ in 0..100 {
            let fed = reader.feed(b"y\r", now_ms);
            assert_eq!(
                (fed.answer, fed.type_ahead.as_slice()),
                (None, b"y\r".as_slice()),
                "{now_ms}"
            );
            now_ms += QUIET_MS - 1;
        }
        assert_eq!(reader.feed(b"y\r", now_ms + 1).answer, Some(Answer::Yes));
    }

    #[test]
    fn an_early_interrupt_is_a_no() {
        assert_eq!(reader(Expect::Yes).feed(b"\x03", 1000).answer, Some(Answer::No));
    }

    #[test]
    fn what_follows_the_answer_is_type_ahead() {
        let mut reader = reader(Expect::Yes);
        let fed = reader.feed(b"y\rls\r", READ);
        assert_eq!(
            (fed.answer, fed.type_ahead.as_slice()),
            (Some(Answer::Yes), b"ls\r".as_slice())
        );
        let fed = reader.feed(b"n\r", READ);
        assert_eq!((fed.answer, fed.type_ahead.as_slice()), (None, b"n\r".as_slice()));
    }

    #[test]
    fn keys_within_escape_sequences_do_not_count() {
        for sequence in [
            "\x1b[A",
            "\x1b[1;5C",
            "\x1bOy",
            "\x1by",
            "\x1b[?64;1y",
            "\x1b]10;rgb:y\x07",
            "\x1b]y\r\x1b\\",
            "\x1bPy\r\x1b\\",
            "\x1b(y",
            "\x1b[24;80R",
            "\x1b[Myes",
            "\u{9d}lyes\r\u{9c}",
        ] {
            let mut reader = reader(Expect::Yes);
            for byte in sequence.bytes() {
                assert_eq!(reader.feed(&[byte], READ), Fed::default(), "{sequence:?}");
            }
            assert_eq!(reader.feed(b"\r", READ).answer, Some(Answer::No), "{sequence:?}");
        }
    }

    #[test]
    fn a_sequence_that_began_early_does_not_end_as_keys() {
        let mut reader = reader(Expect::Yes);
        reader.feed(b"\x1b]11;rgb:", READ - 1);
        assert_eq!(reader.feed(b"y\r", READ + QUIET_MS).answer, None);
    }

    #[test]
    fn a_paste_does_not_count() {
        let mut reader = reader(Expect::Yes);
        assert_eq!(reader.feed(b"\x1b[200~y\ryes\r\x03", READ), Fed::default());
        assert_eq!(reader.feed(b"\x1b[20", READ), Fed::default());
        assert_eq!(reader.feed(b"1~y\r", READ).answer, Some(Answer::Yes));
    }

    #[test]
    fn editing_is_echoed() {
        let fed = reader(Expect::Yes).feed(b"no\x7fx\x15y\r", READ);
        assert_eq!(fed.echo, b"no\x08 \x08x\x08 \x08\x08 \x08y\r\n");
    }

    #[test]
    fn a_line_is_bounded() {
        let mut reader = reader(Expect::Yes);
        let fed = reader.feed(&[b' '; 10_000], READ);
        assert_eq!(fed.echo.len(), MAX_ANSWER);
        assert_eq!(reader.feed(b"y\r", READ).answer, Some(Answer::No));
    }

    proptest! {
        #[test]
        fn only_printable_ascii_and_erasures_are_echoed(input: Vec<u8>) {
            let fed = reader(Expect::Yes).feed(&input, READ);
            prop_assert!(fed.echo.iter().all(|byte| matches!(byte, 0x20..0x7f | 0x08 | b'\r' | b'\n')));
        }

        #[test]
        fn the_cut_of_the_input_does_not_matter(input: Vec<u8>, cut: prop::sample::Index) {
            let (head, tail) = input.split_at(cut.index(input.len() + 1));
            let mut whole = reader(Expect::Yes);
            let mut parts = reader(Expect::Yes);
            let expected = whole.feed(&input, READ);
            let first = parts.feed(head, READ);
            let second = parts.feed(tail, READ);
            prop_assert_eq!(expected.answer, first.answer.or(second.answer));
            prop_assert_eq!(expected.type_ahead, [first.type_ahead, second.type_ahead].concat());
        }
    }
}

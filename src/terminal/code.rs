//! The one-time code that answers a question without a terminal.

use std::mem;

/// Characters of a code.
const LENGTH: usize = 6;

/// The longest line that is still compared, in bytes, without its end.
const MAX_LINE: usize = 64;

/// Crockford's base32: no I, L, O, U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// What the first line of standard input turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstLine {
    /// The code: swallow this many bytes from the start of the input, line end included.
    Code {
        /// Bytes to swallow. After a CR that was the last byte fed, an LF that follows at once belongs to it too.
        swallow: usize,
    },
    /// Something else: the whole input belongs to the command.
    Data,
}

/// Watches the start of standard input for the code.
#[derive(Debug)]
pub struct StdinCode {
    code: Vec<u8>,
    line: Vec<u8>,
    decided: Option<FirstLine>,
}

impl StdinCode {
    /// Waits for this code.
    #[must_use]
    pub fn new(code: &str) -> Self {
        Self {
            code: folded(code.as_bytes()),
            line: Vec::new(),
            decided: None,
        }
    }

    /// Takes the next bytes of standard input; `None` while the first line is not complete. Once decided, it stays so.
    pub fn feed(&mut self, bytes: &[u8]) -> Option<FirstLine> {
        if self.decided.is_none() {
            self.decided = self.decide(bytes);
        }
        self.decided
    }

    /// Standard input ended: what came is the first line.
    pub fn end(&mut self) -> FirstLine {
        let line = mem::take(&mut self.line);
        *self.decided.get_or_insert_with(|| judge(&line, &self.code, 0))
    }

    fn decide(&mut self, bytes: &[u8]) -> Option<FirstLine> {
        let end = memchr::memchr2(b'\r', b'\n', bytes);
        let part = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        if self.line.len() + part.len() > MAX_LINE {
            return Some(FirstLine::Data);
        }
        self.line.extend_from_slice(part);
        let line_end = if bytes.get(end?..)?.starts_with(b"\r\n") { 2 } else { 1 };
        Some(judge(&self.line, &self.code, line_end))
    }
}

/// A code of six Crockford base32 characters, five random bits each, from six random bytes.
#[must_use]
pub fn new_code(random: [u8; LENGTH]) -> String {
    random
        .iter()
        .filter_map(|byte| ALPHABET.get(usize::from(byte % 32)))
        .map(|symbol| char::from(*symbol))
        .collect()
}

/// Whether two codes are the same as people write them: in either case, `I` and `L` for `1`, `O` for `0`. Takes as long
/// wherever they differ.
#[must_use]
pub fn same_code(one: &str, other: &str) -> bool {
    equal(&folded(one.as_bytes()), &folded(other.as_bytes()))
}

fn judge(line: &[u8], code: &[u8], line_end: usize) -> FirstLine {
    if !code.is_empty() && equal(&folded(line), code) {
        FirstLine::Code {
            swallow: line.len() + line_end,
        }
    } else {
        FirstLine::Data
    }
}

fn folded(code: &[u8]) -> Vec<u8> {
    code.iter()
        .map(|byte| match byte.to_ascii_uppercase() {
            b'I' | b'L' => b'1',
            b'O' => b'0',
            other => other,
        })
        .collect()
}

/// Compares in a time that depends on the lengths alone.
fn equal(one: &[u8], other: &[u8]) -> bool {
    let difference = one
        .iter()
        .zip(other)
        .fold(0, |difference, (one, other)| difference | (one ^ other));
    one.len() == other.len() && std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CODE: &str = "7K0Q1Z";

    #[test]
    fn a_code_has_six_characters_that_are_hard_to_confuse() {
        assert_eq!(new_code([0, 31, 32, 255, 18, 10]), "0Z0ZJA");
    }

    #[test]
    fn the_code_is_taken_with_its_line_end() {
        for (input, swallow) in [
            ("7K0Q1Z\n", 7),
            ("7K0Q1Z\r", 7),
            ("7K0Q1Z\r\n", 8),
            ("7K0Q1Z\nrest\n", 7),
        ] {
            assert_eq!(
                StdinCode::new(CODE).feed(input.as_bytes()),
                Some(FirstLine::Code { swallow }),
                "{input:?}"
            );
        }
    }

    #[test]
    fn look_alikes_and_case_do_not_matter() {
        for input in ["7k0q1z\n", "7KoQlZ\n", "7kOqIz\n"] {
            assert_eq!(
                StdinCode::new(CODE).feed(input.as_bytes()),
                Some(FirstLine::Code { swallow: 7 }),
                "{input:?}"
            );
        }
    }

    #[test]
    fn any_other_line_leaves_the_input_whole() {
        for input in [
            "\n",
            "7K0Q1\n",
            "7K0Q1ZZ\n",
            " 7K0Q1Z\n",
            "8K0Q1Z\n",
            "x\n7K0Q1Z\n",
            "\0\0\0\0\0\0\n",
        ] {
            assert_eq!(
                StdinCode::new(CODE).feed(input.as_bytes()),
                Some(FirstLine::Data),
                "{input:?}"
            );
        }
    }

    #[test]
    fn the_end_of_input_ends_the_line() {
        let mut code = StdinCode::new(CODE);
        assert_eq!(code.feed(b"7K0Q1Z"), None);
        assert_eq!(code.end(), FirstLine::Code { swallow: 6 });
        assert_eq!(StdinCode::new(CODE).end(), FirstLine::Data);
    }

    #[test]
    fn a_line_without_end_is_data_before_it_fills_memory() {
        let mut code = StdinCode::new(CODE);
        assert_eq!(code.feed(&[b'x'; MAX_LINE]), None);
        assert_eq!(code.feed(b"x"), Some(FirstLine::Data));
        assert_eq!(code.end(), FirstLine::Data, "decided once");
    }

    #[test]
    fn an_empty_code_is_never_given() {
        assert_eq!(StdinCode::new("").feed(b"\n"), Some(FirstLine::Data));
    }

    proptest! {
        #[test]
        fn every_new_code_is_its_own_answer(random: [u8; LENGTH], cut in 0usize..=LENGTH) {
            let code = new_code(random);
            let (head, tail) = code.split_at(cut);
            let mut reader = StdinCode::new(&code);
            prop_assert_eq!(reader.feed(head.as_bytes()), None);
            prop_assert_eq!(reader.feed(tail.as_bytes()), None);
            prop_assert_eq!(reader.feed(b"\n"), Some(FirstLine::Code { swallow: 7 }));
            prop_assert!(same_code(&code, &code.to_lowercase()));
        }
    }
}

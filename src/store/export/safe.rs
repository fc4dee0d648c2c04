//! Text that is safe to show: escaped where it must be, passed on as it is where nothing in it acts.

use std::borrow::Cow;
use std::io::{self, Write as _};

use crate::domain::{acts, printable};

/// Bytes that are looked at together.
const STRIDE: usize = 32;

/// Whether there is nothing in `text` but printable ASCII, which is what nearly every text is.
fn is_plain(text: &[u8]) -> bool {
    // Without a way out of the inner loop, it is a few instructions for the whole stride.
    let all_plain = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'))
    };
    text.chunks(STRIDE).all(all_plain)
}

/// Text for people: what acts is spelled out but for newline and tab, as are bytes that are not UTF-8.
pub(super) fn shown(text: &[u8]) -> Cow<'_, [u8]> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(printable(&super::super::recordable(text)).into_owned().into_bytes())
}

/// Text as a JSON string. What acts is a `\u` escape, which reads back as what it was; bytes that are not UTF-8 are
/// spelled out.
pub(super) fn push_string(out: &mut Vec<u8>, text: &[u8]) -> io::Result<()> {
    out.push(b'"');
    if is_plain(text) && memchr::memchr2(b'"', b'\\', text).is_none() {
        out.extend_from_slice(text);
    } else {
        push_escaped(
            out,
            text,
            |character| matches!(character, '"' | '\\') || acts(character),
            escape,
        )?;
    }
    out.push(b'"');
    Ok(())
}

/// JSON as it was stored, on one line, with a `\u` escape for what acts: that stands in strings, and may be one there.
pub(super) fn push_json(out: &mut Vec<u8>, json: &[u8]) -> io::Result<()> {
    if is_plain(json) {
        out.extend_from_slice(json);
        return Ok(());
    }
    push_escaped(out, json, acts, |out, character| match character {
        // In a string it would be an escape already.
        '\n' | '\r' | '\t' => {
            out.push(b' ');
            Ok(())
        }
        _ => escape(out, character),
    })
}

/// Writes runs of what is not special at once, and everything else by `escape`.
fn push_escaped(
    out: &mut Vec<u8>,
    text: &[u8],
    is_special: impl Fn(char) -> bool,
    escape: impl Fn(&mut Vec<u8>, char) -> io::Result<()>,
) -> io::Result<()> {
    for chunk in text.utf8_chunks() {
        for piece in chunk.valid().split_inclusive(&is_special) {
            let special = piece.chars().next_back().filter(|last| is_special(*last));
            let run = piece.len() - special.map_or(0, char::len_utf8);
            out.extend(piece.bytes().take(run));
            special.map_or(Ok(()), |special| escape(out, special))?;
        }
        for byte in chunk.invalid() {
            write!(out, "\\\\x{byte:02x}")?;
        }
    }
    Ok(())
}

fn escape(out: &mut Vec<u8>, character: char) -> io::Result<()> {
    match character {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        other => {
            for unit in other.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    const HOSTILE: &str = "\u{1b}[2J \u{9b}2J \u{7f} \u{202e} \u{e0041} \0 \r\n\t \"\\ ü 日本 \u{1f600}";

    fn string(text: &[u8]) -> String {
        let mut out = Vec::new();
        push_string(&mut out, text).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn json(text: &[u8]) -> String {
        let mut out = Vec::new();
        push_json(&mut out, text).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn read(text: &str) -> Value {
        assert!(!text.chars().any(acts), "{text:?}");
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn plain_is_what_needs_no_second_look_wherever_it_stands() {
        let text = "x".repeat(3 * STRIDE + 5);
        assert!(is_plain(text.as_bytes()));
        for place in [0, STRIDE - 1, STRIDE, 3 * STRIDE + 4] {
            for byte in [0, 0x1f, 0x7f, 0x80, 0xff] {
                let mut text = text.clone().into_bytes();
                text[place] = byte;
                assert!(!is_plain(&text), "{byte:#x} at {place}");
            }
        }
    }

    #[test]
    fn a_string_reads_back_and_acts_on_nothing() {
        assert_eq!(read(&string(HOSTILE.as_bytes())), HOSTILE);
        assert!(
            string(HOSTILE.as_bytes()).contains("ü 日本 \u{1f600}"),
            "what is printable stays readable"
        );
    }

    #[test]
    fn what_is_not_utf_8_is_spelled_out() {
        assert_eq!(read(&string(b"cat \xff\xfe\xc3")), "cat \\xff\\xfe\\xc3");
        assert_eq!(shown(b"cat \xff\n\x1b").as_ref(), b"cat \\xff\n\\x1b");
        assert_eq!(read(&json(b"{\"a\":\"\xff\"}"))["a"], "\\xff");
    }

    #[test]
    fn stored_json_is_the_same_on_one_line() {
        let stored = serde_json::json!({"users": HOSTILE, HOSTILE: [1.5, null]});
        assert_eq!(read(&json(stored.to_string().as_bytes())), stored);
        let pretty = serde_json::to_string_pretty(&stored).unwrap().replace('\n', "\r\n\t");
        assert_eq!(read(&json(pretty.as_bytes())), stored);
    }

    proptest! {
        #[test]
        fn any_text_reads_back(text: String) {
            prop_assert_eq!(read(&string(text.as_bytes())), text);
        }

        #[test]
        fn any_bytes_come_out_as_a_text_that_acts_on_nothing(bytes: Vec<u8>) {
            prop_assert_eq!(read(&string(&bytes)), super::super::super::recordable(&bytes));
            let shown = String::from_utf8(shown(&bytes).into_owned()).unwrap();
            prop_assert!(!shown.chars().any(|c| acts(c) && c != '\n' && c != '\t'), "{:?}", shown);
        }
    }
}

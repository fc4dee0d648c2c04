//! Bytes that come over the wire, as columns of text can hold them.

use std::fmt::Write as _;

/// `bytes` as text: UTF-8 as it is, NUL and controls included, and every byte that is not part of any as `\xNN`.
///
/// The text `\xff` and the byte 0xff look the same afterwards; the MAC, which is over the bytes, tells them apart.
#[must_use]
pub fn recordable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            write!(text, "\\x{byte:02x}").unwrap_or_default();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_and_only_what_is_not_utf_8_is_spelled_out() {
        assert_eq!(recordable("echo ü\u{1b}\0 日本".as_bytes()), "echo ü\u{1b}\0 日本");
        assert_eq!(recordable(b"cat \xff\xfe\xc3"), "cat \\xff\\xfe\\xc3");
        assert_ne!(recordable(b"\xff"), recordable(b"\xfe"), "unlike a lossy conversion");
    }
}

//! What a text looks like, letter by letter: blobs, addresses, escapes.

/// The looks of a text.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shape {
    /// Digits.
    pub(super) digits: usize,
    /// Capital letters.
    pub(super) capitals: usize,
    /// Quotes, backslashes and backticks.
    pub(super) quotes: usize,
    /// Slashes.
    pub(super) slashes: usize,
    /// Dollar signs.
    pub(super) dollars: usize,
    /// Semicolons, ampersands and bars.
    pub(super) joints: usize,
    /// Parentheses, brackets and braces.
    pub(super) brackets: usize,
    /// Numeric escapes (`\x2f`, `\057`, `\u002f`, `%2f`).
    pub(super) escapes: usize,
    /// IPv4 addresses that are not the host's own.
    pub(super) addresses: usize,
    /// URLs.
    pub(super) urls: usize,
    /// URLs whose host is an address.
    pub(super) bare_urls: usize,
    /// The longest run that could be base64 or hexadecimal, in bytes.
    pub(super) blob: usize,
    /// Paths with a part that begins with a dot, other than `.` and `..`.
    pub(super) hidden: usize,
}

impl Shape {
    pub(super) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut shape = Self::default();
        for (at, byte) in bytes.iter().enumerate() {
            shape.count(*byte);
            shape.look(bytes, at);
        }
        shape.blob = longest_blob(bytes);
        shape
    }

    fn count(&mut self, byte: u8) {
        let counter = match byte {
            b'0'..=b'9' => &mut self.digits,
            b'A'..=b'Z' => &mut self.capitals,
            b'\'' | b'"' | b'\\' | b'`' => &mut self.quotes,
            b'/' => &mut self.slashes,
            b'$' => &mut self.dollars,
            b';' | b'&' | b'|' => &mut self.joints,
            b'(' | b')' | b'[' | b']' | b'{' | b'}' => &mut self.brackets,
            _ => return,
        };
        *counter += 1;
    }

    /// What begins at a place and needs more than one byte to be seen.
    fn look(&mut self, bytes: &[u8], at: usize) {
        let rest = bytes.get(at..).unwrap_or_default();
        match rest {
            [b'\\', b'x' | b'u' | b'0'..=b'3', next, ..] if next.is_ascii_hexdigit() => self.escapes += 1,
            [b'%', first, second, ..] if first.is_ascii_digit() && second.is_ascii_hexdigit() => self.escapes += 1,
            [b':', b'/', b'/', host @ ..] => {
                self.urls += 1;
                self.bare_urls += usize::from(address(host).is_some());
            }
            [b'/', b'.', next, ..] if next.is_ascii_alphanumeric() => self.hidden += 1,
            [b'0'..=b'9', ..] if !at.checked_sub(1).is_some_and(|before| continues(bytes, before)) => {
                self.addresses += usize::from(address(rest).is_some_and(|first| !matches!(first, 0 | 127)));
            }
            _ => {}
        }
    }
}

/// Whether a byte would make the digits after it part of something else than an address.
fn continues(bytes: &[u8], at: usize) -> bool {
    bytes
        .get(at)
        .is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

/// The first number of the IPv4 address that the text begins with.
fn address(text: &[u8]) -> Option<u8> {
    // `255.255.255.255` and what ends it.
    let head = text.get(..text.len().min(16)).unwrap_or_default();
    let end = head
        .iter()
        .position(|byte| !byte.is_ascii_digit() && *byte != b'.')
        .unwrap_or(head.len());
    let address: std::net::Ipv4Addr = std::str::from_utf8(head.get(..end)?).ok()?.parse().ok()?;
    (text.get(end).is_none_or(|byte| !byte.is_ascii_alphanumeric())).then(|| address.octets()[0])
}

/// The longest run of letters and digits in which both cases and digits are mixed, or which is hexadecimal: what
/// encoders make, and words and paths are not.
fn longest_blob(bytes: &[u8]) -> usize {
    let runs = bytes.split(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'=')));
    runs.filter(|run| run.len() >= 16 && is_encoded(run))
        .map(<[u8]>::len)
        .max()
        .unwrap_or(0)
}

fn is_encoded(run: &[u8]) -> bool {
    let some = |test: fn(&u8) -> bool| run.iter().any(test);
    let digits = some(u8::is_ascii_digit);
    let mixed = some(u8::is_ascii_uppercase) && some(u8::is_ascii_lowercase);
    digits && (mixed || run.iter().all(u8::is_ascii_hexdigit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_versions_and_from_the_hosts_own() {
        assert_eq!(Shape::of("nc 203.0.113.7 4444").addresses, 1);
        for text in [
            "nginx:1.25.3",
            "v1.2.3.4",
            "127.0.0.1",
            "lib-1.2.3.4",
            "1.2.3.4.5",
            "0.0.0.0",
        ] {
            assert_eq!(Shape::of(text).addresses, 0, "{text}");
        }
    }

    #[test]
    fn urls_are_counted_and_those_with_a_bare_address_apart() {
        let shape = Shape::of("curl https://example.com http://203.0.113.7:8080/x");
        assert_eq!((shape.urls, shape.bare_urls), (2, 1));
    }

    #[test]
    fn blobs_are_what_encoders_make() {
        assert_eq!(Shape::of("echo Y3VybCBodHRwOi8vZXZpbAo= | x").blob, 24);
        assert_eq!(Shape::of("6375726c20687474703a2f2f").blob, 24);
        for text in ["internationalisation", "/usr/share/documentation/README", "0123 4567"] {
            assert_eq!(Shape::of(text).blob, 0, "{text}");
        }
    }

    #[test]
    fn escapes_and_hidden_files_are_counted() {
        let shape = Shape::of(r"printf '\x72\155' > /tmp/.x/../y ./z");
        assert_eq!((shape.escapes, shape.hidden), (2, 1));
    }

    #[test]
    fn a_text_cut_anywhere_is_looked_at() {
        let text = r"http://203.0.113.7/\x41 %4/.";
        for end in 0..=text.len() {
            assert!(Shape::of(&text[..end]).urls <= 1);
        }
    }
}

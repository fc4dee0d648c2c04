//! The marks that a hooked shell writes between its output: `ESC ] 7717 ; nonce ; TYPE ; fields BEL`.
//!
//! A mark is an operating system command that no terminal knows. It is taken out of the stream, and everything that is
//! not a mark passes byte for byte. Fields escape `\`, `;`, newline, carriage return, tab, ESC and BEL, so that a raw
//! ESC or line end within a started mark shows that it is none.

use std::borrow::Cow;

use memchr::memmem;

/// What every mark begins with.
const INTRODUCER: &[u8] = b"\x1b]7717;";

/// The longest mark, introducer included, in bytes. What is longer is no mark and passes.
pub const MAX_MARK: usize = 64 * 1024;

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;

/// A part of the target's stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Segment<'a> {
    /// Bytes for the user.
    Plain(&'a [u8]),
    /// A mark, authentic or not.
    Mark(Mark<'a>),
}

/// A mark: its nonce, its type and its fields, still escaped.
#[derive(Debug, PartialEq, Eq)]
pub struct Mark<'a> {
    nonce: &'a [u8],
    body: &'a [u8],
}

impl<'a> Mark<'a> {
    /// Whether this nonce makes it authentic; without a nonce nothing is.
    #[must_use]
    pub fn carries(&self, nonce: &str) -> bool {
        !nonce.is_empty() && self.nonce == nonce.as_bytes()
    }

    /// Whether it was written before its writer knew a nonce: it proves nothing.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.nonce == b"?"
    }

    /// The type and then the fields, each unescaped.
    pub fn fields(&self) -> impl Iterator<Item = Cow<'a, [u8]>> + use<'a> {
        self.body.split(|byte| *byte == b';').map(unescape)
    }
}

/// Takes the marks out of a target's byte stream, however it is cut into pieces.
///
/// Holds back a started mark and nothing else, at most [`MAX_MARK`] bytes.
#[derive(Debug, Default)]
pub struct MarkFilter {
    held: Vec<u8>,
}

impl MarkFilter {
    /// Hands the stream's next bytes to `sink`, in order, as segments.
    pub fn feed(&mut self, bytes: &[u8], mut sink: impl FnMut(Segment<'_>)) {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = if self.held.is_empty() {
                self.scan(rest, &mut sink)
            } else if self.held.len() < INTRODUCER.len() {
                self.introduce(rest, &mut sink)
            } else {
                self.collect(rest, &mut sink)
            };
        }
    }

    /// Passes what precedes the next introducer, or the start of one at the end of `bytes`; answers what follows it.
    fn scan<'b>(&mut self, bytes: &'b [u8], sink: &mut impl FnMut(Segment<'_>)) -> &'b [u8] {
        let at = memmem::find(bytes, INTRODUCER).unwrap_or_else(|| start_of_introducer(bytes));
        let (plain, rest) = bytes.split_at(at);
        pass(plain, sink);
        let (introducer, rest) = rest.split_at(rest.len().min(INTRODUCER.len()));
        self.held.extend_from_slice(introducer);
        rest
    }

    /// Completes a started introducer, or lets it go where the stream goes on differently.
    fn introduce<'b>(&mut self, bytes: &'b [u8], sink: &mut impl FnMut(Segment<'_>)) -> &'b [u8] {
        let missing = INTRODUCER.get(self.held.len()..).unwrap_or_default();
        let same = missing.iter().zip(bytes).take_while(|(want, got)| want == got).count();
        let (matching, rest) = bytes.split_at(same);
        self.held.extend_from_slice(matching);
        if same < missing.len() && !rest.is_empty() {
            self.release(sink);
        }
        rest
    }

    /// Collects a mark's body up to its BEL, or lets it go where it turns out to be none.
    fn collect<'b>(&mut self, bytes: &'b [u8], sink: &mut impl FnMut(Segment<'_>)) -> &'b [u8] {
        let end = bytes
            .iter()
            .position(|byte| matches!(*byte, BEL | ESC | b'\r' | b'\n'))
            .unwrap_or(bytes.len());
        let (body, rest) = bytes.split_at(end);
        if self.held.len() + body.len() >= MAX_MARK {
            self.release(sink);
            pass(body, sink);
            return rest;
        }
        self.held.extend_from_slice(body);
        match rest.split_first() {
            None => rest,
            Some((&BEL, after)) => {
                let mark = std::mem::take(&mut self.held);
                sink(Segment::Mark(split(mark.get(INTRODUCER.len()..).unwrap_or_default())));
                after
            }
            Some(_) => {
                self.release(sink);
                rest
            }
        }
    }

    fn release(&mut self, sink: &mut impl FnMut(Segment<'_>)) {
        pass(&std::mem::take(&mut self.held), sink);
    }
}

fn split(content: &[u8]) -> Mark<'_> {
    let end = memchr::memchr(b';', content).unwrap_or(content.len());
    Mark {
        nonce: content.get(..end).unwrap_or_default(),
        body: content.get(end + 1..).unwrap_or_default(),
    }
}

fn pass(bytes: &[u8], sink: &mut impl FnMut(Segment<'_>)) {
    if !bytes.is_empty() {
        sink(Segment::Plain(bytes));
    }
}

/// Where an introducer may have begun that `bytes` ends in; its length where none has.
fn start_of_introducer(bytes: &[u8]) -> usize {
    memchr::memrchr(ESC, bytes)
        .filter(|at| bytes.get(*at..).is_some_and(|tail| INTRODUCER.starts_with(tail)))
        .unwrap_or(bytes.len())
}

/// Undoes the hook's escaping; an escape that the hook never writes stays as it stands.
fn unescape(field: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', field).is_none() {
        return Cow::Borrowed(field);
    }
    let mut plain = Vec::with_capacity(field.len());
    let mut bytes = field.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte == b'\\' {
            unescape_one(bytes.next(), &mut plain);
        } else {
            plain.push(byte);
        }
    }
    Cow::Owned(plain)
}

fn unescape_one(letter: Option<u8>, plain: &mut Vec<u8>) {
    match letter {
        Some(b'\\') | None => plain.push(b'\\'),
        Some(b'n') => plain.push(b'\n'),
        Some(b'r') => plain.push(b'\r'),
        Some(b't') => plain.push(b'\t'),
        Some(b'e') => plain.push(ESC),
        Some(b'a') => plain.push(BEL),
        Some(b's') => plain.push(b';'),
        Some(other) => plain.extend([b'\\', other]),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NONCE: &str = "00112233445566778899aabbccddeeff";

    /// What a filter made of a stream, with neighbouring plain bytes joined.
    #[derive(Debug, Clone, PartialEq, Eq)]
    enum Seen {
        Plain(Vec<u8>),
        Mark(Vec<Vec<u8>>),
        Anonymous(Vec<Vec<u8>>),
        Forged,
    }

    fn feed(filter: &mut MarkFilter, bytes: &[u8], seen: &mut Vec<Seen>) {
        filter.feed(bytes, |segment| match segment {
            Segment::Plain(bytes) => match seen.last_mut() {
                Some(Seen::Plain(before)) => before.extend_from_slice(bytes),
                _ => seen.push(Seen::Plain(bytes.to_vec())),
            },
            Segment::Mark(mark) => {
                let fields = mark.fields().map(Cow::into_owned).collect();
                seen.push(match () {
                    () if mark.carries(NONCE) => Seen::Mark(fields),
                    () if mark.is_anonymous() => Seen::Anonymous(fields),
                    () => Seen::Forged,
                });
            }
        });
    }

    fn filtered(pieces: &[&[u8]]) -> Vec<Seen> {
        let mut filter = MarkFilter::default();
        let mut seen = Vec::new();
        for piece in pieces {
            feed(&mut filter, piece, &mut seen);
        }
        seen
    }

    fn plain(bytes: &[u8]) -> Seen {
        Seen::Plain(bytes.to_vec())
    }

    #[test]
    fn a_mark_is_stripped_and_its_fields_unescaped() {
        let stream = format!("before\x1b]7717;{NONCE};G;1.2;a\\sb\\n\\e\\\\;\x07after");
        let fields = vec![b"G".to_vec(), b"1.2".to_vec(), b"a;b\n\x1b\\".to_vec(), Vec::new()];
        assert_eq!(
            filtered(&[stream.as_bytes()]),
            [plain(b"before"), Seen::Mark(fields), plain(b"after")]
        );
    }

    #[test]
    fn a_wrong_nonce_is_stripped_and_reported() {
        for forged in ["", "0", "00112233445566778899aabbccddeefe"] {
            let stream = format!("a\x1b]7717;{forged};D;1;0\x07b");
            assert_eq!(
                filtered(&[stream.as_bytes()]),
                [plain(b"a"), Seen::Forged, plain(b"b")],
                "{forged}"
            );
        }
    }

    #[test]
    fn without_a_nonce_nothing_is_authentic() {
        assert!(!split(b";D;1;0").carries(""));
        let hello = filtered(&[b"\x1b]7717;?;R\x07"]);
        assert_eq!(hello, [Seen::Anonymous(vec![b"R".to_vec()])]);
    }

    #[test]
    fn other_escape_sequences_pass_unchanged() {
        for sequence in [
            "\x1b[31mred\x1b[0m",
            "\x1b]0;title\x07",
            "\x1b]771;x\x07",
            "\x1b\x1b]7717",
        ] {
            let seen = filtered(&[sequence.as_bytes(), b"."]);
            assert_eq!(seen, [plain(format!("{sequence}.").as_bytes())], "{sequence:?}");
        }
    }

    #[test]
    fn a_started_mark_that_turns_out_to_be_none_passes() {
        for end in ["\x1b[m", "\r\n", "\n"] {
            let stream = format!("\x1b]7717;{NONCE};G;{end}");
            assert_eq!(filtered(&[stream.as_bytes()]), [plain(stream.as_bytes())], "{end:?}");
        }
    }

    #[test]
    fn a_stalled_mark_withholds_only_itself() {
        assert_eq!(filtered(&[b"output\x1b]77"]), [plain(b"output")]);
        assert_eq!(filtered(&[b"output\x1b]7717;00"]), [plain(b"output")]);
    }

    #[test]
    fn an_oversized_mark_passes_and_memory_stays_bounded() {
        let mut filter = MarkFilter::default();
        let mut seen = Vec::new();
        let mut stream = b"\x1b]7717;".to_vec();
        feed(&mut filter, &stream, &mut seen);
        for _ in 0..200 {
            feed(&mut filter, &[b'x'; 1000], &mut seen);
            stream.extend([b'x'; 1000]);
            assert!(filter.held.len() <= MAX_MARK);
        }
        assert_eq!(seen, [plain(&stream)]);
    }

    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let fragment = prop_oneof![
            Just(b"\x1b]7717;".to_vec()),
            Just(b"\x1b]77".to_vec()),
            Just(format!("{NONCE};").into_bytes()),
            Just(format!("\x1b]7717;{NONCE};D;1;0;/tmp;0\x07").into_bytes()),
            Just(b"\x1b]7717;bad;V;1;y\x07".to_vec()),
            Just(b"\x1b]7717;?;R\x07".to_vec()),
            Just(b"\x07".to_vec()),
            Just(b"\x1b".to_vec()),
            Just(b"\r\n".to_vec()),
            proptest::collection::vec(any::<u8>(), 0..12),
        ];
        proptest::collection::vec(fragment, 0..12).prop_map(|fragments| fragments.concat())
    }

    proptest! {
        #[test]
        fn the_cut_of_the_stream_does_not_matter(stream in pieces(), cuts in proptest::collection::vec(1usize..9, 1..80)) {
            let whole = filtered(&[&stream]);
            let mut rest = stream.as_slice();
            let mut parts = Vec::new();
            for cut in cuts {
                let (part, after) = rest.split_at(cut.min(rest.len()));
                parts.push(part);
                rest = after;
            }
            parts.push(rest);
            prop_assert_eq!(filtered(&parts), whole);
        }

        #[test]
        fn what_holds_no_introducer_passes_byte_for_byte(stream in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assume!(memmem::find(&stream, INTRODUCER).is_none());
            let mut closed = stream.clone();
            closed.push(b'.');
            prop_assert_eq!(filtered(&[&stream, b"."]), [plain(&closed)]);
        }
    }
}

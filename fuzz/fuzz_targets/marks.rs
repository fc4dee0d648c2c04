//! Whatever a target writes: what is not a mark passes byte for byte, however the stream is cut, and memory stays bounded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use opspilot::terminal::marks::{MarkFilter, Segment};

/// What passes, and how many marks there were.
fn filtered<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, usize) {
    let mut filter = MarkFilter::default();
    let (mut plain, mut marks) = (Vec::new(), 0);
    for piece in pieces {
        filter.feed(piece, |segment| match segment {
            Segment::Plain(bytes) => plain.extend_from_slice(bytes),
            Segment::Mark(mark) => marks += usize::from(mark.fields().count() > 0),
        });
    }
    (plain, marks)
}

fuzz_target!(|stream: &[u8]| {
    let whole = filtered(std::iter::once(stream));
    assert_eq!(filtered(stream.chunks(1)), whole);
    assert_eq!(filtered(stream.chunks(7)), whole);
    if !stream.windows(7).any(|window| window == b"\x1b]7717;") {
        // The start of an introducer at the very end is still held back.
        assert!(stream.starts_with(&whole.0) && stream.len() - whole.0.len() < 7);
    }
});

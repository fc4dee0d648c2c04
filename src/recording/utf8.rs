//! Bytes that come in pieces as text: a character that is cut between two pieces is whole again.

/// Makes text of bytes, piece by piece.
#[derive(Debug, Default)]
pub(super) struct Utf8 {
    /// The beginning of a character whose rest has not come yet: at most three bytes.
    held: Vec<u8>,
}

impl Utf8 {
    /// The text of `bytes` and of what was held before them. Each piece of what is not UTF-8 becomes U+FFFD.
    pub(super) fn push(&mut self, bytes: &[u8]) -> String {
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(bytes);
        let mut text = String::with_capacity(all.len());
        let mut chunks = all.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            if chunks.peek().is_none() && may_go_on(chunk.invalid()) {
                self.held = chunk.invalid().to_vec();
            } else if !chunk.invalid().is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        text
    }

    /// The text of what was held, once nothing more comes.
    pub(super) fn finish(&mut self) -> String {
        let held = std::mem::take(&mut self.held);
        String::from_utf8_lossy(&held).into_owned()
    }
}

/// Whether bytes that are not a character may become one by those that follow.
fn may_go_on(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn in_pieces<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> String {
        let mut utf8 = Utf8::default();
        let mut text: String = pieces.map(|piece| utf8.push(piece)).collect();
        text.push_str(&utf8.finish());
        text
    }

    #[test]
    fn a_character_cut_anywhere_is_whole() {
        let bytes = "a é 日 \u{1f600} z".as_bytes();
        for cut in 0..=bytes.len() {
            let (start, end) = bytes.split_at(cut);
            assert_eq!(in_pieces([start, end].into_iter()).as_bytes(), bytes, "cut at {cut}");
        }
    }

    #[test]
    fn what_is_never_completed_is_replaced() {
        assert_eq!(
            in_pieces([b"a\xe6\x97".as_slice(), b"b\xff"].into_iter()),
            "a\u{fffd}b\u{fffd}"
        );
        assert_eq!(in_pieces([b"\xf0\x9f".as_slice()].into_iter()), "\u{fffd}");
    }

    proptest! {
        #[test]
        fn the_pieces_do_not_matter(bytes: Vec<u8>, size in 1..9_usize) {
            prop_assert_eq!(in_pieces(bytes.chunks(size)), String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn no_more_than_the_start_of_a_character_is_held(bytes: Vec<u8>) {
            let mut utf8 = Utf8::default();
            utf8.push(&bytes);
            prop_assert!(utf8.held.len() <= 3);
        }
    }
}

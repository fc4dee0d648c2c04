//! What the user has sent to a terminal, and whether a shell can have found there what it gives back.
//!
//! A shell that waits for an answer gives back what it read meanwhile, and that is typed once more, maybe to another shell. So
//! it must be what the user typed: a shell on a hostile host could have the one below it run its own words as the user's.

use std::collections::VecDeque;

/// The most that is remembered, bytes: as much as is held back elsewhere. What is longer than that is not known again.
const LIMIT: usize = 1024 * 1024;

/// What the user has sent since a shell last gave back all that it found.
#[derive(Debug, Default)]
pub(super) struct Trail {
    sent: VecDeque<u8>,
}

impl Trail {
    /// Takes note of what goes to the terminal.
    pub(super) fn note(&mut self, bytes: &[u8]) {
        self.sent.extend(bytes);
        self.sent.drain(..self.sent.len().saturating_sub(LIMIT));
    }

    /// A shell has read all that was sent and gives `strays` of it back: whether the user can have typed that.
    ///
    /// It is the end of what was sent, for others read only what stands before it. A line with control characters may have lost
    /// bytes on its way, for a terminal edits lines by such keys.
    pub(super) fn gave_back(&mut self, strays: &[u8]) -> bool {
        let mut sent = std::mem::take(&mut self.sent);
        let mut sent = lines_from_last(sent.make_contiguous());
        let mut strays = lines_from_last(strays).peekable();
        while let Some(stray) = strays.next() {
            let is_cut = strays.peek().is_none();
            if !sent.next().is_some_and(|line| may_come_to(line, stray, is_cut)) {
                return false;
            }
        }
        true
    }
}

/// Terminals turn the Enter key into a newline.
fn lines_from_last(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.rsplit(|byte| matches!(byte, b'\r' | b'\n'))
}

/// Whether a terminal can have made `read` of the `sent` line, the beginning of which may have been read before.
fn may_come_to(sent: &[u8], read: &[u8], is_cut: bool) -> bool {
    let is_edited = sent.iter().any(u8::is_ascii_control);
    sent == read || (is_cut && sent.ends_with(read)) || (is_edited && is_subsequence(read, sent))
}

fn is_subsequence(part: &[u8], whole: &[u8]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|byte| whole.any(|other| other == byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn gives_back(sent: &[u8], strays: &[u8]) -> bool {
        let mut typed = Trail::default();
        typed.note(sent);
        typed.gave_back(strays)
    }

    #[test]
    fn the_end_of_what_was_typed_may_come_back() {
        for (sent, strays) in [
            ("ls\recho a\rec", "echo a\nec"),
            ("ls\recho a\r", "echo a\r"),
            ("qls", "ls"),
            ("", ""),
            ("anything\r", ""),
            ("ls\recho x\x7fa\rb", "echo a\nb"),
            ("ls\rab\x03cd", "cd"),
            ("ls\r\x1b[200~a\rb\x1b[201~", "\x1b[200~a\nb\x1b[201~"),
        ] {
            assert!(gives_back(sent.as_bytes(), strays.as_bytes()), "{sent:?} {strays:?}");
        }
    }

    #[test]
    fn nothing_else_may() {
        for (sent, strays) in [
            ("", "x"),
            ("ls\r", "rm -rf /\n"),
            ("echo a\rls", "echo a\n"),
            ("rehearsal -mary\rls\r", "rm\nls\n"),
            ("to remember -rf /\x7f\rls\r", "rm -rf /\n"),
            ("ls\r", "ls\nls\n"),
            ("ls\r", "\nls\n"),
        ] {
            assert!(!gives_back(sent.as_bytes(), strays.as_bytes()), "{sent:?} {strays:?}");
        }
    }

    #[test]
    fn nothing_comes_back_twice() {
        let mut typed = Trail::default();
        typed.note(b"ls\recho a\r");
        assert!(typed.gave_back(b"echo a\r"));
        assert!(!typed.gave_back(b"echo a\r"));
    }

    #[test]
    fn memory_is_bounded() {
        let mut typed = Trail::default();
        for _ in 0..40 {
            typed.note(&vec![b'x'; 64 * 1024]);
        }
        assert_eq!(typed.sent.len(), LIMIT);
    }

    proptest! {
        #[test]
        fn every_end_of_what_was_sent_may_come_back(sent: Vec<u8>, start in 0usize..100) {
            let strays = sent.get(start..).unwrap_or_default();
            prop_assert!(gives_back(&sent, strays));
        }

        #[test]
        fn no_byte_comes_back_that_was_not_sent(sent in "[a-y\r\x7f]{0,40}", strays in "[a-y]{0,9}z[a-y]{0,9}") {
            prop_assert!(!gives_back(sent.as_bytes(), strays.as_bytes()));
        }
    }
}

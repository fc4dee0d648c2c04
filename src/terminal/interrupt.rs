//! The keys at which a terminal forgets what was typed before and not read.

/// `^C`, `^Z` and `^\`: by the usual settings of a terminal they interrupt, suspend and quit what runs. `^D` is none of them: it
/// keeps its place in the input.
const SIGNALS: [u8; 3] = [0x03, 0x1a, 0x1c];

/// Where the last such key stands: a terminal forgets what stands before it.
pub(super) fn last_signal(bytes: &[u8]) -> Option<usize> {
    bytes.iter().rposition(|byte| SIGNALS.contains(byte))
}

/// Holds input back for as long as nothing can read it, `limit` bytes at most: what comes on top is dropped.
pub(super) fn hold_typed(held: &mut Vec<u8>, bytes: &[u8], limit: usize) {
    let kept = last_signal(bytes).and_then(|at| bytes.get(at..));
    if kept.is_some() {
        held.clear();
    }
    let bytes = kept.unwrap_or(bytes);
    let room = limit.saturating_sub(held.len());
    held.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_the_last_signal_is_forgotten() {
        for (before, typed, held) in [
            ("ls\r", "cd\r", "ls\rcd\r"),
            ("ls\r", "\x03", "\x03"),
            ("ls\r", "a\x03b\x1cc\x1ad", "\x1ad"),
            ("ls\r", "a\x04", "ls\ra\x04"),
            ("ls\r", "longer than there is room", "ls\rlonger than "),
        ] {
            let mut input = before.as_bytes().to_vec();
            hold_typed(&mut input, typed.as_bytes(), 15);
            assert_eq!(input, held.as_bytes(), "{typed:?}");
        }
    }
}

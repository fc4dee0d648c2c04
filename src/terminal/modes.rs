//! Terminal modes that the emulator does not tell.

/// The longest sequence that is looked at, in bytes.
const MAX_SEQUENCE: usize = 32;

/// The alternate screen, as the first terminals that had one spelled it.
const OLD_ALTERNATE_SCREEN: &[u8] = b"47";
/// In all spellings.
const ALTERNATE_SCREENS: [&[u8]; 3] = [OLD_ALTERNATE_SCREEN, b"1047", b"1049"];

/// Pastes come with a mark before and after.
const BRACKETED_PASTE: &[u8] = b"2004";

/// Follows `ESC [ ? ... h` and `ESC [ ? ... l` through a stream.
#[derive(Debug, Default)]
pub(super) struct Modes {
    marks_pastes: bool,
    is_full_screen: bool,
    /// The sequence as far as it has come.
    sequence: Vec<u8>,
}

impl Modes {
    /// Takes what the target wrote. Gives where in it the alternate screen was switched in its oldest spelling, and whether on.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<(usize, bool)> {
        let mut switches = Vec::new();
        for (at, byte) in bytes.iter().enumerate() {
            if let Some(on) = self.take(*byte) {
                switches.push((at + 1, on));
            }
        }
        switches
    }

    /// Whether pastes are marked.
    pub(super) fn marks_pastes(&self) -> bool {
        self.marks_pastes
    }

    /// Whether a program has the alternate screen.
    pub(super) fn is_full_screen(&self) -> bool {
        self.is_full_screen
    }

    /// Whether no sequence has begun.
    pub(super) fn is_at_rest(&self) -> bool {
        self.sequence.is_empty()
    }

    fn take(&mut self, byte: u8) -> Option<bool> {
        match (self.sequence.len(), byte) {
            (_, 0x1b) => self.sequence.clear(),
            (1, b'[') | (2, b'?') | (3..MAX_SEQUENCE, b'0'..=b'9' | b';') => {}
            (3.., b'h' | b'l') => return self.switch(byte == b'h'),
            _ => {
                self.sequence.clear();
                return None;
            }
        }
        self.sequence.push(byte);
        None
    }

    fn switch(&mut self, on: bool) -> Option<bool> {
        let sequence = std::mem::take(&mut self.sequence);
        let mut modes = sequence.get(3..).unwrap_or_default().split(|byte| *byte == b';');
        if modes.clone().any(|mode| mode == BRACKETED_PASTE) {
            self.marks_pastes = on;
        }
        if modes.clone().any(|mode| ALTERNATE_SCREENS.contains(&mode)) {
            self.is_full_screen = on;
        }
        modes.any(|mode| mode == OLD_ALTERNATE_SCREEN).then_some(on)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_followed_across_reads_and_among_others() {
        let mut modes = Modes::default();
        assert_eq!(modes.feed(b"text\x1b[?20"), []);
        assert_eq!(modes.feed(b"04h"), []);
        assert!(modes.marks_pastes());
        assert_eq!(modes.feed(b"\x1b[?1;47;25hx\x1b[?47l"), [(11, true), (18, false)]);
        for spelling in ["47", "1047", "1049"] {
            modes.feed(format!("\x1b[?{spelling};1h").as_bytes());
            assert!(modes.is_full_screen(), "{spelling}");
            modes.feed(format!("\x1b[?{spelling}l").as_bytes());
            assert!(!modes.is_full_screen(), "{spelling}");
        }
        modes.feed(b"\x1b[?2004l");
        assert!(!modes.marks_pastes());
    }

    #[test]
    fn what_only_resembles_a_mode_is_passed_over() {
        let mut modes = Modes::default();
        let endless = [b"\x1b[?".as_slice(), &[b'4'; 100], b"h"].concat();
        for text in [
            b"\x1b[2004h".as_slice(),
            b"[?2004h",
            b"\x1b[?2004m",
            b"\x1b[?20x04h",
            &endless,
        ] {
            assert_eq!(modes.feed(text), []);
            assert!(!modes.marks_pastes(), "{text:?}");
        }
        assert!(modes.sequence.len() <= MAX_SEQUENCE);
    }
}

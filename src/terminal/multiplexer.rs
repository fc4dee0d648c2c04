//! Multiplexers that nobody named: started by a profile, a function or a script.

/// What they write when they take a terminal, and nothing else does: tmux (3.2 and newer) asks for its kind and its version in one
/// breath; its control mode opens a string of its own; GNU screen readies keypad, attributes, characters and scrolling in an order
/// of its own.
const TELLTALES: [&[u8]; 3] = [b"\x1b[>c\x1b[>q", b"\x1bP1000p", b"\x1b[?1h\x1b=\x1b[0m\x1b(B\x1b[1;"];
/// One less than the longest of them, bytes: what must be kept to find one that comes in pieces.
const KEPT: usize = 17;

/// Looks for them in what the terminal shows.
#[derive(Debug, Default)]
pub(super) struct Telltales {
    tail: Vec<u8>,
}

impl Telltales {
    /// Whether one has ended in `bytes`, which go on where the last ones ended.
    pub(super) fn shown(&mut self, bytes: &[u8]) -> bool {
        self.tail.extend_from_slice(bytes);
        let mut telltales = TELLTALES.iter();
        let seen = telltales.any(|telltale| memchr::memmem::find(&self.tail, telltale).is_some());
        let kept = if seen { 0 } else { KEPT };
        self.tail.drain(..self.tail.len().saturating_sub(kept));
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_telltale_is_seen_once_however_it_is_cut() {
        for telltale in TELLTALES {
            assert!(telltale.len() <= KEPT + 1);
            for cut in 0..telltale.len() {
                let (start, end) = telltale.split_at(cut);
                let mut telltales = Telltales::default();
                assert!(!telltales.shown(&[b"text", start].concat()));
                assert!(telltales.shown(&[end, b"text"].concat()), "cut at {cut}");
                assert!(!telltales.shown(b"more"));
            }
        }
    }

    #[test]
    fn editors_and_pagers_are_none() {
        let mut telltales = Telltales::default();
        for shown in [
            "\x1b[?1049h\x1b[22;0;0t\x1b[?1h\x1b=\r",
            "\x1b[?1l\x1b>\x1b[?1049l",
            "\x1b[2;1H\x1b[>c\x1b]10;?\x07",
            "\x1b[>c",
            "text\x1b[>q",
            "\x1b[1;24r\x1b(B\x1b[m\x1b[4l\x1b[?7h\x1b[?1h\x1b=",
        ] {
            assert!(!telltales.shown(shown.as_bytes()), "{shown:?}");
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut telltales = Telltales::default();
        for _ in 0..100 {
            telltales.shown(&[b'x'; 4096]);
        }
        assert!(telltales.tail.len() <= KEPT);
    }
}

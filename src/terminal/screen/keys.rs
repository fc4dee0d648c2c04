//! What the user types, as far as it matters before it is on the screen: how much, and which keys may run something.

/// Before and after a marked paste.
const PASTE: (&[u8], &[u8]) = (b"\x1b[200~", b"\x1b[201~");

/// Runs a line and fetches the next from the history, in readline (`^O`).
pub(super) const RUN_AND_FETCH_NEXT: u8 = 0x0f;

const BACKSPACE: u8 = 0x08;
const DELETE: u8 = 0x7f;
const KILL_LINE: u8 = 0x15;
const END_OF_INPUT: u8 = 0x04;

/// How much was typed since a line began. The keys themselves are never kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Typed {
    /// The columns that the input takes; `None` once a key was among it whose effect only the shell knows.
    columns: Option<usize>,
    only_added: bool,
    previous: u8,
}

impl Default for Typed {
    fn default() -> Self {
        Self {
            columns: Some(0),
            only_added: true,
            previous: 0,
        }
    }
}

impl Typed {
    /// Takes note of keys that go to the target.
    pub(super) fn take(&mut self, keys: &[u8]) {
        for key in keys {
            self.key(*key);
        }
    }

    /// Takes note of a marked paste that goes to the target.
    pub(super) fn take_paste(&mut self, paste: &[u8]) {
        let (begin, end) = PASTE;
        let inner = paste.strip_prefix(begin).and_then(|paste| paste.strip_suffix(end));
        self.take(inner.unwrap_or(paste));
    }

    /// Something else than these keys has its part in the line.
    pub(super) fn lose_count(&mut self) {
        self.columns = None;
    }

    /// The columns that the input takes on the screen, where that follows from the keys.
    pub(super) fn columns(&self) -> Option<usize> {
        self.columns
    }

    /// Whether every key added a character at the end: only then a shorter screen cannot show as many.
    pub(super) fn only_added(&self) -> bool {
        self.only_added
    }

    /// Whether nothing is typed that could still stand there.
    pub(super) fn is_nothing(&self) -> bool {
        self.columns == Some(0)
    }

    fn key(&mut self, key: u8) {
        self.previous = key;
        match key {
            b' '..=b'~' => self.columns = self.columns.map(|columns| columns.saturating_add(1)),
            BACKSPACE | DELETE => self.edit(|columns| columns.saturating_sub(1)),
            KILL_LINE => self.edit(|_| 0),
            _ => self.columns = None,
        }
    }

    fn edit(&mut self, change: impl Fn(usize) -> usize) {
        self.only_added = false;
        self.columns = self.columns.map(change);
    }
}

/// What user input begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// So many bytes that edit the line.
    Keys(usize),
    /// So many bytes by which the user's terminal answers a question of the target; nobody typed them.
    Report(usize),
    /// One key that may run the line.
    Submits,
    /// One key that may give the line up, or leave what reads it.
    Leaves,
    /// A marked paste of so many bytes.
    Paste(usize),
    /// What may become a marked paste.
    Unfinished,
}

impl Piece {
    /// The first piece of `input`, which is not empty. `marked` says whether pastes are marked.
    pub(super) fn first(input: &[u8], typed: &Typed, marked: bool) -> Self {
        let (begin, end) = PASTE;
        match *input {
            [b'\r' | b'\n' | RUN_AND_FETCH_NEXT, ..] => Self::Submits,
            // ^X ^E runs what an editor made of the line, in readline.
            [0x05, ..] if typed.previous == 0x18 => Self::Submits,
            [0x03 | 0x1a | 0x1c, ..] => Self::Leaves,
            [END_OF_INPUT, ..] if typed.is_nothing() => Self::Leaves,
            _ if marked && input.starts_with(begin) => position(input, end).map_or(Self::Unfinished, Self::Paste),
            _ if marked && begin.starts_with(input) => Self::Unfinished,
            _ => report(input).map_or_else(|| Self::Keys(run(input)), Self::Report),
        }
    }

    /// What an unfinished piece is when its rest does not come.
    pub(super) fn given_up(input: &[u8]) -> Self {
        if input.starts_with(PASTE.0) {
            Self::Paste(input.len())
        } else {
            Self::Keys(run(input))
        }
    }
}

/// Whether a paste holds a key that may run something.
pub(super) fn runs_something(paste: &[u8]) -> bool {
    paste
        .iter()
        .any(|byte| matches!(*byte, b'\r' | b'\n' | RUN_AND_FETCH_NEXT))
}

/// Where `end` ends in `input`.
fn position(input: &[u8], end: &[u8]) -> Option<usize> {
    memchr::memmem::find(input, end).map(|at| at + end.len())
}

/// How long a report is that `input` begins with: a position, a state, a size or what the terminal is.
fn report(input: &[u8]) -> Option<usize> {
    let parameters = input.strip_prefix(b"\x1b[")?;
    let end = parameters
        .iter()
        .position(|byte| !matches!(byte, b'0'..=b'9' | b';' | b'?' | b'>'))?;
    let is_report = end > 0 && matches!(parameters.get(end)?, b'R' | b'n' | b't' | b'c');
    is_report.then_some(end + 3)
}

/// How many bytes edit the line before the next key that has to be looked at by itself.
fn run(input: &[u8]) -> usize {
    let looked_at = |byte: &u8| matches!(byte, 0x03..=0x05 | b'\r' | b'\n' | 0x0f | 0x1a..=0x1c);
    let rest = input.get(1..).unwrap_or_default();
    1 + rest.iter().position(looked_at).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[u8]) -> Typed {
        let mut typed = Typed::default();
        typed.take(keys);
        typed
    }

    #[test]
    fn plain_typing_and_its_corrections_can_be_counted() {
        for (keys, columns, only_added) in [
            (b"ls -l".as_slice(), Some(5), true),
            (b"lx\x7fs", Some(2), false),
            (b"\x7f\x7fa", Some(1), false),
            (b"rm x\x15ls", Some(2), false),
            (b"ls\t", None, true),
            (b"\x1b[A", None, true),
            ("é".as_bytes(), None, true),
        ] {
            assert_eq!(
                (typed(keys).columns(), typed(keys).only_added()),
                (columns, only_added),
                "{keys:?}"
            );
        }
    }

    #[test]
    fn a_paste_is_counted_without_its_marks() {
        let mut typed = Typed::default();
        typed.take_paste(b"\x1b[200~ls\x1b[201~");
        assert_eq!(typed.columns(), Some(2));
    }

    #[test]
    fn input_falls_into_pieces() {
        for (input, piece) in [
            (b"ls\rpwd".as_slice(), Piece::Keys(2)),
            (b"\rpwd", Piece::Submits),
            (b"\n", Piece::Submits),
            (b"\x0f", Piece::Submits),
            (b"\x03x", Piece::Leaves),
            (b"\x04", Piece::Leaves),
            (b"\x05", Piece::Keys(1)),
            (b"a\x1b[200~b", Piece::Keys(1)),
            (b"\x1b[200~a\rb\x1b[201~c", Piece::Paste(15)),
            (b"\x1b[200~a", Piece::Unfinished),
            (b"\x1b[2", Piece::Unfinished),
            (b"\x1b[A", Piece::Keys(3)),
            (b"\x1b[24;8Rls", Piece::Report(7)),
            (b"\x1b[?62;c", Piece::Report(7)),
            (b"\x1b[R", Piece::Keys(3)),
        ] {
            assert_eq!(Piece::first(input, &Typed::default(), true), piece, "{input:?}");
        }
        let unmarked = Piece::first(b"\x1b[200~a\rb\x1b[201~", &Typed::default(), false);
        assert_eq!(unmarked, Piece::Keys(7), "marks that nobody asked for are keys");
        assert_eq!(Piece::first(b"\x04", &typed(b"x"), true), Piece::Keys(1));
        assert_eq!(Piece::first(b"\x05", &typed(b"\x18"), true), Piece::Submits);
    }

    #[test]
    fn a_paste_without_an_end_is_one_all_the_same() {
        assert_eq!(Piece::given_up(b"\x1b[200~a\rb"), Piece::Paste(9));
        assert_eq!(Piece::given_up(b"\x1b"), Piece::Keys(1));
    }
}

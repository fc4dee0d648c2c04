//! What the keys typed at a shell's prompt come to, as far as that can be known.

use super::cooked::{CookedLine, Key};
use super::report::Barrier;
use super::settings::{Settings, control};

/// The keys of one line.
#[derive(Debug)]
pub(super) enum Keyboard {
    /// The kernel edits the line, with these settings.
    Kernel(Settings, CookedLine),
    /// An editor of the shell's own does, or something that is not known.
    Editor(Option<Settings>, TypedLine),
}

impl Default for Keyboard {
    fn default() -> Self {
        Self::Editor(None, TypedLine::default())
    }
}

impl Keyboard {
    /// A new line at a prompt whose barrier reported this.
    pub(super) fn new(barrier: &Barrier) -> Self {
        // dash can be built with an editor, which these flags switch on.
        let is_plain = barrier.program == b"dash" && !barrier.flags.iter().any(|flag| matches!(flag, b'E' | b'V'));
        match Settings::parse(&barrier.settings) {
            Some(settings) if is_plain && settings.can_be_foreseen() => Self::Kernel(settings, CookedLine::default()),
            settings => Self::Editor(settings, TypedLine::default()),
        }
    }

    /// Whether every key's effect is known.
    pub(super) fn is_foreseen(&self) -> bool {
        matches!(self, Self::Kernel(..))
    }

    /// What a key would do, without doing it.
    pub(super) fn foresee(&self, key: u8) -> Key {
        match self {
            Self::Kernel(settings, line) => line.foresee(settings, key),
            Self::Editor(settings, line) => line.foresee(settings.as_ref(), key),
        }
    }

    /// Takes a key.
    pub(super) fn take(&mut self, key: u8) {
        match self {
            Self::Kernel(settings, line) => {
                line.take(settings, key);
            }
            Self::Editor(settings, line) => line.take(settings.as_ref(), key),
        }
    }

    /// Begins a new line.
    pub(super) fn clear(&mut self) {
        match self {
            Self::Kernel(_, line) => *line = CookedLine::default(),
            Self::Editor(_, line) => *line = TypedLine::default(),
        }
    }

    /// The line; `None` where it is not known.
    pub(super) fn line(&self) -> Option<Vec<u8>> {
        match self {
            Self::Kernel(_, line) => Some(line.bytes()),
            Self::Editor(_, line) => line.bytes.clone().filter(|_| line.sequence.is_empty()),
        }
    }

    /// Whether nothing has been typed that is still there.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Kernel(_, line) => line.is_empty(),
            Self::Editor(_, line) => line.bytes.as_ref().is_some_and(Vec::is_empty),
        }
    }

    /// The key that interrupts, if there is one.
    pub(super) fn interrupt(&self) -> Option<u8> {
        self.settings().and_then(Settings::interrupt)
    }

    /// The key that erases the whole line, if there is one.
    pub(super) fn kill(&self) -> Option<u8> {
        self.settings().and_then(Settings::kill)
    }

    const fn settings(&self) -> Option<&Settings> {
        match self {
            Self::Kernel(settings, _) | Self::Editor(Some(settings), _) => Some(settings),
            Self::Editor(None, _) => None,
        }
    }
}

/// A line in an editor of which only this is relied on: that it inserts what can be printed, erases with the terminal's own
/// keys, and ends at Enter. Any other key makes the line unknown.
#[derive(Debug)]
pub(super) struct TypedLine {
    /// `None` where it is not known.
    bytes: Option<Vec<u8>>,
    /// An escape sequence that has begun, and may be the terminal's answer where its cursor is: some editors ask for that.
    sequence: Vec<u8>,
}

impl Default for TypedLine {
    fn default() -> Self {
        Self {
            bytes: Some(Vec::new()),
            sequence: Vec::new(),
        }
    }
}

impl TypedLine {
    fn foresee(&self, settings: Option<&Settings>, key: u8) -> Key {
        let is = |control| settings.is_some_and(|settings| settings.is(control, key));
        match key {
            // Some editors enter the line at ^O, too.
            b'\r' | b'\n' | 0x0f => Key::End,
            _ if settings.and_then(Settings::interrupt) == Some(key) => Key::Signal,
            _ if is(control::EOF) && self.bytes.as_ref().is_some_and(Vec::is_empty) => Key::EndOfFile,
            _ => Key::Edit,
        }
    }

    fn take(&mut self, settings: Option<&Settings>, key: u8) {
        let is = |control| settings.is_some_and(|settings| settings.is(control, key));
        let edits = self.foresee(settings, key) == Key::Edit;
        if edits && self.reports_cursor(key) {
            return;
        }
        let Some(line) = &mut self.bytes else { return };
        match key {
            0x0f => self.bytes = None,
            _ if !edits => line.clear(),
            b' '..=b'~' | 0x80.. => line.push(key),
            _ if is(control::ERASE) && erases_one(line) => {
                line.pop();
            }
            _ if is(control::KILL) => line.clear(),
            _ => self.bytes = None,
        }
    }
}

impl TypedLine {
    /// Whether a key belongs to such an answer, `ESC [ row ; column R`.
    fn reports_cursor(&mut self, key: u8) -> bool {
        match (self.sequence.as_slice(), key) {
            ([], 0x1b) | ([0x1b], b'[') | ([0x1b, b'[', ..], b'0'..=b'9' | b';') if self.sequence.len() < 16 => {
                self.sequence.push(key);
                true
            }
            ([0x1b, b'[', _, ..], b'R') => {
                self.sequence.clear();
                true
            }
            ([], _) => false,
            _ => {
                self.bytes = None;
                false
            }
        }
    }
}

/// Whether the last character is one that every editor erases alike. Some take a backslash before for a quotation.
fn erases_one(line: &[u8]) -> bool {
    match line {
        [] => true,
        [.., b'\\', _] => false,
        [.., last] => matches!(last, b' '..=b'[' | b']'..=b'~'),
    }
}

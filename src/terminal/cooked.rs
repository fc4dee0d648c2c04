//! The line that a Linux terminal in canonical mode makes of keys, byte for byte.
//!
//! Such a terminal edits its line in the kernel (`drivers/tty/n_tty.c`), and a shell without a line editor reads what comes of
//! it. Who knows the settings and every key therefore knows the line before it is read.

use super::settings::{Settings, control, input, local};

/// The most bytes of a line, its end not counted. The kernel drops what comes on top.
const MAX_LINE: usize = 4095;

/// What one key did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// It changed the line, or nothing.
    Edit,
    /// It ends the line.
    End,
    /// It hands the line so far to its reader, without an end.
    Push,
    /// The end of file: it hands over nothing.
    EndOfFile,
    /// It interrupts whoever owns the terminal.
    Signal,
}

/// A line while it is typed.
#[derive(Debug, Default)]
pub(super) struct CookedLine {
    /// What its reader has already been given.
    pushed: Vec<u8>,
    /// What can still be edited.
    editable: Vec<u8>,
    /// The next key is taken literally.
    literal_next: bool,
}

impl CookedLine {
    /// The line as its reader would see it now, without its end.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let editable = self.editable.get(..MAX_LINE).unwrap_or(&self.editable);
        [self.pushed.as_slice(), editable].concat()
    }

    /// Whether nothing has been typed that is still there.
    pub(super) fn is_empty(&self) -> bool {
        self.pushed.is_empty() && self.editable.is_empty()
    }

    /// What `byte` would do, without doing it.
    pub(super) fn foresee(&self, settings: &Settings, byte: u8) -> Key {
        if self.literal_next {
            return Key::Edit;
        }
        if settings.has_input(input::IXON) && (settings.is(control::START, byte) || settings.is(control::STOP, byte)) {
            return Key::Edit;
        }
        if settings.interrupt() == Some(byte) {
            return Key::Signal;
        }
        if settings.stops(byte) {
            return Key::Edit;
        }
        match Self::translated(settings, byte) {
            Some(byte) if settings.erases(byte) || settings.quotes(byte) || settings.reprints(byte) => Key::Edit,
            Some(b'\n') => Key::End,
            Some(byte) if settings.is(control::EOF, byte) && self.editable.is_empty() => Key::EndOfFile,
            Some(byte) if settings.is(control::EOF, byte) || settings.ends_line(byte) => Key::Push,
            Some(_) | None => Key::Edit,
        }
    }

    /// Takes a key.
    pub(super) fn take(&mut self, settings: &Settings, byte: u8) -> Key {
        self.editable.truncate(MAX_LINE);
        let key = self.foresee(settings, byte);
        match key {
            Key::End => *self = Self::default(),
            Key::Signal => self.flush(settings),
            Key::Push => self.push(settings, byte),
            Key::Edit => self.edit(settings, byte),
            Key::EndOfFile => {}
        }
        key
    }

    /// What a signal does to the line.
    fn flush(&mut self, settings: &Settings) {
        if !settings.has_local(local::NOFLSH) {
            self.editable.clear();
        }
    }

    fn push(&mut self, settings: &Settings, byte: u8) {
        let end = Self::translated(settings, byte).filter(|byte| !settings.is(control::EOF, *byte));
        self.editable.extend(end);
        self.pushed.append(&mut self.editable);
    }

    fn edit(&mut self, settings: &Settings, byte: u8) {
        if std::mem::take(&mut self.literal_next) {
            self.editable.push(byte);
            return;
        }
        if settings.has_input(input::IXON) && (settings.is(control::START, byte) || settings.is(control::STOP, byte)) {
            return;
        }
        // An interactive shell does not listen to these signals.
        if settings.stops(byte) {
            self.flush(settings);
            return;
        }
        let Some(byte) = Self::translated(settings, byte) else {
            return;
        };
        if settings.erases(byte) {
            self.erase(settings, byte);
        } else if settings.quotes(byte) {
            self.literal_next = true;
        } else if !settings.reprints(byte) {
            self.editable.push(byte);
        }
    }

    /// A carriage return and a newline as the settings turn them into each other. `None` where the key is dropped.
    fn translated(settings: &Settings, byte: u8) -> Option<u8> {
        match byte {
            b'\r' if settings.has_input(input::IGNCR) => None,
            b'\r' if settings.has_input(input::ICRNL) => Some(b'\n'),
            b'\n' if settings.has_input(input::INLCR) => Some(b'\r'),
            byte => Some(byte),
        }
    }

    fn erase(&mut self, settings: &Settings, byte: u8) {
        let one = settings.is(control::ERASE, byte);
        let word = !one && settings.is(control::WERASE, byte);
        let all_at_once = [local::ECHO, local::ECHOE, local::ECHOK, local::ECHOKE]
            .iter()
            .any(|flag| !settings.has_local(*flag));
        if !one && !word && all_at_once {
            self.editable.clear();
            return;
        }
        let mut within_word = false;
        while let Some(start) = self.last_character(settings) {
            let first = self.editable.get(start).copied().unwrap_or_default();
            if word && is_word_byte(first) {
                within_word = true;
            } else if word && within_word {
                break;
            }
            self.editable.truncate(start);
            if one {
                break;
            }
        }
    }

    /// Where the last character begins. `None` where there is none, or only the tail of one.
    fn last_character(&self, settings: &Settings) -> Option<usize> {
        let continues = |byte: &u8| settings.has_input(input::IUTF8) && byte & 0xc0 == 0x80;
        self.editable.iter().rposition(|byte| !continues(byte))
    }
}

/// A letter, digit or underscore to the kernel, whose table of characters is Latin-1.
const fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || (byte >= 0xc0 && byte != 0xd7 && byte != 0xf7)
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::io::{Read as _, Write as _};
    use std::os::fd::{AsFd as _, AsRawFd as _};
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    /// What sshd and a plain terminal have, as GNU stty prints it.
    const USUAL: &[u8] = b"4500:5:bf:8a3b:3:1c:7f:15:4:0:1:0:11:13:1a:0:12:f:17:16:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0";

    fn usual() -> Settings {
        Settings::parse(USUAL).unwrap()
    }

    /// The keys' last effect, and the line that was there before it.
    fn typed(settings: &Settings, keys: &[u8]) -> (Vec<u8>, Key) {
        let mut line = CookedLine::default();
        let mut last = (Vec::new(), Key::Edit);
        for &key in keys {
            last = (line.bytes(), line.take(settings, key));
        }
        last
    }

    #[test]
    fn a_line_is_what_its_keys_come_to() {
        for (keys, line) in [
            ("echo onex\x7f\x7fe2\r", "echo one2"),
            ("echo foo bar\x17baz\r", "echo foo baz"),
            ("rm -rf /q\x15echo safe\r", "echo safe"),
            ("rm -rf /\x03echo cc\n", "echo cc"),
            ("echo a\x16\tb\r", "echo a\tb"),
            ("echo a\x16\x15b\r", "echo a\x15b"),
            (
                "echo h\u{e9}\u{65e5}\u{672c}\x7f\u{8a9e}\r",
                "echo h\u{e9}\u{65e5}\u{8a9e}",
            ),
            ("\x7f\x15\x17ls\r", "ls"),
            ("x\x13y\x11z\r", "xyz"),
            ("x\x12y\r", "xy"),
        ] {
            let (bytes, key) = typed(&usual(), keys.as_bytes());
            assert_eq!((bytes.as_slice(), key), (line.as_bytes(), Key::End), "{keys:?}");
        }
    }

    #[test]
    fn an_end_of_file_within_a_line_hands_it_over_for_good() {
        let mut line = CookedLine::default();
        let keys: Vec<_> = b"rm\x04\x7f\x15 x"
            .iter()
            .map(|key| line.take(&usual(), *key))
            .collect();
        assert_eq!(keys.get(2), Some(&Key::Push));
        assert_eq!(line.bytes(), b"rm x");
        assert_eq!(typed(&usual(), b"rm\x04\x04"), (b"rm".to_vec(), Key::EndOfFile));
        assert_eq!(typed(&usual(), b"\x04"), (Vec::new(), Key::EndOfFile));
    }

    #[test]
    fn settings_that_are_not_foreseen_are_told() {
        assert!(usual().can_be_foreseen());
        for raw in [
            "4500:5:bf:8a39",
            "4520:5:bf:8a3b",
            "4500:5:bf:18a3b",
            "4700:5:bf:8a3b",
            "4508:5:bf:8a3b",
        ] {
            let printed = format!("{raw}:3:1c:7f:15:4:0:1:0:11:13:1a:0:12:f:17:16:0");
            assert!(!Settings::parse(printed.as_bytes()).unwrap().can_be_foreseen(), "{raw}");
        }
        for strange in [
            &b""[..],
            b"gfmt1:cflag=4b00:iflag=6b02",
            b"1:2:3:4:5",
            b"4500:5:bf:8a3b:100",
        ] {
            assert_eq!(Settings::parse(strange), None);
        }
    }

    /// A terminal of the kernel, with settings.
    struct Terminal {
        keyboard: pty_process::blocking::Pty,
        reader: File,
        settings: Settings,
    }

    impl Terminal {
        fn open(settings: &[&str]) -> Self {
            let (keyboard, pts) = pty_process::blocking::open().unwrap();
            let path = std::fs::read_link(format!("/proc/self/fd/{}", pts_descriptor(&pts))).unwrap();
            stty(&path, settings);
            let settings = Settings::parse(&stty(&path, &["-g"])).unwrap();
            let reader = OpenOptions::new().read(true).open(path).unwrap();
            Self {
                keyboard,
                reader,
                settings,
            }
        }

        /// What the first reader gets of these keys. A few line ends follow them, so that it gets something; `None` where
        /// nothing comes all the same. A terminal that is full lets nobody write, so neither end waits for the other.
        fn reads(&self, keys: &[u8]) -> Option<Vec<u8>> {
            let (sender, read) = std::sync::mpsc::channel();
            let mut reader = self.reader.try_clone().unwrap();
            std::thread::spawn(move || {
                let mut buffer = [0; 8192];
                let count = reader.read(&mut buffer).unwrap_or_default();
                sender.send(buffer[..count].to_vec()).unwrap_or_default();
            });
            let mut keyboard = File::from(self.keyboard.as_fd().try_clone_to_owned().unwrap());
            let keys = [keys, b"\n\r\n\r\n"].concat();
            std::thread::spawn(move || keyboard.write_all(&keys));
            read.recv_timeout(std::time::Duration::from_secs(10)).ok()
        }
    }

    fn pts_descriptor(pts: &pty_process::blocking::Pts) -> i32 {
        pts.as_fd().as_raw_fd()
    }

    fn stty(terminal: &Path, arguments: &[&str]) -> Vec<u8> {
        let output = Command::new("stty")
            .arg("-F")
            .arg(PathBuf::from(terminal))
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}");
        output.stdout
    }

    /// Up to the first key that gives a reader something; what it is then given.
    fn foreseen(settings: &Settings, keys: &[u8]) -> Option<(usize, Vec<u8>)> {
        let mut line = CookedLine::default();
        for (at, &key) in keys.iter().enumerate() {
            let before = line.bytes();
            match line.take(settings, key) {
                Key::Edit | Key::Signal => {}
                Key::End => return Some((at + 1, [before.as_slice(), b"\n"].concat())),
                Key::Push => return Some((at + 1, line.bytes())),
                Key::EndOfFile => return Some((at + 1, before)),
            }
        }
        None
    }

    fn settings() -> impl Strategy<Value = Vec<&'static str>> {
        let all = [
            "-iutf8", "-icrnl", "inlcr", "-ixon", "-isig", "-iexten", "-echo", "-echoe", "-echok", "-echoke", "noflsh",
        ];
        let keys = [
            ["erase", "^H"],
            ["kill", "^X"],
            ["werase", "undef"],
            ["lnext", "^Q"],
            ["eof", "x"],
            ["eol", "y"],
            ["eol2", "^B"],
            ["intr", "undef"],
            ["kill", "^W"],
            ["rprnt", "^Y"],
            ["erase", "undef"],
            ["eol", "^M"],
        ];
        (
            proptest::sample::subsequence(all.to_vec(), 0..=4),
            proptest::sample::subsequence(keys.to_vec(), 0..=4),
        )
            .prop_map(|(flags, keys)| [vec!["sane", "iutf8"], flags, keys.concat()].concat())
    }

    /// More keys than a line can have, but not more than a terminal can erase at once: behind 12,000, all echoed and erased,
    /// the kernel moves neither the keys nor the echo again, whoever writes and reads.
    fn keys() -> impl Strategy<Value = Vec<u8>> {
        const MAX_KEYS: usize = 8000;
        let key = prop_oneof![
            4 => "[a-z _/.-]".prop_map(String::into_bytes),
            2 => proptest::sample::select(vec!["\u{e9}", "\u{65e5}", "\u{5d0}", "\u{1f600}"]).prop_map(|text| text.as_bytes().to_vec()),
            4 => (1u8..32).prop_map(|control| vec![control]),
            2 => Just(vec![0x7f]),
            1 => any::<u8>().prop_filter("no NUL, which a reader could not tell", |key| *key != 0).prop_map(|key| vec![key]),
            1 => (0usize..3).prop_map(|count| vec![b'w'; count * 2000]),
        ];
        proptest::collection::vec(key, 0..40).prop_map(|keys| {
            let mut keys = keys.concat();
            keys.truncate(MAX_KEYS);
            keys
        })
    }

    proptest! {
        // A case that fails for want of an answer takes seconds, and so does each that is tried to make it smaller.
        #![proptest_config(ProptestConfig { max_shrink_iters: 50, ..ProptestConfig::with_cases(400) })]

        #[test]
        fn the_kernel_makes_the_same_line_of_the_same_keys(settings in settings(), mut keys in keys()) {
            let terminal = Terminal::open(&settings);
            prop_assert!(terminal.settings.can_be_foreseen());
            keys.extend(b"\n\r\n\r");
            // Settings can leave no key that ends a line.
            let Some((used, line)) = foreseen(&terminal.settings, &keys) else { return Ok(()) };
            keys.truncate(used);
            let Some(read) = terminal.reads(&keys) else {
                // Once in some thousand times the kernel loses all that comes behind a signal's key.
                let controls = [control::INTR, control::QUIT, control::SUSP];
                let signals = |key: &u8| controls.iter().any(|signal| terminal.settings.is(*signal, *key));
                prop_assert!(keys.iter().any(signals), "{:?} {:?}", settings, keys);
                return Ok(());
            };
            prop_assert_eq!(read, line, "{:?} {:?}", settings, keys.escape_ascii().to_string());
        }
    }
}
